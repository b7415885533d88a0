/** Moving an element from one list to another, and popping from the first list that has something. */
import type { EngineCommand } from '../command.ts'
import { keysCounted, keysEach } from '../command.ts'
import type { Execution } from '../execution.ts'
import { wrongType } from '../execution.ts'
import { listType } from '../keyspace/entries.ts'
import type { StagedWork } from '../staged-work.ts'
import { readElementAt } from '../types/list-walk.ts'
import { findAwaited, tries } from './blocking.ts'
import { syntaxError } from './errors.ts'
import { popElements, pushElement } from './list-edits.ts'
import { element, endOf, popWithReply, replyElement } from './list-elements.ts'
import { stagePop } from './list-image.ts'
import { wantsMoved, wantsPopped, wantsRotated } from './list-needs.ts'
import { readLongFrom } from './long-argument.ts'

export const movedKeys = keysEach(
  { first: 1, last: 0, step: 1, flags: ['RW', 'access', 'delete'] },
  { first: 2, last: 0, step: 1, flags: ['RW', 'insert'] },
)

export const listMoveCommands = {
  LMOVE: {
    arity: 5,
    flags: ['write', 'denyoom'],
    keys: movedKeys,
    categories: ['list'],
    group: 'list',
    since: '6.2.0',
    complexity: 'O(1)',
    syntax: 'source destination <LEFT | RIGHT> <LEFT | RIGHT>',
    summary: 'Takes an element from one list, puts it into another and returns it.',
    needs: wantsMoved,
    handler: lmove,
  },
  RPOPLPUSH: {
    arity: 3,
    flags: ['write', 'denyoom'],
    keys: movedKeys,
    categories: ['list'],
    group: 'list',
    since: '1.2.0',
    complexity: 'O(1)',
    syntax: 'source destination',
    summary: 'Takes the last element of a list, puts it in front of another and returns it.',
    needs: wantsRotated,
    handler: rpoplpush,
  },
  LMPOP: {
    arity: -4,
    flags: ['write', 'movablekeys'],
    keys: keysCounted(1, ['RW', 'access', 'delete']),
    categories: ['list'],
    group: 'list',
    since: '7.0.0',
    complexity: 'O(N+M) where N is the number of keys and M is the number of elements returned',
    syntax: 'numkeys key [key ...] <LEFT | RIGHT> [COUNT count]',
    summary: 'Takes elements from the first list that has any.',
    needs: wantsPopped,
    stages: stagePopped,
    handler: lmpop,
  },
} as const satisfies Record<string, EngineCommand>

function lmove(x: Execution): void {
  const from = endOf(x, 3)
  const to = endOf(x, 4)
  if (from < 0 || to < 0) x.reply.error(syntaxError)
  else moves(x, from === 1, to === 1)
}

function rpoplpush(x: Execution): void {
  moves(x, true, false)
}

function moves(x: Execution, fromTail: boolean, toTail: boolean): void {
  const entry = x.findType(1, listType)
  if (entry === wrongType) return
  if (entry === 0) x.reply.nil()
  else moveElement(x, fromTail, toTail)
}

/** Moves an element from the list under argument 1, which is there, to the one under argument 2, and replies with it. */
export function moveElement(x: Execution, fromTail: boolean, toTail: boolean): void {
  const { keyspace } = x
  const target = x.findType(2, listType)
  if (target === wrongType) return
  const source = x.find(1)
  const rank = fromTail ? keyspace.entries.length(source) - 1 : 0
  replyElement(x, source, rank)
  const bytes = readElementAt(keyspace, source, rank, element)
  // It comes in before it goes: so nothing need be kept in between, and a list that is turned never is empty.
  pushElement(x, target, 2, bytes, element.start, element.end, toTail)
  // Where both ends are one of the same list, either of the two that are alike may go.
  popElements(x, x.find(1), 1, 1, fromTail)
}

function lmpop(x: Execution): void {
  const asked = readPop(x, 1)
  if (asked === undefined) return
  if (!popsFirst(x, asked, false)) x.reply.nilArray()
}

/** What is staged of LMPOP that asks for many elements. */
function stagePopped(x: Execution): StagedWork | undefined {
  const { args, keyspace, db } = x
  const keys = args.integer(1)
  const where = keys + 2
  if (!(keys > 0 && where + 2 < args.count && args.is(where + 1, 'COUNT'))) return undefined
  for (let key = 2; key < where; key++) {
    if (keyspace.find(db, args.buffer, args.starts[key], args.ends[key]) === 0) continue
    return stagePop(x, key, args.integer(where + 2), endOf(x, where) === 1)
  }
  return undefined
}

/** What LMPOP and BLMPOP ask for. */
export interface AskedPop {
  readonly keys: readonly number[]
  readonly tail: boolean
  readonly count: number
}

/** Reads `numkeys key [key ...] LEFT|RIGHT [COUNT count]` from argument `index` on; undefined when that is wrong and the error is written. */
export function readPop(x: Execution, index: number): AskedPop | undefined {
  const { args, reply } = x
  const numkeys = readLongFrom(x, index, 1, 'ERR numkeys should be greater than 0')
  if (Number.isNaN(numkeys)) return undefined
  const where = index + numkeys + 1
  const end = where < args.count ? endOf(x, where) : -1
  if (end < 0) {
    reply.error(syntaxError)
    return undefined
  }
  let count = -1
  for (let i = where + 1; i < args.count; i += 2) {
    if (count >= 0 || !args.is(i, 'COUNT') || i + 1 >= args.count) {
      reply.error(syntaxError)
      return undefined
    }
    count = readLongFrom(x, i + 1, 1, 'ERR count should be greater than 0')
    if (Number.isNaN(count)) return undefined
  }
  return { keys: Array.from({ length: numkeys }, (_, i) => index + 1 + i), tail: end === 1, count: Math.max(count, 1) }
}

/** Pops from the first list that has something, and replies with its key and the elements. True when there is a reply, be it an error. */
export function popsFirst(x: Execution, { keys, tail, count }: AskedPop, awaited: boolean): boolean {
  const { args, reply, keyspace } = x
  for (const key of keys) {
    if (awaited && !tries(x, key)) continue
    const entry = awaited ? findAwaited(x, key, listType) : x.findType(key, listType)
    if (entry === wrongType) return true
    if (entry === 0) continue
    const run = Math.min(count, keyspace.entries.length(entry))
    reply.array(2)
    reply.bulk(args.buffer, args.starts[key], args.ends[key])
    reply.array(run)
    popWithReply(x, entry, key, run, tail)
    return true
  }
  return false
}
