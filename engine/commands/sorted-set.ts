/**
 * Commands on elements of sorted sets. Ranges are in `sorted-set-range.ts`, combinations in `sorted-set-algebra.ts`, what takes elements from the ends in
 * `sorted-set-pop.ts`, those that wait in `sorted-set-blocking.ts`, ZRANDMEMBER and ZSCAN in files of their own. Texts and rules as in Redis 7.0; ZRANK's WITHSCORE as in 7.2.
 */
import type { EngineCommand } from '../command.ts'
import { keyAt } from '../command.ts'
import type { Execution } from '../execution.ts'
import { wrongType } from '../execution.ts'
import { sortedSetType } from '../keyspace/entries.ts'
import { genericEvent, sortedSetEvent } from '../messages.ts'
import { removeEdit } from '../types/sorted-set-type.ts'
import { syntaxError, wrongArgumentCount } from './errors.ts'
import { namedRemovalOf, removeNamed, stageNamed } from './named-removal.ts'
import { sortedSetAddCommands } from './sorted-set-add.ts'
import { sortedSetAlgebraCommands } from './sorted-set-algebra.ts'
import { blockingSortedSetCommands } from './sorted-set-blocking.ts'
import { wantsRank, wantsRemovedMembers, wantsScores } from './sorted-set-needs.ts'
import { sortedSetPopCommands } from './sorted-set-pop.ts'
import { sortedSetRandomCommands } from './sorted-set-random.ts'
import { sortedSetRangeCommands } from './sorted-set-range.ts'
import { sortedSetScanCommands } from './sorted-set-scan.ts'

const about = { categories: ['sortedset'], group: 'sorted-set', since: '1.2.0' } as const
const ranks = {
  ...about,
  arity: -3,
  flags: ['readonly', 'fast'],
  keys: keyAt(1, 'RO', 'access'),
  since: '2.0.0',
  complexity: 'O(log(N)) where N is the number of elements',
  syntax: 'key member [WITHSCORE]',
  needs: wantsRank,
} as const

export const sortedSetCommands = {
  ...sortedSetAddCommands,
  ZREM: {
    ...about,
    arity: -3,
    flags: ['write', 'fast'],
    keys: keyAt(1, 'RW', 'delete'),
    complexity: 'O(M*log(N)) where N is the number of elements and M that of those to be removed',
    briefArguments: 4,
    syntax: 'key member [member ...]',
    summary: 'Removes members, and the sorted set with its last one.',
    needs: wantsRemovedMembers,
    stages: (x) => stageNamed(x, sortedSetType),
    handler: zrem,
  },
  ZCARD: {
    ...about,
    arity: 2,
    flags: ['readonly', 'fast'],
    keys: keyAt(1, 'RO'),
    complexity: 'O(1)',
    syntax: 'key',
    summary: 'Returns the number of members.',
    needs: 'none',
    handler: zcard,
  },
  ZSCORE: {
    ...about,
    arity: 3,
    flags: ['readonly', 'fast'],
    keys: keyAt(1, 'RO', 'access'),
    complexity: 'O(1)',
    syntax: 'key member',
    summary: 'Returns the score of a member.',
    needs: wantsScores,
    handler: zscore,
  },
  ZMSCORE: {
    ...about,
    arity: -3,
    flags: ['readonly', 'fast'],
    keys: keyAt(1, 'RO', 'access'),
    since: '6.2.0',
    complexity: 'O(N) where N is the number of members asked for',
    briefArguments: 8,
    syntax: 'key member [member ...]',
    summary: 'Returns the scores of several members.',
    needs: wantsScores,
    handler: zmscore,
  },
  ZRANK: { ...ranks, summary: 'Returns how many elements have less than a member, and its score.', handler: (x) => zrank(x, false) },
  ZREVRANK: { ...ranks, summary: 'Returns how many elements have more than a member, and its score.', handler: (x) => zrank(x, true) },
  ...sortedSetRangeCommands,
  ...sortedSetPopCommands,
  ...blockingSortedSetCommands,
  ...sortedSetRandomCommands,
  ...sortedSetScanCommands,
  ...sortedSetAlgebraCommands,
} as const satisfies Record<string, EngineCommand>

function zrem(x: Execution): void {
  const { args, reply } = x
  const entry = x.findType(1, sortedSetType)
  if (entry === wrongType) return
  const { sortedSets } = x.mutator.types
  const staged = namedRemovalOf(x, entry, sortedSetType)
  if (staged !== undefined) {
    reply.integer(removeNamed(x, entry, staged, sortedSets, removeEdit, sortedSetEvent, 'zrem'))
    return
  }
  let first = 2
  if (entry !== 0)
    while (first < args.count && Number.isNaN(sortedSets.score(entry, args.buffer, args.starts[first], args.ends[first]))) first++
  if (entry === 0 || first === args.count) {
    reply.integer(0)
    return
  }
  const before = x.keyspace.entries.length(entry)
  const payload = x.mutator.payload()
  payload.varint(args.count - first)
  for (let i = first; i < args.count; i++) payload.range(args.buffer, args.starts[i], args.ends[i])
  const removed = x.edit(sortedSets, removeEdit, 1)
  x.notify(sortedSetEvent, 'zrem', 1)
  if (removed === before) x.notify(genericEvent, 'del', 1)
  reply.integer(removed)
}

function zcard(x: Execution): void {
  const entry = x.readType(1, sortedSetType)
  if (entry !== wrongType) x.reply.integer(entry === 0 ? 0 : x.keyspace.entries.length(entry))
}

function scoreOf(x: Execution, entry: number, index: number): number {
  const { args } = x
  return entry === 0 ? Number.NaN : x.mutator.types.sortedSets.score(entry, args.buffer, args.starts[index], args.ends[index])
}

function zscore(x: Execution): void {
  const entry = x.readType(1, sortedSetType)
  if (entry !== wrongType) replyScore(x, scoreOf(x, entry, 2))
}

function zmscore(x: Execution): void {
  const entry = x.readType(1, sortedSetType)
  if (entry === wrongType) return
  const { count } = x.args
  x.reply.array(count - 2)
  for (let i = 2; i < count; i++) replyScore(x, scoreOf(x, entry, i))
}

function replyScore({ reply }: Execution, score: number): void {
  if (Number.isNaN(score)) reply.nil()
  else reply.double(score)
}

function zrank(x: Execution, reverse: boolean): void {
  const { args, reply } = x
  if (args.count > 4) {
    reply.error(wrongArgumentCount(reverse ? 'zrevrank' : 'zrank'))
    return
  }
  const withScore = args.count === 4
  if (withScore && !args.is(3, 'WITHSCORE')) {
    reply.error(syntaxError)
    return
  }
  const entry = x.readType(1, sortedSetType)
  if (entry === wrongType) return
  const score = scoreOf(x, entry, 2)
  if (Number.isNaN(score)) {
    if (withScore) reply.nilArray()
    else reply.nil()
    return
  }
  const rank = x.mutator.types.sortedSets.rank(entry, score, args.buffer, args.starts[2], args.ends[2])
  if (withScore) reply.array(2)
  reply.integer(reverse ? x.keyspace.entries.length(entry) - 1 - rank : rank)
  if (withScore) reply.double(score)
}
