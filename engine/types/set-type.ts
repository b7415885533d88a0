/**
 * Sets: integers in one sorted blob while they are few (`integersForm`), any members in one blob up to a leaf's size (`leafForm`), then a tree.
 * Which form, and the seed of a tree, the payload says.
 *
 * Edits: 1 add: form u8 (0: as it is) · u32 seed if the form is a tree's · varint count · members; 2 remove: varint count · members.
 */
import { wantLeaf } from '../cold-wants.ts'
import { isInt64 } from '../integer.ts'
import type { TypeNumber } from '../keyspace/entries.ts'
import { integersForm, leafForm, setType, treeForm } from '../keyspace/entries.ts'
import { packedHeaderBytes, usedBytes } from '../memory/packed-bytes.ts'
import type { RecordReader } from '../mutation/record-reader.ts'
import type { ColdWants } from '../need.ts'
import type { CollectionEdit, CollectionType } from './collection-type.ts'
import type { Collections } from './collections.ts'
import { fieldHash } from './hash-leaf.ts'
import type { Int64 } from './integer-set.ts'
import {
  findInteger,
  formatInt64,
  integerAt,
  integerCount,
  integerPosition,
  integerSetBytes,
  integerWidth,
  readInt64,
  widen,
  widthOf,
  writeInteger,
} from './integer-set.ts'
import type { VisitMember } from './set-leaf.ts'
import { findMember, memberBytes, memberSizeAt, memberStartAt, visitMembers, writeMember } from './set-leaf.ts'
import { SetTrees } from './set-tree.ts'

export const addEdit = 1
export const removeEdit = 2

export class SetType implements CollectionType {
  readonly number: TypeNumber = setType
  readonly edits: readonly (CollectionEdit | undefined)[]
  readonly trees: SetTrees
  readonly #collections: Collections
  readonly #integer: Int64 = { high: 0, low: 0 }

  constructor(collections: Collections) {
    this.#collections = collections
    this.trees = new SetTrees(collections.keyspace.trees)
    const wants = (entry: number, payload: RecordReader, into: ColdWants): void => this.#wants(entry, payload, into)
    this.edits = [
      undefined,
      {
        creates: true,
        apply: (entry, payload, lsn) => this.#addAll(entry, payload, lsn),
        wants: (e, p, w) => this.#wantsAdded(e, p, w),
        members: (payload, visit) => {
          skipForm(payload)
          eachRange(payload, visit)
        },
      },
      { creates: false, apply: (entry, payload, lsn) => this.#removeAll(entry, payload, lsn), wants, members: eachRange },
    ]
  }

  has(entry: number, member: Buffer, start: number, end: number): boolean {
    const { entries, values } = this.#collections.keyspace
    const value = entries.value(entry)
    const form = entries.encoding(entry)
    if (form === treeForm) return this.trees.has(value, member, start, end)
    const bytes = values.bytes(value)
    if (form === leafForm) return findMember(bytes, values.start(value), fieldHash(member, start, end, 0), member, start, end) >= 0
    if (!isInt64(member, start, end)) return false
    readInt64(member, start, end, this.#integer)
    return findInteger(bytes, values.start(value), this.#integer) >= 0
  }

  /** Visits all members, integers in ascending order. All leaves must be resident. */
  each(entry: number, visit: VisitMember): void {
    const { entries, values } = this.#collections.keyspace
    const value = entries.value(entry)
    const form = entries.encoding(entry)
    if (form === treeForm) {
      let cursor = 0
      do cursor = this.trees.scan(value, cursor, Number.MAX_SAFE_INTEGER, visit)
      while (cursor !== 0)
    } else eachMember(form, values.bytes(value), values.start(value), visit)
  }

  /** Visits member number `rank`, 0 ≤ rank < length. */
  atRank(entry: number, rank: number, visit: VisitMember): void {
    const { entries, values } = this.#collections.keyspace
    const value = entries.value(entry)
    const form = entries.encoding(entry)
    if (form === treeForm) {
      this.trees.atRank(value, rank, visit)
      return
    }
    const bytes = values.bytes(value)
    const start = values.start(value)
    if (form === integersForm) {
      visitInteger(bytes, start, rank, visit)
      return
    }
    let at = start + packedHeaderBytes
    for (let i = 0; i < rank; i++) at += memberSizeAt(bytes, at)
    visit(bytes, memberStartAt(bytes, at), at + memberSizeAt(bytes, at))
  }

  /** As `SetTrees.scan`; a set in one blob is visited whole. */
  scan(entry: number, cursor: number, count: number, visit: VisitMember): number {
    const { entries } = this.#collections.keyspace
    if (entries.isTree(entry)) return this.trees.scan(entries.value(entry), cursor, count, visit)
    this.each(entry, visit)
    return 0
  }

  #addAll(entry: number, payload: RecordReader, lsn: number): number {
    const replaced = this.#collections.replaced(entry, lsn)
    if (replaced !== undefined) return -replaced
    const form = payload.byte()
    const seed = form === treeForm ? payload.u32() : 0
    this.#takeForm(entry, form, seed, lsn)
    let added = 0
    for (let left = payload.varint(); left > 0; left--) {
      payload.range()
      if (this.#add(entry, payload.bytes, payload.start, payload.stop, lsn)) added++
    }
    this.#collections.changed(entry, added, lsn)
    return added
  }

  #removeAll(entry: number, payload: RecordReader, lsn: number): number {
    const replaced = this.#collections.replaced(entry, lsn)
    if (replaced !== undefined) return replaced
    let removed = 0
    for (let left = payload.varint(); left > 0; left--) {
      payload.range()
      if (this.#remove(entry, payload.bytes, payload.start, payload.stop, lsn)) removed++
    }
    this.#collections.changed(entry, -removed, lsn)
    return removed
  }

  /** Gives a set another form, never one that it has outgrown. */
  #takeForm(entry: number, form: number, seed: number, lsn: number): void {
    const collections = this.#collections
    const { entries, values } = collections.keyspace
    if (!collections.hasValue(entry)) collections.createBlob(entry, form === integersForm ? integersForm : leafForm)
    const former = entries.encoding(entry)
    if (form === 0 || form === former || form === integersForm || former === treeForm) return
    if (form === leafForm) {
      const members = Buffer.from(values.bytes(entries.value(entry)).subarray(values.start(entries.value(entry)), this.#blobEnd(entry)))
      collections.resizeBlob(entry, packedHeaderBytes, members.length - packedHeaderBytes, 0)
      collections.setForm(entry, leafForm)
      eachMember(integersForm, members, 0, (bytes, start, end) => this.#addToBlob(entry, bytes, start, end))
      return
    }
    collections.becomeTree(entry, seed, lsn, (root, blob) => {
      if (blob === 0) return
      eachMember(former, values.bytes(blob), values.start(blob), (bytes, start, end) => this.trees.add(root, bytes, start, end, lsn))
    })
  }

  #blobEnd(entry: number): number {
    const { entries, values } = this.#collections.keyspace
    const value = entries.value(entry)
    return values.start(value) + usedBytes(values.bytes(value), values.start(value))
  }

  #add(entry: number, member: Buffer, start: number, end: number, lsn: number): boolean {
    const { entries } = this.#collections.keyspace
    let form = entries.encoding(entry)
    if (form === integersForm && !isInt64(member, start, end)) {
      this.#takeForm(entry, leafForm, 0, lsn)
      form = leafForm
    }
    if (form === treeForm) return this.trees.add(entries.value(entry), member, start, end, lsn)
    return form === integersForm ? this.#addInteger(entry, member, start, end) : this.#addToBlob(entry, member, start, end)
  }

  #addToBlob(entry: number, member: Buffer, start: number, end: number): boolean {
    const { entries, values } = this.#collections.keyspace
    const value = entries.value(entry)
    const hash = fieldHash(member, start, end, 0)
    const found = findMember(values.bytes(value), values.start(value), hash, member, start, end)
    if (found >= 0) return false
    const at = this.#collections.resizeBlob(entry, ~found - values.start(value), 0, memberBytes(end - start))
    writeMember(values.bytes(entries.value(entry)), at, hash, member, start, end)
    return true
  }

  #addInteger(entry: number, member: Buffer, start: number, end: number): boolean {
    const { entries, values } = this.#collections.keyspace
    const integer = this.#integer
    readInt64(member, start, end, integer)
    const value = entries.value(entry)
    const bytes = values.bytes(value)
    const blob = values.start(value)
    const count = integerCount(bytes, blob)
    const rank = findInteger(bytes, blob, integer)
    if (rank >= 0) return false
    const from = integerWidth(bytes, blob)
    const width = Math.max(from, widthOf(integer))
    if (count === 0 || width > from) {
      const used = usedBytes(bytes, blob)
      this.#collections.resizeBlob(entry, packedHeaderBytes, used - packedHeaderBytes, integerSetBytes(count, width) - packedHeaderBytes)
      const to = entries.value(entry)
      if (width > from && count > 0) widen(values.bytes(to), values.start(to), count, from, width)
      else values.bytes(to)[values.start(to) + packedHeaderBytes] = width
    }
    const to = entries.value(entry)
    const offset = integerPosition(values.bytes(to), values.start(to), ~rank) - values.start(to)
    const at = this.#collections.resizeBlob(entry, offset, 0, width)
    writeInteger(values.bytes(entries.value(entry)), at, width, integer)
    return true
  }

  #remove(entry: number, member: Buffer, start: number, end: number, lsn: number): boolean {
    const { entries, values } = this.#collections.keyspace
    const value = entries.value(entry)
    const form = entries.encoding(entry)
    if (form === treeForm) return this.trees.remove(value, member, start, end, lsn)
    const bytes = values.bytes(value)
    const blob = values.start(value)
    if (form === integersForm) {
      if (!isInt64(member, start, end)) return false
      readInt64(member, start, end, this.#integer)
      const rank = findInteger(bytes, blob, this.#integer)
      if (rank < 0) return false
      this.#collections.resizeBlob(entry, integerPosition(bytes, blob, rank) - blob, integerWidth(bytes, blob), 0)
      return true
    }
    const found = findMember(bytes, blob, fieldHash(member, start, end, 0), member, start, end)
    if (found < 0) return false
    this.#collections.resizeBlob(entry, found - blob, memberSizeAt(bytes, found), 0)
    return true
  }

  #wantsAdded(entry: number, payload: RecordReader, wants: ColdWants): void {
    skipForm(payload)
    this.#wants(entry, payload, wants)
  }

  #wants(entry: number, payload: RecordReader, wants: ColdWants): void {
    for (let left = payload.varint(); left > 0; left--) {
      payload.range()
      this.wantMember(entry, payload.bytes, payload.start, payload.stop, wants)
    }
  }

  /** Wants the leaf of a member of a set that is a tree. */
  wantMember(entry: number, member: Uint8Array, start: number, end: number, wants: ColdWants): void {
    const { entries, trees } = this.#collections.keyspace
    const root = entries.value(entry)
    wantLeaf(trees, root, this.trees.separatorOf(root, member, start, end), wants)
  }
}

function skipForm(payload: RecordReader): void {
  if (payload.byte() === treeForm) payload.u32()
}

/** Visits members that follow their number. */
function eachRange(payload: RecordReader, visit: VisitMember): void {
  for (let left = payload.varint(); left > 0; left--) {
    payload.range()
    visit(payload.bytes, payload.start, payload.stop)
  }
}

const integer: Int64 = { high: 0, low: 0 }
const decimal = Buffer.alloc(24)

/** Visits all members of a blob in a form that is no tree's, or of a leaf, which is as a blob in `leafForm`. */
export function eachMember(form: number, bytes: Buffer, start: number, visit: VisitMember): void {
  if (form !== integersForm) {
    visitMembers(bytes, start, visit)
    return
  }
  const count = integerCount(bytes, start)
  for (let rank = 0; rank < count; rank++) visitInteger(bytes, start, rank, visit)
}

function visitInteger(bytes: Buffer, start: number, rank: number, visit: VisitMember): void {
  integerAt(bytes, start, rank, integer)
  visit(decimal, 0, formatInt64(integer, decimal))
}
