/**
 * Applies log records to a keyspace that may already hold their effects, wholly or for some keys: a mutation is applied
 * only if its record is newer than what its key shows. So a fuzzy checkpoint and the log after it give the exact state.
 *
 * What a record does to a key is decided before any of the record is applied: its second mutation of a key must not be
 * taken for old because of the first. A large collection is like any key: the catalog shows its leaves as of one moment.
 *
 * A move or a copy concerns two keys. A checkpoint shows both as they were before it or both as they are after it (docs/decisions/0010-moves.md),
 * so of one that is new to its source the value is there. Where only one of the two keys is behind, which a record applied twice can
 * bring about, that key is made what it would have come to: the source of a move is deleted, and so is a target.
 */
import { rebuilt } from '../dump/restore-work.ts'
import { beforeMoveFlag, treeForm } from '../keyspace/entries.ts'
import type { Keyspace } from '../keyspace/keyspace.ts'
import { ownDatabase } from '../keyspace/keyspace.ts'
import type { FieldSource } from './field-source.ts'
import type { HashForm } from './hash-operations.ts'
import type { Mutator } from './mutator.ts'
import { keepTtl } from './mutator.ts'
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
import { RecordReader } from './record-reader.ts'
import { RecordUnreadable } from './record-unreadable.ts'

/** Sees each mutation of a record without applying it. */
export interface MutationVisitor {
  /** `buffer[start, end)` is the key. `fields` is set for hash operations. */
  mutation(operation: number, db: number, buffer: Buffer, start: number, end: number, fields: FieldSource | undefined): void
  /** The value of the key `buffer[start, end)` goes to another key, or a copy of it. */
  transfer(operation: number, db: number, buffer: Buffer, start: number, end: number, toDb: number, toStart: number, toEnd: number): void
  /** An edit of the collection under the key `buffer[start, end)`. `payload` is to be read during the call only. */
  edit(type: number, edit: number, db: number, buffer: Buffer, start: number, end: number, payload: RecordReader): void
}

/** Told of an edit that is about to be applied, with the payload to be read from its beginning. */
export type BeforeEdit = (type: number, edit: number, db: number, key: Buffer, start: number, end: number, payload: RecordReader) => void

export class Replay {
  /** Whether a record was applied that changes the server's own database; set back by whoever asks. */
  changedOwn = false
  /** What an edit changes must be resident when it is applied, as the edits before it in the record have left the collection. */
  beforeEdit: BeforeEdit | undefined
  readonly #keyspace: Keyspace
  readonly #mutator: Mutator
  readonly #reader = new RecordReader()
  readonly #payload = new RecordReader()
  readonly #fields = new ReplayFields()
  readonly #fresh: boolean[] = []
  /** Of each move whether it is new to its target. */
  readonly #freshTargets: boolean[] = []
  /** Of each move its target's database; -1 of others. */
  readonly #targetDbs: number[] = []
  /** Entries that the catalog shows as of just before a move by the record in hand. */
  readonly #beforeMoves: number[] = []
  /** Of each mutation of a key, its database; -1 of others. */
  readonly #dbs: number[] = []

  constructor(keyspace: Keyspace, mutator: Mutator) {
    this.#keyspace = keyspace
    this.#mutator = mutator
  }

  /** Applies one record. Every value that it changes in part must be resident: see `needs`. */
  apply(lsn: number, payload: Buffer): void {
    this.#keyspace.forgetLookUp()
    this.#decide(lsn, payload)
    this.#mutator.begin(lsn)
    const reader = this.#begin(payload)
    for (let i = 0; reader.at < reader.end; i++) this.#step(reader, this.#fresh[i], this.#freshTargets[i])
    this.#keyspace.forgetLookUp()
  }

  /** Shows a record's keys, to tell which cold values must be fetched first. */
  visit(payload: Buffer, visitor: MutationVisitor): void {
    this.#keyspace.forgetLookUp()
    const reader = this.#begin(payload)
    while (reader.at < reader.end) {
      const operation = reader.byte()
      const db = reader.byte()
      if (operation === flushOp) continue
      if (operation === swapOp) {
        reader.byte()
        continue
      }
      reader.range()
      const { start, stop } = reader
      if (operation === moveOp || operation === copyOp) {
        const toDb = reader.byte()
        reader.range()
        visitor.transfer(operation, db, payload, start, stop, toDb, reader.start, reader.stop)
        continue
      }
      if (operation === editOp) {
        const type = reader.byte()
        const edit = reader.byte()
        visitor.edit(type, edit, db, payload, start, stop, this.#payloadIn(reader))
        continue
      }
      const fields = this.#skip(operation, reader)
      visitor.mutation(operation, db, payload, start, stop, fields)
    }
  }

  #begin(payload: Buffer): RecordReader {
    const reader = this.#reader
    reader.open(payload, 0, payload.length)
    const version = reader.byte()
    if (version !== recordVersion)
      throw new RecordUnreadable(`log record of version ${version}: written by ${version < recordVersion ? 'an older' : 'a newer'} Moraine`)
    return reader
  }

  #decide(lsn: number, payload: Buffer): void {
    const fresh = this.#fresh
    const dbs = this.#dbs
    let count = 0
    this.#beforeMoves.length = 0
    const reader = this.#begin(payload)
    const keyspace = this.#keyspace
    while (reader.at < reader.end) {
      const operation = reader.byte()
      const db = reader.byte()
      if (db === ownDatabase) this.changedOwn = true
      this.#targetDbs[count] = -1
      if (operation === flushOp) {
        const { flushedLsn } = keyspace.databases[db]
        // This very flush has been seen: with it went what the record did before, but not what it did after.
        if (flushedLsn === lsn) this.#skipBefore(count, db)
        dbs[count] = -1
        fresh[count++] = flushedLsn < lsn
        continue
      }
      if (operation === swapOp) {
        reader.byte()
        dbs[count] = -1
        fresh[count++] = keyspace.logicalLsn < lsn
        continue
      }
      reader.range()
      const ref = keyspace.find(db, payload, reader.start, reader.stop)
      dbs[count] = db
      if (operation === moveOp || operation === copyOp) {
        if (ref !== 0 && keyspace.entries.lsn(ref) === lsn && keyspace.entries.flag(ref, beforeMoveFlag)) this.#beforeMoves.push(ref)
        const toDb = reader.byte()
        reader.range()
        this.#targetDbs[count] = toDb
        this.#freshTargets[count] = this.#isNew(lsn, toDb, keyspace.find(toDb, payload, reader.start, reader.stop))
      } else this.#skip(operation, reader)
      fresh[count++] = this.#isNew(lsn, db, ref)
    }
  }

  /** Skips what the first `count` operations of the record do in a database. */
  #skipBefore(count: number, db: number): void {
    for (let i = 0; i < count; i++) {
      if (this.#dbs[i] === db) this.#fresh[i] = false
      if (this.#targetDbs[i] === db) this.#freshTargets[i] = false
    }
  }

  /** Whether a key does not show yet what the record in hand does to it. */
  #isNew(lsn: number, db: number, ref: number): boolean {
    const { databases, entries } = this.#keyspace
    if (databases[db].flushedLsn > lsn) return false
    return ref === 0 || entries.lsn(ref) < lsn || this.#beforeMoves.includes(ref)
  }

  #skip(operation: number, reader: RecordReader): FieldSource | undefined {
    if (operation === putStringOp) {
      if ((reader.byte() & expiresFlag) !== 0) reader.u48()
      reader.range()
    } else if (operation === expireOp) reader.u48()
    else if (operation === appendOp) reader.range()
    else if (operation === editOp) {
      // Before anything of the record is applied.
      this.#mutator.types.edit(reader.byte(), reader.byte())
      reader.range()
    } else if (operation === setRangeOp) {
      reader.varint()
      reader.range()
    } else if (operation === hashSetOp || operation === hashSetInFormOp || operation === hashDeleteOp) {
      if (operation === hashSetInFormOp && reader.byte() === treeForm) reader.u32()
      this.#fields.read(reader, operation !== hashDeleteOp)
      return this.#fields
    } else if (operation === restoreOp) {
      if ((reader.byte() & expiresFlag) !== 0) reader.u48()
      reader.byte()
      reader.u32()
      reader.range()
    } else if (operation !== deleteOp) {
      throw new RecordUnreadable(`log record holds an unknown operation ${operation}: written by a newer Moraine`)
    }
    return undefined
  }

  #step(reader: RecordReader, fresh: boolean, freshTarget: boolean): void {
    const mutator = this.#mutator
    const operation = reader.byte()
    const db = reader.byte()
    if (operation === flushOp) {
      if (fresh) mutator.flush(db)
      return
    }
    if (operation === swapOp) {
      const other = reader.byte()
      if (fresh) mutator.swap(db, other)
      return
    }
    reader.range()
    const { bytes, start, stop } = reader
    if (operation === moveOp || operation === copyOp) {
      this.#stepTransfer(operation, reader, db, fresh, freshTarget)
      return
    }
    if (operation === putStringOp) {
      const flags = reader.byte()
      const expireAt = (flags & expiresFlag) !== 0 ? reader.u48() : (flags & keepTtlFlag) !== 0 ? keepTtl : 0
      reader.range()
      if (fresh) mutator.putString(db, bytes, start, stop, bytes, reader.start, reader.stop, expireAt)
      return
    }
    if (operation === restoreOp) {
      this.#stepRestore(reader, db, fresh)
      return
    }
    if (operation === editOp) {
      const type = reader.byte()
      const edit = reader.byte()
      const payload = this.#payloadIn(reader)
      if (!fresh) return
      if (this.beforeEdit !== undefined) {
        const { at } = payload
        this.beforeEdit(type, edit, db, bytes, start, stop, payload)
        payload.at = at
      }
      mutator.replayEdit(type, edit, db, bytes, start, stop, payload)
      return
    }
    const ref = this.#keyspace.find(db, bytes, start, stop)
    if (operation === deleteOp) {
      if (fresh && ref !== 0) mutator.deleteEntry(ref)
    } else if (operation === hashSetOp || operation === hashSetInFormOp) {
      const form = operation === hashSetOp ? 0 : (reader.byte() as HashForm)
      const seed = form === treeForm ? reader.u32() : 0
      this.#fields.read(reader, true)
      if (fresh) mutator.hashSet(db, bytes, start, stop, this.#fields, form, seed)
    } else if (operation === hashDeleteOp) {
      this.#fields.read(reader, false)
      if (fresh && ref !== 0) mutator.hashDelete(ref, this.#fields)
    } else this.#stepInString(operation, reader, fresh ? ref : 0, fresh && ref === 0 ? db : -1, start, stop)
  }

  /** Reads over a payload, and returns what reads it. */
  #payloadIn(reader: RecordReader): RecordReader {
    reader.range()
    this.#payload.open(reader.bytes, reader.start, reader.stop)
    return this.#payload
  }

  #stepRestore(reader: RecordReader, db: number, fresh: boolean): void {
    const { bytes, start, stop } = reader
    const expireAt = (reader.byte() & expiresFlag) !== 0 ? reader.u48() : 0
    const form = reader.byte()
    const seed = reader.u32()
    reader.range()
    if (!fresh) return
    const built = rebuilt(
      { keyspace: this.#keyspace, mutator: this.#mutator, limits: undefined, form, seed },
      bytes,
      reader.start,
      reader.stop,
    )
    this.#mutator.restore(db, bytes, start, stop, built, expireAt, { bytes, start: reader.start, end: reader.stop })
  }

  #stepTransfer(operation: number, reader: RecordReader, db: number, fresh: boolean, freshTarget: boolean): void {
    const mutator = this.#mutator
    const { bytes, start, stop } = reader
    const toDb = reader.byte()
    reader.range()
    const ref = fresh ? this.#keyspace.find(db, bytes, start, stop) : 0
    if (!freshTarget) {
      if (ref !== 0 && operation === moveOp) mutator.deleteEntry(ref)
    } else if (ref !== 0 && operation === moveOp) mutator.move(ref, toDb, bytes, reader.start, reader.stop)
    else if (ref !== 0) mutator.copy(ref, toDb, bytes, reader.start, reader.stop)
    else mutator.delete(toDb, bytes, reader.start, reader.stop)
  }

  /** APPEND, SETRANGE and EXPIRE. On a missing key (a later record deletes it again) a string is begun anew. */
  #stepInString(operation: number, reader: RecordReader, ref: number, missingDb: number, start: number, stop: number): void {
    const mutator = this.#mutator
    if (operation === expireOp) {
      const expireAt = reader.u48()
      if (ref !== 0) mutator.expire(ref, expireAt)
      return
    }
    const offset = operation === setRangeOp ? reader.varint() : -1
    reader.range()
    const entry = missingDb >= 0 ? mutator.putString(missingDb, reader.bytes, start, stop, reader.bytes, 0, 0, 0) : ref
    if (entry === 0) return
    if (operation === appendOp) mutator.append(entry, reader.bytes, reader.start, reader.stop)
    else mutator.setRange(entry, offset, reader.bytes, reader.start, reader.stop)
  }
}

/** The field ranges of one hash operation in a record. */
class ReplayFields implements FieldSource {
  count = 0
  #buffer: Buffer = Buffer.alloc(0)
  #ranges = new Int32Array(64)

  read(reader: RecordReader, withValues: boolean): void {
    this.#buffer = reader.bytes
    this.count = reader.varint()
    if (this.#ranges.length < this.count * 4) this.#ranges = new Int32Array(this.count * 8)
    for (let i = 0; i < this.count; i++) {
      reader.range()
      this.#ranges[i * 4] = reader.start
      this.#ranges[i * 4 + 1] = reader.stop
      if (!withValues) continue
      reader.range()
      this.#ranges[i * 4 + 2] = reader.start
      this.#ranges[i * 4 + 3] = reader.stop
    }
  }

  buffer(): Buffer {
    return this.#buffer
  }

  fieldStart(index: number): number {
    return this.#ranges[index * 4]
  }

  fieldEnd(index: number): number {
    return this.#ranges[index * 4 + 1]
  }

  valueStart(index: number): number {
    return this.#ranges[index * 4 + 2]
  }

  valueEnd(index: number): number {
    return this.#ranges[index * 4 + 3]
  }
}
