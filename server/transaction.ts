/**
 * What a client has queued since MULTI and watches since WATCH. EXEC is refused when a watched key has changed, which
 * the table of interests tells, or has expired. Queued requests keep their arguments.
 */
import type { Arguments } from '../engine/arguments.ts'
import type { Interest, InterestedParty, KeyOfInterest } from '../engine/keyspace/interested-party.ts'
import { changesDatabase, leavesNoKey } from '../engine/keyspace/key-change.ts'
import type { KeyInterest } from '../engine/keyspace/key-interest.ts'
import { interestBytes, keyOfInterestBytes } from '../engine/keyspace/key-interest.ts'
import { isMemoryRefusal } from '../engine/memory/refusal.ts'
import type { ReplyWriter } from '../engine/reply-writer.ts'
import type { ColdSet } from '../storage/tier.ts'
import type { Command } from './command-table.ts'
import { outOfMemory } from './dispatch-errors.ts'
import type { Primary } from './shard/primary.ts'

export interface Queued<Session = never> {
  readonly command: Command<Session>
  readonly args: Arguments
}

/** What a watched key takes beside its bytes, measured: in the table of interests, the watch, its place in the map. */
const watchBytes = keyOfInterestBytes + interestBytes + 120

/** Commands that act on the transaction instead of joining it. */
const endings = new Set(['multi', 'exec', 'discard', 'watch', 'quit', 'reset'])

/** `Session` is what the queued commands run with, see `Command`. */
export class Transaction<Session = never> {
  open = false
  /** A request was refused: EXEC will be, too. */
  failed = false
  queued: Queued<Session>[] = []
  /** Empty once a watched key has changed: nothing more can come of it. */
  readonly #watches = new Map<KeyOfInterest, Watch>()
  #watchedBytes = 0
  #watchedChanged = false

  /** A watched key has changed. One that has merely expired is not known until EXEC. */
  get watchedChanged(): boolean {
    return this.#watchedChanged
  }

  /** Memory of what is queued and watched, in bytes. */
  get memoryBytes(): number {
    return this.queuedBytes + this.#watchedBytes
  }

  /** Memory of what is queued, in bytes. */
  get queuedBytes(): number {
    let bytes = 0
    for (const { args } of this.queued) bytes += args.buffer.length
    return bytes
  }

  /** Whether anything that is queued may change keys. */
  get writes(): boolean {
    return this.queued.some(({ command }) => command.isWrite)
  }

  get publishes(): boolean {
    return this.queued.some(({ command }) => command.publishes)
  }

  /** Whether anything that is queued may need memory that it does not give back. */
  get wantsMemory(): boolean {
    return this.queued.some(({ command }) => command.denyOom)
  }

  endsWith(command: Command): boolean {
    return endings.has(command.name)
  }

  queue(command: Command<Session>, args: Arguments, reply: ReplyWriter): void {
    try {
      this.queued.push({ command, args: args.keep() })
    } catch (failure) {
      if (!isMemoryRefusal(failure)) throw failure
      this.refused()
      reply.error(outOfMemory)
      return
    }
    reply.queued()
  }

  refused(): void {
    if (this.open) this.failed = true
  }

  /** Forgets everything, watched keys included. */
  discard(): void {
    this.open = false
    this.failed = false
    this.queued = []
    this.unwatch()
  }

  /** `database` as clients number it. */
  watch(table: KeyInterest, database: number, key: Buffer): void {
    const known = table.find(database, key)
    if (this.#watchedChanged || (known !== undefined && this.#watches.has(known))) return
    const watch = new Watch(table, this)
    const interest = watch.begin(database, key)
    this.#watches.set(interest.key, watch)
    this.#watchedBytes += watchBytes + key.length
  }

  unwatch(): void {
    this.#watchedChanged = false
    this.#forgetWatches()
  }

  /** A watched key has changed. */
  breaks(): void {
    this.#watchedChanged = true
    this.#forgetWatches()
  }

  /** Whether a watched key has changed or expired since. */
  isBroken(): boolean {
    if (this.#watchedChanged) return true
    for (const watch of this.#watches.values()) if (watch.hasExpired) return true
    return false
  }

  #forgetWatches(): void {
    if (this.#watches.size === 0) return
    for (const watch of this.#watches.values()) watch.end()
    this.#watches.clear()
    this.#watchedBytes = 0
  }

  /** The cold values that the queued requests need, together. */
  coldNeeds(primary: Primary, database: number): ColdSet | undefined {
    if (this.failed) return undefined
    let set: ColdSet | undefined
    let selected = database
    const swaps = this.queued.some(({ command }) => command.name === 'swapdb')
    for (const [i, { command, args }] of this.queued.entries()) {
      const goesOn = command.moves && this.queued.some((each, j) => j > i && each.command.needs !== 'none')
      if (command.name === 'select') selected = args.integer(1)
      if (!(selected >= 0 && selected < 16)) selected = database
      // After a SWAPDB inside the transaction a number may mean any database.
      if (swaps) for (let db = 0; db < 16; db++) set = primary.coldNeeds(command, args, db, set, goesOn)
      else set = primary.coldNeeds(command, args, selected, set, goesOn)
    }
    return set
  }
}

/** One watched key. A key that had expired counts as missing, and its deletion changes nothing; nor does another that has expired in its place. */
class Watch implements InterestedParty {
  readonly waits = false
  readonly #table: KeyInterest
  readonly #transaction: Transaction
  #interest!: Interest
  #wasThere = false

  constructor(table: KeyInterest, transaction: Transaction) {
    this.#table = table
    this.#transaction = transaction
  }

  begin(database: number, key: Buffer): Interest {
    this.#interest = this.#table.register(database, key, this)
    this.#wasThere = this.#table.isThere(this.#interest.key)
    return this.#interest
  }

  end(): void {
    this.#table.unregister(this.#interest)
  }

  get hasExpired(): boolean {
    return this.#wasThere && !this.#table.isThere(this.#interest.key)
  }

  keyTouched(key: KeyOfInterest, change: number): void {
    if (this.#wasThere || this.#isThereAfter(key, change)) this.#transaction.breaks()
  }

  #isThereAfter(key: KeyOfInterest, change: number): boolean {
    if ((change & changesDatabase) !== 0) return this.#table.isThere(key)
    return (change & leavesNoKey) === 0
  }
}
