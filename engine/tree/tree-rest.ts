/**
 * What stays of a tree when many of its elements go: another tree, made of the first one's leaves in one walk, some at a time. Elements that stay are copied
 * as they lie, in runs, so that it takes far less time an element than taking one out does, and the former tree is dropped as a whole.
 *
 * The walk is over a tree that does not change between its steps: whoever makes them sees to that. Leaves that have become small are joined on the way.
 * Until it is taken the new tree belongs to nobody.
 */
import { wantRow } from '../cold-wants.ts'
import type { Keyspace } from '../keyspace/keyspace.ts'
import { packedHeaderBytes, setUsedBytes, usedBytes } from '../memory/packed-bytes.ts'
import type { ColdWants } from '../need.ts'
import { dropTree } from './drop-tree.ts'
import { Separator } from './separator.ts'
import { LeafRow } from './tree-shape.ts'

/** Which elements go, and what elements look like. In a tree with two orders an element is met in both. */
export interface Leaving {
  /** Bits of a separator's first word that tell the order that a leaf is in; 0 where there is only one. */
  readonly orderMask: number
  sizeAt(bytes: Buffer, at: number, isSecondOrder: boolean): number
  /** Whether the element from `at` to `end` goes; asked once for each, in order. */
  goes(bytes: Buffer, at: number, end: number, isSecondOrder: boolean): boolean
  /** Whether `count` elements from number `rank` of the whole tree on all go: then nobody looks at them. */
  goesWhole?(rank: number, count: number): boolean
}

/** Of a tree of which nothing goes. */
export type NothingLeaving = Pick<Leaving, 'orderMask'>

/** The tree that takes the place of another value, and how many elements it lacks, negative if it has more; one that is in two orders counts once. */
export interface Rest {
  readonly root: number
  readonly removed: number
}

/** Cold leaves that are asked for at a time. */
const leavesAhead = 64
/** What passing over a leaf counts for in a step, in bytes. */
const passedBytes = 64
/** Leaves are joined up to so many elements, and up to this share of their bytes. */
const joinedCountMax = 24
const joinedShare = 3 / 4

export class TreeRest {
  readonly #keyspace: Keyspace
  readonly #leaving: Leaving | undefined
  readonly #orderMask: number
  #root: number
  #removed = 0
  /** Where the next leaf of the walk begins, and the number of its first element. */
  readonly #position = new Separator()
  #rank = 0
  readonly #from = new LeafRow()
  readonly #to = new LeafRow()
  /** The leaf in the making: where it begins, and what it holds. */
  #isMaking = false
  /** Each order has a leaf at least. */
  #isNeeded = false
  readonly #begin = new Separator()
  #bytes: Buffer
  #used = packedHeaderBytes
  #count = 0
  /** Order of the last leaf that was begun. */
  #order = -1
  /** Starts and ends of what stays of a leaf. */
  readonly #runs: number[] = []

  /** Of the tree with root block `source`. Memory is reserved for `bytes` that stay. */
  constructor(keyspace: Keyspace, source: number, leaving: Leaving | NothingLeaving, bytes: number) {
    const { trees } = keyspace
    this.#keyspace = keyspace
    this.#leaving = 'goes' in leaving ? leaving : undefined
    this.#orderMask = leaving.orderMask
    this.#root = trees.createTree(0, keyspace.nextCollectionId++, trees.roots.seed(source), packedHeaderBytes, 0, bytes)
    this.#bytes = Buffer.allocUnsafe(trees.leafBytesMax)
  }

  /** Goes on until about `bytesMax` were looked at, or it comes to a cold leaf. True when it is through. */
  advance(source: number, bytesMax: number): boolean {
    const { trees, arena } = this.#keyspace
    const { shape, nodes } = trees
    const from = this.#from
    // Nothing may be missing half-way.
    arena.reserveSlots(2 * bytesMax + 16 * trees.leafBytesMax)
    shape.locate(source, this.#position, from)
    let isThrough = false
    for (let bytes = 0; bytes < bytesMax && !isThrough; ) {
      const count = nodes.count(from.node, from.row)
      const isRead = count > 0 && this.#leaving?.goesWhole?.(this.#rank, count) !== true
      const ref = trees.ref(from)
      if (isRead && ref === 0) break
      this.#enter(from)
      if (isRead) this.#keep(from, ref, count)
      else this.#removed += count
      bytes += passedBytes + (isRead ? nodes.bytes(from.node, from.row) : 0)
      this.#rank += count
      isThrough = !shape.next(from)
    }
    this.#finishLeaf()
    if (!isThrough) shape.separator(from, this.#position)
    arena.releaseReserved()
    if (isThrough) trees.roots.unowned.made(this.#root)
    return isThrough
  }

  /** Names the cold leaves that the next step needs. */
  want(source: number, wants: ColdWants): void {
    const { trees } = this.#keyspace
    const at = new LeafRow()
    trees.shape.locate(source, this.#position, at)
    let rank = this.#rank
    let left = leavesAhead
    do {
      const count = trees.nodes.count(at.node, at.row)
      if (count > 0 && this.#leaving?.goesWhole?.(rank, count) !== true) {
        if (trees.ref(at) !== 0) break
        wantRow(trees, source, at, wants)
      }
      rank += count
    } while (--left > 0 && trees.shape.next(at))
  }

  /** Begins a leaf where another order begins: each has one, even if it is empty. */
  #enter(from: LeafRow): void {
    const { shape, nodes } = this.#keyspace.trees
    const order = shape.arena.words(from.node)[nodes.rowAt(from.node, from.row)] & this.#orderMask
    if (order === this.#order) return
    this.#order = order
    this.#beginLeaf(from)
    this.#isNeeded = true
  }

  /** Takes over what stays of a leaf. */
  #keep(from: LeafRow, ref: number, count: number): void {
    const { values, trees } = this.#keyspace
    const bytes = values.bytes(ref)
    const start = values.start(ref)
    const end = start + usedBytes(bytes, start)
    const runs = this.#runs
    runs.length = 0
    if (this.#leaving === undefined) runs.push(start + packedHeaderBytes, end)
    const kept = this.#leaving === undefined ? count : this.#findRuns(this.#leaving, bytes, start + packedHeaderBytes, end)
    if (kept === 0) return
    let keptBytes = 0
    for (let i = 0; i < runs.length; i += 2) keptBytes += (runs[i + 1] as number) - (runs[i] as number)
    const fits = this.#count + kept <= joinedCountMax && this.#used + keptBytes <= trees.leafBytesMax * joinedShare
    if (!this.#isMaking || (this.#count > 0 && !fits)) this.#beginLeaf(from)
    if (this.#used + keptBytes > this.#bytes.length) this.#bytes = Buffer.allocUnsafe(this.#used + keptBytes)
    for (let i = 0; i < runs.length; i += 2) {
      bytes.copy(this.#bytes, this.#used, runs[i], runs[i + 1])
      this.#used += (runs[i + 1] as number) - (runs[i] as number)
    }
    this.#count += kept
  }

  /** Finds what stays of the elements from `from` to `end`. Returns how many. */
  #findRuns(leaving: Leaving, bytes: Buffer, from: number, end: number): number {
    const runs = this.#runs
    const isSecond = this.#order !== 0
    let kept = 0
    for (let at = from; at < end; ) {
      const next = at + leaving.sizeAt(bytes, at, isSecond)
      if (leaving.goes(bytes, at, next, isSecond)) this.#removed++
      else {
        if (runs.length > 0 && runs[runs.length - 1] === at) runs[runs.length - 1] = next
        else runs.push(at, next)
        kept++
      }
      at = next
    }
    return kept
  }

  #beginLeaf(from: LeafRow): void {
    this.#finishLeaf()
    this.#keyspace.trees.shape.separator(from, this.#begin)
    this.#isMaking = true
    this.#isNeeded = false
    this.#used = packedHeaderBytes
    this.#count = 0
  }

  /** Puts the leaf in the making behind the others. */
  #finishLeaf(): void {
    if (!this.#isMaking) return
    this.#isMaking = false
    if (this.#count === 0 && !this.#isNeeded) return
    const { trees, values } = this.#keyspace
    const to = this.#to
    const used = this.#used
    if (!trees.find(this.#root, this.#begin, to)) trees.create(to, this.#begin, used, 0)
    const ref = trees.slots.writable(to, used)
    this.#bytes.copy(values.bytes(ref), values.start(ref) + packedHeaderBytes, packedHeaderBytes, used)
    setUsedBytes(values.bytes(ref), values.start(ref), used)
    trees.changed(to, this.#count, 0)
  }

  /** Elements that are not taken over. */
  get removed(): number {
    return this.#orderMask === 0 ? this.#removed : this.#removed / 2
  }

  /** The new tree, which is the caller's from now on. */
  take(): Rest {
    const root = this.#root
    this.#root = 0
    return { root, removed: this.removed }
  }

  /** Gives the new tree up, unless it was taken. */
  release(): void {
    dropTree(this.#keyspace, this.#root)
    this.#root = 0
  }
}
