/**
 * The staged work of requests, done beside everything else: about a millisecond a turn for all of them together, one slice of
 * each after the other. Cold leaves that a piece of it needs are fetched.
 */
import { isMemoryRefusal } from '../engine/memory/refusal.ts'
import type { StagedWork } from '../engine/staged-work.ts'
import type { TreeLeaves } from '../engine/tree/tree-leaves.ts'
import type { Clock, Timer } from '../storage/clock.ts'
import { ColdSet } from '../storage/cold-set.ts'
import type { Primary } from './shard/primary.ts'
import type { ShardState } from './shard/shard-state.ts'

/** What of a shard it works on. */
interface WorkedOn extends Pick<ShardState, 'keyspace' | 'tier'> {
  readonly primary: Primary
}

/** What becomes of the work is the matter of whoever has added it, who releases it by `StagedWorkQueue.release` in any case: until then its memory is counted. */
export interface StagedJob {
  readonly work: StagedWork
  /** Called in the turn in which all is done. */
  done(): void
  /** A cold leaf could not be read. */
  failed(failure: Error): void
  /** It is of no more use: the request has to begin anew. */
  abandoned(): void
  /** A broken invariant was met. */
  broke(failure: unknown): void
}

const sliceMs = 1
/** Where the clock stands still during a turn, as in a simulation. */
const stepsMax = 16
/** After so long a job that may not make a record now is tried again. */
const retryMs = 5

export class StagedWorkQueue {
  /** Says whether records may be made beside those of requests. */
  mayRecord: () => boolean = () => true
  /** Says whether there is room for what they make, in memory and in the log. */
  hasRoom: () => boolean = () => true
  /** Says whether a client that makes such a record would be refused. */
  refusesRecords: () => boolean = () => false
  /** Called when a record was made. */
  onRecorded: () => void = () => undefined
  readonly #clock: Clock
  readonly #shard: () => WorkedOn | undefined
  /** Those that can go on. */
  #ready: StagedJob[] = []
  readonly #all = new Set<StagedJob>()
  /** What takes memory: work that is under way, and what was done of work for those who have not used it yet. */
  readonly #held = new Set<StagedWork>()
  /** Who waits for the end of a job. */
  readonly #waiting = new Map<StagedJob, Set<() => void>>()
  /** What is to be released within a record. */
  readonly #releases: StagedWork[] = []
  /** Jobs that wait until records may be made. */
  #postponed: StagedJob[] = []
  #timer: Timer | undefined
  #scheduled = false
  #isHalted = false

  /** `shard` tells the present one; only called while there is work. */
  constructor(clock: Clock, shard: () => WorkedOn | undefined) {
    this.#clock = clock
    this.#shard = shard
  }

  get count(): number {
    return this.#all.size
  }

  get memoryBytes(): number {
    let bytes = 0
    for (const work of this.#held) bytes += work.memoryBytes
    return bytes
  }

  /** Does nothing more. */
  halt(): void {
    this.#isHalted = true
    this.#timer?.cancel()
    this.#all.clear()
    this.#ready = []
  }

  /** Returns how to give the job up. */
  add(job: StagedJob): () => void {
    this.#all.add(job)
    this.#held.add(job.work)
    this.#schedule(job)
    return () => this.#remove(job)
  }

  /** The job that wants the value of an entry left alone. */
  holderOf(entry: number): StagedJob | undefined {
    for (const job of this.#all) if (job.work.holds?.(entry) === true) return job
    return undefined
  }

  /** Whether any job may want a value left alone. */
  get holdsAny(): boolean {
    for (const { work } of this.#all) if (work.holds !== undefined) return true
    return false
  }

  /** Calls `then` in a turn after the job has ended, whatever ended it. Returns how to take that back. */
  afterEnd(job: StagedJob, then: () => void): () => void {
    const waiting = this.#waiting.get(job) ?? new Set()
    this.#waiting.set(job, waiting)
    waiting.add(then)
    return () => waiting.delete(then)
  }

  /** False if it had ended before. */
  #remove(job: StagedJob): boolean {
    if (!this.#all.delete(job)) return false
    const waiting = this.#waiting.get(job)
    if (waiting === undefined) return true
    this.#waiting.delete(job)
    this.#clock.afterTurn(() => {
      for (const then of waiting) then()
    })
    return true
  }

  /** Releases work that has been used or is of no more use: what is recorded in a later turn. */
  release(work: StagedWork): void {
    if (work.isRecorded !== true) {
      this.#held.delete(work)
      work.release?.()
      return
    }
    this.#releases.push(work)
    this.#scheduleSlice()
  }

  /** Gives all of them up. */
  abandon(): void {
    const jobs = [...this.#all]
    for (const job of jobs) this.#remove(job)
    this.#ready = []
    this.#postponed = []
    for (const job of jobs) job.abandoned()
  }

  #schedule(job: StagedJob): void {
    this.#ready.push(job)
    this.#scheduleSlice()
  }

  #scheduleSlice(): void {
    if (this.#scheduled || this.#isHalted) return
    this.#scheduled = true
    this.#clock.afterTurn(() => this.#slice())
  }

  /** Tries again a little later. */
  #scheduleRetry(): void {
    if (this.#timer !== undefined || this.#isHalted) return
    this.#timer = this.#clock.after(retryMs, () => {
      this.#timer = undefined
      for (const job of this.#postponed.splice(0)) this.#schedule(job)
      this.#scheduleSlice()
    })
  }

  #slice(): void {
    this.#scheduled = false
    if (this.#isHalted) return
    const clock = this.#clock
    this.#releaseOne()
    const until = clock.monotonicMs() + sliceMs
    const ready = this.#ready
    this.#ready = []
    let steps = 0
    while (ready.length > 0 && steps++ < stepsMax && (steps === 1 || clock.monotonicMs() < until)) {
      const job = ready.shift() as StagedJob
      if (this.#advance(job)) ready.push(job)
    }
    for (const job of ready) this.#schedule(job)
  }

  /** Does one slice. False when the job is over, given up, or waits for what is cold. */
  #advance(job: StagedJob): boolean {
    if (!this.#all.has(job)) return false
    try {
      return this.#advances(job)
    } catch (failure) {
      this.#broke(job, failure)
      return false
    }
  }

  #broke(job: StagedJob, failure: unknown): void {
    this.#remove(job)
    job.broke(failure)
  }

  #releaseOne(): void {
    const [work] = this.#releases
    if (work === undefined) return
    const primary = this.#shard()?.primary
    if (primary === undefined || !primary.isIdle || !this.mayRecord()) {
      this.#scheduleRetry()
      return
    }
    this.#releases.shift()
    this.#held.delete(work)
    primary.change(() => work.release?.())
    this.onRecorded()
    if (this.#releases.length > 0) this.#scheduleSlice()
  }

  #advances(job: StagedJob): boolean {
    const { work } = job
    const { primary, keyspace } = this.#shard() as WorkedOn
    if (work.isRecorded === true && !(primary.isIdle && this.mayRecord() && this.hasRoom())) {
      this.#postpone(job)
      return false
    }
    const cold = coldOf(work, keyspace.trees)
    if (cold !== undefined && cold.items.length > 0) {
      this.#fetch(job, cold)
      return false
    }
    let hasMore = false
    if (work.isRecorded !== true) hasMore = hasStep(work)
    else {
      primary.change(() => {
        hasMore = hasStep(work)
      })
      this.onRecorded()
    }
    if (hasMore) return true
    this.#remove(job)
    job.done()
    return false
  }

  /** It may not make a record now. If a client's would be refused, the request is, too. */
  #postpone(job: StagedJob): void {
    if (this.refusesRecords()) {
      this.#remove(job)
      job.abandoned()
      return
    }
    this.#postponed.push(job)
    this.#scheduleRetry()
  }

  #fetch(job: StagedJob, cold: ColdSet): void {
    const { tier } = this.#shard() as WorkedOn
    tier.fetch(cold).then(
      () => {
        if (!this.#all.has(job)) return
        // They may be cold again in the next turn.
        try {
          tier.admit(cold)
        } catch (failure) {
          this.#broke(job, failure)
          return
        }
        if (this.#advance(job)) this.#schedule(job)
      },
      (failure: Error) => {
        if (this.#remove(job)) job.failed(failure)
      },
    )
  }
}

/** Does a slice; false when there is nothing more to do, or no memory for it: the command then goes on as well as it can. */
function hasStep(work: StagedWork): boolean {
  try {
    return work.step()
  } catch (failure) {
    if (!isMemoryRefusal(failure)) throw failure
    return false
  }
}

/** What is cold and staged work needs to go on; undefined if it cannot say. */
export function coldOf(work: StagedWork, trees: TreeLeaves): ColdSet | undefined {
  const set = new ColdSet(trees)
  return work.eachCold?.(set) ? set : undefined
}
