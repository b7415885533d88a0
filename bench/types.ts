/** The tests that redis-benchmark makes by default, on all types, beside redis-server: without a log and with one; the servers take turns. */
import { noCheckpoints } from './cold-data.ts'
import type { Context } from './context.ts'
import type { RunningServer } from './processes.ts'
import { redisCli } from './processes.ts'
import { measure } from './redis-benchmark.ts'
import type { Aim, Answer, Chart, Question } from './report.ts'
import { barChart } from './svg-chart.ts'
import type { Table } from './table.ts'
import { count, decimal, median } from './table.ts'

const keys = 100_000
const valueBytes = 3
const connections = 50
const pipelines = [1, 16] as const
const rangeKey = 'list:range'
const rangeElements = 600

interface Test {
  readonly name: string
  /** One of redis-benchmark's, or a command. */
  readonly test: string | readonly string[]
  readonly writes: boolean
  /** How much longer a request takes than a GET, about. */
  readonly weight: number
}

const test = (name: string, writes = true, weight = 1): Test => ({ name, test: name.toLowerCase(), writes, weight })
/** redis-benchmark would fill the list anew before each run. */
const range = (elements: number, weight: number): Test => ({
  name: `LRANGE_${elements}`,
  test: ['LRANGE', rangeKey, '0', `${elements - 1}`],
  writes: false,
  weight,
})

/** In the order of redis-benchmark, so that what is popped has been pushed before. */
const tests: readonly Test[] = [
  test('PING_INLINE', false),
  test('PING_MBULK', false),
  test('SET'),
  test('GET', false),
  test('INCR'),
  test('LPUSH'),
  test('RPUSH'),
  test('LPOP'),
  test('RPOP'),
  test('SADD'),
  test('HSET'),
  test('SPOP'),
  test('ZADD', true, 2),
  test('ZPOPMIN'),
  range(100, 5),
  range(300, 15),
  range(500, 25),
  range(600, 30),
  test('MSET', true, 8),
]

interface Mode {
  readonly name: string
  readonly title: string
  readonly flags: readonly string[]
  /** Requests of weight 1 in a run, by pipeline. */
  readonly requests: readonly [number, number]
  readonly least: number
}

const modes: readonly Mode[] = [
  { name: 'off', title: 'Without a log', flags: ['--appendonly', 'no'], requests: [28_000, 200_000], least: 0.95 },
  {
    name: 'everysec',
    title: 'Durable within a second (`appendfsync everysec`)',
    flags: ['--appendonly', 'yes', '--appendfsync', 'everysec'],
    requests: [26_000, 180_000],
    least: 0.95,
  },
  {
    name: 'always',
    title: 'Durable (`appendfsync always`)',
    flags: ['--appendonly', 'yes', '--appendfsync', 'always'],
    requests: [18_000, 120_000],
    least: 1.1,
  },
]

interface Row {
  readonly mode: Mode
  readonly test: Test
  readonly pipeline: number
  readonly moraine: number
  readonly redis: number
  /** Of a round, in order of size. */
  readonly ratios: readonly number[]
}

export const types: Question = {
  name: 'types',
  title: "redis-benchmark's default tests",
  prediction:
    `The nineteen tests that redis-benchmark makes by default, ${connections} connections, pipeline 1 and 16, values of ${valueBytes} bytes, random ones of ${count(keys)} keys, fields and members. ` +
    'Moraine and redis-server in turns, medians. Without a log and with `appendfsync everysec` at least 0.95 × Redis; with `always` at least 1.1 × for tests that write, 0.95 × for those that read.',
  diskBytes: (quick) => (quick ? 1e9 : 5e9),
  run: answer,
}

async function answer(context: Context): Promise<Answer> {
  const rows: Row[] = []
  for (const mode of modes) rows.push(...(await compare(context, mode)))
  return {
    aims: modes.flatMap((mode) => aimsOf(context, mode, rows)),
    tables: modes.map((mode) => tableOf(mode, rows)),
    charts: modes.flatMap((mode) => pipelines.map((pipeline) => chartOf(mode, pipeline, rows))),
    notes: [
      `Each figure is the median of ${repeatsOf(context)} runs of a fraction of a second, the same number of requests for both servers, which take turns; before them each server warms up with a quarter of a run. ` +
        'The last column has the ratios of the rounds.',
      `Tests come in redis-benchmark's order and with the same number of requests, so LPOP and RPOP take what LPUSH and RPUSH have left; SPOP and ZPOPMIN empty their keys in a run and go on with missing ones, as they do in redis-benchmark.`,
      `LRANGE is asked of a list of ${rangeElements} elements that stays as it is.`,
      'redis-benchmark takes a processor of its own. Redis does not rewrite its log meanwhile, and Moraine makes no checkpoint.',
      'Repeat with `npm run bench -- --only types`.',
    ],
  }
}

const repeatsOf = (context: Context) => context.size(3, 1)

async function compare(context: Context, mode: Mode): Promise<Row[]> {
  const isOff = mode.name === 'off'
  const moraine = await context.moraine({ flags: [...mode.flags, ...(isOff ? ['--tier-enabled', 'no'] : noCheckpoints)] })
  const redis = await context.redis({ flags: [...mode.flags, ...(isOff ? [] : ['--auto-aof-rewrite-percentage', '0'])] })
  const elements = Array.from({ length: rangeElements }, () => 'xxx')
  for (const { port } of [moraine, redis]) await redisCli(port, 'RPUSH', rangeKey, ...elements)
  const shown = context.progress(mode.name, tests.length * pipelines.length, 'cases')
  const rows: Row[] = []
  for (const [i, pipeline] of pipelines.entries()) {
    for (const each of tests) {
      const requests = Math.round((mode.requests[i]! / each.weight) * context.size(1, 0.2))
      rows.push(await measureCase(context, { mode, test: each, pipeline }, requests, moraine, redis))
      shown.update(rows.length)
    }
  }
  shown.finish()
  for (const server of [moraine, redis]) await context.discard(server)
  return rows
}

async function measureCase(
  context: Context,
  each: Pick<Row, 'mode' | 'test' | 'pipeline'>,
  requests: number,
  moraine: RunningServer,
  redis: RunningServer,
): Promise<Row> {
  const { test, pipeline } = each
  const rate = async ({ port }: RunningServer, share = 1): Promise<number> => {
    const some = Math.max(Math.round(requests * share), connections * pipeline)
    return (await measure({ port, test: test.test, connections, pipeline, requests: some, keys, valueBytes })).perSecond
  }
  if (!context.quick) for (const server of [moraine, redis]) await rate(server, 0.25)
  const ours: number[] = []
  const theirs: number[] = []
  for (let repeat = 0; repeat < repeatsOf(context); repeat++) {
    // Whoever goes first alternates, too.
    if (repeat % 2 === 0) ours.push(await rate(moraine))
    theirs.push(await rate(redis))
    if (repeat % 2 === 1) ours.push(await rate(moraine))
  }
  const ratios = ours.map((rate, i) => rate / theirs[i]!).sort((a, b) => a - b)
  return { ...each, moraine: median(ours), redis: median(theirs), ratios }
}

function ratio(row: Row): number {
  return row.moraine / row.redis
}

function aimsOf(context: Context, mode: Mode, rows: readonly Row[]): Aim[] {
  const groups =
    mode.name === 'always'
      ? [
          { what: 'tests that write', least: mode.least, has: ({ test }: Row) => test.writes },
          { what: 'tests that read', least: 0.95, has: ({ test }: Row) => !test.writes },
        ]
      : [{ what: 'all tests', least: mode.least, has: () => true }]
  return pipelines.flatMap((pipeline) =>
    groups.map(({ what, least, has }): Aim => {
      const mine = rows.filter((row) => row.mode === mode && row.pipeline === pipeline && has(row))
      const below = mine.filter((row) => ratio(row) < least).sort((a, b) => ratio(a) - ratio(b))
      const named = below.map((row) => `${row.test.name} ${decimal(ratio(row))}`).join(', ')
      return {
        aim: `${mode.name}, pipeline ${pipeline}, ${what}: ≥ ${least} × Redis`,
        measured: `${mine.length - below.length} of ${mine.length}${named === '' ? '' : `; ${named}`}`,
        met: context.quick ? undefined : below.length === 0,
      }
    }),
  )
}

function tableOf(mode: Mode, rows: readonly Row[]): Table {
  return {
    title: `${mode.title}, requests per second`,
    columns: ['test', 'pipeline', 'Moraine', 'Redis', 'ratio', 'of a round'],
    rows: rows
      .filter((row) => row.mode === mode)
      .map((row) => [
        row.test.name,
        `${row.pipeline}`,
        count(row.moraine),
        count(row.redis),
        decimal(ratio(row)),
        row.ratios.map((each) => decimal(each)).join(', '),
      ]),
  }
}

function chartOf(mode: Mode, pipeline: number, rows: readonly Row[]): Chart {
  const mine = rows.filter((row) => row.mode === mode && row.pipeline === pipeline)
  const title = `Ratio to redis-server, ${mode.title.replaceAll('`', '').toLowerCase()}, pipeline ${pipeline}`
  return {
    name: `${mode.name}-${pipeline}`,
    title,
    svg: barChart({
      title,
      unit: '× Redis',
      groups: mine.map(({ test }) => test.name.replace('PING_', '').replace('LRANGE_', 'RANGE')),
      series: [{ name: 'Moraine / redis-server', values: mine.map(ratio) }],
      limit: { at: mode.least, label: `${mode.least} ×` },
    }),
  }
}
