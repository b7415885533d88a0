/** Ranges of sorted sets: ZRANGE in all its forms, ZRANGESTORE, ZCOUNT, ZLEXCOUNT and the removal of ranges. */
import type { Arguments } from '../arguments.ts'
import type { EngineCommand } from '../command.ts'
import { keyAt } from '../command.ts'
import type { Execution } from '../execution.ts'
import { wrongType } from '../execution.ts'
import { sortedSetType } from '../keyspace/entries.ts'
import { genericEvent, sortedSetEvent } from '../messages.ts'
import { notAnInteger } from './errors.ts'
import { RangeRemoval, removeStagedRange, stageRangeRemoval } from './range-removal.ts'
import { RepeatedWork } from './repeated-work.ts'
import { ScoredList } from './scored-list.ts'
import { imageOf } from './sliced-tree.ts'
import type { Bounds, RankFinder, Span } from './sorted-set-bounds.ts'
import { lexBounds, notALexRange, notAScoreRange, scoreBounds } from './sorted-set-bounds.ts'
import { removeSpan, replaceWith } from './sorted-set-change.ts'
import { replyScored, stageRange } from './sorted-set-image.ts'
import { wantsLexCount, wantsRange, wantsRemoval, wantsScoreCount, wantsStoredRange } from './sorted-set-needs.ts'
import type { FixedOptions } from './sorted-set-options.ts'
import { rankSpan, ranksBetween, readRangeOptions, slice } from './sorted-set-options.ts'
import { removalOf, removedAtOnce } from './staged-removal.ts'
import type { StoredElements } from './stored-elements.ts'
import { stageStoredRange } from './stored-elements.ts'

const reads = {
  arity: -4,
  flags: ['readonly'],
  keys: keyAt(1, 'RO', 'access'),
  categories: ['sortedset'],
  group: 'sorted-set',
  complexity: 'O(log(N)+M) where N is the number of elements and M that of those returned',
} as const
const counts = {
  ...reads,
  arity: 4,
  flags: ['readonly', 'fast'],
  complexity: 'O(log(N)) where N is the number of elements',
  syntax: 'key min max',
} as const
const removes = {
  ...reads,
  arity: 4,
  flags: ['write'],
  keys: keyAt(1, 'RW', 'delete'),
  complexity: 'O(log(N)+M) where N is the number of elements and M that of those removed',
  syntax: 'key min max',
} as const

const reversed: FixedOptions = { kind: 'rank', reverse: true }
const byScore: FixedOptions = { kind: 'score', reverse: false }
const byScoreReversed: FixedOptions = { kind: 'score', reverse: true }
const byLex: FixedOptions = { kind: 'lex', reverse: false }
const byLexReversed: FixedOptions = { kind: 'lex', reverse: true }
const anyRange: FixedOptions = {}

export const sortedSetRangeCommands = {
  ZRANGE: {
    ...reads,
    since: '1.2.0',
    syntax: 'key start stop [BYSCORE | BYLEX] [REV] [LIMIT offset count] [WITHSCORES]',
    summary: 'Returns elements within a range of ranks, scores or members.',
    needs: wantsRange(anyRange),
    stages: (x) => stageRange(x, anyRange),
    handler: (x) => zrange(x, anyRange),
  },
  ZREVRANGE: {
    ...reads,
    since: '1.2.0',
    syntax: 'key start stop [WITHSCORES]',
    summary: 'Returns elements within a range of ranks, the greatest score first.',
    needs: wantsRange(reversed),
    stages: (x) => stageRange(x, reversed),
    handler: (x) => zrange(x, reversed),
  },
  ZRANGEBYSCORE: {
    ...reads,
    since: '1.0.5',
    syntax: 'key min max [WITHSCORES] [LIMIT offset count]',
    summary: 'Returns elements within a range of scores.',
    needs: wantsRange(byScore),
    stages: (x) => stageRange(x, byScore),
    handler: (x) => zrange(x, byScore),
  },
  ZREVRANGEBYSCORE: {
    ...reads,
    since: '2.2.0',
    syntax: 'key max min [WITHSCORES] [LIMIT offset count]',
    summary: 'Returns elements within a range of scores, the greatest first.',
    needs: wantsRange(byScoreReversed),
    stages: (x) => stageRange(x, byScoreReversed),
    handler: (x) => zrange(x, byScoreReversed),
  },
  ZRANGEBYLEX: {
    ...reads,
    since: '2.8.9',
    syntax: 'key min max [LIMIT offset count]',
    summary: 'Returns elements, all of one score, within a range of members.',
    needs: wantsRange(byLex),
    stages: (x) => stageRange(x, byLex),
    handler: (x) => zrange(x, byLex),
  },
  ZREVRANGEBYLEX: {
    ...reads,
    since: '2.8.9',
    syntax: 'key max min [LIMIT offset count]',
    summary: 'Returns elements, all of one score, within a range of members, the greatest first.',
    needs: wantsRange(byLexReversed),
    stages: (x) => stageRange(x, byLexReversed),
    handler: (x) => zrange(x, byLexReversed),
  },
  ZRANGESTORE: {
    ...reads,
    arity: -5,
    flags: ['write', 'denyoom'],
    keys: {
      first: 1,
      last: 2,
      step: 1,
      access: [
        { first: 1, last: 0, step: 1, flags: ['OW', 'update'] },
        { first: 2, last: 0, step: 1, flags: ['RO', 'access'] },
      ],
    },
    since: '6.2.0',
    complexity: 'O(log(N)+M) where N is the number of elements and M that of those stored',
    syntax: 'dst src min max [BYSCORE | BYLEX] [REV] [LIMIT offset count]',
    summary: 'Stores elements within a range of ranks, scores or members.',
    needs: wantsStoredRange,
    stages: stageStoredRange,
    handler: zrangestore,
  },
  ZCOUNT: {
    ...counts,
    since: '2.0.0',
    summary: 'Counts the elements within a range of scores.',
    needs: wantsScoreCount,
    handler: (x) => count(x, scoreBounds, notAScoreRange),
  },
  ZLEXCOUNT: {
    ...counts,
    since: '2.8.9',
    summary: 'Counts the elements, all of one score, within a range of members.',
    needs: wantsLexCount,
    handler: (x) => count(x, lexBounds, notALexRange),
  },
  ZREMRANGEBYRANK: {
    ...removes,
    since: '2.0.0',
    syntax: 'key start stop',
    summary: 'Removes the elements within a range of ranks.',
    needs: wantsRemoval(ranksOf),
    stages: (x) => stageRangeRemoval(x, rankBounds),
    handler: zremrangebyrank,
  },
  ZREMRANGEBYSCORE: {
    ...removes,
    since: '1.2.0',
    summary: 'Removes the elements within a range of scores.',
    needs: wantsRemoval((args, finder) => scoreBounds(args, 2, 3)?.(finder)),
    stages: (x) => stageRangeRemoval(x, (args) => scoreBounds(args, 2, 3)),
    handler: (x) => removeBetween(x, scoreBounds(x.args, 2, 3), notAScoreRange, 'zremrangebyscore'),
  },
  ZREMRANGEBYLEX: {
    ...removes,
    since: '2.8.9',
    summary: 'Removes the elements, all of one score, within a range of members.',
    needs: wantsRemoval((args, finder) => lexBounds(args, 2, 3)?.(finder)),
    stages: (x) => stageRangeRemoval(x, (args) => lexBounds(args, 2, 3)),
    handler: (x) => removeBetween(x, lexBounds(x.args, 2, 3), notALexRange, 'zremrangebylex'),
  },
} as const satisfies Record<string, EngineCommand>

function finderOf(x: Execution, entry: number): RankFinder {
  const { sortedSets } = x.mutator.types
  return {
    length: x.keyspace.entries.length(entry),
    rankOfScore: (score, withEqual) => sortedSets.rankOfScore(entry, score, withEqual),
    rankWhile: (isBefore) => sortedSets.rankWhile(entry, isBefore),
  }
}

/** The elements within bounds, all that tells being resident. */
function spanOf(x: Execution, entry: number, bounds: Bounds): Span {
  const span = bounds(finderOf(x, entry))
  if (span === undefined) throw new Error('sorted set: a leaf that is needed is cold')
  return span
}

function zrange(x: Execution, fixed: FixedOptions): void {
  const { reply } = x
  const options = readRangeOptions(x.args, 1, fixed)
  if (typeof options === 'string') {
    reply.error(options)
    return
  }
  const entry = x.readType(1, sortedSetType)
  if (entry === wrongType) return
  if (entry === 0) {
    reply.array(0)
    return
  }
  const { bounds, reverse, withScores } = options
  const span = bounds === undefined ? rankSpan(options, x.keyspace.entries.length(entry)) : spanOf(x, entry, bounds)
  const { first, count: shown } = slice(span, options)
  reply.array(withScores && reply.protocol === 2 ? 2 * shown : shown)
  const image = imageOf(x, entry)
  if (image !== undefined) image.each((bytes) => reply.rawShared(bytes))
  else x.mutator.types.sortedSets.visit(entry, first, shown, reverse, replyScored(reply, withScores))
}

function zrangestore(x: Execution): void {
  const options = readRangeOptions(x.args, 2, { stores: true })
  if (typeof options === 'string') {
    x.reply.error(options)
    return
  }
  const entry = x.readType(2, sortedSetType)
  if (entry === wrongType) return
  const staged = x.staged instanceof RepeatedWork ? (x.staged.settle() as StoredElements | undefined) : undefined
  if (staged !== undefined) {
    const stored = staged.count
    const hadSome = staged.place(x, 1)
    tellStored(x, stored, hadSome)
    return
  }
  const list = new ScoredList()
  if (entry !== 0) {
    const { bounds } = options
    const span = bounds === undefined ? rankSpan(options, x.keyspace.entries.length(entry)) : spanOf(x, entry, bounds)
    const { first, count: stored } = slice(span, options)
    const from = options.reverse ? first - stored + 1 : first
    x.mutator.types.sortedSets.visit(entry, from, stored, false, (bytes, start, end, score) => list.add(bytes, start, end, score))
  }
  const existed = replaceWith(
    x,
    list,
    Uint32Array.from({ length: list.count }, (_, i) => i),
  )
  tellStored(x, list.count, existed)
}

function tellStored(x: Execution, count: number, existed: boolean): void {
  if (count > 0) x.notify(sortedSetEvent, 'zrangestore', 1)
  else if (existed) x.notify(genericEvent, 'del', 1)
  x.reply.integer(count)
}

function count(x: Execution, read: (args: Arguments, min: number, max: number) => Bounds | undefined, error: string): void {
  const bounds = read(x.args, 2, 3)
  if (bounds === undefined) {
    x.reply.error(error)
    return
  }
  const entry = x.readType(1, sortedSetType)
  if (entry === wrongType) return
  if (entry === 0) {
    x.reply.integer(0)
    return
  }
  const { first, end } = spanOf(x, entry, bounds)
  x.reply.integer(end - first)
}

function ranksOf(args: Arguments, { length }: RankFinder): Span | undefined {
  const start = args.bigInteger(2)
  const stop = args.bigInteger(3)
  return start === undefined || stop === undefined ? undefined : ranksBetween(Number(start), Number(stop), length)
}

function zremrangebyrank(x: Execution): void {
  removeBetween(x, rankBounds(x.args), notAnInteger, 'zremrangebyrank')
}

/** Bounds by rank; undefined when an argument is none. */
function rankBounds(args: Arguments): Bounds | undefined {
  return args.isInt64(2) && args.isInt64(3) ? (finder) => ranksOf(args, finder) : undefined
}

function removeBetween(x: Execution, bounds: Bounds | undefined, error: string, event: string): void {
  if (bounds === undefined) {
    x.reply.error(error)
    return
  }
  const entry = x.findType(1, sortedSetType)
  if (entry === wrongType) return
  const staged = removalOf(x, entry, RangeRemoval)
  if (staged !== undefined) {
    removeStagedRange(x, entry, staged, 1)
    x.notify(sortedSetEvent, event, 1)
    x.reply.integer(staged.plan.count)
    return
  }
  const { first, end } = entry === 0 ? { first: 0, end: 0 } : spanOf(x, entry, bounds)
  if (first < end) {
    const isAll = end - first === x.keyspace.entries.length(entry)
    const atOnce = isAll ? undefined : removedAtOnce(x, entry, end - first, () => stageRangeRemoval(x, () => () => ({ first, end })))
    if (isAll) x.mutator.deleteEntry(entry)
    else if (atOnce !== undefined) removeStagedRange(x, entry, atOnce, 1)
    else removeSpan(x, entry, first, end - first)
    x.notify(sortedSetEvent, event, 1)
    if (isAll) x.notify(genericEvent, 'del', 1)
  }
  x.reply.integer(end - first)
}
