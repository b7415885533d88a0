/**
 * Turns reads of single ids into few, bounded pieces of work. Reads asked for in the same turn of the event loop leave
 * together; an id asked for twice before its read starts is read once; at most `jobsMax` jobs run, and the rest wait in
 * order. Bounding matters: the log syncs through the same pool of threads and must always find one (with 256 reads in
 * flight the median commit took 8.8 ms instead of 0.25 ms).
 *
 * A read never joins one that has started: it might miss a write that finished in between.
 */

/** Reads ids in one piece of work; results in their order. */
export type ColdReadJob = (ids: readonly number[]) => Promise<(Buffer | undefined)[]>

export interface ColdReadQueueOptions {
  readonly job: ColdReadJob
  readonly afterTurn: (work: () => void) => void
  readonly jobsMax: number
  readonly idsPerJobMax: number
}

interface WaitingRead {
  readonly promise: Promise<Buffer | undefined>
  resolve(bytes: Buffer | undefined): void
  reject(failure: unknown): void
}

export class ColdReadQueue {
  readonly #options: ColdReadQueueOptions
  /** In order of arrival (a Map keeps it). */
  readonly #waiting = new Map<number, WaitingRead>()
  readonly #startJobs = () => this.#dispatch()
  #scheduled = false
  #running = 0
  #paused = false
  #onIdle: () => void = () => undefined

  constructor(options: ColdReadQueueOptions) {
    this.#options = options
  }

  /** Jobs under way. */
  get running(): number {
    return this.#running
  }

  /** Ids that wait for a job. */
  get waiting(): number {
    return this.#waiting.size
  }

  /** Callers that asked for the same id share the Buffer. */
  read(id: number): Promise<Buffer | undefined> {
    const same = this.#waiting.get(id)
    if (same !== undefined) return same.promise
    let resolve!: WaitingRead['resolve']
    let reject!: WaitingRead['reject']
    const promise = new Promise<Buffer | undefined>((onResolved, onRejected) => {
      resolve = onResolved
      reject = onRejected
    })
    this.#waiting.set(id, { promise, resolve, reject })
    if (!this.#scheduled && this.#running < this.#options.jobsMax) {
      this.#scheduled = true
      this.#options.afterTurn(this.#startJobs)
    }
    return promise
  }

  /** Starts no more jobs, and resolves when none runs. Reads may still be asked for: they wait. */
  async pause(): Promise<void> {
    this.#paused = true
    if (this.#running > 0) {
      await new Promise<void>((resolve) => {
        this.#onIdle = resolve
      })
    }
  }

  resume(): void {
    this.#paused = false
    this.#dispatch()
  }

  /** Spreads what waits evenly over the free jobs: few reads run side by side, many in chunks. */
  #dispatch(): void {
    this.#scheduled = false
    while (!this.#paused && this.#waiting.size > 0 && this.#running < this.#options.jobsMax) {
      const share = Math.ceil(this.#waiting.size / (this.#options.jobsMax - this.#running))
      this.#start(Math.min(share, this.#options.idsPerJobMax))
    }
  }

  #start(count: number): void {
    const ids: number[] = []
    const reads: WaitingRead[] = []
    for (const [id, read] of this.#waiting) {
      ids.push(id)
      reads.push(read)
      if (ids.length === count) break
    }
    for (const id of ids) this.#waiting.delete(id)
    this.#running++
    void this.#run(ids, reads)
  }

  async #run(ids: readonly number[], reads: readonly WaitingRead[]): Promise<void> {
    try {
      const values = await this.#options.job(ids)
      for (let i = 0; i < reads.length; i++) reads[i]!.resolve(values[i])
    } catch (failure) {
      if (ids.length === 1) reads[0]!.reject(failure)
      else await this.#runEach(ids, reads)
    }
    this.#running--
    if (this.#running === 0) this.#onIdle()
    this.#dispatch()
  }

  /** A failure in a shared job must hit only the reads whose bytes it concerns. */
  async #runEach(ids: readonly number[], reads: readonly WaitingRead[]): Promise<void> {
    for (let i = 0; i < ids.length; i++) {
      try {
        reads[i]!.resolve((await this.#options.job([ids[i]!]))[0])
      } catch (failure) {
        reads[i]!.reject(failure)
      }
    }
  }
}
