/**
 * Where the time goes: runs the server under V8's sampling profiler while redis-benchmark sends pipelined SET and GET,
 * and prints the functions with the most time of their own.
 *
 *     npx tsx bench/profile.ts [set|get] [pipeline] [server flags…]      e.g. profile.ts set 64 --appendonly no
 */
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startMoraine } from './processes.ts'
import { measure } from './redis-benchmark.ts'
import { count, decimal, textTable } from './table.ts'

const keys = 100_000
const measuredSeconds = 8
const rowsShown = 30

interface ProfileNode {
  readonly id: number
  readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number }
}

interface CpuProfile {
  readonly nodes: readonly ProfileNode[]
  readonly samples: readonly number[]
  /** Microseconds since the sample before. */
  readonly timeDeltas: readonly number[]
}

async function main(): Promise<void> {
  const [test = 'get', pipelineText = '64', ...flags] = process.argv.slice(2)
  if (test !== 'set' && test !== 'get') throw new Error(`'${test}' is neither set nor get`)
  const root = await mkdtemp(join(tmpdir(), 'moraine-profile-'))
  try {
    const profiles = join(root, 'profiles')
    const server = await startMoraine(join(root, 'data'), flags, ['--cpu-prof', '--cpu-prof-dir', profiles])
    const common = { port: server.port, connections: 50, pipeline: Number(pipelineText), keys, valueBytes: 64 }
    await measure({ ...common, test: 'set', requests: 500_000 })
    const { perSecond: guess } = await measure({ ...common, test, requests: 200_000 })
    const { perSecond } = await measure({ ...common, test, requests: Math.round(guess * measuredSeconds) })
    await server.stop('SIGTERM')
    const [file] = await readdir(profiles)
    if (file === undefined) throw new Error('the server wrote no profile')
    const profile = JSON.parse(await readFile(join(profiles, file), 'utf8')) as CpuProfile
    console.log(`${test.toUpperCase()}, pipeline ${pipelineText}: ${count(perSecond)} requests/s under the profiler\n`)
    console.log(selfTimes(profile))
  } finally {
    await rm(root, { recursive: true, force: true })
  }
}

function selfTimes(profile: CpuProfile): string {
  const names = new Map(profile.nodes.map((node) => [node.id, nameOf(node)]))
  const byName = new Map<string, number>()
  let total = 0
  for (const [i, id] of profile.samples.entries()) {
    const name = names.get(id) ?? '?'
    if (name.startsWith('(idle)')) continue
    const us = profile.timeDeltas[i] ?? 0
    total += us
    byName.set(name, (byName.get(name) ?? 0) + us)
  }
  const top = [...byName].sort(([, a], [, b]) => b - a).slice(0, rowsShown)
  return textTable({
    title: `Self time, idle time left out: ${decimal(total / 1e6, 1)} s in all`,
    columns: ['function', 'ms', 'share'],
    rows: top.map(([name, us]) => [name, count(us / 1000), `${decimal((100 * us) / total, 1)}%`]),
  })
}

function nameOf({ callFrame: { functionName, url, lineNumber } }: ProfileNode): string {
  const file = url.replace(/^.*\/dist\//, '')
  return `${functionName || '(anonymous)'}${file === '' ? '' : `  ${file}:${lineNumber + 1}`}`
}

await main()
