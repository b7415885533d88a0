/**
 * A copy of a tree that is made a few leaves at a time, before COPY runs. A leaf of the copy has the LSN of the one that it
 * was made of. If the tree has changed during one pass over its leaves, another one copies those again that show another LSN,
 * and leaves that are no more are removed; what changes after the last pass the command's turn looks for, which takes time in
 * proportion to all leaves. Until it is taken, the copy belongs to no entry.
 */

import { wantRow } from '../cold-wants.ts'
import type { Keyspace } from '../keyspace/keyspace.ts'
import { TreeHandle } from '../keyspace/value-handle.ts'
import { packedHeaderBytes, setUsedBytes } from '../memory/packed-bytes.ts'
import type { ColdWants } from '../need.ts'
import type { StagedWork } from '../staged-work.ts'
import { sliceBytesMax } from '../staged-work.ts'
import { Separator } from './separator.ts'
import { LeafRow } from './tree-shape.ts'

/** Cold leaves that are asked for at a time. */
const leavesAhead = 64
/** A tree that goes on changing is passed over so often. */
const passesMax = 4
/** What looking for a leaf counts for in a slice, in bytes. */
const searchBytes = 256

export class TreeCopy implements StagedWork {
  readonly #keyspace: Keyspace
  readonly #handle: TreeHandle
  #root: number
  readonly #position = new Separator()
  /** Of the last change to the tree when the present pass began. */
  #passLsn: number
  #passes = 0
  /** Whether leaves may have been copied that are no more. */
  #hasSurplus = false
  #isRemovingSurplus = false
  #isComplete = false
  readonly #from = new LeafRow()
  readonly #to = new LeafRow()
  readonly #separator = new Separator()

  /** Of an entry whose value is a tree. Memory is reserved for `bytes`. */
  constructor(keyspace: Keyspace, entry: number, bytes = 0) {
    const { trees, entries } = keyspace
    this.#keyspace = keyspace
    this.#handle = new TreeHandle(keyspace, entry)
    this.#passLsn = entries.lsn(entry)
    const seed = trees.roots.seed(entries.value(entry))
    this.#root = trees.createTree(0, keyspace.nextCollectionId++, seed, packedHeaderBytes, 0, bytes)
  }

  /** Its leaves lie in the arena, and are counted there. */
  get memoryBytes(): number {
    return 0
  }

  step(): boolean {
    const entry = this.#isComplete ? 0 : this.#handle.find()
    if (entry === 0) return false
    const { entries } = this.#keyspace
    const root = entries.value(entry)
    const isThrough = this.#isRemovingSurplus ? this.#removeSurplus(root, sliceBytesMax) : this.#pass(root)
    if (isThrough) this.#passed(entries.lsn(entry))
    if (this.#isComplete) this.#keyspace.trees.roots.unowned.made(this.#root)
    return !this.#isComplete
  }

  /** Copies leaves from the position on; true when it is through. */
  #pass(root: number): boolean {
    const { trees } = this.#keyspace
    const from = this.#from
    if (!this.#next(root, from)) return true
    for (let bytes = 0; bytes < sliceBytesMax; ) {
      if (this.#passes > 0 && this.#hasCopyOf(from)) bytes += searchBytes
      else if (trees.ref(from) === 0) break
      else {
        bytes += trees.nodes.bytes(from.node, from.row)
        this.#copy(from)
      }
      if (!trees.shape.next(from)) return true
    }
    trees.shape.separator(from, this.#position)
    return false
  }

  /** Says what follows when all leaves have been looked at. `lsn`: of the tree's last change. */
  #passed(lsn: number): void {
    const wasRemoving = this.#isRemovingSurplus
    this.#isRemovingSurplus = false
    this.#position.set(0)
    if (lsn === this.#passLsn) {
      if (wasRemoving) this.#hasSurplus = false
      this.#isRemovingSurplus = this.#hasSurplus
      this.#isComplete = !this.#hasSurplus
      return
    }
    this.#hasSurplus = true
    this.#isComplete = ++this.#passes === passesMax
    if (!this.#isComplete) this.#passLsn = lsn
  }

  /** Whether the copy is the tree as it is now. */
  #isExact(entry: number): boolean {
    return this.#isComplete && !this.#hasSurplus && this.#keyspace.entries.lsn(entry) === this.#passLsn
  }

  eachCold(wants: ColdWants): boolean {
    const { trees, entries } = this.#keyspace
    const entry = this.#handle.find()
    if (entry === 0) return false
    const root = entries.value(entry)
    const at = new LeafRow()
    if (!this.#isComplete) {
      if (this.#isRemovingSurplus || !this.#next(root, at)) return true
      let left = leavesAhead
      do {
        if (trees.ref(at) !== 0) break
        wantRow(trees, root, at, wants)
      } while (--left > 0 && trees.shape.next(at))
      return true
    }
    if (trees.roots.coldLeaves(root) === 0 || this.#isExact(entry)) return true
    trees.shape.first(root, at)
    do {
      if (trees.ref(at) === 0 && !this.#hasCopyOf(at)) wantRow(trees, root, at, wants)
    } while (trees.shape.next(at))
    return true
  }

  /** Root block of the copy of the value of `entry` as it is now; 0 if this is a copy of something else. Then it is the caller's. */
  take(entry: number): number {
    if (this.#handle.find() !== entry || this.#root === 0) return 0
    if (!this.#isExact(entry)) this.#copyRest(this.#keyspace.entries.value(entry))
    const root = this.#root
    this.#root = 0
    return root
  }

  /** Gives up the copy, if it was not taken. */
  release(): void {
    if (this.#root === 0) return
    this.#keyspace.trees.removal.dropped(this.#root)
    this.#keyspace.observer.treeDropped(this.#root)
    this.#root = 0
  }

  #copyRest(original: number): void {
    const { shape } = this.#keyspace.trees
    const from = this.#from
    this.#position.set(0)
    this.#removeSurplus(original, Number.POSITIVE_INFINITY)
    shape.first(original, from)
    do {
      if (!this.#hasCopyOf(from)) this.#copy(from)
    } while (shape.next(from))
  }

  /** Removes leaves, from the position on, that begin where none of the original does; true when it is through. */
  #removeSurplus(original: number, bytesMax: number): boolean {
    const { trees } = this.#keyspace
    const to = this.#to
    trees.shape.locate(this.#root, this.#position, to)
    for (let bytes = 0; trees.shape.next(to); bytes += searchBytes) {
      trees.shape.separator(to, this.#separator)
      if (bytes >= bytesMax) {
        trees.shape.previous(to)
        trees.shape.separator(to, this.#position)
        return false
      }
      if (trees.find(original, this.#separator, this.#from)) continue
      trees.removal.one(to)
      trees.shape.locate(this.#root, this.#separator, to)
    }
    return true
  }

  #hasCopyOf(at: LeafRow): boolean {
    const { trees } = this.#keyspace
    const { nodes, shape } = trees
    const to = this.#to
    if (!trees.find(this.#root, shape.separator(at, this.#separator), to)) return false
    // A leaf that was removed and has come again may show the LSN of a former one: its elements are counted, too.
    return (
      nodes.lsn(to.node, to.row) === nodes.lsn(at.node, at.row) &&
      nodes.bytes(to.node, to.row) === nodes.bytes(at.node, at.row) &&
      nodes.count(to.node, to.row) === nodes.count(at.node, at.row)
    )
  }

  #copy(at: LeafRow): void {
    const { trees } = this.#keyspace
    const { nodes, shape, values } = trees
    const from = trees.used(at)
    const bytes = nodes.bytes(at.node, at.row)
    const lsn = nodes.lsn(at.node, at.row)
    const to = this.#to
    if (!trees.find(this.#root, shape.separator(at, this.#separator), to)) trees.create(to, this.#separator, bytes, lsn)
    const ref = trees.slots.emptied(to, bytes)
    const start = values.start(from)
    values.bytes(from).copy(values.bytes(ref), values.start(ref), start, start + bytes)
    setUsedBytes(values.bytes(ref), values.start(ref), bytes)
    trees.changed(to, nodes.count(at.node, at.row) - nodes.count(to.node, to.row), lsn)
    nodes.setLsn(to.node, to.row, lsn)
  }

  /** Finds the first leaf that begins at the position, or behind; false when there is none. */
  #next(root: number, into: LeafRow): boolean {
    const { shape, nodes } = this.#keyspace.trees
    shape.locate(root, this.#position, into)
    if (this.#position.compare(shape.arena.words(into.node), nodes.rowAt(into.node, into.row)) === 0) return true
    return shape.next(into)
  }
}

/** Root block of a copy of the tree of an entry, all of which is resident. */
export function copyOfTree(keyspace: Keyspace, ref: number): number {
  const copy = new TreeCopy(keyspace, ref)
  while (copy.step()) {
    // Everything is resident, so each step gets on.
  }
  return copy.take(ref)
}
