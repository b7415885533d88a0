/**
 * A log in memory, for tests and simulation: what is sent arrives when its `schedule` says so; it can be held back, fail, and be lost
 * in a crash, except a prefix of it that chance picks.
 *
 * The entries live in a `MemoryLogDisk`, which outlives the logs opened on it: a restart is a new log over the same disk. Several
 * logs over one disk are several processes that share a log.
 */
import type { Clock } from '../storage/clock.ts'
import type { Members } from './members.ts'
import type { MemoryLogDisk } from './memory-log-disk.ts'
import type { Claimed, EntryBatch, EntryStore } from './shared/entry-store.ts'
import type { LogEntry } from './shared/log-entry.ts'
import { SharedLog } from './shared/shared-log.ts'

export interface MemoryLogOptions {
  readonly clock: Clock
  /** Runs the arrival of an entry, or of whatever is asked for, later; a microtask unless told. */
  readonly schedule?: (work: () => void) => void
}

export type MemoryLog = SharedLog<MemoryEntryStore>

/** Opens the log, to read it. */
export function openMemoryLog(disk: MemoryLogDisk, options: MemoryLogOptions): MemoryLog {
  return new SharedLog(new MemoryEntryStore(disk, options), options.clock, disk.end)
}

/** Opens the log and claims it at once. */
export function leadMemoryLog(disk: MemoryLogDisk, options: MemoryLogOptions): MemoryLog {
  const claimed = disk.claim(disk.end.tailSlot + 1, Buffer.alloc(0), options.clock.monotonicMs()) as Claimed
  return SharedLog.claimed(new MemoryEntryStore(disk, options), options.clock, disk.end, claimed)
}

/** How one process reaches the disk. */
class MemoryEntryStore implements EntryStore {
  readonly logId: bigint
  readonly members: Members
  readonly #disk: MemoryLogDisk
  readonly #crashes: number
  readonly #clock: Clock
  readonly #schedule: (work: () => void) => void
  /** What is held back, while anything is. */
  #held: (() => void)[] | undefined
  #nextFailure: Error | undefined

  constructor(disk: MemoryLogDisk, { clock, schedule = queueMicrotask }: MemoryLogOptions) {
    this.#disk = disk
    this.logId = disk.logId
    this.#crashes = disk.crashes
    this.#clock = clock
    this.#schedule = schedule
    this.members = {
      announce: (id, about) => this.#later(() => void disk.members.set(id, about)),
      withdraw: (id) => this.#later(() => void disk.members.delete(id)),
      all: () => this.#later(() => new Map(disk.members)),
    }
  }

  get firstLsn(): number {
    return this.#disk.first
  }

  bytesUpTo(): number {
    return this.#disk.bytes
  }

  /** What has set out arrives, also when nobody wants to know any more. */
  put(slot: number, entry: LogEntry, _isGivenUp: () => boolean, released?: Buffer): Promise<number | undefined> {
    const ledMs = this.#clock.monotonicMs()
    this.#disk.send(slot, entry)
    return new Promise((resolve, reject) => {
      const arrive = (): void => {
        // Who has died hears of nothing.
        if (this.#isDead) return
        const failure = this.#nextFailure
        this.#nextFailure = undefined
        if (failure !== undefined) {
          this.#disk.lose(entry)
          reject(failure)
        } else resolve(this.#disk.arrive(entry, released) ? ledMs : undefined)
      }
      this.#schedule(() => {
        if (this.#held !== undefined) this.#held.push(arrive)
        else arrive()
      })
    })
  }

  claim(slot: number, _after: number, claim: Buffer): Promise<Claimed | undefined> {
    const nowMs = this.#clock.monotonicMs()
    return this.#later(() => this.#disk.claim(slot, claim, nowMs))
  }

  end(tailSlot: number): Promise<boolean> {
    return this.#later(() => {
      const disk = this.#disk
      if (disk.end.tailSlot !== tailSlot) return false
      disk.begin(0n, 0)
      disk.exists = false
      disk.members.clear()
      return true
    })
  }

  async trim(upTo: number): Promise<void> {
    if (!this.#isDead) this.#disk.trim(upTo)
  }

  async slotOf(after: number): Promise<number> {
    return this.#disk.slotOf(after)
  }

  async *read(slot: number, signal: AbortSignal): AsyncGenerator<EntryBatch> {
    const disk = this.#disk
    for (let next = slot; ; ) {
      const entries = disk.readFrom(next)
      next += entries.length
      if (entries.length > 0) yield { entries, leader: disk.leader }
      else if (!(await disk.tail.more(signal)) || this.#isDead) return
    }
  }

  close(): void {
    // Nothing is open.
  }

  /** Lets entries be sent but not arrive, until `letCommit`. */
  holdCommits(): void {
    this.#held ??= []
  }

  /** What was held arrives, and later entries as usual. */
  letCommit(): void {
    const held = this.#held ?? []
    this.#held = undefined
    for (const arrive of held) arrive()
  }

  /** Makes the next entry that would arrive fail instead. */
  failNext(failure: Error): void {
    this.#nextFailure = failure
  }

  get #isDead(): boolean {
    return this.#crashes !== this.#disk.crashes
  }

  #later<T>(work: () => T): Promise<T> {
    return new Promise((resolve) =>
      this.#schedule(() => {
        if (!this.#isDead) resolve(work())
      }),
    )
  }
}
