/**
 * The leaves of trees: values of about `leafBytesMax` that are made, changed, cut, joined, evicted and fetched one by one.
 * What their elements look like is the collection's business: here a leaf is a blob that says how many bytes it has
 * (`memory/packed-bytes.ts` has the header).
 *
 * A leaf is resident or cold. A resident leaf is dirty when it is newer than its copy in the cold store; only then is its
 * value id 0, for the copy is given up (`stale`) with the first change. A leaf that a write-out under way has yet to take is
 * not changed in place (`FrozenTree`). The first leaf of a tree is never removed. Using a cold leaf is a fault (`LeafSlots`).
 */
import type { Values } from '../keyspace/values.ts'
import { packedHeaderBytes, setUsedBytes, usedBytes, writeEmpty } from '../memory/packed-bytes.ts'
import { FrozenTrees } from './frozen-trees.ts'
import { LeafRemoval } from './leaf-removal.ts'
import type { ObservedLeaves } from './leaf-slots.ts'
import { LeafSlots } from './leaf-slots.ts'
import { PrefetchedElements } from './prefetched-elements.ts'
import { RemovedSeparators } from './removed-separators.ts'
import type { Separator } from './separator.ts'
import { catalogedLeaf, dirtyLeaf, laterLeaf, rowWords, TreeNodes } from './tree-nodes.ts'
import { TreeRoots } from './tree-roots.ts'
import { LeafRow, TreeShape } from './tree-shape.ts'

/** A leaf above this is cut in two: what one write makes a checkpoint write, and one cold read reads. */
export const leafBytesDefault = 4096

/** What else than bytes a type keeps its leaves within. */
export interface LeafBounds {
  /** Bits of a separator's first word in which leaves must agree that are joined; 0 unless told. */
  readonly joinMask?: number
  /** Elements at which a leaf is cut; any number unless told. */
  readonly elementsMax?: number
}

/** Elements that are prefetched at most at one time. */
export const prefetchedMax = 64

const noBounds: LeafBounds = {}

export class TreeLeaves {
  readonly values: Values
  readonly nodes: TreeNodes
  readonly roots: TreeRoots
  readonly shape: TreeShape
  /** Trees that are being written out. */
  readonly frozen: FrozenTrees
  readonly slots: LeafSlots
  readonly removal: LeafRemoval
  readonly prefetched = new PrefetchedElements(prefetchedMax)
  leafBytesMax = leafBytesDefault
  readonly #scratch = new LeafRow()

  constructor(values: Values, observed: ObservedLeaves) {
    this.values = values
    this.nodes = new TreeNodes(values)
    this.roots = new TreeRoots(values.arena)
    this.shape = new TreeShape(values.arena, this.nodes, this.roots)
    const removed = new RemovedSeparators(values.arena, this.roots)
    this.frozen = new FrozenTrees(this.shape, values, removed)
    this.slots = new LeafSlots(this.shape, values, this.frozen, observed, this)
    this.removal = new LeafRemoval(this.shape, values, this.slots, this.frozen, removed, observed)
  }

  /**
   * A tree with one empty leaf, which has room for `size` bytes. `entry` may be 0 and told later: until then memory is reserved for the `reserved` bytes
   * that the leaves will come to.
   */
  createTree(entry: number, id: number, seed: number, size: number, lsn: number, reserved = 0): number {
    const root = this.createBare(entry, id, seed)
    if (entry === 0) this.roots.unowned.begin(root, reserved)
    this.shape.first(root, this.#scratch)
    this.roots.addCold(root, -1)
    this.#fill(root, this.#scratch, size, lsn)
    return root
  }

  /** A tree with one row and no leaf in it: for `restore`, which replaces it. */
  createBare(entry: number, id: number, seed: number): number {
    const root = this.roots.create(entry, id, seed)
    this.shape.insertFirst(root, this.#scratch)
    this.roots.addLeaves(root, 1)
    this.roots.addCold(root, 1)
    return root
  }

  /** A new, empty, dirty leaf behind `at`, which then names it. */
  create(at: LeafRow, separator: Separator, size: number, lsn: number): void {
    const root = this.shape.rootOf(at.node)
    this.shape.insertBehind(at, separator)
    this.roots.addLeaves(root, 1)
    this.#fill(root, at, size, lsn)
  }

  #fill(root: number, at: LeafRow, size: number, lsn: number): void {
    const ref = this.values.create(at.node, size, true)
    writeEmpty(this.values.bytes(ref), this.values.start(ref))
    this.nodes.setFlag(at.node, at.row, dirtyLeaf)
    this.#setLsn(at, lsn)
    this.roots.addDirty(root, 1)
    this.slots.enter(root, at, ref)
  }

  /** Ref of a leaf that is about to be used. */
  used(at: LeafRow): number {
    const ref = this.slots.resident(at)
    this.values.touch(ref)
    return ref
  }

  ref(at: LeafRow): number {
    return this.nodes.ref(at.node, at.row)
  }

  isDirty(at: LeafRow): boolean {
    return this.nodes.flag(at.node, at.row, dirtyLeaf)
  }

  /**
   * Begins a leaf with room for `needed` bytes behind `at`, which names it then, where a tree grows at its end: the leaf before has done
   * growing, and gives back its room.
   */
  follow(at: LeafRow, separator: Separator, needed: number, lsn: number): void {
    if (this.ref(at) !== 0) this.slots.fit(at)
    this.create(at, separator, this.slots.roomAtEnd(at, needed), lsn)
  }

  /** Notes that the leaf's blob was changed by the mutation with this LSN, and has `by` elements more. */
  changed(at: LeafRow, by: number, lsn: number): void {
    const { nodes, values } = this
    const { node, row } = at
    const ref = nodes.ref(node, row)
    nodes.setBytes(node, row, usedBytes(values.bytes(ref), values.start(ref)))
    if (lsn > nodes.lsn(node, row)) this.#setLsn(at, lsn)
    if (!nodes.flag(node, row, dirtyLeaf)) {
      nodes.setFlag(node, row, dirtyLeaf)
      this.roots.addDirty(this.shape.rootOf(node), 1)
      this.slots.outdate(at)
      values.setId(ref, 0)
    }
    this.shape.addCount(at, by)
  }

  #setLsn(at: LeafRow, lsn: number): void {
    const { nodes } = this
    const { node, row } = at
    nodes.setLsn(node, row, lsn)
    nodes.clearFlag(node, row, laterLeaf)
    if (this.frozen.isBehindFreeze(at, lsn)) nodes.setFlag(node, row, laterLeaf)
  }

  /**
   * Moves a resident, dirty leaf of a tree that nobody has seen yet behind `at`, which then names it, where its range begins at `separator`. Its bytes stay where they
   * are; its former row is one without a leaf, and goes when that tree is dropped. Memory for a row must be there.
   */
  moveIn(at: LeafRow, separator: Separator, from: LeafRow, lsn: number): void {
    const { nodes, roots, shape, values } = this
    const former = shape.rootOf(from.node)
    const ref = nodes.ref(from.node, from.row)
    const capacity = values.arena.capacity(ref)
    nodes.setRef(from.node, from.row, 0)
    nodes.clearFlag(from.node, from.row, dirtyLeaf)
    roots.addDirty(former, -1)
    roots.addCold(former, 1)
    roots.addResidentBytes(former, -capacity)
    const root = shape.rootOf(at.node)
    shape.insertBehind(at, separator)
    nodes.setRef(at.node, at.row, ref)
    nodes.setBytes(at.node, at.row, nodes.bytes(from.node, from.row))
    nodes.setFlag(at.node, at.row, dirtyLeaf)
    values.setOwner(ref, at.node)
    roots.addLeaves(root, 1)
    roots.addDirty(root, 1)
    roots.addResidentBytes(root, capacity)
    this.#setLsn(at, lsn)
    shape.addCount(at, nodes.count(from.node, from.row))
  }

  /**
   * Cuts a writable leaf at an offset of its blob: the bytes from there on, `count` elements, become a new leaf whose range
   * begins at `separator`. `at` then names the new leaf.
   */
  cut(at: LeafRow, offset: number, count: number, separator: Separator, lsn: number): void {
    const { values, nodes } = this
    const used = nodes.bytes(at.node, at.row)
    const moved = used - offset
    this.create(at, separator, packedHeaderBytes + moved, lsn)
    const right = nodes.ref(at.node, at.row)
    const left = this.#scratch.set(at.node, at.row)
    if (!this.shape.previous(left)) throw new Error('tree: a leaf that was cut is gone')
    const from = nodes.ref(left.node, left.row)
    const fromStart = values.start(from)
    const toStart = values.start(right)
    values.bytes(from).copy(values.bytes(right), toStart + packedHeaderBytes, fromStart + offset, fromStart + used)
    setUsedBytes(values.bytes(right), toStart, packedHeaderBytes + moved)
    setUsedBytes(values.bytes(from), fromStart, offset)
    this.changed(left, -count, lsn)
    this.slots.fit(left)
    this.changed(at, count, lsn)
  }

  /**
   * Joins a leaf that has become small to a neighbour, if there is room; what is empty goes. The neighbour must be resident,
   * even where nothing moves into it: its range grows, and whoever made several leaves resident counts on all of them.
   */
  join(at: LeafRow, lsn: number, bounds: LeafBounds = noBounds): boolean {
    const other = new LeafRow().set(at.node, at.row)
    if (this.shape.previous(other) && this.#fitTogether(other, at, bounds)) {
      this.#joinNext(other, at, lsn)
      return true
    }
    other.set(at.node, at.row)
    if (!this.shape.next(other) || !this.#fitTogether(at, other, bounds)) return false
    this.#joinNext(at, other, lsn)
    return true
  }

  #fitTogether(left: LeafRow, right: LeafRow, { joinMask = 0, elementsMax = Number.POSITIVE_INFINITY }: LeafBounds): boolean {
    const { nodes } = this
    if (joinMask !== 0 && ((this.#firstWord(left) ^ this.#firstWord(right)) & joinMask) !== 0) return false
    if (this.ref(left) === 0 || this.ref(right) === 0) return false
    const more = nodes.bytes(right.node, right.row)
    if (more === packedHeaderBytes) return true
    if (nodes.count(left.node, left.row) + nodes.count(right.node, right.row) > elementsMax / 2) return false
    return nodes.bytes(left.node, left.row) + more <= this.leafBytesMax / 2
  }

  #firstWord(at: LeafRow): number {
    return this.values.arena.words(at.node)[this.nodes.rowAt(at.node, at.row)]
  }

  #joinNext(at: LeafRow, next: LeafRow, lsn: number): void {
    const { nodes, values } = this
    const used = nodes.bytes(at.node, at.row)
    const more = nodes.bytes(next.node, next.row) - packedHeaderBytes
    if (more > 0) {
      const ref = this.slots.writable(at, used + more)
      const bytes = values.bytes(ref)
      const start = values.start(ref)
      const from = nodes.ref(next.node, next.row)
      const fromStart = values.start(from) + packedHeaderBytes
      values.bytes(from).copy(bytes, start + used, fromStart, fromStart + more)
      setUsedBytes(bytes, start, used + more)
      this.changed(at, nodes.count(next.node, next.row), lsn)
    }
    this.removal.one(next)
  }

  /** Fetched bytes become a clean resident leaf. False, and nothing done, unless that leaf is cold under that id. */
  admit(root: number, separator: Separator, valueId: number, bytes: Buffer): boolean {
    const { nodes } = this
    const at = this.#scratch
    if (!this.find(root, separator, at) || nodes.ref(at.node, at.row) !== 0 || nodes.valueId(at.node, at.row) !== valueId) return false
    this.slots.admit(root, at, valueId, bytes)
    return true
  }

  /** The leaf that begins exactly at a separator; false when there is none. */
  find(root: number, separator: Separator, into: LeafRow): boolean {
    this.shape.locate(root, separator, into)
    return separator.compare(this.values.arena.words(into.node), this.nodes.rowAt(into.node, into.row)) === 0
  }

  /** Bytes of memory that a tree takes: resident leaves' slots, about what its nodes take, the directory, the root block. */
  memoryBytes(root: number): number {
    const { roots, shape, values } = this
    const directory = shape.search.directories.bytes(root)
    return roots.residentBytes(root) + roots.leaves(root) * rowWords * 4 + directory + values.arena.capacity(root)
  }

  /** Drops the bytes of a resident leaf that has an identical copy in the cold store. False, and nothing done, for a dirty one. */
  evict(ref: number): boolean {
    const { nodes, values } = this
    if (values.isPreserved(ref)) return false
    const node = values.owner(ref)
    const at = this.#scratch.set(node, nodes.rowOf(node, ref))
    if (nodes.valueId(at.node, at.row) === 0) return false
    const root = this.shape.rootOf(node)
    this.slots.leave(root, at)
    nodes.setRef(at.node, at.row, 0)
    this.roots.addCold(root, 1)
    return true
  }

  /** Moves a resident leaf, or one that a write-out has yet to take, to another slot of its size. */
  relocate(ref: number): void {
    const { values } = this
    if (values.isPreserved(ref)) {
      const room = values.room(ref)
      this.frozen.slotMoved(ref, values.relocate(ref, room, room))
      return
    }
    const node = values.owner(ref)
    this.slots.move(this.#scratch.set(node, this.nodes.rowOf(node, ref)))
  }

  /** Whether a slot that was in use once is a node or a root block now. */
  isLiveNode(ref: number): boolean {
    return this.nodes.isNode(ref) || this.roots.isRoot(ref)
  }

  /** Moves a node or a root block to another slot. Returns the root's new place, 0 for a node. */
  relocateNode(ref: number): number {
    if (this.nodes.isNode(ref)) {
      this.shape.relocate(ref)
      return 0
    }
    const to = this.roots.relocate(ref)
    this.nodes.moves++
    this.nodes.setParent(this.roots.top(to), to)
    this.frozen.rootMoved(ref, to)
    return to
  }

  /**
   * A leaf's copy as of `lsn` is in the cold store under `valueId`. False if the leaf has changed since: the copy is stale, and the caller's.
   * A tree that changed while its leaf was on the way may have told of it twice: the catalog knows the later copy, and the former is stale.
   */
  stored(root: number, separator: Separator, lsn: number, valueId: number): boolean {
    const { nodes } = this
    const at = this.#scratch
    if (!this.find(root, separator, at) || nodes.lsn(at.node, at.row) !== lsn) return false
    if (this.isDirty(at)) {
      nodes.clearFlag(at.node, at.row, dirtyLeaf)
      this.roots.addDirty(root, -1)
    } else this.slots.outdate(at)
    nodes.setValueId(at.node, at.row, valueId)
    const ref = this.ref(at)
    if (ref !== 0) this.values.setId(ref, valueId)
    return true
  }

  /** Sets a row as the catalog has it: a cold leaf, or with value id 0 none. */
  restore(root: number, separator: Separator, valueId: number, lsn: number, count: number, bytes: number): void {
    const { nodes } = this
    const at = this.#scratch
    const known = this.find(root, separator, at)
    if (valueId === 0) {
      if (!known) return
      this.shape.remove(at)
      this.roots.addLeaves(root, -1)
      this.roots.addCold(root, -1)
      return
    }
    if (!known) {
      this.shape.insertBehind(at, separator)
      this.roots.addLeaves(root, 1)
      this.roots.addCold(root, 1)
    }
    nodes.setValueId(at.node, at.row, valueId)
    nodes.setLsn(at.node, at.row, lsn)
    nodes.setBytes(at.node, at.row, bytes)
    nodes.setFlag(at.node, at.row, catalogedLeaf)
    this.shape.addCount(at, count - nodes.count(at.node, at.row))
  }
}
