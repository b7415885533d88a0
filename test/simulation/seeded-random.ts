import type { Random } from '../../engine/random.ts'

/**
 * Chance from a seed: mulberry32 (Tommy Ettinger, public domain), small and good enough to vary tests. The only generator
 * of the tests; `chance()` in `test/chance.ts` makes one from the test's seed.
 */
export class SeededRandom implements Random {
  #state: number

  constructor(seed: number) {
    this.#state = seed >>> 0
  }

  nextUint32(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let mixed = this.#state
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return (mixed ^ (mixed >>> 14)) >>> 0
  }

  /** A whole number from 0 to `n` - 1. */
  below(n: number): number {
    return this.nextUint32() % n
  }

  /** True once in `n` times. */
  once(n: number): boolean {
    return this.below(n) === 0
  }

  pick<T>(choices: readonly T[]): T {
    return choices[this.below(choices.length)] as T
  }

  /** True for about that share of all calls. */
  drawn(share: number): boolean {
    return this.nextUint32() < share * 2 ** 32
  }
}
