/**
 * Sorted sets: one blob in order of score while they are small (`packedForm` as long as Redis would have a listpack, then `leafForm` up to a leaf's size), then
 * a tree with both orders. Which form, and the seed of a tree, the payload says.
 *
 * Edits: 1 set: form u8 (0: as it is) · u32 seed if the form is a tree's · varint count · per element f64 score (little endian) · member;
 * 2 remove: varint count · members; 3 remove span, of a tree: u32 seed · varint rank and varint count of what goes. If little stays it
 * becomes another tree with that seed.
 *
 * The packed form keeps no −0, as Redis's listpack keeps none.
 */
import type { TypeNumber } from '../keyspace/entries.ts'
import { packedForm, sortedSetType, treeForm } from '../keyspace/entries.ts'
import { packedHeaderBytes } from '../memory/packed-bytes.ts'
import type { RecordBuffer } from '../mutation/record-buffer.ts'
import type { RecordReader } from '../mutation/record-reader.ts'
import type { ColdWants } from '../need.ts'
import type { CollectionEdit, CollectionType } from './collection-type.ts'
import type { Collections } from './collections.ts'
import type { VisitScored } from './sorted-set-leaf.ts'
import {
  findInPlaces,
  findPlace,
  movePlace,
  passed,
  placeBytes,
  placeMemberAt,
  placeSizeAt,
  readScore,
  scoreOf,
  scoreWords,
  skipScores,
  skipWhile,
  visitBackwards,
  visitPlaces,
  writePlace,
} from './sorted-set-leaf.ts'
import type { IsBefore } from './sorted-set-places.ts'
import { SortedSetTrees } from './sorted-set-tree.ts'
import { wantKept, wantMoved, wantPlace, wantRemoval } from './sorted-set-wants.ts'

export const setEdit = 1
export const removeEdit = 2
export const removeSpanEdit = 3

/** Members that are copied at a time, to be removed. */
const removedAtOnce = 1024

/** Whether it is less work to make another tree of what stays than to remove `count` of so many elements, one by one. */
export function keepsLittle(length: number, count: number): boolean {
  return count < length && count >= 2 * (length - count)
}

export class SortedSetType implements CollectionType {
  readonly number: TypeNumber = sortedSetType
  readonly edits: readonly (CollectionEdit | undefined)[]
  readonly trees: SortedSetTrees
  readonly #collections: Collections

  constructor(collections: Collections) {
    this.#collections = collections
    this.trees = new SortedSetTrees(collections.keyspace.trees)
    this.edits = [
      undefined,
      {
        creates: true,
        apply: (entry, payload, lsn) => this.#setAll(entry, payload, lsn),
        wants: (e, p, w) => this.#wantsSet(e, p, w),
        members: (payload, visit) => {
          if (payload.byte() === treeForm) payload.u32()
          for (let left = payload.varint(); left > 0; left--) {
            readPayloadScore(payload)
            payload.range()
            visit(payload.bytes, payload.start, payload.stop)
          }
        },
      },
      {
        creates: false,
        apply: (entry, payload, lsn) => this.#removeAll(entry, payload, lsn),
        wants: (e, p, w) => this.#wantsRemoved(e, p, w),
        members: (payload, visit) => {
          for (let left = payload.varint(); left > 0; left--) {
            payload.range()
            visit(payload.bytes, payload.start, payload.stop)
          }
        },
      },
      {
        creates: false,
        apply: (entry, payload, lsn) => this.#removeSpan(entry, payload, lsn),
        wants: (e, p, w) => this.#wantsSpan(e, p, w),
      },
    ]
  }

  /** The score of a member, NaN when it is not there. */
  score(entry: number, member: Buffer, start: number, end: number): number {
    const { entries, values } = this.#collections.keyspace
    const value = entries.value(entry)
    if (entries.isTree(entry)) return this.trees.score(value, member, start, end)
    const bytes = values.bytes(value)
    const at = findInPlaces(bytes, values.start(value), member, start, end)
    return at < 0 ? Number.NaN : readScore(bytes, at)
  }

  /** The rank of a member that has this score. */
  rank(entry: number, score: number, member: Buffer, start: number, end: number): number {
    const { entries, values } = this.#collections.keyspace
    const value = entries.value(entry)
    if (entries.isTree(entry)) return this.trees.rank(value, score, member, start, end)
    return findInPlaces(values.bytes(value), values.start(value), member, start, end) < 0 ? -1 : passed.count
  }

  /** How many elements have a score below `score`, or with `withEqual` not above it. */
  rankOfScore(entry: number, score: number, withEqual: boolean): number {
    const { entries, values } = this.#collections.keyspace
    const value = entries.value(entry)
    if (entries.isTree(entry)) return this.trees.rankOfScore(value, score, withEqual)
    skipScores(values.bytes(value), values.start(value), score, withEqual)
    return passed.count
  }

  /** How many elements, from the first on, lie before what `isBefore` seeks. */
  rankWhile(entry: number, isBefore: IsBefore): number {
    const { entries, values } = this.#collections.keyspace
    const value = entries.value(entry)
    if (entries.isTree(entry)) return this.trees.rankWhile(value, isBefore)
    skipWhile(values.bytes(value), values.start(value), isBefore)
    return passed.count
  }

  /** Visits `count` elements from number `rank` on, in order or with `backwards` against it; there must be as many. */
  visit(entry: number, rank: number, count: number, backwards: boolean, visit: VisitScored): void {
    const { entries, values } = this.#collections.keyspace
    const value = entries.value(entry)
    if (entries.isTree(entry)) {
      this.trees.visit(value, rank, count, backwards, visit)
      return
    }
    const bytes = values.bytes(value)
    const start = values.start(value)
    let at = start + packedHeaderBytes
    const skipped = backwards ? rank + 1 : rank
    for (let i = 0; i < skipped; i++) at += placeSizeAt(bytes, at)
    if (backwards) {
      visitBackwards(bytes, start, at, count, visit)
      return
    }
    for (let i = 0; i < count; i++) {
      const next = at + placeSizeAt(bytes, at)
      visit(bytes, placeMemberAt(bytes, at), next, readScore(bytes, at))
      at = next
    }
  }

  /** Visits all elements in order. */
  each(entry: number, visit: VisitScored): void {
    this.visit(entry, 0, this.#collections.keyspace.entries.length(entry), false, visit)
  }

  /** As `SortedSetTrees.scan`; a set in one blob is visited whole. */
  scan(entry: number, cursor: number, count: number, visit: VisitScored): number {
    const { entries } = this.#collections.keyspace
    if (entries.isTree(entry)) return this.trees.scan(entries.value(entry), cursor, count, visit)
    this.each(entry, visit)
    return 0
  }

  #setAll(entry: number, payload: RecordReader, lsn: number): number {
    const replaced = this.#collections.replaced(entry, lsn)
    if (replaced !== undefined) return -replaced
    const form = payload.byte()
    const seed = form === treeForm ? payload.u32() : 0
    this.#takeForm(entry, form, seed, lsn)
    const { entries } = this.#collections.keyspace
    let added = 0
    for (let left = payload.varint(); left > 0; left--) {
      const score = readPayloadScore(payload)
      payload.range()
      const isNew = entries.isTree(entry)
        ? this.trees.set(entries.value(entry), score, payload.bytes, payload.start, payload.stop, lsn)
        : this.#setInBlob(entry, score, payload.bytes, payload.start, payload.stop)
      if (isNew) added++
    }
    this.#collections.changed(entry, added, lsn)
    return added
  }

  #removeAll(entry: number, payload: RecordReader, lsn: number): number {
    const replaced = this.#collections.replaced(entry, lsn)
    if (replaced !== undefined) return replaced
    const { entries } = this.#collections.keyspace
    let removed = 0
    for (let left = payload.varint(); left > 0; left--) {
      payload.range()
      const wasThere = entries.isTree(entry)
        ? this.trees.remove(entries.value(entry), payload.bytes, payload.start, payload.stop, lsn)
        : this.#removeFromBlob(entry, payload.bytes, payload.start, payload.stop)
      if (wasThere) removed++
    }
    this.#collections.changed(entry, -removed, lsn)
    return removed
  }

  #removeSpan(entry: number, payload: RecordReader, lsn: number): number {
    const collections = this.#collections
    const replaced = collections.replaced(entry, lsn)
    if (replaced !== undefined) return replaced
    const { entries } = collections.keyspace
    const seed = payload.u32()
    const rank = payload.varint()
    const length = entries.length(entry)
    const removed = Math.min(payload.varint(), length - rank)
    if (!entries.isTree(entry) || removed <= 0 || removed === length) return 0
    if (!keepsLittle(length, removed)) {
      this.#removeRanks(entries.value(entry), rank, removed, lsn)
      collections.changed(entry, -removed, lsn)
      return removed
    }
    collections.becomeTree(entry, seed, lsn, (root, former) => {
      this.trees.begin(root, lsn)
      const put: VisitScored = (bytes, start, end, score) => this.trees.set(root, score, bytes, start, end, lsn)
      const behind = rank + removed
      this.trees.visit(former, 0, rank, false, put)
      this.trees.visit(former, behind, length - behind, false, put)
    })
    collections.changed(entry, -removed, lsn)
    return removed
  }

  /** Takes elements of a tree out one by one. */
  #removeRanks(root: number, rank: number, count: number, lsn: number): void {
    const members: Buffer[] = []
    for (let left = count; left > 0; left -= members.length) {
      members.length = 0
      this.trees.visit(root, rank, Math.min(left, removedAtOnce), false, (bytes, start, end) => {
        members.push(Buffer.from(bytes.subarray(start, end)))
      })
      for (const member of members) this.trees.remove(root, member, 0, member.length, lsn)
    }
  }

  #wantsSpan(entry: number, payload: RecordReader, wants: ColdWants): void {
    payload.u32()
    const { entries } = this.#collections.keyspace
    const root = entries.value(entry)
    const length = entries.length(entry)
    const rank = payload.varint()
    const removed = Math.min(payload.varint(), length - rank)
    if (removed <= 0 || removed === length) return
    if (keepsLittle(length, removed)) wantKept(this.trees, root, rank, removed, wants)
    else wantRemoval(this.trees, root, rank, removed, wants)
  }

  /** Gives a set another form, never one that it has outgrown. */
  #takeForm(entry: number, form: number, seed: number, lsn: number): void {
    const collections = this.#collections
    const { entries, values } = collections.keyspace
    if (!collections.hasValue(entry)) collections.createBlob(entry, form === treeForm || form === 0 ? packedForm : form)
    const former = entries.encoding(entry)
    if (form === 0 || form === former || form === packedForm || former === treeForm) return
    if (form !== treeForm) {
      collections.setForm(entry, form)
      return
    }
    collections.becomeTree(entry, seed, lsn, (root, blob) => {
      this.trees.begin(root, lsn)
      if (blob === 0) return
      visitPlaces(values.bytes(blob), values.start(blob), (bytes, start, end, score) => this.trees.set(root, score, bytes, start, end, lsn))
    })
  }

  /** True if the member is new. */
  #setInBlob(entry: number, given: number, member: Buffer, start: number, end: number): boolean {
    const collections = this.#collections
    const { entries, values } = collections.keyspace
    const score = given === 0 && entries.encoding(entry) === packedForm ? 0 : given
    const value = entries.value(entry)
    const bytes = values.bytes(value)
    const blob = values.start(value)
    const found = findInPlaces(bytes, blob, member, start, end)
    if (found < 0) {
      const place = findPlace(bytes, blob, score, member, start, end)
      const at = collections.resizeBlob(entry, ~place - blob, 0, placeBytes(end - start))
      writePlace(values.bytes(entries.value(entry)), at, score, member, start, end)
      return true
    }
    if (Object.is(readScore(bytes, found), score)) return false
    const size = placeSizeAt(bytes, found)
    const from = collections.resizeBlob(entry, found - blob, size, size)
    const to = entries.value(entry)
    const place = findPlace(values.bytes(to), values.start(to), score, member, start, end)
    movePlace(values.bytes(to), from, size, place < 0 ? ~place : place, score, member, start, end)
    return false
  }

  #removeFromBlob(entry: number, member: Buffer, start: number, end: number): boolean {
    const { entries, values } = this.#collections.keyspace
    const value = entries.value(entry)
    const bytes = values.bytes(value)
    const found = findInPlaces(bytes, values.start(value), member, start, end)
    if (found < 0) return false
    this.#collections.resizeBlob(entry, found - values.start(value), placeSizeAt(bytes, found), 0)
    return true
  }

  #wantsSet(entry: number, payload: RecordReader, wants: ColdWants): void {
    if (payload.byte() === treeForm) payload.u32()
    const root = this.#collections.keyspace.entries.value(entry)
    for (let left = payload.varint(); left > 0; left--) {
      const score = readPayloadScore(payload)
      payload.range()
      wantMoved(this.trees, root, payload.bytes, payload.start, payload.stop, wants)
      wantPlace(this.trees, root, score, payload.bytes, payload.start, payload.stop, wants)
    }
  }

  #wantsRemoved(entry: number, payload: RecordReader, wants: ColdWants): void {
    const root = this.#collections.keyspace.entries.value(entry)
    for (let left = payload.varint(); left > 0; left--) {
      payload.range()
      wantMoved(this.trees, root, payload.bytes, payload.start, payload.stop, wants)
    }
  }
}

/** Writes one element of a set edit. */
export function writePayloadElement(payload: RecordBuffer, score: number, member: Uint8Array, start: number, end: number): void {
  const [low, high] = scoreWords(score) as unknown as [number, number]
  payload.u32(low)
  payload.u32(high)
  payload.range(member, start, end)
}

/** Reads the score of one element of a set edit; its member follows. */
export function readPayloadScore(payload: RecordReader): number {
  const low = payload.u32()
  return scoreOf(low, payload.u32())
}
