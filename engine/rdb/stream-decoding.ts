/**
 * Streams, as Redis 5 to 7.2 write them: entries in listpacks, then totals, then groups with what is pending, and their consumers.
 *
 * A listpack begins with a master entry (count, deleted, number of fields, fields, 0); an entry is flags, id less the listpack's,
 * fields if they differ from the master's, values, and the number of elements before. Deleted entries are marked and stay.
 */
import { parseBigInteger, uint64Max } from '../integer.ts'
import type { Decoding } from './decoding.ts'
import { DamagedSequence, Listpack } from './packed-sequence.ts'
import type { RdbInput } from './rdb-input.ts'
import { RdbElement } from './rdb-input.ts'
import type { StreamId, ValueSink } from './value-sink.ts'

export const deletedEntry = 1
export const sameFieldsEntry = 2
const idBytes = 16
const zeroId: StreamId = { ms: 0n, seq: 0n }
/** What an entry counts for besides its bytes, in what is done at a time. */
const elementBytes = 16

type Part = 'begin' | 'node' | 'entries' | 'totals' | 'groups' | 'group' | 'pending' | 'consumers' | 'consumer' | 'consumerPending' | 'end'

export class StreamDecoding implements Decoding {
  readonly #input: RdbInput
  readonly #sink: ValueSink
  readonly #version: 1 | 2 | 3
  readonly #string = new RdbElement()
  readonly #key = new RdbElement()
  #part: Part = 'begin'
  #left = 0
  #groups = 0
  #consumers = 0
  #nodes = 0
  #node: StreamNode | undefined
  #nodeOffset = 0
  #last: StreamId = { ms: 0n, seq: 0n }
  #first: StreamId = zeroId
  #entries = 0
  unpackedBytes = 0

  constructor(input: RdbInput, sink: ValueSink, version: 1 | 2 | 3) {
    this.#input = input
    this.#sink = sink
    this.#version = version
  }

  next(): boolean {
    const part = this.#part
    if (part === 'begin') this.#begin()
    else if (part === 'node') this.#openNode()
    else if (part === 'entries') this.#entry()
    else if (part === 'totals') this.#totals()
    else if (part === 'groups') this.#countGroups()
    else if (part === 'group') this.#group()
    else if (part === 'pending') this.#pending()
    else if (part === 'consumers') this.#countConsumers()
    else if (part === 'consumer') this.#consumer()
    else if (part === 'consumerPending') this.#consumerPending()
    return this.#part !== 'end'
  }

  #begin(): void {
    const nodes = this.#input.length()
    this.#sink.begin('stream', -1)
    this.#nodes = nodes
    this.#part = nodes > 0 ? 'node' : 'totals'
  }

  #openNode(): void {
    const input = this.#input
    const { at } = input
    input.string(this.#key)
    const { offset } = input
    input.string(this.#string)
    if (this.#key.length !== idBytes) input.refuse('a stream id of another length', at)
    this.#nodeOffset = offset
    this.#guard(() => {
      this.#node = new StreamNode(this.#string, readId(this.#key.bytes, this.#key.start))
    })
    this.#nodes--
    this.#part = 'entries'
  }

  #entry(): void {
    const node = this.#node as StreamNode
    const isThere = this.#guard(() => node.next())
    if (!isThere) {
      this.#part = this.#nodes > 0 ? 'node' : 'totals'
      return
    }
    this.unpackedBytes += node.entryBytes
    if (node.isDeleted) return
    const { id } = node
    if (compareIds(id, this.#last) <= 0)
      this.#input.refuse('entries of a stream that are not in order', this.#nodeOffset - this.#input.base)
    if (this.#entries++ === 0) this.#first = id
    this.#last = id
    this.#sink.entry(id, node.fields, node.fieldCount)
  }

  #totals(): void {
    const input = this.#input
    const { at } = input
    const length = input.length()
    const last = this.#id()
    let first = this.#first
    let maxDeleted = zeroId
    let added = BigInt(length)
    if (this.#version > 1) {
      first = this.#id()
      maxDeleted = this.#id()
      added = input.bigLength()
    }
    if (length !== this.#entries) input.refuse(`a stream of ${this.#entries} entries that says to have ${length}`, at)
    if (compareIds(last, this.#last) < 0) input.refuse('a stream whose last id is below that of an entry', at)
    this.#sink.totals({ length, last, first, maxDeleted, added })
    this.#part = 'groups'
  }

  #countGroups(): void {
    this.#groups = this.#input.length()
    this.#part = this.#groups > 0 ? 'group' : 'end'
  }

  #group(): void {
    const input = this.#input
    input.string(this.#string)
    const last = this.#id()
    const read = this.#version > 1 ? input.bigLength() : uint64Max
    const left = input.length()
    this.#sink.group(this.#string, last, read === uint64Max ? undefined : read)
    this.#groups--
    this.#left = left
    this.#part = left > 0 ? 'pending' : 'consumers'
  }

  #pending(): void {
    const input = this.#input
    const id = this.#rawId()
    const deliveredMs = Number(input.u64())
    const deliveries = input.length()
    this.#sink.pending(id, deliveredMs, deliveries)
    this.#counted('consumers')
  }

  #countConsumers(): void {
    this.#consumers = this.#input.length()
    this.#part = this.#consumers > 0 ? 'consumer' : this.#afterGroup()
  }

  #consumer(): void {
    const input = this.#input
    input.string(this.#string)
    const seenMs = Number(input.u64())
    const active = this.#version > 2 ? BigInt.asIntN(64, input.u64()) : -1n
    const left = input.length()
    this.#sink.consumer(this.#string, seenMs, Number(active))
    this.#consumers--
    this.#left = left
    this.#part = left > 0 ? 'consumerPending' : this.#afterConsumer()
  }

  #consumerPending(): void {
    this.#sink.consumerPending(this.#rawId())
    this.#counted(this.#afterConsumer())
  }

  /** One of those that are left has been read; `next` follows the last. */
  #counted(next: Part): void {
    this.unpackedBytes += elementBytes
    if (--this.#left === 0) this.#part = next
  }

  #afterConsumer(): Part {
    return this.#consumers > 0 ? 'consumer' : this.#afterGroup()
  }

  #afterGroup(): Part {
    return this.#groups > 0 ? 'group' : 'end'
  }

  #id(): StreamId {
    const ms = this.#input.bigLength()
    return { ms, seq: this.#input.bigLength() }
  }

  #rawId(): StreamId {
    const at = this.#input.take(idBytes)
    return readId(this.#input.bytes, at)
  }

  #guard<Result>(work: () => Result): Result {
    try {
      return work()
    } catch (failure) {
      if (!(failure instanceof DamagedSequence)) throw failure
      return this.#input.refuse(`${failure.message}, in a listpack of a stream`, this.#nodeOffset - this.#input.base)
    }
  }
}

/** A listpack of entries. */
class StreamNode {
  id: StreamId = zeroId
  isDeleted = false
  /** Fields and values alternating: the first `fieldCount` of these. */
  readonly fields: RdbElement[] = []
  fieldCount = 0
  entryBytes = 0
  readonly #listpack: Listpack
  readonly #start: number
  readonly #master: StreamId
  readonly #masterFields: RdbElement[] = []
  readonly #element = new RdbElement()
  #left: number
  #deletedLeft: number

  constructor(string: RdbElement, master: StreamId) {
    const { bytes, start, end } = string
    this.#start = start
    this.#listpack = new Listpack(bytes, start, end)
    this.#master = master
    this.#left = this.#count()
    this.#deletedLeft = this.#count()
    const fields = this.#count()
    for (let i = 0; i < fields; i++) this.#masterFields.push(this.#next(new RdbElement()))
    if (this.#integer() !== 0n) this.#damaged('a master entry without its end')
  }

  /** Reads the next entry; false at the end. */
  next(): boolean {
    if (!this.#listpack.next(this.#element)) {
      if (this.#left !== 0 || this.#deletedLeft !== 0) this.#damaged('another number of entries than it says')
      return false
    }
    const flags = Number(this.#value())
    const ms = BigInt.asUintN(64, this.#master.ms + this.#integer())
    this.id = { ms, seq: BigInt.asUintN(64, this.#master.seq + this.#integer()) }
    this.isDeleted = (flags & deletedEntry) !== 0
    if (this.isDeleted) this.#deletedLeft--
    else this.#left--
    this.#readFields((flags & sameFieldsEntry) !== 0)
    this.#next(this.#element)
    return true
  }

  #readFields(same: boolean): void {
    const count = same ? this.#masterFields.length : this.#count()
    let bytes = elementBytes
    for (let i = 0; i < count; i++) {
      const field = this.#place(2 * i)
      const master = same ? this.#masterFields[i] : this.#next(field)
      if (same) field.set(master.bytes, master.start, master.end)
      bytes += this.#next(this.#place(2 * i + 1)).length + field.length
    }
    this.fieldCount = 2 * count
    this.entryBytes = bytes
  }

  #place(index: number): RdbElement {
    let element = this.fields[index]
    if (element === undefined) {
      element = new RdbElement()
      this.fields[index] = element
    }
    return element
  }

  #next(into: RdbElement): RdbElement {
    if (!this.#listpack.next(into)) this.#damaged('an entry that is not complete')
    return into
  }

  #count(): number {
    const count = Number(this.#integer())
    if (count < 0 || count > 2 ** 31) this.#damaged(`a count of ${count}`)
    return count
  }

  #integer(): bigint {
    this.#next(this.#element)
    return this.#value()
  }

  #value(): bigint {
    const { bytes, start, end, integer } = this.#element
    if (!Number.isNaN(integer)) return BigInt(integer)
    return parseBigInteger(bytes, start, end) ?? this.#damaged('text where a number is due')
  }

  #damaged(reason: string): never {
    throw new DamagedSequence(reason, this.#start)
  }
}

function readId(bytes: Buffer, at: number): StreamId {
  return { ms: bytes.readBigUInt64BE(at), seq: bytes.readBigUInt64BE(at + 8) }
}

export function compareIds(a: StreamId, b: StreamId): number {
  return a.ms < b.ms ? -1 : a.ms > b.ms ? 1 : a.seq < b.seq ? -1 : a.seq > b.seq ? 1 : 0
}
