/**
 * The one gate for change. Every operation names one key (a move two), records itself for the log and applies itself to the
 * keyspace; executing, following and recovering all come through here, so a handler cannot forget to log.
 *
 * What one request changes between `begin` and the next is one record: atomic in the log. Operations need their key's
 * value in memory where they change a part of it. They check no limits, read no clock and draw no chance.
 *
 * Here is what each operation means. How it is done stands with others of its kind: `string-operations.ts`, `collection-operations.ts`,
 * `key-operations.ts`, all of which write to the same `CurrentRecord`.
 */
import type { BuiltValue, Dumped } from '../dump/built-value.ts'
import { keyDeleted } from '../keyspace/key-change.ts'
import type { KeyInterest } from '../keyspace/key-interest.ts'
import type { Keyspace } from '../keyspace/keyspace.ts'
import { largeValueBytes } from '../keyspace/values.ts'
import type { Separator } from '../tree/separator.ts'
import type { CollectionType } from '../types/collection-type.ts'
import { CollectionTypes } from '../types/collection-types.ts'
import { CollectionOperations } from './collection-operations.ts'
import { CurrentRecord } from './current-record.ts'
import type { FieldSource } from './field-source.ts'
import type { HashForm } from './hash-operations.ts'
import { HashOperations } from './hash-operations.ts'
import { KeyOperations } from './key-operations.ts'
import type { LoadedKey } from './load-blob.ts'
import { flushOp, swapOp } from './operations.ts'
import type { RecordBuffer } from './record-buffer.ts'
import type { RecordReader } from './record-reader.ts'
import { StringOperations } from './string-operations.ts'

export interface MutatorLimits {
  /** Values from this length on are recorded by reference. `largeValueBytes` of `Values` unless told. */
  largeValueBytes?: number | undefined
}

export class Mutator {
  readonly keyspace: Keyspace
  readonly hashes: HashOperations
  readonly types: CollectionTypes
  readonly #current: CurrentRecord
  readonly #strings: StringOperations
  readonly #collections: CollectionOperations
  readonly #keys: KeyOperations

  constructor(keyspace: Keyspace, limits: MutatorLimits = {}) {
    const largeBytes = limits.largeValueBytes ?? largeValueBytes
    this.keyspace = keyspace
    this.#current = new CurrentRecord(keyspace, largeBytes)
    this.hashes = new HashOperations(keyspace)
    this.types = new CollectionTypes(keyspace, this.hashes)
    this.#strings = new StringOperations(this.#current, largeBytes)
    this.#collections = new CollectionOperations(this.#current, this.hashes, this.types, largeBytes)
    this.#keys = new KeyOperations(this.#current)
  }

  get record(): RecordBuffer {
    return this.#current.buffer
  }

  /** Hears which keys change; not of operations that turn out to change nothing. */
  get interest(): KeyInterest {
    return this.#current.interest
  }

  set interest(interest: KeyInterest) {
    this.#current.interest = interest
  }

  /** Whether operations are written to the record: not while a record is replayed, nor without a log. */
  get recording(): boolean {
    return this.#current.recording
  }

  set recording(recording: boolean) {
    this.#current.recording = recording
  }

  /** What one record may hold. */
  set recordBytesMax(bytes: number) {
    this.#current.bytesMax = bytes
  }

  /** Changes since the start, as INFO's rdb_changes_since_last_save counts. */
  get changes(): number {
    return this.#current.changes
  }

  set changes(changes: number) {
    this.#current.changes = changes
  }

  /** LSN that the changes made now carry. */
  get lsn(): number {
    return this.#current.lsn
  }

  /** Operations since `begin`. */
  get operations(): number {
    return this.#current.operations
  }

  /** Starts a record that will get this LSN. */
  begin(lsn: number): void {
    this.#current.begin(lsn)
  }

  /** Whether the record has room for about `bytes` more. */
  canRecord(bytes: number): boolean {
    return this.#current.canRecord(bytes)
  }

  /**
   * Sets a key to a string, whatever it was. `expireAt` is in ms, 0 for never, or `keepTtl`. With `adopts` the memory of the
   * value becomes the keyspace's (see `Arguments.donated`), else its bytes are copied. Returns the entry.
   */
  putString(
    db: number,
    key: Uint8Array,
    ks: number,
    ke: number,
    value: Uint8Array,
    vs: number,
    ve: number,
    expireAt: number,
    adopts = false,
  ): number {
    return this.#strings.put(db, key, ks, ke, value, vs, ve, expireAt, adopts)
  }

  /** Reserves memory for a string that is still to be made (`ref` 0), or for a resident one, which is to grow to `length` bytes. */
  reserveString(ref: number, length: number): void {
    this.#strings.reserveString(ref, length)
  }

  /** Reserves memory for one more new string of `length` bytes. */
  reserveNewString(length: number): void {
    this.#strings.reserveNewString(length)
  }

  /** Appends to a resident string. */
  append(ref: number, value: Uint8Array, vs: number, ve: number): void {
    this.#strings.append(ref, value, vs, ve)
  }

  /** Overwrites a part of a resident string, padding with zero bytes up to `offset`. Nothing written at 0 lets the string count as text, even if it reads as an integer. */
  setRange(ref: number, offset: number, value: Uint8Array, vs: number, ve: number): void {
    this.#strings.setRange(ref, offset, value, vs, ve)
  }

  /**
   * Lets a string count as changed in place though its bytes are as they were, as after Redis's bit commands: OBJECT
   * ENCODING says `raw`. Nothing else tells, so it is not recorded, and forgotten by a restart.
   */
  markRaw(ref: number): void {
    this.#strings.markRaw(ref)
  }

  /**
   * Sets fields of a hash, making it when the key is missing. `pairs` gives them one by one. The hash takes on `form` before;
   * `seed` is that of a tree. Returns how many were new.
   */
  hashSet(db: number, key: Uint8Array, ks: number, ke: number, pairs: FieldSource, form: HashForm = 0, seed = 0): number {
    return this.#collections.hashSet(db, key, ks, ke, pairs, form, seed)
  }

  /** Deletes fields of a hash, and the key with the last one. Returns how many there were. */
  hashDelete(ref: number, fields: FieldSource): number {
    return this.#collections.hashDelete(ref, fields)
  }

  /** Where the payload of the next edit is to be written; empty. */
  payload(): RecordBuffer {
    return this.#collections.payload()
  }

  /**
   * Changes a collection as a payload says, the one that was written last unless told, making it if the edit does so. The key goes with the last element.
   * Returns what the edit does, 0 when there was nothing to edit. A payload that is given stays as it is.
   */
  edit(type: CollectionType, edit: number, db: number, key: Uint8Array, ks: number, ke: number, payload?: RecordBuffer): number {
    return this.#collections.edit(type, edit, db, key, ks, ke, payload)
  }

  /** As `edit` for the key of an entry. */
  editEntry(type: CollectionType, edit: number, ref: number): number {
    return this.#collections.editEntry(type, edit, ref)
  }

  /** An edit as a record has it. */
  replayEdit(type: number, edit: number, db: number, key: Uint8Array, ks: number, ke: number, payload: RecordReader): void {
    this.#collections.replayEdit(type, edit, db, key, ks, ke, payload)
  }

  /**
   * Gives a key a blob of a collection as another keyspace has it, or the next leaf of its tree, in order: for a copy of all data. Unrecorded.
   */
  load(to: LoadedKey, bytes: Buffer, start: number, leaf: { readonly separator: Separator; readonly count: number } | undefined): void {
    this.#collections.load(to, bytes, start, leaf)
  }

  /** Removes a key; false when there is none. `change`, one of `key-change.ts`, tells why. */
  delete(db: number, key: Uint8Array, ks: number, ke: number, change = keyDeleted): boolean {
    return this.#keys.delete(db, key, ks, ke, change)
  }

  deleteEntry(ref: number, change = keyDeleted): void {
    this.#keys.deleteEntry(ref, change)
  }

  /** Sets the expiry in ms since the epoch, 0 for never. Returns the entry, which may have moved. */
  expire(ref: number, expireAt: number): number {
    return this.#keys.expire(ref, expireAt)
  }

  /**
   * Gives a value with its expiry to another key, whatever that held, and removes its own. The value stays where it is, in memory or in
   * the cold store, and so the record names the two keys and nothing else. Refs of both keys are stale afterwards.
   */
  move(ref: number, db: number, key: Uint8Array, ks: number, ke: number): void {
    this.#keys.move(ref, db, key, ks, ke)
  }

  /**
   * Sets a key to a copy of a resident value and its expiry, whatever the key held. `staged`: memory with a copy of a string
   * behind room for a value's header, or the root block of a copy of a tree. Refs of the target are stale afterwards.
   */
  copy(ref: number, db: number, key: Uint8Array, ks: number, ke: number, staged?: Buffer | number): void {
    this.#keys.copy(ref, db, key, ks, ke, staged)
  }

  /** Sets a key to a collection that was built of a dump, whatever the key held. The record has the dump, and how it was built. Returns the entry. */
  restore(db: number, key: Uint8Array, ks: number, ke: number, built: BuiltValue, expireAt: number, dump: Dumped): number {
    return this.#keys.restore(db, key, ks, ke, built, expireAt, dump)
  }

  /** Empties a physical database. */
  flush(db: number): void {
    this.#current.operationOnDatabase(flushOp, db)
    const database = this.keyspace.databases[db]
    this.#current.changes += database.index.size
    if (this.#current.interest.active !== 0) this.#current.interest.flushed(db)
    this.keyspace.observer.flushed(this.keyspace.detach(db, this.#current.lsn), db)
  }

  /** Exchanges two of the numbers that clients know databases by. */
  swap(a: number, b: number): void {
    if (this.#current.operationOnDatabase(swapOp, a)) this.#current.buffer.byte(b)
    this.#current.changes++
    const { logical } = this.keyspace
    const physical = logical[a]
    logical[a] = logical[b]
    logical[b] = physical
    this.keyspace.logicalLsn = this.#current.lsn
    if (this.#current.interest.active !== 0) this.#current.interest.swapped(a, b)
    this.keyspace.observer.swapped()
  }
}
