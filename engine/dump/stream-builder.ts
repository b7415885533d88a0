/**
 * A stream that a dump holds: what is read becomes edits, which are made when the key is there. Nodes are cut where Redis's settings, as they
 * are unless told, would cut them: a record of the log that is replayed must come to the same.
 */
import { packedForm, streamType, treeForm } from '../keyspace/entries.ts'
import { RecordBuffer } from '../mutation/record-buffer.ts'
import { RecordReader } from '../mutation/record-reader.ts'
import type { RdbElement } from '../rdb/rdb-input.ts'
import type { StreamId, StreamTotals } from '../rdb/value-sink.ts'
import { NoSink, RefusedValue } from '../rdb/value-sink.ts'
import { firstUnit } from '../types/stream-meta.ts'
import { appendEdit, beginsNode, deliverEdit, hasSeed, putConsumerEdit, putGroupEdit, setEdit } from '../types/stream-type.ts'
import type { BuiltValue } from './built-value.ts'
import type { BuilderParts, ValueBuilder } from './dumped-type.ts'

const nodeEntriesMax = 100
const nodeBytesMax = 4096
const msMax = 2 ** 48 - 1

interface Pending {
  readonly deliveredMs: number
  readonly deliveries: number
}

/** A consumer, and what is pending for it. */
interface Consumer {
  readonly name: Buffer
  readonly unit: number
  readonly seenMs: number
  readonly pending: (StreamId & Pending)[]
}

export class StreamBuilder extends NoSink implements ValueBuilder {
  readonly #parts: BuilderParts
  readonly #payloads = new RecordBuffer(Number.POSITIVE_INFINITY, 1024)
  /** The number of each edit, and where its payload begins. */
  readonly #edits: [number: number, start: number][] = []
  readonly #word = Buffer.alloc(8)
  #count = 0
  #last: StreamId = { ms: 0n, seq: 0n }
  #nodeEntries = 0
  #nodeBytes = 0
  #isTree = false
  #nextUnit = firstUnit
  #group: { readonly name: Buffer; readonly unit: number; readonly pending: Map<string, Pending> } | undefined
  #consumer: Consumer | undefined
  #isTold = false

  constructor(parts: BuilderParts) {
    super()
    this.#parts = parts
  }

  override entry(id: StreamId, fields: readonly RdbElement[], count: number): void {
    const isLater = id.ms > this.#last.ms || (id.ms === this.#last.ms && id.seq > this.#last.seq)
    if (!isLater || count === 0 || count % 2 === 1) throw new RefusedValue('an entry of a stream out of order')
    let bytes = 0
    for (let i = 0; i < count; i++) bytes += (fields[i] as RdbElement).length
    const begins = this.#count > 0 && (this.#nodeEntries >= nodeEntriesMax || this.#nodeBytes + bytes > nodeBytesMax)
    const grows = begins && !this.#isTree
    const out = this.#begin(appendEdit)
    out.byte((begins ? beginsNode : 0) | (grows ? hasSeed : 0))
    if (grows) out.u32(this.#parts.seed)
    this.#id(id)
    out.varint(count / 2)
    for (let i = 0; i < count; i++) {
      const { bytes: from, start, end } = fields[i] as RdbElement
      out.range(from, start, end)
    }
    if (begins) {
      this.#nodeEntries = 0
      this.#nodeBytes = 0
      this.#isTree = true
    }
    this.#nodeEntries++
    this.#nodeBytes += bytes
    this.#count++
    this.#last = { ms: id.ms, seq: id.seq }
  }

  override totals({ length, last, maxDeleted, added }: StreamTotals): void {
    if (length !== this.#count) throw new RefusedValue('a stream with another number of entries than it says')
    this.#begin(setEdit)
    this.#id(last)
    this.#id(maxDeleted)
    this.#uint64(added)
    this.#isTold = true
  }

  override group(name: RdbElement, last: StreamId, read: bigint | undefined): void {
    this.#endGroup()
    const unit = this.#nextUnit++
    const out = this.#begin(putGroupEdit)
    out.u32(this.#parts.seed)
    out.u32(unit)
    this.#id(last)
    this.#uint64(BigInt.asUintN(64, read ?? -1n))
    out.range(name.bytes, name.start, name.end)
    this.#group = { name: copyOf(name), unit, pending: new Map() }
    this.#isTree = true
  }

  override pending(id: StreamId, deliveredMs: number, deliveries: number): void {
    this.#group?.pending.set(keyOf(id), { deliveredMs, deliveries })
  }

  override consumer(name: RdbElement, seenMs: number): void {
    this.#endConsumer()
    this.#consumer = { name: copyOf(name), unit: this.#nextUnit++, seenMs: timeOf(seenMs), pending: [] }
  }

  override consumerPending(id: StreamId): void {
    const found = this.#group?.pending.get(keyOf(id))
    if (found === undefined || this.#consumer === undefined) throw new RefusedValue('a pending entry that its group does not know')
    this.#group?.pending.delete(keyOf(id))
    this.#consumer.pending.push({ ms: id.ms, seq: id.seq, ...found })
  }

  override end(): void {
    this.#endGroup()
    if (!this.#isTold) throw new RefusedValue('a stream without its totals')
  }

  take(): BuiltValue {
    const encoding = this.#isTree ? treeForm : packedForm
    const fill = (entry: number, lsn: number): void => this.#fill(entry, lsn)
    return { type: streamType, encoding, seed: this.#parts.seed, length: this.#count, root: 0, fill, bytes: this.#payloads.end }
  }

  release(): void {
    this.#payloads.clear()
  }

  #endGroup(): void {
    this.#endConsumer()
    if (this.#group !== undefined && this.#group.pending.size > 0) throw new RefusedValue('a pending entry without a consumer')
  }

  #endConsumer(): void {
    const consumer = this.#consumer
    const group = this.#group
    this.#consumer = undefined
    if (consumer === undefined || group === undefined) return
    const { name, unit, seenMs, pending } = consumer
    const made = this.#begin(putConsumerEdit)
    made.u32(group.unit)
    made.u32(unit)
    made.u48(seenMs)
    made.range(name, 0, name.length)
    if (pending.length === 0) return
    const out = this.#begin(deliverEdit)
    out.byte(0)
    out.u32(group.unit)
    out.u32(unit)
    out.u48(seenMs)
    out.range(name, 0, name.length)
    out.varint(pending.length)
    for (const each of pending) {
      this.#id(each)
      out.u32(0)
      out.u48(timeOf(each.deliveredMs))
      this.#uint64(BigInt(each.deliveries))
    }
  }

  #begin(number: number): RecordBuffer {
    this.#edits.push([number, this.#payloads.end])
    return this.#payloads
  }

  #id({ ms, seq }: StreamId): void {
    this.#uint64(ms)
    this.#uint64(seq)
  }

  #uint64(value: bigint): void {
    this.#word.writeBigUInt64BE(value, 0)
    this.#payloads.raw(this.#word, 0, this.#word.length)
  }

  #fill(entry: number, lsn: number): void {
    const reader = new RecordReader()
    for (const [i, [number, start]] of this.#edits.entries()) {
      reader.open(this.#payloads.bytes, start, this.#edits[i + 1]?.[1] ?? this.#payloads.end)
      this.#parts.mutator.types.edit(streamType, number).apply(entry, reader, lsn)
    }
  }
}

function copyOf({ bytes, start, end }: RdbElement): Buffer {
  return Buffer.from(bytes.subarray(start, end))
}

function keyOf({ ms, seq }: StreamId): string {
  return `${ms}-${seq}`
}

function timeOf(ms: number): number {
  return Math.min(Math.max(ms, 0), msMax)
}
