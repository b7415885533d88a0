/** BullMQ: queues, workers, flows, rate limits, schedulers, and a worker's process killed with -9 in the middle of its jobs. */
import { fork } from 'node:child_process'
import { join } from 'node:path'
import { FlowProducer, Queue, QueueEvents, UnrecoverableError, Worker } from 'bullmq'
import { about, check, end, equal, host, isTrue, port, until } from './check.mjs'

about('bullmq')
const connection = { host, port }

async function using(name, body) {
  const queue = new Queue(name, { connection })
  const events = new QueueEvents(name, { connection })
  const workers = []
  const work = (process, options = {}) => {
    const worker = new Worker(name, process, { connection, ...options })
    worker.on('error', () => {})
    workers.push(worker)
    return worker
  }
  await events.waitUntilReady()
  try {
    await body(queue, events, work)
  } finally {
    await Promise.all(workers.map((worker) => worker.close(true)))
    await Promise.all([queue.close(), events.close()])
  }
}

await check('200 jobs, their results and events', () =>
  using('plain', async (queue, events, work) => {
    const jobs = await queue.addBulk(Array.from({ length: 200 }, (_, n) => ({ name: 'square', data: { n } })))
    work(async (job) => job.data.n ** 2, { concurrency: 20 })
    const results = await Promise.all(jobs.map((job) => job.waitUntilFinished(events)))
    equal(
      results,
      jobs.map((_, n) => n ** 2),
    )
    equal((await queue.getJobCounts('completed', 'failed', 'wait', 'active')).completed, 200)
  }),
)

await check('priorities, delays, retries with backoff, progress, deduplication', () =>
  using('various', async (queue, events, work) => {
    const order = []
    for (const priority of [3, 1, 2]) await queue.add('p', { priority }, { priority })
    const delayed = await queue.add('d', { priority: 'delayed' }, { delay: 2000 })
    const retried = await queue.add('r', { priority: 'retried' }, { attempts: 3, backoff: { type: 'fixed', delay: 20 }, priority: 9 })
    const hopeless = await queue.add('u', { priority: 'hopeless' }, { attempts: 3, priority: 10 })
    const one = await queue.add('same', { priority: 'same' }, { deduplication: { id: 'x' }, priority: 8 })
    const two = await queue.add('same', { priority: 'same' }, { deduplication: { id: 'x' }, priority: 8 })
    equal(two.id, one.id)
    const progress = new Promise((resolve) => events.once('progress', resolve))
    work(async (job) => {
      if (job.name === 'r' && job.attemptsMade < 2) throw new Error('again')
      if (job.name === 'u') throw new UnrecoverableError('never')
      await job.updateProgress(50)
      order.push(job.data.priority)
      return 'done'
    })
    equal(await delayed.waitUntilFinished(events), 'done')
    const { timestamp, processedOn } = await queue.getJob(delayed.id)
    isTrue(processedOn - timestamp >= 2000, `the delay was ${processedOn - timestamp} ms`)
    equal(await retried.waitUntilFinished(events), 'done')
    await until(async () => (await queue.getFailedCount()) === 1)
    equal((await queue.getJob(hopeless.id)).failedReason, 'never')
    // Its time may have come before the first of them, on a machine that takes its time.
    equal(order.filter((priority) => priority !== 'delayed').slice(0, 3), [1, 2, 3])
    equal((await progress).data, 50)
    equal(order.length, 6)
  }),
)

await check('a flow: the parent has its children’s results', () =>
  using('flow', async (_, events, work) => {
    const flows = new FlowProducer({ connection })
    const children = Array.from({ length: 5 }, (__, n) => ({
      name: 'child',
      queueName: 'flow',
      data: { n },
      children: [{ name: 'leaf', queueName: 'flow', data: { n } }],
    }))
    const { job } = await flows.add({ name: 'parent', queueName: 'flow', data: {}, children })
    work(
      async (each) => {
        const values = Object.values(await each.getChildrenValues())
        return each.data.n === undefined ? values.reduce((sum, n) => sum + n, 0) : each.data.n + (values[0] ?? 0)
      },
      { concurrency: 4 },
    )
    equal(await job.waitUntilFinished(events), 20)
    await flows.close()
  }),
)

await check('a rate limit of 5 a 300 ms', () =>
  using('limited', async (queue, events, work) => {
    const jobs = await queue.addBulk(Array.from({ length: 12 }, (_, n) => ({ name: 'j', data: { n } })))
    work(async () => 1, { limiter: { max: 5, duration: 300 }, concurrency: 10 })
    await Promise.all(jobs.map((job) => job.waitUntilFinished(events)))
    // From before the first was fetched to after the last was: what lies between the worker and its jobs makes it longer only.
    const done = await queue.getCompleted(0, -1)
    const ms = Math.max(...done.map(({ finishedOn }) => finishedOn)) - Math.min(...done.map(({ processedOn }) => processedOn))
    isTrue(ms >= 500, `12 jobs took ${ms} ms`)
  }),
)

await check('a job scheduler repeats', () =>
  using('repeated', async (queue, _, work) => {
    let runs = 0
    await queue.upsertJobScheduler('every', { every: 100 }, { name: 'tick', data: {} })
    work(async () => runs++)
    await until(() => runs >= 4)
    equal((await queue.getJobSchedulers()).length, 1)
    equal(await queue.removeJobScheduler('every'), true)
  }),
)

await check('pause, resume, drain, clean, obliterate', () =>
  using('managed', async (queue, events, work) => {
    await queue.pause()
    const jobs = await queue.addBulk(Array.from({ length: 20 }, (_, n) => ({ name: 'j', data: { n } })))
    work(async () => 1)
    equal(await queue.isPaused(), true)
    equal((await queue.getJobCounts('completed')).completed, 0)
    await queue.resume()
    await Promise.all(jobs.map((job) => job.waitUntilFinished(events)))
    equal((await queue.clean(0, 100, 'completed')).length, 20)
    await queue.pause()
    await queue.addBulk(Array.from({ length: 20 }, (_, n) => ({ name: 'j', data: { n } })))
    await queue.drain()
    equal(await queue.count(), 0)
    await queue.obliterate({ force: true })
  }),
)

await check('workers killed with -9: no job is lost', () =>
  using('killed', async (queue) => {
    const jobs = 100
    await queue.addBulk(Array.from({ length: jobs }, (_, n) => ({ name: 'j', data: { n } })))
    for (const most of [25, 60]) {
      // Then it is in the middle of jobs, however long it takes to kill it.
      const left = most - (await queue.getCompletedCount())
      const worker = fork(join(import.meta.dirname, 'bullmq-worker.mjs'), [`${port}`, 'killed', `${left}`])
      const ended = new Promise((resolve) => worker.once('exit', (_, signal) => resolve(signal)))
      await until(async () => (await queue.getCompletedCount()) >= most && (await queue.getActiveCount()) > 0)
      worker.kill('SIGKILL')
      equal(await ended, 'SIGKILL')
    }
    const last = fork(join(import.meta.dirname, 'bullmq-worker.mjs'), [`${port}`, 'killed'])
    await until(async () => (await queue.getCompletedCount()) === jobs)
    last.kill('SIGKILL')
    const done = await queue.getCompleted(0, -1)
    equal(
      done.map((job) => job.returnvalue).sort((a, b) => a - b),
      Array.from({ length: jobs }, (_, n) => n),
    )
    isTrue(
      done.some((job) => job.stalledCounter > 0),
      'no job was taken over from a killed worker',
    )
  }),
)

end()
