/** What XCLAIM and XAUTOCLAIM are told. */
import type { Arguments } from '../arguments.ts'
import { opensSequence, parseStreamId, StreamId } from '../types/stream-id.ts'
import { syntaxError } from './errors.ts'
import { invalidId, parseBound } from './stream-arguments.ts'

export interface ClaimOptions {
  readonly minIdle: number
  /** When the entries count as delivered. */
  readonly deliveredAt: number
  /** How often they count as delivered; negative: once more than before. */
  readonly retryCount: bigint
  /** Claims what is not pending, too. */
  readonly force: boolean
  readonly justId: boolean
}

export interface Claim extends ClaimOptions {
  /** The arguments that are ids: from `firstClaimed` up to this one. */
  readonly idsEnd: number
  /** The id that the group has come to, if told. */
  readonly lastId: StreamId | undefined
}

export interface AutoClaim extends ClaimOptions {
  readonly start: StreamId
  readonly count: number
}

export const firstClaimed = 5
/** Entries that XAUTOCLAIM looks at for each that it may claim. */
export const attemptsFactor = 10
const countMax = Number.MAX_SAFE_INTEGER

/** An integer of any size, as a number; the text if it is none. */
function integerAt<Text extends string>(args: Arguments, index: number, text: Text): number | Text {
  const value = args.bigInteger(index)
  return value === undefined ? text : Number(value)
}

/** Whether an argument of XCLAIM is an id, which `id` then is. */
export function isClaimed({ buffer, starts, ends }: Arguments, index: number, id: StreamId): boolean {
  return parseStreamId(buffer, starts[index], ends[index], 'first', id, true) && !opensSequence()
}

/** Where the ids of XCLAIM end. */
export function endOfClaimed(args: Arguments): number {
  const id = new StreamId()
  let i = firstClaimed
  while (i < args.count && isClaimed(args, i, id)) i++
  return i
}

/** What XCLAIM says, whose ids end at an argument, or the text of the error. */
export function readClaim(args: Arguments, idsEnd: number, now: number): Claim | string {
  const minIdle = integerAt(args, 4, 'ERR Invalid min-idle-time argument for XCLAIM')
  if (typeof minIdle === 'string') return minIdle
  let deliveredAt = -1
  let retryCount = -1n
  let force = false
  let justId = false
  let lastId: StreamId | undefined
  for (let i = idsEnd; i < args.count; i++) {
    const more = args.count - 1 - i
    if (args.is(i, 'FORCE')) force = true
    else if (args.is(i, 'JUSTID')) justId = true
    else if (more > 0 && args.is(i, 'IDLE')) {
      const idle = integerAt(args, ++i, 'ERR Invalid IDLE option argument for XCLAIM')
      if (typeof idle === 'string') return idle
      deliveredAt = now - idle
    } else if (more > 0 && args.is(i, 'TIME')) {
      const time = integerAt(args, ++i, 'ERR Invalid TIME option argument for XCLAIM')
      if (typeof time === 'string') return time
      deliveredAt = time
    } else if (more > 0 && args.is(i, 'RETRYCOUNT')) {
      const count = args.bigInteger(++i)
      if (count === undefined) return 'ERR Invalid RETRYCOUNT option argument for XCLAIM'
      retryCount = count
    } else if (more > 0 && args.is(i, 'LASTID')) {
      lastId ??= new StreamId()
      i++
      if (!parseStreamId(args.buffer, args.starts[i], args.ends[i], 'first', lastId, true)) return invalidId
    } else return `ERR Unrecognized XCLAIM option '${args.string(i, 'latin1')}'`
  }
  if (deliveredAt < 0 || deliveredAt > now) deliveredAt = now
  return { minIdle: Math.max(0, minIdle), deliveredAt, retryCount, force, justId, idsEnd, lastId }
}

/** What XAUTOCLAIM says, or the text of the error. */
export function readAutoClaim(args: Arguments, now: number): AutoClaim | string {
  const minIdle = integerAt(args, 4, 'ERR Invalid min-idle-time argument for XAUTOCLAIM')
  if (typeof minIdle === 'string') return minIdle
  const start = new StreamId()
  const error = parseBound(args, 5, 'first', start)
  if (error !== undefined) return error
  let count = 100
  let justId = false
  for (let i = 6; i < args.count; i++) {
    const more = args.count - 1 - i
    if (more > 0 && args.is(i, 'COUNT')) {
      const value = args.bigInteger(++i)
      if (value === undefined || value < 1n || value > (1n << 63n) / 16n) return 'ERR COUNT must be > 0'
      count = Math.min(Number(value), countMax)
    } else if (args.is(i, 'JUSTID')) justId = true
    else return syntaxError
  }
  return { minIdle: Math.max(0, minIdle), deliveredAt: now, retryCount: -1n, force: false, justId, start, count }
}
