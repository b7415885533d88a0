/** What the tour shows of the server: words, what they mean and how they hang together, cities near and large, and where values are. */
import { leaderboardKey, positionsKey, streamKey } from '../real-data/cities.ts'
import type { DataEntry } from '../real-data/entry.ts'
import { count, rows, say } from './tell.ts'
import { connect } from './writers.ts'

const sampleSize = 2000
const glossesShown = 2
const lineMax = 110
const kindsShown = 6
const shown = 5

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

/** Follows the first broader sense up to the broadest; KEYS[1] is where it begins, what it meets is found on the way. */
const climb = `
local path, sense = {}, KEYS[1]
while sense do
  path[#path + 1] = redis.call('SRANDMEMBER', 'words:' .. sense)
  sense = redis.call('SORT', 'broader:' .. sense, 'ALPHA', 'LIMIT', 0, 1)[1]
end
return path`

/** Sets, a sorted set and a script over the senses of words. */
export async function showSenses(port: number, word: string): Promise<void> {
  const client = await connect(port)
  const sense = (await client.hget(`word:${word}`, 'n'))?.split(' ')[0]
  if (sense !== undefined) {
    const kinds = await client.smembers(`narrower:${sense}`)
    const named = await Promise.all(kinds.slice(0, kindsShown).map((kind) => client.srandmember(`words:${kind}`)))
    if (named.length > 0) say(`kinds of ${word} (SMEMBERS): ${named.join(', ')}; ${kinds.length} in all`)
    say(`what it is a kind of (a script): ${((await client.eval(climb, 1, sense)) as string[]).join(' → ')}`)
  }
  const richest = await client.zrange('senses:v', '0', `${shown - 1}`, 'REV', 'WITHSCORES')
  if (richest.length > 0) say(`verbs with the most senses (ZRANGE … REV): ${pairs(richest)}`)
  client.disconnect()
}

/** The geo index, the leaderboard and the stream that the cities have made. */
export async function showCities(port: number, longitude: number, latitude: number, radiusKm: number): Promise<void> {
  const client = await connect(port)
  const near = (await client.call(
    ...['GEOSEARCH', positionsKey, 'FROMLONLAT', `${longitude}`, `${latitude}`, 'BYRADIUS', `${radiusKm}`, 'km'],
    ...['ASC', 'COUNT', `${shown}`, 'WITHDIST'],
  )) as [string, string][]
  const names = await Promise.all(near.map(([key]) => client.hget(key, 'name')))
  const distances = names.map((name, i) => `${name} ${Number(near[i]?.[1]).toFixed(1)} km`)
  if (near.length > 0) say(`near ${longitude}, ${latitude} (GEOSEARCH): ${distances.join(', ')}`)
  const largest = await client.zrange(leaderboardKey, '0', `${shown - 1}`, 'REV', 'WITHSCORES')
  say(`inhabitants of cities by country (ZRANGE … REV): ${pairs(largest)}`)
  say(`arrivals in the stream (XLEN): ${count(await client.xlen(streamKey))}`)
  client.disconnect()
}

function pairs(scored: readonly string[]): string {
  return scored.flatMap((member, i) => (i % 2 === 0 ? [`${member} ${count(Number(scored[i + 1]))}`] : [])).join(', ')
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
