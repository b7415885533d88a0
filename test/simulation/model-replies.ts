/** Replies as bytes in latin1 text: what the model answers, and what it reads from answers. */
import type { Model } from './model.ts'

/** The reply's bytes as latin1 text, or where several answers are right a judge, who says what is wrong with them. */
export type Expected = string | ((raw: string) => string | undefined)

export type Handler = (model: Model, db: number, args: readonly string[]) => Expected

export const ok = '+OK\r\n'
export const nil = '$-1\r\n'
export const nilArray = '*-1\r\n'
export const wrongType = '-WRONGTYPE Operation against a key holding the wrong kind of value\r\n'

export function array(items: readonly (string | undefined)[]): string {
  return `*${items.length}\r\n${items.map(bulk).join('')}`
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

/** The items of an array of bulks. */
export function bulks(raw: string): string[] {
  const found: string[] = []
  let at = raw.indexOf('\r\n') + 2
  while (at < raw.length) {
    const end = raw.indexOf('\r\n', at)
    const length = Number(raw.slice(at + 1, end))
    found.push(raw.slice(end + 2, end + 2 + length))
    at = end + 4 + length
  }
  return found
}

/** What two lists have not in common, their order aside; undefined when they are the same. */
export function difference(found: readonly string[], expected: readonly string[]): string | undefined {
  const missing = expected.filter((each) => !found.includes(each))
  const strange = found.filter((each) => !expected.includes(each))
  if (missing.length === 0 && strange.length === 0 && found.length === expected.length) return undefined
  return `missing: ${JSON.stringify(missing)}, not expected: ${JSON.stringify(strange)}, ${found.length} instead of ${expected.length}`
}
