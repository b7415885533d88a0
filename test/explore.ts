/**
 * `npm run explore -- --minutes N`: the property tests and the simulation, one file after the other in random order, each
 * with the next seed, until the time is up. `--seed S` names the first one; otherwise it is drawn. Goes on after a failure;
 * at the end come the commands that replay all of them, and the exit code says whether there was any.
 */
import { spawn } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { SeededRandom } from './simulation/seeded-random.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
/** Of the runs that the suite makes: a file is to take seconds, so that many are tried and the last ends soon after the time is up. */
const scale = 0.5
const seedsEnd = 2 ** 32
const filesAtOnce = 2
const progressMs = 15_000

class Exploration {
  readonly #random: SeededRandom
  readonly #endMs: number
  readonly #replays: string[] = []
  #seed: number
  #files: string[] = []
  #explored = 0
  #shownMs = performance.now()

  constructor(firstSeed: number, minutes: number) {
    this.#seed = firstSeed
    this.#random = new SeededRandom(firstSeed)
    this.#endMs = performance.now() + minutes * 60_000
  }

  async run(): Promise<boolean> {
    await Promise.all(Array.from({ length: filesAtOnce }, () => this.#untilTheEnd()))
    for (const line of this.#replays) console.log(line)
    console.log(`explored: ${this.#explored} files of tests, ${this.#replays.length} failed`)
    return this.#replays.length === 0
  }

  async #untilTheEnd(): Promise<void> {
    do {
      const path = this.#nextFile()
      const seed = this.#seed
      this.#seed = (seed + 1) % seedsEnd
      const { passed, output } = await runFile(path, seed)
      this.#explored++
      if (!passed) {
        console.log(output)
        const replay = output.split('\n').find((line) => line.startsWith('replay: '))
        this.#replays.push(replay ?? `replay: MORAINE_TEST_SEED=${seed} MORAINE_TEST_SCALE=${scale} npx vitest run ${path}`)
      }
      this.#showProgress()
    } while (performance.now() < this.#endMs)
  }

  #nextFile(): string {
    if (this.#files.length === 0) this.#files = randomTests()
    const [path] = this.#files.splice(this.#random.below(this.#files.length), 1)
    return path as string
  }

  #showProgress(): void {
    if (performance.now() - this.#shownMs < progressMs) return
    this.#shownMs = performance.now()
    const seconds = Math.max(0, Math.round((this.#endMs - this.#shownMs) / 1000))
    console.log(`explored: ${this.#explored} files of tests, ${this.#replays.length} failed, next seed ${this.#seed}, ${seconds} s left`)
  }
}

function randomTests(): string[] {
  const properties = readdirSync(`${root}test/property`).filter((name) => name.endsWith('.test.ts'))
  return [
    ...properties.map((name) => `test/property/${name}`),
    // What takes longest and sees most comes more often.
    ...Array.from({ length: 3 }, () => 'test/simulation/crash.test.ts'),
    'test/simulation/cluster.test.ts',
    'test/simulation/listener.test.ts',
  ]
}

function runFile(path: string, seed: number): Promise<{ readonly passed: boolean; readonly output: string }> {
  const env = { ...process.env, MORAINE_TEST_SEED: `${seed}`, MORAINE_TEST_SCALE: `${scale}`, NO_COLOR: '1' }
  const child = spawn(process.execPath, ['node_modules/vitest/vitest.mjs', 'run', path], {
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

const firstSeed = numberOf('--seed') ?? Math.floor(Math.random() * seedsEnd)
const minutes = numberOf('--minutes') ?? 5
console.log(`exploring for ${minutes} min from seed ${firstSeed} on`)
process.exitCode = (await new Exploration(firstSeed, minutes).run()) ? 0 : 1
