/**
 * Holds writers back before LevelDB does: it delays writes at 8 files in level 0, by a millisecond each, and stops them at 12, while the thread
 * that writes waits. What the watch does not know yet is reckoned from above, so that it is asked only when level 0 may have become full.
 */
import type { Clock } from './clock.ts'
import type { LevelWatch } from './level-watch.ts'

const LEVEL0_FILES_MAX = 6
const STALL_POLL_MS = 5
/** Then LevelDB may say itself what is wrong, e.g. that compaction has failed. */
const STALL_MS_MAX = 5000

export class LevelThrottle {
  stalledMs = 0
  /** Files that may have come to level 0 since the watch was asked last, and bytes written since, of which one may be made. */
  #newFilesMax = LEVEL0_FILES_MAX
  #unwatchedBytesMax = 0
  readonly #watch: LevelWatch
  readonly #clock: Clock
  readonly #writeBufferBytes: number

  constructor(watch: LevelWatch, clock: Clock, writeBufferBytes: number) {
    this.#watch = watch
    this.#clock = clock
    this.#writeBufferBytes = writeBufferBytes
  }

  /** At most so many bytes are being written. */
  writing(bytesMax: number): void {
    this.#unwatchedBytesMax += bytesMax
  }

  /** The write buffer has become a table. */
  flushed(): void {
    this.#newFilesMax++
  }

  /** Waits while level 0 is nearly full, for five seconds at most, or until the store is closed. */
  async stall(isClosed: () => boolean): Promise<void> {
    const filesMax = this.#watch.figures.level0Files + this.#newFilesMax + Math.floor(this.#unwatchedBytesMax / this.#writeBufferBytes)
    if (filesMax < LEVEL0_FILES_MAX) return
    if ((await this.#level0Files()) < LEVEL0_FILES_MAX) return
    const from = this.#clock.monotonicMs()
    let stalledMs = 0
    while (!isClosed() && stalledMs < STALL_MS_MAX && (await this.#level0Files()) >= LEVEL0_FILES_MAX) {
      await new Promise<void>((resolve) => this.#clock.after(STALL_POLL_MS, resolve))
      stalledMs = this.#clock.monotonicMs() - from
    }
    this.stalledMs += stalledMs
  }

  async #level0Files(): Promise<number> {
    // What is in the write buffer becomes a file sooner or later.
    this.#newFilesMax = 1
    this.#unwatchedBytesMax = 0
    await this.#watch.renew()
    return this.#watch.figures.level0Files
  }
}
