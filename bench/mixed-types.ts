/** Ten times more data than `maxmemory`, of all types: loaded, read type by type, read and written together, the server killed, and everything looked for again. */
import type { Context } from './context.ts'
import { inOrder, seededRandom, zipf } from './key-choice.ts'
import type { LatencyHistogram } from './latency-histogram.ts'
import { load } from './loader.ts'
import { expectKeys } from './memory.ts'
import type { MixedType } from './mixed-keys.ts'
import { mixedTypes } from './mixed-keys.ts'
import type { MemorySample, MemoryWatch } from './process-memory.ts'
import { watchMemory } from './process-memory.ts'
import type { RunningServer } from './processes.ts'
import type { Aim, Answer, Question } from './report.ts'
import { mixedRequests } from './requests.ts'
import type { Figures } from './server-metrics.ts'
import { figuresOf } from './server-metrics.ts'
import { barChart, lineChart } from './svg-chart.ts'
import { count, decimal, megabytes } from './table.ts'
import { askAll } from './verifying.ts'

const mib = 2 ** 20
const timesMemoryFull = 10
const keyBytes = 480
const rssShareMax = 1.15
const rssSlackBytes = 150 * mib
const delayMsMax = 20
const zipfTheta = 0.99
const typeCount = mixedTypes.length
/** Of what is lost so many are told. */
const shownMax = 20

export const mixed: Question = {
  name: 'mixed-types',
  title: 'All types, ten times more data than memory',
  prediction:
    'Strings, hashes, lists, sets, sorted sets and streams of some 450 bytes, as many of each, ten times `maxmemory` in all, `appendfsync everysec`: loaded over 8 connections with a pipeline of 16; then each type read by zipf 0.99; then all of them, ' +
    "three reads to one write by zipf 0.99, over 50 connections; then kill -9. The aims throughout: p99.9 of the event loop's delay under 20 ms, RSS never above 1.15 × maxmemory + 150 MB, and nothing that was acknowledged is lost.",
  diskBytes: (quick) => (quick ? 3e9 : 16e9),
  run: answer,
}

interface Phase {
  readonly name: string
  readonly replies: number
  readonly perSecond: number
  readonly latency: LatencyHistogram
  readonly delayMs: number | undefined
  readonly worstDelayMs: number | undefined
  readonly peak: MemorySample
  readonly samples: readonly MemorySample[]
}

interface TypeRead {
  readonly name: string
  readonly phase: Phase
  readonly reads: number | undefined
  readonly coldMs: (share: number) => number | undefined
}

async function answer(context: Context): Promise<Answer> {
  const maxmemoryMb = context.size(256, 32)
  const timesMemory = context.size(timesMemoryFull, 3)
  const keys = Math.floor((timesMemory * maxmemoryMb * mib) / keyBytes / typeCount)
  const flags = ['--maxmemory', `${maxmemoryMb}mb`, '--appendfsync', 'everysec']
  const server = await context.moraine({ flags })
  const loaded = await loadAll(context, server, keys)
  const reads: TypeRead[] = []
  for (const [i, type] of mixedTypes.entries()) reads.push(await readType(context, server, type, keys, 31 + i))
  const written = new Map<number, number>()
  const together = await readAndWrite(context, server, keys, written)
  await server.stop('SIGKILL')

  const again = await context.moraine({ flags, directory: server.directory })
  await expectKeys(again.port, keys * typeCount)
  const lost = await verify(context, again, keys, written)
  await context.discard(again)
  const phases = [loaded, ...reads.map(({ phase }) => phase), together]
  const limitBytes = rssShareMax * maxmemoryMb * mib + rssSlackBytes
  return {
    aims: aimsOf(phases, limitBytes, lost),
    tables: [
      {
        title: `${count(keys * typeCount)} keys, ${maxmemoryMb} MB allowed`,
        columns: [
          'phase',
          'requests',
          'requests/s',
          'p50 ms',
          'p99 ms',
          'worst ms',
          'loop p99.9 ms',
          'loop worst ms',
          'peak RSS MB',
          'mapped MB',
        ],
        rows: phases.map((phase) => [
          phase.name,
          count(phase.replies),
          count(phase.perSecond),
          decimal(phase.latency.quantileMs(0.5)),
          decimal(phase.latency.quantileMs(0.99)),
          decimal(phase.latency.maxMs, 0),
          decimal(phase.delayMs, 1),
          decimal(phase.worstDelayMs, 1),
          megabytes(phase.peak.rss),
          megabytes(phase.peak.file),
        ]),
      },
      {
        title: 'By type: zipf 0.99 over the keys of one type, 50 connections, not pipelined',
        columns: ['type', 'hit ratio', 'reads from disk', 'cold read p50 ≤ ms', 'cold read p99 ≤ ms'],
        rows: reads.map(({ name, phase, reads: cold, coldMs }) => [
          name,
          cold === undefined ? '–' : `${decimal(100 * (1 - cold / phase.replies), 1)}%`,
          count(cold),
          decimal(coldMs(0.5)),
          decimal(coldMs(0.99)),
        ]),
      },
    ],
    charts: [
      {
        name: 'rss',
        title: 'Resident memory',
        svg: lineChart({
          title: `Resident memory while all types are loaded, then read and written, ${maxmemoryMb} MB allowed`,
          xLabel: 'seconds of the phase',
          yLabel: 'MB',
          series: [loaded, together].map(({ name, samples }) => ({
            name,
            points: samples.map(({ seconds, rss }) => [seconds, rss / mib] as const),
          })),
          limits: [{ at: limitBytes / mib, label: '1.15 × maxmemory + 150 MB' }],
        }),
      },
      {
        name: 'hits',
        title: 'Hit ratio by type',
        svg: barChart({
          title: 'Share of reads that were served from memory, by type',
          unit: '%',
          groups: reads.map(({ name }) => name),
          series: [
            {
              name: 'hit ratio',
              values: reads.map(({ phase, reads: cold }) => (cold === undefined ? undefined : 100 * (1 - cold / phase.replies))),
            },
          ],
        }),
      },
    ],
    notes: [
      `Lost: of all ${count(written.size)} keys that were written to, how much was added was compared with what was acknowledged; of ${count(lost.looked)} keys also an element that was loaded. DBSIZE was compared, too.`,
      'Mapped: pages of files, LevelDB’s tables nearly all of them, which the system counts as resident and takes back when it needs them. Keys stay in memory, and when they alone fill `maxmemory` the limit gives way to them by a tenth and 100 MB.',
      'A cold read is from the request for the cold store until the value is there, by the buckets of `moraine_tier_read_seconds`. Values on disk fit the page cache of the system.',
      'The delay of the event loop is the server’s own measure, over a phase; a write by EVAL is among the mixed ones.',
      'Repeat with `npm run bench -- --only mixed-types`.',
    ],
  }
}

/** Does something while memory and delays are watched. */
async function phaseOf(name: string, server: RunningServer, work: () => ReturnType<typeof load>): Promise<Phase> {
  await figuresOf(server)
  const watch: MemoryWatch = watchMemory(server.pid)
  const result = await work()
  if (result.errors > 0) throw new Error(`${name}: ${result.firstError}`)
  if (result.misses > 0) throw new Error(`${name}: ${result.misses} keys are missing`)
  const after = await figuresOf(server)
  const { samples, peak } = watch.stop()
  const delay = (quantile: string) => {
    const seconds = after.read('moraine_event_loop_delay_seconds', quantile)
    return seconds === undefined ? undefined : seconds * 1000
  }
  const { replies, perSecond, latency } = result
  return { name, replies, perSecond, latency, delayMs: delay('0.999'), worstDelayMs: delay('1'), samples, peak }
}

function loadAll(context: Context, server: RunningServer, keys: number): Promise<Phase> {
  const all = keys * typeCount
  const shown = context.progress('loading', all, 'keys')
  // Keys of all types come in turns.
  const requests = mixedRequests(mixedTypes.map(({ make }) => make))
  return phaseOf('load', server, async () => {
    const result = await load({
      port: server.port,
      connections: 8,
      pipeline: 16,
      requests,
      nextKey: inOrder(0, all),
      stopAtError: true,
      onProgress: shown.update,
    })
    shown.finish()
    return result
  })
}

async function readType(context: Context, server: RunningServer, { name, read }: MixedType, keys: number, seed: number): Promise<TypeRead> {
  const nextKey = zipf(keys, zipfTheta, seed)
  const get = (durationMs: number) => load({ port: server.port, connections: 50, pipeline: 1, requests: read, nextKey, durationMs })
  await get(context.size(4000, 700))
  const before = await figuresOf(server)
  const phase = await phaseOf(`read ${name}`, server, () => get(context.size(6000, 1000)))
  const after = await figuresOf(server)
  context.say(`${name}: ${count(phase.perSecond)} reads/s`)
  const total = (figures: Figures) => {
    const own = figures.read('moraine_tier_reads_total')
    return own === undefined ? undefined : own + (figures.read('moraine_tier_shared_reads_total') ?? 0)
  }
  const [earlier, later] = [total(before), total(after)]
  return {
    name,
    phase,
    reads: earlier === undefined || later === undefined ? undefined : later - earlier,
    coldMs: (share) => {
      const seconds = after.quantile('moraine_tier_read_seconds', share, before)
      return seconds === undefined ? undefined : seconds * 1000
    },
  }
}

/** Three reads to one write. A number stands for a key, its type and whether it is written: number = (key * types + type) * 4 + which. */
function readAndWrite(context: Context, server: RunningServer, keys: number, written: Map<number, number>): Promise<Phase> {
  const perType = mixedTypes.flatMap(({ read, write }) => [read, read, read, write])
  const requests = mixedRequests(perType)
  const choose = zipf(keys, zipfTheta, 97)
  const random = seededRandom(98)
  const nextKey = () => {
    const key = choose()
    const of = Math.floor(random() * perType.length)
    const type = of >> 2
    if (of % 4 === 3) written.set(key * typeCount + type, (written.get(key * typeCount + type) ?? 0) + 1)
    return key * perType.length + of
  }
  return phaseOf('read and write', server, () =>
    load({ port: server.port, connections: 50, pipeline: 1, requests, nextKey, durationMs: context.size(30_000, 3000) }),
  )
}

interface Lost {
  readonly wrong: number
  readonly first: string
  readonly looked: number
}

async function verify(context: Context, { port }: RunningServer, keys: number, written: ReadonlyMap<number, number>): Promise<Lost> {
  const wrong: string[] = []
  const counts = [...written].map(([number, times]) => {
    const { added, made } = mixedTypes[number % typeCount]!
    return { request: added(Math.floor(number / typeCount)), value: `${made + times}` }
  })
  const random = seededRandom(5)
  const contents = Array.from({ length: context.size(200_000, 5000) }, (_, i) =>
    mixedTypes[i % typeCount]!.content(Math.floor(random() * keys)),
  )
  const questions = [...counts, ...contents]
  const shown = context.progress('verifying', questions.length, 'keys')
  await askAll(
    port,
    questions.map(({ request }) => request),
    (i, reply) => {
      const { request, value } = questions[i]!
      if (reply !== value) wrong.push(`${request.join(' ')}: '${reply.slice(0, 80)}' instead of '${value.slice(0, 80)}'`)
      shown.update(i + 1)
    },
  )
  shown.finish()
  for (const each of wrong.slice(0, shownMax)) context.say(each)
  return { wrong: wrong.length, first: wrong[0] ?? '', looked: contents.length }
}

function aimsOf(phases: readonly Phase[], limitBytes: number, lost: Lost): Aim[] {
  const delays = phases.map(({ delayMs }) => delayMs ?? Number.NaN)
  const worst = delays.indexOf(Math.max(...delays))
  const peak = Math.max(...phases.map((phase) => phase.peak.rss))
  return [
    {
      aim: `event-loop delay p99.9 in each phase: < ${delayMsMax} ms`,
      measured: `${decimal(delays[worst], 1)} ms (${phases[worst]?.name})`,
      met: delays.every((ms) => ms < delayMsMax),
    },
    { aim: `peak RSS: ≤ ${megabytes(limitBytes)} MB`, measured: `${megabytes(peak)} MB`, met: peak <= limitBytes },
    {
      aim: 'nothing lost by kill -9',
      measured: lost.wrong === 0 ? 'nothing' : `${count(lost.wrong)} wrong; ${lost.first}`,
      met: lost.wrong === 0,
    },
  ]
}
