/**
 * A copy of a tree that is made a few leaves at a time, before COPY runs. A leaf of the copy has the LSN of the one that it
 * was made of; in the command's turn those that show another are copied again, those that are no more are removed. Until it
 * is taken, the copy belongs to no entry.
 */
import type { ColdWants } from '../cold-wants.ts'
import { wantRow } from '../cold-wants.ts'
import type { Keyspace } from '../keyspace/keyspace.ts'
import { TreeHandle } from '../keyspace/value-handle.ts'
import { packedHeaderBytes, setUsedBytes } from '../memory/packed-bytes.ts'
import type { StagedWork } from '../staged-work.ts'
import { sliceBytesMax } from '../staged-work.ts'
import { Separator } from './separator.ts'
import { LeafRow } from './tree-shape.ts'

/** Cold leaves that are asked for at a time. */
const leavesAhead = 64

export class TreeCopy implements StagedWork {
  readonly #keyspace: Keyspace
  readonly #handle: TreeHandle
  #root: number
  readonly #position = new Separator()
  #isComplete = false
  readonly #from = new LeafRow()
  readonly #to = new LeafRow()
  readonly #separator = new Separator()

  /** Of an entry whose value is a tree. */
  constructor(keyspace: Keyspace, entry: number) {
    const { trees, entries } = keyspace
    this.#keyspace = keyspace
    this.#handle = new TreeHandle(keyspace, entry)
    const seed = trees.roots.seed(entries.value(entry))
    this.#root = trees.createTree(0, keyspace.nextCollectionId++, seed, packedHeaderBytes, 0)
  }

  /** Its leaves lie in the arena, and are counted there. */
  get memoryBytes(): number {
    return 0
  }

  step(): boolean {
    const { trees } = this.#keyspace
    const from = this.#from
    if (!this.#next(from)) return false
    let bytes = 0
    while (bytes < sliceBytesMax) {
      if (trees.ref(from) === 0) {
        trees.shape.separator(from, this.#position)
        return true
      }
      bytes += trees.nodes.bytes(from.node, from.row)
      this.#copy(from)
      if (!trees.shape.next(from)) {
        this.#isComplete = true
        return false
      }
    }
    trees.shape.separator(from, this.#position)
    return true
  }

  eachCold(wants: ColdWants): boolean {
    const { trees } = this.#keyspace
    const root = this.#handle.root()
    if (root === 0) return false
    const at = new LeafRow()
    if (this.#next(at)) {
      let left = leavesAhead
      do {
        if (trees.ref(at) !== 0) break
        wantRow(trees, root, at, wants)
      } while (--left > 0 && trees.shape.next(at))
      return true
    }
    trees.shape.first(root, at)
    do {
      if (trees.ref(at) === 0 && !this.#hasCopyOf(at)) wantRow(trees, root, at, wants)
    } while (trees.shape.next(at))
    return true
  }

  /** Root block of the copy of the value of `entry` as it is now; 0 if this is a copy of something else. Then it is the caller's. */
  take(entry: number): number {
    if (this.#handle.find() !== entry || this.#root === 0) return 0
    const { trees, entries } = this.#keyspace
    const from = this.#from
    this.#removeSurplus(entries.value(entry))
    trees.shape.first(entries.value(entry), from)
    do {
      if (!this.#hasCopyOf(from)) this.#copy(from)
    } while (trees.shape.next(from))
    const root = this.#root
    this.#root = 0
    return root
  }

  /** Gives up the copy, if it was not taken. */
  release(): void {
    if (this.#root === 0) return
    this.#keyspace.trees.dropped(this.#root)
    this.#keyspace.observer.treeDropped(this.#root)
    this.#root = 0
  }

  /** Removes leaves that begin where none of the original does. */
  #removeSurplus(original: number): void {
    const { trees } = this.#keyspace
    const to = this.#to
    trees.shape.first(this.#root, to)
    while (trees.shape.next(to)) {
      trees.shape.separator(to, this.#separator)
      if (trees.find(original, this.#separator, this.#from)) continue
      trees.remove(to)
      trees.shape.locate(this.#root, this.#separator, to)
    }
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
    const ref = trees.emptied(to, bytes)
    const start = values.start(from)
    values.bytes(from).copy(values.bytes(ref), values.start(ref), start, start + bytes)
    setUsedBytes(values.bytes(ref), values.start(ref), bytes)
    trees.changed(to, nodes.count(at.node, at.row) - nodes.count(to.node, to.row), lsn)
    nodes.setLsn(to.node, to.row, lsn)
  }

  /** Finds the first leaf that begins where the copying goes on, or behind; false when there is none. */
  #next(into: LeafRow): boolean {
    const root = this.#isComplete ? 0 : this.#handle.root()
    if (root === 0) return false
    const { shape, nodes } = this.#keyspace.trees
    shape.locate(root, this.#position, into)
    if (this.#position.compare(shape.arena.words(into.node), nodes.rowAt(into.node, into.row)) === 0) return true
    return shape.next(into)
  }
}
