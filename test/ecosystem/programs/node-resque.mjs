/** node-resque: Resque's queues, workers, a scheduler, plugins that lock. */
import resque from 'node-resque'
import { about, check, end, equal, host, nextEvent, port, until } from './check.mjs'

about('node-resque')
const { Plugins, Queue, Scheduler, Worker } = resque
const connection = { pkg: 'ioredis', host, port, database: 0, namespace: 'resque' }
const sums = []
const jobs = {
  add: {
    perform: async (a, b) => {
      sums.push(a + b)
      return a + b
    },
  },
  locked: { plugins: [Plugins.QueueLock], perform: async () => 'ran' },
  broken: {
    perform: async () => {
      throw new Error('broken')
    },
  },
}
const queue = new Queue({ connection }, jobs)
const worker = new Worker({ connection, queues: ['math', 'other'], timeout: 20 }, jobs)
const scheduler = new Scheduler({ connection, timeout: 50 })

await check('jobs, some of them delayed', async () => {
  await queue.connect()
  await worker.connect()
  await scheduler.connect()
  for (let i = 0; i < 20; i++) await queue.enqueue('math', 'add', [i, 1])
  await queue.enqueueIn(200, 'math', 'add', [100, 1])
  equal(await queue.length('math'), 20)
  await worker.start()
  scheduler.start()
  await until(() => sums.length === 21)
  equal(sums.slice(0, 3), [1, 2, 3])
  equal(sums[20], 101)
})

await check('a locked job is queued once', async () => {
  await worker.end()
  equal(await queue.enqueue('other', 'locked', [1]), true)
  equal(await queue.enqueue('other', 'locked', [1]), false)
  equal(await queue.length('other'), 1)
  equal(Object.keys(await queue.locks()).length, 1)
  await queue.delQueue('other')
})

await check('failures are kept and tried again', async () => {
  const second = new Worker({ connection, queues: ['other'], timeout: 20 }, jobs)
  await second.connect()
  const failed = nextEvent(second, 'failure')
  await queue.enqueue('other', 'broken', [])
  await second.start()
  equal((await failed)[2].message, 'broken')
  await until(async () => (await queue.failedCount()) === 1)
  const [failure] = await queue.failed(0, 0)
  equal(failure.payload.class, 'broken')
  equal(Number((await queue.stats()).failed) >= 1, true)
  await second.end()
  await queue.retryAndRemoveFailed(failure)
  equal(await queue.failedCount(), 0)
  equal(await queue.length('other'), 1)
  await scheduler.end()
  await queue.end()
})

end()
