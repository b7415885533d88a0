/** Commands that look for an element by its bytes: from the head, or from the tail, as far as they have to. */
import type { EngineCommand } from '../command.ts'
import { keyAt } from '../command.ts'
import type { Execution } from '../execution.ts'
import { wrongType } from '../execution.ts'
import { listType } from '../keyspace/entries.ts'
import { sameBytes } from '../memory/packed-bytes.ts'
import { genericEvent, listEvent } from '../messages.ts'
import type { StagedWork } from '../staged-work.ts'
import { visitBackwards, visitForwards } from '../types/list-walk.ts'
import { syntaxError } from './errors.ts'
import { insertElement, removeMatches, removeRanks } from './list-edits.ts'
import { matchesOf, stageSearch } from './list-matches.ts'
import { ListRemoval, stageRemoval } from './list-removal.ts'
import { readLong, readLongFrom } from './long-argument.ts'

const longMin = -(2 ** 63)
/** Elements that are compared without slices. */
const lengthAtOnceMax = 65_536
/** From so many ranks on their replies are made with the search. */
const shownMin = 1024

export const listSearchCommands = {
  LINSERT: {
    arity: 5,
    flags: ['write', 'denyoom'],
    keys: keyAt(1, 'RW', 'insert'),
    categories: ['list'],
    group: 'list',
    since: '2.2.0',
    complexity: 'O(N) where N is the number of elements before the pivot',
    syntax: 'key <BEFORE | AFTER> pivot element',
    summary: 'Puts an element before or after another one in a list.',
    stages: (x) => stageSearch(x, 3, false, 1),
    handler: linsert,
  },
  LREM: {
    arity: 4,
    flags: ['write'],
    keys: keyAt(1, 'RW', 'delete'),
    categories: ['list'],
    group: 'list',
    since: '1.0.0',
    complexity: 'O(N) where N is the length of the list',
    syntax: 'key count element',
    summary: 'Removes elements of a list that have this value.',
    stages: stageRemoval,
    handler: lrem,
  },
  LPOS: {
    arity: -3,
    flags: ['readonly'],
    keys: keyAt(1, 'RO', 'access'),
    categories: ['list'],
    group: 'list',
    since: '6.0.6',
    complexity: 'O(N) where N is the number of elements that are compared',
    syntax: 'key element [RANK rank] [COUNT num-matches] [MAXLEN len]',
    summary: 'Returns the indexes of elements of a list that have this value.',
    stages: stageLpos,
    handler: lpos,
  },
} as const satisfies Record<string, EngineCommand>

/** Visits the ranks of elements whose bytes are those of argument `index`, among the first `max` from the head or from the tail; false ends it. */
function eachMatch(x: Execution, entry: number, index: number, backwards: boolean, max: number, visit: (rank: number) => boolean): void {
  const { args, keyspace } = x
  const { staged } = x
  const image = staged instanceof ListRemoval ? staged.image : staged
  const found = matchesOf(image, entry)
  if (found !== undefined) {
    found.each(backwards, max, visit)
    return
  }
  const { buffer } = args
  const wanted = args.starts[index]
  const length = args.length(index)
  const end = keyspace.entries.length(entry)
  const step = backwards ? -1 : 1
  let rank = backwards ? end - 1 : 0
  const compare = (bytes: Buffer, from: number, to: number): boolean => {
    const goesOn = to - from !== length || !sameBytes(bytes, from, buffer, wanted, length) || visit(rank)
    rank += step
    return goesOn
  }
  if (backwards) visitBackwards(keyspace, entry, rank, max, compare)
  else visitForwards(keyspace, entry, rank, max, compare)
}

function linsert(x: Execution): void {
  const { args, reply } = x
  const behind = args.is(2, 'AFTER')
  if (!behind && !args.is(2, 'BEFORE')) {
    reply.error(syntaxError)
    return
  }
  const entry = x.findType(1, listType)
  if (entry === wrongType) return
  if (entry === 0) {
    reply.integer(0)
    return
  }
  let pivot = -1
  const length = x.keyspace.entries.length(entry)
  eachMatch(x, entry, 3, false, length, (rank) => {
    pivot = rank
    return false
  })
  if (pivot < 0) {
    reply.integer(-1)
    return
  }
  insertElement(x, entry, pivot, behind, 4)
  reply.integer(length + 1)
}

function lrem(x: Execution): void {
  const count = readLong(x, 2)
  if (Number.isNaN(count)) return
  const entry = x.findType(1, listType)
  if (entry === wrongType) return
  if (entry === 0) {
    x.reply.integer(0)
    return
  }
  const rewritten = x.staged instanceof ListRemoval ? x.staged.take(entry) : undefined
  if (rewritten !== undefined) {
    const { matches, list } = rewritten
    const isWhole = list.removed === x.keyspace.entries.length(entry)
    removeMatches(x, matches, list, 3)
    x.notify(listEvent, 'lrem', 1)
    if (isWhole) x.notify(genericEvent, 'del', 1)
    x.reply.integer(list.removed)
    return
  }
  const ranks: number[] = []
  const max = count === 0 ? Number.POSITIVE_INFINITY : Math.abs(count)
  const length = x.keyspace.entries.length(entry)
  eachMatch(x, entry, 3, count < 0, length, (rank) => ranks.push(rank) < max)
  if (count < 0) ranks.reverse()
  if (ranks.length > 0) {
    removeRanks(x, ranks)
    x.notify(listEvent, 'lrem', 1)
    if (ranks.length === length) x.notify(genericEvent, 'del', 1)
  }
  x.reply.integer(ranks.length)
}

function lpos(x: Execution): void {
  const { reply, keyspace } = x
  const options = readOptions(x)
  if (options === undefined) return
  const entry = x.readType(1, listType)
  if (entry === wrongType) return
  const { rank: first, count, lengthMax } = options
  const max = lengthMax !== 0 ? lengthMax : entry === 0 ? 0 : keyspace.entries.length(entry)
  const wanted = count === undefined ? 1 : count === 0 ? Number.POSITIVE_INFINITY : count
  const staged = count === undefined || entry === 0 ? undefined : matchesOf(x.staged, entry)
  if (staged !== undefined) {
    staged.replyTo(reply, first < 0, max, Math.abs(first) - 1, wanted)
    return
  }
  const found: number[] = []
  let skip = Math.abs(first) - 1
  if (entry !== 0) eachMatch(x, entry, 2, first < 0, max, (rank) => skip-- > 0 || found.push(rank) < wanted)
  if (count !== undefined) {
    reply.array(found.length)
    for (const rank of found) reply.integer(rank)
  } else if (found.length > 0) reply.integer(found[0])
  else reply.nil()
}

/** A search that is short anyway is not staged. */
function stageLpos(x: Execution): StagedWork | undefined {
  const { args } = x
  let wanted = 1
  let skipped = 1
  for (let i = 3; i + 1 < args.count; i += 2) {
    const value = args.integer(i + 1)
    if (Number.isNaN(value)) return undefined
    if (args.is(i, 'MAXLEN') && value > 0 && value <= lengthAtOnceMax) return undefined
    if (args.is(i, 'COUNT')) wanted = value === 0 ? Number.POSITIVE_INFINITY : value
    if (args.is(i, 'RANK')) skipped = value
  }
  const shows = wanted < shownMin ? undefined : skipped < 0 ? 'descending' : 'ascending'
  return stageSearch(x, 2, skipped < 0, wanted + Math.abs(skipped) - 1, shows)
}

function readOptions(x: Execution): { rank: number; count: number | undefined; lengthMax: number } | undefined {
  const { args, reply } = x
  let rank = 1
  let count: number | undefined
  let lengthMax = 0
  for (let i = 3; i < args.count; i += 2) {
    const hasValue = i + 1 < args.count
    if (hasValue && args.is(i, 'RANK')) {
      rank = readLong(x, i + 1)
      if (Number.isNaN(rank)) return undefined
      // Redis cannot turn the least integer round either: it skips nothing.
      if (rank === longMin && args.bigInteger(i + 1) === BigInt(longMin)) rank = -1
      if (rank === 0) {
        reply.error(
          "ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... or use negative to start from the end of the list",
        )
        return undefined
      }
    } else if (hasValue && args.is(i, 'COUNT')) {
      count = readLongFrom(x, i + 1, 0, "ERR COUNT can't be negative")
      if (Number.isNaN(count)) return undefined
    } else if (hasValue && args.is(i, 'MAXLEN')) {
      lengthMax = readLongFrom(x, i + 1, 0, "ERR MAXLEN can't be negative")
      if (Number.isNaN(lengthMax)) return undefined
    } else {
      reply.error(syntaxError)
      return undefined
    }
  }
  return { rank, count, lengthMax }
}
