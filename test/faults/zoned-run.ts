/** Runs with faults, each on machines of its own: makes them, starts the run on the clients' one, and removes everything, however it ends. */
import type { ChildProcess } from 'node:child_process'
import { spawn, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { faultKinds } from './fault-kinds.ts'
import type { Machine } from './zoned-network.ts'
import { etcdOf, nodeOf, ZonedNetwork, zones } from './zoned-network.ts'

const inside = fileURLToPath(new URL('inside.ts', import.meta.url))
/** Room for checkpoints, and some more that can be filled soon. */
const nodeDiskBytes = 256 * 2 ** 20
/** Room for two files of 64 MiB that etcd makes for its log ahead of need, its database, and some more. */
const etcdDiskBytes = 224 * 2 ** 20

export interface ZonedRun {
  readonly seed: number
  /** Names of kinds of faults, in their order. */
  readonly faults: readonly string[]
  /** Whether etcd demands TLS, certificates and a password. */
  readonly isSecured?: boolean
  /** A directory for what nodes and members have logged. */
  readonly logs?: string
}

export interface Outcome {
  readonly ok: boolean
  readonly output: string
}

export async function runInZones({ seed, faults, isSecured = false, logs }: ZonedRun): Promise<Outcome> {
  const directory = mkdtempSync(join(tmpdir(), 'moraine-faults-'))
  const disks = disksFor(faults)
  let network: ZonedNetwork | undefined
  let child: ChildProcess | undefined
  const cleanUp = (): void => {
    child?.kill('SIGKILL')
    network?.remove()
    for (const machine of disks.keys()) spawnSync('umount', ['-l', join(directory, machine)])
    rmSync(directory, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 })
  }
  // Also after a failure, and when this process is asked to end.
  process.once('exit', cleanUp)
  try {
    for (const [machine, bytes] of disks) mountDisk(join(directory, machine), bytes)
    network = ZonedNetwork.make()
    const words = ['--network', network.name, '--directory', directory, '--seed', `${seed}`, '--faults', faults.join(',')]
    const program = [
      process.execPath,
      '--import',
      import.meta.resolve('tsx'),
      inside,
      ...words,
      ...(isSecured ? ['--secured'] : []),
      ...(logs === undefined ? [] : ['--logs', logs]),
    ]
    child = spawn('ip', ['netns', 'exec', network.namespaceOf('clients'), ...program], { stdio: ['pipe', 'pipe', 'pipe'] })
    return await outcomeOf(child)
  } finally {
    process.off('exit', cleanUp)
    cleanUp()
  }
}

/** The machines with disks of their own, and how large these are. */
function disksFor(faults: readonly string[]): ReadonlyMap<Machine, number> {
  const fillsEtcdDisk = faultKinds.some((kind) => kind.fillsEtcdDisk === true && faults.includes(kind.name))
  return new Map([
    ...zones.map((zone) => [nodeOf(zone), nodeDiskBytes] as const),
    ...(fillsEtcdDisk ? zones.map((zone) => [etcdOf(zone), etcdDiskBytes] as const) : []),
  ])
}

/** A disk in memory, small enough to be filled. */
function mountDisk(path: string, bytes: number): void {
  mkdirSync(path, { mode: 0o700 })
  const { status, stderr } = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${bytes},mode=700`, 'moraine-faults', path], {
    encoding: 'utf8',
  })
  if (status !== 0) throw new Error(`mount: ${stderr}`)
}

function outcomeOf(child: ChildProcess): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    let output = ''
    for (const stream of [child.stdout, child.stderr]) stream?.setEncoding('utf8').on('data', (text: string) => (output += text))
    child.once('error', reject)
    child.once('close', (code) => resolve({ ok: code === 0, output }))
  })
}
