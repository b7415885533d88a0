/**
 * What a shard does beside its requests: at the end of each turn a slice of making room; ten times a second a slice of
 * expiry, longer while many keys have expired; and one job at a time of writing out: cooling when memory fills, a
 * checkpoint when the log has grown, time has passed, or somebody asks.
 */
import { evictOne } from '../../engine/eviction.ts'
import { ExpiryCycle } from '../../engine/expiry-cycle.ts'
import type { CheckpointResult } from '../../storage/checkpoint.ts'
import type { Clock, Timer } from '../../storage/clock.ts'
import { ColdSet } from '../../storage/cold-set.ts'
import type { Config } from '../config/config.ts'
import type { Log } from '../logging.ts'
import { ElapsedTime } from './elapsed-time.ts'
import { isOperatingFailure } from './operating-failure.ts'
import type { Shard } from './shard.ts'
import { newestLsn } from './shard.ts'
import { StorageTrouble } from './storage-trouble.ts'

const tickMs = 100
const sliceMs = 1
const keysPerStep = 64
const entriesPerStep = 4096
/** Stale ids that make a checkpoint worth while, to get their disk space back. */
const staleIdsMax = 1_000_000
/** Deletions that take this much memory are recorded in the catalog without a checkpoint. */
const tombstoneBytesMax = 16 * 1024 * 1024
/** Pause after a failure before the disk is tried again; checkpoints double it each time, to a limit. */
const retryMs = 1000
const checkpointRetryMsMax = 8000

export class Maintenance {
  /** Called when requests that were held back for memory may be tried again. */
  onRoom: () => void = () => undefined
  /** Called when a record was appended outside of any request. */
  onAppended: () => void = () => undefined
  /** Called when a job of the background has met an error of the program. */
  onBroken: (failure: Error) => void = () => undefined
  onCheckpoint: (result: CheckpointResult) => void = () => undefined
  activeExpiry = true
  /** Whether keys may expire and be evicted. */
  mayChange = true
  /** Another node says what expires and what is evicted. */
  follows = false
  evictedKeys = 0
  /** Time that slices of expiry have taken. */
  expiryMs = 0
  /** When memory has exceeded its limit. */
  exceeded = new ElapsedTime()
  /** Bytes of the log after the last checkpoint, or at the start. */
  logBytesKept: number
  checkpoints = 0
  checkpointFailures = 0
  lastCheckpoint: CheckpointResult | undefined
  checkpointRunning = false
  readonly trouble: StorageTrouble
  readonly #shard: Shard
  readonly #clock: Clock
  readonly #config: Config
  readonly #log: Log
  readonly #expiry = new ExpiryCycle()
  #timer: Timer | undefined
  #busy: Promise<void> | undefined
  #wanted: { readonly resolve: (result: CheckpointResult) => void; readonly reject: (failure: Error) => void }[] = []
  #lastAttemptMs: number
  #coolAgainAtMs = 0
  #checkpointAgainAtMs = 0
  #checkpointRetryMs = retryMs
  /** In other shards; negative after a reset. */
  #lazilyFreedBefore = 0
  #sliceScheduled = false
  #expiryScheduled = false
  #fetchesDue = false
  #fetchDueAgainAtMs = 0
  #stopped = false
  #logFailed = false
  /** Bytes that had been written to the log then. What a restart had to replay counts too: it was written before. */
  #writtenAtCheckpoint: number

  constructor(shard: Shard, clock: Clock, config: Config, log: Log) {
    this.#shard = shard
    this.#clock = clock
    this.#config = config
    this.#log = log
    this.trouble = new StorageTrouble(clock, log)
    this.#lastAttemptMs = clock.monotonicMs()
    this.#writtenAtCheckpoint = 0
    this.logBytesKept = shard.log.stats().bytes
  }

  /** Values that were released a little at a time. */
  get lazilyFreed(): number {
    return this.#lazilyFreedBefore + this.#shard.tier.lazyFree.freed
  }

  /** CONFIG RESETSTAT. */
  resetStats(): void {
    this.evictedKeys = 0
    this.expiryMs = 0
    this.exceeded.reset(this.#clock.monotonicMs())
    this.#lazilyFreedBefore = -this.#shard.tier.lazyFree.freed
  }

  /** Share of expired keys that are still there, as the last walk found it. */
  get staleShare(): number {
    return this.#expiry.staleShare
  }

  start(): void {
    this.#timer = this.#clock.after(tickMs, () => this.#tick())
  }

  /** Goes on with the counts and switches of the maintenance of a shard that this one replaces. */
  continueFrom(former: Maintenance): void {
    this.activeExpiry = former.activeExpiry
    this.evictedKeys = former.evictedKeys
    this.expiryMs = former.expiryMs
    this.exceeded = former.exceeded
    this.#lazilyFreedBefore = former.lazilyFreed
    this.checkpoints = former.checkpoints
    this.checkpointFailures = former.checkpointFailures
    this.lastCheckpoint = former.lastCheckpoint
    this.onCheckpoint = former.onCheckpoint
  }

  /** Lets no key expire or be evicted until the returned function is called. */
  holdChanges(): () => void {
    const could = this.mayChange
    this.mayChange = false
    return () => {
      this.mayChange = could && !this.#logFailed
    }
  }

  /** A record is being made in this turn and later ones: as `holdChanges`, and nothing is written out either. */
  holdRecord(): () => void {
    const { keyspace } = this.#shard
    const resume = this.holdChanges()
    keyspace.recordState = 'inTheMaking'
    return () => {
      keyspace.recordState = 'whole'
      resume()
    }
  }

  /** The record that is being made never will be. */
  giveUpChanges(): void {
    this.#shard.keyspace.recordState = 'givenUp'
  }

  /** The log takes no more records: expired keys stay, and nothing is evicted. */
  logFailed(): void {
    this.#logFailed = true
    this.mayChange = false
  }

  /** Ends the present job, then does nothing more. */
  async stop(reason = 'the server is stopping'): Promise<void> {
    this.#stopped = true
    this.#timer?.cancel()
    await this.#busy
    for (const each of this.#wanted.splice(0)) each.reject(new Error(reason))
  }

  /** Does nothing more from now on: what is in memory can be trusted no longer. */
  halt(): void {
    this.#stopped = true
    this.mayChange = false
    this.#timer?.cancel()
    this.giveUpCheckpoints()
  }

  /** At the end of a turn: makes room if it is needed. */
  turnEnded(): void {
    if (this.#stopped) return
    const { budget } = this.#shard
    budget.measure()
    const isDue = budget.wantsRoom || budget.isExhausted || this.#shard.tier.lazyFree.any
    if (this.#sliceScheduled || !isDue) return
    this.#slice()
  }

  /** Resolves when a checkpoint that begins after this call is durable. */
  checkpoint(): Promise<CheckpointResult> {
    const { checkpointer } = this.#shard
    if (checkpointer === undefined) return Promise.reject(new Error('there is no log'))
    if (this.#stopped || checkpointer.isGivenUp) return Promise.reject(new Error('the server is stopping'))
    return new Promise((resolve, reject) => {
      this.#wanted.push({ resolve, reject })
      this.#startNextJob()
    })
  }

  /** Lets the checkpoint that runs end before its time, and refuses those that wait: the server has to end. */
  giveUpCheckpoints(): void {
    this.#shard.checkpointer?.giveUp()
    for (const each of this.#wanted.splice(0)) each.reject(new Error('the server is stopping'))
  }

  #tick(): void {
    if (this.#stopped) return
    this.#shard.primary.tick(this.#clock.wallMs())
    // What goes on turn by turn already must not be begun a second time.
    if (this.activeExpiry && !this.#expiryScheduled) this.#expire()
    this.trouble.progressed(this.#shard.writeOut?.counts.batches ?? 0)
    if (!this.#sliceScheduled) this.#slice()
    this.#timer = this.#clock.after(tickMs, () => this.#tick())
  }

  /** One slice of expiry; goes on in the next turn while most of what it sees has expired. */
  #expire(): void {
    if (this.#stopped || !this.mayChange || this.follows) return
    const { primary } = this.#shard
    const fromMs = this.#clock.monotonicMs()
    const until = fromMs + sliceMs
    let looked = 0
    let deleted = 0
    while (this.#clock.monotonicMs() < until) {
      let found = 0
      primary.change((x) => {
        found = this.#expiry.step(x, keysPerStep)
      })
      looked += keysPerStep
      deleted += found
      if (found === 0 && !this.#expiry.fields.goesOn) break
    }
    this.expiryMs += this.#clock.monotonicMs() - fromMs
    if (deleted > 0) this.onAppended()
    this.#fetchDueFields()
    if (deleted * 10 <= looked && !this.#expiry.fields.goesOn) return
    this.#expiryScheduled = true
    this.#clock.afterTurn(() => {
      this.#expiryScheduled = false
      this.#expire()
    })
  }

  /** Fetches cold hashes of which fields are due, so that these can be deleted. */
  #fetchDueFields(): void {
    const { keyspace, tier, primary } = this.#shard
    if (this.#fetchesDue || this.#clock.monotonicMs() < this.#fetchDueAgainAtMs) return
    const set = new ColdSet(keyspace.trees)
    this.#expiry.fields.eachCold(keyspace, set)
    if (set.items.length === 0) return
    this.#fetchesDue = true
    tier.fetchTo(set, (failure) => {
      this.#fetchesDue = false
      if (this.#stopped || !this.mayChange || this.follows) return
      if (failure !== undefined) {
        this.#fetchDueAgainAtMs = this.#clock.monotonicMs() + retryMs
        this.#log.warn('Hashes of which fields have expired cannot be read', { error: failure.message })
        return
      }
      tier.admit(set)
      primary.change((x) => this.#expiry.fields.fetched(x))
      tier.settle()
      this.onAppended()
    })
  }

  #slice(): void {
    if (this.#stopped) return
    const { budget, tier } = this.#shard
    const { lazyFree } = tier
    const until = this.#clock.monotonicMs() + sliceMs
    while (lazyFree.any && this.#clock.monotonicMs() < until) lazyFree.step()
    const more = budget.makeRoom()
    if (budget.isExhausted) this.#evict()
    this.exceeded.note(budget.isExhausted, this.#clock.monotonicMs())
    if (!budget.isShort || this.trouble.refuses) this.onRoom()
    this.#startNextJob()
    if ((more || lazyFree.any) && !this.#sliceScheduled) {
      this.#sliceScheduled = true
      this.#clock.afterTurn(() => {
        this.#sliceScheduled = false
        this.#slice()
      })
    }
  }

  /** Deletes keys as `maxmemory-policy` says, until memory suffices or a millisecond has passed. */
  #evict(): void {
    const policy = this.#config.values['maxmemory-policy']
    if (policy === 'noeviction' || !this.mayChange || this.follows) return
    const { primary, budget } = this.#shard
    const until = this.#clock.monotonicMs() + sliceMs
    const samples = this.#config.values['maxmemory-samples']
    let evicted = 0
    while (budget.isExhausted && this.#clock.monotonicMs() < until) {
      // Deleted keys leave gaps all over: only compaction makes memory of them, and spares other keys.
      if (budget.compact()) {
        budget.measure()
        continue
      }
      let found = false
      primary.change((x) => {
        found = evictOne(x, policy, samples)
      })
      if (!found) break
      evicted++
      budget.measure()
    }
    if (evicted === 0) return
    this.evictedKeys += evicted
    this.onAppended()
  }

  /** Starts the next checkpoint or write-out, if one is due and none is under way. */
  #startNextJob(): void {
    if (this.#busy !== undefined || this.#stopped || this.#shard.writeOut === undefined) return
    // It would reject at once, and be due again.
    if (this.#shard.checkpointer?.isGivenUp === true) return
    const job = this.#checkpointIsDue() ? this.#runCheckpoint() : this.#coolingIsDue() ? this.#cool() : undefined
    if (job === undefined) return
    this.#busy = job.finally(() => {
      this.#busy = undefined
      this.#startNextJob()
    })
  }

  #coolingIsDue(): boolean {
    const { budget, tier, checkpointer } = this.#shard
    if (this.#clock.monotonicMs() < this.#coolAgainAtMs) return false
    if (tier.lag.tombstones.bytes > tombstoneBytesMax) return true
    // A failure that a checkpoint will not find to be over.
    if (this.trouble.failure !== undefined && checkpointer === undefined) return true
    return tier.settings.demotes && tier.lag.any && budget.wantsCooling
  }

  async #cool(): Promise<void> {
    const { checkpointer, writeOut, store, tier } = this.#shard
    try {
      if (tier.lag.any || tier.lag.tombstones.bytes > 0) await writeOut?.step(entriesPerStep)
      else await store?.sync()
      if (checkpointer === undefined) {
        await writeOut?.deleteStaleValues()
        this.trouble.worked()
      }
      this.turnEnded()
    } catch (failure) {
      // Nothing more will be committed of what is in memory, and others know it.
      if (checkpointer?.isGivenUp === true) return
      this.#coolAgainAtMs = this.#clock.monotonicMs() + retryMs
      this.#failed('writing values to the cold store failed', failure as Error)
    }
  }

  #checkpointIsDue(): boolean {
    const { checkpointer, tier } = this.#shard
    if (checkpointer === undefined) return false
    if (this.#wanted.length > 0) return true
    if (!this.mayChange || this.#clock.monotonicMs() < this.#checkpointAgainAtMs) return false
    if (this.trouble.failure !== undefined) return true
    if (newestLsn(this.#shard) === checkpointer.lastLsn) return false
    if (tier.staleIds.length > staleIdsMax) return true
    if (this.#logBytes() - this.#writtenAtCheckpoint > this.#checkpointBytes()) return true
    const intervalMs = this.#config.values['checkpoint-interval-seconds'] * 1000
    return intervalMs > 0 && this.#clock.monotonicMs() - this.#lastAttemptMs > intervalMs
  }

  /** Bytes of log that a checkpoint is due after. A log that nodes share can only go when all of them have made one. */
  #checkpointBytes(): number {
    const { values } = this.#config
    const own = Number(values['checkpoint-log-bytes'])
    return this.#shard.log.leadership === undefined ? own : Math.min(own, Number(values['log-retain-bytes']) / 4)
  }

  /** Of the records that a restart would have to replay, and of those before the last checkpoint. */
  #logBytes(): number {
    return this.#shard.log.stats().writtenBytes + this.#shard.replay.bytes
  }

  async #runCheckpoint(): Promise<void> {
    const asked = this.#wanted
    this.#wanted = []
    this.#lastAttemptMs = this.#clock.monotonicMs()
    this.checkpointRunning = true
    const writtenBytes = this.#logBytes()
    try {
      const result = await (this.#shard.checkpointer as NonNullable<Shard['checkpointer']>).run()
      this.checkpoints++
      this.#writtenAtCheckpoint = writtenBytes
      this.logBytesKept = this.#shard.log.stats().bytes
      this.lastCheckpoint = result
      this.#checkpointRetryMs = retryMs
      this.trouble.worked()
      this.onCheckpoint(result)
      this.#log.info('Checkpoint done', { ...result })
      for (const each of asked) each.resolve(result)
    } catch (failure) {
      if (this.#shard.checkpointer?.isGivenUp !== true) {
        this.checkpointFailures++
        this.#checkpointAgainAtMs = this.#clock.monotonicMs() + this.#checkpointRetryMs
        this.#checkpointRetryMs = Math.min(this.#checkpointRetryMs * 2, checkpointRetryMsMax)
        this.#failed('Checkpoint failed', failure as Error)
      }
      for (const each of asked) each.reject(failure as Error)
    } finally {
      this.checkpointRunning = false
    }
  }

  #failed(what: string, failure: Error): void {
    if (!isOperatingFailure(failure)) {
      this.onBroken(failure)
      return
    }
    this.trouble.failed(what, failure, this.#shard.writeOut?.counts.batches ?? 0)
  }
}
