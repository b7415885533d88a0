/** Strings as the mutator changes them: set, appended to, written over, with memory that is reserved first where a string is large. `Mutator` says what each operation does. */
import { hashType, plainString, rawString, stringType, textString } from '../keyspace/entries.ts'
import { valueEdited, valuePut } from '../keyspace/key-change.ts'
import type { Keyspace } from '../keyspace/keyspace.ts'
import { valueHeaderBytes } from '../keyspace/values.ts'
import { slotBytesMax } from '../memory/arena.ts'
import { roomToGrow } from '../memory/growth.ts'
import { byteCopyBytesMax, copyBytes, copyToWords, wordCopyBytesMax } from '../memory/word-copy.ts'
import type { CurrentRecord } from './current-record.ts'
import { appendOp, expiresFlag, keepTtlFlag, putStringOp, setRangeOp } from './operations.ts'

/** A way to leave the expiry as it is when a string is put. */
export const keepTtl = -1

/** A string up to here needs no large block, even with room to grow on. */
const slotStringBytesMax = slotBytesMax / 2

export class StringOperations {
  readonly #keyspace: Keyspace
  readonly #current: CurrentRecord
  readonly #largeValueBytes: number

  /** Values from `largeValueBytes` on are recorded by reference. */
  constructor(current: CurrentRecord, largeValueBytes: number) {
    this.#keyspace = current.keyspace
    this.#current = current
    this.#largeValueBytes = largeValueBytes
  }

  put(
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
    if (this.#current.recording) {
      const record = this.#current.operation(putStringOp, db, key, ks, ke)
      record.byte(expireAt > 0 ? expiresFlag : expireAt === keepTtl ? keepTtlFlag : 0)
      if (expireAt > 0) record.u48(expireAt)
      if (!isRecordedLast) record.range(value, vs, ve)
    } else this.#current.operations++
    this.#current.changes++
    const keyspace = this.#keyspace
    const { entries } = keyspace
    let ref = keyspace.find(db, key, ks, ke)
    if (ref === 0) ref = keyspace.insert(db, stringType, key, ks, ke, expireAt > 0)
    if (adopts) keyspace.adoptValue(ref, value as Buffer, vs, length)
    else this.#copyValue(ref, value, vs, ve)
    if (entries.type(ref) === hashType) ref = keyspace.expiring.setFieldsDue(ref, 0)
    entries.setTypeAndEncoding(ref, stringType, plainString)
    if (isRecordedLast && this.#current.recording) this.#recordValue(entries.value(ref), length)
    entries.setLength(ref, length)
    if (expireAt !== keepTtl) ref = keyspace.expiring.setExpireAt(ref, expireAt)
    keyspace.valueChanged(ref, this.#current.lsn)
    if (this.#current.interest.active !== 0) this.#current.interest.touched(db, key, ks, ke, valuePut)
    return ref
  }

  #reserveCopy(db: number, key: Uint8Array, ks: number, ke: number, length: number): void {
    const { arena } = this.#keyspace
    const ref = this.#keyspace.find(db, key, ks, ke)
    const size = valueHeaderBytes + length
    if ((ref === 0 || !this.#takesCopy(ref, length)) && !arena.isReserved(size)) arena.reserveLarge(size)
  }

  /** Whether the slot of an entry can take another value of this length. */
  #takesCopy(ref: number, length: number): boolean {
    const { entries } = this.#keyspace
    return entries.type(ref) === stringType && entries.isResident(ref) && entries.value(ref) !== 0 && this.#fits(ref, length)
  }

  #copyValue(ref: number, value: Uint8Array, vs: number, ve: number): void {
    const keyspace = this.#keyspace
    const { entries, values } = keyspace
    const length = ve - vs
    if (!this.#takesCopy(ref, length)) keyspace.makeValue(ref, length)
    else entries.setAccess(ref, keyspace.access.used(entries.access(ref)))
    const slot = entries.value(ref)
    const bytes = values.bytes(slot)
    const at = values.start(slot)
    const view = length <= wordCopyBytesMax ? keyspace.cachePrefetch.viewOf(value) : undefined
    if (view !== undefined) copyToWords(view, vs, values.arena.words(slot), values.startWord(slot), length)
    else if (length <= byteCopyBytesMax) copyBytes(value, vs, ve, bytes, at)
    else bytes.set(vs === 0 && ve === value.length ? value : value.subarray(vs, ve), at)
  }

  /** Records a short or large value, now that it lies where it will stay: a large one by reference, if its memory is not used for anything else afterwards. */
  #recordValue(slot: number, length: number): void {
    const { values, arena } = this.#keyspace
    const start = values.start(slot)
    if (length <= wordCopyBytesMax) this.#current.buffer.wordRange(arena.words(slot), values.startWord(slot), length)
    else if (arena.isLarge(slot)) {
      values.setLogged(slot)
      this.#current.buffer.reference(values.bytes(slot), start, start + length)
    } else this.#current.buffer.range(values.bytes(slot), start, start + length)
  }

  reserveString(ref: number, length: number): void {
    if (length <= slotStringBytesMax) return
    const { entries, values, arena } = this.#keyspace
    const room = ref === 0 ? 0 : values.room(entries.value(ref))
    if (length <= room && !this.#keyspace.isReferred(ref)) return
    const size = valueHeaderBytes + (length > room ? roomToGrow(length) : length)
    if (!arena.isReserved(size)) arena.reserveLarge(size)
  }

  reserveNewString(length: number): void {
    if (length >= this.#largeValueBytes) this.#keyspace.arena.reserveLarge(valueHeaderBytes + length)
  }

  append(ref: number, value: Uint8Array, vs: number, ve: number): void {
    this.reserveString(ref, this.#keyspace.entries.length(ref) + ve - vs)
    if (this.#current.operationOn(appendOp, ref)) this.#current.buffer.range(value, vs, ve)
    this.#current.changes++
    this.#write(ref, this.#keyspace.entries.length(ref), value, vs, ve)
  }

  setRange(ref: number, offset: number, value: Uint8Array, vs: number, ve: number): void {
    this.reserveString(ref, Math.max(this.#keyspace.entries.length(ref), offset + ve - vs))
    if (this.#current.operationOn(setRangeOp, ref)) {
      this.#current.buffer.varint(offset)
      this.#current.buffer.range(value, vs, ve)
    }
    if (offset === 0 && ve === vs) {
      this.#keyspace.entries.setTypeAndEncoding(ref, stringType, textString)
      this.#keyspace.changed(ref, this.#current.lsn)
      return
    }
    this.#current.changes++
    this.#write(ref, offset, value, vs, ve)
  }

  markRaw(ref: number): void {
    this.#keyspace.entries.setTypeAndEncoding(ref, stringType, rawString)
  }

  #fits(ref: number, length: number): boolean {
    const { entries, values } = this.#keyspace
    const value = entries.value(ref)
    const room = values.room(value)
    return length <= room && room - length <= 16 + (room >>> 3) && !this.#keyspace.isReferred(ref)
  }

  #write(ref: number, offset: number, value: Uint8Array, vs: number, ve: number): void {
    const keyspace = this.#keyspace
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
    keyspace.valueChanged(ref, this.#current.lsn)
    if (this.#current.interest.active !== 0) this.#current.interest.touchedEntry(ref, valueEdited)
  }
}
