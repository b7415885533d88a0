/**
 * What is wanted of large sorted sets that are partly cold. Where a leaf is only another one tells, that one is wanted first, and whoever asks asks again when
 * it is there. Each function returns whether what it names is resident.
 */
import { wantRow } from '../cold-wants.ts'
import type { ColdWants } from '../need.ts'
import { Separator } from '../tree/separator.ts'
import { LeafRow } from '../tree/tree-shape.ts'
import { isLabelled, scoreSeparator } from './score-separator.ts'
import { compareMembers, findPlace, passed, placeMemberAt, placeSizeAt } from './sorted-set-leaf.ts'
import type { IsBefore } from './sorted-set-places.ts'
import type { SortedSetTrees } from './sorted-set-tree.ts'

const at = new LeafRow()
const beside = new LeafRow()
const separator = new Separator()

/** The leaf of a member in order of hash, and with `withPlace` that in order of score. */
export function wantMember(
  trees: SortedSetTrees,
  root: number,
  member: Buffer,
  start: number,
  end: number,
  withPlace: boolean,
  wants: ColdWants,
): boolean {
  if (!trees.locateMember(root, member, start, end, at)) {
    wantRow(trees.leaves, root, at, wants)
    return false
  }
  if (!withPlace) return true
  const score = trees.score(root, member, start, end)
  return Number.isNaN(score) || wantPlace(trees, root, score, member, start, end, wants)
}

/**
 * As `wantMember` with the place, of an element that a change takes from there which gives others their places. Where a leaf begins among elements of one
 * score, its first element tells what lies before it, and the last one may be all that is left: when one of these goes, the leaf beside has to tell.
 */
export function wantMoved(trees: SortedSetTrees, root: number, member: Buffer, start: number, end: number, wants: ColdWants): boolean {
  if (!wantMember(trees, root, member, start, end, true, wants)) return false
  const score = trees.score(root, member, start, end)
  if (Number.isNaN(score)) return true
  const { values, nodes } = trees.leaves
  const ref = trees.leaves.ref(at)
  findPlace(values.bytes(ref), values.start(ref), score, member, start, end)
  scoreSeparator(score, true, separator)
  const isLast = passed.count === nodes.count(at.node, at.row) - 1
  let isResident = passed.count > 0 || !isAmongEqual(trees, at) || wantBeside(trees, root, true, wants)
  if (isLast && !wantBeside(trees, root, false, wants)) isResident = false
  return isResident
}

/** Whether a leaf begins among elements of the score of `separator`. */
function isAmongEqual({ leaves }: SortedSetTrees, { node, row }: LeafRow): boolean {
  return isLabelled(leaves.values.arena.words(node), leaves.nodes.rowAt(node, row), separator)
}

/** The next leaf with elements before `at`, or behind it if it begins among equal ones. */
function wantBeside(trees: SortedSetTrees, root: number, before: boolean, wants: ColdWants): boolean {
  const { leaves } = trees
  const { shape, nodes } = leaves
  beside.set(at.node, at.row)
  do if (!(before ? shape.previous(beside) : shape.next(beside))) return true
  while (nodes.count(beside.node, beside.row) === 0)
  if (leaves.ref(beside) !== 0 || !(before || isAmongEqual(trees, beside))) return true
  wantRow(leaves, root, beside, wants)
  return false
}

/** The leaf in whose range a score and a member lie. */
export function wantPlace(
  trees: SortedSetTrees,
  root: number,
  score: number,
  member: Buffer,
  start: number,
  end: number,
  wants: ColdWants,
): boolean {
  if (!trees.places.locate(root, score, member, start, end, at)) {
    wantRow(trees.leaves, root, trees.places.coldAt, wants)
    return false
  }
  if (trees.leaves.ref(at) !== 0) return true
  wantRow(trees.leaves, root, at, wants)
  return false
}

/** What tells a rank of `SortedSetPlaces.rankOfScore` or `rankWhile`. Returns it, −1 as long as a leaf is cold. */
export function wantRank(trees: SortedSetTrees, root: number, rank: number, wants: ColdWants): number {
  if (rank < 0) wantRow(trees.leaves, root, trees.places.coldAt, wants)
  return rank
}

/** The leaves of `count` elements from number `rank` on, in order or with `backwards` against it. */
export function wantRanks(trees: SortedSetTrees, root: number, rank: number, count: number, backwards: boolean, wants: ColdWants): boolean {
  let isResident = true
  trees.eachLeaf(root, rank, count, backwards, (row) => {
    if (trees.leaves.ref(row) === 0) {
      wantRow(trees.leaves, root, row, wants)
      isResident = false
    }
    return true
  })
  return isResident
}

/** The leaves of such elements in both orders: for their removal. */
export function wantRemoval(trees: SortedSetTrees, root: number, rank: number, count: number, wants: ColdWants): void {
  if (!wantRanks(trees, root, rank, count, false, wants)) return
  trees.visit(root, rank, count, false, (bytes, start, end) => {
    wantMember(trees, root, bytes, start, end, true, wants)
  })
}

/** What stays when `count` elements from number `rank` on go. */
export function wantKept(trees: SortedSetTrees, root: number, rank: number, count: number, wants: ColdWants): void {
  const length = trees.leaves.roots.count(root) / 2
  wantRanks(trees, root, 0, Math.min(rank, length), false, wants)
  if (rank + count < length) wantRanks(trees, root, rank + count, length - rank - count, false, wants)
}

/** Of elements with one score: those whose member lies before `member[start, end)`, or with `withEqual` not behind it. */
export function beforeMember(member: Buffer, start: number, end: number, withEqual: boolean): IsBefore {
  return (bytes, position) => {
    const from = placeMemberAt(bytes, position)
    const order = compareMembers(bytes, from, position + placeSizeAt(bytes, position) - from, member, start, end)
    return order < 0 || (withEqual && order === 0)
  }
}
