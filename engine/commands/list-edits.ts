/**
 * How commands change lists: payloads of the list type's edits, with the form that the list is to have. It becomes a tree when it does not
 * fit in a leaf any more. Decided here, and recorded.
 */
import type { Arguments } from '../arguments.ts'
import type { Execution } from '../execution.ts'
import { packedHeaderBytes, usedBytes } from '../memory/packed-bytes.ts'
import { genericEvent, listEvent } from '../messages.ts'
import type { Rest } from '../tree/tree-rest.ts'
import type { Matches } from '../types/list-type.ts'
import {
  atTail,
  becomesTree,
  insertEdit,
  keepRangeEdit,
  keepsLittle,
  popEdit,
  pushEdit,
  removeEachEdit,
  removeMatchesEdit,
  removeRangeEdit,
  setEdit,
} from '../types/list-type.ts'
import { readElementAt } from '../types/list-walk.ts'
import { ListpackElement } from '../types/listpack-element.ts'
import { stringElementBytes } from '../types/listpack-size.ts'
import { StagedPush } from './staged-push.ts'

/** Pushes the arguments from `from` on, in their order, to the list under the key that is argument `key`; `entry` is its entry, 0 for none. */
export function pushArguments(x: Execution, entry: number, key: number, from: number, tail: boolean): void {
  const { args, mutator } = x
  if (x.staged instanceof StagedPush && pushStaged(x, entry, key, x.staged)) return
  const payload = mutator.payload()
  payload.byte((tail ? atTail : 0) | (isTree(x, entry) ? 0 : formFlag(x, entry, elementsBytes(args, from))))
  payload.varint(args.count - from)
  for (let i = from; i < args.count; i++) payload.range(args.buffer, args.starts[i], args.ends[i])
  x.edit(mutator.types.lists, pushEdit, key)
  x.notify(listEvent, tail ? 'rpush' : 'lpush', key)
}

/** Pushes what was made beforehand; false if it was not. */
function pushStaged(x: Execution, entry: number, key: number, staged: StagedPush): boolean {
  const { args, mutator, db } = x
  const { lists } = mutator.types
  const made = staged.take()
  if (made === 0) return false
  const { payload, tail } = staged
  payload.bytes[0] = (tail ? atTail : 0) | (isTree(x, entry) ? 0 : becomesTree)
  lists.withLeaves(made, () => mutator.edit(lists, pushEdit, db, args.buffer, args.starts[key], args.ends[key], payload))
  x.notify(listEvent, tail ? 'rpush' : 'lpush', key)
  return true
}

/** Bytes that the arguments from `from` on take as elements. */
function elementsBytes(args: Arguments, from: number): number {
  let bytes = 0
  for (let i = from; i < args.count; i++) bytes += stringElementBytes(args.buffer, args.starts[i], args.ends[i])
  return bytes
}

/** Pushes one element, which may be any list's own. */
export function pushElement(x: Execution, entry: number, key: number, bytes: Uint8Array, start: number, end: number, tail: boolean): void {
  const { mutator } = x
  const payload = mutator.payload()
  payload.byte((tail ? atTail : 0) | formFlag(x, entry, stringElementBytes(bytes, start, end)))
  payload.varint(1)
  payload.range(bytes, start, end)
  x.edit(mutator.types.lists, pushEdit, key)
  x.notify(listEvent, tail ? 'rpush' : 'lpush', key)
}

/** Takes `count` of the elements of `entry`, the list under argument `key`, from one end. */
export function popElements(x: Execution, entry: number, key: number, count: number, tail: boolean): void {
  const { mutator, keyspace } = x
  const isLast = count >= keyspace.entries.length(entry)
  const payload = mutator.payload()
  payload.byte(tail ? atTail : 0)
  payload.varint(count)
  x.edit(mutator.types.lists, popEdit, key)
  x.notify(listEvent, tail ? 'rpop' : 'lpop', key)
  if (isLast) x.notify(genericEvent, 'del', key)
}

/** Puts argument `index` in place of element `rank` of the list under argument 1. */
export function setElement(x: Execution, entry: number, rank: number, index: number): void {
  const { args, mutator, keyspace } = x
  const former = new ListpackElement()
  const formerBytes = stringElementBytes(readElementAt(keyspace, entry, rank, former), former.start, former.end)
  const payload = mutator.payload()
  payload.byte(formFlag(x, entry, stringElementBytes(args.buffer, args.starts[index], args.ends[index]) - formerBytes))
  payload.varint(rank)
  payload.range(args.buffer, args.starts[index], args.ends[index])
  x.edit(mutator.types.lists, setEdit, 1)
  x.notify(listEvent, 'lset', 1)
}

/** Puts argument `index` before element `rank` of the list under argument 1, or behind it. */
export function insertElement(x: Execution, entry: number, rank: number, behind: boolean, index: number): void {
  const { args, mutator } = x
  const payload = mutator.payload()
  payload.byte((behind ? atTail : 0) | formFlag(x, entry, stringElementBytes(args.buffer, args.starts[index], args.ends[index])))
  payload.varint(rank)
  payload.range(args.buffer, args.starts[index], args.ends[index])
  x.edit(mutator.types.lists, insertEdit, 1)
  x.notify(listEvent, 'linsert', 1)
}

/** Takes `count` elements out of the list under argument 1, from `rank` on. */
function removeElements(x: Execution, rank: number, count: number): void {
  const { mutator } = x
  const payload = mutator.payload()
  payload.varint(rank)
  payload.varint(count)
  x.edit(mutator.types.lists, removeRangeEdit, 1)
}

/** Keeps `count` elements of the list `entry` under argument 1, from `rank` on. */
export function keepElements(x: Execution, entry: number, rank: number, count: number): void {
  const { mutator, keyspace } = x
  const length = keyspace.entries.length(entry)
  if (count === length) return
  if (count <= 0) removeElements(x, 0, length)
  else if (keepsLittle(keyspace, entry, rank, count)) {
    const payload = mutator.payload()
    payload.varint(rank)
    payload.varint(count)
    x.edit(mutator.types.lists, keepRangeEdit, 1)
  } else {
    if (rank + count < length) removeElements(x, rank + count, length - rank - count)
    if (rank > 0) removeElements(x, 0, rank)
  }
}

/** Takes the elements with these ranks, which ascend, out of the list under argument 1. */
export function removeRanks(x: Execution, ranks: ArrayLike<number>): void {
  const { mutator } = x
  const payload = mutator.payload()
  payload.varint(ranks.length)
  for (let i = 0, before = 0; i < ranks.length; i++) {
    payload.varint(ranks[i] - before)
    before = ranks[i]
  }
  x.edit(mutator.types.lists, removeEachEdit, 1)
}

/** Takes matches of argument `index` out of the list under argument 1, of which a list without them was made. */
export function removeMatches(x: Execution, matches: Matches, rest: Rest, index: number): void {
  const { mutator, args } = x
  const payload = mutator.payload()
  payload.varint(matches.skip)
  payload.varint(matches.count)
  payload.range(args.buffer, args.starts[index], args.ends[index])
  mutator.types.collections.withRest(rest, () => x.edit(mutator.types.lists, removeMatchesEdit, 1))
}

/** Says so if a list that grows by so many bytes is to become a tree. */
function formFlag(x: Execution, entry: number, bytes: number): number {
  const { entries, values, trees } = x.keyspace
  if (isTree(x, entry)) return 0
  const value = entry === 0 ? 0 : entries.value(entry)
  const used = value === 0 ? packedHeaderBytes : usedBytes(values.bytes(value), values.start(value))
  return used + bytes > trees.leafBytesMax ? becomesTree : 0
}

function isTree({ keyspace }: Execution, entry: number): boolean {
  return entry !== 0 && keyspace.entries.isTree(entry)
}
