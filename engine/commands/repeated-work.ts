/**
 * Work of a command that reads keys in slices and is begun anew when one of them changes: for results that do not follow member by member from what is
 * read, such as an order. It is written as a generator, which is left wherever it has worked for long enough, or needs what may be cold.
 *
 * What it comes to is as of the command's own turn, for until then nothing has changed that it has read. Keys that change all the time
 * are given up after some tries; the command then does all in its turn.
 */
import type { Execution } from '../execution.ts'
import type { KeyListener } from '../keyspace/interested-party.ts'
import { expirySet } from '../keyspace/key-change.ts'
import type { Keyspace } from '../keyspace/keyspace.ts'
import { isMemoryRefusal } from '../memory/refusal.ts'
import type { ColdWants } from '../need.ts'
import type { StagedWork } from '../staged-work.ts'

/** Names what the next part of the work needs; undefined where it only has worked long enough. */
export type Pause = ((wants: ColdWants) => void) | undefined
export type Slices<Result> = Generator<Pause, Result, undefined>

/** What is made on the way. */
export interface Making<Result> {
  readonly memoryBytes: number
  slices(): Slices<Result>
  /** Names what the command needs to use the result. */
  want?(wants: ColdWants): void
  /** Gives up what was made. Within a record if the work is recorded. */
  release?(): void
}

/** Which keys of the database the work reads. */
export type IsRead = (key: Uint8Array, start: number, end: number) => boolean

const triesMax = 8

export class RepeatedWork<Result> implements StagedWork, KeyListener {
  readonly isRecorded: boolean
  readonly holds?: (entry: number) => boolean
  /** What it came to; undefined until then, and when it is of no use. */
  result: Result | undefined
  readonly #x: Execution
  readonly #database: number
  readonly #isRead: IsRead
  readonly #make: (work: RepeatedWork<Result>) => Making<Result>
  #making: Making<Result>
  #slices: Slices<Result>
  #needs: Pause
  #isStale = false
  #isGivenUp = false
  #tries = 1
  /** When the first of the keys that were read expires; Infinity for never. */
  #expireAt = Number.POSITIVE_INFINITY
  /** Of the newest change that the result may reveal. */
  #lsn = 0

  /** `holds`: whether it wants an entry left alone meanwhile, if that is worth asking (`StagedWork.holds`). */
  constructor(
    x: Execution,
    isRecorded: boolean,
    isRead: IsRead,
    make: (work: RepeatedWork<Result>) => Making<Result>,
    holds?: (entry: number) => boolean,
  ) {
    this.#x = x
    if (holds !== undefined) this.holds = (entry) => !this.#isGivenUp && holds(entry)
    this.#database = x.database
    this.isRecorded = isRecorded
    this.#isRead = isRead
    this.#make = make
    this.#making = make(this)
    this.#slices = this.#making.slices()
    x.mutator.interest.addListener(this)
  }

  get memoryBytes(): number {
    return this.#making.memoryBytes
  }

  keyTouched(database: number, key: Uint8Array, start: number, end: number, change: number): void {
    if (this.#isStale || database !== this.#database || !this.#isRead(key, start, end)) return
    if (change === expirySet) this.#noteExpiry(key, start, end)
    else this.#isStale = true
  }

  /** A key that was read is still what it was, but may be gone earlier. */
  #noteExpiry(key: Uint8Array, start: number, end: number): void {
    const { keyspace } = this.#x
    keyspace.forgetLookUp()
    const entry = keyspace.find(keyspace.logical[this.#database], key, start, end)
    keyspace.forgetLookUp()
    const expireAt = entry === 0 ? 0 : firstExpiry(keyspace, entry)
    if (expireAt !== 0) this.#expireAt = Math.min(this.#expireAt, expireAt)
  }

  databaseTouched(database: number): void {
    if (database === this.#database) this.#isStale = true
  }

  /** The entry of a key of the database, 0 if it is missing or has expired. The result depends on it from now on. */
  find(key: Buffer, start: number, end: number): number {
    const { keyspace, now } = this.#x
    const { entries, logical } = keyspace
    keyspace.forgetLookUp()
    const entry = keyspace.find(logical[this.#database], key, start, end)
    const lsn = entry === 0 ? keyspace.lastMissLsn() : entries.lsn(entry)
    keyspace.forgetLookUp()
    if (lsn > this.#lsn) this.#lsn = lsn
    if (entry === 0) return 0
    const expireAt = firstExpiry(keyspace, entry)
    if (expireAt === 0) return entry
    if (entries.expireAt(entry) !== 0 && entries.expireAt(entry) < now) return 0
    this.#expireAt = Math.min(this.#expireAt, expireAt)
    return entry
  }

  get #isOutdated(): boolean {
    return this.#isStale || this.#x.now > this.#expireAt
  }

  step(): boolean {
    if (this.#isGivenUp || !this.#mayGoOn()) return false
    try {
      const { value, done } = this.#slices.next()
      if (done === true) this.result = value
      this.#needs = done === true ? undefined : value
      return done !== true && !this.#isGivenUp
    } catch (failure) {
      if (!isMemoryRefusal(failure)) throw failure
      this.#isGivenUp = true
      return false
    }
  }

  /** Begins anew if something has changed; false after too many tries. */
  #mayGoOn(): boolean {
    if (!this.#isOutdated) return true
    this.#making.release?.()
    if (++this.#tries > triesMax) {
      this.#isGivenUp = true
      return false
    }
    this.#isStale = false
    this.#expireAt = Number.POSITIVE_INFINITY
    this.#needs = undefined
    this.#making = this.#make(this)
    this.#slices = this.#making.slices()
    return true
  }

  eachCold(wants: ColdWants): boolean {
    if (this.#isGivenUp) return false
    if (this.#isOutdated) return this.result === undefined
    if (this.result === undefined) this.#needs?.(wants)
    else this.#making.want?.(wants)
    return true
  }

  /** Ends the work where there is none for it, of which the command will find out why. */
  *givenUp(): Slices<never> {
    this.#isGivenUp = true
    for (;;) yield undefined
  }

  /** In the command's turn: what the work came to, if it still is so. */
  settle(): Result | undefined {
    if (this.#isOutdated || this.#isGivenUp) return undefined
    if (this.#lsn > this.#x.revealed) this.#x.revealed = this.#lsn
    return this.result
  }

  release(): void {
    this.#x.mutator.interest.removeListener(this)
    this.#making.release?.()
  }
}

/** When a key or the first of its fields expires; 0 for never. */
function firstExpiry(keyspace: Keyspace, entry: number): number {
  const key = keyspace.entries.expireAt(entry)
  const fields = keyspace.expiring.fieldsDue(entry)
  return key === 0 || fields === 0 ? key + fields : Math.min(key, fields)
}

/** Does all of the slices at once; what they need is there. */
export function doAtOnce<Result>(slices: Slices<Result>): Result {
  for (;;) {
    const { value, done } = slices.next()
    if (done === true) return value
  }
}
