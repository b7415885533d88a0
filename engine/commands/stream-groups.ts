/** Groups as commands meet them: named by arguments, with consumers that come to be, and where they have come to. */
import type { Execution } from '../execution.ts'
import { streamEvent } from '../messages.ts'
import type { RecordBuffer } from '../mutation/record-buffer.ts'
import type { NamedPlace } from '../types/stream-group-leaf.ts'
import { readOffset } from '../types/stream-group-leaf.ts'
import { StreamId } from '../types/stream-id.ts'
import { putConsumerEdit } from '../types/stream-type.ts'
import { streamsOf } from './stream-arguments.ts'

/** Entries read of which nobody knows the number. */
export const unknownCount = -1n

/** The group that is argument `index`, of the stream's entry; undefined when there is none. Valid until something changes. */
export function findGroup(x: Execution, entry: number, index: number): NamedPlace | undefined {
  const { groups } = streamsOf(x)
  const root = streamsOf(x).rootOf(entry)
  const { args } = x
  return root !== 0 && groups.findGroup(root, args.buffer, args.starts[index], args.ends[index]) ? groups.group : undefined
}

/** The unit of the consumer that is argument `index`, 0 when there is none; `groups.consumer` then is it. */
export function findConsumer(x: Execution, entry: number, group: number, index: number): number {
  const { groups } = streamsOf(x)
  const { args } = x
  return groups.findConsumer(streamsOf(x).rootOf(entry), group, args.buffer, args.starts[index], args.ends[index])
    ? groups.consumer.unit
    : 0
}

/** Makes the consumer that is argument `index`; returns its unit. The key is argument `keyIndex`. */
export function createConsumer(x: Execution, entry: number, group: number, index: number, keyIndex: number): number {
  const { args } = x
  const unit = streamsOf(x).entries.meta(entry).nextUnit
  const payload = x.mutator.payload()
  payload.u32(group)
  payload.u32(unit)
  payload.u48(x.now)
  payload.range(args.buffer, args.starts[index], args.ends[index])
  x.edit(streamsOf(x), putConsumerEdit, keyIndex)
  x.notify(streamEvent, 'xgroup-createconsumer', keyIndex)
  return unit
}

const first = new StreamId()
const last = new StreamId()
const deleted = new StreamId()

/** Whether something was deleted between two ids, as far as the greatest deleted id tells. */
export function hasTombstones(x: Execution, entry: number, from: StreamId | undefined, to: StreamId | undefined): boolean {
  if (x.keyspace.entries.length(entry) === 0) return false
  const meta = streamsOf(x).entries.meta(entry)
  meta.maxDeletedId(deleted)
  if (deleted.isZero || x.keyspace.entries.length(entry) === 0) return false
  meta.firstId(first)
  // What was deleted last lay before all that is there.
  if (first.compare(deleted) > 0) return false
  return (from === undefined || from.compare(deleted) <= 0) && (to === undefined || deleted.compare(to) <= 0)
}

/** How many entries had been added up to an id, as far as that can be told; else `unknownCount`. */
export function distanceFromFirst(x: Execution, entry: number, id: StreamId): bigint {
  const meta = streamsOf(x).entries.meta(entry)
  const length = BigInt(x.keyspace.entries.length(entry))
  const added = meta.entriesAdded
  if (added === 0n) return 0n
  meta.lastId(last)
  const order = id.compare(last)
  if (length === 0n && order <= 0) return added
  if (order === 0) return added
  if (order > 0) return unknownCount
  meta.maxDeletedId(deleted)
  meta.firstId(first)
  if (!deleted.isZero && deleted.compare(first) >= 0) return unknownCount
  const toFirst = id.compare(first)
  if (toFirst < 0) return added - length
  return toFirst === 0 ? added - length + 1n : unknownCount
}

/** Counts what a group reads, entry by entry, as far as that can be told. */
export class ReadCounter {
  #x!: Execution
  #entry = 0
  /** Whether something that was deleted may stand in the way, so that each entry has to be looked at. */
  #mayMiss = false
  /** What is known, as the group has it, and what was read since. */
  readonly #known = Buffer.alloc(8)
  #more = 0

  /** Begins with what the group at `place` has read. */
  begin(x: Execution, entry: number, place: NamedPlace): void {
    this.#x = x
    this.#entry = entry
    this.#more = 0
    for (let i = 0; i < 8; i++) this.#known[i] = place.bytes[place.at + readOffset + i]
    this.#mayMiss = hasTombstones(x, entry, undefined, undefined)
  }

  /** The stream's entry has moved, perhaps. */
  resume(entry: number): void {
    this.#entry = entry
  }

  add(id: StreamId): void {
    const isKnown = this.#known[0] < 0x80
    if (isKnown && !(this.#mayMiss && hasTombstones(this.#x, this.#entry, id, undefined))) this.#more++
    else if (streamsOf(this.#x).entries.meta(this.#entry).entriesAdded !== 0n) {
      this.#known.writeBigInt64BE(distanceFromFirst(this.#x, this.#entry, id))
      this.#more = 0
    }
  }

  put(payload: RecordBuffer): void {
    const known = this.#known
    for (let i = 7, carry = this.#more; carry > 0 && i >= 0; i--) {
      const sum = known[i] + carry
      known[i] = sum
      carry = Math.floor(sum / 256)
    }
    this.#more = 0
    payload.raw(known, 0, known.length)
  }
}
