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
const readers = 50
const ratioMin = 3

export const readsBesideDurableWrites: Question = {
  name: 'reads-beside-durable-writes',
  title: 'Reads beside durable writes',
  prediction:
    'Fifty connections GET while eight others SET, nothing pipelined, both servers with `appendfsync always`. Redis syncs on the thread that serves ' +
    "readers; Moraine's readers do not wait for the log. The aim is at least 3 × Redis's rate of GET.",
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
  const servers = await pair(context, true)
  const samples: Sample[][] = servers.map(() => [])
  const shown = context.progress('reads beside writes', repeats, 'rounds')
  for (let repeat = 0; repeat < repeats; repeat++) {
    for (const [i, server] of servers.entries()) samples[i]!.push(await sample(context, server))
    shown.update(repeat + 1)
  }
  shown.finish()
  for (const server of servers) await context.discard(server)
  const [moraine, redis] = samples.map((each) => ({
    alone: median(each.map((sample) => sample.alone)),
    gets: median(each.map((sample) => sample.getsPerSecond)),
    p99: median(each.map((sample) => sample.p99Ms)),
    sets: median(each.map((sample) => sample.setsPerSecond)),
  }))
  const ratio = moraine!.gets / redis!.gets
  const row = (name: string, of: (typeof moraine & object) | undefined) => [
    name,
    count(of?.gets),
    decimal(of?.p99, 2),
    count(of?.sets),
    count(of?.alone),
  ]
  return {
    aims: [{ aim: `GET beside durable SET: ≥ ${ratioMin} × Redis`, measured: `${decimal(ratio)} ×`, met: ratio >= ratioMin }],
    tables: [
      {
        title: `GET from ${readers} connections while ${writers} SET durably`,
        columns: ['server', 'GET/s', 'GET p99 ms', 'SET/s meanwhile', 'GET/s without writers'],
        rows: [row('Moraine', moraine), row('redis-server', redis)],
      },
    ],
    charts: [
      {
        name: 'rates',
        title: 'GET beside durable SET',
        svg: barChart({
          title: `GET per second from ${readers} connections, alone and while ${writers} connections SET durably`,
          unit: 'GET/s',
          groups: ['alone', 'beside durable writes'],
          series: [
            { name: 'Moraine', values: [moraine!.alone, moraine!.gets] },
            { name: 'redis-server', values: [redis!.alone, redis!.gets] },
          ],
        }),
      },
    ],
    notes: [
      'Medians; the servers take turns. Two redis-benchmark processes and one server share the processors, and on two cores that bounds the reads too.',
    ],
  }
}

async function sample(context: Context, server: RunningServer): Promise<Sample> {
  const seconds = context.size(3, 0.8)
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
