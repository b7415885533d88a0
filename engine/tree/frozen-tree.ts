/**
 * A tree while it is written out: its leaves as of one moment, whatever is changed meanwhile.
 *
 * Freezing notes the LSN and copies nothing. From then on a dirty leaf that is not newer than that and has not been taken yet
 * is shared with the write-out: who wants to change it leaves the slot to the write-out (`preserve`) and goes on in a new one.
 * The write-out takes what was preserved and, in the order of separators, the leaves themselves; those it has passed, and those
 * that are newer, are nobody's business. In a tree that was frozen in the middle of a record, newer leaves may have the
 * LSN of older ones: a flag tells them.
 */
import type { Values } from '../keyspace/values.ts'
import type { RemovedSeparators } from './removed-separators.ts'
import { Separator } from './separator.ts'
import { catalogedLeaf, dirtyLeaf, laterLeaf } from './tree-nodes.ts'
import type { TreeShape } from './tree-shape.ts'
import { LeafRow } from './tree-shape.ts'

/** Told of what a frozen tree has that its catalog rows do not say. */
export interface FrozenVisitor {
  /** A leaf that the catalog knows is no more. */
  removed(separator: Separator): void
  /** A leaf with bytes to write, in slot `ref`. `isOutdated`: it has changed since, and will be written again. */
  leaf(separator: Separator, ref: number, lsn: number, count: number, bytes: number, isOutdated: boolean): void
  /** A leaf that the cold store has. */
  stored(separator: Separator, valueId: number, lsn: number, count: number, bytes: number): void
}

/** A leaf's row as it was, with the slot that was left to the write-out; without one, the cold store has the bytes. */
interface PreservedLeaf {
  readonly separator: Separator
  ref: number
  readonly valueId: number
  readonly lsn: number
  readonly count: number
  readonly bytes: number
}

/** What a write-out takes: leaves that the cold store does not have as they are, or all of them, for a catalog that knows none. */
export type FrozenPart = 'dirty' | 'all'

/** The walk goes over so many rows at most in one step. */
const rowsPerStep = 1024

export class FrozenTree {
  /** Root block of the tree; follows it when it moves. 0 when the tree is no more. */
  root: number
  /** The collection's id in the catalog. */
  readonly id: number
  readonly #shape: TreeShape
  readonly #values: Values
  readonly #removals: RemovedSeparators
  /** As of which the tree is. */
  readonly lsn: number
  /** As of the middle of the record with that LSN. */
  readonly isMidRecord: boolean
  readonly #part: FrozenPart
  /** The walk over the leaves has come to this place. */
  readonly #position = new Separator()
  #isWalked: boolean
  /** Leaves that are neither taken nor preserved. */
  #left: number
  #removed: number
  #preserved: PreservedLeaf[] = []
  readonly #at = new LeafRow()
  readonly #separator = new Separator()

  /** Freezes a tree as it is now, at the LSN of its last change, or in the middle of the record with that LSN. */
  constructor(
    root: number,
    lsn: number,
    isMidRecord: boolean,
    part: FrozenPart,
    shape: TreeShape,
    values: Values,
    removals: RemovedSeparators,
  ) {
    const { roots } = shape
    this.root = root
    this.id = roots.id(root)
    this.#shape = shape
    this.#values = values
    this.#removals = removals
    this.lsn = lsn
    this.isMidRecord = isMidRecord
    this.#part = part
    this.#left = part === 'all' ? roots.leaves(root) : roots.dirtyLeaves(root)
    this.#isWalked = this.#left === 0
    this.#removed = removals.detach(root)
  }

  /** Whether a leaf of this tree may not be changed, because it has yet to be taken. */
  holds(at: LeafRow): boolean {
    if (this.#isWalked) return false
    const { nodes, arena } = this.#shape
    return this.#isWanted(at) && this.#position.compare(arena.words(at.node), nodes.rowAt(at.node, at.row)) <= 0
  }

  #isWanted({ node, row }: LeafRow): boolean {
    const { nodes } = this.#shape
    const lsn = nodes.lsn(node, row)
    if (lsn > this.lsn || (lsn === this.lsn && this.isMidRecord && nodes.flag(node, row, laterLeaf))) return false
    return this.#part === 'all' || nodes.flag(node, row, dirtyLeaf)
  }

  /** Keeps the row of a leaf, which `holds`, until it is taken, and if it is dirty its slot `ref`. The row is then the caller's to change. */
  preserve(at: LeafRow, ref: number): void {
    const { nodes } = this.#shape
    const { node, row } = at
    const isDirty = nodes.flag(node, row, dirtyLeaf)
    if (isDirty) this.#values.setPreserved(ref)
    this.#preserved.push({
      separator: this.#shape.separator(at, new Separator()),
      ref: isDirty ? ref : 0,
      valueId: nodes.valueId(node, row),
      lsn: nodes.lsn(node, row),
      count: nodes.count(node, row),
      bytes: nodes.bytes(node, row),
    })
    // It is going to be told under this separator.
    nodes.setFlag(node, row, catalogedLeaf)
    // The same leaf is not preserved twice, even if one record changes it twice.
    if (this.isMidRecord) {
      nodes.setLsn(node, row, this.lsn)
      nodes.setFlag(node, row, laterLeaf)
    } else nodes.setLsn(node, row, this.lsn + 1)
    this.#left--
    if (this.#left === 0) this.#isWalked = true
  }

  /** A preserved slot lies elsewhere now; false if it is not one of these. */
  relocated(from: number, to: number): boolean {
    const leaf = this.#preserved.find((each) => each.ref === from)
    if (leaf === undefined) return false
    leaf.ref = to
    return true
  }

  /** Takes a few things that are to be written. False when all were taken. */
  step(visitor: FrozenVisitor): boolean {
    if (this.root === 0) return false
    if (this.#removed !== 0) {
      this.#removed = this.#removals.take(this.#removed, this.#separator, (separator) => visitor.removed(separator))
      return true
    }
    const preserved = this.#preserved.pop()
    if (preserved !== undefined) {
      const { separator, ref, valueId, lsn, count, bytes } = preserved
      if (ref === 0) visitor.stored(separator, valueId, lsn, count, bytes)
      else {
        visitor.leaf(separator, ref, lsn, count, bytes, true)
        this.#values.release(ref)
      }
      return true
    }
    return !this.#isWalked && this.#walk(visitor)
  }

  /** Goes on to the next leaf that is to be written and takes it. */
  #walk(visitor: FrozenVisitor): boolean {
    const shape = this.#shape
    const at = this.#at
    shape.locate(this.root, this.#position, at)
    for (let rows = 0; rows < rowsPerStep; rows++) {
      shape.separator(at, this.#separator)
      const isAhead = this.#position.compare(this.#separator.words, 0) <= 0
      const takes = isAhead && this.#isWanted(at)
      if (takes) this.#take(at, visitor)
      if (this.#left === 0 || !shape.next(at)) {
        this.#isWalked = true
        return true
      }
      if (takes) break
    }
    shape.separator(at, this.#position)
    return true
  }

  #take({ node, row }: LeafRow, visitor: FrozenVisitor): void {
    const { nodes } = this.#shape
    this.#left--
    nodes.setFlag(node, row, catalogedLeaf)
    const lsn = nodes.lsn(node, row)
    const count = nodes.count(node, row)
    const bytes = nodes.bytes(node, row)
    if (nodes.flag(node, row, dirtyLeaf)) visitor.leaf(this.#separator, nodes.ref(node, row), lsn, count, bytes, false)
    else visitor.stored(this.#separator, nodes.valueId(node, row), lsn, count, bytes)
  }

  /** Ends before its time: what was taken may not have been written, and the tree is to be frozen again. */
  abort(): void {
    if (this.root === 0) return
    if (this.#shape.roots.owner(this.root) === 0) {
      this.drop()
      return
    }
    for (let block = this.#removed; block !== 0; ) {
      block = this.#removals.take(block, this.#separator, ({ words }) => this.#removals.add(this.root, words, 0))
    }
    this.#clear()
  }

  /** The tree is going, and nobody needs what is left. */
  drop(): void {
    this.#removals.drop(this.#removed)
    this.#clear()
  }

  #clear(): void {
    for (const { ref } of this.#preserved) if (ref !== 0) this.#values.release(ref)
    this.#preserved = []
    this.#removed = 0
    this.root = 0
    this.#isWalked = true
  }
}
