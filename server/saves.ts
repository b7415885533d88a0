/**
 * Saves that clients have asked for (SAVE, BGSAVE, BGREWRITEAOF), of which one runs at a time. Each is a checkpoint; those
 * that the server makes by itself are not counted here.
 */
import type { Clock } from '../storage/clock.ts'

type SaveKind = 'save' | 'rewrite'

export class Saves {
  running: SaveKind | undefined
  /** What begins when the running one has ended. */
  scheduled: SaveKind | undefined
  /** Rewrites begun, and how many of the latest have failed one after the other. */
  rewrites = 0
  rewriteFailuresInARow = 0
  /** Set by the owner: makes a checkpoint. */
  checkpoint: () => Promise<unknown> = () => Promise.reject(new Error('there is no log'))
  readonly #clock: Clock
  #startedMs = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Seconds since the running one began. */
  get seconds(): number {
    return Math.floor((this.#clock.monotonicMs() - this.#startedMs) / 1000)
  }

  /** Begins one while none runs. Rejects as the checkpoint does. */
  async run(kind: SaveKind): Promise<void> {
    this.running = kind
    this.#startedMs = this.#clock.monotonicMs()
    if (kind === 'rewrite') this.rewrites++
    try {
      await this.checkpoint()
      if (kind === 'rewrite') this.rewriteFailuresInARow = 0
    } catch (failure) {
      if (kind === 'rewrite') this.rewriteFailuresInARow++
      throw failure
    } finally {
      this.running = undefined
      this.#runScheduled()
    }
  }

  /** As `run`, for whom nobody waits: a failure is in the log and in INFO. */
  begin(kind: SaveKind): void {
    this.run(kind).catch(() => undefined)
  }

  #runScheduled(): void {
    const kind = this.scheduled
    this.scheduled = undefined
    if (kind !== undefined) this.begin(kind)
  }
}
