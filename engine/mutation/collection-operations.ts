/** Collections as the mutator changes them: hashes by fields, all others by edits, which their types apply. The key goes with the last element. `Mutator` says what each operation does. */
import type { TypeNumber } from '../keyspace/entries.ts'
import { hashType, streamType, treeForm } from '../keyspace/entries.ts'
import { keyDeleted, stateEdited, valueEdited } from '../keyspace/key-change.ts'
import type { Keyspace } from '../keyspace/keyspace.ts'
import { probeMemory } from '../memory/growth.ts'
import type { Separator } from '../tree/separator.ts'
import type { CollectionType } from '../types/collection-type.ts'
import type { CollectionTypes } from '../types/collection-types.ts'
import type { CurrentRecord } from './current-record.ts'
import type { FieldSource } from './field-source.ts'
import { bytesOf } from './field-source.ts'
import type { HashForm, HashOperations } from './hash-operations.ts'
import type { LoadedKey } from './load-blob.ts'
import { loadBlob } from './load-blob.ts'
import { editOp, hashDeleteOp, hashSetInFormOp, hashSetOp } from './operations.ts'
import { RecordBuffer } from './record-buffer.ts'
import { RecordReader } from './record-reader.ts'

export class CollectionOperations {
  readonly #keyspace: Keyspace
  readonly #current: CurrentRecord
  readonly #hashes: HashOperations
  readonly #types: CollectionTypes
  readonly #largeValueBytes: number
  readonly #payload = new RecordBuffer(Number.POSITIVE_INFINITY)
  readonly #reader = new RecordReader()

  /** `largeValueBytes`: from this length on a payload that lasts is recorded by reference. */
  constructor(current: CurrentRecord, hashes: HashOperations, types: CollectionTypes, largeValueBytes: number) {
    this.#largeValueBytes = largeValueBytes
    this.#keyspace = current.keyspace
    this.#current = current
    this.#hashes = hashes
    this.#types = types
  }

  hashSet(db: number, key: Uint8Array, ks: number, ke: number, pairs: FieldSource, form: HashForm = 0, seed = 0): number {
    const ref = this.#keyspace.find(db, key, ks, ke)
    if (this.#current.buffer.lasting !== undefined) probeMemory(this.#keyspace.arena, bytesOf(pairs))
    if (this.#current.recording) {
      const record = this.#current.operation(form === 0 ? hashSetOp : hashSetInFormOp, db, key, ks, ke)
      if (form !== 0) {
        record.byte(form)
        if (form === treeForm) record.u32(seed)
      }
      record.varint(pairs.count)
      for (let i = 0; i < pairs.count; i++) {
        record.range(pairs.buffer(i), pairs.fieldStart(i), pairs.fieldEnd(i))
        record.range(pairs.buffer(i), pairs.valueStart(i), pairs.valueEnd(i))
      }
    } else this.#current.operations++
    this.#current.changes += pairs.count
    const entry = ref !== 0 ? ref : this.#keyspace.insert(db, hashType, key, ks, ke, false)
    const added = this.#hashes.set(entry, pairs, form, seed, this.#current.lsn)
    if (this.#current.interest.active !== 0) this.#current.interest.touched(db, key, ks, ke, valueEdited)
    return added
  }

  payload(): RecordBuffer {
    this.#payload.clear()
    return this.#payload
  }

  edit(type: CollectionType, edit: number, db: number, key: Uint8Array, ks: number, ke: number, payload = this.#payload): number {
    if (payload === this.#payload) probeMemory(this.#keyspace.arena, payload.end)
    if (this.#current.recording) {
      const record = this.#current.operation(editOp, db, key, ks, ke)
      record.byte(type.number)
      record.byte(edit)
      if (payload !== this.#payload && payload.end >= this.#largeValueBytes) record.reference(payload.bytes, 0, payload.end)
      else record.rangeOf(payload)
    } else this.#current.operations++
    this.#reader.open(payload.bytes, 0, payload.end)
    return this.#applyEdit(type.number, edit, db, key, ks, ke, this.#reader)
  }

  editEntry(type: CollectionType, edit: number, ref: number): number {
    const { entries, arena } = this.#keyspace
    const start = entries.keyStart(ref)
    const key = Buffer.from(arena.bytes(ref).subarray(start, start + entries.keyLength(ref)))
    return this.edit(type, edit, entries.db(ref), key, 0, key.length)
  }

  replayEdit(type: number, edit: number, db: number, key: Uint8Array, ks: number, ke: number, payload: RecordReader): void {
    this.#current.operations++
    this.#applyEdit(type, edit, db, key, ks, ke, payload)
  }

  #applyEdit(type: number, number: number, db: number, key: Uint8Array, ks: number, ke: number, payload: RecordReader): number {
    const keyspace = this.#keyspace
    const edit = this.#types.edit(type, number)
    let entry = keyspace.find(db, key, ks, ke)
    if (entry === 0) {
      if (!edit.creates) return 0
      entry = keyspace.insert(db, type as TypeNumber, key, ks, ke, false)
      keyspace.entries.setResident(entry, 0, 0)
    }
    if (this.#current.interest.hearsEdits !== 0) this.#current.interest.edited(db, key, ks, ke, type, number, payload)
    const result = edit.apply(entry, payload, this.#current.lsn)
    // It may have moved.
    entry = keyspace.find(db, key, ks, ke)
    this.#current.changes += Math.max(result, 1)
    const isEmpty = keyspace.entries.length(entry) === 0 && keyspace.entries.type(entry) !== streamType
    if (this.#current.interest.active !== 0) {
      this.#current.interest.touched(db, key, ks, ke, edit.keepsElements === true ? stateEdited : valueEdited)
      if (isEmpty) this.#current.interest.touched(db, key, ks, ke, keyDeleted)
    }
    if (isEmpty) keyspace.remove(entry, this.#current.lsn)
    return result
  }

  load(to: LoadedKey, bytes: Buffer, start: number, leaf: { readonly separator: Separator; readonly count: number } | undefined): void {
    if (this.#current.recording) throw new Error('mutator: what is loaded is not recorded')
    const { db, key } = to
    const keyspace = this.#keyspace
    keyspace.forgetLookUp()
    const found = keyspace.find(db, key, 0, key.length)
    const entry = found !== 0 ? found : keyspace.insert(db, to.type, key, 0, key.length, false)
    loadBlob(keyspace, entry, to, bytes, start, leaf, this.#current.lsn)
    keyspace.forgetLookUp()
  }

  hashDelete(ref: number, fields: FieldSource): number {
    if (this.#current.operationOn(hashDeleteOp, ref)) {
      this.#current.buffer.varint(fields.count)
      for (let i = 0; i < fields.count; i++) this.#current.buffer.range(fields.buffer(i), fields.fieldStart(i), fields.fieldEnd(i))
    }
    const deleted = this.#hashes.delete(ref, fields, this.#current.lsn)
    this.#current.changes += deleted
    const isEmpty = this.#keyspace.entries.length(ref) === 0
    if (this.#current.interest.active !== 0 && deleted > 0) {
      this.#current.interest.touchedEntry(ref, valueEdited)
      if (isEmpty) this.#current.interest.touchedEntry(ref, keyDeleted)
    }
    if (isEmpty) this.#keyspace.remove(ref, this.#current.lsn)
    return deleted
  }
}
