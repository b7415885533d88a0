/** GET while eight connections SET durably: does a reader pay for the disk that a writer waits for? */
import type { Context } from './context.ts'
import type { RunningServer } from './processes.ts'
import { measure, startBackground } from './redis-benchmark.ts'
import type { Answer, Question } from './report.ts'
import { smallValue } from './requests.ts'
import { barChart } from './svg-chart.ts'
import { count, decimal, median } from './table.ts'
import { pair } from './throughput.ts'

const keys = 100_000
const writers = 8
const readerCounts = [1, 8, 50]
/** The aim is for this many. */
const readersAimed = 50
const ratioMin = 3

export const readsBesideDurableWrites: Question = {
  name: 'reads-beside-durable-writes',
  title: 'Reads beside durable writes',
  prediction:
    'One, eight and fifty connections GET while eight others SET, nothing pipelined, both servers with `appendfsync always`. Redis syncs on the thread that serves ' +
    "readers; Moraine's readers do not wait for the log. The aim is at least 3 × Redis's rate of GET with fifty; a single reader shows the wait for the disk most plainly.",
  diskBytes: () => 4e9,
  run: answer,
}

interface Sample {
  readonly alone: number
  readonly getsPerSecond: number
  readonly p99Ms: number
  readonly setsPerSecond: number
}

async function answer(context: Context): Promise<Answer> {
  const repeats = context.size(5, 2)
  const servers = await pair(context, 'always')
  const shown = context.progress('reads beside writes', repeats * readerCounts.length, 'rounds')
  const results: { readonly readers: number; readonly moraine: Sample; readonly redis: Sample }[] = []
  for (const [row, readers] of readerCounts.entries()) {
    const samples: Sample[][] = servers.map(() => [])
    for (let repeat = 0; repeat < repeats; repeat++) {
      for (const [i, server] of servers.entries()) samples[i]!.push(await sample(context, server, readers))
      shown.update(row * repeats + repeat + 1)
    }
    const [moraine, redis] = samples.map(medians)
    results.push({ readers, moraine: moraine!, redis: redis! })
  }
  shown.finish()
  for (const server of servers) await context.discard(server)
  const aimed = results.find(({ readers }) => readers === readersAimed)!
  const ratio = aimed.moraine.getsPerSecond / aimed.redis.getsPerSecond
  return {
    aims: [
      {
        aim: `GET from ${readersAimed} connections beside durable SET: ≥ ${ratioMin} × Redis`,
        measured: `${decimal(ratio)} ×`,
        met: ratio >= ratioMin,
      },
    ],
    tables: [
      {
        title: `GET while ${writers} connections SET durably`,
        columns: ['readers', 'server', 'GET/s', '× Redis', 'GET p99 ms', 'SET/s meanwhile', 'GET/s without writers'],
        rows: results.flatMap(({ readers, moraine, redis }) => [
          row(readers, 'Moraine', moraine, decimal(moraine.getsPerSecond / redis.getsPerSecond)),
          row(readers, 'redis-server', redis, ''),
        ]),
      },
    ],
    charts: [
      {
        name: 'rates',
        title: 'GET beside durable SET',
        svg: barChart({
          title: `GET per second, alone and while ${writers} connections SET durably`,
          unit: 'GET/s',
          groups: results.flatMap(({ readers }) => [`${readers}c alone`, `${readers}c beside writes`]),
          series: [
            { name: 'Moraine', values: results.flatMap(({ moraine }) => [moraine.alone, moraine.getsPerSecond]) },
            { name: 'redis-server', values: results.flatMap(({ redis }) => [redis.alone, redis.getsPerSecond]) },
          ],
        }),
      },
    ],
    notes: [
      'Medians; the servers take turns. Two redis-benchmark processes and one server share the processors, and on two cores that bounds the reads too.',
    ],
  }
}

function medians(samples: readonly Sample[]): Sample {
  const of = (pick: (sample: Sample) => number): number => median(samples.map(pick))
  return {
    alone: of((sample) => sample.alone),
    getsPerSecond: of((sample) => sample.getsPerSecond),
    p99Ms: of((sample) => sample.p99Ms),
    setsPerSecond: of((sample) => sample.setsPerSecond),
  }
}

function row(readers: number, name: string, sample: Sample, ratio: string): string[] {
  return [
    String(readers),
    name,
    count(sample.getsPerSecond),
    ratio,
    decimal(sample.p99Ms, 2),
    count(sample.setsPerSecond),
    count(sample.alone),
  ]
}

async function sample(context: Context, server: RunningServer, readers: number): Promise<Sample> {
  const seconds = context.size(2, 0.4)
  const common = { port: server.port, keys, valueBytes: smallValue.bytes, pipeline: 1 }
  const gets = (requests: number) => measure({ ...common, test: 'get', connections: readers, requests })
  const alone = await gets(Math.round((await gets(5000)).perSecond * seconds * 0.3))
  const writes = await startBackground({ ...common, test: 'set', connections: writers, requests: 1_000_000_000 })
  try {
    const tried = await gets(2000)
    const { perSecond, p99Ms } = await gets(Math.round(tried.perSecond * seconds))
    return { alone: alone.perSecond, getsPerSecond: perSecond, p99Ms, setsPerSecond: await writes.stop() }
  } finally {
    await writes.stop()
  }
}
