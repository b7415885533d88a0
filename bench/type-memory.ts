/** What collections of all types cost in memory beside redis-server, small ones, larger ones and large ones, and how long the collector pauses meanwhile. */
import { setTimeout as pause } from 'node:timers/promises'
import type { Context } from './context.ts'
import { watchCollections } from './garbage-collections.ts'
import { memoryOnly } from './hash-memory.ts'
import { inOrder } from './key-choice.ts'
import { load } from './loader.ts'
import { expectKeys } from './memory.ts'
import { memoryOf } from './process-memory.ts'
import type { RunningServer } from './processes.ts'
import { infoNumber, redisCli } from './processes.ts'
import type { Aim, Answer, Chart, Question } from './report.ts'
import { respTemplate } from './requests.ts'
import { barChart } from './svg-chart.ts'
import type { Table } from './table.ts'
import { count, decimal } from './table.ts'
import type { MemoryCase } from './type-memory-cases.ts'
import { largeCases, middleCases, smallCases } from './type-memory-cases.ts'

const pauseMsMax = 20
/** What is freed late is freed by then. */
const settleMs = 2000
const trace = ['--trace-gc']
const warmUpRequests = 300_000
/** With less the heap and the pages of the process itself are what is seen. */
const judgedRssBytes = 8 * 2 ** 20

export const typeMemory: Question = {
  name: 'type-memory',
  title: 'Memory of collections',
  prediction:
    'What a load adds to used_memory and to the resident memory of the process, Moraine beside redis-server. A million small hashes, sets, sorted sets and lists of ten elements: at most as much as Redis. ' +
    'A hundred thousand of each that are just too large for the small form, by the length of one element (65 bytes) or of all (a list of 8 KiB), and a tenth as many by the number of elements: at most as much. ' +
    'One of each of a million elements, a stream of a million entries: at most 1.3 ×. ' +
    'The collector pauses for less than 20 ms with a million small collections of a kind, and with ten million elements in large ones.',
  diskBytes: () => 1e9,
  run: answer,
}

interface Cost {
  readonly used: number
  readonly rss: number
  readonly perSecond: number
  readonly longestPauseMs: number | undefined
}

interface Measured {
  readonly each: MemoryCase
  readonly moraine: Cost
  readonly redis: Cost
}

interface Group {
  readonly name: string
  readonly title: string
  readonly cases: readonly MemoryCase[]
}

async function answer(context: Context): Promise<Answer> {
  const small = context.size(1_000_000, 20_000)
  const middle = context.size(100_000, 2_000)
  const large = context.size(1_000_000, 100_000)
  const groups: readonly Group[] = [
    { name: 'small', title: `${count(small)} of ten elements each`, cases: smallCases(small) },
    {
      name: 'middle',
      title: `${count(middle)}, or ${count(middle / 10)}, just too large for the small form`,
      cases: middleCases(middle, middle / 10),
    },
    { name: 'large', title: `One of ${count(large)} elements`, cases: largeCases(large) },
  ]
  const rows: Measured[][] = []
  for (const { cases } of groups) {
    const measured: Measured[] = []
    for (const each of cases) measured.push(await beside(context, each))
    rows.push(measured)
  }
  const many = await pausesOfLarge(context, large)
  return {
    aims: [...groups.flatMap((group, i) => aimsOf(context, group, rows[i]!)), ...pauseAims(context, small, rows[0]!, many)],
    tables: groups.map((group, i) => tableOf(group, rows[i]!)),
    charts: groups.map((group, i) => chartOf(group, rows[i]!)),
    notes: [
      `Each load into a fresh process of either server without a log; read ${settleMs / 1000} s after its end. RSS growth is counted from a process that has answered ${count(warmUpRequests)} SETs of one key; where Redis grows by less than 8 MB, it is not judged.`,
      'Keys of 16 bytes. Elements are numbers behind some letters, or integers where the name says so: these Redis keeps in binary in its small forms and in lists. A figure is divided by the keys, of one collection by its elements.',
      'A pause is what `--trace-gc` tells of a collection, the longest since the start of the process.',
      `With ten million elements: ${many.elements} loaded into ${many.collections} large collections of all types, then ${many.seconds} s of random reads and writes; the longest of ${count(many.pauses)} pauses.`,
      'Repeat with `npm run bench -- --only type-memory`.',
    ],
  }
}

async function beside(context: Context, each: MemoryCase): Promise<Measured> {
  const moraine = await measure(context, await context.moraine({ flags: memoryOnly.moraine, nodeFlags: trace }), each)
  const redis = await measure(context, await context.redis({ flags: memoryOnly.redis }), each)
  context.say(`${each.name}: ${decimal(moraine.used / each.units, 1)} B a ${each.per}, Redis ${decimal(redis.used / each.units, 1)} B`)
  return { each, moraine, redis }
}

async function measure(context: Context, server: RunningServer, each: MemoryCase): Promise<Cost> {
  const used = async () => (await infoNumber(server.port, 'used_memory')) ?? Number.NaN
  const watch = server.name === 'Moraine' ? watchCollections(server) : undefined
  await warmUp(server)
  const usedBefore = await used()
  const rssBefore = memoryOf(server.pid).rss
  const perSecond = await fillCase(server, each)
  await pause(context.size(settleMs, settleMs / 4))
  await expectKeys(server.port, each.keys)
  const cost = { used: (await used()) - usedBefore, rss: memoryOf(server.pid).rss - rssBefore, perSecond }
  const collections = watch?.stop()
  await context.discard(server)
  return { ...cost, longestPauseMs: collections?.longestMs }
}

/** Lets the heap of Node come to its size, so that what is measured is the collections. */
async function warmUp(server: RunningServer): Promise<void> {
  const requests = respTemplate(['SET', 'warm', 'x'])
  await load({ port: server.port, connections: 4, pipeline: 128, requests, nextKey: inOrder(0, warmUpRequests) })
  await redisCli(server.port, 'DEL', 'warm')
}

/** Loads a case and answers how many requests a second. */
async function fillCase(server: RunningServer, each: MemoryCase): Promise<number> {
  const { requestBytes } = each.requests
  const pipeline = Math.max(4, Math.min(128, Math.floor((64 * 1024) / requestBytes)))
  const nextKey = inOrder(0, each.requestsToSend)
  const result = await load({ port: server.port, connections: 4, pipeline, requests: each.requests, nextKey, stopAtError: true })
  if (result.errors > 0) throw new Error(`${server.name}, ${each.name}: refused after ${result.replies}: ${result.firstError}`)
  return result.perSecond
}

interface ManyElements {
  readonly elements: string
  readonly collections: number
  readonly longestMs: number
  readonly pauses: number
  readonly seconds: number
}

/** Large collections with ten times the elements of one, loaded and then used. */
async function pausesOfLarge(context: Context, elements: number): Promise<ManyElements> {
  const server = await context.moraine({ flags: memoryOnly.moraine, nodeFlags: trace })
  const watch = watchCollections(server)
  const cases = ['one', 'two'].flatMap((prefix) => largeCases(elements, prefix)).slice(0, 10)
  for (const each of cases) await fillCase(server, each)
  const seconds = context.size(10, 1)
  for (const each of cases) {
    // The first half of the same requests again: they change what is there, or add to it.
    const nextKey = inOrder(0, Math.ceil(each.requestsToSend / 2))
    const durationMs = (seconds * 1000) / cases.length
    await load({ port: server.port, connections: 50, pipeline: 1, requests: each.requests, nextKey, durationMs })
  }
  await expectKeys(server.port, cases.length)
  const { longestMs, count: pauses } = watch.stop()
  await context.discard(server)
  return { elements: count(cases.reduce((sum, { units }) => sum + units, 0)), collections: cases.length, longestMs, pauses, seconds }
}

function aimsOf(context: Context, { name, title, cases }: Group, rows: readonly Measured[]): Aim[] {
  const ratioMax = cases[0]?.ratioMax ?? 1
  return (['used', 'rss'] as const).map((what): Aim => {
    const judged = what === 'used' ? rows : rows.filter(({ redis }) => redis.rss >= judgedRssBytes)
    const above = judged.filter(({ moraine, redis }) => !(moraine[what] <= ratioMax * redis[what]))
    const named = above.map(({ each, moraine, redis }) => `${each.name} ${decimal(moraine[what] / redis[what])}`).join(', ')
    return {
      aim: `${name} (${title}): ${what === 'used' ? 'used_memory' : 'RSS'} ≤ ${ratioMax} × Redis`,
      measured: `${judged.length - above.length} of ${judged.length}${named === '' ? '' : `; ${named}`}`,
      met: context.quick ? undefined : above.length === 0,
    }
  })
}

function pauseAims(context: Context, keys: number, small: readonly Measured[], many: ManyElements): Aim[] {
  const aim = (what: string, longestMs: number): Aim => ({
    aim: `${what}: GC pauses < ${pauseMsMax} ms`,
    measured: `${decimal(longestMs, 1)} ms`,
    met: context.quick ? undefined : longestMs < pauseMsMax,
  })
  return [
    aim(`${count(keys)} small collections`, Math.max(...small.map(({ moraine }) => moraine.longestPauseMs ?? 0))),
    aim(`${many.elements} elements in large collections`, many.longestMs),
  ]
}

function tableOf({ title, cases }: Group, rows: readonly Measured[]): Table {
  const per = cases[0]?.per ?? 'key'
  return {
    title: `${title}: bytes a ${per}`,
    columns: [
      'what',
      'used_memory B',
      'Redis B',
      'ratio',
      'RSS growth B',
      'Redis RSS B',
      'RSS ratio',
      'longest GC pause ms',
      'requests/s',
      'Redis requests/s',
    ],
    rows: rows.map(({ each, moraine, redis }) => [
      each.name,
      decimal(moraine.used / each.units, 1),
      decimal(redis.used / each.units, 1),
      decimal(moraine.used / redis.used),
      decimal(moraine.rss / each.units, 1),
      decimal(redis.rss / each.units, 1),
      decimal(moraine.rss / redis.rss),
      decimal(moraine.longestPauseMs, 1),
      count(moraine.perSecond),
      count(redis.perSecond),
    ]),
  }
}

function chartOf({ name, title, cases }: Group, rows: readonly Measured[]): Chart {
  const ratioMax = cases[0]?.ratioMax ?? 1
  return {
    name,
    title: `Memory beside redis-server: ${title}`,
    svg: barChart({
      title: `Memory as a multiple of redis-server's: ${title}`,
      unit: '× Redis',
      groups: rows.map(({ each }) => shortName(each.name)),
      series: [
        { name: 'used_memory', values: rows.map(({ moraine, redis }) => moraine.used / redis.used) },
        { name: 'RSS growth', values: rows.map(({ moraine, redis }) => moraine.rss / redis.rss) },
      ],
      limit: { at: ratioMax, label: `${ratioMax} ×` },
    }),
  }
}

/** The bars stand close together. */
function shortName(name: string): string {
  return name
    .replace(/ of (small )?integers/, ' (int)')
    .replace(/, an? (value|member) of 65 bytes/, ' 65 B')
    .replace(/ of 130 elements of 64 bytes/, ' 8 KiB')
    .replace(/ of (\d+) \w+/, ' $1')
}
