/**
 * When the event loop's own thread may write a small group to the page cache instead of handing it to another one
 * (`docs/decisions/0014-writes-to-the-page-cache.md`): not soon after a write that was slow, because the system makes
 * writers wait when the disk is behind.
 */

/** A quick write that takes longer than this is slow: the system makes writers wait, because the disk is behind, or the processor was wanted. */
const SLOW_MS = 2
/** After a slow write the event loop writes none for this many times as long; after each that follows for twice as many times, up to the most. */
const REST_FACTOR_MIN = 10
const REST_FACTOR_MAX = 100
/** After so many quick writes in a row a slow one is again the first. */
const QUICK_WRITES_TO_TRUST = 64

export class QuickWrites {
  /** Before this time the event loop's thread leaves writing to others. */
  #fromMs = Number.NEGATIVE_INFINITY
  /** For how many times as long it will after the next slow write, and the quick writes since the last one. */
  #restFactor = REST_FACTOR_MIN
  #inARow = 0

  mayWrite(nowMs: number): boolean {
    return nowMs >= this.#fromMs
  }

  /** One has been made. A single slow write is more often a wait for a processor than for the disk; several tell that the disk is behind. */
  wrote(tookMs: number, endMs: number): void {
    if (tookMs > SLOW_MS) {
      this.#fromMs = endMs + tookMs * this.#restFactor
      this.#restFactor = Math.min(this.#restFactor * 2, REST_FACTOR_MAX)
      this.#inARow = 0
    } else if (++this.#inARow === QUICK_WRITES_TO_TRUST) this.#restFactor = REST_FACTOR_MIN
  }
}
