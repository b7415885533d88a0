/**
 * Finding places in large sorted sets' order of score: of a score and a member, of a score, or of whatever lies before something else. A search stops at a
 * leaf that it would have to look into and that is cold: `coldAt` then names it.
 */
import { packedHeaderBytes } from '../memory/packed-bytes.ts'
import { Separator } from '../tree/separator.ts'
import type { TreeLeaves } from '../tree/tree-leaves.ts'
import { LeafRow } from '../tree/tree-shape.ts'
import { isLabelled, scoreRange, scoreSeparator } from './score-separator.ts'
import { compareMembers, passed, placeMemberAt, placeSizeAt, readScore, skipScores, skipWhile } from './sorted-set-leaf.ts'

/** Whether the element in order of score at a position lies before what is sought. */
export type IsBefore = (bytes: Buffer, at: number) => boolean

export class SortedSetPlaces {
  readonly leaves: TreeLeaves
  /** The leaf that a search needed and that is cold. */
  readonly coldAt = new LeafRow()
  readonly #at = new LeafRow()
  readonly #separator = new Separator()

  constructor(leaves: TreeLeaves) {
    this.leaves = leaves
  }

  /** How many elements have a score below `score`, or with `withEqual` not above it; −1 when a leaf is cold. */
  rankOfScore(root: number, score: number, withEqual: boolean): number {
    const { values, shape } = this.leaves
    const at = this.#at
    shape.locate(root, scoreSeparator(score, withEqual, this.#separator), at)
    const ref = this.refOf(at)
    if (ref === 0) return -1
    skipScores(values.bytes(ref), values.start(ref), score, withEqual)
    return this.rankOf(root, at) + passed.count
  }

  /** How many elements lie before what `isBefore` seeks, all of them in front of all others; −1 when a leaf is cold. */
  rankWhile(root: number, isBefore: IsBefore): number {
    const { values, shape } = this.leaves
    const at = this.#at
    shape.locate(root, this.#separator.set(scoreRange), at)
    if (!this.#narrow(at, root, this.leaves.roots.count(root), isBefore, false)) return -1
    const ref = this.refOf(at)
    if (ref === 0) return -1
    skipWhile(values.bytes(ref), values.start(ref), isBefore)
    return this.rankOf(root, at) + passed.count
  }

  /**
   * Makes `into` name the leaf in whose range a score and a member lie; false when a leaf that has to be looked into for that is cold, which `coldAt` then
   * names. With `skips` cold leaves are passed over, as long as it is certain that the place is in none of them: for a change, in the middle of which
   * others are looked into than were asked for.
   */
  locate(root: number, score: number, member: Uint8Array, start: number, end: number, into: LeafRow, skips = false): boolean {
    const { shape, nodes } = this.leaves
    const separator = this.#separator
    shape.locate(root, scoreSeparator(score, true, separator), into)
    if (!isLabelled(shape.arena.words(into.node), nodes.rowAt(into.node, into.row), separator)) return true
    const isBefore: IsBefore = (bytes, at) => {
      const found = readScore(bytes, at)
      if (found !== score) return found < score
      const from = placeMemberAt(bytes, at)
      return compareMembers(bytes, from, at + placeSizeAt(bytes, at) - from, member, start, end) <= 0
    }
    const last = shape.rankOf(into)
    const ref = this.refOf(into)
    if (ref === 0) return false
    if (nodes.count(into.node, into.row) > 0 && this.#startsBefore(ref, isBefore)) return true
    shape.locate(root, scoreSeparator(score, false, separator), into)
    return this.#narrow(into, root, last, isBefore, skips)
  }

  /**
   * Goes on from a leaf to the last one with elements that begins before what `isBefore` seeks, of those that begin before element `rank`; false when one that
   * has to be looked into is cold. The rank is one in the whole tree: it holds between two steps of a change, too.
   */
  #narrow(at: LeafRow, root: number, rank: number, isBefore: IsBefore, skips: boolean): boolean {
    const { shape, nodes } = this.leaves
    let low = shape.rankOf(at) + nodes.count(at.node, at.row)
    let high = rank
    const middle = new LeafRow()
    while (low < high) {
      const sought = (low + high) >>> 1
      shape.locateRank(root, sought, middle)
      const begin = sought - shape.rankWithin
      const passedOver = skips ? this.#skipCold(middle, high - begin) : 0
      if (passedOver >= high - begin) {
        high = begin
        continue
      }
      const ref = this.refOf(middle)
      if (ref === 0) return false
      if (this.#startsBefore(ref, isBefore)) {
        at.set(middle.node, middle.row)
        low = begin + passedOver + nodes.count(at.node, at.row)
      } else high = begin
    }
    return !skips || low >= rank || this.#isKnown(root, low)
  }

  /** Goes on over cold and empty leaves, but not over `max` elements or more. Returns over how many. */
  #skipCold(at: LeafRow, max: number): number {
    const { shape, nodes } = this.leaves
    let skipped = 0
    while (skipped < max && (this.leaves.ref(at) === 0 || nodes.count(at.node, at.row) === 0)) {
      skipped += nodes.count(at.node, at.row)
      if (!shape.next(at)) return max
    }
    return skipped
  }

  /** Whether the leaf of an element is resident; `coldAt` names it if not. */
  #isKnown(root: number, rank: number): boolean {
    const at = new LeafRow()
    this.leaves.shape.locateRank(root, rank, at)
    return this.refOf(at) !== 0
  }

  #startsBefore(ref: number, isBefore: IsBefore): boolean {
    const { values } = this.leaves
    return isBefore(values.bytes(ref), values.start(ref) + packedHeaderBytes)
  }

  /** The ref of a leaf, 0 if it is cold, and then `coldAt` names it. */
  refOf(at: LeafRow): number {
    const ref = this.leaves.ref(at)
    if (ref === 0) this.coldAt.set(at.node, at.row)
    else this.leaves.values.touch(ref)
    return ref
  }

  /** Elements before a leaf in order of score. */
  rankOf(root: number, at: LeafRow): number {
    return this.leaves.shape.rankOf(at) - this.leaves.roots.count(root) / 2
  }
}
