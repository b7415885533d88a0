/**
 * Active expiry: walks the lists of keys that have a ttl and deletes those whose time has come, a bounded number at a
 * time, whichever database they are in. Keys that nobody asks for go this way; those that somebody asks for go at once. Fields of hashes
 * go alike (`field-expiry-walk.ts`).
 */
import type { Execution } from './execution.ts'
import { FieldExpiryWalk } from './field-expiry-walk.ts'
import { keyExpired } from './keyspace/key-change.ts'
import { databaseCount } from './keyspace/keyspace.ts'
import { expiredEvent } from './messages.ts'

/** The names of the keys are recorded: a step ends early when they are long. */
const recordBytesMax = 1024 * 1024

export class ExpiryCycle {
  readonly fields = new FieldExpiryWalk()
  #db = 0
  #position = 0
  /** Keys looked at and found expired in the present walk over all lists. */
  #seen = 0
  #found = 0
  /** Share of expired keys among those looked at in the last whole walk. */
  staleShare = 0

  /** Looks at up to `count` keys and deletes the expired ones among them, and expired fields; returns how many keys and fields that were. */
  step(x: Execution, count: number): number {
    const { keyspace, mutator, expiredFields } = x
    if (this.fields.goesOn) this.fields.step(x)
    let left = count
    let deleted = 0
    let databasesLeft = databaseCount
    while (left > 0 && databasesLeft > 0 && mutator.record.length < recordBytesMax) {
      const { expiring } = keyspace.databases[this.#db]
      if (this.#position >= expiring.length) {
        this.#nextDatabase()
        databasesLeft--
        continue
      }
      left--
      this.#seen++
      const ref = expiring.at(this.#position)
      const expireAt = keyspace.entries.expireAt(ref)
      if (expireAt !== 0 && expireAt < x.now) {
        // The last key of the list takes the place of the deleted one: the position stays.
        x.notifyEntry(expiredEvent, 'expired', ref)
        mutator.deleteEntry(ref, keyExpired)
        deleted++
        continue
      }
      const due = expiring.fieldsDue(this.#position)
      if (due !== 0 && due < x.now) this.fields.due(x, ref)
      // The last key takes the place also of a hash of which no field expires any more.
      if (expiring.length > this.#position && expiring.at(this.#position) === ref) this.#position++
    }
    this.#found += deleted
    x.expired += deleted
    return deleted + x.expiredFields - expiredFields
  }

  #nextDatabase(): void {
    this.#position = 0
    this.#db = (this.#db + 1) % databaseCount
    if (this.#db !== 0) return
    this.staleShare = this.#seen === 0 ? 0 : this.#found / this.#seen
    this.#seen = 0
    this.#found = 0
  }
}
