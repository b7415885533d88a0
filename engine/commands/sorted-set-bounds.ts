/** Ranges of sorted sets as commands name them: by score and by member. Rules as in Redis 7.0, which reads scores here with C's strtod. */
import type { Arguments } from '../arguments.ts'
import { parseDouble } from '../double.ts'
import { parseInteger } from '../integer.ts'
import type { IsBefore } from '../types/sorted-set-places.ts'
import { beforeMember } from '../types/sorted-set-wants.ts'

export const notAScoreRange = 'ERR min or max is not a float'
export const notALexRange = 'ERR min or max not valid string range item'

const parenthesis = 0x28
const bracket = 0x5b
const minus = 0x2d
const plus = 0x2b
const decimal = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i

/** How ranks are found in a sorted set; −1 when something that tells is cold. */
export interface RankFinder {
  readonly length: number
  rankOfScore(score: number, withEqual: boolean): number
  rankWhile(isBefore: IsBefore): number
}

/** The elements from number `first` up to number `end`, not included. */
export interface Span {
  readonly first: number
  readonly end: number
}

/** Finds the elements whose range a command names; undefined when something that tells is cold. */
export type Bounds = (finder: RankFinder) => Span | undefined

interface ScoreBound {
  readonly score: number
  readonly isExclusive: boolean
}

/** Bounds by score; undefined when an argument is none. */
export function scoreBounds(args: Arguments, min: number, max: number): Bounds | undefined {
  const low = readScoreBound(args, min)
  const high = readScoreBound(args, max)
  if (low === undefined || high === undefined) return undefined
  return (finder) => {
    const first = finder.rankOfScore(low.score, low.isExclusive)
    return first < 0 ? undefined : spanTo(first, finder.rankOfScore(high.score, !high.isExclusive))
  }
}

/** Bounds by member; undefined when an argument is none. */
export function lexBounds(args: Arguments, min: number, max: number): Bounds | undefined {
  const low = readLexBound(args, min, true)
  const high = readLexBound(args, max, false)
  if (low === undefined || high === undefined) return undefined
  return (finder) => {
    const first = low(finder)
    return first < 0 ? undefined : spanTo(first, high(finder))
  }
}

function spanTo(first: number, end: number): Span | undefined {
  return end < 0 ? undefined : { first, end: Math.max(first, end) }
}

function readScoreBound({ buffer, starts, ends }: Arguments, index: number): ScoreBound | undefined {
  const isExclusive = ends[index] > starts[index] && buffer[starts[index]] === parenthesis
  const score = readScore(buffer, starts[index] + (isExclusive ? 1 : 0), ends[index])
  return Number.isNaN(score) ? undefined : { score, isExclusive }
}

/** As strtod: white space may stand in front, nothing at all is 0, and what is too small is so, too. */
function readScore(buffer: Buffer, start: number, end: number): number {
  const integer = parseInteger(buffer, start, end)
  if (!Number.isNaN(integer)) return integer
  const found = parseDouble(buffer, start, end)
  if (!Number.isNaN(found)) return found
  const [text] = buffer.toString('latin1', start, end).split('\0', 1) as [string]
  if (text === '') return 0
  const trimmed = text.replace(/^[ \t\n\v\f\r]+/, '')
  if (decimal.test(trimmed)) return Number(trimmed)
  return trimmed === text && text.length === end - start ? Number.NaN : parseDouble(Buffer.from(trimmed, 'latin1'), 0, trimmed.length)
}

function readLexBound({ buffer, starts, ends }: Arguments, index: number, isMin: boolean): ((finder: RankFinder) => number) | undefined {
  const start = starts[index]
  const end = ends[index]
  const first = end > start ? buffer[start] : 0
  if (first === minus || first === plus) {
    if (end - start !== 1) return undefined
    return first === minus ? () => 0 : (finder) => finder.length
  }
  if (first !== parenthesis && first !== bracket) return undefined
  const isBefore = beforeMember(buffer, start + 1, end, (first === parenthesis) === isMin)
  return (finder) => finder.rankWhile(isBefore)
}
