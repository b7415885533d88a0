/**
 * What commands have in common that wait for a key to have what they want. A blocked command is executed again, for one key, whenever something
 * has happened to that; those who wait for a key are served in the order of their arrival.
 */
import type { Execution } from '../execution.ts'
import { int64Max } from '../integer.ts'
import type { KeyWait } from '../key-wait.ts'
import type { TypeNumber } from '../keyspace/entries.ts'
import { ceiledProduct, parseLongDouble } from '../long-double.ts'

/** Has the request, which has changed nothing and replied nothing, blocked. Where nothing may block, the reply is the one for want of time. */
export function block(x: Execution, wait: KeyWait): void {
  if (x.mayBlock) x.keyWait = wait
  else wait.timedOut(x.reply)
}

/** Whether the key that is argument `index` is to be tried: of a blocked request only the one that it has been woken for. */
export function tries({ wokenFor, args }: Execution, index: number): boolean {
  return wokenFor === undefined || wokenFor.key.compare(args.buffer, args.starts[index], args.ends[index]) === 0
}

/** As `Execution.findType`; to a request that is woken, a value of another type is as good as none. */
export function findAwaited(x: Execution, index: number, type: TypeNumber): number {
  if (x.wokenFor === undefined) return x.findType(index, type)
  const entry = x.find(index)
  return entry === 0 || x.keyspace.entries.type(entry) === type ? entry : 0
}

/** Argument `index`, seconds with a fraction, in ms (what is more than an int64 of those wraps around to a negative time in Redis), at least the time that was asked for; 0 for no limit. NaN when it is none and the error is written. */
export function readTimeout({ args, reply }: Execution, index: number): number {
  const plain = Math.ceil(args.float(index) * 1000)
  if (plain >= 0 && plain <= Number.MAX_SAFE_INTEGER) return plain
  // Near the limits it matters that Redis multiplies long doubles.
  const seconds = parseLongDouble(args.buffer, args.starts[index]!, args.ends[index]!)
  const ms = seconds === undefined ? undefined : ceiledProduct(seconds, 1000n)
  if (seconds === undefined) reply.error('ERR timeout is not a float or out of range')
  else if (ms === undefined || ms < 0n || ms > int64Max) reply.error('ERR timeout is negative')
  else return Number(ms)
  return Number.NaN
}
