/** Arguments that Redis reads as C's long, with its errors. Beyond ±(2^53 − 1) a number is only about right: it is compared, never kept. */
import type { Arguments } from '../arguments.ts'
import type { Execution } from '../execution.ts'
import { notAnInteger } from './errors.ts'

/** Argument `index`; NaN when it is none. */
export function longOf(args: Arguments, index: number): number {
  const value = args.integer(index)
  return Number.isNaN(value) ? Number(args.bigInteger(index) ?? Number.NaN) : value
}

/** Argument `index`; NaN when it is none, and the error, Redis's own unless told, is written. */
export function readLong(x: Execution, index: number, error = notAnInteger): number {
  const value = longOf(x.args, index)
  if (Number.isNaN(value)) x.reply.error(error)
  return value
}

/** As `readLong` for what must be `min` at least; with one error for whatever is wrong. */
export function readLongFrom(x: Execution, index: number, min: number, error = 'ERR value is out of range, must be positive'): number {
  const value = readLong(x, index, error)
  if (!(value < min)) return value
  x.reply.error(error)
  return Number.NaN
}
