/**
 * Ten times more data than `maxmemory`: loading it, then reading it back by zipf and uniformly, beside memcached with
 * its external store. What is watched while loading: latency, the event loop's delay, resident memory.
 */
import type { Context } from './context.ts'
import type { NextKey } from './key-choice.ts'
import { inOrder, uniform, zipf } from './key-choice.ts'
import type { LoadResult } from './loader.ts'
import { load } from './loader.ts'
import type { MemorySample } from './process-memory.ts'
import { watchMemory } from './process-memory.ts'
import type { RunningServer } from './processes.ts'
import type { Aim, Answer, Question } from './report.ts'
import type { Requests } from './requests.ts'
import { halfCompressible, memcachedGet, memcachedSet, respGet, respSet } from './requests.ts'
import type { Figures } from './server-metrics.ts'
import { figuresOf } from './server-metrics.ts'
import { lineChart } from './svg-chart.ts'
import type { Table } from './table.ts'
import { count, decimal, megabytes } from './table.ts'

const mib = 2 ** 20
const timesMemory = 10
const rssShareMax = 1.15
const rssSlackBytes = 150 * mib
const delayMsMax = 20
const connections = 8
const loadPipeline = 16
const zipfTheta = 0.99

export const tier: Question = {
  name: 'tier',
  title: 'Ten times more data than memory',
  prediction:
    'Values of 400 bytes, half of each compressible, ten times `maxmemory` in all, loaded in order over 8 connections, 16 pipelined, `appendfsync everysec`; ' +
    "then GET by zipf 0.99 and uniformly, not pipelined. The aims while loading: RSS never above 1.15 × maxmemory + 150 MB, and p99.9 of the event loop's " +
    'delay under 20 ms. Beside it memcached with `ext_path` and the same memory.',
  diskBytes: (quick) => (quick ? 2e9 : 12e9),
  run: answer,
}

interface Contender {
  readonly name: string
  readonly server: RunningServer
  readonly set: Requests
  readonly get: () => Requests
}

interface Loaded {
  readonly load: LoadResult
  readonly samples: readonly MemorySample[]
  readonly peak: MemorySample
  readonly rates: readonly (readonly [seconds: number, perSecond: number])[]
  readonly before: Figures
  readonly after: Figures
}

interface Read {
  readonly pattern: string
  readonly load: LoadResult
  readonly readFromDisk: number | undefined
}

async function answer(context: Context): Promise<Answer> {
  const maxmemoryMb = context.size(256, 32)
  const keys = Math.floor((timesMemory * maxmemoryMb * mib) / halfCompressible.bytes)
  const moraine = await context.moraine({ flags: ['--maxmemory', `${maxmemoryMb}mb`, '--appendfsync', 'everysec'] })
  const ours: Contender = { name: 'Moraine', server: moraine, set: respSet(halfCompressible), get: respGet }
  const loaded = await fillWatched(context, ours, keys)
  const reads = await readBoth(context, ours, loaded.load.replies - loaded.load.errors)
  await context.discard(moraine)

  const cache = await startMemcached(context, maxmemoryMb, keys)
  const theirs: Contender = { name: 'memcached', server: cache, set: memcachedSet(halfCompressible), get: memcachedGet }
  const cached = await fillWatched(context, theirs, keys, loaded.load.perSecond)
  const cacheReads = await readBoth(context, theirs, keys)
  await context.discard(cache)

  const limitBytes = rssShareMax * maxmemoryMb * mib + rssSlackBytes
  return {
    aims: aimsOf(loaded, limitBytes, keys),
    tables: [loadTable(loaded, cached, keys), readTable(reads, cacheReads)],
    charts: [
      {
        name: 'rss',
        title: 'Resident memory while loading',
        svg: lineChart({
          title: `Resident memory while ${count(keys)} values of 400 bytes are loaded, ${maxmemoryMb} MB allowed`,
          xLabel: 'seconds',
          yLabel: 'MB',
          series: [ours, theirs].map(({ name }, i) => ({
            name,
            points: (i === 0 ? loaded : cached).samples.map(({ seconds, rss }) => [seconds, rss / mib] as const),
          })),
          limits: [
            { at: maxmemoryMb, label: 'maxmemory' },
            { at: limitBytes / mib, label: '1.15 × maxmemory + 150 MB' },
          ],
        }),
      },
      {
        name: 'rate',
        title: 'SET per second while loading',
        svg: lineChart({
          title: 'SET per second while loading',
          xLabel: 'seconds',
          yLabel: 'SET/s',
          series: [
            { name: 'Moraine', points: loaded.rates },
            { name: 'memcached', points: cached.rates },
          ],
        }),
      },
    ],
    notes: [
      ...notes,
      ...(loaded.load.errors > 0 ? [`Moraine refused the load after ${count(loaded.load.replies)} SETs: ${loaded.load.firstError}`] : []),
    ],
  }
}

const notes = [
  'memcached is a cache: it logs nothing, drops values when memory or its file is short, and loses all of them at its end. Moraine keeps every ' +
    'value, logs each SET and syncs the log each second. "Missing" says how many of the values that were read back were gone.',
  'memcached is loaded no faster than Moraine was: at full speed its file falls behind and it drops nine values of ten. What its memory cannot list it drops at any speed.',
  "memcached's -m bounds its items; its hash table and buffers come on top, and its headers of values on disk count as items. Moraine's maxmemory bounds everything.",
  'memcached runs with four threads and one for its file, Moraine with one for commands and several for files.',
  'The latency of SET runs from the sending of a batch of 16 to the reply, so it includes the batch. Values on disk fit the page cache of the system.',
]

function startMemcached(context: Context, memoryMb: number, keys: number): Promise<RunningServer> {
  const fileMb = Math.ceil((keys * (halfCompressible.bytes + 100) * 1.5) / mib / 64 + 8) * 64
  return context.memcached(memoryMb, ['-o', `ext_path=${context.root}/memcached-external:${fileMb}m,ext_item_size=200`, '-t', '4'])
}

async function fillWatched(context: Context, contender: Contender, keys: number, perSecondMax = Number.POSITIVE_INFINITY): Promise<Loaded> {
  const { server } = contender
  const before = await figuresOf(server)
  const shown = context.progress(`${contender.name}: loading`, keys, 'keys')
  const watch = watchMemory(server.pid)
  const rates: [number, number][] = []
  const startedMs = performance.now()
  let seen = { replies: 0, atMs: startedMs }
  const result = await load({
    port: server.port,
    connections,
    pipeline: loadPipeline,
    requests: contender.set,
    nextKey: inOrder(0, keys),
    perSecondMax,
    stopAtError: contender.name === 'Moraine',
    onProgress: (replies) => {
      shown.update(replies)
      const nowMs = performance.now()
      if (nowMs - seen.atMs < 1000) return
      rates.push([(nowMs - startedMs) / 1000, ((replies - seen.replies) * 1000) / (nowMs - seen.atMs)])
      seen = { replies, atMs: nowMs }
    },
  })
  shown.update(result.replies)
  shown.finish()
  return { load: result, ...watch.stop(), rates, before, after: await figuresOf(server) }
}

async function readBoth(context: Context, contender: Contender, keys: number): Promise<Read[]> {
  const patterns: readonly (readonly [string, NextKey])[] = [
    ['zipf 0.99', zipf(keys, zipfTheta, 17)],
    ['uniform', uniform(keys, 19)],
  ]
  const reads: Read[] = []
  for (const [pattern, nextKey] of patterns) {
    const get = (durationMs: number) =>
      load({ port: contender.server.port, connections: 50, pipeline: 1, requests: contender.get(), nextKey, durationMs })
    await get(context.size(8000, 1000))
    const before = await figuresOf(contender.server)
    const result = await get(context.size(12_000, 2000))
    const after = await figuresOf(contender.server)
    context.say(`${contender.name}: ${pattern}, ${count(result.perSecond)} GET/s`)
    reads.push({ pattern, load: result, readFromDisk: readsBetween(before, after) })
  }
  return reads
}

function readsBetween(before: Figures, after: Figures): number | undefined {
  const total = (figures: Figures) => {
    const own = figures.read('moraine_tier_reads_total')
    return own === undefined ? undefined : own + (figures.read('moraine_tier_shared_reads_total') ?? 0)
  }
  const [earlier, later] = [total(before), total(after)]
  return earlier === undefined || later === undefined ? undefined : later - earlier
}

function delayMs(figures: Figures, quantile: string): number | undefined {
  const seconds = figures.read('moraine_event_loop_delay_seconds', quantile)
  return seconds === undefined ? undefined : seconds * 1000
}

function aimsOf(loaded: Loaded, limitBytes: number, keys: number): Aim[] {
  const delay = delayMs(loaded.after, '0.999')
  const stored = loaded.load.replies - loaded.load.errors
  return [
    { aim: `all ${count(keys)} values accepted`, measured: count(stored), met: stored === keys },
    {
      aim: `peak RSS while loading: ≤ ${megabytes(limitBytes)} MB`,
      measured: `${megabytes(loaded.peak.rss)} MB`,
      met: loaded.peak.rss <= limitBytes,
    },
    {
      aim: `event-loop delay p99.9 while loading: < ${delayMsMax} ms`,
      measured: delay === undefined ? '–' : `${decimal(delay, 1)} ms`,
      met: delay === undefined ? undefined : delay < delayMsMax,
    },
  ]
}

function loadTable(loaded: Loaded, cached: Loaded, keys: number): Table {
  const row = (name: string, { load: result, peak, after }: Loaded) => [
    name,
    count(result.replies - result.errors),
    decimal(result.seconds, 1),
    count(result.perSecond),
    decimal(result.latency.quantileMs(0.5)),
    decimal(result.latency.quantileMs(0.99)),
    decimal(result.latency.maxMs, 0),
    decimal(delayMs(after, '0.999'), 1),
    decimal(delayMs(after, '1'), 1),
    megabytes(peak.rss),
    megabytes(peak.anonymous),
    megabytes(peak.file),
  ]
  return {
    title: `Loading ${count(keys)} values`,
    columns: [
      'server',
      'accepted',
      'seconds',
      'SET/s',
      'p50 ms',
      'p99 ms',
      'worst ms',
      'loop p99.9 ms',
      'loop worst ms',
      'peak RSS MB',
      'anonymous MB',
      'file MB',
    ],
    rows: [row('Moraine', loaded), row('memcached', cached)],
  }
}

function readTable(ours: readonly Read[], theirs: readonly Read[]): Table {
  const row = (name: string, { pattern, load: result, readFromDisk }: Read) => [
    name,
    pattern,
    count(result.perSecond),
    decimal(result.latency.quantileMs(0.5)),
    decimal(result.latency.quantileMs(0.99)),
    decimal(result.latency.maxMs, 0),
    readFromDisk === undefined ? '–' : `${decimal(100 * (1 - readFromDisk / result.replies), 1)}%`,
    `${decimal((100 * result.misses) / result.replies, 1)}%`,
  ]
  return {
    title: 'Reading it back: GET from 50 connections, not pipelined',
    columns: ['server', 'keys', 'GET/s', 'p50 ms', 'p99 ms', 'worst ms', 'served from memory', 'missing'],
    rows: [...ours.map((read) => row('Moraine', read)), ...theirs.map((read) => row('memcached', read))],
  }
}
