/** Removing a long range of a large sorted set, in slices: which elements go follows from where the range begins and ends in order of score. */
import type { Arguments } from '../arguments.ts'
import { wantRow } from '../cold-wants.ts'
import type { Execution } from '../execution.ts'
import { sortedSetType } from '../keyspace/entries.ts'
import type { ColdWants } from '../need.ts'
import type { StagedWork } from '../staged-work.ts'
import { TreeImage } from '../tree/tree-image.ts'
import { scoreRange } from '../types/score-separator.ts'
import {
  compareMembers,
  hashedMemberAt,
  hashedSizeAt,
  placeMemberAt,
  placeSizeAt,
  readScore,
  scoreBytes,
} from '../types/sorted-set-leaf.ts'
import type { SortedSetTrees } from '../types/sorted-set-tree.ts'
import { removeSpanEdit } from '../types/sorted-set-type.ts'
import { imageOf, partBytesOf } from './sliced-tree.ts'
import type { Bounds } from './sorted-set-bounds.ts'
import { writeSpan } from './sorted-set-change.ts'
import { ScoredRenderer } from './sorted-set-image.ts'
import { finderIn } from './sorted-set-needs.ts'
import type { Begun, RemovalPlan } from './staged-removal.ts'
import { isLongRemoval, removalOf, removeStaged, StagedRemoval, slicedRemoval } from './staged-removal.ts'

/** An end of the range: an element that goes. */
class RangeEnd {
  #score = 0
  #member: Buffer = Buffer.alloc(0)

  set(score: number, bytes: Buffer, start: number, end: number): void {
    this.#score = score
    this.#member = Buffer.from(bytes.subarray(start, end))
  }

  /** Below 0 for an element that lies before it, above 0 for one behind. */
  compare(score: number, bytes: Buffer, start: number, end: number): number {
    if (score !== this.#score) return score - this.#score
    return compareMembers(bytes, start, end - start, this.#member, 0, this.#member.length)
  }
}

export class RangeRemoval implements RemovalPlan {
  readonly memoryBytes = 0
  readonly orderMask = scoreRange
  /** Of the sorted set as it was when the work began. */
  first = 0
  count = 0
  readonly #x: Execution
  readonly #trees: SortedSetTrees
  readonly #bounds: Bounds
  #length = 0
  readonly #low = new RangeEnd()
  readonly #high = new RangeEnd()

  constructor(x: Execution, bounds: Bounds) {
    this.#x = x
    this.#trees = x.mutator.types.sortedSets.trees
    this.#bounds = bounds
  }

  prepare(): boolean {
    return false
  }

  begin(entry: number, wants?: ColdWants): Begun {
    const root = this.#x.keyspace.entries.value(entry)
    const finder = finderIn(this.#trees, root, wants)
    const span = this.#bounds(finder)
    if (span === undefined) return 'cold'
    this.#length = finder.length
    this.first = span.first
    this.count = span.end - span.first
    // A set of which nothing stays is deleted.
    if (!isLongRemoval(this.#x, sortedSetType, this.count) || this.count === this.#length) return 'little'
    return this.#lookAt(root, span.first, this.#low, wants) && this.#lookAt(root, span.end - 1, this.#high, wants) ? 'begun' : 'cold'
  }

  #lookAt(root: number, rank: number, end: RangeEnd, wants: ColdWants | undefined): boolean {
    const trees = this.#trees
    let isCold = false
    trees.eachLeaf(root, rank, 1, false, (at) => {
      isCold = trees.leaves.ref(at) === 0
      if (isCold && wants !== undefined) wantRow(trees.leaves, root, at, wants)
      return true
    })
    if (isCold) return false
    trees.visit(root, rank, 1, false, (bytes, start, stop, score) => end.set(score, bytes, start, stop))
    return true
  }

  sizeAt(bytes: Buffer, at: number, isByScore: boolean): number {
    return isByScore ? placeSizeAt(bytes, at) : hashedSizeAt(bytes, at)
  }

  goes(bytes: Buffer, at: number, end: number, isByScore: boolean): boolean {
    const score = readScore(bytes, isByScore ? at : end - scoreBytes)
    const from = isByScore ? placeMemberAt(bytes, at) : hashedMemberAt(bytes, at)
    const to = isByScore ? end : end - scoreBytes
    return this.#low.compare(score, bytes, from, to) >= 0 && this.#high.compare(score, bytes, from, to) <= 0
  }

  goesWhole(rank: number, count: number): boolean {
    // The second half of the tree is in order of score.
    const first = rank - this.#length
    return first >= this.first && first + count <= this.first + this.count
  }
}

/** What is staged of removing the range that arguments name from the sorted set under the key that is argument 1. */
export function stageRangeRemoval(
  x: Execution,
  boundsOf: (args: Arguments) => Bounds | undefined,
): StagedRemoval<RangeRemoval> | undefined {
  const entry = slicedRemoval(x, sortedSetType, Number.POSITIVE_INFINITY)
  const bounds = entry === 0 ? undefined : boundsOf(x.args.keep())
  if (bounds === undefined) return undefined
  const plan = new RangeRemoval(x, bounds)
  // Where something that tells is cold, it is staged for that alone.
  return plan.begin(entry) === 'little' ? undefined : new StagedRemoval(x, entry, plan)
}

/** What is staged of popping `count` elements, as they will be replied: nested, each with its score, or flat. */
export function stagePop(x: Execution, index: number, isMax: boolean, count: number, nests: boolean): StagedWork | undefined {
  const { keyspace, reply } = x
  const entry = slicedRemoval(x, sortedSetType, count, index)
  if (entry === 0) return undefined
  const renderer = new ScoredRenderer(keyspace.values, isMax, true, reply.protocol, nests)
  const spanIn = (length: number): { first: number; end: number } => {
    const first = isMax ? Math.max(0, length - count) : 0
    return { first, end: isMax ? length : Math.min(count, length) }
  }
  const image = new TreeImage(
    keyspace,
    entry,
    renderer,
    partBytesOf(x),
    (root) => {
      const length = keyspace.trees.roots.count(root) / 2
      const { first, end } = spanIn(length)
      return { first: length + first, end: length + end }
    },
    isMax,
  )
  if (count >= keyspace.entries.length(entry)) return image
  return new StagedRemoval(x, entry, new RangeRemoval(x, (finder) => spanIn(finder.length)), image)
}

/** The reply to a pop of `count` elements that was rendered beforehand, if what remains to be done is little, too. */
export function poppedImage(x: Execution, entry: number, count: number): TreeImage | undefined {
  if (count === x.keyspace.entries.length(entry)) return imageOf(x, entry)
  const removal = removalOf(x, entry, RangeRemoval)
  return removal?.plan.count === count ? removal.image : undefined
}

/** Removes the range whose removal was staged, but not all, from the sorted set under the key that is argument `key`. */
export function removeStagedRange(x: Execution, entry: number, removal: StagedRemoval<RangeRemoval>, key: number): void {
  const { first, count } = removal.plan
  const { trees, entries } = x.keyspace
  writeSpan(x, trees.roots.seed(entries.value(entry)), first, count)
  removeStaged(x, removal, x.mutator.types.sortedSets, removeSpanEdit, key)
}
