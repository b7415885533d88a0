/**
 * What many hashes of three fields cost beside redis-server, when one value is a byte too long for the compact form. Figures
 * are what the load adds to the servers' own used_memory and to the resident memory of the process.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { fill } from './cold-data.ts'
import type { Context } from './context.ts'
import { watchCollections } from './garbage-collections.ts'
import { threeFieldHashes } from './hash-requests.ts'
import { expectKeys } from './memory.ts'
import { memoryOf } from './process-memory.ts'
import type { RunningServer } from './processes.ts'
import { infoNumber } from './processes.ts'
import type { Aim } from './report.ts'
import type { Table } from './table.ts'
import { count, decimal, median } from './table.ts'

const redisBytes = 386
const pauseMsMax = 20
/** What is freed late is freed by then. */
const settleMs = 3000

export const memoryOnly = {
  moraine: ['--appendonly', 'no', '--tier-enabled', 'no'],
  redis: ['--appendonly', 'no'],
}

/** Bytes that a load added, and Moraine's longest pause meanwhile. */
interface Cost {
  readonly used: number
  readonly rss: number
  readonly perSecond: number
  readonly longestPauseMs: number | undefined
  readonly collections: number | undefined
}

interface Measured {
  readonly hashes: number
  readonly moraine: Cost
  readonly redis: Cost
}

export async function threeFieldAnswer(context: Context): Promise<{ aims: Aim[]; table: Table; notes: string[] }> {
  const some = await beside(context, context.size(100_000, 20_000), context.size(3, 1))
  const many = await beside(context, context.size(1_000_000, 50_000), 1)
  const used = some.moraine.used / some.hashes
  const pauseMs = many.moraine.longestPauseMs
  return {
    aims: [
      {
        aim: `${count(some.hashes)} hashes of three fields: ≤ ${redisBytes} B of used_memory a key`,
        measured: `${decimal(used, 1)} B, Redis ${decimal(some.redis.used / some.hashes, 1)} B`,
        met: used <= redisBytes,
      },
      {
        aim: `${count(many.hashes)} of them: GC pauses < ${pauseMsMax} ms`,
        measured: `${decimal(pauseMs, 1)} ms`,
        met: context.quick || pauseMs === undefined ? undefined : pauseMs < pauseMsMax,
      },
    ],
    table: {
      title: 'Hashes of three fields, values of 10, 10 and 65 bytes: bytes a key',
      columns: ['hashes', 'server', 'used_memory B', 'RSS growth B', 'HSET/s', 'longest GC pause ms', 'collections'],
      rows: [some, many].flatMap(({ hashes, moraine, redis }) => [row(hashes, 'Moraine', moraine), row(hashes, 'redis-server', redis)]),
    },
    notes: [
      `Keys of 16 bytes, HSET of all three fields. Of ${count(some.hashes)} hashes the medians of ${context.size(3, 1)} fresh processes, of ${count(many.hashes)} one process each; read ${settleMs / 1000} s after the load.`,
      'RSS growth is counted from the empty process, so it includes what the heap of Node itself grows by under the first load. A pause is what `--trace-gc` tells of a collection, the longest since the start.',
    ],
  }
}

function row(hashes: number, name: string, cost: Cost): string[] {
  const each = (bytes: number) => decimal(bytes / hashes, 1)
  return [
    count(hashes),
    name,
    each(cost.used),
    each(cost.rss),
    count(cost.perSecond),
    decimal(cost.longestPauseMs, 1),
    count(cost.collections),
  ]
}

async function beside(context: Context, hashes: number, repeats: number): Promise<Measured> {
  const ours: Cost[] = []
  const theirs: Cost[] = []
  for (let repeat = 0; repeat < repeats; repeat++) {
    ours.push(await measure(context, await context.moraine({ flags: memoryOnly.moraine, nodeFlags: ['--trace-gc'] }), hashes))
    theirs.push(await measure(context, await context.redis({ flags: memoryOnly.redis }), hashes))
  }
  return { hashes, moraine: medianOf(ours), redis: medianOf(theirs) }
}

async function measure(context: Context, server: RunningServer, hashes: number): Promise<Cost> {
  const used = async () => (await infoNumber(server.port, 'used_memory')) ?? Number.NaN
  const watch = server.name === 'Moraine' ? watchCollections(server) : undefined
  const usedBefore = await used()
  const rssBefore = memoryOf(server.pid).rss
  const { perSecond } = await fill(context, server, hashes, threeFieldHashes())
  await pause(settleMs)
  await expectKeys(server.port, hashes)
  const cost = { used: (await used()) - usedBefore, rss: memoryOf(server.pid).rss - rssBefore, perSecond }
  const collections = watch?.stop()
  await context.discard(server)
  return { ...cost, longestPauseMs: collections?.longestMs, collections: collections?.count }
}

function medianOf(costs: readonly Cost[]): Cost {
  const of = (read: (cost: Cost) => number | undefined) => {
    const values = costs.map(read).filter((value) => value !== undefined)
    return values.length === 0 ? undefined : median(values)
  }
  return {
    used: of(({ used }) => used) ?? Number.NaN,
    rss: of(({ rss }) => rss) ?? Number.NaN,
    perSecond: of(({ perSecond }) => perSecond) ?? Number.NaN,
    longestPauseMs: of(({ longestPauseMs }) => longestPauseMs),
    collections: of(({ collections }) => collections),
  }
}
