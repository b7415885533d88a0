/**
 * Streams: one blob with the metadata and a node of entries while there is one node and no group, then a tree (`stream-entries.ts`,
 * `stream-groups.ts`, `stream-pending.ts`). When a node begins, what is trimmed, units, times and the seed of a tree the payload says.
 *
 * Edits, ids being 16 bytes and counts varints unless told:
 *   1 append: flags u8 (1: in a node of its own, 2: a seed follows) · seed u32 · id · count · fields and values
 *   2 delete: count · ids
 *   3 trim: 1 for all or 0 (u8) · id: everything before it goes
 *   4 set: last id · greatest deleted id · entries added (u64)
 *   5 put group: seed u32 · unit u32 · last id · entries read (i64) · name
 *   6 remove group: unit u32 · name
 *   7 put consumer: unit of the group u32 · unit u32 · seen at u48 · name
 *   8 remove consumer: unit of the group u32 · unit u32 · name
 *   9 deliver: flags u8 (1: the group's position follows) · last id · entries read (i64) · name of the group · unit of the group u32 · unit of the
 *     consumer u32 · seen at u48 · name of the consumer · count · for each: id · unit of its former consumer or 0 u32 · time u48 · deliveries u64
 *  10 acknowledge: unit of the group u32 · count · for each: id · unit of the consumer u32
 */
import type { TypeNumber } from '../keyspace/entries.ts'
import { streamType } from '../keyspace/entries.ts'
import type { RecordReader } from '../mutation/record-reader.ts'
import type { ColdWants } from '../need.ts'
import type { CollectionEdit, CollectionType } from './collection-type.ts'
import type { Collections } from './collections.ts'
import { acknowledgedBytes, PendingChanges } from './pending-changes.ts'
import type { PendingExchange } from './pending-exchange.ts'
import { StreamAppend } from './stream-append.ts'
import { StreamEntries } from './stream-entries.ts'
import { deliveryBytes } from './stream-group-leaf.ts'
import { StreamGroups } from './stream-groups.ts'
import { idBytes, StreamId } from './stream-id.ts'
import { EntryFields } from './stream-node.ts'
import { StreamPending } from './stream-pending.ts'
import { StreamRemoval } from './stream-removal.ts'

export const appendEdit = 1
export const deleteEdit = 2
export const trimEdit = 3
export const setEdit = 4
export const putGroupEdit = 5
export const removeGroupEdit = 6
export const putConsumerEdit = 7
export const removeConsumerEdit = 8
export const deliverEdit = 9
export const acknowledgeEdit = 10

export const beginsNode = 1
export const hasSeed = 2
export const hasPosition = 1

type Apply = (entry: number, payload: RecordReader, lsn: number) => number
type Wants = (entry: number, payload: RecordReader, wants: ColdWants) => void

export class StreamType implements CollectionType {
  readonly number: TypeNumber = streamType
  readonly edits: readonly (CollectionEdit | undefined)[]
  readonly entries: StreamEntries
  readonly groups: StreamGroups
  readonly pending: StreamPending
  readonly pendingChanges: PendingChanges
  readonly appending: StreamAppend
  readonly #removal: StreamRemoval
  readonly #collections: Collections
  readonly #fields = new EntryFields()
  readonly #id = new StreamId()
  /** What the edits in hand make of all that is pending, if that was made beforehand; undefined once it is in its place. */
  #exchange: PendingExchange | undefined
  #isExchanging = false

  constructor(collections: Collections) {
    this.#collections = collections
    this.entries = new StreamEntries(collections)
    this.appending = new StreamAppend(this.entries)
    this.#removal = new StreamRemoval(this.entries)
    this.pending = new StreamPending(collections.keyspace.trees)
    this.pendingChanges = new PendingChanges(this.pending)
    this.groups = new StreamGroups(collections.keyspace.trees, this.pendingChanges)
    const edit = (apply: Apply, wants: Wants, creates = false): CollectionEdit => ({ creates, apply, wants })
    this.edits = [
      undefined,
      edit(
        (e, p, lsn) => this.#append(e, p, lsn),
        (e, _p, w) => this.#wantLast(e, w),
        true,
      ),
      edit(
        (e, p, lsn) => this.#delete(e, p, lsn),
        (e, p, w) => this.#wantDeleted(e, p, w),
      ),
      edit(
        (e, p, lsn) => this.#trim(e, p, lsn),
        (e, p, w) => this.#wantTrimmed(e, p, w),
      ),
      edit(
        (e, p, lsn) => this.#set(e, p, lsn),
        (e, _p, w) => this.entries.wantMeta(this.#root(e), w),
        true,
      ),
      // XGROUP SETID gives nobody who waits what lies behind the id that it sets.
      {
        creates: true,
        keepsElements: true,
        apply: (e, p, lsn) => this.#putGroup(e, p, lsn),
        wants: (e, p, w) => this.#wantPutGroup(e, p, w),
      },
      edit(
        (e, p, lsn) => this.#removeGroup(e, p, lsn),
        (e, p, w) => this.#wantRemovedGroup(e, p, w),
      ),
      edit(
        (e, p, lsn) => this.#putConsumer(e, p, lsn),
        (e, p, w) => this.#wantPutConsumer(e, p, w),
      ),
      edit(
        (e, p, lsn) => this.#removeConsumer(e, p, lsn),
        (e, p, w) => this.#wantRemovedConsumer(e, p, w),
      ),
      edit(
        (e, p, lsn) => this.#deliver(e, p, lsn),
        (e, p, w) => this.#wantDelivered(e, p, w),
      ),
      edit(
        (e, p, lsn) => this.#acknowledge(e, p, lsn),
        (e, p, w) => this.#wantAcknowledged(e, p, w),
      ),
    ]
  }

  /** The root of a large stream; 0 for a small one, which has no groups. */
  rootOf(entry: number): number {
    const { entries } = this.#collections.keyspace
    return entries.isTree(entry) ? entries.value(entry) : 0
  }

  /** Makes edits that deliver and acknowledge what an exchange has: it is put in its place with the first of them. */
  withExchange(exchange: PendingExchange, edits: () => void): void {
    exchange.reserve()
    this.#exchange = exchange
    this.#isExchanging = true
    try {
      edits()
    } finally {
      this.#exchange?.release()
      this.#exchange = undefined
      this.#isExchanging = false
    }
  }

  /** Whether what is pending in a stream changes, or has changed, by an exchange. */
  #exchanges(root: number, lsn: number): boolean {
    this.#exchange?.apply(root, lsn)
    this.#exchange = undefined
    return this.#isExchanging
  }

  #root(entry: number): number {
    return this.#collections.keyspace.entries.value(entry)
  }

  #append(entry: number, payload: RecordReader, lsn: number): number {
    const { entries } = this
    const flags = payload.byte()
    const seed = (flags & hasSeed) !== 0 ? payload.u32() : 0
    const id = this.#id
    const fields = this.#fields
    readEntry(payload, id, fields)
    entries.create(entry)
    if ((flags & hasSeed) !== 0) entries.toTree(entry, seed, lsn)
    this.appending.append(entry, id, fields, (flags & beginsNode) !== 0, lsn)
    return 1
  }

  #delete(entry: number, payload: RecordReader, lsn: number): number {
    const count = payload.varint()
    const from = payload.at
    payload.at += count * idBytes
    if (payload.at > payload.end) throw new Error('record ends too early')
    return this.#removal.delete(entry, payload.bytes, from, count, lsn)
  }

  #trim(entry: number, payload: RecordReader, lsn: number): number {
    const all = payload.byte() === 1
    const bound = readId(payload, this.#id)
    return this.#removal.trim(entry, all ? undefined : bound, lsn)
  }

  #set(entry: number, payload: RecordReader, lsn: number): number {
    this.entries.create(entry)
    const meta = this.entries.writableMeta(entry, lsn)
    meta.setLastId(readId(payload, this.#id))
    meta.setMaxDeletedId(readId(payload, this.#id))
    meta.setEntriesAdded(readUint64(payload))
    this.#collections.changed(entry, 0, lsn)
    return 0
  }

  #putGroup(entry: number, payload: RecordReader, lsn: number): number {
    const seed = payload.u32()
    const unit = payload.u32()
    const last = readId(payload, this.#id)
    const read = BigInt.asIntN(64, readUint64(payload))
    payload.range()
    this.entries.create(entry)
    this.entries.toTree(entry, seed, lsn)
    this.#given(entry, unit, lsn)
    this.groups.putGroup(this.#root(entry), unit, last, read, payload.bytes, payload.start, payload.stop, lsn)
    this.#collections.changed(entry, 0, lsn)
    return 0
  }

  /** Notes that a unit is in use. */
  #given(entry: number, unit: number, lsn: number): void {
    if (this.entries.meta(entry).nextUnit <= unit) this.entries.writableMeta(entry, lsn).setNextUnit(unit + 1)
  }

  #removeGroup(entry: number, payload: RecordReader, lsn: number): number {
    payload.u32()
    payload.range()
    const root = this.rootOf(entry)
    if (root === 0) return 0
    this.groups.removeGroup(root, payload.bytes, payload.start, payload.stop, lsn)
    this.#collections.changed(entry, 0, lsn)
    return 0
  }

  #putConsumer(entry: number, payload: RecordReader, lsn: number): number {
    const group = payload.u32()
    const unit = payload.u32()
    const seenAt = payload.u48()
    payload.range()
    const root = this.rootOf(entry)
    if (root === 0) return 0
    this.#given(entry, unit, lsn)
    this.groups.putConsumer(root, group, unit, seenAt, payload.bytes, payload.start, payload.stop, lsn)
    this.#collections.changed(entry, 0, lsn)
    return 0
  }

  #removeConsumer(entry: number, payload: RecordReader, lsn: number): number {
    const group = payload.u32()
    payload.u32()
    payload.range()
    const root = this.rootOf(entry)
    if (root === 0) return 0
    const exchanged = this.#exchange?.removed ?? 0
    this.#exchanges(root, lsn)
    const pending = this.groups.removeConsumer(root, group, payload.bytes, payload.start, payload.stop, lsn)
    this.#collections.changed(entry, 0, lsn)
    return exchanged + Math.max(pending, 0)
  }

  #deliver(entry: number, payload: RecordReader, lsn: number): number {
    const { groups } = this
    const root = this.rootOf(entry)
    if (root === 0) return 0
    const position = payload.byte() === hasPosition
    if (position) {
      const { at } = payload
      payload.at += idBytes + 8
      payload.range()
      groups.moveGroup(root, payload.bytes, at, payload.bytes, payload.start, payload.stop, lsn)
    }
    const group = payload.u32()
    const consumer = payload.u32()
    const seenAt = payload.u48()
    payload.range()
    this.#given(entry, consumer, lsn)
    groups.putConsumer(root, group, consumer, seenAt, payload.bytes, payload.start, payload.stop, lsn)
    const count = payload.varint()
    const from = payload.at
    payload.at += count * deliveryBytes
    if (payload.at > payload.end) throw new Error('record ends too early')
    if (!this.#exchanges(root, lsn)) this.pendingChanges.putAll(root, group, consumer, payload.bytes, from, count, lsn)
    this.#collections.changed(entry, 0, lsn)
    return count
  }

  #acknowledge(entry: number, payload: RecordReader, lsn: number): number {
    const root = this.rootOf(entry)
    if (root === 0) return 0
    const group = payload.u32()
    const count = payload.varint()
    const from = payload.at
    payload.at += count * acknowledgedBytes
    if (payload.at > payload.end) throw new Error('record ends too early')
    const isExchanged = this.#exchanges(root, lsn)
    const acknowledged = isExchanged ? count : this.pendingChanges.acknowledgeAll(root, group, payload.bytes, from, count, lsn)
    this.#collections.changed(entry, 0, lsn)
    return acknowledged
  }

  #wantLast(entry: number, wants: ColdWants): void {
    this.entries.wantMeta(this.#root(entry), wants)
    this.entries.wantLast(this.#root(entry), wants)
  }

  #wantDeleted(entry: number, payload: RecordReader, wants: ColdWants): void {
    this.entries.wantMeta(this.#root(entry), wants)
    for (let left = payload.varint(); left > 0; left--) this.entries.wantEntry(this.#root(entry), readId(payload, this.#id), wants)
  }

  #wantTrimmed(entry: number, payload: RecordReader, wants: ColdWants): void {
    this.entries.wantMeta(this.#root(entry), wants)
    const all = payload.byte() === 1
    if (!all) this.entries.wantEntry(this.#root(entry), readId(payload, this.#id), wants)
  }

  #wantPutGroup(entry: number, payload: RecordReader, wants: ColdWants): void {
    payload.at += 8 + idBytes + 8
    payload.range()
    this.entries.wantMeta(this.#root(entry), wants)
    this.groups.wantGroup(this.#root(entry), payload.bytes, payload.start, payload.stop, wants)
  }

  #wantRemovedGroup(entry: number, payload: RecordReader, wants: ColdWants): void {
    const unit = payload.u32()
    payload.range()
    this.groups.wantGroup(this.#root(entry), payload.bytes, payload.start, payload.stop, wants)
    this.groups.wantConsumers(this.#root(entry), unit, wants)
  }

  #wantPutConsumer(entry: number, payload: RecordReader, wants: ColdWants): void {
    const group = payload.u32()
    payload.u32()
    payload.u48()
    payload.range()
    this.entries.wantMeta(this.#root(entry), wants)
    this.groups.wantConsumer(this.#root(entry), group, payload.bytes, payload.start, payload.stop, wants)
  }

  #wantRemovedConsumer(entry: number, payload: RecordReader, wants: ColdWants): void {
    const group = payload.u32()
    const unit = payload.u32()
    payload.range()
    const root = this.#root(entry)
    this.groups.wantConsumer(root, group, payload.bytes, payload.start, payload.stop, wants)
    this.pending.wantFrom(root, group, this.#id.setMin(), Number.POSITIVE_INFINITY, wants)
    this.pending.wantFrom(root, unit, this.#id.setMin(), Number.POSITIVE_INFINITY, wants)
  }

  #wantDelivered(entry: number, payload: RecordReader, wants: ColdWants): void {
    const root = this.#root(entry)
    this.entries.wantMeta(root, wants)
    if (payload.byte() === hasPosition) {
      payload.at += idBytes + 8
      payload.range()
      this.groups.wantGroup(root, payload.bytes, payload.start, payload.stop, wants)
    }
    const group = payload.u32()
    const consumer = payload.u32()
    payload.u48()
    payload.range()
    this.groups.wantConsumer(root, group, payload.bytes, payload.start, payload.stop, wants)
    for (let left = payload.varint(); left > 0; left--) {
      const id = readId(payload, this.#id)
      const former = payload.u32()
      payload.at += 14
      for (const unit of [group, consumer, former]) if (unit !== 0) this.pending.want(root, unit, id, wants)
    }
  }

  #wantAcknowledged(entry: number, payload: RecordReader, wants: ColdWants): void {
    const group = payload.u32()
    for (let left = payload.varint(); left > 0; left--) {
      const id = readId(payload, this.#id)
      this.pending.want(this.#root(entry), group, id, wants)
      this.pending.want(this.#root(entry), payload.u32(), id, wants)
    }
  }
}

/** Reads an id, fields and values, as *append* has them; these then lie in the payload. */
export function readEntry(payload: RecordReader, id: StreamId, fields: EntryFields): void {
  readId(payload, id)
  const count = payload.varint()
  fields.begin(payload.bytes, count)
  const { ranges } = fields
  for (let i = 0; i < count * 4; i += 2) {
    payload.range()
    ranges[i] = payload.start
    ranges[i + 1] = payload.stop
  }
}

function readId(payload: RecordReader, into: StreamId): StreamId {
  payload.at += idBytes
  if (payload.at > payload.end) throw new Error('record ends too early')
  return into.read(payload.bytes, payload.at - idBytes)
}

function readUint64(payload: RecordReader): bigint {
  payload.at += 8
  if (payload.at > payload.end) throw new Error('record ends too early')
  return payload.bytes.readBigUInt64BE(payload.at - 8)
}
