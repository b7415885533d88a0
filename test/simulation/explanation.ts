/** What a simulation that failed did, as short as it can be made: lives are left out, then steps, as long as it goes on failing. */
import { shrink } from '../sessions.ts'
import type { Life, RunResult, SimulationOptions } from './simulator.ts'
import { livesOf, simulate } from './simulator.ts'
import { describeRun, withinTime } from './told-run.ts'

/** One step of one of the run's lives. */
interface Place {
  readonly life: Life
  readonly step: number
}

/** How to replay a run that failed, and the shortest one found that fails as well. `onServer` is the run's own; `goesOn` says whether to look for a shorter one. */
export async function explain(
  failed: RunResult,
  onServer?: SimulationOptions['onServer'],
  goesOn: () => boolean = withinTime(),
): Promise<string> {
  const { seed } = failed
  let shortest = failed
  const fails = async <T>(items: readonly T[], lives: readonly Life[]): Promise<readonly T[] | undefined> => {
    const result = await simulate(seed, { lives, ...(onServer === undefined ? {} : { onServer }) })
    if (result.failure === undefined) return undefined
    shortest = result
    return items
  }
  const lives = await shrink(livesOf(seed), (some) => fails(some, some), goesOn)
  const places = lives.flatMap((life) => life.steps.map((step) => ({ life, step })))
  const kept = await shrink(places, (some) => fails(some, withSteps(lives, some)), goesOn)
  return describeRun(`--seed ${seed}`, `${lives.length} lives and ${kept.length} steps of clients`, shortest)
}

function withSteps(lives: readonly Life[], places: readonly Place[]): Life[] {
  return lives.map((life) => ({ ...life, steps: places.filter((place) => place.life === life).map(({ step }) => step) }))
}
