/** All trees that are being written out: who wants to change a leaf asks here whether a write-out has yet to take it. */
import type { Values } from '../keyspace/values.ts'
import type { FrozenPart } from './frozen-tree.ts'
import { FrozenTree } from './frozen-tree.ts'
import type { RemovedSeparators } from './removed-separators.ts'
import { dirtyLeaf } from './tree-nodes.ts'
import type { LeafRow, TreeShape } from './tree-shape.ts'

export class FrozenTrees {
  readonly #shape: TreeShape
  readonly #values: Values
  readonly #removed: RemovedSeparators
  readonly #trees: FrozenTree[] = []

  constructor(shape: TreeShape, values: Values, removed: RemovedSeparators) {
    this.#shape = shape
    this.#values = values
    this.#removed = removed
  }

  /** Freezes a tree as it is now, at the LSN of its last change or in the middle of that record, to be written out; `thaw` ends it. */
  freeze(root: number, lsn: number, part: FrozenPart, isMidRecord = false): FrozenTree {
    const frozen = new FrozenTree(root, lsn, isMidRecord, part, this.#shape, this.#values, this.#removed)
    this.#trees.push(frozen)
    return frozen
  }

  /** Everything of a frozen tree has been taken and written, or nothing more of it will be. */
  thaw(frozen: FrozenTree): void {
    frozen.abort()
    this.#trees.splice(this.#trees.indexOf(frozen), 1)
  }

  /** Whether a write-out has yet to take something of a tree, or to say that it is written. */
  has(root: number): boolean {
    return this.#trees.some((frozen) => frozen.root === root)
  }

  /** Those of one tree. */
  of(root: number): FrozenTree[] {
    return this.#trees.filter((frozen) => frozen.root === root)
  }

  /** Nobody needs the rest of what a write-out has yet to take of a tree that was dropped. */
  drop(root: number): void {
    for (const frozen of this.#trees) if (frozen.root === root) frozen.drop()
  }

  /** Lets a write-out that has yet to take a leaf keep it as it is; true if that has cost the leaf its slot `ref`. */
  preserve(at: LeafRow, ref: number): boolean {
    if (this.#trees.length === 0) return false
    const root = this.#shape.rootOf(at.node)
    const holder = this.#trees.find((frozen) => frozen.root === root && frozen.holds(at))
    if (holder === undefined) return false
    holder.preserve(at, ref)
    return this.#shape.nodes.flag(at.node, at.row, dirtyLeaf)
  }

  /** Whether a change with this LSN comes behind a moment, in the middle of its record, at which the leaf's tree was frozen. */
  isBehindFreeze({ node }: LeafRow, lsn: number): boolean {
    if (this.#trees.length === 0) return false
    const root = this.#shape.rootOf(node)
    return this.#trees.some((frozen) => frozen.root === root && frozen.isMidRecord && frozen.lsn === lsn)
  }

  /** A preserved slot lies elsewhere now. */
  slotMoved(from: number, to: number): void {
    if (!this.#trees.some((frozen) => frozen.relocated(from, to))) throw new Error('tree: nobody preserves this leaf')
  }

  rootMoved(from: number, to: number): void {
    for (const frozen of this.#trees) if (frozen.root === from) frozen.root = to
  }
}
