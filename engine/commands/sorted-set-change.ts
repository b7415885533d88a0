/**
 * Setting and removing elements, with the form that the sorted set is to have: packed as long as Redis would have a listpack (`zset-max-listpack-entries` and
 * `-value`), one blob up to a leaf's size, then a tree; never back. Decided here, and recorded.
 */
import type { Execution } from '../execution.ts'
import { leafForm, packedForm, treeForm } from '../keyspace/entries.ts'
import { packedHeaderBytes, usedBytes } from '../memory/packed-bytes.ts'
import type { RecordBuffer } from '../mutation/record-buffer.ts'
import { placeBytes } from '../types/sorted-set-leaf.ts'
import { keepsLittle, removeEdit, removeSpanEdit, setEdit, writePayloadElement } from '../types/sorted-set-type.ts'
import { MemberList } from './member-list.ts'
import type { ScoredList } from './scored-list.ts'
import type { MemberSource } from './set-change.ts'

/** Elements that one edit sets at most: what it does takes as long as it takes, but its payload stays small. */
const storedAtOnce = 16 * 1024

/** What elements that are new add to a sorted set. */
export class Growth {
  count = 0
  bytes = 0
  #lengthMax = 0

  clear(): this {
    this.count = 0
    this.bytes = 0
    this.#lengthMax = 0
    return this
  }

  add(length: number): void {
    this.count++
    this.bytes += placeBytes(length)
    if (length > this.#lengthMax) this.#lengthMax = length
  }

  /** Whether Redis would have a listpack afterwards. */
  staysPacked(x: Execution, entry: number): boolean {
    const { entries } = x.keyspace
    if (entry !== 0 && entries.encoding(entry) !== packedForm) return false
    if (this.count === 0) return true
    const { zsetMaxListpackEntries, zsetMaxListpackValue } = x.limits
    return this.count + (entry === 0 ? 0 : entries.length(entry)) <= zsetMaxListpackEntries && this.#lengthMax <= zsetMaxListpackValue
  }
}

/** The form to take on before elements are set; 0 for the one that the sorted set has. */
export function sortedSetFormFor(x: Execution, entry: number, growth: Growth): number {
  const { entries, values, trees } = x.keyspace
  const former = entry === 0 ? 0 : entries.encoding(entry)
  if (former === treeForm) return 0
  if (growth.staysPacked(x, entry)) return former === packedForm ? 0 : packedForm
  let bytes = packedHeaderBytes
  if (entry !== 0) bytes = usedBytes(values.bytes(entries.value(entry)), values.start(entries.value(entry)))
  if (bytes + growth.bytes > trees.leafBytesMax) return treeForm
  return former === leafForm ? 0 : leafForm
}

/** Begins the payload of a change that sets `count` elements; `writePayloadElement` adds each. */
export function beginSetting(x: Execution, entry: number, growth: Growth, count: number): RecordBuffer {
  const form = sortedSetFormFor(x, entry, growth)
  const payload = x.mutator.payload()
  payload.byte(form)
  if (form === treeForm) payload.u32(x.random.nextUint32())
  payload.varint(count)
  return payload
}

/** Makes the change whose payload `beginSetting` began. Returns how many elements were new. */
export function finishSetting(x: Execution, key: Uint8Array, start: number, end: number): number {
  return x.mutator.edit(x.mutator.types.sortedSets, setEdit, x.db, key, start, end)
}

/** Makes a sorted set of elements with distinct members, in order of score, under a key that is missing. */
export function storeElements(x: Execution, key: Uint8Array, start: number, end: number, list: ScoredList, order: Uint32Array): void {
  const { members } = list
  const growth = new Growth()
  for (let i = 0; i < list.count; i++) growth.add(members.end(i) - members.start(i))
  for (let first = 0; first < order.length; first += storedAtOnce) {
    const last = Math.min(order.length, first + storedAtOnce)
    x.keyspace.forgetLookUp()
    const payload = beginSetting(x, x.keyspace.find(x.db, key, start, end), growth, last - first)
    for (let i = first; i < last; i++) {
      const index = order[i]
      writePayloadElement(payload, list.score(index), members.buffer, members.start(index), members.end(index))
    }
    finishSetting(x, key, start, end)
  }
}

/** Puts a sorted set in place of what the key that is argument `index` holds, or deletes that if there are no elements. Returns whether there was something. */
export function replaceWith(x: Execution, list: ScoredList, order: Uint32Array, index = 1): boolean {
  const { args } = x
  const store = (): void => storeElements(x, args.buffer, args.starts[index], args.ends[index], list, order)
  return x.replace(index, list.count > 0 ? store : undefined)
}

/** Removes members, all of which are there, of the sorted set under the key that is argument `key`; it goes with the last one. */
export function removeElements(x: Execution, entry: number, key: number, members: MemberSource): void {
  const { mutator } = x
  const isAll = members.count === x.keyspace.entries.length(entry)
  if (isAll) {
    mutator.deleteEntry(entry)
    return
  }
  for (let first = 0; first < members.count; first += storedAtOnce) {
    const last = Math.min(members.count, first + storedAtOnce)
    const payload = mutator.payload()
    payload.varint(last - first)
    for (let i = first; i < last; i++) payload.range(members.buffer, members.start(i), members.end(i))
    x.edit(mutator.types.sortedSets, removeEdit, key)
  }
}

/** Writes the payload of a change that removes `count` elements from number `rank` on. `seed`: of the order of what stays, if that becomes another tree. */
export function writeSpan({ mutator }: Execution, seed: number, rank: number, count: number): void {
  const payload = mutator.payload()
  payload.u32(seed)
  payload.varint(rank)
  payload.varint(count)
}

/** Removes `count` elements from number `rank` on, but not all, of the sorted set under the key that is argument 1. */
export function removeSpan(x: Execution, entry: number, rank: number, count: number): void {
  const { mutator, keyspace } = x
  const { sortedSets } = mutator.types
  if (keyspace.entries.isTree(entry) && keepsLittle(keyspace.entries.length(entry), count)) {
    writeSpan(x, x.random.nextUint32(), rank, count)
    x.edit(sortedSets, removeSpanEdit, 1)
    return
  }
  const removed = new MemberList()
  sortedSets.visit(entry, rank, count, false, (bytes, from, to) => removed.add(bytes, from, to))
  removeElements(x, entry, 1, removed)
}
