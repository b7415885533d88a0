/**
 * `npm run faults`: three zones in network namespaces, an etcd member and a node in each, clients elsewhere, and real faults;
 * the clients' history is checked (`recorded-history.ts`). Needs root, iproute2 and etcd. Each run is a new cluster with two faults: the kinds in turn, and one drawn.
 *
 *     npm run faults                              all kinds once, from a random seed
 *     npm run faults -- --runs 50 --seed 7        fifty runs, with the seeds 7 to 56
 *     npm run faults -- --runs 1 --seed 12        one of them again
 *     npm run faults -- --only 'fill etcd'        one kind
 *     npm run faults -- --secured                 etcd demands TLS, certificates and a password
 *     npm run faults -- --logs DIRECTORY          keeps what nodes and members have logged
 *
 * The seed says which faults happen, when, and for how long; what they meet is up to the processes.
 */
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { etcdIsInstalled } from '../integration/etcd-cluster.ts'
import { SeededRandom } from '../simulation/seeded-random.ts'
import { faultKinds } from './fault-kinds.ts'
import { mayMakeNamespaces } from './zoned-network.ts'
import { runInZones } from './zoned-run.ts'

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      runs: { type: 'string' },
      seed: { type: 'string' },
      only: { type: 'string' },
      secured: { type: 'boolean' },
      logs: { type: 'string' },
    },
  })
  if (!etcdIsInstalled) throw new Error('There is nothing to run: etcd is not installed.')
  if (!mayMakeNamespaces())
    throw new Error('There is nothing to run: network namespaces are not permitted. They need root, Linux and iproute2.')
  process.once('SIGINT', () => process.exit(130))
  process.once('SIGTERM', () => process.exit(143))
  const kinds = faultKinds.filter(({ name }) => values.only === undefined || name === values.only)
  if (kinds.length === 0) throw new Error(`--only knows: ${faultKinds.map(({ name }) => name).join(', ')}`)
  const first = Number(values.seed ?? Math.floor(Math.random() * 1e6))
  const runs = Number(values.runs ?? kinds.length)
  const failed: number[] = []
  for (let seed = first; seed < first + runs; seed++) {
    const random = new SeededRandom(seed)
    const faults = [kinds[seed % kinds.length], random.pick(kinds)].map((kind) => kind?.name as string)
    const startedMs = performance.now()
    const { ok, output } = await runInZones({
      seed,
      faults,
      isSecured: values.secured === true,
      ...(values.logs === undefined ? {} : { logs: join(values.logs, `${seed}`) }),
    })
    console.log(`seed ${seed}: ${ok ? 'ok' : 'FAILED'}, ${Math.round((performance.now() - startedMs) / 1000)} s\n${output.trimEnd()}`)
    if (ok) continue
    failed.push(seed)
    const options = `${values.only === undefined ? '' : ` --only "${values.only}"`}${values.secured ? ' --secured' : ''}`
    console.log(`replay: npm run faults -- --runs 1 --seed ${seed}${options}`)
  }
  console.log(`${runs} runs with ${2 * runs} faults, ${failed.length} failed${failed.length === 0 ? '' : `: seeds ${failed.join(', ')}`}`)
  return failed.length === 0 ? 0 : 1
}

main().then(
  (code) => process.exit(code),
  (failure: Error) => {
    console.error(failure.message)
    process.exit(1)
  },
)
