/**
 * Fields of hashes whose time has come: missing for whoever asks, and deleted by the primary, in its record. A small hash loses them all as soon as
 * a command meets it; a large one those that a command names, and all of them by and by (`expiry-cycle.ts`).
 */
import { fieldsExpireFlag } from './keyspace/entries.ts'
import type { Keyspace } from './keyspace/keyspace.ts'
import { genericEvent, hashEvent } from './messages.ts'
import type { FieldSource } from './mutation/field-source.ts'
import type { Mutator } from './mutation/mutator.ts'
import { earlier } from './types/hash-type.ts'
import type { VisitPair } from './types/packed-fields.ts'
import { PackedCursor, visitPairs } from './types/packed-fields.ts'

const nothing = Buffer.alloc(0)

/** What deleting them asks of an `Execution`. */
interface FieldExpirer {
  readonly keyspace: Keyspace
  readonly mutator: Mutator
  readonly now: number
  readonly deletesExpired: boolean
  expiredFields: number
  fieldExpiries: number
  notifyEntry(eventClass: number, event: string, ref: number): void
}

/** The names of expired fields, copied: deleting the one moves the others. Collects, from the pairs that it is shown, when the next of the rest expires. */
export class ExpiredFields implements FieldSource {
  count = 0
  /** When the first of the fields that have not expired does; 0 if none does. */
  nextDue = 0
  readonly #now: number
  readonly #names: Buffer[] = []

  constructor(now: number) {
    this.#now = now
  }

  readonly visit: VisitPair = (bytes, { fieldStart, fieldEnd, expireAt }) => {
    if (expireAt === 0) return
    if (expireAt < this.#now) this.add(bytes, fieldStart, fieldEnd)
    else this.nextDue = earlier(this.nextDue, expireAt)
  }

  add(bytes: Buffer, start: number, end: number): this {
    this.#names.push(Buffer.from(bytes.subarray(start, end)))
    this.count++
    return this
  }

  buffer(index: number): Buffer {
    return this.#names[index] ?? nothing
  }

  fieldStart(): number {
    return 0
  }

  fieldEnd(index: number): number {
    return this.buffer(index).length
  }

  valueStart(): number {
    return 0
  }

  valueEnd(): number {
    return 0
  }
}

/** Whether a hash may hold fields whose time has come. */
export function mayHoldExpired({ keyspace, now }: Pick<FieldExpirer, 'keyspace' | 'now'>, entry: number): boolean {
  const due = keyspace.expiring.fieldsDue(entry)
  // Of a large hash that is only when active expiry looks again.
  return due !== 0 && (due < now || keyspace.entries.isTree(entry))
}

/** Deletes expired fields, and says so. True if the key has gone with the last one. */
export function deleteExpired(x: FieldExpirer, entry: number, fields: ExpiredFields): boolean {
  if (fields.count === 0) return false
  const isLast = x.keyspace.entries.length(entry) === fields.count
  x.notifyEntry(hashEvent, 'hexpired', entry)
  if (isLast) x.notifyEntry(genericEvent, 'del', entry)
  x.mutator.hashDelete(entry, fields)
  x.fieldExpiries++
  x.expiredFields += fields.count
  return isLast
}

/**
 * The entry of a hash that a command has met, 0 if no field is left once those have gone whose time has come: of a small one all. What a look-up
 * returns for another type, or no key, passes through. Needs no more of a cold hash than the command does.
 */
export function shrunkHash(x: FieldExpirer, entry: number): number {
  const { entries } = x.keyspace
  if (entry <= 0 || !entries.flag(entry, fieldsExpireFlag)) return entry
  if (!x.deletesExpired || entries.isTree(entry) || !entries.isResident(entry) || !mayHoldExpired(x, entry)) return entry
  return expireInBlob(x, entry) ? 0 : entry
}

/** Deletes what has expired of a hash that is one resident blob. True if the key has gone with the last field. */
export function expireInBlob(x: FieldExpirer, entry: number): boolean {
  const { entries, values } = x.keyspace
  const value = entries.value(entry)
  const expired = new ExpiredFields(x.now)
  visitPairs(values.bytes(value), values.start(value), new PackedCursor(), expired.visit)
  if (deleteExpired(x, entry, expired)) return true
  x.keyspace.expiring.setFieldsDue(entry, expired.nextDue)
  return false
}
