/** What commands on streams have in common: ids as arguments and in replies, texts, the edits' payloads. */
import type { Arguments } from '../arguments.ts'
import type { Execution } from '../execution.ts'
import type { RecordBuffer } from '../mutation/record-buffer.ts'
import type { ReplyWriter } from '../reply-writer.ts'
import type { StreamEntries } from '../types/stream-entries.ts'
import type { MissingSequence } from '../types/stream-id.ts'
import { idBytes, parseStreamId, StreamId } from '../types/stream-id.ts'
import type { EntryCursor } from '../types/stream-node.ts'
import type { StreamType } from '../types/stream-type.ts'
import { StreamWalk } from '../types/stream-walk.ts'
import { notAnInteger } from './errors.ts'

export const invalidId = 'ERR Invalid stream ID specified as stream command argument'

const text = Buffer.alloc(48)
const counter = Buffer.alloc(8)

export function streamsOf(x: Execution): StreamType {
  return x.mutator.types.streams
}

export function replyId(reply: ReplyWriter, id: StreamId): void {
  reply.bulk(text, 0, id.format(text, 0))
}

/** The argument as an id without `-` and `+`; false when the error is written. */
export function readStrictId(x: Execution, index: number, into: StreamId, missing: MissingSequence = 'first', opens = false): boolean {
  const { args } = x
  if (parseStreamId(args.buffer, args.starts[index], args.ends[index], missing, into, true, opens)) return true
  x.reply.error(invalidId)
  return false
}

/** The argument as an id, or `-` and `+` as the least and the greatest; false when the error is written. */
export function readAnyId(x: Execution, index: number, into: StreamId): boolean {
  const { args } = x
  if (parseStreamId(args.buffer, args.starts[index], args.ends[index], 'first', into, false)) return true
  x.reply.error(invalidId)
  return false
}

const parenthesis = 0x28

/** The argument as the begin or the end of a range, which may be exclusive; false when the error is written. */
export function readBound(x: Execution, index: number, missing: MissingSequence, into: StreamId): boolean {
  const error = parseBound(x.args, index, missing, into)
  if (error !== undefined) x.reply.error(error)
  return error === undefined
}

/** As `readBound`; returns the text of the error, if there is one. */
export function parseBound(args: Arguments, index: number, missing: MissingSequence, into: StreamId): string | undefined {
  const start = args.starts[index]
  const end = args.ends[index]
  const isExclusive = end - start > 1 && args.buffer[start] === parenthesis
  if (!parseStreamId(args.buffer, isExclusive ? start + 1 : start, end, missing, into, isExclusive)) return invalidId
  if (!isExclusive || (missing === 'first' ? into.increment() : into.decrement())) return undefined
  return missing === 'first' ? 'ERR invalid start ID for the interval' : 'ERR invalid end ID for the interval'
}

/** The argument as an integer, which counts; numbers that are no safe integers come out rounded. NaN when the error is written. */
export function readCount(x: Execution, index: number): number {
  const value = x.args.integer(index)
  if (!Number.isNaN(value)) return value
  const big = x.args.bigInteger(index)
  if (big !== undefined) return Number(big)
  x.reply.error(notAnInteger)
  return Number.NaN
}

export function putId(payload: RecordBuffer, id: StreamId): void {
  const at = payload.reserve(idBytes)
  id.write(payload.bytes, at)
}

/** A 64-bit integer; -1 is all ones. */
export function putUint64(payload: RecordBuffer, value: bigint): void {
  counter.writeBigUInt64BE(BigInt.asUintN(64, value))
  payload.raw(counter, 0, 8)
}

export function replyUint64(reply: ReplyWriter, value: bigint): void {
  if (value <= BigInt(Number.MAX_SAFE_INTEGER)) reply.integer(Number(value))
  else reply.bigInteger(BigInt.asIntN(64, value))
}

/** The id and the fields of an entry. */
export function replyEntry(reply: ReplyWriter, entry: EntryCursor): void {
  reply.array(2)
  replyId(reply, entry.id)
  reply.array(entry.count * 2)
  for (entry.toFirstPart(); entry.nextPart(); ) reply.bulk(entry.bytes, entry.partStart, entry.partEnd)
}

const walks = new WeakMap<StreamEntries, StreamWalk>()

/** A walk over entries that is begun anew with each use. */
export function walkOf(x: Execution): StreamWalk {
  const { entries } = streamsOf(x)
  let walk = walks.get(entries)
  if (walk === undefined) {
    walk = new StreamWalk(entries)
    walks.set(entries, walk)
  }
  return walk
}

export const firstId: StreamId = new StreamId().setMin()
export const greatestId: StreamId = new StreamId().setMax()

/** The id of the last entry there is; false without entries. */
export function lastEntryId(x: Execution, entry: number, into: StreamId): boolean {
  const walk = walkOf(x).begin(entry, firstId, greatestId, true)
  if (!walk.next()) return false
  into.copy(walk.entry.id)
  return true
}
