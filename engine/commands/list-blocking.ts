/** Commands that take an element of a list, and wait for one where there is none. Executed again when a key may have one (`blocking.ts`). */
import type { EngineCommand } from '../command.ts'
import { keysCounted, keysIn } from '../command.ts'
import type { Execution } from '../execution.ts'
import { wrongType } from '../execution.ts'
import { listType } from '../keyspace/entries.ts'
import type { ReplyWriter } from '../reply-writer.ts'
import { block, findAwaited, readTimeout, tries } from './blocking.ts'
import { syntaxError } from './errors.ts'
import { endOf, popWithReply } from './list-elements.ts'
import { movedKeys, moveElement, popsFirst, readPop } from './list-move.ts'
import { wantsFirst, wantsLast, wantsMoved, wantsPopped, wantsRotated } from './list-needs.ts'

const pop = {
  arity: -3,
  flags: ['write', 'noscript', 'blocking'],
  keys: keysIn(1, -2, 1, 'RW', 'access', 'delete'),
  categories: ['list'],
  group: 'list',
  since: '2.0.0',
  complexity: 'O(N) where N is the number of keys',
  syntax: 'key [key ...] timeout',
} as const
const move = {
  flags: ['write', 'denyoom', 'noscript', 'blocking'],
  keys: movedKeys,
  categories: ['list'],
  group: 'list',
  complexity: 'O(1)',
} as const

export const blockingListCommands = {
  BLPOP: { ...pop, summary: 'Takes the first element of a list, or waits for one.', needs: wantsFirst, handler: blpop },
  BRPOP: { ...pop, summary: 'Takes the last element of a list, or waits for one.', needs: wantsLast, handler: brpop },
  BLMOVE: {
    ...move,
    arity: 6,
    since: '6.2.0',
    syntax: 'source destination <LEFT | RIGHT> <LEFT | RIGHT> timeout',
    summary: 'Moves an element from one list to another, or waits for one.',
    needs: wantsMoved,
    handler: blmove,
  },
  BRPOPLPUSH: {
    ...move,
    arity: 4,
    since: '2.2.0',
    syntax: 'source destination timeout',
    summary: 'Moves the last element of a list to the head of another, or waits for one.',
    needs: wantsRotated,
    handler: brpoplpush,
  },
  BLMPOP: {
    arity: -5,
    flags: ['write', 'blocking', 'movablekeys'],
    keys: keysCounted(2, ['RW', 'access', 'delete']),
    categories: ['list'],
    group: 'list',
    since: '7.0.0',
    complexity: 'O(N+M) where N is the number of keys and M is the number of elements returned',
    syntax: 'timeout numkeys key [key ...] <LEFT | RIGHT> [COUNT count]',
    summary: 'Takes elements from the first list that has any, or waits for one.',
    needs: wantsPopped,
    handler: blmpop,
  },
} as const satisfies Record<string, EngineCommand>

const timedOut = (reply: ReplyWriter): void => reply.nilArray()

function blpop(x: Execution): void {
  pops(x, false)
}

function brpop(x: Execution): void {
  pops(x, true)
}

function pops(x: Execution, tail: boolean): void {
  const { args, reply } = x
  const last = args.count - 1
  const timeoutMs = readTimeout(x, last)
  if (Number.isNaN(timeoutMs)) return
  for (let i = 1; i < last; i++) {
    if (!tries(x, i)) continue
    const entry = findAwaited(x, i, listType)
    if (entry === wrongType) return
    if (entry === 0) continue
    reply.array(2)
    reply.bulk(args.buffer, args.starts[i], args.ends[i])
    popWithReply(x, entry, i, 1, tail)
    return
  }
  block(x, { keys: Array.from({ length: last - 1 }, (_, i) => i + 1), timeoutMs, timedOut })
}

function blmove(x: Execution): void {
  const from = endOf(x, 3)
  const to = endOf(x, 4)
  if (from < 0 || to < 0) x.reply.error(syntaxError)
  else moves(x, from === 1, to === 1, 5)
}

function brpoplpush(x: Execution): void {
  moves(x, true, false, 3)
}

function moves(x: Execution, fromTail: boolean, toTail: boolean, timeoutAt: number): void {
  const timeoutMs = readTimeout(x, timeoutAt)
  if (Number.isNaN(timeoutMs)) return
  const entry = findAwaited(x, 1, listType)
  if (entry === wrongType) return
  if (entry !== 0) moveElement(x, fromTail, toTail)
  else if (x.mayBlock) block(x, { keys: [1], timeoutMs, timedOut })
  else x.reply.nil()
}

function blmpop(x: Execution): void {
  const asked = readPop(x, 2)
  if (asked === undefined) return
  const timeoutMs = readTimeout(x, 1)
  if (Number.isNaN(timeoutMs) || popsFirst(x, asked, true)) return
  block(x, { keys: asked.keys, timeoutMs, timedOut })
}
