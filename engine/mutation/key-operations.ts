/** Whole keys as the mutator changes them: deleted, given an expiry, moved, copied, and made of a dump. `Mutator` says what each operation does. */
import { ColdFaults } from '../cold-faults.ts'
import { hasCold, wantValue } from '../cold-wants.ts'
import type { BuiltValue, Dumped } from '../dump/built-value.ts'
import { ownIntegerFlag, plainString, stringType } from '../keyspace/entries.ts'
import { expirySet, keyDeleted, keyReplaced, valueMovedAway, valueMovedHere, valuePut } from '../keyspace/key-change.ts'
import type { Keyspace } from '../keyspace/keyspace.ts'
import { transferValue } from '../keyspace/value-transfer.ts'
import { valueHeaderBytes } from '../keyspace/values.ts'
import { probeMemory } from '../memory/growth.ts'
import { usedBytes } from '../memory/packed-bytes.ts'
import { copyOfTree } from '../tree/tree-copy.ts'
import type { CurrentRecord } from './current-record.ts'
import { copyOp, deleteOp, expireOp, expiresFlag, moveOp, restoreOp } from './operations.ts'

export class KeyOperations {
  readonly #keyspace: Keyspace
  readonly #current: CurrentRecord
  readonly #faults: ColdFaults

  constructor(current: CurrentRecord) {
    this.#keyspace = current.keyspace
    this.#current = current
    this.#faults = new ColdFaults(current.keyspace)
  }

  delete(db: number, key: Uint8Array, ks: number, ke: number, change = keyDeleted): boolean {
    const ref = this.#keyspace.find(db, key, ks, ke)
    if (ref === 0) return false
    this.deleteEntry(ref, change)
    return true
  }

  deleteEntry(ref: number, change = keyDeleted): void {
    this.#current.operationOn(deleteOp, ref)
    this.#current.changes++
    if (this.#current.interest.active !== 0) this.#current.interest.touchedEntry(ref, change)
    this.#keyspace.remove(ref, this.#current.lsn)
  }

  expire(ref: number, expireAt: number): number {
    if (!this.#keyspace.entries.hasTtlRoom(ref)) this.#keyspace.arena.mustHold(0)
    if (this.#current.operationOn(expireOp, ref)) this.#current.buffer.u48(expireAt)
    this.#current.changes++
    const entry = this.#keyspace.expiring.setExpireAt(ref, expireAt)
    this.#keyspace.changed(entry, this.#current.lsn)
    if (this.#current.interest.active !== 0) this.#current.interest.touchedEntry(entry, expirySet)
    return entry
  }

  move(ref: number, db: number, key: Uint8Array, ks: number, ke: number): void {
    const keyspace = this.#keyspace
    const { entries } = keyspace
    keyspace.arena.mustHold(0)
    keyspace.observer.transferring(ref, this.#current.lsn)
    if (this.#current.operationOn(moveOp, ref)) {
      this.#current.buffer.byte(db)
      this.#current.buffer.range(key, ks, ke)
    }
    this.#current.changes++
    const replaced = keyspace.find(db, key, ks, ke)
    if (replaced !== 0) this.#replace(replaced)
    const expireAt = entries.expireAt(ref)
    const fieldsDue = keyspace.expiring.fieldsDue(ref)
    const to = keyspace.insert(db, entries.type(ref), key, ks, ke, expireAt !== 0 || fieldsDue !== 0)
    transferValue(keyspace, ref, to)
    keyspace.changed(to, this.#current.lsn)
    keyspace.expiring.setExpireAt(to, expireAt)
    keyspace.expiring.setFieldsDue(to, fieldsDue)
    if (this.#current.interest.active !== 0) {
      this.#current.interest.touchedEntry(ref, valueMovedAway)
      this.#current.interest.touched(db, key, ks, ke, valueMovedHere)
    }
    keyspace.remove(ref, this.#current.lsn)
  }

  copy(ref: number, db: number, key: Uint8Array, ks: number, ke: number, staged?: Buffer | number): void {
    const keyspace = this.#keyspace
    const { entries, access } = keyspace
    if (staged === undefined) this.#reserveCopyOf(ref)
    keyspace.arena.reserveSlots(0)
    keyspace.observer.transferring(ref, this.#current.lsn)
    if (this.#current.operationOn(copyOp, ref)) {
      this.#current.buffer.byte(db)
      this.#current.buffer.range(key, ks, ke)
    }
    this.#current.changes++
    const former = keyspace.find(db, key, ks, ke)
    if (former !== 0) this.#replace(former)
    const type = entries.type(ref)
    const expireAt = entries.expireAt(ref)
    const fieldsDue = keyspace.expiring.fieldsDue(ref)
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
    to = keyspace.expiring.setFieldsDue(keyspace.expiring.setExpireAt(to, expireAt), fieldsDue)
    if (entries.isTree(to)) keyspace.changed(to, this.#current.lsn)
    else keyspace.valueChanged(to, this.#current.lsn)
    if (type === stringType && entries.encoding(to) === plainString) entries.setFlag(to, ownIntegerFlag)
    if (this.#current.interest.active !== 0) this.#current.interest.touched(db, key, ks, ke, valuePut)
  }

  restore(db: number, key: Uint8Array, ks: number, ke: number, built: BuiltValue, expireAt: number, dump: Dumped): number {
    const keyspace = this.#keyspace
    const { entries, access } = keyspace
    if (built.root === 0) probeMemory(this.#keyspace.arena, built.bytes)
    if (this.#current.recording) {
      const record = this.#current.operation(restoreOp, db, key, ks, ke)
      record.byte(expireAt > 0 ? expiresFlag : 0)
      if (expireAt > 0) record.u48(expireAt)
      record.byte(built.encoding)
      record.u32(built.seed)
      record.range(dump.bytes, dump.start, dump.end)
    } else this.#current.operations++
    this.#current.changes++
    const former = keyspace.find(db, key, ks, ke)
    if (former !== 0) this.#replace(former)
    let ref = keyspace.insert(db, built.type, key, ks, ke, expireAt > 0)
    entries.setResident(ref, 0, access.initial())
    if (built.root !== 0) keyspace.giveTree(ref, built.root, access.initial())
    else built.fill(ref, this.#current.lsn)
    entries.setLength(ref, built.length)
    ref = keyspace.expiring.setFieldsDue(keyspace.expiring.setExpireAt(ref, expireAt), built.fieldsDue ?? 0)
    keyspace.changed(ref, this.#current.lsn)
    if (this.#current.interest.active !== 0) this.#current.interest.touched(db, key, ks, ke, valuePut)
    return ref
  }

  /** Removes an entry whose key gets another value in the same operation. */
  #replace(ref: number): void {
    if (this.#current.interest.active !== 0) this.#current.interest.touchedEntry(ref, keyReplaced)
    this.#keyspace.remove(ref, this.#current.lsn)
  }

  #reserveCopyOf(ref: number): void {
    const { entries, arena } = this.#keyspace
    if (hasCold(this.#keyspace, ref)) wantValue(this.#keyspace, ref, this.#faults)
    if (entries.isTree(ref)) return
    const size = valueHeaderBytes + this.#storedLength(ref)
    if (!arena.isReserved(size)) arena.reserveLarge(size)
  }

  #copyBytes(ref: number, to: number): void {
    const keyspace = this.#keyspace
    const { entries, values } = keyspace
    const length = this.#storedLength(ref)
    const slot = keyspace.makeValue(to, length)
    const from = entries.value(ref)
    const start = values.start(from)
    values.bytes(from).copy(values.bytes(slot), values.start(slot), start, start + length)
  }

  /** Bytes of a resident value in one piece. */
  #storedLength(ref: number): number {
    const { entries, values } = this.#keyspace
    if (entries.type(ref) === stringType) return entries.length(ref)
    const value = entries.value(ref)
    return usedBytes(values.bytes(value), values.start(value))
  }
}
