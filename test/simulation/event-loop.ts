/**
 * Time and order for a simulation: one queue of events, each run alone, with all its microtasks, before the next. Time
 * passes from event to event, and a little each time somebody reads the monotonic clock, so that work in slices ends its
 * slices. A process that crashes takes its events with it: whatever it waited for never comes. One that is stopped has them all at once when it
 * goes on, and has not noticed meanwhile that time has passed.
 */
import type { Clock, Timer } from '../../storage/clock.ts'

const startWallMs = 1_700_000_000_000
/** What reading the clock costs: stands for the work done in between. */
const readMs = 0.02

interface Event {
  readonly dueMs: number
  readonly work: () => void
  cancelled: boolean
}

export class EventLoop {
  nowMs = 0
  /** What the wall clock is ahead of its start plus `nowMs`. */
  wallSkewMs = 0
  events = 0
  /** In the order of their time; those of one moment in the order in which they were scheduled. */
  readonly #queue: Event[] = []

  /** Events that are still to happen. */
  get pending(): number {
    return this.#queue.filter((event) => !event.cancelled).length
  }

  schedule(delayMs: number, work: () => void): Timer {
    const event: Event = { dueMs: this.nowMs + Math.max(0, delayMs), work, cancelled: false }
    let low = 0
    let high = this.#queue.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#queue[middle] as Event).dueMs <= event.dueMs) low = middle + 1
      else high = middle
    }
    this.#queue.splice(low, 0, event)
    return {
      cancel: () => {
        event.cancelled = true
      },
    }
  }

  /** A clock whose callbacks end with its process. It shows so many milliseconds for each one that passes. */
  process(rate = 1): ProcessClock {
    return new ProcessClock(this, rate)
  }

  /** Lets so much time pass. */
  async pass(ms: number): Promise<void> {
    let isOver = false
    this.schedule(ms, () => {
      isOver = true
    })
    await this.run(() => isOver)
  }

  /** Lets time pass until a promise is settled, and returns what came of it. */
  async settled<T>(promise: Promise<T>): Promise<T> {
    let isSettled = false
    const settle = (): void => {
      isSettled = true
    }
    promise.then(settle, settle)
    await this.run(() => isSettled)
    return promise
  }

  /** Runs events until `done` says so. Rejects when nothing is left to happen, or after `limitMs` of simulated time. */
  async run(done: () => boolean, limitMs = 120_000): Promise<void> {
    const until = this.nowMs + limitMs
    await microtasks()
    while (!done()) {
      const event = this.#queue.shift()
      if (event === undefined) throw new Error('the simulation stands still: nothing is scheduled')
      if (event.cancelled) continue
      if (event.dueMs > until) throw new Error(`the simulation made no progress for ${limitMs} ms`)
      if (event.dueMs > this.nowMs) this.nowMs = event.dueMs
      this.events++
      event.work()
      await microtasks()
    }
  }
}

export class ProcessClock implements Clock {
  readonly #loop: EventLoop
  readonly #rate: number
  #alive = true
  #stopped = false
  /** What has come while it was stopped. */
  #held: (() => void)[] = []
  /** What this wall clock is ahead of the others. */
  wallSkewMs = 0

  constructor(loop: EventLoop, rate: number) {
    this.#loop = loop
    this.#rate = rate
  }

  get alive(): boolean {
    return this.#alive
  }

  /** The process is gone: nothing that it scheduled happens any more. */
  kill(): void {
    this.#alive = false
    this.#held = []
  }

  /** As SIGSTOP does: nothing happens until `goOn`. */
  stop(): void {
    this.#stopped = true
  }

  /** As SIGCONT does. */
  goOn(): void {
    this.#stopped = false
    for (const work of this.#held.splice(0)) this.happens(work)
  }

  wallMs(): number {
    return startWallMs + Math.floor(this.#loop.nowMs + this.#loop.wallSkewMs + this.wallSkewMs)
  }

  monotonicMs(): number {
    this.#loop.nowMs += readMs
    return this.#loop.nowMs * this.#rate
  }

  afterTurn(work: () => void): void {
    this.after(0, work)
  }

  after(delayMs: number, work: () => void): Timer {
    let isCancelled = false
    const arrives = (): void => {
      if (!isCancelled) work()
    }
    const timer = this.#loop.schedule(delayMs / this.#rate, () => this.#arrive(arrives))
    return {
      cancel: () => {
        isCancelled = true
        timer.cancel()
      },
    }
  }

  /** Something from outside, in an event of its own. */
  happens(work: () => void): void {
    this.#loop.schedule(0, () => this.#arrive(work))
  }

  #arrive(work: () => void): void {
    if (!this.#alive) return
    if (this.#stopped) this.#held.push(work)
    else work()
  }
}

/** Resolves when no microtask is left. */
function microtasks(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
