/** Rates that INFO shows: the mean over the last sixteen samples, taken ten times a second, as in Redis. */
import type { Clock, Timer } from '../storage/clock.ts'

const sampleMs = 100
const samples = 16

export class Rates {
  readonly #clock: Clock
  readonly #read: () => readonly number[]
  #values: readonly number[]
  #atMs: number
  /** Per sample: milliseconds, then how much each figure grew. */
  readonly #ring: number[][] = []
  #timer: Timer | undefined

  /** `read` gives the present values of figures that grow. */
  constructor(clock: Clock, read: () => readonly number[]) {
    this.#clock = clock
    this.#read = read
    this.#values = read()
    this.#atMs = clock.monotonicMs()
  }

  start(): void {
    this.#timer = this.#clock.after(sampleMs, () => {
      this.#sample()
      this.start()
    })
  }

  stop(): void {
    this.#timer?.cancel()
  }

  /** Growth of figure `index` per second. */
  perSecond(index: number): number {
    let ms = 0
    let grown = 0
    for (const sample of this.#ring) {
      ms += sample[0]
      grown += sample[index + 1]
    }
    return ms === 0 ? 0 : (grown * 1000) / ms
  }

  #sample(): void {
    const nowMs = this.#clock.monotonicMs()
    const values = this.#read()
    this.#ring.push([nowMs - this.#atMs, ...values.map((value, at) => Math.max(0, value - this.#values[at]))])
    if (this.#ring.length > samples) this.#ring.shift()
    this.#values = values
    this.#atMs = nowMs
  }
}
