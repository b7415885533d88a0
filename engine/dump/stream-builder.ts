/**
 * A stream that a dump holds: a small one is gathered as edits, which are made when the key is there; a larger one becomes a tree at once, so
 * that all of it can be built in slices. Nodes are cut where Redis's settings, as they are unless told, would cut them: a record of the
 * log that is replayed must come to the same.
 */
import { packedForm, streamType, treeForm } from '../keyspace/entries.ts'
import { packedHeaderBytes } from '../memory/packed-bytes.ts'
import { RecordBuffer } from '../mutation/record-buffer.ts'
import { RecordReader } from '../mutation/record-reader.ts'
import type { RdbElement } from '../rdb/rdb-input.ts'
import type { StreamId as RdbStreamId, StreamTotals } from '../rdb/value-sink.ts'
import { NoSink, RefusedValue } from '../rdb/value-sink.ts'
import { dropTree } from '../tree/drop-tree.ts'
import { StreamId } from '../types/stream-id.ts'
import { firstUnit } from '../types/stream-meta.ts'
import { EntryFields } from '../types/stream-node.ts'
import { appendEdit, beginsNode, readEntry, setEdit } from '../types/stream-type.ts'
import type { BuiltValue } from './built-value.ts'
import type { BuilderParts, ValueBuilder } from './dumped-type.ts'

const nodeEntriesMax = 100
const nodeBytesMax = 4096
const msMax = 2 ** 48 - 1
/** No consumer has it: of what is pending in a group and has not been found with a consumer yet. */
const noUnit = 0

/** A group or a consumer that is being read. */
interface Unit {
  readonly name: Buffer
  readonly unit: number
}

export class StreamBuilder extends NoSink implements ValueBuilder {
  readonly #parts: BuilderParts
  /** Of a stream that is no tree yet: the payloads of its edits; then the entry in hand. */
  readonly #payloads = new RecordBuffer(Number.POSITIVE_INFINITY, 1024)
  /** The number of each edit, and where its payload begins. */
  #edits: [number: number, start: number][] = []
  #root = 0
  readonly #reader = new RecordReader()
  readonly #fields = new EntryFields()
  readonly #id = new StreamId()
  readonly #word = Buffer.alloc(8)
  readonly #idBytes = Buffer.alloc(16)
  #count = 0
  readonly #first = new StreamId()
  #last: RdbStreamId = { ms: 0n, seq: 0n }
  #nodes = 0
  #nodeEntries = 0
  #nodeBytes = 0
  #nextUnit = firstUnit
  #group: Unit | undefined
  #consumer: Unit | undefined
  /** Ids pending in the group that have not been found with a consumer. */
  #unclaimed = 0
  #isTold = false

  constructor(parts: BuilderParts) {
    super()
    this.#parts = parts
  }

  override entry(id: RdbStreamId, fields: readonly RdbElement[], count: number): void {
    const isLater = id.ms > this.#last.ms || (id.ms === this.#last.ms && id.seq > this.#last.seq)
    if (!isLater || count === 0 || count % 2 === 1) throw new RefusedValue('an entry of a stream out of order')
    let bytes = 0
    for (let i = 0; i < count; i++) bytes += (fields[i] as RdbElement).length
    const begins = this.#count > 0 && (this.#nodeEntries >= nodeEntriesMax || this.#nodeBytes + bytes > nodeBytesMax)
    if (begins) {
      if (this.#root === 0) this.#plant()
      this.#nodeEntries = 0
      this.#nodeBytes = 0
    }
    if (this.#root !== 0) this.#payloads.clear()
    const start = this.#payloads.end
    this.#writeEntry(begins ? beginsNode : 0, id, fields, count)
    if (this.#root === 0) this.#edits.push([appendEdit, start])
    else this.#append(start, this.#payloads.end)
    if (this.#count === 0) this.#idOf(id, this.#first)
    this.#nodeEntries++
    this.#nodeBytes += bytes
    this.#count++
    this.#last = { ms: id.ms, seq: id.seq }
  }

  #writeEntry(flags: number, id: RdbStreamId, fields: readonly RdbElement[], count: number): void {
    const out = this.#payloads
    out.byte(flags)
    this.#writeId(id)
    out.varint(count / 2)
    for (let i = 0; i < count; i++) {
      const { bytes, start, end } = fields[i] as RdbElement
      out.range(bytes, start, end)
    }
  }

  /** Puts an entry that was written into the tree. */
  #append(start: number, end: number): void {
    const { streams } = this.#parts.mutator.types
    this.#reader.open(this.#payloads.bytes, start, end)
    const flags = this.#reader.byte()
    readEntry(this.#reader, this.#id, this.#fields)
    if (streams.appending.appendToTree(this.#root, this.#id, this.#fields, (flags & beginsNode) !== 0, 0)) this.#nodes++
  }

  /** Goes on as a tree. Its leaves have no LSN: nothing of them is older than the record that will show them. */
  #plant(): void {
    const { keyspace, mutator, seed } = this.#parts
    this.#root = keyspace.trees.createTree(0, keyspace.nextCollectionId++, seed, packedHeaderBytes, 0)
    mutator.types.streams.appending.beginTree(this.#root, 0)
    for (const [i, [, start]] of this.#edits.entries()) this.#append(start, this.#edits[i + 1]?.[1] ?? this.#payloads.end)
    this.#edits = []
    this.#payloads.clear()
  }

  override totals({ length, last, maxDeleted, added }: StreamTotals): void {
    if (length !== this.#count) throw new RefusedValue('a stream with another number of entries than it says')
    this.#isTold = true
    if (this.#root === 0) {
      this.#edits.push([setEdit, this.#payloads.end])
      this.#writeId(last)
      this.#writeId(maxDeleted)
      this.#writeUint64(added)
      return
    }
    this.#tell(last, maxDeleted, added)
  }

  #tell(last: RdbStreamId, maxDeleted: RdbStreamId, added: bigint): void {
    const meta = this.#parts.mutator.types.streams.entries.metaOfTree(this.#root, 0)
    meta.setLastId(this.#idOf(last, this.#id))
    meta.setMaxDeletedId(this.#idOf(maxDeleted, this.#id))
    meta.setFirstId(this.#first)
    meta.setEntriesAdded(added)
    meta.setNodes(this.#nodes)
  }

  override group(name: RdbElement, last: RdbStreamId, read: bigint | undefined): void {
    this.#endGroup()
    if (this.#root === 0) this.#becomeTreeWithTotals()
    this.#group = { name: copyOf(name), unit: this.#nextUnit++ }
    const entriesRead = BigInt.asIntN(64, read ?? -1n)
    const { groups } = this.#parts.mutator.types.streams
    groups.putGroup(this.#root, this.#group.unit, this.#idOf(last, this.#id), entriesRead, this.#group.name, 0, this.#group.name.length, 0)
  }

  /** A stream with a group is a tree, however small. */
  #becomeTreeWithTotals(): void {
    const told = this.#edits.pop()
    if (told === undefined || told[0] !== setEdit) throw new RefusedValue('a group before the totals of its stream')
    const totals = Buffer.from(this.#payloads.bytes.subarray(told[1], this.#payloads.end))
    this.#payloads.end = told[1]
    this.#plant()
    const at = (offset: number): bigint => totals.readBigUInt64BE(offset)
    this.#tell({ ms: at(0), seq: at(8) }, { ms: at(16), seq: at(24) }, at(32))
  }

  override pending(id: RdbStreamId, deliveredMs: number, deliveries: number): void {
    const group = this.#group as Unit
    const { pending, pendingChanges } = this.#parts.mutator.types.streams
    this.#idOf(id, this.#id)
    if (!pending.find(this.#root, group.unit, this.#id)) this.#unclaimed++
    this.#word.writeBigUInt64BE(BigInt(deliveries), 0)
    pendingChanges.put(this.#root, group.unit, noUnit, this.#id, timeOf(deliveredMs), this.#word, 0, 0)
  }

  override consumer(name: RdbElement, seenMs: number): void {
    const { groups } = this.#parts.mutator.types.streams
    this.#consumer = { name: copyOf(name), unit: this.#nextUnit++ }
    const { name: bytes, unit } = this.#consumer
    groups.putConsumer(this.#root, (this.#group as Unit).unit, unit, timeOf(seenMs), bytes, 0, bytes.length, 0)
  }

  override consumerPending(id: RdbStreamId): void {
    const group = this.#group as Unit
    const { pending, pendingChanges } = this.#parts.mutator.types.streams
    this.#idOf(id, this.#id)
    const isFound = this.#consumer !== undefined && pending.find(this.#root, group.unit, this.#id)
    const { found } = pending
    if (!isFound || found.consumer !== noUnit) throw new RefusedValue('a pending entry that its group does not know')
    this.#word.writeBigUInt64BE(found.deliveries, 0)
    pendingChanges.put(this.#root, group.unit, (this.#consumer as Unit).unit, this.#id, found.deliveredAt, this.#word, 0, 0)
    this.#unclaimed--
  }

  override end(): void {
    this.#endGroup()
    if (!this.#isTold) throw new RefusedValue('a stream without its totals')
    if (this.#root !== 0) this.#parts.mutator.types.streams.entries.metaOfTree(this.#root, 0).setNextUnit(this.#nextUnit)
  }

  take(): BuiltValue {
    const root = this.#root
    this.#root = 0
    const fill = (entry: number, lsn: number): void => this.#fill(entry, lsn)
    const encoding = root !== 0 ? treeForm : packedForm
    return { type: streamType, encoding, seed: this.#parts.seed, length: this.#count, root, fill, bytes: this.#payloads.end }
  }

  release(): void {
    dropTree(this.#parts.keyspace, this.#root)
    this.#root = 0
  }

  #endGroup(): void {
    this.#consumer = undefined
    if (this.#unclaimed > 0) throw new RefusedValue('a pending entry without a consumer')
  }

  #idOf({ ms, seq }: RdbStreamId, into: StreamId): StreamId {
    this.#idBytes.writeBigUInt64BE(ms, 0)
    this.#idBytes.writeBigUInt64BE(seq, 8)
    return into.read(this.#idBytes, 0)
  }

  #writeId({ ms, seq }: RdbStreamId): void {
    this.#writeUint64(ms)
    this.#writeUint64(seq)
  }

  #writeUint64(value: bigint): void {
    this.#word.writeBigUInt64BE(value, 0)
    this.#payloads.raw(this.#word, 0, this.#word.length)
  }

  #fill(entry: number, lsn: number): void {
    for (const [i, [number, start]] of this.#edits.entries()) {
      this.#reader.open(this.#payloads.bytes, start, this.#edits[i + 1]?.[1] ?? this.#payloads.end)
      this.#parts.mutator.types.edit(streamType, number).apply(entry, this.#reader, lsn)
    }
  }
}

function copyOf({ bytes, start, end }: RdbElement): Buffer {
  return Buffer.from(bytes.subarray(start, end))
}

function timeOf(ms: number): number {
  return Math.min(Math.max(ms, 0), msMax)
}
