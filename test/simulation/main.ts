/**
 * `npm run simulate -- --seed N --minutes M`: one simulation after the other, each with the next seed; fails if any does. `--seconds S` instead of
 * minutes, `--runs N` bounds their number. With `--cluster` several nodes that share a log, else one server on its own.
 */
import { simulateCluster } from './cluster.ts'
import { explainCluster } from './cluster-explanation.ts'
import { explain } from './explanation.ts'
import { simulate } from './simulator.ts'

const progressMs = 2000

/** One run, with what is counted over all of them. */
interface Run {
  readonly seed: number
  readonly failure: Error | undefined
  readonly counts: Readonly<Record<string, number>>
  explain(): Promise<string>
}

async function runServer(seed: number): Promise<Run> {
  const result = await simulate(seed)
  const { crashes, crashesInRecovery, commands, records, checkpoints, coldReads, coldWrites, demotions, served, repeated } = result
  const counts = { crashes, crashesInRecovery, commands, records, checkpoints, coldReads, coldWrites, demotions, served, repeated }
  return { seed, failure: result.failure, counts, explain: () => explain(result) }
}

async function runCluster(seed: number): Promise<Run> {
  const result = await simulateCluster(seed)
  const { epochs, commands, records, operations, faults } = result
  return {
    seed,
    failure: result.failure,
    counts: { epochs, commands, records, operations, ...faults },
    explain: () => explainCluster(result),
  }
}

async function main(): Promise<void> {
  const run = process.argv.includes('--cluster') ? runCluster : runServer
  const first = numberOf('--seed') ?? Math.floor(Math.random() * 2 ** 31)
  const minutes = numberOf('--minutes')
  const unlessTold = numberOf('--runs') === undefined ? 60 : Number.POSITIVE_INFINITY
  const seconds = minutes === undefined ? (numberOf('--seconds') ?? unlessTold) : minutes * 60
  const runsMax = numberOf('--runs') ?? Number.POSITIVE_INFINITY
  const startMs = performance.now()
  const failed: number[] = []
  const sums: Record<string, number> = {}
  let runs = 0
  let shownMs = startMs
  console.log(`simulating from seed ${first} on`)
  while (runs < runsMax && performance.now() - startMs < seconds * 1000) {
    const result = await run(first + runs)
    runs++
    for (const [name, count] of Object.entries(result.counts)) sums[name] = (sums[name] ?? 0) + count
    if (result.failure !== undefined) {
      failed.push(result.seed)
      console.log(`seed ${result.seed} failed: ${result.failure.stack}\n${await result.explain()}`)
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
