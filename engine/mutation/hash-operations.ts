/**
 * Setting, expiring and deleting fields of a hash, in whichever of its forms it is (`entries.ts`). Which form, and the seed of a tree,
 * the caller says: nothing here depends on limits or chance, so that a replay comes to the same bytes.
 */
import { hashType, leafForm, packedForm, treeForm } from '../keyspace/entries.ts'
import type { Keyspace } from '../keyspace/keyspace.ts'
import { HashTrees } from '../types/hash-tree.ts'
import { PackedCursor } from '../types/packed-fields.ts'
import { PackedHashes } from '../types/packed-hash.ts'
import type { FieldSource } from './field-source.ts'

/** 0: as the hash is, packed if it is new. */
export type HashForm = 0 | typeof leafForm | typeof treeForm

export class HashOperations {
  readonly trees: HashTrees
  readonly #keyspace: Keyspace
  readonly #packed: PackedHashes
  readonly #pair = new PackedCursor()

  constructor(keyspace: Keyspace) {
    this.#keyspace = keyspace
    this.trees = new HashTrees(keyspace.trees)
    this.#packed = new PackedHashes(keyspace.values)
  }

  /** Returns how many fields were new. The entry may have no value yet. `seed` is for a tree that is to be made. */
  set(entry: number, pairs: FieldSource, form: HashForm, seed: number, lsn: number): number {
    const { entries } = this.#keyspace
    if (form !== 0) this.#setForm(entry, form, seed, lsn)
    let added = 0
    if (entries.isTree(entry)) for (let i = 0; i < pairs.count; i++) added += this.#setInTree(entry, pairs, i, lsn)
    else for (let i = 0; i < pairs.count; i++) added += this.#setInBlob(entry, pairs, i)
    this.#changed(entry, lsn)
    return added
  }

  /** Sets when a field expires, 0 for never; false when there is none. The caller says that the entry has changed. */
  expireField(entry: number, field: Buffer, start: number, end: number, expireAt: number, lsn: number): boolean {
    const { entries, values } = this.#keyspace
    const pair = this.#pair
    const from = entries.value(entry)
    const isTree = entries.isTree(entry)
    const bytes = isTree ? this.trees.get(from, field, start, end, pair) : values.bytes(from)
    if (bytes === undefined || (!isTree && !this.#packed.get(from, field, start, end, pair))) return false
    if (pair.expireAt === expireAt) return true
    // What is written lies elsewhere: the hash's own bytes move.
    const value = Buffer.from(bytes.subarray(pair.valueStart, pair.valueEnd))
    if (isTree) this.trees.set(from, field, start, end, value, 0, value.length, lsn, expireAt)
    else this.#relocated(entry, from, this.#packed.set(from, field, start, end, value, 0, value.length, expireAt))
    return true
  }

  /** Returns how many fields there were. An empty hash is the caller's to remove. */
  delete(entry: number, fields: FieldSource, lsn: number): number {
    const { entries } = this.#keyspace
    const isTree = entries.isTree(entry)
    let deleted = 0
    for (let i = 0; i < fields.count; i++) {
      const removed = isTree ? this.#deleteInTree(entry, fields, i, lsn) : this.#deleteInBlob(entry, fields, i)
      if (!removed) continue
      deleted++
      if (entries.length(entry) === 0) return deleted
    }
    this.#changed(entry, lsn)
    return deleted
  }

  #setForm(entry: number, form: HashForm, seed: number, lsn: number): void {
    const keyspace = this.#keyspace
    const { entries, access } = keyspace
    const encoding = entries.encoding(entry)
    if (encoding === form || encoding === treeForm) return
    if (form === leafForm) {
      if (encoding !== packedForm) this.#makeBlob(entry)
      entries.setTypeAndEncoding(entry, hashType, leafForm)
      return
    }
    const isNew = encoding !== packedForm && encoding !== leafForm
    const used = isNew ? access.initial() : entries.access(entry)
    const root = this.trees.create(entry, keyspace.nextCollectionId++, seed, isNew ? 0 : entries.value(entry), lsn)
    keyspace.dropValue(entry)
    keyspace.giveTree(entry, root, used)
  }

  #makeBlob(entry: number): void {
    const { entries, access, observer } = this.#keyspace
    const value = this.#packed.createEmpty(entry)
    entries.setTypeAndEncoding(entry, hashType, packedForm)
    entries.setResident(entry, value, access.initial())
    observer.resident(value)
  }

  #setInBlob(entry: number, pairs: FieldSource, i: number): number {
    const { entries } = this.#keyspace
    const encoding = entries.encoding(entry)
    if (encoding !== packedForm && encoding !== leafForm) this.#makeBlob(entry)
    const buffer = pairs.buffer(i)
    const from = entries.value(entry)
    const to = this.#packed.set(from, buffer, pairs.fieldStart(i), pairs.fieldEnd(i), buffer, pairs.valueStart(i), pairs.valueEnd(i))
    this.#relocated(entry, from, to)
    if (!this.#packed.added) return 0
    entries.setLength(entry, entries.length(entry) + 1)
    return 1
  }

  #deleteInBlob(entry: number, fields: FieldSource, i: number): boolean {
    const { entries } = this.#keyspace
    const from = entries.value(entry)
    const to = this.#packed.delete(from, fields.buffer(i), fields.fieldStart(i), fields.fieldEnd(i))
    this.#relocated(entry, from, to)
    if (this.#packed.removed) entries.setLength(entry, entries.length(entry) - 1)
    return this.#packed.removed
  }

  #setInTree(entry: number, pairs: FieldSource, i: number, lsn: number): number {
    const { entries } = this.#keyspace
    const buffer = pairs.buffer(i)
    const root = entries.value(entry)
    const isNew = this.trees.set(root, buffer, pairs.fieldStart(i), pairs.fieldEnd(i), buffer, pairs.valueStart(i), pairs.valueEnd(i), lsn)
    if (!isNew) return 0
    entries.setLength(entry, entries.length(entry) + 1)
    return 1
  }

  #deleteInTree(entry: number, fields: FieldSource, i: number, lsn: number): boolean {
    const { entries } = this.#keyspace
    if (!this.trees.delete(entries.value(entry), fields.buffer(i), fields.fieldStart(i), fields.fieldEnd(i), lsn)) return false
    entries.setLength(entry, entries.length(entry) - 1)
    return true
  }

  #relocated(entry: number, from: number, to: number): void {
    if (from === to) return
    this.#keyspace.setValue(entry, to)
    this.#keyspace.observer.relocated(from, to)
  }

  #changed(entry: number, lsn: number): void {
    const keyspace = this.#keyspace
    const { entries } = keyspace
    entries.setAccess(entry, keyspace.access.used(entries.access(entry)))
    if (entries.isTree(entry)) keyspace.changed(entry, lsn)
    else keyspace.valueChanged(entry, lsn)
  }
}
