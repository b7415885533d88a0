/**
 * `npm run explore -- --minutes N`: the random tests with one fresh seed after the other until the time is up. `--seed S`
 * names the first seed. Each round runs the property tests and the simulation, with fewer runs each than the suite. Goes on
 * after a failure; at the end come the commands that replay all of them, and the exit code says whether there was any.
 */
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const tests = ['test/property', 'test/simulation/crash.test.ts', 'test/simulation/listener.test.ts']
/** Of what the suite runs; so that a round is short, and the last one ends soon after the time is up. */
const scale = 0.2
const seedsEnd = 2 ** 32

interface Round {
  readonly passed: boolean
  readonly output: string
}

async function main(): Promise<void> {
  const minutes = numberOf('--minutes') ?? 5
  let seed = numberOf('--seed') ?? Math.floor(Math.random() * seedsEnd)
  const startMs = performance.now()
  const secondsGone = (): number => (performance.now() - startMs) / 1000
  const replays: string[] = []
  let rounds = 0
  let failed = 0
  console.log(`exploring for ${minutes} min from seed ${seed} on`)
  do {
    const roundStart = secondsGone()
    const { passed, output } = await run(seed)
    rounds++
    const seconds = (secondsGone() - roundStart).toFixed(0)
    if (passed) console.log(`seed ${seed}: passed in ${seconds} s`)
    else {
      failed++
      console.log(output)
      console.log(`seed ${seed}: FAILED after ${seconds} s`)
      const found = output.split('\n').filter((line) => line.startsWith('replay: '))
      replays.push(...(found.length > 0 ? found : [`replay: npm run explore -- --seed ${seed}`]))
    }
    seed = (seed + 1) % seedsEnd
  } while (secondsGone() < minutes * 60)
  for (const line of replays) console.log(line)
  console.log(`explored: ${rounds} rounds, ${failed} failed`)
  process.exitCode = failed === 0 ? 0 : 1
}

/** One round of the tests in a process of its own. */
function run(seed: number): Promise<Round> {
  const env = { ...process.env, MORAINE_TEST_SEED: `${seed}`, MORAINE_TEST_SCALE: `${scale}`, NO_COLOR: '1' }
  const child = spawn(process.execPath, ['node_modules/vitest/vitest.mjs', 'run', ...tests], {
    cwd: root,
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const pieces: string[] = []
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text: string) => pieces.push(text))
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code) => resolve({ passed: code === 0, output: pieces.join('') }))
  })
}

function numberOf(option: string): number | undefined {
  const at = process.argv.indexOf(option)
  if (at < 0) return undefined
  const value = Number(process.argv[at + 1])
  if (!(value >= 0)) throw new Error(`${option} takes a number`)
  return value
}

await main()
