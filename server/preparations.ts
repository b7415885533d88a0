/**
 * Preparations of requests, done beside everything else: about a millisecond a turn for all of them together, one slice of
 * each after the other. Cold chunks that one needs are fetched for it.
 */
import { isMemoryRefusal } from '../engine/memory/refusal.ts'
import type { Preparation } from '../engine/preparation.ts'
import { ColdSet } from '../storage/cold-set.ts'
import type { Server } from './server.ts'

export interface PreparationJob {
  readonly preparation: Preparation
  /** False when its client has left. */
  isWanted(): boolean
  /** Called in the turn in which all is done. */
  done(): void
  /** A cold chunk could not be read. */
  failed(failure: Error): void
  /** A broken invariant was met. */
  broke(failure: unknown): void
}

const sliceMs = 1
/** Where the clock stands still during a turn, as in a simulation. */
const stepsMax = 16

export class Preparations {
  readonly #server: Server
  /** Those that can go on. */
  #ready: PreparationJob[] = []
  readonly #all = new Set<PreparationJob>()
  #scheduled = false

  constructor(server: Server) {
    this.#server = server
  }

  get count(): number {
    return this.#all.size
  }

  get memoryBytes(): number {
    let bytes = 0
    for (const { preparation } of this.#all) bytes += preparation.memoryBytes
    return bytes
  }

  /** Does nothing more. */
  halt(): void {
    this.#all.clear()
    this.#ready = []
  }

  add(job: PreparationJob): void {
    this.#all.add(job)
    this.#goOn(job)
  }

  #goOn(job: PreparationJob): void {
    this.#ready.push(job)
    if (this.#scheduled) return
    this.#scheduled = true
    this.#server.clock.afterTurn(() => this.#slice())
  }

  #slice(): void {
    this.#scheduled = false
    const { clock } = this.#server
    const until = clock.monotonicMs() + sliceMs
    const ready = this.#ready
    this.#ready = []
    let steps = 0
    while (ready.length > 0 && steps++ < stepsMax && (steps === 1 || clock.monotonicMs() < until)) {
      const job = ready.shift() as PreparationJob
      if (this.#advance(job)) ready.push(job)
    }
    for (const job of ready) this.#goOn(job)
  }

  /** Does one slice. False when the job is over, or waits for chunks. */
  #advance(job: PreparationJob): boolean {
    if (!this.#all.has(job)) return false
    try {
      return this.#advances(job)
    } catch (failure) {
      this.#all.delete(job)
      job.broke(failure)
      return false
    }
  }

  #advances(job: PreparationJob): boolean {
    const { preparation } = job
    if (!job.isWanted()) {
      this.#all.delete(job)
      return false
    }
    const cold = coldChunksOf(preparation)
    if (cold !== undefined && cold.items.length > 0) {
      this.#fetch(job, cold)
      return false
    }
    if (hasStep(preparation)) return true
    this.#all.delete(job)
    job.done()
    return false
  }

  #fetch(job: PreparationJob, cold: ColdSet): void {
    const { tier } = this.#server.primary
    tier.fetch(cold).then(
      () => {
        if (!this.#all.has(job)) return
        // They may be cold again in the next turn.
        try {
          tier.admit(cold)
        } catch (failure) {
          job.broke(failure)
          return
        }
        if (this.#advance(job)) this.#goOn(job)
      },
      (failure: Error) => {
        this.#all.delete(job)
        job.failed(failure)
      },
    )
  }
}

/** Does a slice; false when there is nothing more to do, or no memory for it: the command then goes on as well as it can. */
function hasStep(preparation: Preparation): boolean {
  try {
    return preparation.step()
  } catch (failure) {
    if (!isMemoryRefusal(failure)) throw failure
    return false
  }
}

/** The cold chunks that a preparation needs to go on; undefined if it cannot say. */
export function coldChunksOf(preparation: Preparation): ColdSet | undefined {
  const set = new ColdSet()
  return preparation.eachCold?.((hash, firstHash, valueId) => set.addChunk(hash, firstHash, valueId)) ? set : undefined
}
