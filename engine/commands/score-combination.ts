/** How sorted sets are combined member by member, when that is done in slices. */
import type { Combination } from './combined-work.ts'
import type { AlgebraOptions } from './sorted-set-algebra-options.ts'
import { numberOr0, sum } from './sorted-set-algebra-options.ts'
import type { SetOperation } from './stage-combination.ts'

export class ScoreCombination implements Combination {
  readonly #operation: SetOperation
  readonly #options: AlgebraOptions
  /** Numbers of the sources in the order in which their scores are taken. */
  #order: readonly number[] = []
  readonly accumulate: Combination['accumulate']

  constructor(operation: SetOperation, options: AlgebraOptions) {
    this.#operation = operation
    this.#options = options
    if (operation === 'union') this.accumulate = (former, source, own) => this.#sumUp(former, source, own)
  }

  begin(sizes: readonly number[]): readonly number[] {
    this.#order = this.#orderOf(sizes)
    return this.#operation === 'union' ? this.#order : this.#order.slice(0, 1)
  }

  /** A sum of three depends on their order, and that on the sizes. */
  allows(sizes: readonly number[]): boolean {
    if (this.#operation === 'diff' || this.#options.aggregate !== sum || sizes.length < 3) return true
    const order = this.#orderOf(sizes)
    return this.#order.every((number, i) => order[i] === number)
  }

  #orderOf(sizes: readonly number[]): number[] {
    const numbers = sizes.map((_, i) => i)
    // Stable, as the command itself puts them in order.
    return this.#operation === 'diff' ? numbers : numbers.sort((a, b) => (sizes[a] as number) - (sizes[b] as number))
  }

  score(scoreIn: (source: number) => number): number {
    const { weights, aggregate } = this.#options
    if (this.#operation === 'diff') return this.#remaining(scoreIn)
    let result = Number.NaN
    for (const number of this.#order) {
      const score = scoreIn(number)
      if (Number.isNaN(score)) {
        if (this.#operation === 'inter') return Number.NaN
        continue
      }
      const own = score * (weights[number] as number)
      if (Number.isNaN(result)) result = numberOr0(own)
      else result = aggregate(result, this.#operation === 'union' ? numberOr0(own) : own)
    }
    return result
  }

  #sumUp(former: number, source: number, own: number): number {
    const { weights, aggregate } = this.#options
    const weighted = numberOr0(own * (weights[source] as number))
    return Number.isNaN(former) ? weighted : aggregate(former, weighted)
  }

  #remaining(scoreIn: (source: number) => number): number {
    const first = scoreIn(0)
    if (Number.isNaN(first)) return first
    for (let i = 1; i < this.#order.length; i++) if (!Number.isNaN(scoreIn(i))) return Number.NaN
    return first
  }
}
