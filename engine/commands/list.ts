/** Commands on lists: at their ends, and on single elements. The others are in the files named `list-…`. */
import type { EngineCommand } from '../command.ts'
import { keyAt } from '../command.ts'
import type { Execution } from '../execution.ts'
import { wrongType } from '../execution.ts'
import { listType } from '../keyspace/entries.ts'
import type { StagedWork } from '../staged-work.ts'
import { noSuchKey, wrongArgumentCount } from './errors.ts'
import { blockingListCommands } from './list-blocking.ts'
import { pushArguments, setElement } from './list-edits.ts'
import { popWithReply, replyElement } from './list-elements.ts'
import { stagePop } from './list-image.ts'
import { listMoveCommands } from './list-move.ts'
import { wantsHead, wantsHeads, wantsIndex, wantsTail, wantsTails } from './list-needs.ts'
import { listRangeCommands } from './list-range.ts'
import { listSearchCommands } from './list-search.ts'
import { readLong, readLongFrom } from './long-argument.ts'
import { peek } from './look-up.ts'
import { stagePush } from './staged-push.ts'

const list = { categories: ['list'], group: 'list' } as const
const push = {
  ...list,
  arity: -3,
  flags: ['write', 'denyoom', 'fast'],
  keys: keyAt(1, 'RW', 'insert'),
  complexity: 'O(1) for each element added',
  syntax: 'key element [element ...]',
} as const
const pop = {
  ...list,
  arity: -2,
  flags: ['write', 'fast'],
  keys: keyAt(1, 'RW', 'access', 'delete'),
  since: '1.0.0',
  complexity: 'O(N) where N is the number of elements returned',
  syntax: 'key [count]',
} as const

export const listCommands = {
  LPUSH: { ...push, stages: stageHeads, since: '1.0.0', summary: 'Puts elements at the head of a list.', needs: wantsHead, handler: lpush },
  RPUSH: { ...push, stages: stageTails, since: '1.0.0', summary: 'Puts elements at the tail of a list.', needs: wantsTail, handler: rpush },
  LPUSHX: {
    ...push,
    stages: stageHeads,
    since: '2.2.0',
    summary: 'Puts elements at the head of a list if it exists.',
    needs: wantsHead,
    handler: lpushx,
  },
  RPUSHX: {
    ...push,
    stages: stageTails,
    since: '2.2.0',
    summary: 'Puts elements at the tail of a list if it exists.',
    needs: wantsTail,
    handler: rpushx,
  },
  LPOP: { ...pop, stages: stageLeftPop, summary: 'Takes elements from the head of a list.', needs: wantsHeads, handler: lpop },
  RPOP: { ...pop, stages: stageRightPop, summary: 'Takes elements from the tail of a list.', needs: wantsTails, handler: rpop },
  LLEN: {
    ...list,
    arity: 2,
    flags: ['readonly', 'fast'],
    keys: keyAt(1, 'RO'),
    since: '1.0.0',
    complexity: 'O(1)',
    syntax: 'key',
    summary: 'Counts the elements of a list.',
    needs: 'none',
    handler: llen,
  },
  LINDEX: {
    ...list,
    arity: 3,
    flags: ['readonly'],
    keys: keyAt(1, 'RO', 'access'),
    since: '1.0.0',
    complexity: 'O(log N)',
    syntax: 'key index',
    summary: 'Returns an element of a list by its index.',
    needs: wantsIndex,
    handler: lindex,
  },
  LSET: {
    ...list,
    arity: 4,
    flags: ['write', 'denyoom'],
    keys: keyAt(1, 'RW', 'update'),
    since: '1.0.0',
    complexity: 'O(log N)',
    syntax: 'key index element',
    summary: 'Replaces an element of a list.',
    needs: wantsIndex,
    handler: lset,
  },
  ...listRangeCommands,
  ...listSearchCommands,
  ...listMoveCommands,
  ...blockingListCommands,
} as const satisfies Record<string, EngineCommand>

function stageHeads(x: Execution): StagedWork | undefined {
  return stagePush(x, false)
}

function stageTails(x: Execution): StagedWork | undefined {
  return stagePush(x, true)
}

function stageLeftPop(x: Execution): StagedWork | undefined {
  return x.args.count === 3 ? stagePop(x, 1, x.args.integer(2), false) : undefined
}

function stageRightPop(x: Execution): StagedWork | undefined {
  return x.args.count === 3 ? stagePop(x, 1, x.args.integer(2), true) : undefined
}

function lpush(x: Execution): void {
  pushes(x, false, false)
}

function rpush(x: Execution): void {
  pushes(x, true, false)
}

function lpushx(x: Execution): void {
  pushes(x, false, true)
}

function rpushx(x: Execution): void {
  pushes(x, true, true)
}

function pushes(x: Execution, tail: boolean, onlyIfThere: boolean): void {
  const entry = x.findType(1, listType)
  if (entry === wrongType) return
  if (entry === 0 && onlyIfThere) {
    x.reply.integer(0)
    return
  }
  const before = entry === 0 ? 0 : x.keyspace.entries.length(entry)
  pushArguments(x, entry, 1, 2, tail)
  x.reply.integer(before + x.args.count - 2)
}

function lpop(x: Execution): void {
  pops(x, 'lpop', false)
}

function rpop(x: Execution): void {
  pops(x, 'rpop', true)
}

function pops(x: Execution, command: string, tail: boolean): void {
  const { args, reply } = x
  if (args.count > 3) {
    reply.error(wrongArgumentCount(command))
    return
  }
  const isCounted = args.count === 3
  const given = isCounted ? readLongFrom(x, 2, 0) : 1
  if (Number.isNaN(given)) return
  const entry = x.findType(1, listType)
  if (entry === wrongType) return
  if (entry === 0) {
    if (isCounted) reply.nilArray()
    else reply.nil()
    return
  }
  const count = Math.min(given, x.keyspace.entries.length(entry))
  if (isCounted) reply.array(count)
  if (count > 0) popWithReply(x, entry, 1, count, tail)
}

function llen(x: Execution): void {
  const entry = peek(x, 1)
  if (entry !== 0 && x.keyspace.entries.type(entry) !== listType) x.refuseType()
  else x.reply.integer(entry === 0 ? 0 : x.keyspace.entries.length(entry))
}

function lindex(x: Execution): void {
  const entry = x.readType(1, listType)
  if (entry === wrongType) return
  if (entry === 0) {
    x.reply.nil()
    return
  }
  const index = readLong(x, 2)
  if (Number.isNaN(index)) return
  const rank = rankOf(x, entry, index)
  if (rank < 0) x.reply.nil()
  else replyElement(x, entry, rank)
}

function lset(x: Execution): void {
  const { reply } = x
  const entry = x.findType(1, listType)
  if (entry === wrongType) return
  if (entry === 0) {
    reply.error(noSuchKey)
    return
  }
  const index = readLong(x, 2)
  if (Number.isNaN(index)) return
  const rank = rankOf(x, entry, index)
  if (rank < 0) {
    reply.error('ERR index out of range')
    return
  }
  setElement(x, entry, rank, 3)
  reply.ok()
}

/** The rank that an index means, counted from the tail if negative; -1 when there is no such element. */
function rankOf({ keyspace }: Execution, entry: number, index: number): number {
  const length = keyspace.entries.length(entry)
  const rank = index < 0 ? index + length : index
  return rank >= 0 && rank < length ? rank : -1
}
