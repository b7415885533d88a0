/**
 * The staged work of requests, done beside everything else: about a millisecond a turn for all of them together, one slice of
 * each after the other. Cold leaves that a piece of it needs are fetched.
 */
import { isMemoryRefusal } from '../engine/memory/refusal.ts'
import type { StagedWork } from '../engine/staged-work.ts'
import type { TreeLeaves } from '../engine/tree/tree-leaves.ts'
import type { Clock } from '../storage/clock.ts'
import { ColdSet } from '../storage/cold-set.ts'
import type { ShardState } from './shard/shard-state.ts'

/** What of a shard it works on. */
type WorkedOn = Pick<ShardState, 'keyspace' | 'tier'>

/** What becomes of the work, and who releases it, is the matter of whoever has added it. */
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

export class StagedWorkQueue {
  readonly #clock: Clock
  readonly #shard: () => WorkedOn
  /** Those that can go on. */
  #ready: StagedJob[] = []
  readonly #all = new Set<StagedJob>()
  #scheduled = false

  /** `shard` tells the present one; only called while there is work. */
  constructor(clock: Clock, shard: () => WorkedOn) {
    this.#clock = clock
    this.#shard = shard
  }

  get count(): number {
    return this.#all.size
  }

  get memoryBytes(): number {
    let bytes = 0
    for (const { work } of this.#all) bytes += work.memoryBytes
    return bytes
  }

  /** Does nothing more. */
  halt(): void {
    this.#all.clear()
    this.#ready = []
  }

  /** Returns how to give the job up. */
  add(job: StagedJob): () => void {
    this.#all.add(job)
    this.#schedule(job)
    return () => this.#all.delete(job)
  }

  /** Gives all of them up. */
  abandon(): void {
    const jobs = [...this.#all]
    this.#all.clear()
    this.#ready = []
    for (const job of jobs) job.abandoned()
  }

  #schedule(job: StagedJob): void {
    this.#ready.push(job)
    if (this.#scheduled) return
    this.#scheduled = true
    this.#clock.afterTurn(() => this.#slice())
  }

  #slice(): void {
    this.#scheduled = false
    const clock = this.#clock
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
    this.#all.delete(job)
    job.broke(failure)
  }

  #advances(job: StagedJob): boolean {
    const { work } = job
    const cold = coldOf(work, this.#shard().keyspace.trees)
    if (cold !== undefined && cold.items.length > 0) {
      this.#fetch(job, cold)
      return false
    }
    if (hasStep(work)) return true
    this.#all.delete(job)
    job.done()
    return false
  }

  #fetch(job: StagedJob, cold: ColdSet): void {
    const { tier } = this.#shard()
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
        if (this.#all.delete(job)) job.failed(failure)
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
