/** What a simulation that failed did, as short as it can be made: lives are left out, then steps, as long as it goes on failing. */
import { shrink } from '../sessions.ts'
import type { Life, RunResult, SimulationOptions } from './simulator.ts'
import { livesOf, simulate } from './simulator.ts'

const shrinkMsUnlessTold = 60_000
const linesMax = 300

/** One step of one of the run's lives. */
interface Place {
  readonly life: Life
  readonly step: number
}

/** How to replay a run that failed, and the shortest one that fails as well. `onServer` is the run's own. */
export async function explain(
  failed: RunResult,
  onServer?: SimulationOptions['onServer'],
  shrinkMs: number = shrinkMsUnlessTold,
): Promise<string> {
  const untilMs = performance.now() + shrinkMs
  const mayGoOn = (): boolean => performance.now() < untilMs
  const { seed } = failed
  let shortest = failed
  const fails = async <T>(items: readonly T[], lives: readonly Life[]): Promise<readonly T[] | undefined> => {
    const result = await simulate(seed, { lives, ...(onServer === undefined ? {} : { onServer }) })
    if (result.failure === undefined) return undefined
    shortest = result
    return items
  }
  const lives = await shrink(livesOf(seed), (some) => fails(some, some), mayGoOn)
  const places = lives.flatMap((life) => life.steps.map((step) => ({ life, step })))
  const kept = await shrink(places, (some) => fails(some, withSteps(lives, some)), mayGoOn)
  const { told, failure } = shortest
  const lines = told.length > linesMax ? ['…', ...told.slice(-linesMax)] : told
  return [
    `the same again: npm run simulate -- --seed ${seed} --runs 1`,
    `The shortest run found that fails has ${lives.length} lives and ${kept.length} steps of clients:`,
    ...lines.map((line) => `  ${line}`),
    `${failure?.message}`,
  ].join('\n')
}

function withSteps(lives: readonly Life[], places: readonly Place[]): Life[] {
  return lives.map((life) => ({ ...life, steps: places.filter((place) => place.life === life).map(({ step }) => step) }))
}
