/**
 * Taking leaves out of trees: one by one, in a range, or all of a tree that was dropped, in slices. What a write-out has yet to take of a leaf stays
 * its own, and what the catalog knows of one is kept to be told (`RemovedSeparators`).
 */
import type { Values } from '../keyspace/values.ts'
import type { FrozenTree } from './frozen-tree.ts'
import type { FrozenTrees } from './frozen-trees.ts'
import type { LeafSlots, ObservedLeaves } from './leaf-slots.ts'
import { cutRange } from './range-cut.ts'
import type { RemovedSeparators } from './removed-separators.ts'
import { catalogedLeaf, dirtyLeaf } from './tree-nodes.ts'
import type { TreeShape } from './tree-shape.ts'
import { LeafRow } from './tree-shape.ts'

export class LeafRemoval {
  readonly #shape: TreeShape
  readonly #values: Values
  readonly #slots: LeafSlots
  readonly #frozen: FrozenTrees
  readonly #removed: RemovedSeparators
  readonly #observed: ObservedLeaves
  readonly #scratch = new LeafRow()

  constructor(
    shape: TreeShape,
    values: Values,
    slots: LeafSlots,
    frozen: FrozenTrees,
    removed: RemovedSeparators,
    observed: ObservedLeaves,
  ) {
    this.#shape = shape
    this.#values = values
    this.#slots = slots
    this.#frozen = frozen
    this.#removed = removed
    this.#observed = observed
  }

  /** Takes a leaf out whose elements are gone or elsewhere; its range falls to the leaf before. Rows are void. */
  one(at: LeafRow): void {
    const { nodes } = this.#shape
    const root = this.#shape.rootOf(at.node)
    const ref = nodes.ref(at.node, at.row)
    const isPreserved = this.#frozen.preserve(at, ref)
    this.#note(root, at)
    if (isPreserved) this.#leaveSlot(root, at, ref)
    this.#drop(root, at)
  }

  /**
   * Takes the leaves from `first` to `last` out, whose elements are gone, not the tree's first one; their range falls to the leaf before. They are
   * released later, as a tree that was dropped. Rows are void.
   */
  range(first: LeafRow, last: LeafRow): void {
    const { nodes, roots } = this.#shape
    const root = this.#shape.rootOf(first.node)
    const holders = this.#frozen.of(root)
    this.#shape.search.directories.drop(root)
    for (const top of cutRange(this.#shape, root, first, last)) {
      const part = roots.create(0, roots.id(root), roots.seed(root))
      roots.setTop(part, top)
      nodes.setParent(top, part)
      roots.addCount(part, nodes.sum(top))
      this.#leaveTree(root, part, holders)
      this.#observed.observer.treeDropped(part)
    }
  }

  /** The leaves below a root are no more those of the tree that they were taken out of: what is counted and kept of them goes with them. */
  #leaveTree(root: number, part: number, holders: readonly FrozenTree[]): void {
    const { nodes, roots, arena } = this.#shape
    const at = new LeafRow()
    let leaves = 0
    let cold = 0
    let dirty = 0
    let bytes = 0
    this.#shape.first(part, at)
    do {
      const ref = nodes.ref(at.node, at.row)
      const isDirty = nodes.flag(at.node, at.row, dirtyLeaf)
      for (const holder of holders) if (holder.holds(at)) holder.preserve(at, ref)
      this.#note(root, at)
      leaves++
      if (isDirty) dirty++
      if (ref === 0) cold++
      else bytes += arena.capacity(ref)
      if (ref !== 0 && this.#values.isPreserved(ref)) this.#leaveSlot(part, at, ref)
    } while (this.#shape.next(at))
    for (const [to, sign] of [
      [root, -1],
      [part, 1],
    ] as const) {
      roots.addLeaves(to, sign * leaves)
      roots.addCold(to, sign * cold)
      roots.addDirty(to, sign * dirty)
      roots.addResidentBytes(to, sign * bytes)
    }
  }

  /** The tree has lost its key. Its leaves are released with `releaseSome`, once it is not frozen any more. */
  dropped(root: number): void {
    this.#shape.roots.setOwner(root, 0)
    this.#removed.drop(this.#removed.detach(root))
  }

  /** Releases up to `max` leaves of a tree that was dropped and is not frozen; true when nothing of it is left. */
  releaseSome(root: number, max: number): boolean {
    const { nodes, roots } = this.#shape
    const at = this.#scratch
    for (let i = 0; i < max; i++) {
      this.#shape.last(root, at)
      this.#slots.outdate(at)
      if (roots.leaves(root) > 1) {
        this.#drop(root, at)
        continue
      }
      if (nodes.ref(at.node, at.row) !== 0) this.#slots.leave(root, at)
      // What was cut out of a tree may have nodes with a single row above its last leaf.
      for (let node = at.node; nodes.isNode(node); ) {
        const above = nodes.parent(node)
        nodes.release(node)
        node = above
      }
      this.#shape.search.directories.drop(root)
      roots.release(root)
      return true
    }
    return false
  }

  /** A leaf that the catalog knows is going. */
  #note(root: number, { node, row }: LeafRow): void {
    const { nodes, arena } = this.#shape
    if (nodes.flag(node, row, catalogedLeaf)) this.#removed.add(root, arena.words(node), nodes.rowAt(node, row))
  }

  /** The slot of a leaf below `root` is a write-out's now. */
  #leaveSlot(root: number, { node, row }: LeafRow, ref: number): void {
    const { nodes, roots, arena } = this.#shape
    this.#observed.observer.released(ref)
    roots.addResidentBytes(root, -arena.capacity(ref))
    nodes.setRef(node, row, 0)
    roots.addCold(root, 1)
  }

  #drop(root: number, at: LeafRow): void {
    const { nodes, roots } = this.#shape
    this.#slots.outdate(at)
    if (nodes.ref(at.node, at.row) !== 0) this.#slots.leave(root, at)
    else roots.addCold(root, -1)
    if (nodes.flag(at.node, at.row, dirtyLeaf)) roots.addDirty(root, -1)
    roots.addLeaves(root, -1)
    this.#shape.remove(at)
  }
}
