/** The clock of this machine: `Clock` over Node's timers. The global `performance` is a getter, which each reading of the time would call. */
import { performance } from 'node:perf_hooks'
import type { Clock, Timer } from '../storage/clock.ts'

export const realClock: Clock = {
  wallMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  afterTurn: (work) => {
    setImmediate(work)
  },
  after: (delayMs, work): Timer => {
    const timer = setTimeout(work, delayMs)
    timer.unref()
    return { cancel: () => clearTimeout(timer) }
  },
}
