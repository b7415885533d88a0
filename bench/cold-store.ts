/**
 * What the cold store can take and give: rate and worst stall of a bulk load in batches of 512 KB with a sync every 100
 * batches, then latency of random reads, 1 and 16 under way. Environment: VALUES (how many, 1,000,000), VALUE_BYTES (400), DIRECTORY
 * (a disk to measure; the system's temporary directory). Run with UV_THREADPOOL_SIZE=8, as the server does.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Clock } from '../storage/clock.ts'
import type { ColdPut } from '../storage/cold-store.ts'
import { LevelColdStore } from '../storage/level-cold-store.ts'

const VALUES = Number(process.env.VALUES ?? 1_000_000)
const VALUE_BYTES = Number(process.env.VALUE_BYTES ?? 400)
const BATCH_BYTES = 512 * 1024
const BATCHES_PER_SYNC = 100
const READS = 50_000

const clock: Clock = {
  wallMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  afterTurn: (work) => void setImmediate(work),
  after: (delayMs, work) => {
    const timer = setTimeout(work, delayMs)
    return { cancel: () => clearTimeout(timer) }
  },
}

/** Milliseconds, sorted in place: median, 99th percentile, worst. */
function spread(latenciesMs: number[]): string {
  latenciesMs.sort((a, b) => a - b)
  const at = (share: number) => (latenciesMs[Math.floor((latenciesMs.length - 1) * share)] ?? 0).toFixed(3)
  return `p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, worst ${at(1)} ms`
}

async function timed(latenciesMs: number[], work: () => Promise<unknown>): Promise<void> {
  const from = performance.now()
  await work()
  latenciesMs.push(performance.now() - from)
}

async function load(store: LevelColdStore): Promise<void> {
  const noise = Buffer.alloc(1 << 20)
  for (let i = 0; i < noise.length; i += 4) noise.writeUInt32LE(Math.imul(i + 1, 2654435761) >>> 0, i)
  const perBatch = Math.max(1, Math.floor(BATCH_BYTES / VALUE_BYTES))
  const writes: number[] = []
  const syncs: number[] = []
  const from = performance.now()
  for (let id = 1; id <= VALUES; ) {
    const puts: ColdPut[] = []
    for (; puts.length < perBatch && id <= VALUES; id++) {
      const at = (id * 397) % (noise.length - VALUE_BYTES)
      puts.push({ id, bytes: noise.subarray(at, at + VALUE_BYTES) })
    }
    await timed(writes, () => store.write({ puts, deletes: [] }))
    if (writes.length % BATCHES_PER_SYNC === 0) await timed(syncs, () => store.sync())
  }
  await timed(syncs, () => store.sync())
  const seconds = (performance.now() - from) / 1000
  const { stalledMs, level0Files, diskBytes, flushes, logSyncs } = store.stats()
  console.log(`load    ${Math.round(VALUES / seconds)} values/s, ${((VALUES * VALUE_BYTES) / seconds / 1e6).toFixed(0)} MB/s`)
  console.log(`write   ${spread(writes)}; stalled ${stalledMs.toFixed(0)} ms`)
  console.log(`sync    ${spread(syncs)}; ${logSyncs} by the log, ${flushes} by flushing`)
  console.log(`disk    ${(diskBytes / 1e6).toFixed(0)} MB, ${level0Files} files in level 0`)
}

async function readRandomly(store: LevelColdStore, underWay: number): Promise<void> {
  const latencies: number[] = []
  let left = READS
  let state = 1
  const reader = async () => {
    while (left-- > 0) {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0
      const id = (state % VALUES) + 1
      await timed(latencies, () => store.read(id))
    }
  }
  const from = performance.now()
  await Promise.all(Array.from({ length: underWay }, reader))
  const seconds = (performance.now() - from) / 1000
  console.log(`read/${String(underWay).padEnd(2)} ${Math.round(latencies.length / seconds)} reads/s, ${spread(latencies)}`)
}

export async function run(): Promise<void> {
  const directory = await mkdtemp(join(process.env.DIRECTORY ?? tmpdir(), 'moraine-bench-cold-'))
  try {
    const store = await LevelColdStore.open(directory, { clock })
    await load(store)
    await readRandomly(store, 1)
    await readRandomly(store, 16)
    await store.close()
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) await run()
