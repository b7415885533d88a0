/**
 * Turns reads of single ids into few, bounded pieces of work. Reads asked for in the same turn of the event loop leave
 * together; an id asked for twice before its read starts is read once; at most `jobsMax` jobs run, and the rest wait in
 * order. Bounding matters: the log syncs through the same pool of threads and must always find one (with 256 reads in
 * flight the median commit took 8.8 ms instead of 0.25 ms).
 *
 * How many reads are worth a job follows from how long they take. Where each waits for a disk they run side by side. Where
 * the page cache has them, waking a thread takes longer than reading, and threads that read get into each other's way: then
 * one job takes many ids, and the next forms while it runs. If the store has a thread for such times (`quick`), that does the reading.
 *
 * A read never joins one that has started: it might miss a write that finished in between.
 */
import type { ColdReadDone } from './cold-store.ts'

/** Reads ids in one piece of work; results in their order. */
export type ColdReadJob = (ids: readonly number[]) => Promise<(Buffer | undefined)[]>

export interface ColdReadQueueOptions {
  readonly job: ColdReadJob
  readonly afterTurn: (work: () => void) => void
  /** A monotonic clock, for how long jobs take. */
  readonly nowMs: () => number
  readonly jobsMax: number
  readonly idsPerJobMax: number
  /** Another way to read, one id after the other, which takes less where no read waits for a disk. */
  readonly quick?: QuickReads
}

export interface QuickReads {
  /** Undefined when it cannot be done this way now. It is asked for one job at a time. */
  readonly job: (ids: readonly number[]) => Promise<TimedReads> | undefined
  readonly idsPerJobMax: number
}

/** A job that is expected to take less than this may take more ids. */
const worthwhileMs = 0.25
/** Reads that take longer than this, on average, wait for a disk. */
const quickMsMax = 0.05
/** A quick job that has taken longer than this may have met a disk: what has come since need not wait for it. */
const quickJobMsMax = 2
/** How fast the estimate follows jobs that were slower; it follows a faster one at once, because a busy event loop makes jobs look slow. */
const slowerWeight = 0.02

/** What was read, and how long that took where it was done. */
export interface TimedReads {
  readonly values: readonly (Buffer | undefined)[]
  readonly ms: number
}

interface WaitingRead {
  readonly done: ColdReadDone
  /** Others who asked for the same id. */
  others: ColdReadDone[] | undefined
}

interface TakenReads {
  readonly ids: readonly number[]
  readonly reads: readonly WaitingRead[]
}

export class ColdReadQueue {
  readonly #options: ColdReadQueueOptions
  /** In order of arrival (a Map keeps it). */
  readonly #waiting = new Map<number, WaitingRead>()
  readonly #startJobs = () => this.#dispatch()
  #scheduled = false
  #running = 0
  #runsQuickly = false
  #quickStartedMs = 0
  #msPerId = Number.POSITIVE_INFINITY
  #paused = false
  #onIdle: () => void = () => undefined

  constructor(options: ColdReadQueueOptions) {
    this.#options = options
  }

  /** Jobs under way. */
  get running(): number {
    return this.#running + (this.#runsQuickly ? 1 : 0)
  }

  /** Ids that wait for a job. */
  get waiting(): number {
    return this.#waiting.size
  }

  read(id: number): Promise<Buffer | undefined> {
    return new Promise((resolve, reject) => {
      this.readTo(id, (failure, bytes) => (failure === undefined ? resolve(bytes) : reject(failure)))
    })
  }

  /** `done` is called once, later. Callers that asked for the same id share the Buffer. */
  readTo(id: number, done: ColdReadDone): void {
    const same = this.#waiting.get(id)
    if (same !== undefined) {
      same.others ??= []
      same.others.push(done)
      return
    }
    this.#waiting.set(id, { done, others: undefined })
    if (this.#scheduled || this.#running >= this.#options.jobsMax) return
    this.#scheduled = true
    this.#options.afterTurn(this.#startJobs)
  }

  /** Starts no more jobs, and resolves when none runs. Reads may still be asked for: they wait. */
  async pause(): Promise<void> {
    this.#paused = true
    if (this.running > 0) {
      await new Promise<void>((resolve) => {
        this.#onIdle = resolve
      })
    }
  }

  resume(): void {
    this.#paused = false
    this.#dispatch()
  }

  #dispatch(): void {
    this.#scheduled = false
    if (this.#paused || this.#waiting.size === 0 || this.#takesQuickly()) return
    this.#spread()
  }

  /** Lets the quick way have what waits, if reads are quick or there is only one: then it is seen how quick it was. False when others are to take it. */
  #takesQuickly(): boolean {
    const { quick, nowMs } = this.#options
    if (quick === undefined) return false
    if (this.#msPerId > quickMsMax && (this.#waiting.size > 1 || this.#runsQuickly)) return false
    if (this.#runsQuickly) return nowMs() - this.#quickStartedMs < quickJobMsMax
    const taken = this.#take(quick.idsPerJobMax)
    const reading = quick.job(taken.ids)
    if (reading === undefined) {
      this.#putBack(taken)
      return false
    }
    this.#runsQuickly = true
    this.#quickStartedMs = nowMs()
    this.#settles(taken, reading, () => {
      this.#runsQuickly = false
    })
    return true
  }

  /** Spreads what waits evenly over the free jobs, unless a job for so few would take no time worth speaking of. */
  #spread(): void {
    const { jobsMax, idsPerJobMax } = this.#options
    const worthwhile = Math.min(idsPerJobMax, Math.floor(worthwhileMs / this.#msPerId))
    while (this.#waiting.size > 0 && this.#running < jobsMax) {
      if (this.#running > 0 && this.#waiting.size < worthwhile) return
      const share = Math.ceil(this.#waiting.size / (jobsMax - this.#running))
      this.#start(Math.min(Math.max(share, worthwhile), idsPerJobMax))
    }
  }

  #start(count: number): void {
    const taken = this.#take(count)
    this.#running++
    const startMs = this.#options.nowMs()
    const reading = this.#options.job(taken.ids).then((values) => ({ values, ms: this.#options.nowMs() - startMs }))
    this.#settles(taken, reading, () => this.#running--)
  }

  /** The oldest reads that wait, up to `count`. */
  #take(count: number): TakenReads {
    const ids: number[] = []
    const reads: WaitingRead[] = []
    for (const [id, read] of this.#waiting) {
      ids.push(id)
      reads.push(read)
      if (ids.length === count) break
    }
    if (ids.length === this.#waiting.size) this.#waiting.clear()
    else for (let i = 0; i < ids.length; i++) this.#waiting.delete(ids[i]!)
    return { ids, reads }
  }

  /** What was taken waits again, before all others. */
  #putBack({ ids, reads }: TakenReads): void {
    const others = [...this.#waiting]
    this.#waiting.clear()
    for (let i = 0; i < ids.length; i++) this.#waiting.set(ids[i]!, reads[i]!)
    for (const [id, read] of others) this.#waiting.set(id, read)
  }

  /** `ended` counts the job out. */
  #settles({ ids, reads }: TakenReads, reading: Promise<TimedReads>, ended: () => void): void {
    reading.then(
      ({ values, ms }) => {
        this.#learn(ms / ids.length)
        ended()
        // The next job starts before these reads' owners go on, which may take a while.
        this.#goesOn()
        for (let i = 0; i < reads.length; i++) settle(reads[i]!, undefined, values[i])
      },
      (failure: unknown) => {
        if (ids.length > 1) {
          void this.#runEach(ids, reads, ended)
          return
        }
        ended()
        this.#goesOn()
        settle(reads[0]!, failure, undefined)
      },
    )
  }

  #goesOn(): void {
    if (this.running === 0) this.#onIdle()
    this.#dispatch()
  }

  #learn(msPerId: number): void {
    if (msPerId < this.#msPerId) this.#msPerId = msPerId
    else this.#msPerId += (msPerId - this.#msPerId) * slowerWeight
  }

  /** A failure in a shared job must hit only the reads whose bytes it concerns. */
  async #runEach(ids: readonly number[], reads: readonly WaitingRead[], ended: () => void): Promise<void> {
    const values: (Buffer | undefined)[] = []
    const failures: unknown[] = []
    for (const id of ids) {
      const [value, failure] = await this.#options.job([id]).then(
        (found) => [found[0], undefined] as const,
        (cause: unknown) => [undefined, cause] as const,
      )
      values.push(value)
      failures.push(failure)
    }
    ended()
    this.#goesOn()
    for (let i = 0; i < reads.length; i++) settle(reads[i]!, failures[i], values[i])
  }
}

function settle({ done, others }: WaitingRead, failure: unknown, bytes: Buffer | undefined): void {
  done(failure, bytes)
  if (others !== undefined) for (const other of others) other(failure, bytes)
}
