/** How fast RDB files of all types are imported and exported, and whether what comes back is what went in. */
import { execFile } from 'node:child_process'
import { rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { Context } from './context.ts'
import { inOrder } from './key-choice.ts'
import { load } from './loader.ts'
import type { RunningServer } from './processes.ts'
import { redisCli } from './processes.ts'
import type { Answer, Question } from './report.ts'
import type { Requests } from './requests.ts'
import { respTemplate } from './requests.ts'
import { barChart } from './svg-chart.ts'
import { count, decimal, median } from './table.ts'
import { largeCases } from './type-memory-cases.ts'

const run = promisify(execFile)
const moraine = fileURLToPath(new URL('../dist/server/moraine.cjs', import.meta.url))
const megabytesPerSecondMin = 50
const megabyte = 1e6

export const migration: Question = {
  name: 'migration',
  title: 'Import and export of RDB',
  prediction:
    'A file of redis-server with strings, hashes, lists, sets, sorted sets and streams of some 500 bytes, large ones of each, and a string of 32 MB: `moraine import` and `moraine export` of it, with a data directory and with a ' +
    'running server, take and give at least 50 MB/s of the file, from exec to exit. The exported file, loaded by redis-server, has the digest of the first.',
  diskBytes: (quick) => (quick ? 2e9 : 8e9),
  run: answer,
}

interface Kind {
  readonly name: string
  readonly requests: Requests
}

const key = (name: string) => `${name}:############`
const twenty = (element: readonly string[]) => Array.from({ length: 20 }, () => element).flat()
/** Run 0 is the key's number, the others differ from one another. */
const number = (n: number, i: number) => (i === 0 ? n : (n * 31 + i * 7919 + 10_000_000) % 10 ** 8)

const kinds: readonly Kind[] = [
  { name: 'strings', requests: respTemplate(['SET', key('string'), '%400']) },
  { name: 'hashes', requests: respTemplate(['HSET', key('hash'), ...Array.from({ length: 10 }, (_, i) => [`field:${i}`, '%32']).flat()]) },
  { name: 'lists', requests: respTemplate(['RPUSH', key('list'), ...twenty(['%20'])]) },
  { name: 'sets', requests: respTemplate(['SADD', key('set'), ...twenty(['member:########'])], number) },
  { name: 'sorted sets', requests: respTemplate(['ZADD', key('zset'), ...twenty(['########', 'member:########'])], number) },
]
const streamEntries = 10
const stream = respTemplate(['XADD', 'stream:############', '*', 'sensor', '#####', 'value', '%24'], (n, i) =>
  i === 0 ? Math.floor(n / streamEntries) : 10_000 + (n % 90_000),
)

interface Timed {
  readonly name: string
  readonly seconds: number
  readonly bytes: number
}

async function answer(context: Context): Promise<Answer> {
  const keys = context.size(200_000, 8_000)
  const source = await makeSource(context, keys)
  const file = join(source.directory, 'dump.rdb')
  const [digest] = await digestOf(source)
  await redisCli(source.port, 'SAVE')
  await source.stop('SIGTERM')
  const { size } = await stat(file)
  context.say(`${decimal(size / megabyte, 0)} MB of RDB`)
  const results: Timed[] = []
  const repeats = context.size(3, 1)
  const timed = async (name: string, bytes: () => Promise<number>, rounds: readonly (() => Promise<number>)[]): Promise<void> => {
    const seconds: number[] = []
    for (const round of rounds) seconds.push(await round())
    results.push({ name, seconds: median(seconds), bytes: await bytes() })
    context.say(`${name}: ${decimal(results.at(-1)!.bytes / megabyte / results.at(-1)!.seconds, 1)} MB/s`)
  }
  const times = <Result>(make: () => Result): Result[] => Array.from({ length: repeats }, make)
  const fileBytes = async () => size
  let directory = ''
  await timed(
    'import into a directory',
    fileBytes,
    times(() => async () => {
      if (directory !== '') await rm(directory, { recursive: true, force: true })
      directory = await context.directory('imported')
      return await moraineRuns('import', file, '--dir', directory)
    }),
  )
  const exported = join(source.directory, 'exported.rdb')
  const exportedBytes = async () => (await stat(exported)).size
  await timed(
    'export of a directory',
    exportedBytes,
    times(() => () => moraineRuns('export', exported, '--dir', directory)),
  )
  let server: RunningServer | undefined
  await timed(
    'import into a running server',
    fileBytes,
    times(() => async () => {
      if (server !== undefined) await context.discard(server)
      server = await context.moraine({ flags: ['--appendfsync', 'everysec'] })
      return await moraineRuns('import', file, '--to', `127.0.0.1:${server.port}`)
    }),
  )
  await timed(
    'export of a running server',
    exportedBytes,
    times(() => () => moraineRuns('export', exported, '--from', `127.0.0.1:${server!.port}`)),
  )
  await context.discard(server!)
  const [found, keysFound] = await loadedDigest(context, source.directory)
  return {
    aims: [
      ...results.map(({ name, seconds, bytes }) => ({
        aim: `${name}: ≥ ${megabytesPerSecondMin} MB/s`,
        measured: `${decimal(bytes / megabyte / seconds, 1)} MB/s`,
        met: context.quick ? undefined : bytes / megabyte / seconds >= megabytesPerSecondMin,
      })),
      {
        aim: 'redis-server loads the exported file, with the same digest',
        measured: found === digest ? 'the same' : 'another',
        met: found === digest,
      },
    ],
    tables: [
      {
        title: `A file of ${count(keysFound)} keys`,
        columns: ['what', 'MB', 'seconds', 'MB/s', 'keys/s'],
        rows: results.map(({ name, seconds, bytes }) => [
          name,
          decimal(bytes / megabyte, 0),
          decimal(seconds),
          decimal(bytes / megabyte / seconds, 1),
          count(keysFound / seconds),
        ]),
      },
    ],
    charts: [
      {
        name: 'rates',
        title: 'Import and export',
        svg: barChart({
          title: 'RDB, MB a second from exec to exit',
          unit: 'MB/s',
          groups: results.map(({ name }) => name),
          series: [{ name: 'Moraine', values: results.map(({ bytes, seconds }) => bytes / megabyte / seconds) }],
          limit: { at: megabytesPerSecondMin, label: `${megabytesPerSecondMin} MB/s` },
        }),
      },
    ],
    notes: [
      `Medians of ${repeats} runs. With a directory that includes the start and the end of the server that serves it, which makes a checkpoint; the running server has \`appendfsync everysec\`.`,
      'Values are random printable bytes, which do not compress; members and fields are numbers behind some letters, which do.',
      'Repeat with `npm run bench -- --only migration`.',
    ],
  }
}

async function makeSource(context: Context, keys: number): Promise<RunningServer> {
  const source = await context.redis({ flags: ['--appendonly', 'no', '--enable-debug-command', 'local'] })
  const send = async (name: string, requests: Requests, requestsToSend: number, pipeline: number): Promise<void> => {
    const shown = context.progress(name, requestsToSend, 'requests')
    const nextKey = inOrder(0, requestsToSend)
    const sent = await load({ port: source.port, connections: 4, pipeline, requests, nextKey, stopAtError: true, onProgress: shown.update })
    shown.finish()
    if (sent.errors > 0) throw new Error(`${name}: ${sent.firstError}`)
  }
  for (const { name, requests } of kinds) await send(name, requests, keys, 64)
  await send('streams', stream, keys * streamEntries, 64)
  for (const each of largeCases(context.size(300_000, 20_000))) await send(`a large ${each.name}`, each.requests, each.requestsToSend, 8)
  await redisCli(source.port, 'SETRANGE', 'huge', '33554431', 'x')
  await redisCli(
    source.port,
    'EVAL',
    "for i = 0, 99999 do redis.call('PEXPIREAT', string.format('string:%012d', i), 4102444800000) end",
    '0',
  )
  return source
}

/** Runs the program to its end, and answers the seconds. */
async function moraineRuns(...args: readonly string[]): Promise<number> {
  const startedMs = performance.now()
  await run(process.execPath, [moraine, ...args], { maxBuffer: 2 ** 26 })
  return (performance.now() - startedMs) / 1000
}

async function digestOf({ port }: RunningServer): Promise<readonly [digest: string, keys: number]> {
  return [await redisCli(port, 'DEBUG', 'DIGEST'), Number(await redisCli(port, 'DBSIZE'))]
}

async function loadedDigest(context: Context, directory: string): Promise<readonly [digest: string, keys: number]> {
  const flags = ['--appendonly', 'no', '--enable-debug-command', 'local', '--dbfilename', 'exported.rdb']
  const server = await context.redis({ directory, flags })
  const found = await digestOf(server)
  await context.discard(server)
  return found
}
