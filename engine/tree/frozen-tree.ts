/**
 * A tree while it is written out: its leaves as of one moment, whatever is changed meanwhile.
 *
 * Freezing notes the LSN and copies nothing. From then on a dirty leaf that is not newer than that and has not been taken yet
 * is shared with the write-out: who wants to change it leaves the slot to the write-out (`preserve`) and goes on in a new one.
 * The write-out takes what was preserved and, in the order of separators, the leaves themselves; those it has passed, and those
 * that are newer, are nobody's business.
 */
import type { Values } from '../keyspace/values.ts'
import type { RemovedSeparators } from './removed-separators.ts'
import { Separator } from './separator.ts'
import { catalogedLeaf, dirtyLeaf } from './tree-nodes.ts'
import { LeafRow, type TreeShape } from './tree-shape.ts'

/** Told of what a frozen tree has that its catalog rows do not say. */
export interface FrozenVisitor {
  /** A leaf that the catalog knows is no more. */
  removed(separator: Separator): void
  /** A leaf with bytes to write, in slot `ref`. */
  leaf(separator: Separator, ref: number, lsn: number, count: number, bytes: number): void
}

interface PreservedLeaf {
  readonly separator: Separator
  ref: number
  readonly lsn: number
  readonly count: number
  readonly bytes: number
}

/** Rows that are passed over in one step at most. */
const rowsPerStep = 1024

export class FrozenTree {
  /** Root block of the tree; follows it when it moves. 0 when the tree is no more. */
  root: number
  /** The collection's id in the catalog. */
  readonly id: number
  readonly #shape: TreeShape
  readonly #values: Values
  readonly #removals: RemovedSeparators
  readonly #lsn: number
  /** Leaves that begin before this are passed. */
  readonly #position = new Separator()
  #isPassed: boolean
  /** Dirty leaves that are neither taken nor preserved. */
  #left: number
  #removed: number
  #preserved: PreservedLeaf[] = []
  readonly #at = new LeafRow()
  readonly #separator = new Separator()

  /** Freezes a tree as it is now, at the LSN of its last change. */
  constructor(root: number, lsn: number, shape: TreeShape, values: Values, removals: RemovedSeparators) {
    this.root = root
    this.id = shape.roots.id(root)
    this.#shape = shape
    this.#values = values
    this.#removals = removals
    this.#lsn = lsn
    this.#left = shape.roots.dirtyLeaves(root)
    this.#isPassed = this.#left === 0
    this.#removed = removals.detach(root)
  }

  /** Whether a leaf of this tree may not be changed, because it has yet to be taken. */
  holds(at: LeafRow): boolean {
    if (this.#isPassed) return false
    const { nodes } = this.#shape
    return (
      nodes.flag(at.node, at.row, dirtyLeaf) &&
      nodes.lsn(at.node, at.row) <= this.#lsn &&
      this.#position.compare(this.#shape.arena.words(at.node), nodes.rowAt(at.node, at.row)) <= 0
    )
  }

  /** Keeps the slot of a leaf, which `holds`, until it is taken. The leaf's row is the caller's to change. */
  preserve(at: LeafRow, ref: number): void {
    const { nodes } = this.#shape
    const { node, row } = at
    this.#values.setPreserved(ref)
    this.#preserved.push({
      separator: this.#shape.separator(at, new Separator()),
      ref,
      lsn: nodes.lsn(node, row),
      count: nodes.count(node, row),
      bytes: nodes.bytes(node, row),
    })
    // It is going to be told under this separator.
    nodes.setFlag(node, row, catalogedLeaf)
    // The same leaf is not preserved twice, even if one record changes it twice.
    nodes.setLsn(node, row, this.#lsn + 1)
    this.#left--
    if (this.#left === 0) this.#isPassed = true
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
      visitor.leaf(preserved.separator, preserved.ref, preserved.lsn, preserved.count, preserved.bytes)
      this.#values.release(preserved.ref)
      return true
    }
    return !this.#isPassed && this.#pass(visitor)
  }

  /** Goes on to the next leaf that is to be written and takes it. */
  #pass(visitor: FrozenVisitor): boolean {
    const shape = this.#shape
    const { nodes } = shape
    const at = this.#at
    shape.locate(this.root, this.#position, at)
    for (let rows = 0; rows < rowsPerStep; rows++) {
      shape.separator(at, this.#separator)
      const isAhead = this.#position.compare(this.#separator.words, 0) <= 0
      const takes = isAhead && nodes.flag(at.node, at.row, dirtyLeaf) && nodes.lsn(at.node, at.row) <= this.#lsn
      if (takes) {
        this.#left--
        nodes.setFlag(at.node, at.row, catalogedLeaf)
        const { node, row } = at
        visitor.leaf(this.#separator, nodes.ref(node, row), nodes.lsn(node, row), nodes.count(node, row), nodes.bytes(node, row))
      }
      if (this.#left === 0 || !shape.next(at)) {
        this.#isPassed = true
        return true
      }
      if (takes) break
    }
    shape.separator(at, this.#position)
    return true
  }

  /** Ends before its time: what was taken may not have been written, and the tree is to be frozen again. */
  abort(): void {
    if (this.root === 0) return
    for (let block = this.#removed; block !== 0; ) {
      block = this.#removals.take(block, this.#separator, ({ words }) => this.#removals.add(this.root, words, 0))
    }
    this.#clear()
  }

  /** The tree is gone. */
  drop(): void {
    this.#removals.drop(this.#removed)
    this.#clear()
  }

  #clear(): void {
    for (const { ref } of this.#preserved) this.#values.release(ref)
    this.#preserved = []
    this.#removed = 0
    this.root = 0
    this.#isPassed = true
  }
}
