/** What a simulation of a cluster that failed did, as short as it can be made: steps are left out as long as it goes on failing. */
import { shrink } from '../sessions.ts'
import type { ClusterOptions, ClusterResult } from './cluster.ts'
import { simulateCluster, stepsOf } from './cluster.ts'
import { describeRun, withinTime } from './told-run.ts'

/** How to replay a run that failed, and the shortest one found that fails as well. `planted` is what was wrong on purpose; `goesOn` says whether to look for a shorter one. */
export async function explainCluster(
  failed: ClusterResult,
  planted: Omit<ClusterOptions, 'steps'> = {},
  goesOn: () => boolean = withinTime(),
): Promise<string> {
  const { seed } = failed
  let shortest = failed
  const kept = await shrink(
    stepsOf(seed),
    async (steps) => {
      const result = await simulateCluster(seed, { ...planted, steps })
      if (result.failure === undefined) return undefined
      shortest = result
      return steps
    },
    goesOn,
  )
  return describeRun(`--cluster --seed ${seed}`, `${kept.length} steps`, shortest)
}
