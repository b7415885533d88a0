import type { Clock, Timer } from '../../storage/clock.ts'

/** A clock that stands still until a test moves it. `afterTurn` runs in a microtask. */
export class ManualClock implements Clock {
  #nowMs = 0
  #timers: { readonly dueMs: number; readonly work: () => void }[] = []

  wallMs(): number {
    return 1_700_000_000_000 + Math.floor(this.#nowMs)
  }

  monotonicMs(): number {
    return this.#nowMs
  }

  afterTurn(work: () => void): void {
    queueMicrotask(work)
  }

  after(delayMs: number, work: () => void): Timer {
    const timer = { dueMs: this.#nowMs + delayMs, work }
    this.#timers.push(timer)
    return {
      cancel: () => {
        this.#timers = this.#timers.filter((other) => other !== timer)
      },
    }
  }

  /** Timers that have not run. */
  get waiting(): number {
    return this.#timers.length
  }

  /** Moves on, running what falls due in order. */
  advance(ms: number): void {
    const until = this.#nowMs + ms
    for (;;) {
      const due = this.#timers.filter((timer) => timer.dueMs <= until).sort((a, b) => a.dueMs - b.dueMs)[0]
      if (!due) break
      this.#timers = this.#timers.filter((timer) => timer !== due)
      this.#nowMs = due.dueMs
      due.work()
    }
    this.#nowMs = until
  }
}
