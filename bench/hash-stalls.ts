/** A hash of a gigabyte that is checkpointed, copied, renamed, deleted, expired and flushed: how long does everybody else wait? */
import { setTimeout as pause } from 'node:timers/promises'
import { noCheckpoints } from './cold-data.ts'
import type { Context } from './context.ts'
import { largeHashKey } from './hash-requests.ts'
import { fillLargeHash } from './large-hash.ts'
import type { RunningServer } from './processes.ts'
import { infoNumber, redisCli } from './processes.ts'
import type { Aim, Chart } from './report.ts'
import { figuresOf } from './server-metrics.ts'
import { barChart } from './svg-chart.ts'
import type { Table } from './table.ts'
import { count, decimal, median } from './table.ts'
import type { WaitProbe } from './wait-probe.ts'
import { startWaitProbe } from './wait-probe.ts'

const waitMsMax = 20
const renameBytesMax = 1024
const valueBytes = 1000
/** A command counts as ended when the server's memory has stopped changing. */
const steadyBytes = 2 ** 20
const steadyMs = 300
const steadyMsMax = 60_000
const copyKey = 'copy'

interface Case {
  readonly title: string
  readonly before?: readonly (readonly string[])[]
  readonly command: readonly string[]
}

const makeCopy = ['COPY', largeHashKey, copyKey, 'REPLACE']

const cases: readonly Case[] = [
  // Every round has a copy to write: what was written before is not written again.
  { title: 'checkpoint', before: [['DEL', copyKey], makeCopy], command: ['BGSAVE'] },
  { title: 'COPY', before: [['DEL', copyKey]], command: ['COPY', largeHashKey, copyKey] },
  { title: 'RENAME', before: [makeCopy, ['DEL', 'renamed']], command: ['RENAME', copyKey, 'renamed'] },
  { title: 'DEL', before: [['DEL', 'renamed'], makeCopy], command: ['DEL', copyKey] },
  { title: 'expiry', before: [makeCopy], command: ['PEXPIRE', copyKey, '1'] },
]
const flush: Case = { title: 'FLUSHALL', before: [makeCopy], command: ['FLUSHALL'] }

/** Medians over the rounds of one case. */
interface Stall {
  readonly waitMs: number
  /** By the server's own measure; unknown for Redis. */
  readonly heldMs: number | undefined
  readonly seconds: number
  readonly logBytes: number | undefined
}

export async function hashStallsAnswer(context: Context): Promise<{ aims: Aim[]; table: Table; chart: Chart; notes: string[] }> {
  const fields = context.size(1_000_000, 128_000)
  const repeats = context.size(3, 1)
  const always = ['--appendonly', 'yes', '--appendfsync', 'always']
  // One after the other: together they would need twice the memory.
  const ours = await stallsOf(
    context,
    await context.moraine({ flags: [...always, '--maxmemory', '6gb', ...noCheckpoints] }),
    fields,
    repeats,
  )
  const theirs = await stallsOf(context, await context.redis({ flags: [...always, '--auto-aof-rewrite-percentage', '0'] }), fields, repeats)
  const all = [...cases, flush]
  const held = ours.map(({ heldMs, waitMs }) => heldMs ?? waitMs)
  const worst = held.indexOf(Math.max(...held))
  const renameBytes = ours[all.findIndex(({ title }) => title === 'RENAME')]?.logBytes
  return {
    aims: [
      {
        aim: `a hash of ${megabytesOf(fields)} MB: the event loop is never held longer than ${waitMsMax} ms`,
        measured: `${held.filter((ms) => ms <= waitMsMax).length} of ${all.length}; ${all[worst]?.title}: ${decimal(held[worst], 1)} ms`,
        met: held[worst]! <= waitMsMax,
      },
      {
        aim: `RENAME of it: < ${count(renameBytesMax)} bytes of log`,
        measured: `${count(renameBytes)} B`,
        met: renameBytes === undefined ? undefined : renameBytes < renameBytesMax,
      },
    ],
    table: {
      title: `A hash of ${count(fields)} values of ${count(valueBytes)} bytes (${megabytesOf(fields)} MB), \`appendfsync always\``,
      columns: [
        'command',
        'PONG waits, ms',
        'loop held, ms',
        'done after, s',
        'log bytes',
        'Redis: PONG waits, ms',
        'Redis: done after, s',
      ],
      rows: all.map(({ title }, i) => [
        title,
        decimal(ours[i]?.waitMs, 1),
        decimal(ours[i]?.heldMs, 1),
        decimal(ours[i]?.seconds),
        count(ours[i]?.logBytes),
        decimal(theirs[i]?.waitMs, 1),
        decimal(theirs[i]?.seconds),
      ]),
    },
    chart: {
      name: 'waits',
      title: 'Longest wait beside a command on a large hash',
      svg: barChart({
        title: `Longest wait for PONG beside a command on a hash of ${megabytesOf(fields)} MB`,
        unit: 'ms',
        groups: all.map(({ title }) => title),
        series: [
          { name: 'Moraine', values: ours.map(({ waitMs }) => waitMs) },
          { name: 'redis-server', values: theirs.map(({ waitMs }) => waitMs) },
        ],
        limit: { at: waitMsMax, label: `${waitMsMax} ms` },
      }),
    },
    notes: [
      `Stalls are medians of ${repeats} rounds, FLUSHALL of one; from the command until it is answered and the memory of the server no longer changes. The checkpoint is BGSAVE, of Redis a fork; each has a copy of the hash to write.`,
      "The wait for PONG is another process's view and includes its own turn for a processor; how long the loop was held is the server's own `moraine_event_loop_delay_seconds`, a timer of 10 ms.",
    ],
  }
}

function megabytesOf(fields: number): string {
  return count((fields * valueBytes) / 1e6)
}

async function stallsOf(context: Context, server: RunningServer, fields: number, repeats: number): Promise<Stall[]> {
  await fillLargeHash(context, server, fields, valueBytes)
  const probe = startWaitProbe(server.port)
  try {
    const shown = context.progress(`${server.name}: stalls`, cases.length * repeats + 1, 'rounds')
    const rounds: Stall[][] = []
    for (const each of cases) {
      const stalls: Stall[] = []
      for (let repeat = 0; repeat < repeats; repeat++) {
        stalls.push(await stallOf(server, probe, each))
        shown.update(rounds.length * repeats + repeat + 1)
      }
      rounds.push(stalls)
    }
    rounds.push([await stallOf(server, probe, flush)])
    shown.update(cases.length * repeats + 1)
    shown.finish()
    return rounds.map(medianOf)
  } finally {
    probe.stop()
    await context.discard(server)
  }
}

async function stallOf(server: RunningServer, probe: WaitProbe, { before = [], command }: Case): Promise<Stall> {
  for (const each of before) await redisCli(server.port, ...each)
  await steady(server)
  const logBytes = () => infoNumber(server.port, 'log_written_bytes')
  const logBefore = await logBytes()
  await figuresOf(server)
  await probe.worstMs()
  const startedMs = performance.now()
  await redisCli(server.port, ...command)
  const seconds = await steady(server, startedMs)
  const waitMs = await probe.worstMs()
  const heldSeconds = (await figuresOf(server)).read('moraine_event_loop_delay_seconds', '1')
  const logAfter = await logBytes()
  return {
    waitMs,
    heldMs: heldSeconds === undefined ? undefined : heldSeconds * 1000,
    seconds,
    logBytes: logBefore === undefined || logAfter === undefined ? undefined : logAfter - logBefore,
  }
}

/** Waits until no save runs and memory has stopped changing; answers the seconds from the start to the last change seen. */
async function steady(server: RunningServer, startedMs = performance.now()): Promise<number> {
  let used = Number.NaN
  let changedMs = performance.now()
  while (performance.now() - startedMs < steadyMsMax) {
    const saving = await infoNumber(server.port, 'rdb_bgsave_in_progress')
    const now = (await infoNumber(server.port, 'used_memory')) ?? 0
    if (saving === 1 || !(Math.abs(now - used) < steadyBytes)) {
      used = now
      changedMs = performance.now()
    }
    if (performance.now() - changedMs >= steadyMs) return (changedMs - startedMs) / 1000
    await pause(steadyMs / 10)
  }
  throw new Error(`${server.name}: its memory still changes after ${steadyMsMax / 1000} s`)
}

function medianOf(rounds: readonly Stall[]): Stall {
  const of = (read: (stall: Stall) => number | undefined) => {
    const values = rounds.map(read).filter((value) => value !== undefined)
    return values.length === 0 ? undefined : median(values)
  }
  return {
    waitMs: of(({ waitMs }) => waitMs) ?? Number.NaN,
    heldMs: of(({ heldMs }) => heldMs),
    seconds: of(({ seconds }) => seconds) ?? Number.NaN,
    logBytes: of(({ logBytes }) => logBytes),
  }
}
