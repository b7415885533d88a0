/**
 * Whether what memory holds can be written out, to the cold store and the catalog; if not, since when and why. A short
 * failure costs nothing: writers that need memory wait. They do not wait for ever: when nothing could be written for a
 * while they are refused, until the disk works again. Other writes go on, for the log has them.
 */
import type { Clock } from '../../storage/clock.ts'
import type { Log } from '../logging.ts'

/** For so long after the last value was written, writers wait for memory before they are refused. */
export const refuseAfterMs = 5000
/** The same failure is told again after so long. */
const repeatMs = 60_000

export class StorageTrouble {
  /** Why writing out fails; undefined while it does not. */
  failure: Error | undefined
  /** Failures since the start. */
  failures = 0
  readonly #clock: Clock
  readonly #log: Log
  /** When the last batch was written before or during the failure. */
  #progressMs = 0
  #batches = 0
  #told = ''
  #toldMs = 0

  constructor(clock: Clock, log: Log) {
    this.#clock = clock
    this.#log = log
  }

  /** Whether writers that would wait for memory are refused. */
  get refuses(): boolean {
    return this.failure !== undefined && this.#clock.monotonicMs() - this.#progressMs > refuseAfterMs
  }

  /** What such a writer is told. */
  get refusal(): string {
    const reason = this.failure?.message.replace(/\s+/g, ' ') ?? ''
    return `MISCONF Errors writing to the cold store: ${reason}. Memory is full and no value can be moved to disk: commands that need memory are refused until it can be written again. Please check the server's log for details.`
  }

  /** Writing out has failed. `batches`: how many have been written since the start. */
  failed(what: string, failure: Error, batches: number): void {
    const nowMs = this.#clock.monotonicMs()
    if (this.failure === undefined) this.#progressMs = nowMs
    this.progressed(batches)
    this.failure = failure
    this.failures++
    if (failure.message === this.#told && nowMs - this.#toldMs < repeatMs) return
    this.#told = failure.message
    this.#toldMs = nowMs
    this.#log.error(what, { error: failure })
  }

  /** If some of it works, nobody is refused. */
  progressed(batches: number): void {
    if (batches === this.#batches) return
    this.#batches = batches
    this.#progressMs = this.#clock.monotonicMs()
  }

  worked(): void {
    if (this.failure === undefined) return
    this.failure = undefined
    this.#told = ''
    this.#log.warn('Values and checkpoints can be written again')
  }
}
