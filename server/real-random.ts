/** Chance from the system: unpredictable, as the keyed hashes need it. */
import { randomFillSync } from 'node:crypto'
import type { Random } from '../engine/random.ts'

export class SystemRandom implements Random {
  readonly #drawn = new Uint32Array(1024)
  #next = 1024

  nextUint32(): number {
    if (this.#next === this.#drawn.length) {
      randomFillSync(this.#drawn)
      this.#next = 0
    }
    return this.#drawn[this.#next++]
  }
}
