/**
 * Leaves with pending ids that are made beforehand, beside a stream, and take the place of some of its leaves in one turn: what a delivery, a claim or an acknowledgement of
 * very many ids comes to. Leaves are named by where they begin, which nothing but a change of the stream moves.
 *
 * Invariant of a unit's leaves, which holds afterwards, too: the first one begins where the unit does.
 */
import type { Keyspace } from '../keyspace/keyspace.ts'
import { packedHeaderBytes, setUsedBytes } from '../memory/packed-bytes.ts'
import { dropTree } from '../tree/drop-tree.ts'
import { Separator } from '../tree/separator.ts'
import { LeafRow } from '../tree/tree-shape.ts'
import { StreamId } from './stream-id.ts'
import { firstOfUnit, pendingSeparator } from './stream-separator.ts'

/** Leaves that go, from the one that begins at `first` to the one at `last`. */
interface LeafRange {
  readonly first: Separator
  readonly last: Separator
}

/** What one row takes in the nodes of a tree, at most, as memory is reserved for it. */
const rowBytesMax = 128

export class PendingExchange {
  /** How many ids the group has no more. */
  removed = 0
  readonly #keyspace: Keyspace
  #root: number
  #leaves = 0
  readonly #ranges: LeafRange[] = []
  /** The leaf in the making. */
  #unit = 0
  #size = 0
  readonly #begin = new Separator()
  #isMaking = false
  /** It has to be there even without an element. */
  #isNeeded = false
  #count = 0
  readonly #to = new LeafRow()
  readonly #probe = new Separator()
  readonly #former = new Separator()
  readonly #id = new StreamId()
  /** Of that leaf, and where its elements end: after `next` for the caller to write to. */
  bytes: Buffer
  used = packedHeaderBytes

  constructor(keyspace: Keyspace) {
    const { trees } = keyspace
    this.#keyspace = keyspace
    this.#root = trees.createTree(0, keyspace.nextCollectionId++, 0, packedHeaderBytes, 0)
    this.bytes = Buffer.allocUnsafe(trees.leafBytesMax)
  }

  /** Begins with the leaves of a unit, whose elements have `size` bytes, in the place of those from the one that begins at `first` on; undefined where it has none. */
  enter(unit: number, size: number, first: Separator | undefined): void {
    this.#unit = unit
    this.#size = size
    this.#begin.copy(first ?? firstOfUnit(unit, this.#probe))
    this.#isMaking = true
    this.#isNeeded = false
    this.#count = 0
    this.used = packedHeaderBytes
  }

  /** Ends them in front of the leaf that comes next in the unit, if one does; `range` is what they take the place of. */
  leave(range: LeafRange | undefined, isFollowed: boolean): void {
    if (range !== undefined) {
      this.#ranges.push(range)
      this.#isNeeded = isFollowed && this.#isMaking && range.first.compare(firstOfUnit(this.#unit, this.#probe).words, 0) === 0
    }
    this.#finishLeaf()
  }

  /** Takes over `count` elements that lie one behind the other. */
  take(bytes: Buffer, at: number, count: number): void {
    const size = this.#size
    for (let from = at, left = count; left > 0; ) {
      const room = Math.floor((this.#keyspace.trees.leafBytesMax - this.used) / size)
      const run = Math.min(left, room)
      if (run === 0) {
        const position = this.next(this.#id.read(bytes, from + 1))
        bytes.copy(this.bytes, position, from, from + size)
        from += size
        left--
        continue
      }
      bytes.copy(this.bytes, this.used, from, from + run * size)
      this.used += run * size
      this.#count += run
      from += run * size
      left -= run
    }
  }

  /** Makes room for one more element, with an id behind all others; it is for the caller to write, at the position that is returned, into `bytes`. */
  next(id: StreamId): number {
    const size = this.#size
    const { leafBytesMax } = this.#keyspace.trees
    if (this.used + size > leafBytesMax && this.#mayBegin(id)) {
      this.#finishLeaf()
      this.#begin.copy(this.#probe)
      this.#isMaking = true
    }
    if (this.used + size > this.bytes.length) {
      const more = Buffer.allocUnsafe(2 * this.bytes.length)
      this.bytes.copy(more, 0, 0, this.used)
      this.bytes = more
    }
    const position = this.used
    this.used += size
    this.#count++
    return position
  }

  /** Whether a leaf may begin with an id: separators do not tell very late ones from each other. Sets `#probe` to where it would. */
  #mayBegin(id: StreamId): boolean {
    if (this.#count === 0) return false
    const probe = pendingSeparator(this.#unit, id, this.#probe)
    if (probe.compare(this.#begin.words, 0) <= 0) return false
    const last = pendingSeparator(this.#unit, this.#id.read(this.bytes, this.used - this.#size + 1), this.#former)
    return probe.compare(last.words, 0) > 0
  }

  #finishLeaf(): void {
    if (!this.#isMaking) return
    this.#isMaking = false
    const { used } = this
    const count = this.#count
    this.used = packedHeaderBytes
    this.#count = 0
    if (count === 0 && !this.#isNeeded) return
    const { trees, values, arena } = this.#keyspace
    const to = this.#to
    // Nothing may be missing half-way.
    arena.reserveSlots(4 * used + rowBytesMax)
    if (!trees.find(this.#root, this.#begin, to)) trees.create(to, this.#begin, used, 0)
    const ref = trees.slots.writable(to, used)
    this.bytes.copy(values.bytes(ref), values.start(ref) + packedHeaderBytes, packedHeaderBytes, used)
    setUsedBytes(values.bytes(ref), values.start(ref), used)
    trees.changed(to, count, 0)
    this.#leaves++
  }

  /** Makes sure that there is memory for `apply`. */
  reserve(): void {
    this.#keyspace.arena.mustHold(this.#leaves * rowBytesMax)
  }

  /** Puts the leaves into the stream with a root block, which is as it was when they were made. Takes time in proportion to their number. */
  apply(root: number, lsn: number): void {
    const { trees } = this.#keyspace
    const { shape, removal } = trees
    const at = new LeafRow()
    const from = new LeafRow()
    for (const { first, last } of this.#ranges) {
      if (!trees.find(root, first, at) || !trees.find(root, last, from))
        throw new Error('stream: leaves that were to be exchanged are gone')
      if (at.node === from.node && at.row === from.row) removal.one(at)
      else removal.range(at, from)
    }
    const next = new LeafRow()
    const separator = new Separator()
    shape.first(this.#root, from)
    for (let isBehind = false; shape.next(from); isBehind = true) {
      shape.separator(from, separator)
      next.set(at.node, at.row)
      const isNext =
        isBehind && (!shape.next(next) || separator.compare(shape.arena.words(next.node), shape.nodes.rowAt(next.node, next.row)) < 0)
      if (!isNext) shape.locate(root, separator, at)
      trees.moveIn(at, separator, from, lsn)
    }
    this.release()
  }

  /** Gives up what was not put anywhere. */
  release(): void {
    dropTree(this.#keyspace, this.#root)
    this.#root = 0
  }
}
