/** What ZADD, ZRANGE and their like are told, as their needs and their handlers read it. Texts and rules as in Redis 7.0. */
import type { Arguments } from '../arguments.ts'
import { notAnInteger, syntaxError } from './errors.ts'
import type { Bounds, Span } from './sorted-set-bounds.ts'
import { lexBounds, notALexRange, notAScoreRange, scoreBounds } from './sorted-set-bounds.ts'

const limitWithoutBounds = 'ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX'
const scoresByLex = 'ERR syntax error, WITHSCORES not supported in combination with BYLEX'

export interface AddFlags {
  nx: boolean
  xx: boolean
  gt: boolean
  lt: boolean
  ch: boolean
  incr: boolean
  /** The argument with the first score. */
  first: number
}

const flags: AddFlags = { nx: false, xx: false, gt: false, lt: false, ch: false, incr: false, first: 2 }
const letterN = 0x6e
const letterX = 0x78
const letterG = 0x67
const letterL = 0x6c
const letterC = 0x63
const letterI = 0x69

/** The flags of ZADD, in an object that is overwritten by the next call. */
export function readAddFlags(args: Arguments): AddFlags {
  flags.nx = flags.xx = flags.gt = flags.lt = flags.ch = flags.incr = false
  let at = 2
  for (; at < args.count; at++) {
    const letter = args.buffer[args.starts[at]] | 0x20
    if (letter === letterN && args.is(at, 'NX')) flags.nx = true
    else if (letter === letterX && args.is(at, 'XX')) flags.xx = true
    else if (letter === letterG && args.is(at, 'GT')) flags.gt = true
    else if (letter === letterL && args.is(at, 'LT')) flags.lt = true
    else if (letter === letterC && args.is(at, 'CH')) flags.ch = true
    else if (letter === letterI && args.is(at, 'INCR')) flags.incr = true
    else break
  }
  flags.first = at
  return flags
}

export type RangeKind = 'rank' | 'score' | 'lex'

/** What the name of a command says of its range. */
export interface FixedOptions {
  readonly kind?: RangeKind
  readonly reverse?: boolean
  /** The elements are stored, and the key stands behind that of the target. */
  readonly stores?: boolean
}

export interface RangeOptions {
  readonly reverse: boolean
  readonly withScores: boolean
  readonly offset: number
  /** Negative: none. */
  readonly limit: number
  /** For a range by rank, as the arguments have it. */
  readonly start: number
  readonly stop: number
  /** For a range by score or by member. */
  readonly bounds: Bounds | undefined
}

/** What a command says of the range of the key that is argument `key`; the text of the error if something is wrong. */
export function readRangeOptions(args: Arguments, key: number, fixed: FixedOptions): RangeOptions | string {
  let { kind, reverse } = fixed
  let withScores = false
  let offset = 0
  let limit = -1
  for (let i = key + 3; i < args.count; i++) {
    if (fixed.stores !== true && args.is(i, 'WITHSCORES')) withScores = true
    else if (args.is(i, 'LIMIT') && i + 2 < args.count) {
      offset = rankArgument(args, i + 1)
      limit = rankArgument(args, i + 2)
      if (Number.isNaN(offset) || Number.isNaN(limit)) return notAnInteger
      i += 2
    } else if (reverse === undefined && args.is(i, 'REV')) reverse = true
    else if (kind === undefined && args.is(i, 'BYLEX')) kind = 'lex'
    else if (kind === undefined && args.is(i, 'BYSCORE')) kind = 'score'
    else return syntaxError
  }
  const isReverse = reverse === true
  if (kind === undefined || kind === 'rank') {
    if (limit !== -1) return limitWithoutBounds
    const start = rankArgument(args, key + 1)
    const stop = rankArgument(args, key + 2)
    if (Number.isNaN(start) || Number.isNaN(stop)) return notAnInteger
    return { reverse: isReverse, withScores, offset, limit, start, stop, bounds: undefined }
  }
  if (withScores && kind === 'lex') return scoresByLex
  const min = isReverse ? key + 2 : key + 1
  const max = isReverse ? key + 1 : key + 2
  const bounds = kind === 'score' ? scoreBounds(args, min, max) : lexBounds(args, min, max)
  if (bounds === undefined) return kind === 'score' ? notAScoreRange : notALexRange
  return { reverse: isReverse, withScores, offset, limit, start: 0, stop: 0, bounds }
}

/** A 64-bit integer, where beyond 2^53 no more than its size matters; NaN when the argument is none. */
function rankArgument(args: Arguments, index: number): number {
  const integer = args.integer(index)
  return Number.isNaN(integer) ? Number(args.bigInteger(index) ?? Number.NaN) : integer
}

/** The elements between two ranks, which may be negative, counted from the end then. */
export function ranksBetween(start: number, stop: number, length: number): Span {
  const first = Math.max(start < 0 ? length + start : start, 0)
  const end = Math.min(stop < 0 ? length + stop : stop, length - 1) + 1
  return first >= end ? { first: 0, end: 0 } : { first, end }
}

/** The elements that a range by rank names. */
export function rankSpan({ start, stop, reverse }: RangeOptions, length: number): Span {
  const { first, end } = ranksBetween(start, stop, length)
  return reverse && end > first ? { first: length - end, end: length - first } : { first, end }
}

/** How many elements are shown of those that a range names, and the rank of the first to be shown. */
export function slice({ first, end }: Span, { offset, limit, reverse }: RangeOptions): { first: number; count: number } {
  const left = offset < 0 ? 0 : Math.max(0, end - first - offset)
  const count = limit < 0 ? left : Math.min(left, limit)
  // An offset may be far beyond the end: nobody is to walk there.
  if (count === 0) return { first: 0, count: 0 }
  return { first: reverse ? end - 1 - offset : first + offset, count }
}
