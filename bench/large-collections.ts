/** Commands on collections of a million elements, streams, messages, scripts and a queue, beside redis-server; both without a log. */
import type { Context } from './context.ts'
import { memoryOnly } from './hash-memory.ts'
import { compareJobs } from './job-queue.ts'
import { inOrder } from './key-choice.ts'
import { load } from './loader.ts'
import type { RunningServer } from './processes.ts'
import type { Published } from './publishing.ts'
import { comparePublishing } from './publishing.ts'
import type { Comparison, RatedCommand } from './rate-comparison.ts'
import { compareCommands, comparisonAim, comparisonTable, ratioOf } from './rate-comparison.ts'
import type { Answer, Question } from './report.ts'
import { respTemplate } from './requests.ts'
import { barChart } from './svg-chart.ts'
import { decimal } from './table.ts'

const random = '__rand_int__'
const member = `member:${random}`
const field = `field:${random}`
const loadedPerRequest = 100

export const largeCollections: Question = {
  name: 'large-collections',
  title: 'Large collections, streams, messages, scripts, a queue',
  prediction:
    'Moraine beside redis-server, both without a log, in turns, medians. Commands of O(log n) on random members of a sorted set of a million, HSET, HGET and HDEL on a hash of a million fields, ' +
    'a script of five calls, and jobs of BullMQ: at least 0.8 × Redis. XADD and XREADGROUP, and PUBLISH to a thousand subscribers: at least 0.9 ×. 50 connections, pipeline 1 and 16.',
  diskBytes: () => 2e9,
  run: answer,
}

async function answer(context: Context): Promise<Answer> {
  const elements = context.size(1_000_000, 100_000)
  const servers = [await context.moraine({ flags: memoryOnly.moraine }), await context.redis({ flags: memoryOnly.redis })]
  for (const server of servers) await fillBoth(context, server, elements)
  const groups: { readonly title: string; readonly commands: readonly RatedCommand[]; readonly keys: number; readonly least: number }[] = [
    { title: 'sorted set', commands: sortedSetCommands(elements), keys: elements, least: 0.8 },
    { title: 'hash', commands: hashCommands, keys: elements, least: 0.8 },
    { title: 'stream', commands: streamCommands, keys: 100_000, least: 0.9 },
    { title: 'script', commands: [scriptCommand], keys: 100_000, least: 0.8 },
  ]
  const compared: Comparison[][] = []
  for (const { title, commands, keys, least } of groups) {
    context.say(title)
    const both: Comparison[] = []
    for (const pipeline of [1, 16])
      both.push(...(await compareCommands(context, servers, inPipeline(commands, pipeline), { pipeline, keys, least })))
    compared.push(both)
  }
  const published = await comparePublishing(context, servers)
  for (const server of servers) await context.discard(server)
  const jobs = await compareJobs(context)
  const [sorted, hash, stream, script] = compared as [Comparison[], Comparison[], Comparison[], Comparison[]]
  const all = [...compared.flat(), ...published, ...jobs]
  return {
    aims: [
      comparisonAim(context, 'sorted set of a million members', sorted),
      comparisonAim(context, 'hash of a million fields', hash),
      comparisonAim(context, 'XADD and XREADGROUP', stream),
      comparisonAim(context, 'EVAL with five calls', script),
      comparisonAim(context, 'PUBLISH to 1,000 subscribers', published),
      comparisonAim(context, 'BullMQ', jobs),
    ],
    tables: [
      comparisonTable('Commands on large collections, requests per second', [...sorted, ...hash]),
      comparisonTable('Streams and scripts, requests per second', [...stream, ...script]),
      publishedTable(published),
      comparisonTable('BullMQ, jobs per second', jobs),
    ],
    charts: [1, 16].map((pipeline) => {
      const mine = all.filter((each) => each.pipeline === pipeline)
      const title = `Ratio to redis-server, pipeline ${pipeline}`
      return {
        name: `ratios-${pipeline}`,
        title,
        svg: barChart({
          title,
          unit: '× Redis',
          groups: mine.map(({ name }) => name.replace(/ .*/, '')),
          series: [{ name: 'Moraine / redis-server', values: mine.map(ratioOf) }],
          limit: { at: 0.8, label: '0.8 ×' },
        }),
      }
    }),
    notes: [
      'Medians of five rounds after one that warms up; in a round each command runs on both servers, and whoever goes first alternates. What ZREM and HDEL take away ZADD and HSET of the next round may set again.',
      'A stream is deleted and gets its group before each run of XADD, and XREADGROUP reads ten of its entries at a time, which stay pending.',
      "Messages are published over one connection; a round ends when a thousand subscribers in a process of their own have all of them. The last columns are the server's processor time by the kernel's count.",
      'The script sets and reads a string, sets and reads a field of a hash, and increments a counter, by EVAL with its text.',
      "BullMQ runs in the benchmark's own process: 5,000 jobs are added in bulk, then a worker with a concurrency of 50 works through them, doing nothing; the client takes most of the time.",
      'Repeat with `npm run bench -- --only large-collections`.',
    ],
  }
}

async function fillBoth(context: Context, server: RunningServer, elements: number): Promise<void> {
  const loads = [
    { command: ['ZADD', 'sorted'], element: ['############', 'member:############'] },
    { command: ['HSET', 'hash'], element: ['field:############', 'v123456789'] },
  ]
  for (const { command, element } of loads) {
    const runs = element.join('').match(/#+/g)!.length
    const number = (n: number, i: number) => {
      const which = n * loadedPerRequest + Math.floor(i / runs)
      // Scores come in another order than members.
      return runs === 2 && i % 2 === 0 ? (which * 7919) % elements : which
    }
    const shown = context.progress(`${server.name}: ${command.join(' ')}`, elements, 'elements')
    const result = await load({
      port: server.port,
      connections: 4,
      pipeline: 8,
      requests: respTemplate([...command, ...Array.from({ length: loadedPerRequest }, () => element).flat()], number),
      nextKey: inOrder(0, elements / loadedPerRequest),
      stopAtError: true,
      onProgress: (done) => shown.update(done * loadedPerRequest),
    })
    shown.finish()
    if (result.errors > 0) throw new Error(`${server.name} refused ${command.join(' ')}: ${result.firstError}`)
  }
}

function sortedSetCommands(elements: number): RatedCommand[] {
  const middle = elements / 2
  const command = (name: string, ...parts: string[]): RatedCommand => ({ name, command: [name, 'sorted', ...parts], requests: 150_000 })
  return [
    command('ZADD', random, member),
    command('ZINCRBY', '1', member),
    command('ZSCORE', member),
    command('ZRANK', member),
    command('ZCOUNT', random, `${elements}`),
    { ...command('ZRANGEBYSCORE', random, '+inf', 'LIMIT', '0', '10'), name: 'ZRANGEBYSCORE, 10 of it' },
    { ...command('ZRANGE', `${middle}`, `${middle + 9}`), name: 'ZRANGE, 10 by rank' },
    command('ZREM', member),
  ]
}

const hashCommands: readonly RatedCommand[] = [
  { name: 'HSET', command: ['HSET', 'hash', field, 'w123456789'], requests: 150_000 },
  { name: 'HGET', command: ['HGET', 'hash', field], requests: 150_000 },
  { name: 'HDEL', command: ['HDEL', 'hash', field], requests: 150_000 },
]

const streamCommands: readonly RatedCommand[] = [
  {
    name: 'XADD',
    command: ['XADD', 'stream', '*', 'sensor', random, 'value', 'v12345678'],
    requests: 150_000,
    before: [
      ['DEL', 'stream'],
      ['XGROUP', 'CREATE', 'stream', 'group', '0', 'MKSTREAM'],
    ],
  },
  {
    name: 'XREADGROUP',
    command: ['XREADGROUP', 'GROUP', 'group', 'consumer', 'COUNT', '10', 'STREAMS', 'stream', '>'],
    requests: 14_000,
  },
]

const script =
  "redis.call('SET', KEYS[1], ARGV[1]) redis.call('GET', KEYS[1]) redis.call('HSET', KEYS[2], 'field', ARGV[1]) " +
  "redis.call('HGET', KEYS[2], 'field') return redis.call('INCR', KEYS[3])"
const scriptCommand: RatedCommand = {
  name: 'EVAL of five calls',
  command: ['EVAL', script, '3', `string:${random}`, `hash:${random}`, `counter:${random}`, 'some value'],
  requests: 100_000,
}

/** Without a pipeline a run has a third of the requests. XREADGROUP must find what XADD has left. */
function inPipeline(commands: readonly RatedCommand[], pipeline: number): RatedCommand[] {
  return commands.map((each) => (pipeline === 1 ? { ...each, requests: Math.round(each.requests / 3) } : each))
}

function publishedTable(published: readonly Published[]) {
  const table = comparisonTable('PUBLISH, messages per second', published)
  return {
    ...table,
    columns: [...table.columns, 'µs a delivery', 'Redis µs'],
    rows: table.rows.map((row, i) => [...row, decimal(published[i]!.moraineUs), decimal(published[i]!.redisUs)]),
  }
}
