/** What the arguments of ZUNION, ZINTER, ZDIFF, their STORE forms and ZINTERCARD ask for behind their keys. */
import type { Arguments } from '../arguments.ts'
import { notAnInteger, syntaxError } from './errors.ts'
import { scoreArgument } from './score-argument.ts'

export type Aggregate = (a: number, b: number) => number

export interface AlgebraOptions {
  /** One for each source. */
  readonly weights: number[]
  aggregate: Aggregate
  withScores: boolean
  /** 0: none. */
  limit: number
}

/** What of the options a command takes. */
export interface Takes {
  readonly weights: boolean
  readonly scores: boolean
  readonly limit: boolean
}

export const sum: Aggregate = (a, b) => numberOr0(a + b)
const min: Aggregate = (a, b) => (b < a ? b : a)
const max: Aggregate = (a, b) => (b > a ? b : a)

export function numberOr0(score: number): number {
  return Number.isNaN(score) ? 0 : score
}

/** The argument behind the last of as many keys as argument `numberAt` says, or the text of an error. */
export function readKeysEnd(args: Arguments, numberAt: number, command: string): number | string {
  const count = args.bigInteger(numberAt)
  if (count === undefined || count < 1n) {
    return count === undefined ? notAnInteger : `ERR at least 1 input key is needed for '${command}' command`
  }
  const first = numberAt + 1
  return count > BigInt(args.count - first) ? syntaxError : first + Number(count)
}

/** The options from argument `from` on, for so many sources; or the text of an error. */
export function readAlgebraOptions(args: Arguments, from: number, sources: number, takes: Takes): AlgebraOptions | string {
  const options: AlgebraOptions = { weights: new Array<number>(sources).fill(1), aggregate: sum, withScores: false, limit: 0 }
  for (let i = from; i < args.count; ) {
    const left = args.count - i
    if (takes.weights && left > sources && args.is(i, 'WEIGHTS')) {
      for (let source = 0; source < sources; source++) {
        const weight = scoreArgument(args, i + 1 + source)
        if (Number.isNaN(weight)) return 'ERR weight value is not a float'
        options.weights[source] = weight
      }
      i += 1 + sources
    } else if (takes.weights && left >= 2 && args.is(i, 'AGGREGATE')) {
      const aggregate = aggregateNamed(args, i + 1)
      if (aggregate === undefined) return syntaxError
      options.aggregate = aggregate
      i += 2
    } else if (takes.scores && args.is(i, 'WITHSCORES')) {
      options.withScores = true
      i++
    } else if (takes.limit && left >= 2 && args.is(i, 'LIMIT')) {
      const given = args.bigInteger(i + 1)
      if (given === undefined || given < 0n) return "ERR LIMIT can't be negative"
      options.limit = Number(given)
      i += 2
    } else return syntaxError
  }
  return options
}

function aggregateNamed(args: Arguments, index: number): Aggregate | undefined {
  if (args.is(index, 'SUM')) return sum
  if (args.is(index, 'MIN')) return min
  return args.is(index, 'MAX') ? max : undefined
}
