/**
 * How long does a commit take, and how many records does group commit carry, with 1 to 256 callers that each wait for
 * their record before they append the next? Prints p50 and p99 in milliseconds and records a second; about a second a row.
 *
 *     npx tsx bench/group-commit.ts [directory]
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Clock } from '../storage/clock.ts'
import { NodeFileSystem } from '../storage/node-file-system.ts'
import { LocalLog } from '../wal/local-log.ts'
import type { SyncPolicy } from '../wal/transaction-log.ts'

const ROW_MS = 1000
const RECORD = Buffer.alloc(100, 'r')

const clock: Clock = {
  wallMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  afterTurn: (work) => {
    setImmediate(work)
  },
  after: (delayMs, work) => {
    const timer = setTimeout(work, delayMs).unref()
    return { cancel: () => clearTimeout(timer) }
  },
}

interface Row {
  readonly p50Ms: number
  readonly p99Ms: number
  readonly recordsPerSecond: number
  readonly recordsPerGroup: number
}

async function measure(directory: string, syncPolicy: SyncPolicy, waiters: number): Promise<Row> {
  const random = { nextUint32: () => (Math.random() * 2 ** 32) >>> 0 }
  const log = await LocalLog.open({ files: new NodeFileSystem(), clock, random, directory, syncPolicy })
  const latenciesMs: number[] = []
  // Start times by LSN: waiters append in order, so commits take them in order.
  const startsMs: number[] = []
  let next = 0
  const beginMs = performance.now()
  await new Promise<void>((resolve, reject) => {
    const appendOne = (): void => {
      startsMs.push(performance.now())
      log.append(RECORD, 0, RECORD.length)
    }
    log.onFailed = reject
    log.onCommitted = (committed) => {
      const nowMs = performance.now()
      const freed = committed - next
      for (; next < committed; next += 1) latenciesMs.push(nowMs - startsMs[next]!)
      if (nowMs - beginMs < ROW_MS) {
        setImmediate(() => {
          for (let i = 0; i < freed; i += 1) appendOne()
          log.flush()
        })
      } else if (committed === log.appended) {
        resolve()
      }
    }
    for (let i = 0; i < waiters; i += 1) appendOne()
    log.flush()
  })
  const seconds = (performance.now() - beginMs) / 1000
  const { groups, records } = log.stats()
  await log.close()
  latenciesMs.sort((a, b) => a - b)
  return {
    p50Ms: latenciesMs[Math.floor(records * 0.5)]!,
    p99Ms: latenciesMs[Math.floor(records * 0.99)]!,
    recordsPerSecond: Math.round(records / seconds),
    recordsPerGroup: records / groups,
  }
}

const base = await mkdtemp(join(process.argv[2] ?? process.cwd(), '.group-commit-'))
try {
  console.log('policy    waiters  p50 ms  p99 ms  records/s  records/group')
  for (const syncPolicy of ['always', 'everysec'] as const) {
    for (const waiters of [1, 16, 64, 256]) {
      const row = await measure(join(base, `${syncPolicy}-${waiters}`), syncPolicy, waiters)
      const cells = [
        syncPolicy.padEnd(9),
        String(waiters).padStart(7),
        row.p50Ms.toFixed(3).padStart(7),
        row.p99Ms.toFixed(3).padStart(7),
        String(row.recordsPerSecond).padStart(10),
        row.recordsPerGroup.toFixed(1).padStart(14),
      ]
      console.log(cells.join(' '))
    }
  }
} finally {
  await rm(base, { recursive: true })
}
