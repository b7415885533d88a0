/** One hash of a million fields, and of ten: memory per field and commands on random fields, beside redis-server. */
import { setTimeout as pause } from 'node:timers/promises'
import type { Context } from './context.ts'
import { memoryOnly } from './hash-memory.ts'
import { fieldsPerRequest, largeHashBatches, largeHashKey } from './hash-requests.ts'
import { inOrder } from './key-choice.ts'
import { load } from './loader.ts'
import { memoryOf } from './process-memory.ts'
import type { RunningServer } from './processes.ts'
import { infoNumber, redisCli } from './processes.ts'
import { measure } from './redis-benchmark.ts'
import type { Aim } from './report.ts'
import type { Table } from './table.ts'
import { count, decimal, median } from './table.ts'

const memoryRatioMax = 1.3
const rateRatioMin = 0.8
const connections = 50
const pipeline = 16
const valueBytes = 10
const settleMs = 2000

/** As redis-benchmark takes them: it replaces `__rand_int__` by twelve digits of a random number below the fields. */
const field = 'field:00__rand_int__'
const commands = {
  HSET: ['HSET', largeHashKey, field, 'w123456789'],
  HGET: ['HGET', largeHashKey, field],
  HDEL: ['HDEL', largeHashKey, field],
} as const
type Command = keyof typeof commands

interface Contender {
  readonly server: RunningServer
  /** Bytes per field. */
  readonly used: number
  readonly rss: number
  readonly loadedPerSecond: number
  readonly rates: Readonly<Record<Command, number[]>>
}

interface Measured {
  readonly fields: number
  readonly moraine: Contender
  readonly redis: Contender
}

export async function largeHashAnswer(context: Context): Promise<{ aims: Aim[]; tables: Table[]; notes: string[] }> {
  const measured: Measured[] = []
  for (const fields of context.size([1_000_000, 10_000_000], [200_000])) measured.push(await beside(context, fields))
  return {
    aims: measured.flatMap((each) => aimsOf(context, each)),
    tables: [
      {
        title: 'One hash, fields of 20 bytes and values of 10: bytes a field',
        columns: ['fields', 'server', 'used_memory B', 'ratio', 'RSS growth B', 'ratio', 'fields loaded/s'],
        rows: measured.flatMap(({ fields, moraine, redis }) =>
          [moraine, redis].map((each) => [
            count(fields),
            each.server.name,
            decimal(each.used, 1),
            decimal(each.used / redis.used),
            decimal(each.rss, 1),
            decimal(each.rss / redis.rss),
            count(each.loadedPerSecond),
          ]),
        ),
      },
      {
        title: `Commands on random fields per second, pipeline ${pipeline}, ${connections} connections`,
        columns: ['fields', 'command', 'Moraine', 'Redis', 'ratio', 'least and most of a round'],
        rows: measured.flatMap((each) => commandNames.map((command) => rateRow(each, command))),
      },
    ],
    notes: [
      `The large hash is loaded with ${fieldsPerRequest} fields a request, both servers without a log. Then they take turns: ${repeatsOf(context)} rounds of HSET, HGET and HDEL by redis-benchmark, ${count(requestsOf(context))} requests each. ` +
        'What a round deletes the next one may set again, so both servers meet the same share of fields that exist.',
    ],
  }
}

const commandNames = Object.keys(commands) as Command[]
const repeatsOf = (context: Context) => context.size(5, 3)
const requestsOf = (context: Context) => context.size(200_000, 50_000)

function rateRow({ fields, moraine, redis }: Measured, command: Command): string[] {
  const ours = moraine.rates[command]
  const theirs = redis.rates[command]
  const ratios = ours.map((rate, i) => rate / theirs[i]!)
  const range = `${decimal(Math.min(...ratios))} to ${decimal(Math.max(...ratios))}`
  return [count(fields), command, count(median(ours)), count(median(theirs)), decimal(median(ours) / median(theirs)), range]
}

function aimsOf(context: Context, { fields, moraine, redis }: Measured): Aim[] {
  const memory = moraine.used / redis.used
  const rates = commandNames.map((command) => median(moraine.rates[command]) / median(redis.rates[command]))
  return [
    {
      aim: `a hash of ${count(fields)} fields: used_memory ≤ ${memoryRatioMax} × Redis`,
      measured: `${decimal(memory)} ×`,
      met: memory <= memoryRatioMax,
    },
    {
      aim: `${commandNames.join(', ')} on it: ≥ ${rateRatioMin} × Redis`,
      measured: `${rates.map((rate) => decimal(rate)).join(', ')} ×`,
      met: context.quick ? undefined : rates.every((rate) => rate >= rateRatioMin),
    },
  ]
}

async function beside(context: Context, fields: number): Promise<Measured> {
  const moraine = await loaded(context, await context.moraine({ flags: memoryOnly.moraine }), fields)
  const redis = await loaded(context, await context.redis({ flags: memoryOnly.redis }), fields)
  const repeats = repeatsOf(context)
  const shown = context.progress(`commands on ${count(fields)} fields`, repeats, 'rounds')
  for (let repeat = 0; repeat < repeats; repeat++) {
    for (const command of commandNames) {
      // Whoever goes first alternates, too.
      const turns = repeat % 2 === 0 ? [moraine, redis] : [redis, moraine]
      for (const { server, rates } of turns) rates[command].push(await rateOf(context, server, command, fields))
    }
    shown.update(repeat + 1)
  }
  shown.finish()
  for (const { server } of [moraine, redis]) await context.discard(server)
  return { fields, moraine, redis }
}

async function rateOf(context: Context, server: RunningServer, command: Command, fields: number): Promise<number> {
  const { perSecond } = await measure({
    port: server.port,
    test: commands[command],
    connections,
    pipeline,
    requests: requestsOf(context),
    keys: fields,
    valueBytes,
  })
  return perSecond
}

/** Loads the hash and reads what it costs. */
async function loaded(context: Context, server: RunningServer, fields: number): Promise<Contender> {
  const used = async () => (await infoNumber(server.port, 'used_memory')) ?? Number.NaN
  const usedBefore = await used()
  const rssBefore = memoryOf(server.pid).rss
  const loadedPerSecond = await fillLargeHash(context, server, fields, valueBytes)
  await pause(settleMs)
  const cost = { used: ((await used()) - usedBefore) / fields, rss: (memoryOf(server.pid).rss - rssBefore) / fields }
  return { server, ...cost, loadedPerSecond, rates: { HSET: [], HGET: [], HDEL: [] } }
}

/** Sets `fields` fields, a multiple of those of a request, and answers how many a second. */
export async function fillLargeHash(context: Context, server: RunningServer, fields: number, bytes: number): Promise<number> {
  const requests = Math.ceil(fields / fieldsPerRequest)
  const shown = context.progress(`${server.name}: ${count(fields)} fields`, requests, 'requests')
  const result = await load({
    port: server.port,
    connections: 4,
    pipeline: 8,
    requests: largeHashBatches(bytes),
    nextKey: inOrder(0, requests),
    stopAtError: true,
    onProgress: (done) => shown.update(done),
  })
  shown.update(result.replies)
  shown.finish()
  if (result.errors > 0) throw new Error(`${server.name} refused an HSET after ${result.replies}: ${result.firstError}`)
  const found = Number(await redisCli(server.port, 'HLEN', largeHashKey))
  if (found !== fields) throw new Error(`${server.name} has ${found} fields where there should be ${fields}`)
  return result.perSecond * fieldsPerRequest
}
