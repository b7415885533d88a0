/**
 * Ranks at random for requests that say what they need before they are executed: what is drawn then is kept with the request's arguments, so that it
 * is fetched and then used. It is used once. What a request leaves behind that is never executed is as random for the next one with the same arguments
 * object, if that draws as many of as many.
 */
import type { Arguments } from './arguments.ts'
import type { Random } from './random.ts'

interface Draw {
  readonly length: number
  readonly wanted: number
  readonly ranks: readonly number[]
}

export class RandomDraws {
  readonly #random: Random
  readonly #kept = new WeakMap<Arguments, Draw>()
  /** Whether something may be kept: most of the time nothing is. */
  #mayKeep = false

  constructor(random: Random) {
    this.#random = random
  }

  /** Ranks below `length`: `wanted` distinct ones, or with a negative number independent ones. They stay the same until they are taken. */
  keep(args: Arguments, length: number, wanted: number): readonly number[] {
    const kept = this.#find(args, length, wanted)
    if (kept !== undefined) return kept
    const ranks = this.#draw(length, wanted)
    this.#kept.set(args, { length, wanted, ranks })
    this.#mayKeep = true
    return ranks
  }

  /** As `keep`, to be used now. */
  take(args: Arguments, length: number, wanted: number): readonly number[] {
    if (!this.#mayKeep) return this.#draw(length, wanted)
    const kept = this.#find(args, length, wanted)
    this.#kept.delete(args)
    return kept ?? this.#draw(length, wanted)
  }

  /** As `take` for one rank. */
  takeOne(args: Arguments, length: number): number {
    return this.#mayKeep ? (this.take(args, length, 1)[0] as number) : this.below(length)
  }

  /** A number at random, from 0 to below `end`. */
  below(end: number): number {
    return Math.floor((this.#random.nextUint32() / 2 ** 32) * end)
  }

  #find(args: Arguments, length: number, wanted: number): readonly number[] | undefined {
    const kept = this.#kept.get(args)
    return kept !== undefined && kept.length === length && kept.wanted === wanted ? kept.ranks : undefined
  }

  #draw(length: number, wanted: number): number[] {
    if (wanted < 0) return Array.from({ length: -wanted }, () => this.below(length))
    return [...this.#distinct(length, wanted)]
  }

  /** Robert Floyd's sample: every set of `wanted` numbers below `end` is as likely as any other. */
  #distinct(end: number, wanted: number): Set<number> {
    const chosen = new Set<number>()
    for (let last = end - wanted; last < end; last++) {
      const drawn = this.below(last + 1)
      chosen.add(chosen.has(drawn) ? last : drawn)
    }
    return chosen
  }
}
