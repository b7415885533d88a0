/** What the tour shows of the server: a word with what it means, and where values are. */
import type { DataEntry } from '../real-data/entry.ts'
import { count, rows, say } from './tell.ts'
import { connect } from './writers.ts'

const sampleSize = 2000
const glossesShown = 2
const lineMax = 110

/** Looks a word up as an application would: its hash, then the glosses it names. Does nothing when the word is not loaded. */
export async function showWord(port: number, word: string): Promise<void> {
  const client = await connect(port)
  const entry = await client.hgetall(`word:${word}`)
  for (const [partOfSpeech, senses] of Object.entries(entry)) {
    const glosses = senses.split(' ')
    const shown = await client.mget(glosses.slice(0, glossesShown).map((sense) => `gloss:${sense}`))
    say(`${word} (${partOfSpeech}, ${glosses.length} ${glosses.length === 1 ? 'sense' : 'senses'})`)
    for (const gloss of shown) if (gloss !== null) say(`  · ${gloss.length > lineMax ? `${gloss.slice(0, lineMax)}…` : gloss}`)
  }
  client.disconnect()
}

/** Counts where a sample of values is, and shows what the server says of its memory. */
export async function showTiers(port: number, entries: readonly DataEntry[]): Promise<void> {
  const client = await connect(port)
  const sample = Array.from(
    { length: Math.min(sampleSize, entries.length) },
    (_, i) => entries[Math.floor((i * entries.length) / sampleSize)],
  )
  const tiers = await Promise.all(sample.map((entry) => client.call('OBJECT', 'TIER', (entry as DataEntry).key)))
  const share = (tier: string) => `${Math.round((100 * tiers.filter((each) => each === tier).length) / tiers.length)} %`
  const memory = parseInfo(await client.info('memory'))
  client.disconnect()
  rows([
    ['keys asked OBJECT TIER', count(sample.length)],
    ['hot: in memory only', share('hot')],
    ['cool: in memory, and a copy on disk', share('cool')],
    ['cold: on disk only', share('cold')],
    ['memory used for data, buffers and caches', `${megabytes(memory.get('used_memory'))} of ${megabytes(memory.get('maxmemory'))}`],
    ['memory of the process, Node.js included', megabytes(memory.get('used_memory_rss'))],
  ])
}

function parseInfo(text: string): Map<string, number> {
  const fields = new Map<string, number>()
  for (const line of text.split('\r\n')) {
    const colon = line.indexOf(':')
    if (colon > 0) fields.set(line.slice(0, colon), Number(line.slice(colon + 1)))
  }
  return fields
}

function megabytes(bytes: number | undefined): string {
  return bytes === undefined || Number.isNaN(bytes) ? 'not told' : `${(bytes / 2 ** 20).toFixed(1)} MB`
}
