/**
 * Large lists: elements in a tree, found by rank. A leaf's separator is a label between those of its neighbours, which no
 * element shows and nothing but the tree itself names: a replay may come to other leaves, with the same elements in the same order.
 *
 * Elements come and go at the ends without the rest being touched: a full leaf is not halved there but followed, or preceded,
 * by a new one. What is changed must be resident; a leaf that goes as a whole need not be.
 */
import { valueHeaderBytes } from '../keyspace/values.ts'
import { packedHeaderBytes, setUsedBytes, usedBytes, writeEmpty } from '../memory/packed-bytes.ts'
import type { RecordReader } from '../mutation/record-reader.ts'
import { Separator } from '../tree/separator.ts'
import type { LeafLayout } from '../tree/tree-elements.ts'
import { TreeElements } from '../tree/tree-elements.ts'
import type { TreeLeaves } from '../tree/tree-leaves.ts'
import { LeafRow } from '../tree/tree-shape.ts'
import { ListLabels } from './list-labels.ts'
import { positionBehind, positionOf } from './list-leaf.ts'
import { elementBytesAt, longTextElementBytes, longTextHeadBytes, writeElement, writeHollowText } from './listpack-element.ts'
import { stringElementBytes } from './listpack-size.ts'

/** Fewer elements go leaf by leaf. */
const rangeElementsMin = 16

export class ListTrees implements LeafLayout {
  readonly leaves: TreeLeaves
  readonly labels: ListLabels
  readonly joinMask = 0
  readonly #elements: TreeElements
  readonly #at = new LeafRow()
  readonly #next = new LeafRow()
  readonly #last = new LeafRow()
  readonly #separator = new Separator()
  /** Where in the buffer of its leaf the last element was written that went among others. */
  #writtenAt = 0
  /** Bytes of the elements that `#runThatFits` has found to fit. */
  #runBytes = 0

  constructor(leaves: TreeLeaves) {
    this.leaves = leaves
    this.labels = new ListLabels(leaves.shape)
    this.#elements = new TreeElements(leaves, this)
  }

  sizeAt(bytes: Buffer, at: number): number {
    return elementBytesAt(bytes, at)
  }

  cutBetween(_bytes: Buffer, _before: number, at: number, row: LeafRow, into: Separator): boolean {
    // Others are likely to come in at the same place: the room for labels is left there.
    return this.labels.behind(row, at <= this.#writtenAt, into)
  }

  /** Puts the elements of a small list, which is left as it is, into a tree that is empty. */
  fill(root: number, blob: number, count: number, lsn: number): void {
    const { values, shape } = this.leaves
    const bytes = values.bytes(blob)
    const start = values.start(blob)
    const size = usedBytes(bytes, start) - packedHeaderBytes
    if (size === 0) return
    const at = this.#at
    shape.first(root, at)
    const position = this.#elements.resize(at, packedHeaderBytes, 0, size)
    bytes.copy(values.bytes(this.leaves.ref(at)), position, start + packedHeaderBytes, start + packedHeaderBytes + size)
    this.#elements.done(at, count, lsn)
  }

  /** Puts `count` elements of another tree, from `rank` on, into a tree that is empty. */
  fillFrom(root: number, former: number, rank: number, count: number, lsn: number): void {
    const { leaves } = this
    const { nodes, values, shape } = leaves
    const source = new LeafRow()
    shape.locateRank(former, rank, source)
    let within = shape.rankWithin
    const at = this.#at
    for (let left = count; left > 0; shape.next(source)) {
      const run = Math.min(left, nodes.count(source.node, source.row) - within)
      if (run > 0) {
        const held = leaves.used(source)
        const start = values.start(held)
        const first = positionOf(values.bytes(held), start, within, nodes.count(source.node, source.row)) - start
        const size = positionBehind(values.bytes(held), start + first, run) - start - first
        shape.last(root, at)
        if (nodes.count(at.node, at.row) > 0 && nodes.bytes(at.node, at.row) + size > leaves.leafBytesMax) {
          if (this.labels.behind(at, true, this.#separator)) leaves.create(at, this.#separator, packedHeaderBytes, lsn)
        }
        const position = this.#elements.resize(at, nodes.bytes(at.node, at.row), 0, size)
        const begin = values.start(held) + first
        values.bytes(held).copy(values.bytes(leaves.ref(at)), position, begin, begin + size)
        leaves.changed(at, run, lsn)
      }
      left -= run
      within = 0
    }
  }

  /** Appends the next `count` ranges of a payload. */
  append(root: number, payload: RecordReader, count: number, lsn: number): void {
    const { leaves } = this
    const { nodes, values } = leaves
    const at = this.#at
    leaves.shape.last(root, at)
    for (let left = count; left > 0; ) {
      const used = nodes.bytes(at.node, at.row)
      let run = this.#runThatFits(payload, left, used, nodes.count(at.node, at.row))
      if (run === 0) {
        // Without a label for a new leaf the last one grows.
        if (this.labels.behind(at, true, this.#separator)) {
          run = this.#runThatFits(payload, left, packedHeaderBytes, 0)
          leaves.follow(at, this.#separator, packedHeaderBytes + this.#runBytes, lsn)
        } else {
          run = left
          this.#runBytes = this.#bytesOf(payload, left)
        }
      }
      let position = this.#elements.extend(at, this.#runBytes)
      const bytes = values.bytes(leaves.ref(at))
      for (let i = 0; i < run; i++) {
        payload.range()
        position = writeElement(bytes, position, payload.bytes, payload.start, payload.stop)
      }
      leaves.changed(at, run, lsn)
      left -= run
    }
  }

  /** Puts a long text at the end, in a leaf of its own, of a tree that nobody sees: its bytes are for the caller to write, piece by piece (`writeLast`). */
  appendHollow(root: number, length: number, lsn: number): void {
    const { leaves } = this
    const at = this.#at
    const size = longTextElementBytes(length)
    leaves.shape.last(root, at)
    if (leaves.nodes.count(at.node, at.row) > 0 && this.labels.behind(at, true, this.#separator)) {
      leaves.follow(at, this.#separator, packedHeaderBytes + size, lsn)
    }
    const position = this.#elements.extend(at, size)
    writeHollowText(leaves.values.bytes(leaves.ref(at)), position, length)
    leaves.changed(at, 1, lsn)
  }

  /** Writes bytes of the long text that was put at the end last, from number `offset` of them on. */
  writeLast(root: number, offset: number, from: Uint8Array, start: number, end: number): void {
    const { leaves } = this
    const at = this.#at
    leaves.shape.last(root, at)
    const ref = leaves.ref(at)
    const bytes = leaves.values.bytes(ref)
    bytes.set(from.subarray(start, end), leaves.values.start(ref) + packedHeaderBytes + longTextHeadBytes + offset)
  }

  /** Puts the next `count` ranges of a payload in front of everything, one after the other: the last one comes first. */
  prepend(root: number, payload: RecordReader, count: number, lsn: number): void {
    const { leaves } = this
    const { nodes, values } = leaves
    const at = this.#at
    for (let left = count; left > 0; ) {
      leaves.shape.first(root, at)
      const held = nodes.count(at.node, at.row)
      const used = nodes.bytes(at.node, at.row)
      let run = this.#runThatFits(payload, left, used, held)
      if (run === 0) {
        // The first leaf stays the first: what it holds goes to a new one behind it.
        if (this.labels.behind(at, false, this.#separator)) {
          leaves.slots.writable(at, 0)
          leaves.cut(at, packedHeaderBytes, held, this.#separator, lsn)
          continue
        }
        run = left
        this.#runBytes = this.#bytesOf(payload, left)
      }
      const size = this.#runBytes
      leaves.slots.growing(at, used + size)
      let position = this.#elements.resize(at, packedHeaderBytes, 0, size) + size
      const bytes = values.bytes(leaves.ref(at))
      for (let i = 0; i < run; i++) {
        payload.range()
        position -= run === 1 ? size : stringElementBytes(payload.bytes, payload.start, payload.stop)
        writeElement(bytes, position, payload.bytes, payload.start, payload.stop)
      }
      leaves.changed(at, run, lsn)
      left -= run
    }
  }

  /**
   * Puts the leaves of another tree with elements, which nobody has seen, at the end of a tree, or in front. They move, and no element is looked at. In front the
   * first leaf must be resident. False, and nothing done, when there is no room for their labels.
   */
  join(root: number, made: number, atTail: boolean, lsn: number): boolean {
    const { leaves } = this
    const { shape, nodes } = leaves
    const at = this.#at
    const from = new LeafRow()
    if (!this.labels.haveRoom(root, leaves.roots.leaves(made), atTail)) return false
    const label = this.#separator
    if (atTail) {
      shape.last(root, at)
      shape.first(made, from)
    } else {
      this.#clearFirst(root, lsn)
      shape.last(made, from)
    }
    let isFirst = true
    do {
      if (nodes.count(from.node, from.row) === 0) continue
      if (!atTail) shape.first(root, at)
      if (isFirst) this.labels.behind(at, atTail, label)
      else this.labels.step(label, atTail ? 1 : -1)
      isFirst = false
      leaves.moveIn(at, label, from, lsn)
    } while (atTail ? shape.next(from) : shape.previous(from))
    return true
  }

  /** The first leaf stays the first: what it holds goes to a new one behind it. */
  #clearFirst(root: number, lsn: number): void {
    const { leaves } = this
    const at = this.#at
    leaves.shape.first(root, at)
    const held = leaves.nodes.count(at.node, at.row)
    if (held === 0 || !this.labels.behind(at, false, this.#separator)) return
    leaves.slots.writable(at, 0)
    leaves.cut(at, packedHeaderBytes, held, this.#separator, lsn)
  }

  /** How many of the next `count` ranges fit into a leaf with `held` elements in `used` bytes, one at least if it is empty. Sets `#runBytes`. */
  #runThatFits(payload: RecordReader, count: number, used: number, held: number): number {
    const { at } = payload
    // The slot of a full leaf is as large as a leaf may be, its header included.
    const room = this.leaves.leafBytesMax - valueHeaderBytes - used
    let bytes = 0
    let fitting = 0
    for (; fitting < count; fitting++) {
      payload.range()
      const size = stringElementBytes(payload.bytes, payload.start, payload.stop)
      if (bytes + size > room && (fitting > 0 || held > 0)) break
      bytes += size
    }
    payload.at = at
    this.#runBytes = bytes
    return fitting
  }

  #bytesOf(payload: RecordReader, count: number): number {
    const { at } = payload
    let bytes = 0
    for (let i = 0; i < count; i++) {
      payload.range()
      bytes += stringElementBytes(payload.bytes, payload.start, payload.stop)
    }
    payload.at = at
    return bytes
  }

  /** Puts `bytes[start, end)`, which are not this list's own, in place of the element `rank`. */
  set(root: number, rank: number, from: Uint8Array, start: number, end: number, lsn: number): void {
    const { leaves } = this
    const at = this.#at
    const offset = this.#locate(root, rank, at)
    const ref = leaves.used(at)
    const former = elementBytesAt(leaves.values.bytes(ref), leaves.values.start(ref) + offset)
    this.#write(at, offset, former, from, start, end, 0, lsn)
  }

  /** Puts an element before the element `rank`, or behind it. */
  insert(root: number, rank: number, behind: boolean, from: Uint8Array, start: number, end: number, lsn: number): void {
    const { leaves } = this
    const at = this.#at
    let offset = this.#locate(root, rank, at)
    const ref = leaves.used(at)
    if (behind) offset += elementBytesAt(leaves.values.bytes(ref), leaves.values.start(ref) + offset)
    this.#write(at, offset, 0, from, start, end, 1, lsn)
  }

  #write(at: LeafRow, offset: number, former: number, from: Uint8Array, start: number, end: number, by: number, lsn: number): void {
    const { leaves } = this
    const position = this.#elements.resize(at, offset, former, stringElementBytes(from, start, end))
    writeElement(leaves.values.bytes(leaves.ref(at)), position, from, start, end)
    this.#writtenAt = position
    this.#elements.done(at, by, lsn)
  }

  /** Takes `count` elements out from the element `rank` on, but not all that there are. Leaves that go as a whole may be cold, except the first. */
  remove(root: number, rank: number, count: number, lsn: number): void {
    const { leaves } = this
    const { nodes, values } = leaves
    const at = this.#at
    for (let left = count; left > 0; ) {
      leaves.shape.locateRank(root, rank, at)
      const within = leaves.shape.rankWithin
      const held = nodes.count(at.node, at.row)
      const run = Math.min(left, held - within)
      if (run === held) {
        left -= this.#removeLeaves(root, rank, left, at, lsn)
        continue
      }
      left -= run
      const ref = leaves.used(at)
      const bytes = values.bytes(ref)
      const start = values.start(ref)
      const from = positionOf(bytes, start, within, held)
      // Towards the end the other way is shorter.
      const to = run <= held - within - run ? positionBehind(bytes, from, run) : positionOf(bytes, start, within + run, held)
      this.#elements.remove(at, from - start, to - from, run, lsn)
    }
  }

  /** Takes out leaves from the one at `at` on that go as a whole where `count` elements from `rank` on do. Returns how many elements they had. */
  #removeLeaves(root: number, rank: number, count: number, at: LeafRow, lsn: number): number {
    const { shape, nodes } = this.leaves
    const last = this.#last
    shape.first(root, last)
    const held = nodes.count(at.node, at.row)
    if (count < held + rangeElementsMin || (last.node === at.node && last.row === at.row)) {
      this.#removeLeaf(root, at, lsn)
      return held
    }
    shape.locateRank(root, rank + count - 1, last)
    const kept = nodes.count(last.node, last.row) - 1 - shape.rankWithin
    let removed = count
    if (kept > 0) {
      removed -= shape.rankWithin + 1
      shape.previous(last)
    }
    this.leaves.removal.range(at, last)
    return removed
  }

  /** Takes out the elements with these ranks, which ascend; not all that there are. */
  removeEach(root: number, ranks: readonly number[], lsn: number): void {
    const { leaves } = this
    const { nodes } = leaves
    const at = this.#at
    // From the end, so that the ranks before stay what they are.
    for (let last = ranks.length - 1; last >= 0; ) {
      leaves.shape.locateRank(root, ranks[last], at)
      const before = ranks[last] - leaves.shape.rankWithin
      let first = last
      while (first > 0 && ranks[first - 1] >= before) first--
      const count = last - first + 1
      if (count === nodes.count(at.node, at.row)) this.#removeLeaf(root, at, lsn)
      else this.#removeIn(at, ranks, first, count, before, lsn)
      last = first - 1
    }
  }

  /** Takes out of a leaf the elements with `count` ranks from `ranks[first]` on. `before`: the rank of the leaf's first element. */
  #removeIn(at: LeafRow, ranks: readonly number[], first: number, count: number, before: number, lsn: number): void {
    const { leaves } = this
    const { values } = leaves
    leaves.used(at)
    const ref = leaves.slots.writable(at, 0)
    const bytes = values.bytes(ref)
    const start = values.start(ref)
    const used = usedBytes(bytes, start)
    let kept = start + packedHeaderBytes
    let from = kept
    let rank = before
    for (let i = 0; i < count; i++) {
      const gone = positionBehind(bytes, from, ranks[first + i] - rank)
      bytes.copyWithin(kept, from, gone)
      kept += gone - from
      from = gone + elementBytesAt(bytes, gone)
      rank = ranks[first + i] + 1
    }
    bytes.copyWithin(kept, from, start + used)
    setUsedBytes(bytes, start, kept + used - from)
    this.#elements.done(at, -count, lsn)
  }

  /** Takes a leaf out with all its elements. The first one of a tree stays, empty, if it cannot be joined. */
  #removeLeaf(root: number, at: LeafRow, lsn: number): void {
    const { leaves } = this
    const first = this.#next
    leaves.shape.first(root, first)
    if (first.node !== at.node || first.row !== at.row) {
      leaves.removal.one(at)
      return
    }
    leaves.used(at)
    const count = leaves.nodes.count(at.node, at.row)
    const ref = leaves.slots.emptied(at, packedHeaderBytes)
    writeEmpty(leaves.values.bytes(ref), leaves.values.start(ref))
    this.#elements.done(at, -count, lsn)
  }

  /** The leaf of an element; returns where in its blob that begins. */
  #locate(root: number, rank: number, into: LeafRow): number {
    const { leaves } = this
    leaves.shape.locateRank(root, rank, into)
    const ref = leaves.used(into)
    const start = leaves.values.start(ref)
    return positionOf(leaves.values.bytes(ref), start, leaves.shape.rankWithin, leaves.nodes.count(into.node, into.row)) - start
  }
}
