/**
 * The part of a replica in a shard: applies what the leader has committed, record after record, between the requests of its
 * clients. It changes nothing by itself: no key expires and none is evicted before the log says so. So it shows a
 * prefix of the primary's history, and nothing that could be lost.
 */
import type { Clock } from '../../storage/clock.ts'
import type { Leader } from '../../wal/leadership.ts'
import type { LogBatch, LogRecord } from '../../wal/transaction-log.ts'
import { ReplaySlices } from './recovery.ts'
import type { Shard } from './shard.ts'

/** Records whose cold values are read together. */
const readAheadRecords = 64

export class Replica {
  /** Monotonic time at which the log was last heard to have a leader that lives; before, when the reading began. */
  heardMs: number
  leader: Leader | undefined
  /** Set by the owner. Called after each record that was applied, with its length. */
  onApplied: (lsn: number, bytes: number) => void = () => undefined
  /** Set by the owner. Called when the leader has given a sign of life, after what came before it was applied. */
  onSign: () => void = () => undefined
  /** Set by the owner. Called when what the server keeps for itself has changed. */
  onOwnChange: () => Promise<void> = () => Promise.resolve()
  /** Set by the owner. Called when another one leads than before. */
  onLeader: (leader: Leader) => void = () => undefined
  /** Set by the owner. Called when it can follow no longer: the log was trimmed before it, a record is not readable. */
  onFailed: (failure: Error) => void = () => undefined
  readonly #shard: Shard
  readonly #clock: Clock
  readonly #stopping = new AbortController()
  #running: Promise<void> | undefined

  constructor(shard: Shard, clock: Clock) {
    this.#shard = shard
    this.#clock = clock
    this.heardMs = clock.monotonicMs()
  }

  start(): void {
    this.#running = this.#follow().catch((failure: Error) => {
      if (!this.#stopping.signal.aborted) this.onFailed(failure)
    })
  }

  /** Resolves when no further record will be applied. */
  async stop(): Promise<void> {
    this.#stopping.abort()
    await this.#running
  }

  async #follow(): Promise<void> {
    const { log, replay, makeRoom } = this.#shard
    const slices = new ReplaySlices(this.#clock, makeRoom)
    for await (const batch of log.read(replay.applied, this.#stopping.signal)) {
      this.#hear(batch)
      replay.hear(batch)
      for (const [i, record] of batch.records.entries()) {
        if (i % readAheadRecords === 0) await replay.readAhead(batch.records.slice(i, i + readAheadRecords))
        await this.#betweenRequests()
        const waiting = replay.apply(record)
        if (waiting !== undefined) await waiting
        this.#applied(record)
        if (this.#stopping.signal.aborted) return
        if (slices.isOver(record.lsn)) await slices.next()
      }
      if (replay.takeOwnChange()) await this.onOwnChange()
      if (batch.records.length === 0) this.onSign()
    }
  }

  #hear({ leader }: LogBatch): void {
    if (leader === undefined) return
    this.heardMs = this.#clock.monotonicMs()
    if (leader.epoch === this.leader?.epoch && leader.released === this.leader.released) return
    this.leader = leader
    this.onLeader(leader)
  }

  /** A script that is suspended has seen the keyspace as it is. */
  async #betweenRequests(): Promise<void> {
    while (!this.#shard.primary.isIdle) await new Promise<void>((resolve) => this.#clock.afterTurn(resolve))
  }

  /** Those who wait for keys, and those who have read them, hear of the change as on a primary. */
  #applied({ lsn, payload }: LogRecord): void {
    const { interest } = this.#shard.mutator
    this.onApplied(lsn, payload.length)
    interest.listener?.recorded(lsn)
    if (interest.hasPending) interest.drain()
  }
}
