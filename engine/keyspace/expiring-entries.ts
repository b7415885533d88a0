/**
 * When keys, and fields of hashes, expire. An entry of which something expires is in the list of its database (`ExpiringList`), and has room
 * for its place there; one without that room moves to another slot. Nothing here looks at the time.
 */
import type { Database } from './database.ts'
import type { Entries } from './entries.ts'
import { fieldsExpireFlag } from './entries.ts'

export class ExpiringEntries {
  readonly #entries: Entries
  readonly #databases: readonly Database[]
  readonly #redirect: (ref: number, copy: number) => void

  /** `redirect` has everybody who points at an entry point at its copy, and releases it. */
  constructor(entries: Entries, databases: readonly Database[], redirect: (ref: number, copy: number) => void) {
    this.#entries = entries
    this.#databases = databases
    this.#redirect = redirect
  }

  /** Sets or (0) clears the expiry; returns the entry, which moves when it had no room for one. */
  setExpireAt(ref: number, expireAt: number): number {
    const entries = this.#entries
    if (expireAt === 0) {
      if (entries.expireAt(ref) === 0) return ref
      this.#databases[entries.db(ref)].expiring.keys--
      entries.setExpireAt(ref, 0)
      if (!entries.flag(ref, fieldsExpireFlag)) this.#unlist(ref)
      return ref
    }
    const entry = this.#listed(ref)
    if (entries.expireAt(entry) === 0) this.#databases[entries.db(entry)].expiring.keys++
    entries.setExpireAt(entry, expireAt)
    return entry
  }

  /** When the first field of a hash expires, or some time before; 0 if none does. */
  fieldsDue(ref: number): number {
    const entries = this.#entries
    return entries.flag(ref, fieldsExpireFlag) ? this.#databases[entries.db(ref)].expiring.fieldsDue(entries.ttlPosition(ref)) : 0
  }

  /**
   * Notes when the first field of a hash expires; 0 for never. It tells when to look, and changes nothing that anybody can see. Returns the entry,
   * which moves when it had no room for that.
   */
  setFieldsDue(ref: number, due: number): number {
    const entries = this.#entries
    if (due === 0 && !entries.flag(ref, fieldsExpireFlag)) return ref
    const entry = this.#listed(ref)
    this.#databases[entries.db(entry)].expiring.setFieldsDue(entries.ttlPosition(entry), due)
    if (due !== 0) entries.setFlag(entry, fieldsExpireFlag)
    else {
      entries.clearFlag(entry, fieldsExpireFlag)
      if (entries.expireAt(entry) === 0) this.#unlist(entry)
    }
    return entry
  }

  /** The entry is about to be removed. */
  removed(ref: number): void {
    const entries = this.#entries
    if (entries.expireAt(ref) !== 0) this.#databases[entries.db(ref)].expiring.keys--
    if (this.#isListed(ref)) this.#unlist(ref)
  }

  /** The entry has come to another slot. */
  moved(ref: number): void {
    const entries = this.#entries
    if (this.#isListed(ref)) this.#databases[entries.db(ref)].expiring.set(entries.ttlPosition(ref), ref)
  }

  /** Whether the entry is in its database's list of what expires. */
  #isListed(ref: number): boolean {
    return this.#entries.expireAt(ref) !== 0 || this.#entries.flag(ref, fieldsExpireFlag)
  }

  /** Puts an entry in the list, with room for what it needs there. Returns the entry. */
  #listed(ref: number): number {
    const entries = this.#entries
    if (this.#isListed(ref)) return ref
    const entry = entries.hasTtlRoom(ref) ? ref : this.#moveForTtl(ref)
    entries.setTtlPosition(entry, this.#databases[entries.db(entry)].expiring.push(entry))
    return entry
  }

  /** Takes an entry that is in the list out of it. */
  #unlist(ref: number): void {
    const entries = this.#entries
    const position = entries.ttlPosition(ref)
    const moved = this.#databases[entries.db(ref)].expiring.removeAt(position)
    if (moved !== 0) entries.setTtlPosition(moved, position)
  }

  #moveForTtl(ref: number): number {
    const entries = this.#entries
    const copy = entries.copy(ref, true)
    entries.setExpireAt(copy, 0)
    this.#redirect(ref, copy)
    return copy
  }
}
