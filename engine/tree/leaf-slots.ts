/**
 * Where the bytes of resident leaves lie: in slots, which grow and shrink with them. A leaf that a write-out has yet to take leaves its slot to
 * that, and goes on in a new one (`FrozenTrees`). What is told of slots is kept here: their sum in the root block, and the observer.
 *
 * A leaf that is about to be used and turns out to be cold, although nobody asked for it beforehand, is a fault. Leaves are cut and joined in the
 * middle of a change, so it may come to others than anybody could have named. Where the tier handles faults the leaf is read at once; that fills
 * in its row and moves no other, so a change may go on with all the rows and slots that it knows.
 */
import type { Values } from '../keyspace/values.ts'
import { valueHeaderBytes } from '../keyspace/values.ts'
import { Arena, slotBytesMax } from '../memory/arena.ts'
import { packedHeaderBytes, setUsedBytes, usedBytes, writeEmpty } from '../memory/packed-bytes.ts'
import { packedTrimmed, packedWithRoom } from '../types/packed-hash.ts'
import type { FrozenTrees } from './frozen-trees.ts'
import type { TreeNodes } from './tree-nodes.ts'
import type { TreeRoots } from './tree-roots.ts'
import type { LeafRow, TreeShape } from './tree-shape.ts'

/** Who keeps track of resident values and of copies in the cold store. */
export interface LeafObserver {
  resident(value: number): void
  relocated(from: number, to: number): void
  released(value: number): void
  stale(valueId: number): void
  /** Leaves that belong to no collection any more are to be released in slices (`releaseSome`). */
  treeDropped(root: number): void
}

/** An observer, which may be another one later. */
export interface ObservedLeaves {
  readonly observer: LeafObserver
}

export class LeafSlots {
  /** Reads the value with an id at once: set by the tier, which counts. Without it a fault throws, and tests see what a command has failed to ask for. */
  onFault: (valueId: number) => Buffer = () => {
    throw new Error('tree: a leaf that is needed is cold')
  }
  /** Counts, from 1 on, what may have changed the bytes of any leaf or where they lie. */
  changes = 1
  readonly #values: Values
  readonly #nodes: TreeNodes
  readonly #roots: TreeRoots
  readonly #shape: TreeShape
  readonly #frozen: FrozenTrees
  readonly #observed: ObservedLeaves
  readonly #limits: { readonly leafBytesMax: number }

  constructor(shape: TreeShape, values: Values, frozen: FrozenTrees, observed: ObservedLeaves, limits: { readonly leafBytesMax: number }) {
    this.#values = values
    this.#nodes = shape.nodes
    this.#roots = shape.roots
    this.#shape = shape
    this.#frozen = frozen
    this.#observed = observed
    this.#limits = limits
  }

  /** Ref of a leaf that must be resident. */
  resident(at: LeafRow): number {
    const ref = this.#nodes.ref(at.node, at.row)
    return ref === 0 ? this.#fault(at) : ref
  }

  #fault(at: LeafRow): number {
    const valueId = this.#nodes.valueId(at.node, at.row)
    if (valueId === 0) throw new Error('tree: a leaf that is needed has no bytes')
    this.admit(this.#shape.rootOf(at.node), at, valueId, this.onFault(valueId))
    return this.#nodes.ref(at.node, at.row)
  }

  /** The bytes that a cold leaf has under its value id become a clean resident leaf. */
  admit(root: number, at: LeafRow, valueId: number, bytes: Buffer): void {
    const size = this.#nodes.bytes(at.node, at.row)
    if (bytes.length < size || usedBytes(bytes, 0) !== size) throw new Error(`tree: the bytes under value id ${valueId} are not the leaf's`)
    const ref = this.#values.create(at.node, size, true)
    bytes.copy(this.#values.bytes(ref), this.#values.start(ref), 0, size)
    this.#values.setId(ref, valueId)
    this.#roots.addCold(root, -1)
    this.enter(root, at, ref)
  }

  /** Ref of the leaf with room for `needed` bytes in all (0: what it has), to be changed in place. If it has to move, it gets `room`. */
  writable(at: LeafRow, needed: number, room = needed): number {
    this.changes++
    const from = this.resident(at)
    if (this.#frozen.preserve(at, from)) return this.#anew(at, from, Math.max(room, this.#nodes.bytes(at.node, at.row)), true)
    if (needed <= this.#values.room(from) && !this.#values.isShared(from)) return from
    return this.#relocated(at, from, this.#values.arena.capacity(from), packedWithRoom(this.#values, from, room))
  }

  /** As `writable` of a leaf that grows at an end of its tree: if it has to move, it gets room to go on growing. */
  growing(at: LeafRow, needed: number): number {
    const room = this.#values.room(this.resident(at))
    if (needed <= room) return this.writable(at, needed, room)
    // What a leaf begins with may be all that comes.
    if (this.#nodes.bytes(at.node, at.row) === packedHeaderBytes) return this.emptied(at, needed)
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

  /** Room for a leaf that begins with `needed` bytes behind the last one, `at`, of a tree that grows there. */
  roomAtEnd(at: LeafRow, needed: number): number {
    return this.#shareOf(at) < this.#fullLeaf ? needed : Math.max(needed, this.#fullLeaf)
  }

  /** What fits into the slot of a full leaf. */
  get #fullLeaf(): number {
    return this.#limits.leafBytesMax - valueHeaderBytes
  }

  /** A sixteenth of the bytes that a tree may have in its leaves. */
  #shareOf(at: LeafRow): number {
    return (this.#roots.leaves(this.#shape.rootOf(at.node)) * this.#limits.leafBytesMax) >>> 4
  }

  /** As `writable` where all that the leaf holds goes: it is empty, with room for `size` bytes, and nothing was copied. */
  emptied(at: LeafRow, size: number): number {
    this.changes++
    const from = this.resident(at)
    const to = this.#frozen.preserve(at, from)
      ? this.#anew(at, from, size, false)
      : this.#relocated(at, from, this.#values.arena.capacity(from), this.#values.relocate(from, size, packedHeaderBytes))
    setUsedBytes(this.#values.bytes(to), this.#values.start(to), packedHeaderBytes)
    return to
  }

  /** Goes on in a new slot, the old one being a write-out's. */
  #anew(at: LeafRow, from: number, size: number, copies: boolean): number {
    const values = this.#values
    const root = this.#shape.rootOf(at.node)
    const used = this.#nodes.bytes(at.node, at.row)
    this.#observed.observer.released(from)
    this.#roots.addResidentBytes(root, -values.arena.capacity(from))
    const to = values.create(at.node, size, true)
    if (copies) {
      const start = values.start(from)
      values.bytes(from).copy(values.bytes(to), values.start(to), start, start + used)
    } else writeEmpty(values.bytes(to), values.start(to))
    this.#nodes.setRef(at.node, at.row, to)
    this.#roots.addResidentBytes(root, values.arena.capacity(to))
    this.#observed.observer.resident(to)
    return to
  }

  /** Gives room back when most of it stands empty. */
  trim(at: LeafRow): void {
    const from = this.#nodes.ref(at.node, at.row)
    this.#relocated(at, from, this.#values.arena.capacity(from), packedTrimmed(this.#values, from))
  }

  /** Gives back all room that is not needed; of a large block only if it is worth the copying. */
  fit(at: LeafRow): void {
    const from = this.#nodes.ref(at.node, at.row)
    const capacity = this.#values.arena.capacity(from)
    const used = this.#nodes.bytes(at.node, at.row)
    const fitting = Arena.roundedSize(valueHeaderBytes + used)
    if (fitting >= (capacity > slotBytesMax ? capacity * 0.8 : capacity)) return
    this.#relocated(at, from, capacity, this.#values.relocate(from, used, used))
  }

  /** Moves a leaf to another slot of its size. */
  move(at: LeafRow): void {
    const from = this.#nodes.ref(at.node, at.row)
    const room = this.#values.room(from)
    this.#relocated(at, from, this.#values.arena.capacity(from), this.#values.relocate(from, room, room))
  }

  /** Copies of a leaf in the cold store are of no use any more. */
  outdate(at: LeafRow): void {
    const valueId = this.#nodes.valueId(at.node, at.row)
    if (valueId === 0) return
    this.#nodes.setValueId(at.node, at.row, 0)
    this.#observed.observer.stale(valueId)
  }

  /** A leaf is resident now, in slot `ref`. */
  enter(root: number, at: LeafRow, ref: number): void {
    this.#nodes.setRef(at.node, at.row, ref)
    this.#nodes.setBytes(at.node, at.row, usedBytes(this.#values.bytes(ref), this.#values.start(ref)))
    this.#roots.addResidentBytes(root, this.#values.arena.capacity(ref))
    this.#observed.observer.resident(ref)
  }

  /** Releases the slot of a resident leaf; what its row says then is for the caller. */
  leave(root: number, at: LeafRow): void {
    this.changes++
    const ref = this.#nodes.ref(at.node, at.row)
    this.#observed.observer.released(ref)
    this.#roots.addResidentBytes(root, -this.#values.arena.capacity(ref))
    this.#values.release(ref)
  }

  /** A leaf has moved to slot `to`, unless that is `from`, which took `capacity` bytes. */
  #relocated(at: LeafRow, from: number, capacity: number, to: number): number {
    if (to === from) return to
    this.changes++
    this.#nodes.setRef(at.node, at.row, to)
    this.#roots.addResidentBytes(this.#shape.rootOf(at.node), this.#values.arena.capacity(to) - capacity)
    this.#observed.observer.relocated(from, to)
    return to
  }
}
