/** What a log record needs of cold values before it is replayed: the parts that it changes, and what it copies. */
import type { ColdWants } from '../cold-wants.ts'
import { hasCold, wantValue } from '../cold-wants.ts'
import type { Keyspace } from '../keyspace/keyspace.ts'
import { wantField } from '../types/hash-tree.ts'
import type { FieldSource } from './field-source.ts'
import { copyOp, deleteOp, expireOp, putStringOp } from './operations.ts'
import type { MutationVisitor, Replay } from './replay.ts'

export class ReplayWants implements MutationVisitor {
  readonly #keyspace: Keyspace
  readonly #replay: Replay
  #wants!: ColdWants
  /** Entries that the record in hand deletes: what it says of their keys afterwards needs nothing of what they hold. */
  readonly #deleted = new Set<number>()
  /**
   * Entry that holds, before the record in hand, what the record brings to a key; 0 for a key whose value goes away, or is made anew. By
   * database and key.
   */
  readonly #moved = new Map<string, number>()

  constructor(keyspace: Keyspace, replay: Replay) {
    this.#keyspace = keyspace
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
    if (operation === putStringOp || operation === expireOp) return
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
      this.#moved.set(placeOf(toDb, buffer, toStart, toEnd), 0)
      return
    }
    this.#moved.set(placeOf(toDb, buffer, toStart, toEnd), held)
    this.#moved.set(placeOf(db, buffer, start, end), 0)
  }

  #entryOf(db: number, buffer: Buffer, start: number, end: number): number {
    const moved = this.#moved.size === 0 ? undefined : this.#moved.get(placeOf(db, buffer, start, end))
    return moved ?? this.#keyspace.find(db, buffer, start, end)
  }
}

function placeOf(db: number, buffer: Buffer, start: number, end: number): string {
  return `${db}/${buffer.toString('latin1', start, end)}`
}
