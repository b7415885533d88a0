/**
 * What commands on sorted sets need of a cold one: of a large one the leaves of the members, scores and ranks that they name, of any other the whole. Some leaves
 * can be named only when others are there: needs are asked until nothing is missing.
 */

import type { Arguments } from '../arguments.ts'
import { wantLeaves, wantValue } from '../cold-wants.ts'
import { sortedSetType } from '../keyspace/entries.ts'
import type { Keyspace } from '../keyspace/keyspace.ts'
import type { ColdWants, WantsOf } from '../need.ts'
import { Separator } from '../tree/separator.ts'
import { hashEnd } from '../types/hash-leaf.ts'
import { hashSeparator } from '../types/score-separator.ts'
import type { IsBefore } from '../types/sorted-set-places.ts'
import { SortedSetTrees } from '../types/sorted-set-tree.ts'
import { keepsLittle } from '../types/sorted-set-type.ts'
import { wantKept, wantMember, wantMoved, wantPlace, wantRank, wantRanks, wantRemoval } from '../types/sorted-set-wants.ts'
import { readCursor } from './scan-arguments.ts'
import { scanLeavesMax } from './scan-needs.ts'
import { scoreArgument } from './score-argument.ts'
import type { Bounds, RankFinder, Span } from './sorted-set-bounds.ts'
import { lexBounds, scoreBounds } from './sorted-set-bounds.ts'
import type { FixedOptions } from './sorted-set-options.ts'
import { rankSpan, readAddFlags, readRangeOptions, slice } from './sorted-set-options.ts'

const separator = new Separator()
let known: SortedSetTrees | undefined

type TreeWants = (trees: SortedSetTrees, root: number, args: Arguments, keyIndex: number, wants: ColdWants) => void

/** What of a tree `named` names; a sorted set in one piece is wanted whole, of another type nothing is. The name is for docs/commands.md. */
export function ofTree(name: string, named: TreeWants): WantsOf {
  const wants: Record<string, WantsOf> = {
    [name]: (keyspace, entry, args, keyIndex, into) => {
      const { entries } = keyspace
      if (entries.type(entry) !== sortedSetType) return
      if (entries.isTree(entry)) named(treesOf(keyspace), entries.value(entry), args, keyIndex, into)
      else wantValue(keyspace, entry, into)
    },
  }
  return wants[name] as WantsOf
}

/** What looks into large sorted sets of a keyspace. */
export function treesOf({ trees }: Keyspace): SortedSetTrees {
  if (known?.leaves !== trees) known = new SortedSetTrees(trees)
  return known
}

/** The scores of all members behind the key. */
export const wantsScores = ofTree('wantsScores', (trees, root, args, keyIndex, wants) => {
  for (let i = keyIndex + 1; i < args.count; i++) wantMember(trees, root, args.buffer, args.starts[i], args.ends[i], false, wants)
})

/** Score and place of the member behind the key. */
export const wantsRank = ofTree('wantsRank', (trees, root, args, keyIndex, wants) => {
  wantMember(trees, root, args.buffer, args.starts[keyIndex + 1], args.ends[keyIndex + 1], true, wants)
})

/** Score and place of all members behind the key. */
export const wantsRemovedMembers = ofTree('wantsRemovedMembers', (trees, root, args, keyIndex, wants) => {
  for (let i = keyIndex + 1; i < args.count; i++) {
    const start = args.starts[i]
    const end = args.ends[i]
    if (args.count === keyIndex + 2) wantMember(trees, root, args.buffer, start, end, true, wants)
    else wantMoved(trees, root, args.buffer, start, end, wants)
  }
})

/** Of ZADD and ZINCRBY: score and place of all members, and the places that they are given. */
export const wantsScoredMembers = ofTree('wantsScoredMembers', (trees, root, args, _keyIndex, wants) =>
  wantSetting(trees, root, args, readAddFlags(args).incr, wants),
)
export const wantsIncrement = ofTree('wantsIncrement', (trees, root, args, _keyIndex, wants) => wantSetting(trees, root, args, true, wants))

function wantSetting(trees: SortedSetTrees, root: number, args: Arguments, incr: boolean, wants: ColdWants): void {
  const { first } = readAddFlags(args)
  const isOne = args.count <= first + 2
  for (let i = first; i + 1 < args.count; i += 2) {
    const given = scoreArgument(args, i)
    const start = args.starts[i + 1]
    const end = args.ends[i + 1]
    if (Number.isNaN(given)) continue
    const isKnown = isOne
      ? wantMember(trees, root, args.buffer, start, end, true, wants)
      : wantMoved(trees, root, args.buffer, start, end, wants)
    if (!isKnown) continue
    const former = incr ? trees.score(root, args.buffer, start, end) : Number.NaN
    const score = Number.isNaN(former) ? given : former + given
    if (!Number.isNaN(score)) wantPlace(trees, root, score, args.buffer, start, end, wants)
  }
}

/** The leaves that a scan meets next. */
export const wantsElementScan = ofTree('wantsElementScan', (trees, root, args, keyIndex, wants) => {
  const cursor = readCursor(args, keyIndex + 1)
  if (cursor >= 0 && cursor < hashEnd) wantLeaves(trees.leaves, root, wants, hashSeparator(cursor, separator), scanLeavesMax)
})

/** The ends of a range by score, or by member, that stands behind the key. */
export const wantsScoreCount = wantsEnds(scoreBounds)
export const wantsLexCount = wantsEnds(lexBounds)

function wantsEnds(read: (args: Arguments, min: number, max: number) => Bounds | undefined): WantsOf {
  return ofTree('wantsEnds', (trees, root, args, keyIndex, wants) => {
    read(args, keyIndex + 1, keyIndex + 2)?.(finderIn(trees, root, wants))
  })
}

/** The elements that ZRANGE and its like show. `fixed`: what the command's name says already. */
export function wantsRange(fixed: FixedOptions): WantsOf {
  return ofTree('wantsRange', (trees, root, args, keyIndex, wants) => {
    const options = readRangeOptions(args, keyIndex, fixed)
    if (typeof options === 'string') return
    const { bounds } = options
    const span = bounds === undefined ? rankSpan(options, lengthOf(trees, root)) : bounds(finderIn(trees, root, wants))
    if (span === undefined) return
    const { first, count } = slice(span, options)
    wantRanks(trees, root, first, count, options.reverse, wants)
  })
}

/** As `wantsRange` for ZRANGESTORE: nothing of the target. */
export const wantsStoredRange: WantsOf = (keyspace, entry, args, keyIndex, wants) => {
  if (keyIndex === 2) wantsRange({ stores: true })(keyspace, entry, args, keyIndex, wants)
}

/** What ZREMRANGEBYSCORE and its like remove. */
export function wantsRemoval(spanOf: (args: Arguments, finder: RankFinder) => Span | undefined): WantsOf {
  return ofTree('wantsRemoval', (trees, root, args, _keyIndex, wants) => {
    const span = spanOf(args, finderIn(trees, root, wants))
    if (span === undefined) return
    const { first } = span
    const count = span.end - first
    if (keepsLittle(lengthOf(trees, root), count)) wantKept(trees, root, first, count, wants)
    else if (count < lengthOf(trees, root)) wantRemoval(trees, root, first, count, wants)
  })
}

/** The least elements, or the greatest, as many as `countOf` says. */
export function wantsPopped(isMax: (args: Arguments) => boolean, countOf: (args: Arguments) => number): WantsOf {
  return ofTree('wantsRemoval', (trees, root, args, _keyIndex, wants) => {
    const length = lengthOf(trees, root)
    const count = Math.min(countOf(args), length)
    if (count > 0) wantRemoval(trees, root, isMax(args) ? length - count : 0, count, wants)
  })
}

/** All of the sources; nothing of the target, which stands in front of their number. */
export const wantsStoredSources: WantsOf = (keyspace, entry, _args, keyIndex, wants) => {
  if (keyIndex > 1) wantValue(keyspace, entry, wants)
}

function lengthOf({ leaves }: SortedSetTrees, root: number): number {
  return leaves.roots.count(root) / 2
}

/** Finds ranks in a large sorted set; `wants`, if there is one, is told of what is cold and would tell. */
export function finderIn(trees: SortedSetTrees, root: number, wants: ColdWants | undefined): RankFinder {
  const known = (rank: number): number => (wants === undefined ? rank : wantRank(trees, root, rank, wants))
  return {
    length: lengthOf(trees, root),
    rankOfScore: (score, withEqual) => known(trees.places.rankOfScore(root, score, withEqual)),
    rankWhile: (isBefore: IsBefore) => known(trees.places.rankWhile(root, isBefore)),
  }
}
