/** Memory per key: hot beside redis-server, and with every value on disk. */
import { setTimeout as pause } from 'node:timers/promises'
import { coldData, fill, keysOf, noCheckpoints } from './cold-data.ts'
import type { Context } from './context.ts'
import type { ProcessMemory } from './process-memory.ts'
import { memoryOf } from './process-memory.ts'
import { redisCli } from './processes.ts'
import type { Answer, Question } from './report.ts'
import { respSet, smallValue } from './requests.ts'
import { barChart } from './svg-chart.ts'
import { count, decimal, megabytes } from './table.ts'

const coldBytesMax = 75
/** After a load or a start, what the allocator and the collector give back by themselves has been given back. */
const settleMs = 3000

export const memory: Question = {
  name: 'memory',
  title: 'Memory per key',
  prediction:
    'Ten million keys of 16 bytes with values of 64 bytes; resident memory of the whole process divided by the keys, nothing subtracted. ' +
    'Hot: no more than redis-server. Cold (loaded, checkpointed, the server started again): at most 75 bytes.',
  diskBytes: (quick) => (quick ? 1e9 : 6e9),
  run: answer,
}

interface Measured {
  readonly name: string
  readonly memory: ProcessMemory
  readonly empty: ProcessMemory
  readonly loadedPerSecond: number | undefined
}

async function answer(context: Context): Promise<Answer> {
  const keys = keysOf(context)
  const hot = await measureHot(context, 'Moraine')
  const redis = await measureHot(context, 'Redis')
  const { cold, empty, atOnce } = await measureCold(context)
  const each = (of: ProcessMemory) => of.rss / keys
  const row = ({ name, memory: of, empty: before, loadedPerSecond }: Measured) => [
    name,
    decimal(each(of), 1),
    decimal((of.rss - before.rss) / keys, 1),
    megabytes(of.rss),
    megabytes(of.anonymous),
    megabytes(of.file),
    megabytes(before.rss),
    count(loadedPerSecond),
  ]
  const measured: Measured[] = [
    { name: 'Moraine, hot', ...hot },
    { name: 'redis-server', ...redis },
    { name: 'Moraine, cold', memory: cold, empty, loadedPerSecond: undefined },
  ]
  return {
    aims: [
      {
        aim: 'RSS per hot key: ≤ Redis',
        measured: `${decimal(each(hot.memory), 1)} B, Redis ${decimal(each(redis.memory), 1)} B`,
        met: context.quick ? undefined : each(hot.memory) <= each(redis.memory),
      },
      {
        aim: `RSS per cold key: ≤ ${coldBytesMax} B`,
        measured: `${decimal(each(cold), 1)} B`,
        met: context.quick ? undefined : each(cold) <= coldBytesMax,
      },
    ],
    tables: [
      {
        title: `${count(keys)} keys of 16 bytes, values of 64 bytes`,
        columns: ['server', 'B per key', 'without the empty process', 'RSS MB', 'anonymous MB', 'file MB', 'empty RSS MB', 'loaded keys/s'],
        rows: measured.map(row),
      },
    ],
    charts: [
      {
        name: 'per-key',
        title: 'Resident memory per key',
        svg: barChart({
          title: `Resident bytes per key, ${count(keys)} keys, 16-byte keys and 64-byte values`,
          unit: 'B per key',
          groups: measured.map(({ name }) => name),
          series: [{ name: 'RSS / keys', values: measured.map(({ memory: of }) => each(of)) }],
          limit: { at: coldBytesMax, label: `${coldBytesMax} B, the aim for cold keys` },
        }),
      },
    ],
    notes: [
      `"file" are pages of files that the process maps: its own program, and tables of the cold store; the system may take them back at any time.`,
      `Read ${settleMs / 1000} s after the load or the start, when the collector has had time. Cold, at the moment of readiness: ${megabytes(atOnce.rss)} MB.`,
      context.quick
        ? 'With so few keys the empty process dominates: the figures per key mean nothing.'
        : 'The empty process is part of the figures that the aims are held against.',
    ],
  }
}

async function measureHot(context: Context, which: 'Moraine' | 'Redis'): Promise<Omit<Measured, 'name'>> {
  const keys = keysOf(context)
  const server =
    which === 'Moraine'
      ? await context.moraine({ flags: ['--appendonly', 'no', '--tier-enabled', 'no'] })
      : await context.redis({ flags: ['--appendonly', 'no'] })
  const empty = memoryOf(server.pid)
  const { perSecond } = await fill(context, server, keys, respSet(smallValue))
  await expectKeys(server.port, keys)
  await pause(settleMs)
  const memory = memoryOf(server.pid)
  await context.discard(server)
  return { memory, empty, loadedPerSecond: perSecond }
}

async function measureCold(context: Context): Promise<{ cold: ProcessMemory; empty: ProcessMemory; atOnce: ProcessMemory }> {
  const fresh = await context.moraine()
  const empty = memoryOf(fresh.pid)
  await context.discard(fresh)
  const { directory, keys } = await coldData(context)
  const server = await context.moraine({ directory, flags: noCheckpoints })
  const atOnce = memoryOf(server.pid)
  await expectKeys(server.port, keys)
  await pause(settleMs)
  const cold = memoryOf(server.pid)
  await server.stop('SIGTERM')
  return { cold, empty, atOnce }
}

/** A figure per key is worth nothing if keys are missing. */
export async function expectKeys(port: number, keys: number): Promise<void> {
  const found = Number(await redisCli(port, 'DBSIZE'))
  if (found !== keys) throw new Error(`${found} keys where there should be ${keys}`)
}
