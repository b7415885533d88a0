/** SORT and SORT_RO: the elements of a list, a set or a sorted set in order, or what other keys have for them. Of many elements it is staged (`sort-work.ts`). */
import type { EngineCommand } from '../command.ts'
import type { Execution } from '../execution.ts'
import { packedHeaderBytes } from '../memory/packed-bytes.ts'
import { genericEvent, keyMissEvent, listEvent } from '../messages.ts'
import { atTail, becomesTree, pushEdit } from '../types/list-type.ts'
import { stringElementBytes } from '../types/listpack-size.ts'
import { recordTooLarge } from './errors.ts'
import { MemberList } from './member-list.ts'
import { RepeatedWork } from './repeated-work.ts'
import { isSortable, wantsSorted, wantsSortedToRead } from './sort-needs.ts'
import { readSortOptions } from './sort-options.ts'
import type { SortPattern } from './sort-pattern.ts'
import type { Selection } from './sort-selection.ts'
import { SortPlan } from './sort-selection.ts'
import { found, sortSource } from './sort-source.ts'
import type { SortedBeforehand } from './sort-work.ts'
import { stageSort } from './sort-work.ts'
import { placeUnfinished } from './unfinished.ts'

const sorted = { first: 1, last: 0, step: 1, flags: ['RO', 'access'] } as const
const unknown = { first: 0, last: 0, step: 0, isUnknown: true } as const
const about = {
  arity: -2,
  categories: ['set', 'sortedset', 'list', 'dangerous'],
  group: 'generic',
  complexity: 'O(N+M*log(M)) where N is the number of elements and M that of those returned; O(N) without sorting',
} as const
const notNumbers = "ERR One or more scores can't be converted into double"
/** Elements of a stored list that are recorded at once. */
const storedAtOnce = 16 * 1024

export const sortCommands = {
  SORT: {
    ...about,
    flags: ['write', 'denyoom', 'movablekeys'],
    keys: {
      first: 1,
      last: 1,
      step: 1,
      access: [sorted, { ...unknown, flags: ['RO', 'access'] }, { ...unknown, flags: ['OW', 'update'] }],
    },
    since: '1.0.0',
    syntax: 'key [BY pattern] [LIMIT offset count] [GET pattern [GET pattern ...]] [ASC | DESC] [ALPHA] [STORE destination]',
    summary: 'Returns the elements of a list, a set or a sorted set in order, or values of other keys for them, or stores that as a list.',
    needs: wantsSorted,
    stages: (x) => stageSort(x, true),
    handler: (x) => sort(x, true),
  },
  SORT_RO: {
    ...about,
    flags: ['readonly', 'movablekeys'],
    keys: { first: 1, last: 1, step: 1, access: [sorted, { ...unknown, flags: ['RO', 'access'] }] },
    since: '7.0.0',
    syntax: 'key [BY pattern] [LIMIT offset count] [GET pattern [GET pattern ...]] [ASC | DESC] [ALPHA]',
    summary: 'Returns the elements of a list, a set or a sorted set in order, or values of other keys for them.',
    needs: wantsSortedToRead,
    stages: (x) => stageSort(x, false),
    handler: (x) => sort(x, false),
  },
} as const satisfies Record<string, EngineCommand>

function sort(x: Execution, stores: boolean): void {
  const { args, reply, keyspace } = x
  const options = readSortOptions(args, stores, x.limits.hasSlots)
  if (typeof options === 'string') {
    reply.error(options)
    return
  }
  const entry = x.read(1)
  if (entry !== 0 && !isSortable(keyspace, entry)) {
    x.refuseType()
    return
  }
  const staged = x.staged instanceof RepeatedWork ? (x.staged.settle() as SortedBeforehand | undefined) : undefined
  if (staged !== undefined) {
    useSorted(x, options.target, staged)
    return
  }
  const plan = new SortPlan(sortSource(keyspace), entry, options, x.inScript)
  const selection = plan.select((pattern, element, start, end) => valueFor(x, pattern, element, start, end))
  if (selection === undefined) reply.error(notNumbers)
  else if (options.target === 0) replyWith(x, selection, options.gets)
  else storeAt(x, options.target, selection, options.gets)
}

/** Uses what was done beforehand. */
function useSorted(x: Execution, target: number, staged: SortedBeforehand): void {
  const { reply } = x
  x.hits += staged.hits
  x.misses += staged.misses
  if (!staged.areNumbers) reply.error(notNumbers)
  else if (target === 0) {
    reply.array(staged.count)
    staged.parts.each((part) => reply.rawShared(part))
  } else {
    const entry = staged.listEntry()
    if (entry === 0) storeAs(x, target, staged.list)
    else {
      placeUnfinished(x, entry, target)
      x.notify(listEvent, 'sortstore', target)
      reply.integer(staged.count)
    }
  }
}

/** The entry of the key that a pattern names for an element, 0 without. */
function readNamed(x: Execution, pattern: SortPattern, element: Buffer, start: number, end: number): number {
  if (!pattern.namesKey) return 0
  pattern.name(element, start, end)
  const { key, keyLength } = pattern
  x.keyspace.forgetLookUp()
  const entry = x.findKey(x.db, key, 0, keyLength)
  if (entry === 0) {
    x.misses++
    x.notifyKey(keyMissEvent, 'keymiss', x.db, key, 0, keyLength)
  } else {
    x.hits++
    x.touch(entry)
  }
  return entry
}

function valueFor(x: Execution, pattern: SortPattern, element: Buffer, start: number, end: number): Buffer | undefined {
  const entry = readNamed(x, pattern, element, start, end)
  return entry === 0 ? undefined : sortSource(x.keyspace).value(entry, pattern, x)
}

function replyWith(x: Execution, { elements, order, span }: Selection, gets: readonly SortPattern[]): void {
  const { reply } = x
  reply.array((span.end - span.first) * Math.max(1, gets.length))
  for (let i = span.first; i < span.end; i++) {
    const { buffer } = elements
    const start = elements.start(order[i])
    const end = elements.end(order[i])
    if (gets.length === 0) reply.bulk(buffer, start, end)
    for (const pattern of gets) {
      if (pattern.isElement) reply.bulk(buffer, start, end)
      else replyNamed(x, pattern, buffer, start, end)
    }
  }
}

function replyNamed(x: Execution, pattern: SortPattern, element: Buffer, start: number, end: number): void {
  const entry = readNamed(x, pattern, element, start, end)
  const bytes = entry === 0 ? undefined : sortSource(x.keyspace).value(entry, pattern, x)
  if (bytes === undefined) x.reply.nil()
  else if (pattern.field === undefined) x.replyString(entry)
  else x.reply.bulk(bytes, found.start, found.end)
}

/** Puts a list of the selection in the place of what the key that is argument `target` holds. */
function storeAt(x: Execution, target: number, { elements, order, span }: Selection, gets: readonly SortPattern[]): void {
  const list = new MemberList()
  for (let i = span.first; i < span.end; i++) {
    const { buffer } = elements
    const start = elements.start(order[i])
    const end = elements.end(order[i])
    if (gets.length === 0) list.add(buffer, start, end)
    for (const pattern of gets) {
      const bytes = pattern.isElement ? undefined : valueFor(x, pattern, buffer, start, end)
      if (pattern.isElement) list.add(buffer, start, end)
      else if (bytes === undefined) list.add(buffer, 0, 0)
      else list.add(bytes, found.start, found.end)
    }
  }
  if (!x.mutator.canRecord(list.bytes + list.count * Uint32Array.BYTES_PER_ELEMENT)) {
    x.reply.error(recordTooLarge)
    return
  }
  storeAs(x, target, list)
}

/** Puts a list in the place of what the key that is argument `target` holds. */
function storeAs(x: Execution, target: number, list: MemberList): void {
  x.keyspace.forgetLookUp()
  const existed = x.replace(target, list.count > 0 ? () => storeList(x, target, list) : undefined)
  if (list.count > 0) x.notify(listEvent, 'sortstore', target)
  else if (existed) x.notify(genericEvent, 'del', target)
  x.reply.integer(list.count)
}

/** Makes a list under the key that is argument `target`, which is missing. */
function storeList(x: Execution, target: number, list: MemberList): void {
  const { mutator, keyspace } = x
  let bytes = packedHeaderBytes
  for (let i = 0; i < list.count; i++) bytes += stringElementBytes(list.buffer, list.start(i), list.end(i))
  const flags = bytes > keyspace.trees.leafBytesMax ? atTail | becomesTree : atTail
  for (let first = 0; first < list.count; first += storedAtOnce) {
    const end = Math.min(list.count, first + storedAtOnce)
    const payload = mutator.payload()
    payload.byte(flags)
    payload.varint(end - first)
    for (let i = first; i < end; i++) payload.range(list.buffer, list.start(i), list.end(i))
    keyspace.forgetLookUp()
    x.edit(mutator.types.lists, pushEdit, target)
  }
}
