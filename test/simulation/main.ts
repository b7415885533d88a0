/** `npm run simulate -- --seed N --seconds S`: one simulation after the other, each with the next seed; fails if any does. `--runs N` bounds their number. */
import { explain } from './explanation.ts'
import { simulate } from './simulator.ts'

const progressMs = 2000

async function main(): Promise<void> {
  const first = numberOf('--seed') ?? Math.floor(Math.random() * 2 ** 31)
  const seconds = numberOf('--seconds') ?? (numberOf('--runs') === undefined ? 60 : Number.POSITIVE_INFINITY)
  const runsMax = numberOf('--runs') ?? Number.POSITIVE_INFINITY
  const startMs = performance.now()
  const failed: number[] = []
  const sums = {
    crashes: 0,
    crashesInRecovery: 0,
    commands: 0,
    records: 0,
    checkpoints: 0,
    coldReads: 0,
    coldWrites: 0,
    demotions: 0,
    served: 0,
    repeated: 0,
  }
  let runs = 0
  let shownMs = startMs
  console.log(`simulating from seed ${first} on`)
  while (runs < runsMax && performance.now() - startMs < seconds * 1000) {
    const result = await simulate(first + runs)
    runs++
    for (const name of Object.keys(sums) as (keyof typeof sums)[]) sums[name] += result[name]
    if (result.failure !== undefined) {
      failed.push(result.seed)
      console.log(`seed ${result.seed} failed: ${result.failure.stack}\n${await explain(result)}`)
    }
    if (performance.now() - shownMs < progressMs) continue
    shownMs = performance.now()
    console.log(
      `${((shownMs - startMs) / 1000).toFixed(0)} s: ${runs} runs, ${failed.length} failed, seed ${result.seed}, ${JSON.stringify(sums)}`,
    )
  }
  console.log(
    `${runs} runs, ${failed.length} failed${failed.length === 0 ? '' : `: seeds ${failed.slice(0, 20).join(', ')}`}; ${JSON.stringify(sums)}`,
  )
  process.exitCode = failed.length === 0 ? 0 : 1
}

function numberOf(option: string): number | undefined {
  const at = process.argv.indexOf(option)
  if (at < 0) return undefined
  const value = Number(process.argv[at + 1])
  if (!Number.isSafeInteger(value)) throw new Error(`${option} takes a number`)
  return value
}

await main()
