/** ZPOPMIN, ZPOPMAX and ZMPOP: removing the elements with the least or the greatest scores. */
import type { Arguments } from '../arguments.ts'
import type { EngineCommand } from '../command.ts'
import { keyAt, keysCounted } from '../command.ts'
import type { Execution } from '../execution.ts'
import { wrongType } from '../execution.ts'
import { sortedSetType } from '../keyspace/entries.ts'
import { genericEvent, sortedSetEvent } from '../messages.ts'
import type { StagedWork } from '../staged-work.ts'
import { notPositive, syntaxError } from './errors.ts'
import { poppedImage, RangeRemoval, removeStagedRange, stagePop } from './range-removal.ts'
import { ScoredList } from './scored-list.ts'
import { removeElements } from './sorted-set-change.ts'
import { wantsPopped } from './sorted-set-needs.ts'
import { removalOf } from './staged-removal.ts'

const pops = {
  arity: -2,
  flags: ['write', 'fast'],
  keys: keyAt(1, 'RW', 'access', 'delete'),
  categories: ['sortedset'],
  group: 'sorted-set',
  since: '5.0.0',
  complexity: 'O(log(N)*M) where N is the number of elements and M that of those removed',
  syntax: 'key [count]',
  briefArguments: 2,
} as const

export const sortedSetPopCommands = {
  ZPOPMIN: {
    ...pops,
    summary: 'Removes the elements with the least scores and returns them.',
    needs: wantsPopped(() => false, countArgument),
    stages: (x) => stageCounted(x, false),
    handler: (x) => zpop(x, false),
  },
  ZPOPMAX: {
    ...pops,
    summary: 'Removes the elements with the greatest scores and returns them.',
    needs: wantsPopped(() => true, countArgument),
    stages: (x) => stageCounted(x, true),
    handler: (x) => zpop(x, true),
  },
  ZMPOP: {
    ...pops,
    arity: -4,
    flags: ['write', 'movablekeys'],
    keys: keysCounted(1, ['RW', 'access', 'delete']),
    since: '7.0.0',
    syntax: 'numkeys key [key ...] <MIN | MAX> [COUNT count]',
    summary: 'Removes the elements with the least or the greatest scores of the first sorted set that has some.',
    needs: wantsPopped(
      (args) => readMultiPop(args, 1).isMax,
      (args) => readMultiPop(args, 1).count,
    ),
    stages: stageMultiPop,
    handler: zmpop,
  },
} as const satisfies Record<string, EngineCommand>

function countArgument(args: Arguments): number {
  const count = args.count > 2 ? args.bigInteger(2) : 1n
  return count === undefined ? 0 : Number(count)
}

function zpop(x: Execution, isMax: boolean): void {
  const { args, reply } = x
  if (args.count > 3) {
    reply.error(syntaxError)
    return
  }
  const hasCount = args.count === 3
  const given = hasCount ? args.bigInteger(2) : 1n
  if (given === undefined || given < 0n) {
    reply.error(notPositive)
    return
  }
  const entry = x.findType(1, sortedSetType)
  if (entry === wrongType) return
  const nests = hasCount && reply.protocol === 3
  const count = entry === 0 ? 0 : Math.min(Number(given), x.keyspace.entries.length(entry))
  reply.array(nests ? count : 2 * count)
  if (count > 0) popAndReply(x, entry, 1, isMax, count, nests)
}

/** Of ZPOPMIN and ZPOPMAX. */
function stageCounted(x: Execution, isMax: boolean): StagedWork | undefined {
  if (x.args.count !== 3) return undefined
  return stagePop(x, 1, isMax, countArgument(x.args), x.reply.protocol === 3)
}

function stageMultiPop(x: Execution): StagedWork | undefined {
  const { args, keyspace, db } = x
  const { keys, isMax, count } = readMultiPop(args, 1)
  for (let key = 2; key < keys + 2; key++) {
    if (keyspace.find(db, args.buffer, args.starts[key], args.ends[key]) !== 0) return stagePop(x, key, isMax, count, true)
  }
  return undefined
}

/** Pops `count` elements, at most as many as there are, and replies with them. */
function popAndReply(x: Execution, entry: number, key: number, isMax: boolean, count: number, nests: boolean): void {
  const image = poppedImage(x, entry, count)
  if (image === undefined) {
    const popped = popElements(x, entry, key, isMax, count)
    for (let i = 0; i < popped.count; i++) replyElement(x, popped, i, nests)
    return
  }
  image.each((bytes) => x.reply.rawShared(bytes))
  const removal = removalOf(x, entry, RangeRemoval)
  if (removal === undefined) x.mutator.deleteEntry(entry)
  else removeStagedRange(x, entry, removal, key)
  tellPopped(x, key, isMax, removal === undefined)
}

function tellPopped(x: Execution, key: number, isMax: boolean, isAll: boolean): void {
  x.notify(sortedSetEvent, isMax ? 'zpopmax' : 'zpopmin', key)
  if (isAll) x.notify(genericEvent, 'del', key)
}

const none = new ScoredList()
/** What a pop of few elements has popped, until the next one. */
const few = new ScoredList()
const fewMax = 16

/** Removes up to `count` elements from an end of the sorted set under the key that is argument `key`. */
export function popElements(x: Execution, entry: number, key: number, isMax: boolean, count: number): ScoredList {
  const length = x.keyspace.entries.length(entry)
  const removed = Math.min(count, length)
  if (removed === 0) return none
  const popped = removed <= fewMax ? few.clear() : new ScoredList()
  const add = (bytes: Buffer, start: number, end: number, score: number): void => popped.add(bytes, start, end, score)
  x.mutator.types.sortedSets.visit(entry, isMax ? length - 1 : 0, removed, isMax, add)
  removeElements(x, entry, key, popped.members)
  tellPopped(x, key, isMax, removed === length)
  return popped
}

export function replyElement({ reply }: Execution, list: ScoredList, index: number, nests: boolean): void {
  const { members } = list
  if (nests) reply.array(2)
  reply.bulk(members.buffer, members.start(index), members.end(index))
  reply.double(list.score(index))
}

export interface MultiPop {
  /** How many keys there are. */
  readonly keys: number
  readonly isMax: boolean
  readonly count: number
  readonly error?: string
}

/** What ZMPOP and BZMPOP are told from the number of keys, argument `numberAt`, on. */
export function readMultiPop(args: Arguments, numberAt: number): MultiPop {
  const refused = (error: string): MultiPop => ({ keys: 0, isMax: false, count: 0, error })
  const keys = args.bigInteger(numberAt)
  if (keys === undefined || keys < 1n) return refused('ERR numkeys should be greater than 0')
  const where = numberAt + Number(keys) + 1
  if (where >= args.count) return refused(syntaxError)
  const isMax = args.is(where, 'MAX')
  if (!isMax && !args.is(where, 'MIN')) return refused(syntaxError)
  let count: bigint | undefined
  for (let i = where + 1; i < args.count; i += 2) {
    if (count !== undefined || i + 1 >= args.count || !args.is(i, 'COUNT')) return refused(syntaxError)
    count = args.bigInteger(i + 1)
    if (count === undefined || count < 1n) return refused('ERR count should be greater than 0')
  }
  return { keys: Number(keys), isMax, count: Number(count ?? 1n) }
}

function zmpop(x: Execution): void {
  const { reply } = x
  const { keys, isMax, count, error } = readMultiPop(x.args, 1)
  if (error !== undefined) {
    reply.error(error)
    return
  }
  for (let key = 2; key < keys + 2; key++) {
    const entry = x.findType(key, sortedSetType)
    if (entry === wrongType) return
    if (entry === 0) continue
    replyPopped(x, entry, key, isMax, count)
    return
  }
  reply.nilArray()
}

/** Pops, and replies with the key and the elements. */
export function replyPopped(x: Execution, entry: number, key: number, isMax: boolean, count: number): void {
  const { args, reply } = x
  const popped = Math.min(count, x.keyspace.entries.length(entry))
  reply.array(2)
  reply.bulk(args.buffer, args.starts[key], args.ends[key])
  reply.array(popped)
  popAndReply(x, entry, key, isMax, popped, true)
}
