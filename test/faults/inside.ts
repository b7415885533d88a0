/**
 * One run, on the clients' machine (`zoned-run.ts` starts it there): a new cluster, clients, one fault after the other, and the judgement.
 * Prints a line for each fault, and at last a verdict. Ends when whoever started it does.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { SeededRandom } from '../simulation/seeded-random.ts'
import { FaultCluster } from './fault-cluster.ts'
import type { FaultKind } from './fault-kinds.ts'
import { faultKinds } from './fault-kinds.ts'
import { RecordedHistory } from './recorded-history.ts'
import { RecordingClient, ReplicaReader } from './recording-clients.ts'
import { ZonedNetwork } from './zoned-network.ts'

const clients = 6
/** Every third client waits for longer than any fault lasts. */
const patienceMs = [1500, 1500, 12_000]
const pollMs = 20
const recoveryMs = 120_000

const { values } = parseArgs({
  options: {
    network: { type: 'string' },
    directory: { type: 'string' },
    seed: { type: 'string' },
    faults: { type: 'string' },
    secured: { type: 'boolean' },
    logs: { type: 'string' },
  },
})
const { network = '', directory = '', seed = '0', faults = '', secured = false, logs } = values

async function main(): Promise<number> {
  const cluster = new FaultCluster(new ZonedNetwork(network), directory, secured)
  process.stdin.resume().on('end', () => process.exit(2))
  try {
    await cluster.start()
    const failure = await run(cluster)
    if (logs !== undefined) cluster.writeLogs(logs)
    if (failure === undefined) return 0
    console.log(`  FAILED: ${failure}`)
    return 1
  } finally {
    await cluster.end()
  }
}

/** What is wrong; undefined when nothing is. */
async function run(cluster: FaultCluster): Promise<string | undefined> {
  const random = new SeededRandom(Number(seed))
  const history = new RecordedHistory()
  await cluster.primary()
  const started = Array.from({ length: clients }, (_, i) => {
    return new RecordingClient(`c${i}`, history, new SeededRandom(Number(seed) * 100 + i), patienceMs[i % patienceMs.length] as number)
  })
  const reader = new ReplicaReader(history)
  let failure: string | undefined
  try {
    await more(history, 200)
    for (const name of faults.split(',')) {
      await inject(cluster, history, faultKinds.find((kind) => kind.name === name) as FaultKind, random)
    }
  } catch (thrown) {
    failure = (thrown as Error).message
  }
  await Promise.all([...started, reader].map((each) => each.stop()))
  if (failure !== undefined) return failure
  const finals = await readAll(cluster, history)
  if (finals === undefined) return 'nobody answers as the primary when all is over'
  console.log(`  ${history.operations} operations, ${history.unknown} of unknown outcome`)
  failure = history.failureOf(finals, cluster.tenures())
  if (failure !== undefined) return failure
  await cluster.areNodesEqual()
  return undefined
}

/** What is in the lists, as the primary shows it. */
async function readAll(cluster: FaultCluster, history: RecordedHistory): Promise<ReadonlyMap<string, readonly string[]> | undefined> {
  const untilMs = performance.now() + recoveryMs
  let finals: ReadonlyMap<string, readonly string[]> | undefined
  while (finals === undefined && performance.now() < untilMs) finals = await RecordingClient.readAll(await cluster.primary(), history)
  return finals
}

async function inject(cluster: FaultCluster, history: RecordedHistory, kind: FaultKind, random: SeededRandom): Promise<void> {
  await pause(random.below(1000))
  const [fromMs, toMs] = kind.lastsMs
  const lastsMs = fromMs + random.below(toMs - fromMs + 1)
  const begunMs = performance.now()
  const mend = await kind.begin(cluster)
  await pause(lastsMs)
  await mend()
  await cluster.areMembersHealthy()
  await cluster.areNodesThere()
  await more(history, 200)
  const gapMs = history.gapMs(begunMs, performance.now())
  if (logs !== undefined) console.log(`  from ${new Date(Date.now() - (performance.now() - begunMs)).toISOString()}`)
  console.log(`  ${kind.name}, for ${lastsMs} ms: no write acknowledged for ${Math.round(gapMs)} ms`)
}

/** Resolves when so many more writes have been acknowledged. */
async function more(history: RecordedHistory, count: number): Promise<void> {
  const wanted = history.writesMs.length + count
  const untilMs = performance.now() + recoveryMs
  while (history.writesMs.length < wanted) {
    if (performance.now() > untilMs) throw new Error(`no writes are acknowledged, after ${recoveryMs / 1000} s`)
    await pause(pollMs)
  }
}

main().then(
  (code) => process.exit(code),
  (failure: Error) => {
    console.error(failure.stack)
    process.exit(1)
  },
)
