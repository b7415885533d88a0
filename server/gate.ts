/**
 * Where requests wait that may not run yet, for reasons other than cold values: CLIENT PAUSE, DEBUG SLEEP, and writers
 * while memory is short. Readers pass unless everything is paused. Waiting sessions are retried in the order they came.
 */
import type { Clock, Timer } from '../storage/clock.ts'
import type { Command } from './command-table.ts'
import type { Session } from './session.ts'

/** No timer can be set further ahead. */
export const timerMsMax = 2 ** 31 - 1

export type PauseMode = 'all' | 'write'

export class Gate {
  /** Says whether writers must wait for memory. */
  memoryShort: () => boolean = () => false
  /** Requests that had to wait for memory since the start. */
  throttled = 0
  #waiting: Session[] = []
  #pauseMode: PauseMode = 'all'
  #pausedUntilMs = 0
  #timer: Timer | undefined
  #stalledUntilMs = 0
  #stallTimer: Timer | undefined
  /** Holders that have not let go yet. */
  #holds = 0
  readonly #clock: Clock

  constructor(clock: Clock) {
    this.#clock = clock
  }

  get waiting(): number {
    return this.#waiting.length
  }

  get paused(): PauseMode | undefined {
    return this.#pausedUntilMs > this.#clock.monotonicMs() ? this.#pauseMode : undefined
  }

  get pauseLeftMs(): number {
    return Math.max(0, Math.ceil(this.#pausedUntilMs - this.#clock.monotonicMs()))
  }

  /** True when the request must wait; the session will be told to `retry`. */
  holdsBack(session: Session, command: Command): boolean {
    if (this.#stalledUntilMs !== 0 || this.#holds > 0) {
      this.#waiting.push(session)
      return true
    }
    if (this.#pausedUntilMs !== 0 && this.#isPaused(session, command)) {
      this.#waiting.push(session)
      return true
    }
    if (this.memoryShort() && session.needsMemory(command)) {
      this.throttled++
      this.#waiting.push(session)
      return true
    }
    return false
  }

  /** Whether a session waits here for the end of CLIENT PAUSE. */
  pauses(session: Session): boolean {
    if (this.#pausedUntilMs === 0 || session.command === undefined || !this.#waiting.includes(session)) return false
    return this.#isPaused(session, session.command)
  }

  /** A longer or stricter pause in force is kept, as in Redis. */
  pause(durationMs: number, mode: PauseMode): void {
    const until = this.#clock.monotonicMs() + durationMs
    this.#pauseMode = this.paused === 'all' ? 'all' : mode
    if (until > this.#pausedUntilMs) this.#pausedUntilMs = until
    this.#setTimer()
  }

  /** Holds back every request for so long, whatever it is: what a server that sleeps looks like. */
  stall(durationMs: number): void {
    const until = this.#clock.monotonicMs() + durationMs
    if (until <= this.#stalledUntilMs) return
    this.#stalledUntilMs = until
    this.#stallTimer?.cancel()
    this.#stallTimer = this.#clock.after(Math.min(durationMs, timerMsMax), () => {
      this.#stalledUntilMs = 0
      this.retry()
    })
  }

  /** Holds back every request until the returned function is called: nothing must change, or nothing is there that could. */
  hold(): () => void {
    this.#holds++
    let isHeld = true
    return () => {
      if (!isHeld) return
      isHeld = false
      if (--this.#holds === 0) this.retry()
    }
  }

  /** The session is gone. */
  forget(session: Session): void {
    if (this.#waiting.length > 0) this.#waiting = this.#waiting.filter((each) => each !== session)
  }

  unpause(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    this.#pausedUntilMs = 0
    this.retry()
  }

  /** Lets all who wait try again. */
  retry(): void {
    const waiting = this.#waiting
    if (waiting.length === 0) return
    this.#waiting = []
    for (const session of waiting) session.retry()
  }

  close(): void {
    this.#timer?.cancel()
    this.#stallTimer?.cancel()
    this.#waiting = []
  }

  #setTimer(): void {
    this.#timer?.cancel()
    const leftMs = this.#pausedUntilMs - this.#clock.monotonicMs()
    this.#timer = this.#clock.after(Math.min(leftMs, timerMsMax), () => (leftMs > timerMsMax ? this.#setTimer() : this.unpause()))
  }

  #isPaused(session: Session, command: Command): boolean {
    if (this.paused === undefined) return false
    if (this.#pauseMode === 'all') return true
    return command.isWrite || (command.name === 'exec' && session.transaction.queued.some((queued) => queued.command.isWrite))
  }
}
