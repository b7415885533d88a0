/**
 * Where all chance in tests comes from: one seed. It is fixed unless MORAINE_TEST_SEED says otherwise, so that the suite
 * does the same for everybody, each time; `npm run explore` tries others. MORAINE_TEST_SCALE multiplies the runs of random
 * tests. The reporter of the summary prints how to replay what failed.
 */
import { SeededRandom } from './simulation/seeded-random.ts'

/** The seed of the suite that must pass. */
const committedSeed = 20_260_214
/** Keeps the streams of one seed away from those of its neighbours. */
const streamStep = 0x9e3779b1

export const testSeed: number = wholeNumber('MORAINE_TEST_SEED') ?? committedSeed

/** How many times more than usual a random test runs; may be a fraction. */
export const testScale: number = scale()

/** Several times what any test takes on a slow machine: a limit only for what hangs. Random tests take longer as they make more runs. */
export const testTimeoutMs: number = 600_000 * Math.max(1, testScale)

/** As many runs as the scale makes of `runs`. */
export function testRuns(runs: number): number {
  return Math.max(1, Math.ceil(runs * testScale))
}

/** Chance from the test's seed. Each stream is a sequence of its own. */
export function chance(stream = 0): SeededRandom {
  return new SeededRandom(testSeed + Math.imul(stream, streamStep))
}

/** The command that runs a test file as it ran here. */
export function replayCommand(path: string): string {
  const scaled = testScale === 1 ? '' : ` MORAINE_TEST_SCALE=${testScale}`
  return `MORAINE_TEST_SEED=${testSeed}${scaled} npx vitest run ${path}`
}

function scale(): number {
  const text = process.env.MORAINE_TEST_SCALE
  const value = text === undefined ? 1 : Number(text)
  if (!(value > 0)) throw new Error(`MORAINE_TEST_SCALE is no number above 0: ${text}`)
  return value
}

function wholeNumber(name: string): number | undefined {
  const text = process.env[name]
  if (text === undefined) return undefined
  const value = Number(text)
  if (!/^\d+$/.test(text) || value >= 2 ** 32) throw new Error(`${name} is no whole number below 2^32: ${text}`)
  return value
}
