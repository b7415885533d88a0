/**
 * What a setting is, and its plain kinds: integers, memory sizes, yes/no, names, text. A setting knows how to read its
 * arguments, how CONFIG GET shows its value, and how a configuration file writes it. Texts of refusals are Redis's.
 *
 * A value never changes in place: reading makes a new one, so that a failed CONFIG SET can go back to the old.
 */
import { int64Max, uint64Max } from '../../engine/integer.ts'

/** `start`: from file and command line only. `protected`: likewise, with the words Redis has for those. */
export type Mutability = 'runtime' | 'start' | 'protected'

export interface Setting<T> {
  /** For the documentation: what may be written. */
  readonly accepts: string
  readonly default: T
  readonly when: Mutability
  readonly since: string
  readonly summary: string
  /** Older names of the same setting, which CONFIG GET shows as well. */
  readonly aliases: readonly string[]
  /** Of Redis's hidden ones: CONFIG GET answers when it is named exactly, no pattern finds it. */
  readonly hidden: boolean
  /** False: known so that tools and stock configuration files work; without effect here. */
  readonly effective: boolean
  /** Whether a value is several words, as in `save 900 1`; if not, a line with any other count of arguments is refused. */
  readonly manyWords: boolean
  /** Makes a value from a line's arguments, or throws `Refused`. `previous` is the present value; `adding` says that it came from an earlier line of the same source. */
  readonly parse: (words: readonly string[], previous: T, adding: boolean) => T
  /** As CONFIG GET shows it. */
  readonly format: (value: T) => string
  /** As a configuration file has it: the arguments of each line, none for a value that needs no line. */
  readonly lines: (value: T) => readonly string[]
}

export interface Options {
  readonly when?: Mutability
  readonly aliases?: readonly string[]
  readonly since?: string
  readonly effective?: boolean
  readonly hidden?: boolean
}

/** A value that a setting does not take; the message is the end of Redis's error. */
export class Refused extends Error {
  override readonly name = 'Refused'
}

export const int32Max = 2147483647n
export const uint32Max = 4294967295n

type Kind<T> = Pick<Setting<T>, 'accepts' | 'default' | 'parse' | 'format'> & Partial<Pick<Setting<T>, 'lines' | 'manyWords'>>

/** Completes a kind with what all settings have in common. */
export function setting<T>(kind: Kind<T>, summary: string, options: Options): Setting<T> {
  return {
    when: 'runtime',
    aliases: [],
    since: '0.1.0',
    effective: true,
    hidden: false,
    manyWords: false,
    lines: (value) => [kind.format(value)],
    ...kind,
    ...options,
    summary,
  }
}

/** An integer between `min` and `max` inclusive. `clamp` takes any and brings it into the range, as Redis does with `hz`. */
export function integer(
  fallback: number,
  min: bigint,
  max: bigint,
  summary: string,
  options: Options & { readonly clamp?: boolean } = {},
): Setting<number> {
  const { clamp = false, ...rest } = options
  const parse = ([word]: readonly string[]): number => {
    const value = /^(0|-?[1-9][0-9]{0,18})$/.test(word) ? BigInt(word) : undefined
    if (value === undefined || value > int64Max || value < -int64Max - 1n) throw new Refused("argument couldn't be parsed into an integer")
    if (!clamp) return inRange(value, min, max)
    inRange(value, 0n, int32Max)
    return Number(value < min ? min : value > max ? max : value)
  }
  return setting(
    { accepts: `integer, ${min} to ${nameOf(max)}`, default: fallback, parse, format: (value) => exact(value, max) },
    summary,
    rest,
  )
}

/** Bytes, with Redis's units: `k` is 1000, `kb` is 1024, and so on. */
export function memory(fallback: number, min: bigint, max: bigint | undefined, summary: string, options: Options = {}): Setting<number> {
  const most = max ?? uint64Max
  const parse = ([word]: readonly string[]): number => {
    const bytes = parseMemory(word)
    if (bytes === undefined) throw new Refused('argument must be a memory value')
    return inRange(bytes, min, most)
  }
  const accepts = min > 0n ? `memory, at least ${memoryText(Number(min))}` : 'memory'
  return setting(
    { accepts, default: fallback, parse, format: (value) => exact(value, most), lines: (value) => [memoryText(value)] },
    summary,
    options,
  )
}

/** As `memory`, or a share of `maxmemory` as `5%`, kept as a negative number. */
export function memoryOrPercent(fallback: number, summary: string, options: Options = {}): Setting<number> {
  const plain = memory(fallback, 0n, int64Max, summary, options)
  const parse = (words: readonly string[], previous: number, adding: boolean): number => {
    const percent = /^([0-9]+)%$/.exec(words[0])
    if (percent === null && parseMemory(words[0]) === undefined) throw new Refused('argument must be a memory or percent value')
    if (percent === null) return plain.parse(words, previous, adding)
    if (Number(percent[1]) > 100) throw new Refused('percentage argument must be less or equal to 100')
    return -Number(percent[1])
  }
  const format = (value: number) => (value < 0 ? `${-value}%` : plain.format(value))
  const lines = (value: number) => (value < 0 ? [format(value)] : plain.lines(value))
  return { ...plain, accepts: 'memory or percent', parse, format, lines }
}

export function yesNo(fallback: boolean, summary: string, options: Options = {}): Setting<boolean> {
  const parse = ([word]: readonly string[]): boolean => {
    const lower = word.toLowerCase()
    if (lower !== 'yes' && lower !== 'no') throw new Refused("argument must be 'yes' or 'no'")
    return lower === 'yes'
  }
  return setting({ accepts: 'yes or no', default: fallback, parse, format: (value) => (value ? 'yes' : 'no') }, summary, options)
}

/** One of several names, in any case. */
export function choice<const T extends string>(
  names: readonly T[],
  fallback: NoInfer<T>,
  summary: string,
  options: Options = {},
): Setting<T> {
  const parse = ([word]: readonly string[]): T => {
    const found = names.find((name) => name === word.toLowerCase())
    if (found === undefined) throw new Refused(`argument(s) must be one of the following: ${names.join(', ')}`)
    return found
  }
  return setting<T>(
    { accepts: names.map((name) => `\`${name}\``).join(', '), default: fallback, parse, format: (value) => value },
    summary,
    options,
  )
}

/** One word of text, which may be empty. */
export function text(fallback: string, summary: string, options: Options = {}): Setting<string> {
  return setting(
    { accepts: 'text', default: fallback, parse: ([word]) => word, format: (value) => value, lines: textLines },
    summary,
    options,
  )
}

/** Several words, kept as they are. */
export function words(fallback: string, summary: string, options: Options = {}): Setting<string> {
  const parse = (given: readonly string[]) => given.join(' ')
  return setting({ accepts: 'words', default: fallback, parse, format: (value) => value, manyWords: true }, summary, options)
}

/** A setting of Redis for something that does not exist here: known, and refused with any but its one true value. */
export function only(value: string, summary: string): Setting<string> {
  const parse = ([word]: readonly string[]): string => {
    if (word.toLowerCase() !== value) throw new Refused(`only '${value}' is supported: ${summary}`)
    return value
  }
  const accepts = value === '' ? 'empty only' : `\`${value}\` only`
  return setting({ accepts, default: value, parse, format: (kept) => kept, lines: textLines }, summary, { when: 'start', effective: false })
}

/** Octal permissions of a file. */
export function permissions(fallback: number, summary: string, options: Options = {}): Setting<number> {
  const parse = ([word]: readonly string[]): number => {
    if (!/^[0-7]+$/.test(word)) throw new Refused("argument couldn't be parsed into an integer")
    return inRange(BigInt(`0o${word}`), 0n, 511n)
  }
  return setting({ accepts: 'octal, 0 to 777', default: fallback, parse, format: (value) => value.toString(8) }, summary, options)
}

/** Bytes from text such as `100mb`, or undefined when it is none. */
export function parseMemory(word: string): bigint | undefined {
  // Redis takes an empty argument for 0.
  if (word === '') return 0n
  const match = /^([0-9]{1,20})(b|k|kb|m|mb|g|gb)?$/i.exec(word)
  if (match === null) return undefined
  const bytes = BigInt(match[1]) * unitBytes(match[2]?.toLowerCase())
  return bytes > uint64Max ? undefined : bytes
}

function unitBytes(unit: string | undefined): bigint {
  switch (unit) {
    case 'k':
      return 1000n
    case 'kb':
      return 1024n
    case 'm':
      return 1000_000n
    case 'mb':
      return 1024n ** 2n
    case 'g':
      return 1000_000_000n
    case 'gb':
      return 1024n ** 3n
    default:
      return 1n
  }
}

/** The shortest text that `parseMemory` reads as `bytes`, with units of 1024. */
export function memoryText(bytes: number): string {
  if (bytes > 0 && bytes % 1024 ** 3 === 0) return `${bytes / 1024 ** 3}gb`
  if (bytes > 0 && bytes % 1024 ** 2 === 0) return `${bytes / 1024 ** 2}mb`
  if (bytes > 0 && bytes % 1024 === 0) return `${bytes / 1024}kb`
  return exact(bytes, uint64Max)
}

/** Text between double quotes with Redis's escapes, as configuration files have it. */
export function quoted(value: string): string {
  let out = '"'
  for (const byte of Buffer.from(value)) out += escaped(byte)
  return `${out}"`
}

function escaped(byte: number): string {
  const character = String.fromCharCode(byte)
  const named = '\n\r\t\x07\b'.indexOf(character)
  if (named >= 0) return `\\${'nrtab'[named]}`
  if (character === '"' || character === '\\') return `\\${character}`
  return byte < 0x20 || byte > 0x7e ? `\\x${byte.toString(16).padStart(2, '0')}` : character
}

function textLines(value: string): readonly string[] {
  return value === '' ? [] : [quoted(value)]
}

function inRange(value: bigint, min: bigint, max: bigint): number {
  if (value < min || value > max) throw new Refused(`argument must be between ${min} and ${max} inclusive`)
  return Number(value)
}

/** A number's digits. Above 2^53 only the greatest values are told exactly: they are what people write for `unlimited`. */
function exact(value: number, max: bigint): string {
  if (value === Number(int64Max)) return String(int64Max)
  return value >= Number(max) ? String(max) : String(BigInt(value))
}

function nameOf(max: bigint): string {
  return max === int64Max || max === uint64Max ? 'unlimited' : String(max)
}
