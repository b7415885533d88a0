/**
 * How long ago and how often a key was used, in 24 bits, as Redis keeps it ("Key eviction" in Redis's documentation):
 * under an LRU policy seconds modulo 2^24; under an LFU policy 16 bits of minutes and a logarithmic counter of 8 bits.
 */
import type { Random } from '../random.ts'

const lfuInitial = 5

export class AccessClock {
  lfu = false
  lfuLogFactor = 10
  lfuDecayMinutes = 1
  readonly #random: Random
  #seconds = 0
  #minutes = 0

  constructor(random: Random) {
    this.#random = random
  }

  /** Told the time once per turn of the event loop. */
  tick(nowMs: number): void {
    this.#seconds = Math.floor(nowMs / 1000) % 2 ** 24
    this.#minutes = Math.floor(nowMs / 60_000) & 0xffff
  }

  /** The clock of an LRU policy, whatever the policy is: seconds modulo 2^24. */
  get seconds(): number {
    return this.#seconds
  }

  /** The field of a key that was just made. */
  initial(): number {
    return this.lfu ? (this.#minutes << 8) | lfuInitial : this.#seconds
  }

  /** The field after one more use. */
  used(access: number): number {
    return this.lfu ? (this.#minutes << 8) | this.#increment(this.frequency(access)) : this.#seconds
  }

  /** The field of a key that was last used so many seconds ago; under an LFU policy of one that was just made. */
  idleFor(seconds: number): number {
    return this.lfu ? this.initial() : (((this.#seconds - seconds) % 2 ** 24) + 2 ** 24) % 2 ** 24
  }

  /** The field of a key with this counter; under an LRU policy of one that was just made. */
  usedOften(counter: number): number {
    return this.lfu ? (this.#minutes << 8) | counter : this.#seconds
  }

  idleSeconds(access: number): number {
    return (this.#seconds - access + 2 ** 24) % 2 ** 24
  }

  /** The decayed logarithmic counter. */
  frequency(access: number): number {
    const elapsed = (this.#minutes - ((access >>> 8) & 0xffff) + 0x10000) & 0xffff
    return this.#decayed(access & 0xff, elapsed)
  }

  /** What has become of the counter that a new key begins with, if it was not used for so long. */
  frequencyAfter(idleSeconds: number): number {
    return this.#decayed(lfuInitial, Math.floor(idleSeconds / 60))
  }

  #decayed(counter: number, minutes: number): number {
    return this.lfuDecayMinutes === 0 ? counter : Math.max(0, counter - Math.floor(minutes / this.lfuDecayMinutes))
  }

  #increment(counter: number): number {
    if (counter === 255) return 255
    const chance = 1 / (Math.max(0, counter - lfuInitial) * this.lfuLogFactor + 1)
    return this.#random.nextUint32() / 2 ** 32 < chance ? counter + 1 : counter
  }
}
