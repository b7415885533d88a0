/**
 * The keys that a blocked request waits for. It keeps its place among those that wait for a key until it ends, however often
 * it is tried in vain, and has each key of a record only once.
 */

import type { Interest, InterestedParty, KeyOfInterest } from '../engine/keyspace/interested-party.ts'
import { changesDatabase, leavesKey, leavesNoKey } from '../engine/keyspace/key-change.ts'
import type { KeyInterest } from '../engine/keyspace/key-interest.ts'

export class KeyWaiter implements InterestedParty {
  readonly waits = true
  readonly #table: KeyInterest
  readonly #changes: number
  readonly #wake: (woken: readonly KeyOfInterest[]) => void
  readonly #interests = new Map<KeyOfInterest, Interest>()
  /** Keys that something has happened to while it could not be tried. */
  #woken: KeyOfInterest[] = []

  /** `wake` is called with the keys that may have what the request wants, in the order of what happened; it may be called with more of them later. */
  constructor(table: KeyInterest, hearsOfLoss: boolean, wake: (woken: readonly KeyOfInterest[]) => void) {
    this.#table = table
    this.#changes = leavesKey | changesDatabase | (hearsOfLoss ? leavesNoKey : 0)
    this.#wake = wake
  }

  /** A key that is named twice is waited for once. */
  waitFor(database: number, key: Buffer): void {
    const known = this.#table.find(database, key)
    if (known !== undefined && this.#interests.has(known)) return
    const interest = this.#table.register(database, key, this)
    this.#interests.set(interest.key, interest)
  }

  keyTouched(key: KeyOfInterest, change: number): void {
    if ((change & this.#changes) === 0) return
    if (!this.#woken.includes(key)) this.#woken.push(key)
    this.#wake(this.#woken)
  }

  end(): void {
    for (const interest of this.#interests.values()) this.#table.unregister(interest)
    this.#interests.clear()
    this.#woken = []
  }
}
