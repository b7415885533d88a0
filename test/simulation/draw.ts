/** What requests are drawn from: few keys, fields and members, so that requests meet each other; values of all sizes, each with a token of its own. */
import type { SeededRandom } from './seeded-random.ts'

export const databases = 3

export class Draw {
  /** The chance of what is drawn next. */
  random: SeededRandom
  /** Fields of the largest hash. */
  readonly fieldsMax: number
  /** Keys of every type that may come to hold another. */
  readonly #keys: readonly string[]
  #token = 0
  #entry = 0

  constructor(random: SeededRandom, keys: readonly string[]) {
    this.random = random
    this.#keys = keys
    this.fieldsMax = 4 + this.below(this.below(3) === 0 ? 400 : 40)
  }

  below(n: number): number {
    return this.random.below(n)
  }

  /** True once in `n` times. */
  once(n: number): boolean {
    return this.random.once(n)
  }

  pick<T>(choices: readonly T[]): T {
    return this.random.pick(choices)
  }

  /** One of some requests, each as likely as the others. */
  oneOf(choices: readonly (() => string[])[]): string[] {
    return this.pick(choices)()
  }

  /** A few, seldom many. */
  some(part: () => string[]): string[] {
    return Array.from({ length: 1 + this.below(this.once(6) ? 40 : 4) }, part).flat()
  }

  /** A key of any type. */
  anyKey(): string {
    return this.pick(this.#keys)
  }

  /** A key of one type, seldom of another. */
  key(own: readonly string[]): string {
    return this.once(50) ? this.anyKey() : this.pick(own)
  }

  value(): string {
    const length = this.below(this.once(40) ? (this.once(4) ? 45_000 : 4000) : this.once(3) ? 400 : 60)
    return `${this.mark()}${String.fromCharCode(97 + this.below(26)).repeat(length)}`
  }

  /** The value of a field, or an element. */
  element(): string {
    return this.once(5) ? `${this.below(1000)}` : `${this.mark()}${'.'.repeat(this.below(this.once(30) ? 600 : 30))}`
  }

  member(): string {
    return this.once(4) ? `${this.below(100)}` : `m${this.below(this.fieldsMax)}${'-'.repeat(this.below(3) * 9)}`
  }

  mark(): string {
    this.#token++
    return `<${this.#token}>`
  }

  /** The milliseconds of an entry's id: it grows. */
  nextEntry(): number {
    if (!this.once(3)) this.#entry++
    return this.#entry + 1
  }

  /** One that may be there. */
  recentEntry(): number {
    return Math.max(1, this.#entry + 1 - this.below(25))
  }

  /** Seconds that a client waits: not long, so that no life ends waiting. */
  timeout(): string {
    return `${this.pick([0.01, 0.05, 0.2, 0.4])}`
  }
}
