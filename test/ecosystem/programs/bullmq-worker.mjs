/** A worker of BullMQ in a process of its own, for others to kill: it soon notices jobs that a killed one has left. */
import { Worker } from 'bullmq'

const [port, queue] = process.argv.slice(2)
new Worker(
  queue,
  async (job) => {
    await new Promise((resolve) => setTimeout(resolve, 10))
    return job.data.n
  },
  { connection: { host: '127.0.0.1', port: Number(port) }, concurrency: 4, lockDuration: 1000, stalledInterval: 300, maxStalledCount: 10 },
)
