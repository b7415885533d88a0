/** Jobs of BullMQ a second: added in bulk, then worked through by one worker that does nothing. */
import { Queue, Worker } from 'bullmq'
import type { Context } from './context.ts'
import { memoryOnly } from './hash-memory.ts'
import type { RunningServer } from './processes.ts'
import type { Comparison } from './rate-comparison.ts'
import { median } from './table.ts'

const concurrency = 50
const addedAtOnce = 500

interface Rates {
  readonly added: number[]
  readonly done: number[]
}

export async function compareJobs(context: Context): Promise<Comparison[]> {
  const servers = [await context.moraine({ flags: memoryOnly.moraine }), await context.redis({ flags: memoryOnly.redis })]
  const jobs = context.size(5000, 1000)
  const rates = servers.map((): Rates => ({ added: [], done: [] }))
  const rounds = context.size(5, 1)
  const shown = context.progress('BullMQ', (rounds + 1) * 2, 'runs')
  for (let round = 0; round <= rounds; round++) {
    for (const [i, server] of servers.entries()) {
      const { added, done } = await workThrough(server, `queue-${round}`, jobs)
      // The first round is for warming up.
      if (round > 0) rates[i]!.added.push(added)
      if (round > 0) rates[i]!.done.push(done)
      shown.update(round * 2 + i + 1)
    }
  }
  shown.finish()
  for (const server of servers) await context.discard(server)
  const [moraine, redis] = rates as [Rates, Rates]
  return (['added', 'done'] as const).map((what) => ({
    name: `jobs ${what}`,
    pipeline: 1,
    moraine: median(moraine[what]),
    redis: median(redis[what]),
    least: 0.8,
  }))
}

async function workThrough(server: RunningServer, name: string, jobs: number): Promise<{ added: number; done: number }> {
  const connection = { host: '127.0.0.1', port: server.port }
  const queue = new Queue(name, { connection })
  await queue.waitUntilReady()
  const addingMs = performance.now()
  for (let from = 0; from < jobs; from += addedAtOnce) {
    await queue.addBulk(Array.from({ length: addedAtOnce }, (_, i) => ({ name: 'job', data: { n: from + i } })))
  }
  const workingMs = performance.now()
  let left = jobs
  const worker = new Worker(name, async () => undefined, { connection, concurrency, autorun: false })
  await new Promise<void>((resolve, reject) => {
    worker.on('completed', () => {
      if (--left === 0) resolve()
    })
    worker.on('failed', (_job, failure) => reject(failure))
    worker.on('error', reject)
    worker.run().catch(reject)
  })
  const endMs = performance.now()
  worker.removeAllListeners('error')
  worker.on('error', () => undefined)
  await worker.close()
  await queue.close()
  return { added: (jobs * 1000) / (workingMs - addingMs), done: (jobs * 1000) / (endMs - workingMs) }
}
