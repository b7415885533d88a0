/**
 * The one gate for change. Every operation names one key (a move two), records itself for the log and applies itself to the
 * keyspace; executing, following and recovering all come through here, so a handler cannot forget to log.
 *
 * What one request changes between `begin` and the next is one record: atomic in the log. Operations need their key's
 * value in memory where they change a part of it. They check no limits, read no clock and draw no chance.
 *
 * An operation counts as begun before its first byte is recorded, and large memory is asked for before that: when the
 * system refuses it, and `operations` is what it was, nothing has happened.
 */
import { hasCold } from '../cold-wants.ts'
import type { BuiltValue, Dumped } from '../dump/built-value.ts'
import type { TypeNumber } from '../keyspace/entries.ts'
import { hashType, ownIntegerFlag, plainString, rawString, streamType, stringType, textString, treeForm } from '../keyspace/entries.ts'
import {
  expirySet,
  keyDeleted,
  keyReplaced,
  stateEdited,
  valueEdited,
  valueMovedAway,
  valueMovedHere,
  valuePut,
} from '../keyspace/key-change.ts'
import { KeyInterest } from '../keyspace/key-interest.ts'
import type { Keyspace } from '../keyspace/keyspace.ts'
import { largeValueBytes, valueHeaderBytes } from '../keyspace/values.ts'
import { slotBytesMax } from '../memory/arena.ts'
import { usedBytes } from '../memory/packed-bytes.ts'
import { copyToWords, wordCopyBytesMax } from '../memory/word-copy.ts'
import type { Separator } from '../tree/separator.ts'
import { copyOfTree } from '../tree/tree-copy.ts'
import type { CollectionType } from '../types/collection-type.ts'
import { CollectionTypes } from '../types/collection-types.ts'
import type { FieldSource } from './field-source.ts'
import { bytesOf } from './field-source.ts'
import type { HashForm } from './hash-operations.ts'
import { HashOperations } from './hash-operations.ts'
import type { LoadedKey } from './load-blob.ts'
import { loadBlob } from './load-blob.ts'
import {
  appendOp,
  copyOp,
  deleteOp,
  editOp,
  expireOp,
  expiresFlag,
  flushOp,
  hashDeleteOp,
  hashSetInFormOp,
  hashSetOp,
  keepTtlFlag,
  moveOp,
  putStringOp,
  recordVersion,
  restoreOp,
  setRangeOp,
  swapOp,
} from './operations.ts'
import { RecordBuffer } from './record-buffer.ts'
import { RecordReader } from './record-reader.ts'

/** Up to here copying byte by byte beats making a view. */
const loopBytesMax = 40

/** `putString`'s way to leave the expiry as it is. */
export const keepTtl = -1

const growthBytesMax = 1024 * 1024
/** A string up to here needs no large block, even with room to grow on. */
const slotStringBytesMax = slotBytesMax / 2
/** Fields from this many bytes in all on are not set before the system has shown that it has memory for them. */
const probedBytesMin = 8 * 1024 * 1024

/**
 * Room for a string that grows to `length` bytes by moving. It is likely to grow again, as Redis's sds supposes, too: it gets half as
 * much on top, at most a mebibyte, or an eighth if that is more.
 */
export function roomToGrow(length: number): number {
  return length + Math.max(Math.min(length >>> 1, growthBytesMax), length >>> 3)
}

export interface MutatorLimits {
  /** Values from this length on are recorded by reference. `largeValueBytes` of `Values` unless told. */
  largeValueBytes?: number | undefined
}

export class Mutator {
  readonly keyspace: Keyspace
  readonly record: RecordBuffer
  /** Hears which keys change; not of operations that turn out to change nothing. */
  interest: KeyInterest
  /** Whether operations are written to the record: not while a record is replayed, nor without a log. */
  recording = true
  /** What one record may hold. */
  recordBytesMax = Number.POSITIVE_INFINITY
  /** Changes since the start, as INFO's rdb_changes_since_last_save counts. */
  changes = 0
  readonly hashes: HashOperations
  readonly types: CollectionTypes
  readonly #payload = new RecordBuffer(Number.POSITIVE_INFINITY)
  readonly #reader = new RecordReader()
  readonly #largeValueBytes: number
  #lsn = 0
  #operations = 0

  constructor(keyspace: Keyspace, limits: MutatorLimits = {}) {
    this.keyspace = keyspace
    this.interest = new KeyInterest(keyspace)
    this.#largeValueBytes = limits.largeValueBytes ?? largeValueBytes
    this.record = new RecordBuffer(this.#largeValueBytes)
    this.hashes = new HashOperations(keyspace)
    this.types = new CollectionTypes(keyspace, this.hashes)
  }

  /** LSN that the changes made now carry. */
  get lsn(): number {
    return this.#lsn
  }

  /** Starts a record that will get this LSN. */
  begin(lsn: number): void {
    this.#lsn = lsn
    this.#operations = 0
    if (this.record.end !== 0) this.record.clear()
  }

  /** Whether the record has room for about `bytes` more. */
  canRecord(bytes: number): boolean {
    return !this.recording || this.record.length + bytes <= this.recordBytesMax
  }

  /** Operations since `begin`. */
  get operations(): number {
    return this.#operations
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
    const length = ve - vs
    const isLarge = length >= this.#largeValueBytes
    const isRecordedLast = isLarge || length <= wordCopyBytesMax
    if (isLarge && !adopts) this.#reserveCopy(db, key, ks, ke, length)
    if (this.recording) {
      const record = this.#operation(putStringOp, db, key, ks, ke)
      record.byte(expireAt > 0 ? expiresFlag : expireAt === keepTtl ? keepTtlFlag : 0)
      if (expireAt > 0) record.u48(expireAt)
      if (!isRecordedLast) record.range(value, vs, ve)
    } else this.#operations++
    this.changes++
    const { keyspace } = this
    const { entries } = keyspace
    let ref = keyspace.find(db, key, ks, ke)
    if (ref === 0) ref = keyspace.insert(db, stringType, key, ks, ke, expireAt > 0)
    if (adopts) keyspace.adoptValue(ref, value as Buffer, vs, length)
    else this.#copyValue(ref, value, vs, ve)
    if (entries.type(ref) === hashType) ref = keyspace.setFieldsDue(ref, 0)
    entries.setTypeAndEncoding(ref, stringType, plainString)
    if (isRecordedLast && this.recording) this.#recordValue(entries.value(ref), length)
    entries.setLength(ref, length)
    if (expireAt !== keepTtl) ref = keyspace.setExpireAt(ref, expireAt)
    keyspace.valueChanged(ref, this.#lsn)
    if (this.interest.active !== 0) this.interest.touched(db, key, ks, ke, valuePut)
    return ref
  }

  #reserveCopy(db: number, key: Uint8Array, ks: number, ke: number, length: number): void {
    const { arena } = this.keyspace
    const ref = this.keyspace.find(db, key, ks, ke)
    const size = valueHeaderBytes + length
    if ((ref === 0 || !this.#takesCopy(ref, length)) && !arena.isReserved(size)) arena.reserveLarge(size)
  }

  /** Whether the slot of an entry can take another value of this length. */
  #takesCopy(ref: number, length: number): boolean {
    const { entries } = this.keyspace
    return entries.type(ref) === stringType && entries.isResident(ref) && entries.value(ref) !== 0 && this.#fits(ref, length)
  }

  #copyValue(ref: number, value: Uint8Array, vs: number, ve: number): void {
    const { keyspace } = this
    const { entries, values } = keyspace
    const length = ve - vs
    if (!this.#takesCopy(ref, length)) keyspace.makeValue(ref, length)
    else entries.setAccess(ref, keyspace.access.used(entries.access(ref)))
    const slot = entries.value(ref)
    const bytes = values.bytes(slot)
    let at = values.start(slot)
    const view = length <= wordCopyBytesMax ? keyspace.cachePrefetch.viewOf(value) : undefined
    if (view !== undefined) copyToWords(view, vs, values.arena.words(slot), values.startWord(slot), length)
    else if (length <= loopBytesMax) for (let i = vs; i < ve; i++) bytes[at++] = value[i]
    else bytes.set(vs === 0 && ve === value.length ? value : value.subarray(vs, ve), at)
  }

  /** Records a short or large value, now that it lies where it will stay: a large one by reference, if its memory is not used for anything else afterwards. */
  #recordValue(slot: number, length: number): void {
    const { values, arena } = this.keyspace
    const start = values.start(slot)
    if (length <= wordCopyBytesMax) this.record.wordRange(arena.words(slot), values.startWord(slot), length)
    else if (arena.isLarge(slot)) {
      values.setLogged(slot)
      this.record.reference(values.bytes(slot), start, start + length)
    } else this.record.range(values.bytes(slot), start, start + length)
  }

  /** Removes a key; false when there is none. `change`, one of `key-change.ts`, tells why. */
  delete(db: number, key: Uint8Array, ks: number, ke: number, change = keyDeleted): boolean {
    const ref = this.keyspace.find(db, key, ks, ke)
    if (ref === 0) return false
    this.deleteEntry(ref, change)
    return true
  }

  deleteEntry(ref: number, change = keyDeleted): void {
    this.#operationOn(deleteOp, ref)
    this.changes++
    if (this.interest.active !== 0) this.interest.touchedEntry(ref, change)
    this.keyspace.remove(ref, this.#lsn)
  }

  /** Sets the expiry in ms since the epoch, 0 for never. Returns the entry, which may have moved. */
  expire(ref: number, expireAt: number): number {
    if (!this.keyspace.entries.hasTtlRoom(ref)) this.keyspace.arena.mustHold(0)
    if (this.#operationOn(expireOp, ref)) this.record.u48(expireAt)
    this.changes++
    const entry = this.keyspace.setExpireAt(ref, expireAt)
    this.keyspace.changed(entry, this.#lsn)
    if (this.interest.active !== 0) this.interest.touchedEntry(entry, expirySet)
    return entry
  }

  /** Reserves memory for a string that is still to be made (`ref` 0), or for a resident one, which is to grow to `length` bytes. */
  reserveString(ref: number, length: number): void {
    if (length <= slotStringBytesMax) return
    const { entries, values, arena } = this.keyspace
    const room = ref === 0 ? 0 : values.room(entries.value(ref))
    if (length <= room && !this.keyspace.isReferred(ref)) return
    const size = valueHeaderBytes + (length > room ? roomToGrow(length) : length)
    if (!arena.isReserved(size)) arena.reserveLarge(size)
  }

  /** Reserves memory for one more new string of `length` bytes. */
  reserveNewString(length: number): void {
    if (length >= this.#largeValueBytes) this.keyspace.arena.reserveLarge(valueHeaderBytes + length)
  }

  /** Appends to a resident string. */
  append(ref: number, value: Uint8Array, vs: number, ve: number): void {
    this.reserveString(ref, this.keyspace.entries.length(ref) + ve - vs)
    if (this.#operationOn(appendOp, ref)) this.record.range(value, vs, ve)
    this.changes++
    this.#write(ref, this.keyspace.entries.length(ref), value, vs, ve)
  }

  /** Overwrites a part of a resident string, padding with zero bytes up to `offset`. Nothing written at 0 lets the string count as text, even if it reads as an integer. */
  setRange(ref: number, offset: number, value: Uint8Array, vs: number, ve: number): void {
    this.reserveString(ref, Math.max(this.keyspace.entries.length(ref), offset + ve - vs))
    if (this.#operationOn(setRangeOp, ref)) {
      this.record.varint(offset)
      this.record.range(value, vs, ve)
    }
    if (offset === 0 && ve === vs) {
      this.keyspace.entries.setTypeAndEncoding(ref, stringType, textString)
      this.keyspace.changed(ref, this.#lsn)
      return
    }
    this.changes++
    this.#write(ref, offset, value, vs, ve)
  }

  /**
   * Lets a string count as changed in place though its bytes are as they were, as after Redis's bit commands: OBJECT
   * ENCODING says `raw`. Nothing else tells, so it is not recorded, and forgotten by a restart.
   */
  markRaw(ref: number): void {
    this.keyspace.entries.setTypeAndEncoding(ref, stringType, rawString)
  }

  /**
   * Sets fields of a hash, making it when the key is missing. `pairs` gives them one by one. The hash takes on `form` before;
   * `seed` is that of a tree. Returns how many were new.
   */
  hashSet(db: number, key: Uint8Array, ks: number, ke: number, pairs: FieldSource, form: HashForm = 0, seed = 0): number {
    const ref = this.keyspace.find(db, key, ks, ke)
    if (this.record.lasting !== undefined) this.#probeMemory(bytesOf(pairs))
    if (this.recording) {
      const record = this.#operation(form === 0 ? hashSetOp : hashSetInFormOp, db, key, ks, ke)
      if (form !== 0) {
        record.byte(form)
        if (form === treeForm) record.u32(seed)
      }
      record.varint(pairs.count)
      for (let i = 0; i < pairs.count; i++) {
        record.range(pairs.buffer(i), pairs.fieldStart(i), pairs.fieldEnd(i))
        record.range(pairs.buffer(i), pairs.valueStart(i), pairs.valueEnd(i))
      }
    } else this.#operations++
    this.changes += pairs.count
    const entry = ref !== 0 ? ref : this.keyspace.insert(db, hashType, key, ks, ke, false)
    const added = this.hashes.set(entry, pairs, form, seed, this.#lsn)
    if (this.interest.active !== 0) this.interest.touched(db, key, ks, ke, valueEdited)
    return added
  }

  /** Where the payload of the next edit is to be written; empty. */
  payload(): RecordBuffer {
    this.#payload.clear()
    return this.#payload
  }

  /**
   * Changes a collection as the payload says that was written last, making it if the edit does so. The key goes with the last element.
   * Returns what the edit does, 0 when there was nothing to edit.
   */
  edit(type: CollectionType, edit: number, db: number, key: Uint8Array, ks: number, ke: number): number {
    const payload = this.#payload
    this.#probeMemory(payload.end)
    if (this.recording) {
      const record = this.#operation(editOp, db, key, ks, ke)
      record.byte(type.number)
      record.byte(edit)
      record.rangeOf(payload)
    } else this.#operations++
    this.#reader.open(payload.bytes, 0, payload.end)
    return this.#applyEdit(type.number, edit, db, key, ks, ke, this.#reader)
  }

  /** As `edit` for the key of an entry. */
  editEntry(type: CollectionType, edit: number, ref: number): number {
    const { entries, arena } = this.keyspace
    const start = entries.keyStart(ref)
    const key = Buffer.from(arena.bytes(ref).subarray(start, start + entries.keyLength(ref)))
    return this.edit(type, edit, entries.db(ref), key, 0, key.length)
  }

  /** An edit as a record has it. */
  replayEdit(type: number, edit: number, db: number, key: Uint8Array, ks: number, ke: number, payload: RecordReader): void {
    this.#operations++
    this.#applyEdit(type, edit, db, key, ks, ke, payload)
  }

  #applyEdit(type: number, number: number, db: number, key: Uint8Array, ks: number, ke: number, payload: RecordReader): number {
    const { keyspace } = this
    const edit = this.types.edit(type, number)
    let entry = keyspace.find(db, key, ks, ke)
    if (entry === 0) {
      if (!edit.creates) return 0
      entry = keyspace.insert(db, type as TypeNumber, key, ks, ke, false)
      keyspace.entries.setResident(entry, 0, 0)
    }
    if (this.interest.hearsEdits !== 0) this.interest.edited(db, key, ks, ke, type, number, payload)
    const result = edit.apply(entry, payload, this.#lsn)
    // It may have moved.
    entry = keyspace.find(db, key, ks, ke)
    this.changes += Math.max(result, 1)
    const isEmpty = keyspace.entries.length(entry) === 0 && keyspace.entries.type(entry) !== streamType
    if (this.interest.active !== 0) {
      this.interest.touched(db, key, ks, ke, edit.keepsElements === true ? stateEdited : valueEdited)
      if (isEmpty) this.interest.touched(db, key, ks, ke, keyDeleted)
    }
    if (isEmpty) keyspace.remove(entry, this.#lsn)
    return result
  }

  /** Finds out whether the system has memory for large elements, and gives it back: only the collection knows how they will lie. */
  #probeMemory(bytes: number): void {
    if (bytes < probedBytesMin) return
    const { arena } = this.keyspace
    arena.reserveLarge(roomToGrow(bytes))
    arena.releaseReserved()
  }

  /**
   * Gives a key a blob of a collection as another keyspace has it, or the next leaf of its tree, in order: for a copy of all data. Unrecorded.
   */
  load(to: LoadedKey, bytes: Buffer, start: number, leaf: { readonly separator: Separator; readonly count: number } | undefined): void {
    if (this.recording) throw new Error('mutator: what is loaded is not recorded')
    const { db, key } = to
    const { keyspace } = this
    keyspace.forgetLookUp()
    const found = keyspace.find(db, key, 0, key.length)
    const entry = found !== 0 ? found : keyspace.insert(db, to.type, key, 0, key.length, false)
    loadBlob(keyspace, entry, to, bytes, start, leaf, this.#lsn)
    keyspace.forgetLookUp()
  }

  /** Deletes fields of a hash, and the key with the last one. Returns how many there were. */
  hashDelete(ref: number, fields: FieldSource): number {
    if (this.#operationOn(hashDeleteOp, ref)) {
      this.record.varint(fields.count)
      for (let i = 0; i < fields.count; i++) this.record.range(fields.buffer(i), fields.fieldStart(i), fields.fieldEnd(i))
    }
    const deleted = this.hashes.delete(ref, fields, this.#lsn)
    this.changes += deleted
    const isEmpty = this.keyspace.entries.length(ref) === 0
    if (this.interest.active !== 0 && deleted > 0) {
      this.interest.touchedEntry(ref, valueEdited)
      if (isEmpty) this.interest.touchedEntry(ref, keyDeleted)
    }
    if (isEmpty) this.keyspace.remove(ref, this.#lsn)
    return deleted
  }

  /**
   * Gives a value with its expiry to another key, whatever that held, and removes its own. The value stays where it is, in memory or in
   * the cold store, and so the record names the two keys and nothing else. Refs of both keys are stale afterwards.
   */
  move(ref: number, db: number, key: Uint8Array, ks: number, ke: number): void {
    const { keyspace } = this
    const { entries } = keyspace
    keyspace.arena.mustHold(0)
    keyspace.observer.transferring(ref, this.#lsn)
    if (this.#operationOn(moveOp, ref)) {
      this.record.byte(db)
      this.record.range(key, ks, ke)
    }
    this.changes++
    const replaced = keyspace.find(db, key, ks, ke)
    if (replaced !== 0) this.#replace(replaced)
    const expireAt = entries.expireAt(ref)
    const fieldsDue = keyspace.fieldsDue(ref)
    const to = keyspace.insert(db, entries.type(ref), key, ks, ke, expireAt !== 0 || fieldsDue !== 0)
    keyspace.transferValue(ref, to)
    keyspace.changed(to, this.#lsn)
    keyspace.setExpireAt(to, expireAt)
    keyspace.setFieldsDue(to, fieldsDue)
    if (this.interest.active !== 0) {
      this.interest.touchedEntry(ref, valueMovedAway)
      this.interest.touched(db, key, ks, ke, valueMovedHere)
    }
    keyspace.remove(ref, this.#lsn)
  }

  /**
   * Sets a key to a copy of a resident value and its expiry, whatever the key held. `staged`: memory with a copy of a string
   * behind room for a value's header, or the root block of a copy of a tree. Refs of the target are stale afterwards.
   */
  copy(ref: number, db: number, key: Uint8Array, ks: number, ke: number, staged?: Buffer | number): void {
    const { keyspace } = this
    const { entries, access } = keyspace
    if (staged === undefined) this.#reserveCopyOf(ref)
    keyspace.arena.reserveSlots(0)
    keyspace.observer.transferring(ref, this.#lsn)
    if (this.#operationOn(copyOp, ref)) {
      this.record.byte(db)
      this.record.range(key, ks, ke)
    }
    this.changes++
    const former = keyspace.find(db, key, ks, ke)
    if (former !== 0) this.#replace(former)
    const type = entries.type(ref)
    const expireAt = entries.expireAt(ref)
    const fieldsDue = keyspace.fieldsDue(ref)
    let to = keyspace.insert(db, type, key, ks, ke, expireAt !== 0 || fieldsDue !== 0)
    if (entries.isTree(ref)) {
      const root = typeof staged === 'number' ? staged : copyOfTree(keyspace, ref)
      keyspace.giveTree(to, root, access.initial())
    } else {
      if (typeof staged === 'object') keyspace.adoptValue(to, staged, valueHeaderBytes, entries.length(ref))
      else this.#copyBytes(ref, to)
      entries.setTypeAndEncoding(to, type, entries.encoding(ref))
    }
    entries.setLength(to, entries.length(ref))
    to = keyspace.setFieldsDue(keyspace.setExpireAt(to, expireAt), fieldsDue)
    if (entries.isTree(to)) keyspace.changed(to, this.#lsn)
    else keyspace.valueChanged(to, this.#lsn)
    if (type === stringType && entries.encoding(to) === plainString) entries.setFlag(to, ownIntegerFlag)
    if (this.interest.active !== 0) this.interest.touched(db, key, ks, ke, valuePut)
  }

  /** Sets a key to a collection that was built of a dump, whatever the key held. The record has the dump, and how it was built. Returns the entry. */
  restore(db: number, key: Uint8Array, ks: number, ke: number, built: BuiltValue, expireAt: number, dump: Dumped): number {
    const { keyspace } = this
    const { entries, access } = keyspace
    if (built.root === 0) this.#probeMemory(built.bytes)
    if (this.recording) {
      const record = this.#operation(restoreOp, db, key, ks, ke)
      record.byte(expireAt > 0 ? expiresFlag : 0)
      if (expireAt > 0) record.u48(expireAt)
      record.byte(built.encoding)
      record.u32(built.seed)
      record.range(dump.bytes, dump.start, dump.end)
    } else this.#operations++
    this.changes++
    const former = keyspace.find(db, key, ks, ke)
    if (former !== 0) this.#replace(former)
    let ref = keyspace.insert(db, built.type, key, ks, ke, expireAt > 0)
    entries.setResident(ref, 0, access.initial())
    if (built.root !== 0) keyspace.giveTree(ref, built.root, access.initial())
    else built.fill(ref, this.#lsn)
    entries.setLength(ref, built.length)
    ref = keyspace.setFieldsDue(keyspace.setExpireAt(ref, expireAt), built.fieldsDue ?? 0)
    keyspace.changed(ref, this.#lsn)
    if (this.interest.active !== 0) this.interest.touched(db, key, ks, ke, valuePut)
    return ref
  }

  /** Removes an entry whose key gets another value in the same operation. */
  #replace(ref: number): void {
    if (this.interest.active !== 0) this.interest.touchedEntry(ref, keyReplaced)
    this.keyspace.remove(ref, this.#lsn)
  }

  #reserveCopyOf(ref: number): void {
    const { entries, arena } = this.keyspace
    if (hasCold(this.keyspace, ref)) throw new Error('mutator: a value that is to be copied is cold')
    if (entries.isTree(ref)) return
    const size = valueHeaderBytes + this.#storedLength(ref)
    if (!arena.isReserved(size)) arena.reserveLarge(size)
  }

  #copyBytes(ref: number, to: number): void {
    const { keyspace } = this
    const { entries, values } = keyspace
    const length = this.#storedLength(ref)
    const slot = keyspace.makeValue(to, length)
    const from = entries.value(ref)
    const start = values.start(from)
    values.bytes(from).copy(values.bytes(slot), values.start(slot), start, start + length)
  }

  /** Bytes of a resident value in one piece. */
  #storedLength(ref: number): number {
    const { entries, values } = this.keyspace
    if (entries.type(ref) === stringType) return entries.length(ref)
    const value = entries.value(ref)
    return usedBytes(values.bytes(value), values.start(value))
  }

  /** Empties a physical database. */
  flush(db: number): void {
    this.#databaseOperation(flushOp, db)
    const database = this.keyspace.databases[db]
    this.changes += database.index.size
    if (this.interest.active !== 0) this.interest.flushed(db)
    this.keyspace.observer.flushed(this.keyspace.detach(db, this.#lsn), db)
  }

  /** Exchanges two of the numbers that clients know databases by. */
  swap(a: number, b: number): void {
    if (this.#databaseOperation(swapOp, a)) this.record.byte(b)
    this.changes++
    const { logical } = this.keyspace
    const physical = logical[a]
    logical[a] = logical[b]
    logical[b] = physical
    this.keyspace.logicalLsn = this.#lsn
    if (this.interest.active !== 0) this.interest.swapped(a, b)
    this.keyspace.observer.swapped()
  }

  #fits(ref: number, length: number): boolean {
    const { entries, values } = this.keyspace
    const value = entries.value(ref)
    const room = values.room(value)
    return length <= room && room - length <= 16 + (room >>> 3) && !this.keyspace.isReferred(ref)
  }

  #write(ref: number, offset: number, value: Uint8Array, vs: number, ve: number): void {
    const { keyspace } = this
    const { entries, values, arena } = keyspace
    const before = entries.length(ref)
    const length = Math.max(before, offset + (ve - vs))
    const former = entries.value(ref)
    if (ve > vs || length > before) {
      const slot = keyspace.resizeValue(ref, length > values.room(former) ? roomToGrow(length) : length, before)
      const bytes = values.bytes(slot)
      const start = values.start(slot)
      // A large block that has just been made for it holds the first `before` bytes and zeros.
      if (offset > before && (slot === former || !arena.isLarge(slot))) bytes.fill(0, start + before, start + offset)
      bytes.set(value.subarray(vs, ve), start + offset)
    }
    entries.setLength(ref, length)
    entries.setTypeAndEncoding(ref, stringType, rawString)
    entries.setAccess(ref, keyspace.access.used(entries.access(ref)))
    keyspace.valueChanged(ref, this.#lsn)
    if (this.interest.active !== 0) this.interest.touchedEntry(ref, valueEdited)
  }

  #operation(operation: number, db: number, key: Uint8Array, ks: number, ke: number): RecordBuffer {
    const { record } = this
    this.#operations++
    if (record.end === 0) record.byte(recordVersion)
    record.byte(operation)
    record.byte(db)
    record.range(key, ks, ke)
    return record
  }

  #databaseOperation(operation: number, db: number): boolean {
    this.#operations++
    if (!this.recording) return false
    if (this.record.end === 0) this.record.byte(recordVersion)
    this.record.byte(operation)
    this.record.byte(db)
    return true
  }

  /** As `#operation` for a known entry; false when nothing is recorded. */
  #operationOn(operation: number, ref: number): boolean {
    if (!this.recording) {
      this.#operations++
      return false
    }
    const { entries, arena } = this.keyspace
    const start = entries.keyStart(ref)
    this.#operation(operation, entries.db(ref), arena.bytes(ref), start, start + entries.keyLength(ref))
    return true
  }
}
