/**
 * A worker of BullMQ in a process of its own, for others to kill: it soon notices jobs that a killed one has left. Told a number, it
 * completes about so many, and those that it takes then never end.
 */
import { Worker } from 'bullmq'

const [port, queue, most = Number.POSITIVE_INFINITY] = process.argv.slice(2)
let completed = 0
const worker = new Worker(
  queue,
  async (job) => {
    if (completed >= Number(most)) await new Promise(() => {})
    await new Promise((resolve) => setTimeout(resolve, 10))
    return job.data.n
  },
  { connection: { host: '127.0.0.1', port: Number(port) }, concurrency: 4, lockDuration: 1000, stalledInterval: 300, maxStalledCount: 100 },
)
worker.on('completed', () => completed++)
// It may have been held up for so long that it has lost the lock of a job, which is then done again.
worker.on('error', () => {})
