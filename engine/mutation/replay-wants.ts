/** What a log record needs of cold values before it is replayed: the parts that it changes, and what it copies. */

import { hasCold, wantValue } from '../cold-wants.ts'
import type { Keyspace } from '../keyspace/keyspace.ts'
import type { ColdWants } from '../need.ts'
import type { CollectionTypes } from '../types/collection-types.ts'
import { wantField } from '../types/hash-tree.ts'
import type { FieldSource } from './field-source.ts'
import { copyOp, deleteOp, expireOp, putStringOp, restoreOp } from './operations.ts'
import type { RecordReader } from './record-reader.ts'
import type { MutationVisitor, Replay } from './replay.ts'

export class ReplayWants implements MutationVisitor {
  readonly #keyspace: Keyspace
  readonly #types: CollectionTypes
  readonly #replay: Replay
  #wants!: ColdWants
  /** Entries that the record in hand deletes: what it says of their keys afterwards needs nothing of what they hold. */
  readonly #deleted = new Set<number>()
  readonly #moved: MovedKeys

  constructor(keyspace: Keyspace, replay: Replay, types: CollectionTypes) {
    this.#keyspace = keyspace
    this.#types = types
    this.#moved = new MovedKeys(keyspace)
    this.#replay = replay
  }

  /** Names what a record wants. */
  visit(payload: Buffer, wants: ColdWants): void {
    this.#wants = wants
    this.#deleted.clear()
    this.#moved.clear()
    this.#replay.visit(payload, this)
  }

  mutation(operation: number, db: number, buffer: Buffer, start: number, end: number, fields: FieldSource | undefined): void {
    if (operation === putStringOp || operation === restoreOp || operation === expireOp) return
    const keyspace = this.#keyspace
    const entry = this.#entryOf(db, buffer, start, end)
    if (entry === 0 || this.#deleted.has(entry)) return
    if (operation === deleteOp) this.#deleted.add(entry)
    else if (!hasCold(keyspace, entry)) return
    else if (fields === undefined || !keyspace.entries.isTree(entry)) wantValue(keyspace, entry, this.#wants)
    else
      for (let i = 0; i < fields.count; i++)
        wantField(keyspace, entry, fields.buffer(i), fields.fieldStart(i), fields.fieldEnd(i), this.#wants)
  }

  transfer(operation: number, db: number, buffer: Buffer, start: number, end: number, toDb: number, toStart: number, toEnd: number): void {
    const entry = this.#entryOf(db, buffer, start, end)
    const held = this.#deleted.has(entry) ? 0 : entry
    if (operation === copyOp) {
      if (held !== 0 && hasCold(this.#keyspace, held)) wantValue(this.#keyspace, held, this.#wants)
      this.#moved.set(toDb, buffer, toStart, toEnd, 0)
      return
    }
    this.#moved.set(toDb, buffer, toStart, toEnd, held)
    this.#moved.set(db, buffer, start, end, 0)
  }

  edit(type: number, edit: number, db: number, buffer: Buffer, start: number, end: number, payload: RecordReader): void {
    const entry = this.#entryOf(db, buffer, start, end)
    if (entry !== 0 && !this.#deleted.has(entry)) this.#editWants(type, edit, entry, payload, this.#wants)
  }

  /** Names what an edit wants that is about to be applied: what the edits before it in the record have done may have changed that. */
  editInHand(
    type: number,
    edit: number,
    db: number,
    buffer: Buffer,
    start: number,
    end: number,
    payload: RecordReader,
    into: ColdWants,
  ): void {
    const entry = this.#keyspace.find(db, buffer, start, end)
    if (entry !== 0) this.#editWants(type, edit, entry, payload, into)
  }

  #editWants(type: number, edit: number, entry: number, payload: RecordReader, into: ColdWants): void {
    const keyspace = this.#keyspace
    if (!hasCold(keyspace, entry)) return
    const { wants } = this.#types.edit(type, edit)
    if (keyspace.entries.type(entry) !== type) return
    if (wants === undefined || !keyspace.entries.isTree(entry)) wantValue(keyspace, entry, into)
    else wants(entry, payload, into)
  }

  #entryOf(db: number, buffer: Buffer, start: number, end: number): number {
    return this.#moved.get(db, buffer, start, end) ?? this.#keyspace.find(db, buffer, start, end)
  }
}

/**
 * Of keys that the record in hand brings values to or takes them from: the entry that holds, before the record, what they hold now; 0 for
 * none, or for a value that the record makes.
 */
class MovedKeys {
  readonly #keyspace: Keyspace
  readonly #byHash = new Map<number, { readonly db: number; readonly key: Buffer; entry: number }[]>()

  constructor(keyspace: Keyspace) {
    this.#keyspace = keyspace
  }

  set(db: number, buffer: Buffer, start: number, end: number, entry: number): void {
    const key = buffer.subarray(start, end)
    const hash = this.#keyspace.keyHash(buffer, start, end)
    const bucket = this.#byHash.get(hash) ?? []
    const known = bucket.find((each) => each.db === db && each.key.equals(key))
    if (known !== undefined) known.entry = entry
    else bucket.push({ db, key, entry })
    this.#byHash.set(hash, bucket)
  }

  get(db: number, buffer: Buffer, start: number, end: number): number | undefined {
    if (this.#byHash.size === 0) return undefined
    const key = buffer.subarray(start, end)
    return this.#byHash.get(this.#keyspace.keyHash(buffer, start, end))?.find((each) => each.db === db && each.key.equals(key))?.entry
  }

  clear(): void {
    if (this.#byHash.size > 0) this.#byHash.clear()
  }
}
