/** How commands on several sets or sorted sets stage their work and use what was staged. */
import type { Execution } from '../execution.ts'
import { CombinedSources } from './combined-sources.ts'
import type { Combination, CombinationPlan } from './combined-work.ts'
import { CombinationWork, isLongWalk } from './combined-work.ts'

export type SetOperation = 'union' | 'inter' | 'diff'

/** Whether combining the keys in the arguments from `first` up to one before `end` means looking at many members. */
export function isLongCombination(x: Execution, first: number, end: number, operation: SetOperation): boolean {
  const { args, keyspace } = x
  let sum = 0
  let least = Number.POSITIVE_INFINITY
  let size = 0
  for (let i = end - 1; i >= first; i--) {
    const entry = keyspace.find(x.db, args.buffer, args.starts[i], args.ends[i])
    size = entry === 0 ? 0 : keyspace.entries.length(entry)
    sum += size
    if (size < least) least = size
  }
  // The last one that was looked at is the first.
  const members = operation === 'union' ? sum : (operation === 'inter' ? least : size) * (end - first)
  return isLongWalk(x, members)
}

/** Stages work on the keys in these arguments; undefined if one of them is of another type. */
export function stageCombination(
  x: Execution,
  first: number,
  end: number,
  mayBeSorted: boolean,
  plan: CombinationPlan,
): CombinationWork | undefined {
  const sources = new CombinedSources(x, first, end, mayBeSorted)
  if (sources.begin() === 'same') return new CombinationWork(x, sources, plan)
  sources.release()
  return undefined
}

/** What was staged of a combination, with all that has changed since; undefined if nothing was that is of use. */
export function settledCombination(x: Execution): CombinationWork | undefined {
  const { staged } = x
  return staged instanceof CombinationWork && staged.settle() ? staged : undefined
}

export class SetCombination implements Combination {
  readonly #operation: SetOperation
  #count = 0

  constructor(operation: SetOperation) {
    this.#operation = operation
  }

  begin(sizes: readonly number[]): readonly number[] {
    this.#count = sizes.length
    if (this.#operation === 'union') return sizes.map((_, i) => i)
    return [this.#operation === 'diff' ? 0 : sizes.indexOf(Math.min(...sizes))]
  }

  allows(): boolean {
    return true
  }

  score(scoreIn: (source: number) => number, known: number): number {
    const isUnion = this.#operation === 'union'
    if (isUnion && known >= 0) return 1
    const isDiff = this.#operation === 'diff'
    if (isDiff && Number.isNaN(scoreIn(0))) return Number.NaN
    for (let i = isDiff ? 1 : 0; i < this.#count; i++) {
      const isMissing = Number.isNaN(scoreIn(i))
      if (isUnion && !isMissing) return 1
      if (!isUnion && isMissing !== isDiff) return Number.NaN
    }
    return isUnion ? Number.NaN : 1
  }
}
