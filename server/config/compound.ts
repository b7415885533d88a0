/**
 * The settings of Redis whose values have an inner structure: save points, output-buffer limits by class of client,
 * percentiles, classes of keyspace events. Their rules and refusals are Redis's.
 */
import type { Options, Setting } from './setting.ts'
import { int32Max, integer, parseMemory, Refused, setting, words } from './setting.ts'

export interface OutputBufferLimit {
  /** Bytes at which a client is closed at once; 0 for no limit. */
  readonly hardBytes: number
  /** Bytes that a client may exceed for `softSeconds`; 0 for no limit. */
  readonly softBytes: number
  readonly softSeconds: number
}

export interface OutputBufferLimits {
  readonly normal: OutputBufferLimit
  readonly replica: OutputBufferLimit
  readonly pubsub: OutputBufferLimit
}

/** `save <seconds> <changes> …`; the empty word means none. Lines of a file add up after the first. */
export function savePoints(summary: string, options: Options): Setting<string> {
  const parse = (words: readonly string[], previous: string, adding: boolean): string => {
    if (words.join('') === '') return ''
    const whole = words.length % 2 === 0 && words.every((word, at) => /^[0-9]+$/.test(word) && (at % 2 === 1 || Number(word) > 0))
    if (!whole) throw new Refused('Invalid save parameters')
    return adding && previous !== '' ? `${previous} ${words.join(' ')}` : words.join(' ')
  }
  const lines = (value: string) => (value === '' ? ['""'] : (value.match(/\S+ \S+/g) ?? []))
  return setting(
    { accepts: 'pairs of seconds and changes', default: '', parse, format: (value) => value, lines, manyWords: true },
    summary,
    options,
  )
}

export function outputBufferLimits(fallback: OutputBufferLimits, summary: string, options: Options = {}): Setting<OutputBufferLimits> {
  const classes = ['normal', 'replica', 'pubsub'] as const
  const parse = (words: readonly string[], previous: OutputBufferLimits): OutputBufferLimits => {
    if (words.length % 4 !== 0) throw new Refused('Wrong number of arguments in buffer limit configuration.')
    const limits = { ...previous }
    for (let at = 0; at < words.length; at += 4) {
      const word = words[at].toLowerCase() === 'slave' ? 'replica' : words[at].toLowerCase()
      const name = classes.find((known) => known === word)
      if (name === undefined) throw new Refused('Invalid client class specified in buffer limit configuration.')
      limits[name] = parseLimit(words[at + 1], words[at + 2], words[at + 3])
    }
    return limits
  }
  const format = (value: OutputBufferLimits) =>
    classes.map((name) => `${name === 'replica' ? 'slave' : name} ${limitText(value[name])}`).join(' ')
  const lines = (value: OutputBufferLimits) => classes.map((name) => `${name} ${limitText(value[name])}`)
  const accepts = 'class, hard limit, soft limit, seconds'
  return setting({ accepts, default: fallback, parse, format, lines, manyWords: true }, summary, options)
}

function parseLimit(hard: string, soft: string, seconds: string): OutputBufferLimit {
  const hardBytes = parseMemory(hard)
  const softBytes = parseMemory(soft)
  if (hardBytes === undefined || softBytes === undefined || !/^[0-9]{1,15}$/.test(seconds)) {
    throw new Refused('Error in hard, soft or soft_seconds setting in buffer limit configuration.')
  }
  return { hardBytes: Number(hardBytes), softBytes: Number(softBytes), softSeconds: Number(seconds) }
}

function limitText(limit: OutputBufferLimit): string {
  return `${limit.hardBytes} ${limit.softBytes} ${limit.softSeconds}`
}

/** Numbers between 0 and 100, or one empty word for none. */
export function percentiles(fallback: readonly number[], summary: string, options: Options = {}): Setting<readonly number[]> {
  const parse = (words: readonly string[]): readonly number[] => {
    if (words.join('') === '') return []
    return words.map((word) => {
      if (!/^([-+]?([0-9]+\.?[0-9]*|\.[0-9]+)|0x[0-9a-f]+)$/i.test(word))
        throw new Refused('Invalid latency-tracking-info-percentiles parameters')
      const value = Number(word)
      if (value < 0 || value > 100) throw new Refused('latency-tracking-info-percentiles parameters should sit between [0.0,100.0]')
      return value
    })
  }
  const format = (value: readonly number[]) => value.join(' ')
  const lines = (value: readonly number[]) => [value.length === 0 ? '""' : value.join(' ')]
  return setting({ accepts: 'numbers, 0 to 100', default: fallback, parse, format, lines, manyWords: true }, summary, options)
}

/** Classes of keyspace events as letters, kept in Redis's order; `A` stands for all classes that it covers. */
export function eventClasses(summary: string, options: Options = {}): Setting<string> {
  const all = 'g$lshzxetd'
  const parse = ([word]: readonly string[]): string => {
    if (!/^[Ag$lshzxeKEtmdn]*$/.test(word)) throw new Refused("Invalid event class character. Use 'Ag$lshzxeKEtmdn'.")
    const has = (letter: string) => word.includes(letter) || (word.includes('A') && all.includes(letter))
    const classes = [...all].filter(has).join('')
    return (classes === all ? 'A' : classes) + [...'nKEm'].filter(has).join('')
  }
  // Redis does not show `n` beside `A`, although it is in force.
  const format = (value: string) => (value.startsWith('An') ? value.replace('n', '') : value)
  const lines = (value: string) => [`"${value}"`]
  return setting({ accepts: 'letters of `Ag$lshzxeKEtmdn`', default: '', parse, format, lines }, summary, options)
}

/** Milliseconds of which Redis raises those below two rounds of its background work. */
export function watchdogPeriod(summary: string, options: Options = {}): Setting<number> {
  const shortestMs = 200
  const plain = integer(0, 0n, int32Max, summary, options)
  const parse = (words: readonly string[], previous: number, adding: boolean): number => {
    const ms = plain.parse(words, previous, adding)
    return ms === 0 ? 0 : Math.max(ms, shortestMs)
  }
  return { ...plain, parse }
}

/** Addresses to listen on; no more than Redis takes. */
export function addresses(fallback: string, summary: string): Setting<string> {
  const most = 16
  const plain = words(fallback, summary)
  const parse = (given: readonly string[]): string => {
    if (given.filter((word) => word !== '').length > most) throw new Refused('Too many bind addresses specified.')
    return given.join(' ')
  }
  return { ...plain, parse }
}
