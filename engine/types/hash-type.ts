/**
 * Hashes, as far as edits change them. Fields are set and deleted by operations of their own (`mutation/hash-operations.ts`); an edit says
 * when they expire, or which of very many go or are set.
 *
 * Edits: 1 expire: varint count · per field its expiry u48 (0: never), field; 2 remove: varint count · fields;
 * 3 set: form u8 (0: as it is) · u32 seed if the form is a tree's · varint count · per field its name and value.
 */
import type { TypeNumber } from '../keyspace/entries.ts'
import { hashType, treeForm } from '../keyspace/entries.ts'
import type { HashForm, HashOperations } from '../mutation/hash-operations.ts'
import { ReadFields } from '../mutation/read-fields.ts'
import type { RecordReader } from '../mutation/record-reader.ts'
import type { CollectionEdit, CollectionType } from './collection-type.ts'
import type { Collections } from './collections.ts'
import { wantField } from './hash-tree.ts'

export const expireFieldsEdit = 1
export const removeFieldsEdit = 2
export const setFieldsEdit = 3

export class HashType implements CollectionType {
  readonly number: TypeNumber = hashType
  readonly edits: readonly (CollectionEdit | undefined)[]
  /** The tree that active expiry walks over, and when the first of the fields expires that were given a time meanwhile; 0 for none. */
  readonly walked = { collectionId: 0, due: 0 }
  readonly #collections: Collections
  readonly #operations: HashOperations

  constructor(collections: Collections, operations: HashOperations) {
    this.#collections = collections
    this.#operations = operations
    this.edits = [
      undefined,
      {
        creates: false,
        apply: (entry, payload, lsn) => this.#expireAll(entry, payload, lsn),
        wants: (entry, payload, wants) => {
          for (let left = payload.varint(); left > 0; left--) {
            payload.u48()
            payload.range()
            wantField(collections.keyspace, entry, payload.bytes, payload.start, payload.stop, wants)
          }
        },
      },
      {
        creates: false,
        apply: (entry, payload, lsn) => this.#removeAll(entry, payload, lsn),
        wants: (entry, payload, wants) => {
          for (let left = payload.varint(); left > 0; left--) {
            payload.range()
            wantField(collections.keyspace, entry, payload.bytes, payload.start, payload.stop, wants)
          }
        },
      },
      {
        creates: true,
        apply: (entry, payload, lsn) => this.#setAll(entry, payload, lsn),
        wants: (entry, payload, wants) => {
          if (payload.byte() === treeForm) payload.u32()
          for (let left = payload.varint(); left > 0; left--) {
            payload.range()
            wantField(collections.keyspace, entry, payload.bytes, payload.start, payload.stop, wants)
            payload.range()
          }
        },
      },
    ]
  }

  /** Returns how many of the fields are new. */
  #setAll(entry: number, payload: RecordReader, lsn: number): number {
    const replaced = this.#collections.replaced(entry, lsn)
    if (replaced !== undefined) return -replaced
    const form = payload.byte() as HashForm
    const seed = form === treeForm ? payload.u32() : 0
    const fields = new ReadFields()
    fields.read(payload, true)
    return this.#operations.set(entry, fields, form, seed, lsn)
  }

  /** Returns how many of the fields there were. */
  #removeAll(entry: number, payload: RecordReader, lsn: number): number {
    const replaced = this.#collections.replaced(entry, lsn)
    if (replaced !== undefined) return replaced
    const fields = new ReadFields()
    fields.read(payload, false)
    return this.#operations.delete(entry, fields, lsn)
  }

  /** Returns how many of the fields there were. */
  #expireAll(entry: number, payload: RecordReader, lsn: number): number {
    const { keyspace } = this.#collections
    let found = 0
    let due = 0
    for (let left = payload.varint(); left > 0; left--) {
      const expireAt = payload.u48()
      payload.range()
      if (!this.#operations.expireField(entry, payload.bytes, payload.start, payload.stop, expireAt, lsn)) continue
      found++
      due = earlier(due, expireAt)
    }
    if (keyspace.entries.isTree(entry) && keyspace.trees.roots.id(keyspace.entries.value(entry)) === this.walked.collectionId) {
      this.walked.due = earlier(this.walked.due, due)
    }
    const placed = keyspace.expiring.setFieldsDue(entry, earlier(keyspace.expiring.fieldsDue(entry), due))
    this.#collections.changed(placed, 0, lsn)
    return found
  }
}

/** The earlier of two times; 0 is never. */
export function earlier(a: number, b: number): number {
  return a === 0 || (b !== 0 && b < a) ? b : a
}
