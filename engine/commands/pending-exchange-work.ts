/**
 * Makes in slices what very many ids that are delivered, claimed or acknowledged come to: the leaves of the group, of the consumer that receives them and of those that
 * lose them, merged with the ids. The stream stays as it is meanwhile, and is found anew after each slice.
 */
import { wantRow } from '../cold-wants.ts'
import type { Keyspace } from '../keyspace/keyspace.ts'
import { packedHeaderBytes } from '../memory/packed-bytes.ts'
import { Separator } from '../tree/separator.ts'
import { LeafRow } from '../tree/tree-shape.ts'
import { PendingExchange } from '../types/pending-exchange.ts'
import { ownBytes, pendingBytes, unitAt, writeDelivered, writeOwn } from '../types/stream-group-leaf.ts'
import type { StreamId } from '../types/stream-id.ts'
import { pendingSeparator } from '../types/stream-separator.ts'
import type { PendingRows } from './pending-rows.ts'
import { given, takenOff } from './pending-rows.ts'
import type { Slices } from './repeated-work.ts'

/** Elements and ids of one slice. */
const workMax = 2048
/** Leaves that nothing changes in are taken along if there are so few between two that change. */
const gapMax = 16

/** Whose leaves are merged: those of the group, of the consumer that receives, or of one that only loses ids. */
type Role = 'group' | 'receiver' | 'loser'

export class PendingMerge {
  readonly exchange: PendingExchange
  readonly #keyspace: Keyspace
  readonly #rows: PendingRows
  readonly #consumer: number
  readonly #rootOf: () => number
  readonly #at = new LeafRow()
  readonly #next = new LeafRow()
  readonly #probe = new Separator()
  #work = 0
  /** Of the leaves that are merged now. */
  #unit = 0
  #role: Role = 'group'
  /** The row that comes next, and the end of those that matter. */
  #index = 0
  #end = 0

  /** Rows that are given go to `consumer`, 0 if none is. `rootOf` finds the root block of the stream. */
  constructor(keyspace: Keyspace, rows: PendingRows, consumer: number, rootOf: () => number) {
    this.#keyspace = keyspace
    this.#rows = rows
    this.#consumer = consumer
    this.#rootOf = rootOf
    this.exchange = new PendingExchange(keyspace)
  }

  /** Merges all of them. Rows that are to be taken off then tell who had them, or are missed. */
  *slices(group: number): Slices<void> {
    const rows = this.#rows
    if (rows.count === 0) return
    yield* this.#merge(group, 'group', 0, rows.count)
    const losers = new Map<number, { first: number; end: number }>()
    for (let i = 0; i < rows.count; i++) {
      if (this.#isOver(1)) yield undefined
      const fate = rows.fate(i)
      if (fate !== given && fate !== takenOff) continue
      const unit = fate === given ? this.#consumer : 0
      for (const each of [rows.former(i), unit]) {
        if (each === 0) continue
        const known = losers.get(each)
        if (known === undefined) losers.set(each, { first: i, end: i + 1 })
        else known.end = i + 1
      }
    }
    for (const [unit, { first, end }] of losers) yield* this.#merge(unit, unit === this.#consumer ? 'receiver' : 'loser', first, end)
  }

  #isOver(work: number): boolean {
    this.#work += work
    if (this.#work < workMax) return false
    this.#work = 0
    return true
  }

  /** Merges the leaves of a unit with the rows from `first` up to `end`. */
  *#merge(unit: number, role: Role, first: number, end: number): Slices<void> {
    this.#unit = unit
    this.#role = role
    this.#index = first
    this.#end = end
    while (this.#index < end) yield* this.#mergeRange()
  }

  /** Merges leaves from the one with the next row on, up to a gap. */
  *#mergeRange(): Slices<void> {
    const { trees } = this.#keyspace
    const { shape } = trees
    const { exchange } = this
    const at = this.#at
    const size = this.#role === 'group' ? pendingBytes : ownBytes
    const position = new Separator().copy(pendingSeparator(this.#unit, this.#rows.id(this.#index), this.#probe))
    shape.locate(this.#rootOf(), position, at)
    if (unitAt(trees, at) !== this.#unit) {
      exchange.enter(this.#unit, size, undefined)
      yield* this.#putRows(this.#end)
      exchange.leave(undefined, false)
      return
    }
    const range = { first: shape.separator(at, new Separator()), last: new Separator() }
    exchange.enter(this.#unit, size, range.first)
    position.copy(range.first)
    for (let isFollowed = true; isFollowed; ) {
      // Between two slices rows may have moved, and leaves have become cold.
      while (!this.#finds(position)) yield (wants) => this.#want(position, wants)
      shape.separator(at, range.last)
      this.#mergeLeaf(size)
      const next = this.#next.set(at.node, at.row)
      isFollowed = shape.next(next) && unitAt(trees, next) === this.#unit
      if (isFollowed) shape.separator(next, position)
      yield* this.#putRows(isFollowed ? this.#rowsBefore(position) : this.#end)
      if (!isFollowed || this.#index === this.#end || !this.#isNear(position)) {
        exchange.leave(range, isFollowed)
        return
      }
    }
  }

  /** Finds the leaf that begins at a separator; false if it is cold. */
  #finds(position: Separator): boolean {
    const { trees } = this.#keyspace
    if (!trees.find(this.#rootOf(), position, this.#at)) throw new Error('stream: a leaf with pending entries is gone')
    return trees.ref(this.#at) !== 0
  }

  #want(position: Separator, wants: Parameters<typeof wantRow>[3]): void {
    const { trees } = this.#keyspace
    const root = this.#rootOf()
    const at = new LeafRow()
    trees.shape.locate(root, position, at)
    for (let left = gapMax; left > 0 && unitAt(trees, at) === this.#unit; left--) {
      if (trees.ref(at) === 0) wantRow(trees, root, at, wants)
      if (!trees.shape.next(at)) return
    }
  }

  /** Whether the next row belongs to one of the next few leaves, of which the first begins at a separator. */
  #isNear(position: Separator): boolean {
    const { trees } = this.#keyspace
    const { shape, nodes } = trees
    const next = this.#next
    const wanted = pendingSeparator(this.#unit, this.#rows.id(this.#index), this.#probe)
    shape.locate(this.#rootOf(), position, next)
    for (let left = gapMax; left > 0; left--) {
      if (!shape.next(next) || unitAt(trees, next) !== this.#unit) return true
      if (wanted.compare(shape.arena.words(next.node), nodes.rowAt(next.node, next.row)) < 0) return true
    }
    return false
  }

  /** Merges the elements of the leaf `#at` with rows up to the last of them. */
  #mergeLeaf(size: number): void {
    const { trees } = this.#keyspace
    const { values, nodes } = trees
    const { exchange } = this
    const at = this.#at
    const ref = trees.used(at)
    const bytes = values.bytes(ref)
    const start = values.start(ref)
    const end = start + nodes.bytes(at.node, at.row)
    let from = start + packedHeaderBytes
    this.#work += (end - from) / size
    while (this.#index < this.#end && from < end) {
      const id = this.#rows.id(this.#index)
      const position = seek(bytes, from, end, size, id)
      if (position > from) exchange.take(bytes, from, (position - from) / size)
      from = position
      if (from === end) break
      this.#work++
      if (id.compareAt(bytes, from + 1) !== 0) {
        this.#putRow()
        if (this.#role === 'loser') this.#index = this.#firstRowFrom(bytes, from + 1)
        continue
      }
      this.#meet(bytes, from)
      from += size
    }
    if (from < end) exchange.take(bytes, from, (end - from) / size)
  }

  /** The next row and an element have the same id. */
  #meet(bytes: Buffer, at: number): void {
    const rows = this.#rows
    const index = this.#index
    if (this.#role === 'group') {
      rows.found(index, bytes.readUInt32BE(at + 17))
      if (rows.fate(index) === takenOff) this.exchange.removed++
    }
    if (this.#role !== 'loser' && rows.fate(index) === given) this.#putRow()
    else this.#index++
  }

  /** Puts the next row where it belongs, unless it goes. */
  #putRow(): void {
    const rows = this.#rows
    const index = this.#index++
    if (this.#role === 'loser') return
    if (rows.fate(index) !== given) {
      if (this.#role === 'group') rows.miss(index)
      return
    }
    const position = this.exchange.next(rows.id(index))
    rows.seek(index)
    const { bytes } = this.exchange
    if (this.#role === 'group') writeDelivered(bytes, position, this.#consumer, rows.bytes, rows.at)
    else writeOwn(bytes, position, rows.bytes, rows.at)
  }

  /** Puts the rows up to one where they belong, which is behind all elements that there were. */
  *#putRows(end: number): Slices<void> {
    if (this.#role === 'loser') this.#index = Math.max(this.#index, end)
    while (this.#index < end) {
      this.#putRow()
      if (this.#isOver(1)) yield undefined
    }
    if (this.#isOver(0)) yield undefined
  }

  /** The first row, from the next one on, that belongs to the leaf that begins at a separator, or to one behind it. */
  #rowsBefore(position: Separator): number {
    return this.#firstRow((id) => pendingSeparator(this.#unit, id, this.#probe).compare(position.words, 0) >= 0)
  }

  /** The first row, from the next one on, with the id at an offset or a later one. */
  #firstRowFrom(bytes: Buffer, at: number): number {
    return this.#firstRow((id) => id.compareAt(bytes, at) >= 0)
  }

  #firstRow(isThere: (id: StreamId) => boolean): number {
    let low = this.#index
    let high = low
    for (let step = 1; high < this.#end && !isThere(this.#rows.id(high)); step *= 2) {
      low = high + 1
      high = Math.min(this.#end, high + step)
    }
    while (low < high) {
      const middle = (low + high) >>> 1
      if (isThere(this.#rows.id(middle))) high = middle
      else low = middle + 1
    }
    return low
  }
}

/** Where the first element from `from` on lies whose id is not before one. */
function seek(bytes: Buffer, from: number, end: number, size: number, id: StreamId): number {
  if (from < end && id.compareAt(bytes, from + 1) <= 0) return from
  let low = 1
  let high = (end - from) / size
  while (low < high) {
    const middle = (low + high) >>> 1
    if (id.compareAt(bytes, from + middle * size + 1) > 0) low = middle + 1
    else high = middle
  }
  return from + low * size
}
