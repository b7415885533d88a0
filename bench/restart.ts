/** How long a server with ten million cold keys takes to start, and how fast it replays what its log has beyond the last checkpoint. */
import { coldData, noCheckpoints } from './cold-data.ts'
import type { Context } from './context.ts'
import { uniform } from './key-choice.ts'
import { load } from './loader.ts'
import { expectKeys } from './memory.ts'
import { memoryOf } from './process-memory.ts'
import type { RunningServer } from './processes.ts'
import type { Answer, Question } from './report.ts'
import { respSet, smallValue } from './requests.ts'
import { barChart } from './svg-chart.ts'
import { count, decimal, megabytes } from './table.ts'

const secondsMax = 6
const recordsPerSecondMin = 200_000
/** A million values on disk that are out of date would start a checkpoint, and the tail would be gone. */
const overwrittenKeysMax = 500_000

export const restart: Question = {
  name: 'restart',
  title: 'Restart',
  prediction:
    'Ten million keys of 16 bytes whose values of 64 bytes rest on disk, checkpointed. From exec to the first answered command: under 6 s. ' +
    'Then two million SETs to half a million of the keys, beyond the checkpoint, and kill -9: the tail of the log is replayed at 200,000 records/s or more.',
  diskBytes: (quick) => (quick ? 1e9 : 7e9),
  run: answer,
}

interface Start {
  readonly name: string
  readonly readyMs: number
  readonly steps: string
  readonly rss: number
}

async function answer(context: Context): Promise<Answer> {
  const { directory, keys, loadedPerSecond, checkpointSeconds, stopMs } = await coldData(context)
  const records = context.size(2_000_000, 100_000)
  const start = () => context.moraine({ directory, flags: ['--appendfsync', 'everysec', ...noCheckpoints] })

  const first = await start()
  const checkpointed = await describe(first, keys, 'checkpointed')
  const shown = context.progress('records beyond the checkpoint', records, 'records')
  let sent = 0
  const choose = uniform(Math.min(keys, overwrittenKeysMax), 13)
  const tail = await load({
    port: first.port,
    connections: 4,
    pipeline: 128,
    requests: respSet(smallValue),
    nextKey: () => (sent++ < records ? choose() : -1),
    onProgress: (done) => shown.update(done),
  })
  shown.update(tail.replies)
  shown.finish()
  if (tail.errors > 0) throw new Error(`a SET was refused: ${tail.firstError}`)
  // A clean stop would make a checkpoint. Under everysec what is acknowledged is with the system, so every record is there to be replayed.
  const killedMs = await first.stop('SIGKILL')

  const second = await start()
  const replayed = await describe(second, keys, `with ${count(records)} records to replay`)
  const replay = stepOf(second, 'log')
  const recordsPerSecond = replay === undefined ? undefined : replay.done / replay.seconds
  const stopAfterReplayMs = await second.stop('SIGTERM')
  const starts = [checkpointed, replayed]
  return {
    aims: [
      {
        aim: `restart with ${count(keys)} cold keys: < ${secondsMax} s`,
        measured: `${decimal(checkpointed.readyMs / 1000, 1)} s`,
        met: checkpointed.readyMs < secondsMax * 1000,
      },
      {
        aim: `the log's tail: ≥ ${count(recordsPerSecondMin)} records/s`,
        measured: recordsPerSecond === undefined ? '–' : `${count(recordsPerSecond)}/s`,
        met: recordsPerSecond === undefined ? undefined : recordsPerSecond >= recordsPerSecondMin,
      },
    ],
    tables: [
      {
        title: `Start with ${count(keys)} keys`,
        columns: ['data', 'exec to ready, s', 'steps the server told', 'RSS MB'],
        rows: starts.map(({ name, readyMs, steps, rss }) => [name, decimal(readyMs / 1000), steps, megabytes(rss)]),
      },
      {
        title: 'Around it',
        columns: ['step', 'figure'],
        rows: [
          ['keys loaded per second (`appendfsync everysec`)', count(loadedPerSecond)],
          ['checkpoint of all of them, s', decimal(checkpointSeconds, 1)],
          ['stop after the checkpoint, ms', count(stopMs)],
          ['SETs per second into the tail', count(tail.perSecond)],
          ['end by kill -9 with that tail, ms', count(killedMs)],
          ['stop after the replay, ms', count(stopAfterReplayMs)],
          ['records replayed, by the server', count(replay?.done)],
        ],
      },
    ],
    charts: [
      {
        name: 'seconds',
        title: 'Time to start',
        svg: barChart({
          title: `Seconds from exec to ready, ${count(keys)} cold keys`,
          unit: 's',
          groups: starts.map(({ name }) => name),
          series: [{ name: 'Moraine', values: starts.map(({ readyMs }) => readyMs / 1000) }],
          limit: { at: secondsMax, label: `${secondsMax} s` },
        }),
      },
    ],
    notes: [
      "The files are in the system's page cache, as after a crash of the process; after a crash of the machine the disk would have to be read.",
    ],
  }
}

async function describe(server: RunningServer, keys: number, name: string): Promise<Start> {
  await expectKeys(server.port, keys)
  const steps = ['catalog', 'log scan', 'log'].flatMap((step) => {
    const found = stepOf(server, step)
    return found === undefined ? [] : [`${step} ${found.seconds.toFixed(1)} s`]
  })
  return { name, readyMs: server.readyMs, steps: steps.join(', '), rss: memoryOf(server.pid).rss }
}

/** The line in which the server says how a step of its start ended. */
function stepOf(server: RunningServer, step: string): { readonly done: number; readonly seconds: number } | undefined {
  for (const line of server.lines) {
    if (!line.includes(`"${step}: `)) continue
    const { done, seconds } = JSON.parse(line) as { done?: number; seconds?: number }
    if (done !== undefined && seconds !== undefined) return { done, seconds }
  }
  return undefined
}
