/**
 * The record under way: what the operations of one request have in common. Where they are written, if anywhere, the LSN that their changes
 * carry, how many they are, and who hears which keys they change.
 *
 * An operation counts as begun before its first byte is recorded, and large memory is asked for before that: when the
 * system refuses it, and `operations` is what it was, nothing has happened.
 */
import { KeyInterest } from '../keyspace/key-interest.ts'
import type { Keyspace } from '../keyspace/keyspace.ts'
import { recordVersion } from './operations.ts'
import { RecordBuffer } from './record-buffer.ts'

export class CurrentRecord {
  readonly keyspace: Keyspace
  readonly buffer: RecordBuffer
  interest: KeyInterest
  recording = true
  bytesMax = Number.POSITIVE_INFINITY
  changes = 0
  lsn = 0
  operations = 0

  /** Values from `largeValueBytes` on are recorded by reference. */
  constructor(keyspace: Keyspace, largeValueBytes: number) {
    this.keyspace = keyspace
    this.interest = new KeyInterest(keyspace)
    this.buffer = new RecordBuffer(largeValueBytes)
  }

  begin(lsn: number): void {
    this.lsn = lsn
    this.operations = 0
    if (this.buffer.end !== 0) this.buffer.clear()
  }

  canRecord(bytes: number): boolean {
    return !this.recording || this.buffer.length + bytes <= this.bytesMax
  }

  /** Begins an operation on a key, which is recorded. Its arguments are for the caller to write. */
  operation(operation: number, db: number, key: Uint8Array, ks: number, ke: number): RecordBuffer {
    const { buffer } = this
    this.operations++
    if (buffer.end === 0) buffer.byte(recordVersion)
    buffer.byte(operation)
    buffer.byte(db)
    buffer.range(key, ks, ke)
    return buffer
  }

  /** As `operation`, on a database; false when nothing is recorded. */
  operationOnDatabase(operation: number, db: number): boolean {
    this.operations++
    if (!this.recording) return false
    if (this.buffer.end === 0) this.buffer.byte(recordVersion)
    this.buffer.byte(operation)
    this.buffer.byte(db)
    return true
  }

  /** As `operation`, on an entry; false when nothing is recorded. */
  operationOn(operation: number, ref: number): boolean {
    if (!this.recording) {
      this.operations++
      return false
    }
    const { entries, arena } = this.keyspace
    const start = entries.keyStart(ref)
    this.operation(operation, entries.db(ref), arena.bytes(ref), start, start + entries.keyLength(ref))
    return true
  }
}
