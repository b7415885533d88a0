/** Ranks at random, from the execution's source of chance. */
import type { Execution } from '../execution.ts'

/** Robert Floyd's sample: every set of `wanted` numbers below `end` is as likely as any other. */
export function distinctBelow(x: Execution, end: number, wanted: number): Set<number> {
  const chosen = new Set<number>()
  for (let last = end - wanted; last < end; last++) {
    const drawn = below(x, last + 1)
    chosen.add(chosen.has(drawn) ? last : drawn)
  }
  return chosen
}

/** A number at random, from 0 to below `end`. */
export function below(x: Execution, end: number): number {
  return Math.floor((x.random.nextUint32() / 2 ** 32) * end)
}
