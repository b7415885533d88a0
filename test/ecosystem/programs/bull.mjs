/** bull: the predecessor of BullMQ, still in wide use. */
import Queue from 'bull'
import { about, check, end, equal, isTrue, url } from './check.mjs'

about('bull')

async function using(name, options, body) {
  const queue = new Queue(name, url, options)
  await queue.isReady()
  try {
    await body(queue)
  } finally {
    await queue.close(true)
  }
}

await check('100 jobs and their results', () =>
  using('plain', {}, async (queue) => {
    queue.process(10, async (job) => job.data.n + 1)
    const jobs = await queue.addBulk(Array.from({ length: 100 }, (_, n) => ({ data: { n } })))
    equal(
      await Promise.all(jobs.map((job) => job.finished())),
      jobs.map((_, n) => n + 1),
    )
    equal((await queue.getJobCounts()).completed, 100)
  }),
)

await check('delays, priorities, retries, progress', () =>
  using('various', {}, async (queue) => {
    const order = []
    await queue.pause()
    const last = await queue.add({ n: 2 }, { priority: 2 })
    await queue.add({ n: 1 }, { priority: 1 })
    const delayed = await queue.add({ n: 3 }, { delay: 200 })
    const retried = await queue.add({ n: 4 }, { attempts: 2, backoff: 10, priority: 3 })
    queue.process(async (job) => {
      if (job.data.n === 4 && job.attemptsMade === 0) throw new Error('again')
      order.push(job.data.n)
      await job.progress(10)
      return job.data.n
    })
    await queue.resume()
    equal(await last.finished(), 2)
    equal(await delayed.finished(), 3)
    equal(await retried.finished(), 4)
    equal(order.slice(0, 2), [1, 2])
  }),
)

await check('a rate limit, a repeated job, cleaning', () =>
  using('limited', { limiter: { max: 2, duration: 200 } }, async (queue) => {
    const times = []
    queue.process(5, async () => times.push(Date.now()))
    const jobs = await Promise.all(Array.from({ length: 5 }, (_, n) => queue.add({ n })))
    await Promise.all(jobs.map((job) => job.finished()))
    isTrue(times[4] - times[0] >= 300, `5 jobs took ${times[4] - times[0]} ms`)
    await queue.add({}, { repeat: { every: 1000 } })
    equal((await queue.getRepeatableJobs()).length, 1)
    await queue.removeRepeatable({ every: 1000 })
    equal((await queue.clean(0, 'completed')).length >= 5, true)
    await queue.empty()
  }),
)

end()
