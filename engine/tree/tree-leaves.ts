/**
 * The leaves of trees: values of about `leafBytesMax` that are made, changed, cut, joined, evicted and fetched one by one.
 * What their elements look like is the collection's business: here a leaf is a blob that says how many bytes it has
 * (`memory/packed-bytes.ts` has the header).
 *
 * A leaf is resident or cold. A resident leaf is dirty when it is newer than its copy in the cold store; only then is its
 * value id 0, for the copy is given up (`stale`) with the first change. A leaf that a write-out under way has yet to take is
 * not changed in place (`FrozenTree`). The first leaf of a tree is never removed. Using a cold leaf throws.
 */
import type { Values } from '../keyspace/values.ts'
import { valueHeaderBytes } from '../keyspace/values.ts'
import { Arena, slotBytesMax } from '../memory/arena.ts'
import { packedHeaderBytes, setUsedBytes, usedBytes, writeEmpty } from '../memory/packed-bytes.ts'
import { packedTrimmed, packedWithRoom } from '../types/packed-hash.ts'
import type { FrozenPart } from './frozen-tree.ts'
import { FrozenTree } from './frozen-tree.ts'
import { cutRange } from './range-cut.ts'
import { RemovedSeparators } from './removed-separators.ts'
import type { Separator } from './separator.ts'
import { catalogedLeaf, dirtyLeaf, laterLeaf, rowWords, TreeNodes } from './tree-nodes.ts'
import { TreeRoots } from './tree-roots.ts'
import { LeafRow, TreeShape } from './tree-shape.ts'

/** A leaf above this is cut in two: what one write makes a checkpoint write, and one cold read reads. */
export const leafBytesDefault = 4096

/** Who keeps track of resident values and of copies in the cold store. */
export interface LeafObserver {
  resident(value: number): void
  relocated(from: number, to: number): void
  released(value: number): void
  stale(valueId: number): void
  /** Leaves that belong to no collection any more are to be released in slices (`releaseSome`). */
  treeDropped(root: number): void
}

/** What else than bytes a type keeps its leaves within. */
export interface LeafBounds {
  /** Bits of a separator's first word in which leaves must agree that are joined; 0 unless told. */
  readonly joinMask?: number
  /** Elements at which a leaf is cut; any number unless told. */
  readonly elementsMax?: number
}

const noBounds: LeafBounds = {}

export class TreeLeaves {
  readonly values: Values
  readonly nodes: TreeNodes
  readonly roots: TreeRoots
  readonly shape: TreeShape
  /** Trees that are being written out. */
  readonly #frozen: FrozenTree[] = []
  leafBytesMax = leafBytesDefault
  readonly #removed: RemovedSeparators
  readonly #observed: { readonly observer: LeafObserver }
  readonly #scratch = new LeafRow()

  /** `observed` has the observer, which may be another one later. */
  constructor(values: Values, observed: { readonly observer: LeafObserver }) {
    this.values = values
    this.nodes = new TreeNodes(values)
    this.roots = new TreeRoots(values.arena)
    this.shape = new TreeShape(values.arena, this.nodes, this.roots)
    this.#removed = new RemovedSeparators(values.arena, this.roots)
    this.#observed = observed
  }

  /** Freezes a tree as it is now, at the LSN of its last change or in the middle of that record, to be written out; `thaw` ends it. */
  freeze(root: number, lsn: number, part: FrozenPart, isMidRecord = false): FrozenTree {
    const frozen = new FrozenTree(root, lsn, isMidRecord, part, this.shape, this.values, this.#removed)
    this.#frozen.push(frozen)
    return frozen
  }

  /** Everything of a frozen tree has been taken and written, or nothing more of it will be. */
  thaw(frozen: FrozenTree): void {
    frozen.abort()
    this.#frozen.splice(this.#frozen.indexOf(frozen), 1)
  }

  /** Whose a leaf is that must not be changed. */
  #holder(at: LeafRow): FrozenTree | undefined {
    if (this.#frozen.length === 0) return undefined
    const root = this.shape.rootOf(at.node)
    return this.#frozen.find((frozen) => frozen.root === root && frozen.holds(at))
  }

  /** A tree with one empty leaf, which has room for `size` bytes. `entry` may be 0 and told later. */
  createTree(entry: number, id: number, seed: number, size: number, lsn: number): number {
    const root = this.createBare(entry, id, seed)
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
    this.#enter(root, at, ref)
  }

  /** Ref of a leaf that is about to be used. */
  used(at: LeafRow): number {
    const ref = this.nodes.ref(at.node, at.row)
    if (ref === 0) throw new Error('tree: a leaf that is needed is cold')
    this.values.touch(ref)
    return ref
  }

  ref(at: LeafRow): number {
    return this.nodes.ref(at.node, at.row)
  }

  isDirty(at: LeafRow): boolean {
    return this.nodes.flag(at.node, at.row, dirtyLeaf)
  }

  /** Ref of the leaf with room for `needed` bytes in all (0: what it has), to be changed in place. If it has to move, it gets `room`. */
  writable(at: LeafRow, needed: number, room = needed): number {
    const from = this.nodes.ref(at.node, at.row)
    if (this.#isPreserved(at, from)) return this.#anew(at, from, Math.max(room, this.nodes.bytes(at.node, at.row)), true)
    if (needed <= this.values.room(from) && !this.values.isShared(from)) return from
    return this.#relocated(at, from, this.values.arena.capacity(from), packedWithRoom(this.values, from, room))
  }

  /** As `writable` of a leaf that grows at an end of its tree: if it has to move, it gets room to go on growing. */
  growing(at: LeafRow, needed: number): number {
    const room = this.values.room(this.nodes.ref(at.node, at.row))
    if (needed <= room) return this.writable(at, needed, room)
    // What a leaf begins with may be all that comes.
    if (this.nodes.bytes(at.node, at.row) === packedHeaderBytes) return this.emptied(at, needed)
    return this.writable(at, needed, this.#roomToGrow(at, needed))
  }

  /**
   * Room for a leaf that comes to so many bytes at an end of its tree. Of what it gets, a quarter stands empty at most, or a sixteenth of the
   * tree: a tree of two leaves would pay for more, one of a hundred does not.
   */
  #roomToGrow(at: LeafRow, needed: number): number {
    const full = this.#fullLeaf
    if (needed >= full) return needed + (needed >>> 3)
    return Math.min(needed + Math.max(needed >>> 2, this.#shareOf(at)), full)
  }

  /** What fits into the slot of a full leaf. */
  get #fullLeaf(): number {
    return this.leafBytesMax - valueHeaderBytes
  }

  /** A sixteenth of the bytes that a tree may have in its leaves. */
  #shareOf(at: LeafRow): number {
    return (this.roots.leaves(this.shape.rootOf(at.node)) * this.leafBytesMax) >>> 4
  }

  /**
   * Begins a leaf with room for `needed` bytes behind `at`, which names it then, where a tree grows at its end: the leaf before has done
   * growing, and gives back its room.
   */
  follow(at: LeafRow, separator: Separator, needed: number, lsn: number): void {
    if (this.ref(at) !== 0) this.fit(at)
    this.create(at, separator, this.#shareOf(at) < this.#fullLeaf ? needed : Math.max(needed, this.#fullLeaf), lsn)
  }

  /** As `writable` where all that the leaf holds goes: it is empty, with room for `size` bytes, and nothing was copied. */
  emptied(at: LeafRow, size: number): number {
    const from = this.nodes.ref(at.node, at.row)
    const to = this.#isPreserved(at, from)
      ? this.#anew(at, from, size, false)
      : this.#relocated(at, from, this.values.arena.capacity(from), this.values.relocate(from, size, packedHeaderBytes))
    setUsedBytes(this.values.bytes(to), this.values.start(to), packedHeaderBytes)
    return to
  }

  /** Lets a write-out that has yet to take the leaf keep it as it is; true if that has cost the leaf its slot `ref`. */
  #isPreserved(at: LeafRow, ref: number): boolean {
    const holder = this.#holder(at)
    if (holder === undefined) return false
    holder.preserve(at, ref)
    return this.isDirty(at)
  }

  /** Goes on in a new slot, the old one being a write-out's. */
  #anew(at: LeafRow, from: number, size: number, copies: boolean): number {
    const { values } = this
    const root = this.shape.rootOf(at.node)
    const used = this.nodes.bytes(at.node, at.row)
    this.#observed.observer.released(from)
    this.roots.addResidentBytes(root, -values.arena.capacity(from))
    const to = values.create(at.node, size, true)
    if (copies) {
      const start = values.start(from)
      values.bytes(from).copy(values.bytes(to), values.start(to), start, start + used)
    } else writeEmpty(values.bytes(to), values.start(to))
    this.nodes.setRef(at.node, at.row, to)
    this.roots.addResidentBytes(root, values.arena.capacity(to))
    this.#observed.observer.resident(to)
    return to
  }

  /** Gives room back when most of it stands empty. */
  trim(at: LeafRow): void {
    const from = this.nodes.ref(at.node, at.row)
    this.#relocated(at, from, this.values.arena.capacity(from), packedTrimmed(this.values, from))
  }

  /** Gives back all room that is not needed; of a large block only if it is worth the copying. */
  fit(at: LeafRow): void {
    const from = this.nodes.ref(at.node, at.row)
    const capacity = this.values.arena.capacity(from)
    const used = this.nodes.bytes(at.node, at.row)
    const fitting = Arena.roundedSize(valueHeaderBytes + used)
    if (fitting >= (capacity > slotBytesMax ? capacity * 0.8 : capacity)) return
    this.#relocated(at, from, capacity, this.values.relocate(from, used, used))
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
      this.#outdate(at)
      values.setId(ref, 0)
    }
    this.shape.addCount(at, by)
  }

  #setLsn({ node, row }: LeafRow, lsn: number): void {
    const { nodes } = this
    nodes.setLsn(node, row, lsn)
    nodes.clearFlag(node, row, laterLeaf)
    if (this.#frozen.length === 0) return
    const root = this.shape.rootOf(node)
    const isLater = this.#frozen.some((frozen) => frozen.root === root && frozen.isMidRecord && frozen.lsn === lsn)
    if (isLater) nodes.setFlag(node, row, laterLeaf)
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
    this.fit(left)
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
      const ref = this.writable(at, used + more)
      const bytes = values.bytes(ref)
      const start = values.start(ref)
      const from = nodes.ref(next.node, next.row)
      const fromStart = values.start(from) + packedHeaderBytes
      values.bytes(from).copy(bytes, start + used, fromStart, fromStart + more)
      setUsedBytes(bytes, start, used + more)
      this.changed(at, nodes.count(next.node, next.row), lsn)
    }
    this.remove(next)
  }

  /** Takes a leaf out whose elements are gone or elsewhere; its range falls to the leaf before. Rows are void. */
  remove(at: LeafRow): void {
    const { nodes } = this
    const root = this.shape.rootOf(at.node)
    const ref = nodes.ref(at.node, at.row)
    const isPreserved = this.#isPreserved(at, ref)
    if (nodes.flag(at.node, at.row, catalogedLeaf)) {
      this.#removed.add(root, this.values.arena.words(at.node), nodes.rowAt(at.node, at.row))
    }
    if (isPreserved) {
      this.#observed.observer.released(ref)
      this.roots.addResidentBytes(root, -this.values.arena.capacity(ref))
      nodes.setRef(at.node, at.row, 0)
      this.roots.addCold(root, 1)
    }
    this.#drop(root, at)
  }

  /**
   * Takes the leaves from `first` to `last` out, whose elements are gone, not the tree's first one; their range falls to the leaf before. They are
   * released later, as a tree that was dropped. Rows are void.
   */
  removeRange(first: LeafRow, last: LeafRow): void {
    const { nodes, roots } = this
    const root = this.shape.rootOf(first.node)
    const holders = this.#frozen.filter((frozen) => frozen.root === root)
    for (const top of cutRange(this.shape, root, first, last)) {
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
    const { nodes, roots, values } = this
    const at = new LeafRow()
    let leaves = 0
    let cold = 0
    let dirty = 0
    let bytes = 0
    this.shape.first(part, at)
    do {
      const ref = nodes.ref(at.node, at.row)
      const isDirty = this.isDirty(at)
      for (const holder of holders) if (holder.holds(at)) holder.preserve(at, ref)
      if (nodes.flag(at.node, at.row, catalogedLeaf)) this.#removed.add(root, values.arena.words(at.node), nodes.rowAt(at.node, at.row))
      leaves++
      if (isDirty) dirty++
      if (ref === 0) cold++
      else bytes += values.arena.capacity(ref)
      if (ref === 0 || !values.isPreserved(ref)) continue
      // The slot is the write-out's.
      this.#observed.observer.released(ref)
      nodes.setRef(at.node, at.row, 0)
      roots.addCold(part, 1)
      roots.addResidentBytes(part, -values.arena.capacity(ref))
    } while (this.shape.next(at))
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

  /** Fetched bytes become a clean resident leaf. False, and nothing done, unless that leaf is cold under that id. */
  admit(root: number, separator: Separator, valueId: number, bytes: Buffer): boolean {
    const { nodes, values } = this
    const at = this.#scratch
    if (!this.find(root, separator, at) || nodes.ref(at.node, at.row) !== 0 || nodes.valueId(at.node, at.row) !== valueId) return false
    const size = nodes.bytes(at.node, at.row)
    if (bytes.length < size || usedBytes(bytes, 0) !== size) throw new Error(`tree: the bytes under value id ${valueId} are not the leaf's`)
    const ref = values.create(at.node, size, true)
    bytes.copy(values.bytes(ref), values.start(ref), 0, size)
    values.setId(ref, valueId)
    this.roots.addCold(root, -1)
    this.#enter(root, at, ref)
    return true
  }

  /** The leaf that begins exactly at a separator; false when there is none. */
  find(root: number, separator: Separator, into: LeafRow): boolean {
    this.shape.locate(root, separator, into)
    return separator.compare(this.values.arena.words(into.node), this.nodes.rowAt(into.node, into.row)) === 0
  }

  /** Bytes of memory that a tree takes: resident leaves' slots, about what its nodes take, the root block. */
  memoryBytes(root: number): number {
    return this.roots.residentBytes(root) + this.roots.leaves(root) * rowWords * 4 + this.values.arena.capacity(root)
  }

  /** Drops the bytes of a resident leaf that has an identical copy in the cold store. False, and nothing done, for a dirty one. */
  evict(ref: number): boolean {
    const { nodes, values } = this
    if (values.isPreserved(ref)) return false
    const node = values.owner(ref)
    const at = this.#scratch.set(node, nodes.rowOf(node, ref))
    if (nodes.valueId(at.node, at.row) === 0) return false
    const root = this.shape.rootOf(node)
    this.#leave(root, at)
    nodes.setRef(at.node, at.row, 0)
    this.roots.addCold(root, 1)
    return true
  }

  /** Moves a resident leaf, or one that a write-out has yet to take, to another slot of its size. */
  relocate(ref: number): void {
    const { values } = this
    const room = values.room(ref)
    if (values.isPreserved(ref)) {
      const to = values.relocate(ref, room, room)
      if (!this.#frozen.some((frozen) => frozen.relocated(ref, to))) throw new Error('tree: nobody preserves this leaf')
      return
    }
    const node = values.owner(ref)
    this.#relocated(this.#scratch.set(node, this.nodes.rowOf(node, ref)), ref, values.arena.capacity(ref), values.relocate(ref, room, room))
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
    for (const frozen of this.#frozen) if (frozen.root === ref) frozen.root = to
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
    } else this.#outdate(at)
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

  /** Whether a write-out has yet to take something of a tree, or to say that it is written. */
  isFrozen(root: number): boolean {
    return this.#frozen.some((frozen) => frozen.root === root)
  }

  /** The tree has lost its key. Its leaves are released with `releaseSome`, once it is not frozen any more. */
  dropped(root: number): void {
    this.roots.setOwner(root, 0)
    this.#removed.drop(this.#removed.detach(root))
  }

  /** Nobody needs the rest of what a write-out has yet to take of a tree that was dropped. */
  unfreeze(root: number): void {
    for (const frozen of this.#frozen) if (frozen.root === root) frozen.drop()
  }

  /** Releases up to `max` leaves of a tree that was dropped and is not frozen; true when nothing of it is left. */
  releaseSome(root: number, max: number): boolean {
    const at = this.#scratch
    for (let i = 0; i < max; i++) {
      this.shape.last(root, at)
      this.#outdate(at)
      if (this.roots.leaves(root) > 1) {
        this.#drop(root, at)
        continue
      }
      if (this.ref(at) !== 0) this.#leave(root, at)
      this.nodes.release(at.node)
      this.roots.release(root)
      return true
    }
    return false
  }

  #drop(root: number, at: LeafRow): void {
    this.#outdate(at)
    if (this.ref(at) !== 0) this.#leave(root, at)
    else this.roots.addCold(root, -1)
    if (this.isDirty(at)) this.roots.addDirty(root, -1)
    this.roots.addLeaves(root, -1)
    this.shape.remove(at)
  }

  #outdate(at: LeafRow): void {
    const valueId = this.nodes.valueId(at.node, at.row)
    if (valueId === 0) return
    this.nodes.setValueId(at.node, at.row, 0)
    this.#observed.observer.stale(valueId)
  }

  #enter(root: number, at: LeafRow, ref: number): void {
    this.nodes.setRef(at.node, at.row, ref)
    this.nodes.setBytes(at.node, at.row, usedBytes(this.values.bytes(ref), this.values.start(ref)))
    this.roots.addResidentBytes(root, this.values.arena.capacity(ref))
    this.#observed.observer.resident(ref)
  }

  #leave(root: number, at: LeafRow): void {
    const ref = this.ref(at)
    this.#observed.observer.released(ref)
    this.roots.addResidentBytes(root, -this.values.arena.capacity(ref))
    this.values.release(ref)
  }

  /** A leaf has moved to slot `to`, unless that is `from`, which took `capacity` bytes. */
  #relocated(at: LeafRow, from: number, capacity: number, to: number): number {
    if (to === from) return to
    this.nodes.setRef(at.node, at.row, to)
    this.roots.addResidentBytes(this.shape.rootOf(at.node), this.values.arena.capacity(to) - capacity)
    this.#observed.observer.relocated(from, to)
    return to
  }
}
