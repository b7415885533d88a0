/** What durable writes cost when the log is in etcd, what readers see of it, and how far a replica is behind. */
import { loadavg } from 'node:os'
import { setTimeout as pause } from 'node:timers/promises'
import { RespClient } from '../server/tools/rdb/resp-client.ts'
import type { Context } from './context.ts'
import { uniform } from './key-choice.ts'
import { LatencyHistogram } from './latency-histogram.ts'
import type { LoadResult } from './loader.ts'
import { load } from './loader.ts'
import type { BenchmarkSample } from './redis-benchmark.ts'
import { measure } from './redis-benchmark.ts'
import type { Answer, Question } from './report.ts'
import { respSet, smallValue } from './requests.ts'
import { SharedShard } from './shared-shard.ts'
import { count, decimal, median } from './table.ts'

const connections = 50
const keys = 100_000
/** Of a value of the writers in the background. */
const valueBytes = 16_384
const megabyte = 1e6

export const sharedLog: Question = {
  name: 'shared-log',
  title: 'Writes, reads and replicas over a log in etcd',
  prediction:
    'A primary over three members of etcd, all on one machine. Fifty connections SET values of 64 bytes: nothing pipelined, p50 at most 6 ms and at least 8,000/s; pipelined by 16, at least 60,000/s. ' +
    'While others write 20 MB/s, the p99 of GET of committed keys is at most twice that beside an idle log. At 10 MB/s a replica shows a write at most 50 ms (p99) after the primary has acknowledged it.',
  diskBytes: () => 8e9,
  run: answer,
}

async function answer(context: Context): Promise<Answer> {
  const alone = await writes(context, 1)
  const reads = await readsBesideWrites(context)
  const followed = await writes(context, 3)
  const lag = await replicaLag(context)
  const times = reads.beside.p99Ms / reads.idle.p99Ms
  return {
    aims: [
      { aim: 'SET, 50 connections: p50 ≤ 6 ms', measured: `${decimal(alone.single.p50Ms)} ms`, met: alone.single.p50Ms <= 6 },
      { aim: 'SET, 50 connections: ≥ 8,000/s', measured: `${count(alone.single.perSecond)}/s`, met: alone.single.perSecond >= 8000 },
      {
        aim: 'SET, pipelined by 16: ≥ 60,000/s',
        measured: `${count(alone.pipelined.perSecond)}/s`,
        met: alone.pipelined.perSecond >= 60_000,
      },
      {
        aim: 'GET p99 beside 20 MB/s of writes: ≤ 2 × idle',
        measured: `${decimal(times)} × at ${decimal(reads.megabytesPerSecond, 1)} MB/s`,
        met: reads.megabytesPerSecond >= 18 ? times <= 2 : undefined,
      },
      {
        aim: 'replica lag at 10 MB/s: p99 ≤ 50 ms',
        measured: `${decimal(lag.histogram.quantileMs(0.99), 1)} ms at ${decimal(lag.megabytesPerSecond, 1)} MB/s`,
        met: lag.megabytesPerSecond >= 9 ? lag.histogram.quantileMs(0.99) <= 50 : undefined,
      },
    ],
    tables: [
      {
        title: `Durable SET of ${smallValue.bytes} bytes, ${connections} connections`,
        columns: ['nodes', 'pipeline', 'SET/s', 'p50 ms', 'p99 ms'],
        rows: [
          row('1', '1', alone.single),
          row('1', '16', alone.pipelined),
          row('3', '1', followed.single),
          row('3', '16', followed.pipelined),
        ],
      },
      {
        title: 'GET of committed keys, 8 connections',
        columns: ['beside', 'GET/s', 'p50 ms', 'p99 ms'],
        rows: [
          ['an idle log', count(reads.idle.perSecond), decimal(reads.idle.p50Ms, 3), decimal(reads.idle.p99Ms, 3)],
          [
            `${decimal(reads.megabytesPerSecond, 1)} MB/s of writes`,
            count(reads.beside.perSecond),
            decimal(reads.beside.p50Ms, 3),
            decimal(reads.beside.p99Ms, 3),
          ],
        ],
      },
      {
        title: 'From the acknowledgement of a write until a replica shows it',
        columns: ['beside', 'writes', 'p50 ms', 'p99 ms', 'most ms'],
        rows: [
          [
            `${decimal(lag.megabytesPerSecond, 1)} MB/s of writes`,
            count(lag.histogram.count),
            decimal(lag.histogram.quantileMs(0.5), 1),
            decimal(lag.histogram.quantileMs(0.99), 1),
            decimal(lag.histogram.maxMs, 1),
          ],
        ],
      },
    ],
    charts: [],
    notes: [
      `Everything shares this machine: members, nodes and clients. Load average at the end: ${loadavg()
        .map((each) => decimal(each, 1))
        .join(', ')}.`,
      'Medians of the rates. With three nodes two of them apply what the third writes, on the same processors.',
    ],
  }
}

function row(nodes: string, pipeline: string, { perSecond, p50Ms, p99Ms }: BenchmarkSample): string[] {
  return [nodes, pipeline, count(perSecond), decimal(p50Ms), decimal(p99Ms)]
}

interface Writes {
  readonly single: BenchmarkSample
  readonly pipelined: BenchmarkSample
}

async function writes(context: Context, nodes: number): Promise<Writes> {
  const shard = await SharedShard.start(context, nodes)
  const { port } = await shard.primary()
  const rounds = context.size(5, 2)
  const seconds = context.size(5, 1)
  const singles: BenchmarkSample[] = []
  const pipelines: BenchmarkSample[] = []
  const common = { port, test: 'set', connections, keys, valueBytes: smallValue.bytes }
  const tried = (await measure({ ...common, pipeline: 1, requests: 5000 })).perSecond
  const triedPipelined = (await measure({ ...common, pipeline: 16, requests: 50_000 })).perSecond
  for (let round = 0; round < rounds; round++) {
    singles.push(await measure({ ...common, pipeline: 1, requests: Math.round(tried * seconds) }))
    pipelines.push(await measure({ ...common, pipeline: 16, requests: Math.round(triedPipelined * seconds) }))
  }
  await shard.stop()
  return { single: medians(singles), pipelined: medians(pipelines) }
}

function medians(samples: readonly BenchmarkSample[]): BenchmarkSample {
  const of = (pick: (sample: BenchmarkSample) => number): number => median(samples.map(pick))
  return {
    perSecond: of((each) => each.perSecond),
    p50Ms: of((each) => each.p50Ms),
    p99Ms: of((each) => each.p99Ms),
    maxMs: of((each) => each.maxMs),
  }
}

interface Reads {
  readonly idle: BenchmarkSample
  readonly beside: BenchmarkSample
  readonly megabytesPerSecond: number
}

async function readsBesideWrites(context: Context): Promise<Reads> {
  const shard = await SharedShard.start(context, 1)
  const { port } = await shard.primary()
  const common = { port, connections: 8, pipeline: 1, keys, valueBytes: smallValue.bytes }
  await measure({ ...common, test: 'set', pipeline: 16, requests: keys })
  const seconds = context.size(5, 1)
  const tried = (await measure({ ...common, test: 'get', requests: 5000 })).perSecond
  const get = (): Promise<BenchmarkSample> => measure({ ...common, test: 'get', requests: Math.round(tried * seconds) })
  const idle: BenchmarkSample[] = []
  const beside: BenchmarkSample[] = []
  const rates: number[] = []
  for (let round = 0; round < context.size(3, 1); round++) {
    idle.push(await get())
    const writing = write(port, 20, seconds * 1000 + 2000)
    await pause(1000)
    beside.push(await get())
    rates.push(megabytesOf(await writing))
  }
  await shard.stop()
  return { idle: medians(idle), beside: medians(beside), megabytesPerSecond: median(rates) }
}

/** Writes for a time so many megabytes a second, on keys that nobody reads. */
function write(port: number, megabytesPerSecond: number, durationMs: number): Promise<LoadResult> {
  return load({
    port,
    connections: 16,
    pipeline: 1,
    requests: respSet({ bytes: valueBytes, randomShare: 1 }),
    nextKey: uniform(2000, 5),
    durationMs,
    perSecondMax: (megabytesPerSecond * megabyte) / valueBytes,
  })
}

function megabytesOf({ perSecond }: LoadResult): number {
  return (perSecond * valueBytes) / megabyte
}

interface Lag {
  readonly histogram: LatencyHistogram
  readonly megabytesPerSecond: number
}

async function replicaLag(context: Context): Promise<Lag> {
  const shard = await SharedShard.start(context, 2)
  const primary = await shard.primary()
  const replica = shard.nodes.find((node) => node !== primary) ?? primary
  const [writer, reader] = await Promise.all(
    [primary, replica].map(({ port }) => RespClient.open({ host: '127.0.0.1', port, user: undefined, password: undefined })),
  )
  const durationMs = context.size(30_000, 4000)
  const writing = write(primary.port, 10, durationMs)
  const histogram = new LatencyHistogram()
  const untilMs = performance.now() + durationMs - 1000
  for (let i = 0; performance.now() < untilMs; i++) {
    await writer!.must('SET', 'lag', `${i}`)
    const acknowledgedMs = performance.now()
    while (`${await reader!.must('GET', 'lag')}` !== `${i}`) await pause(0)
    histogram.record(performance.now() - acknowledgedMs)
    await pause(5)
  }
  const megabytesPerSecond = megabytesOf(await writing)
  for (const client of [writer, reader]) client!.destroy()
  await shard.stop()
  return { histogram, megabytesPerSecond }
}
