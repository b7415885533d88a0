/** The timeout of commands that block: seconds, with a fraction, in an argument. */
import type { Execution } from '../execution.ts'

/** What is more wraps around to a negative time in Redis. */
const int64Max = 2 ** 63

/** In ms, at least the time that was asked for; 0 for no limit. NaN when the argument is none and the error is written. */
export function readTimeout(x: Execution, index: number): number {
  const { args, reply } = x
  const seconds = args.float(index)
  const ms = Math.ceil(seconds * 1000)
  if (Number.isNaN(seconds)) reply.error('ERR timeout is not a float or out of range')
  else if (ms < 0 || ms >= int64Max) reply.error('ERR timeout is negative')
  else return ms
  return Number.NaN
}
