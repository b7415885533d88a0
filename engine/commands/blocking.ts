/**
 * What commands have in common that wait for a key to have what they want. A blocked command is executed again, for one key, whenever something
 * has happened to that; those who wait for a key are served in the order of their arrival.
 */
import type { Execution } from '../execution.ts'
import type { KeyWait } from '../key-wait.ts'
import type { TypeNumber } from '../keyspace/entries.ts'

/** What is more wraps around to a negative time in Redis. */
const int64Max = 2 ** 63

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

/** Argument `index`, seconds with a fraction, in ms, at least the time that was asked for; 0 for no limit. NaN when it is none and the error is written. */
export function readTimeout({ args, reply }: Execution, index: number): number {
  const seconds = args.float(index)
  const ms = Math.ceil(seconds * 1000)
  if (Number.isNaN(seconds)) reply.error('ERR timeout is not a float or out of range')
  else if (ms < 0 || ms >= int64Max) reply.error('ERR timeout is negative')
  else return ms
  return Number.NaN
}
