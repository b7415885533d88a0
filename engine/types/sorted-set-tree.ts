/**
 * Large sorted sets: every element twice in one tree, in order of its member's keyed hash, with the score, and in order of score and member. Both
 * ranges have a leaf at least (`score-separator.ts` tells them apart), and as many elements as the other. So a member's score is one leaf away,
 * and its rank two.
 *
 * Leaves that are used must be resident: whoever calls asks for cold ones first (`sorted-set-wants.ts`).
 */
import { packedHeaderBytes, usedBytes } from '../memory/packed-bytes.ts'
import { LeafFinger } from '../tree/leaf-finger.ts'
import { Separator } from '../tree/separator.ts'
import type { LeafLayout } from '../tree/tree-elements.ts'
import { TreeElements } from '../tree/tree-elements.ts'
import type { TreeLeaves } from '../tree/tree-leaves.ts'
import { LeafRow } from '../tree/tree-shape.ts'
import { fieldHash, hashAt, hashEnd } from './hash-leaf.ts'
import type { Side } from './score-separator.ts'
import { hashOfSeparator, hashSeparator, labelBetween, scoreRange, scoreSeparator } from './score-separator.ts'
import type { VisitScored } from './sorted-set-leaf.ts'
import {
  findHashed,
  findPlace,
  hashedBytes,
  hashedMemberAt,
  hashedSizeAt,
  movePlace,
  passed,
  placeBytes,
  placeMemberAt,
  placeSizeAt,
  readScore,
  scoreBytes,
  visitBackwards,
  writeHashed,
  writePlace,
  writeScore,
} from './sorted-set-leaf.ts'
import type { IsBefore } from './sorted-set-places.ts'
import { SortedSetPlaces } from './sorted-set-places.ts'

/** Leaves with more elements are cut, however few bytes they have: passing over elements takes most of the time of an operation on short ones. */
const elementsMax = 32

const hashLayout: LeafLayout = {
  joinMask: scoreRange,
  elementsMax,
  sizeAt: hashedSizeAt,
  cutBetween(bytes, before, at, _row, into) {
    const hash = hashAt(bytes, at)
    if (hashAt(bytes, before) === hash) return false
    hashSeparator(hash, into)
    return true
  },
}

class ScoreLayout implements LeafLayout {
  readonly joinMask = scoreRange
  readonly elementsMax = elementsMax
  readonly sizeAt = placeSizeAt
  /** Where the last element came in. */
  side: Side = 'middle'
  readonly #leaves: TreeLeaves
  readonly #next = new LeafRow()

  constructor(leaves: TreeLeaves) {
    this.#leaves = leaves
  }

  cutBetween(bytes: Buffer, before: number, at: number, { node, row }: LeafRow, into: Separator): boolean {
    const score = readScore(bytes, at)
    scoreSeparator(score, false, into)
    if (readScore(bytes, before) !== score) return true
    const { nodes, shape } = this.#leaves
    const next = this.#next.set(node, row)
    const nextWords = shape.next(next) ? shape.arena.words(next.node) : undefined
    return labelBetween(shape.arena.words(node), nodes.rowAt(node, row), nextWords, nodes.rowAt(next.node, next.row), this.side, into)
  }
}

export class SortedSetTrees {
  readonly leaves: TreeLeaves
  readonly places: SortedSetPlaces
  /** Set while members come in order of hash, mostly: then the leaf of the last one is tried first. */
  comesInOrder = false
  readonly #finger: LeafFinger
  readonly #byHash: TreeElements
  readonly #byScore: TreeElements
  readonly #layout: ScoreLayout
  readonly #at = new LeafRow()
  readonly #other = new LeafRow()
  readonly #separator = new Separator()

  constructor(leaves: TreeLeaves) {
    this.leaves = leaves
    this.places = new SortedSetPlaces(leaves)
    this.#finger = new LeafFinger(leaves)
    this.#layout = new ScoreLayout(leaves)
    this.#byHash = new TreeElements(leaves, hashLayout)
    this.#byScore = new TreeElements(leaves, this.#layout)
  }

  /** Gives a new tree, which has one leaf, the first leaf of the other range. */
  begin(root: number, lsn: number): void {
    this.#byScore.makeLeaf(root, this.#separator.set(scoreRange), this.#at, lsn)
  }

  /** Elements of a set. */
  #length(root: number): number {
    return this.leaves.roots.count(root) / 2
  }

  /** The score of a member, NaN when it is not there. */
  score(root: number, member: Uint8Array, start: number, end: number): number {
    const found = this.#findMember(root, member, start, end)
    if (found < 0) return Number.NaN
    const bytes = this.leaves.values.bytes(this.leaves.ref(this.#at))
    return readScore(bytes, found + hashedSizeAt(bytes, found) - scoreBytes)
  }

  /** Gives a member, which may not lie in this set itself, a score; true if it is new. */
  set(root: number, score: number, member: Uint8Array, start: number, end: number, lsn: number): boolean {
    const found = this.#findMember(root, member, start, end)
    const at = this.#at
    const { values } = this.leaves
    const ref = this.leaves.ref(at)
    if (found < 0) {
      const hash = hashOfSeparator(this.#separator)
      const position = this.#byHash.resize(at, ~found - values.start(ref), 0, hashedBytes(end - start))
      writeHashed(values.bytes(this.leaves.ref(at)), position, hash, member, start, end, score)
      this.#byHash.done(at, 1, lsn)
      this.#insertPlace(root, score, member, start, end, lsn)
      return true
    }
    const bytes = values.bytes(ref)
    const scoreAt = found + hashedSizeAt(bytes, found) - scoreBytes
    const former = readScore(bytes, scoreAt)
    if (Object.is(former, score)) return false
    const position = this.#byHash.resize(at, scoreAt - values.start(ref), scoreBytes, scoreBytes)
    writeScore(values.bytes(this.leaves.ref(at)), position, score)
    this.#byHash.done(at, 0, lsn)
    this.#movePlace(root, former, score, member, start, end, lsn)
    return false
  }

  /** Removes a member, which may not lie in this set itself; true if it was there. */
  remove(root: number, member: Uint8Array, start: number, end: number, lsn: number): boolean {
    const found = this.#findMember(root, member, start, end)
    if (found < 0) return false
    const { values } = this.leaves
    const ref = this.leaves.ref(this.#at)
    const bytes = values.bytes(ref)
    const size = hashedSizeAt(bytes, found)
    const score = readScore(bytes, found + size - scoreBytes)
    this.#byHash.remove(this.#at, found - values.start(ref), size, 1, lsn)
    this.#removePlace(root, score, member, start, end, lsn)
    return true
  }

  /** The rank of an element, −1 without such a one. */
  rank(root: number, score: number, member: Uint8Array, start: number, end: number): number {
    const found = this.#findPlace(root, score, member, start, end)
    const { count } = passed
    return found < 0 ? -1 : this.places.rankOf(root, this.#at) + count
  }

  /** As `SortedSetPlaces.rankOfScore`, all that tells being resident. */
  rankOfScore(root: number, score: number, withEqual: boolean): number {
    for (;;) {
      const rank = this.places.rankOfScore(root, score, withEqual)
      if (rank >= 0) return rank
      this.leaves.used(this.places.coldAt)
    }
  }

  /** As `SortedSetPlaces.rankWhile`, all that tells being resident. */
  rankWhile(root: number, isBefore: IsBefore): number {
    for (;;) {
      const rank = this.places.rankWhile(root, isBefore)
      if (rank >= 0) return rank
      this.leaves.used(this.places.coldAt)
    }
  }

  /** Visits `count` elements from number `rank` on, in order or with `backwards` against it; there are as many. */
  visit(root: number, rank: number, count: number, backwards: boolean, visit: VisitScored): void {
    if (count <= 0) return
    const { values, shape } = this.leaves
    const at = new LeafRow()
    shape.locateRank(root, this.#length(root) + rank, at)
    const within = shape.rankWithin
    let left = count
    for (let isFirst = true; left > 0; isFirst = false) {
      const ref = this.leaves.used(at)
      const bytes = values.bytes(ref)
      const start = values.start(ref)
      const end = start + usedBytes(bytes, start)
      if (backwards) {
        left -= visitBackwards(bytes, start, isFirst ? this.#byScore.positionOf(ref, within + 1) : end, left, visit)
        if (left > 0 && !shape.previous(at)) throw new Error('sorted set: fewer elements than are counted')
        continue
      }
      let position = isFirst ? this.#byScore.positionOf(ref, within) : start + packedHeaderBytes
      for (; position < end && left > 0; left--) {
        const next = position + placeSizeAt(bytes, position)
        visit(bytes, placeMemberAt(bytes, position), next, readScore(bytes, position))
        position = next
      }
      if (left > 0 && !shape.next(at)) throw new Error('sorted set: fewer elements than are counted')
    }
  }

  /** Visits the leaves that hold `count` elements from number `rank` on, in order or with `backwards` against it, until the visit says false. */
  eachLeaf(root: number, rank: number, count: number, backwards: boolean, visit: (at: LeafRow) => boolean): void {
    if (count <= 0) return
    const { shape, nodes } = this.leaves
    const at = new LeafRow()
    shape.locateRank(root, this.#length(root) + rank, at)
    let left = count - (backwards ? shape.rankWithin + 1 : nodes.count(at.node, at.row) - shape.rankWithin)
    while (visit(at) && left > 0 && (backwards ? shape.previous(at) : shape.next(at))) left -= nodes.count(at.node, at.row)
  }

  /**
   * Visits about `count` elements (at least 1) in order of hash, those with one hash together, from a cursor on (0: the start). Returns the cursor
   * to go on with, 0 at the end. A member that stays throughout is visited, whatever else changes between the calls. The leaf of the
   * cursor must be resident; a cold leaf behind it ends the call early.
   */
  scan(root: number, cursor: number, count: number, visit: VisitScored): number {
    if (cursor >= hashEnd) return 0
    const { values, shape } = this.leaves
    const at = new LeafRow()
    shape.locate(root, hashSeparator(cursor, this.#separator), at)
    let ref = this.leaves.used(at)
    let left = Math.max(count, 1)
    let last = -1
    for (;;) {
      const bytes = values.bytes(ref)
      const start = values.start(ref)
      const end = start + usedBytes(bytes, start)
      for (let position = start + packedHeaderBytes; position < end; ) {
        const hash = hashAt(bytes, position)
        const next = position + hashedSizeAt(bytes, position)
        if (hash >= cursor) {
          if (left <= 0 && hash !== last) return hash
          visit(bytes, hashedMemberAt(bytes, position), next - scoreBytes, readScore(bytes, next - scoreBytes))
          last = hash
          left--
        }
        position = next
      }
      if (!shape.next(at)) return 0
      const { words } = shape.separator(at, this.#separator)
      if (words[0] >= scoreRange) return 0
      ref = this.leaves.ref(at)
      if (ref === 0 || left <= 0) return hashOfSeparator(this.#separator)
    }
  }

  /** Makes `into` name the leaf of a member in order of hash; true when it is resident. */
  locateMember(root: number, member: Uint8Array, start: number, end: number, into: LeafRow): boolean {
    const { shape, roots } = this.leaves
    const separator = hashSeparator(fieldHash(member, start, end, roots.seed(root)), this.#separator)
    if (this.comesInOrder) this.#finger.locate(root, separator, into)
    else shape.search.locateSpread(root, separator, into)
    return this.leaves.ref(into) !== 0
  }

  /** Makes `#at` name a member's leaf in order of hash; returns the member's position in it, or the complement of where it would be. */
  #findMember(root: number, member: Uint8Array, start: number, end: number): number {
    const { values } = this.leaves
    this.locateMember(root, member, start, end, this.#at)
    const ref = this.leaves.used(this.#at)
    return findHashed(values.bytes(ref), values.start(ref), hashOfSeparator(this.#separator), member, start, end)
  }

  /** Makes `into` name the leaf in whose range a score and a member lie. */
  #locatePlace(root: number, score: number, member: Uint8Array, start: number, end: number, into: LeafRow): void {
    while (!this.places.locate(root, score, member, start, end, into, true)) this.leaves.used(this.places.coldAt)
  }

  /** As `#findMember` in order of score. */
  #findPlace(root: number, score: number, member: Uint8Array, start: number, end: number): number {
    const { values } = this.leaves
    const at = this.#at
    this.#locatePlace(root, score, member, start, end, at)
    const ref = this.leaves.used(at)
    return findPlace(values.bytes(ref), values.start(ref), score, member, start, end)
  }

  #insertPlace(root: number, score: number, member: Uint8Array, start: number, end: number, lsn: number): void {
    const found = this.#findPlace(root, score, member, start, end)
    if (found >= 0) return
    const { values, nodes } = this.leaves
    const at = this.#at
    this.#noteSide(passed.count, nodes.count(at.node, at.row))
    const position = this.#byScore.resize(at, ~found - values.start(this.leaves.ref(at)), 0, placeBytes(end - start))
    writePlace(values.bytes(this.leaves.ref(at)), position, score, member, start, end)
    this.#byScore.done(at, 1, lsn)
  }

  #noteSide(before: number, count: number): void {
    this.#layout.side = before * 4 < count ? 'front' : before * 4 > count * 3 ? 'back' : 'middle'
  }

  #removePlace(root: number, score: number, member: Uint8Array, start: number, end: number, lsn: number): void {
    const found = this.#findPlace(root, score, member, start, end)
    if (found >= 0) this.#removeAt(found, lsn)
  }

  /** Takes the element at a position of the leaf `#at` out of it. */
  #removeAt(position: number, lsn: number): void {
    const { values } = this.leaves
    const ref = this.leaves.ref(this.#at)
    this.#byScore.remove(this.#at, position - values.start(ref), placeSizeAt(values.bytes(ref), position), 1, lsn)
  }

  /** Gives an element another score: within its leaf, if it stays there. */
  #movePlace(root: number, former: number, score: number, member: Uint8Array, start: number, end: number, lsn: number): void {
    const { values } = this.leaves
    const at = this.#at
    const other = this.#other
    this.#locatePlace(root, score, member, start, end, other)
    const found = this.#findPlace(root, former, member, start, end)
    if (found < 0 || at.node !== other.node || at.row !== other.row) {
      if (found >= 0) this.#removeAt(found, lsn)
      this.#insertPlace(root, score, member, start, end, lsn)
      return
    }
    const before = this.leaves.ref(at)
    const offset = found - values.start(before)
    const size = placeSizeAt(values.bytes(before), found)
    const from = this.#byScore.resize(at, offset, size, size)
    const ref = this.leaves.ref(at)
    const bytes = values.bytes(ref)
    const to = findPlace(bytes, values.start(ref), score, member, start, end)
    movePlace(bytes, from, size, to < 0 ? ~to : to, score, member, start, end)
    this.#byScore.done(at, 0, lsn)
  }
}

/** Whether a resident leaf has its elements in order of score, not of hash. */
export function isInOrderOfScore({ values, nodes, shape }: TreeLeaves, ref: number): boolean {
  const node = values.owner(ref)
  return shape.arena.words(node)[nodes.rowAt(node, nodes.rowOf(node, ref))] >= scoreRange
}
