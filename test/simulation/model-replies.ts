/** Replies as bytes in latin1 text: what the model answers, and what it reads from answers. */
import type { Reply } from '../commands/resp-decoder.ts'
import { RespDecoder } from '../commands/resp-decoder.ts'
import type { Model } from './model.ts'

/** Where several answers are right: says what is wrong with one. */
export type Judge = (raw: string) => string | undefined

/** The command waits for its keys, and answers later. */
export const blocks = Symbol('blocks')

/** The reply's bytes as latin1 text, or a judge. */
export type Expected = string | Judge

export type Handler = (model: Model, db: number, args: readonly string[]) => Expected | typeof blocks

export const ok = '+OK\r\n'
export const nil = '$-1\r\n'
export const nilArray = '*-1\r\n'
export const wrongType = '-WRONGTYPE Operation against a key holding the wrong kind of value\r\n'
export const noSuchKey = '-ERR no such key\r\n'

/** An array of replies. */
export function list(items: readonly string[]): string {
  return `*${items.length}\r\n${items.join('')}`
}

export function array(items: readonly (string | undefined)[]): string {
  return list(items.map(bulk))
}

export function isInteger(text: string): boolean {
  return /^(0|-?[1-9]\d{0,15})$/.test(text)
}

export function integer(value: number): string {
  return `:${value}\r\n`
}

export function bulk(text: string | undefined): string {
  return text === undefined ? nil : `$${text.length}\r\n${text}\r\n`
}

/** The items of an array, each as raw as it came. */
export function itemsOf(raw: string): string[] {
  const decoder = new RespDecoder()
  decoder.push(Buffer.from(raw.slice(raw.indexOf('\r\n') + 2), 'latin1'))
  const items: string[] = []
  for (let found = decoder.next(); found !== undefined; found = decoder.next()) items.push(found.raw.toString('latin1'))
  return items
}

/** The items of an array of bulks. */
export function bulks(raw: string): string[] {
  const { items } = decoded(raw)
  return items.map((item) => ('text' in item ? item.text.toString('latin1') : ''))
}

/** An array's items as values. */
export function decoded(raw: string): { readonly items: readonly Reply[] } {
  const decoder = new RespDecoder()
  decoder.push(Buffer.from(raw, 'latin1'))
  const reply = decoder.next()?.reply
  return reply !== undefined && 'items' in reply ? reply : { items: [] }
}

/** What is made in slices counts times as of its beginning; nothing in the simulation takes longer than this. */
export const slicedMsMax = 1000

/** What is wrong with a reply; undefined when nothing is. */
export function wrongWith(raw: string, expected: Expected): string | undefined {
  if (typeof expected === 'function') return expected(raw)
  return raw === expected ? undefined : `expected ${JSON.stringify(expected).slice(0, 300)}`
}

/** Judges the array of several replies, those of a transaction or a script. */
export function eachOf(expected: readonly Expected[]): Judge {
  return (raw) => {
    if (!raw.startsWith(`*${expected.length}\r\n`)) return `not ${expected.length} replies`
    for (const [i, each] of itemsOf(raw).entries()) {
      const wrong = wrongWith(each, expected[i] as Expected)
      if (wrong !== undefined) return `reply ${i + 1}: ${wrong}`
    }
    return undefined
  }
}

/** As a script gives a reply back that it got from a command: Lua knows one nil. */
export function throughLua(expected: Expected): Expected {
  return typeof expected === 'string' ? expected.replaceAll(nilArray, nil) : expected
}

/** What two lists have not in common, their order aside; undefined when they are the same. */
export function difference(found: readonly string[], expected: readonly string[]): string | undefined {
  const missing = expected.filter((each) => !found.includes(each))
  const strange = found.filter((each) => !expected.includes(each))
  if (missing.length === 0 && strange.length === 0 && found.length === expected.length) return undefined
  return `missing: ${JSON.stringify(missing)}, not expected: ${JSON.stringify(strange)}, ${found.length} instead of ${expected.length}`
}

/** Judges an array of bulks that has no order. */
export function unordered(expected: readonly string[]): Judge {
  return (raw) => difference(bulks(raw), expected)
}
