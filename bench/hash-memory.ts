/**
 * What hashes cost in memory beside redis-server: many small ones (ten fields), and one large one. Figures are the servers'
 * own used_memory, less what they use when empty, and the growth of the process (RSS). Environment: HASHES (a million),
 * FIELDS (of the large hash, a million). Run `npm run build` before.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { inOrder } from './key-choice.ts'
import { load } from './loader.ts'
import { memoryOf } from './process-memory.ts'
import type { RunningServer } from './processes.ts'
import { infoNumber, redisCli, startMoraine, startRedis } from './processes.ts'
import type { Requests } from './requests.ts'
import { respGet } from './requests.ts'
import { decimal, textTable } from './table.ts'

const HASHES = Number(process.env.HASHES ?? 1_000_000)
const FIELDS = Number(process.env.FIELDS ?? 1_000_000)
const fieldsPerHash = 10
/** Values are a letter and digits: integers would be stored otherwise by Redis. */
const valueDigits = 9
const emptyValue = `v${'0'.repeat(valueDigits)}`
/** What is freed late is freed by then. */
const settleMs = 3000

interface Load {
  readonly title: string
  readonly requests: Requests
  readonly count: number
  /** Names that the load makes: what `check` answers. */
  readonly check: readonly string[]
  readonly expected: number
}

/** Bytes that the load added. */
interface Cost {
  readonly used: number
  readonly rss: number
  readonly perSecond: number
}

function digits(buffer: Buffer, end: number, n: number): void {
  for (let left = n, at = end; left > 0; left = Math.floor(left / 10)) buffer[--at] = 0x30 + (left % 10)
}

function bulk(text: string): string {
  return `$${text.length}\r\n${text}\r\n`
}

/** Fields of six bytes, values of ten, a key of sixteen. */
function smallHashes(): Requests {
  const fields = Array.from({ length: fieldsPerHash }, (_, i) => bulk(`field${i}`) + bulk(emptyValue)).join('')
  const head = `*${2 + 2 * fieldsPerHash}\r\n${bulk('HSET')}`
  const template = Buffer.from(head + bulk(`key:${'0'.repeat(12)}`) + fields, 'latin1')
  const keyEnd = head.length + '$16\r\n'.length + 16
  const pairBytes = fields.length / fieldsPerHash
  return {
    requestBytes: template.length,
    encode(buffer, at, key) {
      template.copy(buffer, at)
      digits(buffer, at + keyEnd, key)
      for (let i = 0; i < fieldsPerHash; i++) {
        const valueEnd = keyEnd + 2 + (i + 1) * pairBytes - 2
        digits(buffer, at + valueEnd, (key * 31 + i * 7919 + 1_000_000_007) % 10 ** valueDigits)
      }
    },
    replies: () => respGet().replies(),
  }
}

/** Fields of one hash: seven bytes, values of ten. */
function largeHash(): Requests {
  const head = `*4\r\n${bulk('HSET')}${bulk('large')}`
  const template = Buffer.from(`${head}${bulk('0000000')}${bulk(emptyValue)}`, 'latin1')
  const fieldEnd = head.length + '$7\r\n'.length + 7
  return {
    requestBytes: template.length,
    encode(buffer, at, key) {
      template.copy(buffer, at)
      digits(buffer, at + fieldEnd, key)
      digits(buffer, at + template.length - 2, (key * 31 + 1_000_000_007) % 10 ** valueDigits)
    },
    replies: () => respGet().replies(),
  }
}

async function measure(server: RunningServer, of: Load): Promise<Cost> {
  const used = async () => (await infoNumber(server.port, 'used_memory')) ?? Number.NaN
  const usedBefore = await used()
  const rssBefore = memoryOf(server.pid).rss
  const options = { port: server.port, connections: 4, pipeline: 64, stopAtError: true }
  const { perSecond, errors, firstError } = await load({ ...options, requests: of.requests, nextKey: inOrder(0, of.count) })
  if (errors > 0) throw new Error(`${server.name}: ${firstError}`)
  await pause(settleMs)
  const found = Number(await redisCli(server.port, ...of.check))
  if (found !== of.expected) throw new Error(`${server.name}: ${found} instead of ${of.expected}`)
  return { used: (await used()) - usedBefore, rss: memoryOf(server.pid).rss - rssBefore, perSecond }
}

async function beside(of: Load): Promise<readonly string[][]> {
  const directory = await mkdtemp(join(tmpdir(), 'moraine-bench-hash-'))
  const rows: string[][] = []
  let redis: Cost | undefined
  try {
    for (const start of [startRedis, startMoraine]) {
      const server = await start(
        directory,
        start === startMoraine ? ['--appendonly', 'no', '--tier-enabled', 'no'] : ['--appendonly', 'no'],
      )
      const cost = await measure(server, of).finally(() => server.stop())
      redis ??= cost
      const each = (bytes: number) => decimal(bytes / of.expected, 1)
      const ratios = [cost.used / redis.used, cost.rss / redis.rss].map((ratio) => `${decimal(ratio)} ×`)
      rows.push([of.title, server.name, each(cost.used), ratios[0] ?? '', each(cost.rss), ratios[1] ?? '', `${Math.round(cost.perSecond)}`])
    }
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
  return rows
}

export async function run(): Promise<void> {
  const loads: readonly Load[] = [
    {
      title: `${HASHES} hashes of ${fieldsPerHash} fields`,
      requests: smallHashes(),
      count: HASHES,
      check: ['DBSIZE'],
      expected: HASHES,
    },
    {
      title: `one hash of ${FIELDS} fields`,
      requests: largeHash(),
      count: FIELDS,
      check: ['HLEN', 'large'],
      expected: FIELDS,
    },
  ]
  const rows: string[][] = []
  for (const of of loads) rows.push(...(await beside(of)))
  const columns = ['load', 'server', 'used_memory B each', 'beside Redis', 'RSS B each', 'beside Redis', 'HSET/s']
  console.log(textTable({ title: 'Memory per hash of ten fields, and per field of a large hash', columns, rows }))
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) await run()
