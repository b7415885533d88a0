/** SET and GET beside redis-server, by pipeline and connections, without a log and with one, synced every second or always; the servers take turns. */
import { fill, noCheckpoints } from './cold-data.ts'
import type { Context } from './context.ts'
import type { RunningServer } from './processes.ts'
import { measure } from './redis-benchmark.ts'
import type { Aim, Answer, Chart, Question } from './report.ts'
import { respSet, smallValue } from './requests.ts'
import { barChart } from './svg-chart.ts'
import type { Table } from './table.ts'
import { count, decimal, median } from './table.ts'

const keys = 100_000
const warmUpShare = 0.25

/** What both servers promise of a write: nothing (they keep no log), or what `appendfsync` says. */
type Durability = 'none' | 'everysec' | 'always'

const durabilities: readonly { readonly durability: Durability; readonly short: string; readonly title: string; readonly chart: string }[] =
  [
    { durability: 'none', short: 'not durable', title: 'Not durable', chart: 'not-durable' },
    { durability: 'everysec', short: 'everysec', title: 'Durable within a second (`appendfsync everysec`)', chart: 'everysec' },
    { durability: 'always', short: 'durable', title: 'Durable (`appendfsync always`)', chart: 'durable' },
  ]

interface Case {
  readonly durability: Durability
  readonly test: 'set' | 'get'
  readonly connections: number
  readonly pipeline: number
}

interface Row extends Case {
  readonly moraine: Measured
  readonly redis: Measured
}

interface Measured {
  readonly perSecond: number
  readonly p99Ms: number
}

export const throughput: Question = {
  name: 'throughput',
  title: 'Throughput of SET and GET',
  prediction:
    'redis-benchmark, 64-byte values, 100,000 keys, pipeline 1, 16 and 64 over 1, 50 and 200 connections; Moraine and redis-server in turns, ' +
    'medians. Not durable: both without a log. Everysec: both with `appendfsync everysec`. Durable: both with `appendfsync always`. With 50 ' +
    'connections the aim is at least 0.95 × Redis at pipeline 1 and 64 when not durable or synced every second; when durable, for SET at least 1 × ' +
    'at pipeline 1 and 1.1 × at pipeline 16, and for GET at least 1 × at pipeline 64.',
  diskBytes: () => 6e9,
  run: answer,
}

async function answer(context: Context): Promise<Answer> {
  const rows: Row[] = []
  for (const { durability, short } of durabilities) rows.push(...(await compare(context, durability, short)))
  return {
    aims: aimsOf(rows),
    tables: durabilities.map((each) => tableOf(rows, each.durability, each.title)),
    charts: chartsOf(context, rows),
    notes,
  }
}

const notes = [
  'A run lasts about a second; each figure is the median of the runs of one server, and the servers take turns so that a noisy moment hits both.',
  'redis-benchmark takes a processor of its own: with one connection and no pipeline both servers mostly wait for it.',
  'Redis runs with `--auto-aof-rewrite-percentage 0`, so no rewrite of its log falls into a run; Moraine makes no checkpoint meanwhile.',
]

async function compare(context: Context, durability: Durability, short: string): Promise<Row[]> {
  const connections = context.size([1, 50, 200], [50])
  const [moraine, redis] = await pair(context, durability)
  const cases = (['set', 'get'] as const).flatMap((test) =>
    [1, 16, 64].flatMap((pipeline) => connections.map((each): Case => ({ durability, test, pipeline, connections: each }))),
  )
  const shown = context.progress(short, cases.length, 'cases')
  const rows: Row[] = []
  for (const each of cases) {
    rows.push(await measureCase(context, each, moraine, redis))
    shown.update(rows.length)
  }
  shown.finish()
  await context.discard(moraine)
  await context.discard(redis)
  return rows
}

/** Both servers, with all keys present. */
export async function pair(context: Context, durability: Durability): Promise<readonly [RunningServer, RunningServer]> {
  const log = durability === 'none' ? ['--appendonly', 'no'] : ['--appendonly', 'yes', '--appendfsync', durability]
  const moraineFlags = durability === 'none' ? [...log, '--tier-enabled', 'no'] : [...log, ...noCheckpoints]
  const redisFlags = durability === 'none' ? log : [...log, '--auto-aof-rewrite-percentage', '0']
  const moraine = await context.moraine({ flags: moraineFlags })
  const redis = await context.redis({ flags: redisFlags })
  for (const server of [moraine, redis]) await fill(context, server, keys, respSet(smallValue))
  return [moraine, redis]
}

async function measureCase(context: Context, each: Case, moraine: RunningServer, redis: RunningServer): Promise<Row> {
  const seconds = context.size(1, 0.35)
  const repeats = context.size(3, 2)
  const sample = (server: RunningServer, requests: number) =>
    measure({
      ...each,
      port: server.port,
      requests: Math.max(requests, each.connections * each.pipeline),
      keys,
      valueBytes: smallValue.bytes,
    })
  const contenders = [moraine, redis].map((server) => ({ server, requests: 0, rates: [] as number[], p99sMs: [] as number[] }))
  for (const contender of contenders) {
    // The first guess suits a slow disk; the second warms up and says how many requests a run needs.
    const guess = await sample(
      contender.server,
      each.durability === 'always' && each.test === 'set' ? 50 * Math.min(20, each.connections * each.pipeline) : 2000,
    )
    const warm = await sample(contender.server, Math.round(guess.perSecond * seconds * warmUpShare))
    contender.requests = Math.round(warm.perSecond * seconds)
  }
  for (let repeat = 0; repeat < repeats; repeat++) {
    for (const { server, requests, rates, p99sMs } of contenders) {
      const { perSecond, p99Ms } = await sample(server, requests)
      rates.push(perSecond)
      p99sMs.push(p99Ms)
    }
  }
  const [ours, theirs] = contenders.map(({ rates, p99sMs }) => ({ perSecond: median(rates), p99Ms: median(p99sMs) }))
  return { ...each, moraine: ours!, redis: theirs! }
}

function ratio(row: Row): number {
  return row.moraine.perSecond / row.redis.perSecond
}

function aimsOf(rows: readonly Row[]): Aim[] {
  const aim = (durability: Durability, test: 'set' | 'get', pipeline: number, least: number): Aim => {
    const row = rows.find(
      (each) => each.durability === durability && each.test === test && each.pipeline === pipeline && each.connections === 50,
    )
    const { short } = durabilities.find((each) => each.durability === durability)!
    const text = `${test.toUpperCase()}, ${short}, pipeline ${pipeline}, 50 connections: ≥ ${least} × Redis`
    return row === undefined
      ? { aim: text, measured: '–', met: undefined }
      : { aim: text, measured: `${decimal(ratio(row))} ×`, met: ratio(row) >= least }
  }
  const relaxed = (['none', 'everysec'] as const).flatMap((durability) =>
    [64, 1].flatMap((pipeline) => [aim(durability, 'set', pipeline, 0.95), aim(durability, 'get', pipeline, 0.95)]),
  )
  return [...relaxed, aim('always', 'set', 1, 1), aim('always', 'set', 16, 1.1), aim('always', 'get', 64, 1)]
}

function tableOf(rows: readonly Row[], durability: Durability, title: string): Table {
  return {
    title: `${title}, requests per second`,
    columns: ['command', 'pipeline', 'connections', 'Moraine', 'Redis', 'ratio', 'p99 ms', 'Redis p99 ms'],
    rows: rows
      .filter((row) => row.durability === durability)
      .map((row) => [
        row.test.toUpperCase(),
        `${row.pipeline}`,
        `${row.connections}`,
        count(row.moraine.perSecond),
        count(row.redis.perSecond),
        decimal(ratio(row)),
        decimal(row.moraine.p99Ms),
        decimal(row.redis.p99Ms),
      ]),
  }
}

function chartsOf(context: Context, rows: readonly Row[]): Chart[] {
  return durabilities.flatMap(({ durability, short: what, chart: name }) => {
    const mine = rows.filter((row) => row.durability === durability)
    const at50 = mine.filter((row) => row.connections === 50)
    const rates = barChart({
      title: `Requests per second, ${what}, 50 connections`,
      unit: 'requests/s',
      groups: at50.map((row) => `${row.test.toUpperCase()} P${row.pipeline}`),
      series: [
        { name: 'Moraine', values: at50.map((row) => row.moraine.perSecond) },
        { name: 'redis-server', values: at50.map((row) => row.redis.perSecond) },
      ],
    })
    const shapes = mine.filter((row) => row.test === 'set')
    const ratios = barChart({
      title: `Moraine's rate as a multiple of redis-server's, ${what}`,
      unit: '× Redis',
      groups: shapes.map((row) => `${row.connections}c P${row.pipeline}`),
      series: (['set', 'get'] as const).map((test) => ({
        name: test.toUpperCase(),
        values: shapes.map((shape) => {
          const row = mine.find((each) => each.test === test && each.pipeline === shape.pipeline && each.connections === shape.connections)
          return row === undefined ? undefined : ratio(row)
        }),
      })),
      limit: { at: 1, label: 'equal' },
    })
    const chart: Chart = { name, title: `Requests per second, ${what}`, svg: rates }
    return context.quick ? [chart] : [chart, { name: `${name}-ratio`, title: `Ratio to redis-server, ${what}`, svg: ratios }]
  })
}
