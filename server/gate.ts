/**
 * Where requests wait that may not run yet, for reasons other than cold values: CLIENT PAUSE, DEBUG SLEEP, writers while
 * memory is short, and who publishes while subscribers have not got their messages. Readers pass unless everything is paused.
 * Waiting requests are retried in the order they came.
 */
import type { Clock, Timer } from '../storage/clock.ts'
import type { Command } from './command-table.ts'

/** No timer can be set further ahead. */
export const timerMsMax = 2 ** 31 - 1

export type PauseMode = 'all' | 'write'

/** What a request waits for here: the end of DEBUG SLEEP or of what must not be disturbed, the end of CLIENT PAUSE, memory, or that subscribers have their messages. */
export type GatedState = 'stalled' | 'awaitsPause' | 'awaitsMemory' | 'awaitsFanOut'

/** A request that may have to wait here. */
export interface GatedRequest {
  readonly command: Command
  /** Whether it may change keys; for EXEC, whether anything that was queued may. */
  readonly writes: boolean
  /** Whether it may need memory that it does not give back. */
  readonly wantsMemory: boolean
  /** Whether it has what was made or read for it: that is given back when it has run, so if it waited for memory it might wait for itself. */
  readonly holdsMemory: boolean
  /** Whether it publishes; for EXEC, whether anything that was queued does. */
  readonly publishes: boolean
  retry(): void
}

export class Gate {
  /** Says whether writers must wait for memory. */
  memoryShort: () => boolean = () => false
  /** Says whether a request must wait because subscribers have not got their messages, and it may make more. */
  messagesWait: (request: GatedRequest) => boolean = () => false
  /** Requests that had to wait for memory since the start. */
  throttled = 0
  #waiting = new Set<GatedRequest>()
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
    return this.#waiting.size
  }

  get paused(): PauseMode | undefined {
    return this.#pausedUntilMs > this.#clock.monotonicMs() ? this.#pauseMode : undefined
  }

  get pauseLeftMs(): number {
    return Math.max(0, Math.ceil(this.#pausedUntilMs - this.#clock.monotonicMs()))
  }

  /** Undefined if the request may go on; else what it must wait for, after which its `retry` is called. */
  admit(request: GatedRequest): GatedState | undefined {
    const state = this.#obstacle(request)
    if (state === undefined) return undefined
    if (state === 'awaitsMemory') this.throttled++
    this.#waiting.add(request)
    return state
  }

  #obstacle(request: GatedRequest): GatedState | undefined {
    if (this.#stalledUntilMs !== 0 || this.#holds > 0) return 'stalled'
    if (this.#pausedUntilMs !== 0 && this.#isPaused(request)) return 'awaitsPause'
    if (request.wantsMemory && !request.holdsMemory && this.memoryShort()) return 'awaitsMemory'
    return this.messagesWait(request) ? 'awaitsFanOut' : undefined
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

  /** The request waits no longer: its client is gone. */
  forget(request: GatedRequest): void {
    this.#waiting.delete(request)
  }

  /** Ends a pause. Who waited tries again in the next turn: the command that says so may stand in a transaction. */
  unpause(): void {
    this.#endPause()
    this.#clock.afterTurn(() => this.retry())
  }

  /** Lets all who wait try again; not while a command is executed. */
  retry(): void {
    if (this.#waiting.size === 0) return
    const waiting = this.#waiting
    this.#waiting = new Set()
    for (const request of waiting) request.retry()
  }

  close(): void {
    this.#timer?.cancel()
    this.#stallTimer?.cancel()
    this.#waiting.clear()
  }

  #setTimer(): void {
    this.#timer?.cancel()
    const leftMs = this.#pausedUntilMs - this.#clock.monotonicMs()
    this.#timer = this.#clock.after(Math.min(leftMs, timerMsMax), () => {
      if (leftMs > timerMsMax) this.#setTimer()
      else {
        this.#endPause()
        this.retry()
      }
    })
  }

  #endPause(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    this.#pausedUntilMs = 0
  }

  #isPaused(request: GatedRequest): boolean {
    if (this.paused === undefined) return false
    return this.#pauseMode === 'all' || request.writes || request.publishes || request.command.runsCode
  }
}
