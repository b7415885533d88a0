/** Does a commit wait for the reads of cold values? One connection SETs durably, alone and while others GET cold values as fast as they can. */
import type { MetricName } from '../server/metrics/metric-table.ts'
import { coldData, keysOf, noCheckpoints } from './cold-data.ts'
import type { Context } from './context.ts'
import { uniform } from './key-choice.ts'
import type { LoadResult } from './loader.ts'
import { load } from './loader.ts'
import type { RunningServer } from './processes.ts'
import { measure, startBackground } from './redis-benchmark.ts'
import type { Answer, Question } from './report.ts'
import { respSet, smallValue } from './requests.ts'
import type { Figures } from './server-metrics.ts'
import { figuresOf } from './server-metrics.ts'
import { barChart } from './svg-chart.ts'
import { count, decimal } from './table.ts'

const timesMax = 5
const readerCounts = [0, 16, 64]
/** Few: the writer's own keys are hot after its first round, and so do not count as cold reads. */
const writtenKeys = 1000

export const commitUnderColdReads: Question = {
  name: 'commit-under-cold-reads',
  title: 'Commits while the tier reads',
  prediction:
    'One connection SETs durably, one after the other, first alone, then while 16 and 64 connections GET uniformly chosen keys whose values all rest on disk. ' +
    'The aim: the p99 of a commit, seen by the client, is at most 5 × the idle one.',
  diskBytes: (quick) => (quick ? 1e9 : 6e9),
  run: answer,
}

interface Phase {
  readonly name: string
  readonly writes: LoadResult
  readonly serverP99Ms: number | undefined
  readonly readsPerSecond: number | undefined
  readonly coldPerSecond: number | undefined
}

async function answer(context: Context): Promise<Answer> {
  const { directory } = await coldData(context)
  // Nothing is promoted, or the reads would soon be of memory.
  const server = await context.moraine({ directory, flags: ['--appendfsync', 'always', '--tier-promote', 'never', ...noCheckpoints] })
  await writeFor(server, 500)
  const rounds = context.size(3, 1)
  const samples = readerCounts.map((): Phase[] => [])
  for (let round = 0; round < rounds; round++) {
    for (const [i, readers] of readerCounts.entries()) samples[i]!.push(await phase(context, server, readers))
  }
  await server.stop('SIGTERM')
  const phases = samples.map(middle)
  const idle = phases[0]!
  const worst = Math.max(...phases.slice(1).map((each) => p99Of(each)))
  const times = worst / p99Of(idle)
  return {
    aims: [{ aim: `commit p99 under cold reads: ≤ ${timesMax} × idle`, measured: `${decimal(times)} ×`, met: times <= timesMax }],
    tables: [
      {
        title: 'Durable SET from one connection',
        columns: ['beside', 'SET/s', 'p50 ms', 'p99 ms', 'worst ms', 'commit p99 by the server ≤ ms', 'GET/s', 'of them cold/s'],
        rows: phases.map(({ name, writes, serverP99Ms, readsPerSecond, coldPerSecond }) => [
          name,
          count(writes.perSecond),
          decimal(writes.latency.quantileMs(0.5), 3),
          decimal(writes.latency.quantileMs(0.99), 3),
          decimal(writes.latency.maxMs, 1),
          decimal(serverP99Ms, 2),
          count(readsPerSecond),
          count(coldPerSecond),
        ]),
      },
    ],
    charts: [
      {
        name: 'p99',
        title: 'p99 of a commit',
        svg: barChart({
          title: 'Durable SET from one connection: latency while others read cold values',
          unit: 'ms',
          groups: phases.map(({ name }) => name),
          series: [0.5, 0.99].map((share) => ({
            name: `p${share * 100}`,
            values: phases.map(({ writes }) => writes.latency.quantileMs(share)),
          })),
          limit: { at: timesMax * p99Of(idle), label: `${timesMax} × the idle p99` },
        }),
      },
    ],
    notes: [
      'Of each row the round whose p99 is the median; the rows take turns.',
      'The p99 by the server is the bound of the bucket of its histogram: write and sync of a group, without network and queue.',
      "The cold values fit the system's page cache, so a cold read costs a thread and a system call rather than a wait for the device.",
      'The readers are a redis-benchmark process; they, the writer and the server share the processors, which is part of what is measured.',
    ],
  }
}

async function phase(context: Context, server: RunningServer, readers: number): Promise<Phase> {
  const common = { port: server.port, test: 'get', pipeline: 1, keys: keysOf(context), valueBytes: smallValue.bytes } as const
  if (readers === 0) {
    const { writes, before, after } = await watchedWrites(context, server)
    return { name: 'nothing', writes, serverP99Ms: commitP99Ms(before, after), readsPerSecond: undefined, coldPerSecond: undefined }
  }
  await measure({ ...common, connections: readers, requests: 20_000 })
  const reads = await startBackground({ ...common, connections: readers, requests: 1_000_000_000 })
  try {
    const { writes, before, after } = await watchedWrites(context, server)
    const coldPerSecond = perSecond(before, after, writes.seconds, 'moraine_tier_reads_total')
    const readsPerSecond = perSecond(before, after, writes.seconds, 'moraine_command_calls_total', 'get')
    return { name: `${readers} readers`, writes, serverP99Ms: commitP99Ms(before, after), readsPerSecond, coldPerSecond }
  } finally {
    await reads.stop()
  }
}

async function watchedWrites(context: Context, server: RunningServer): Promise<{ writes: LoadResult; before: Figures; after: Figures }> {
  const before = await figuresOf(server)
  const writes = await writeFor(server, context.size(5000, 1500))
  return { writes, before, after: await figuresOf(server) }
}

async function writeFor(server: RunningServer, durationMs: number): Promise<LoadResult> {
  const writes = await load({
    port: server.port,
    connections: 1,
    pipeline: 1,
    requests: respSet(smallValue),
    nextKey: uniform(writtenKeys, 11),
    durationMs,
  })
  if (writes.errors > 0) throw new Error(`a SET was refused: ${writes.firstError}`)
  return writes
}

/** The sample whose p99 is the median. */
function middle(phases: readonly Phase[]): Phase {
  return phases.toSorted((a, b) => p99Of(a) - p99Of(b))[phases.length >> 1]!
}

function p99Of(phase: Phase): number {
  return phase.writes.latency.quantileMs(0.99)
}

function commitP99Ms(before: Figures, after: Figures): number | undefined {
  const seconds = after.quantile('moraine_log_commit_seconds', 0.99, before)
  return seconds === undefined ? undefined : seconds * 1000
}

function perSecond(before: Figures, after: Figures, seconds: number, name: MetricName, label?: string): number | undefined {
  const earlier = before.read(name, label) ?? 0
  const later = after.read(name, label)
  return later === undefined ? undefined : (later - earlier) / seconds
}
