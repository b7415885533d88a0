/** bee-queue: jobs with results, delays, retries and stalled jobs. */
import Queue from 'bee-queue'
import { about, check, end, equal, host, nextEvent, port, until } from './check.mjs'

about('bee-queue')
const settings = { redis: { host, port }, activateDelayedJobs: true }

await check('100 jobs, their results and events', async () => {
  const queue = new Queue('plain', settings)
  queue.process(10, async (job) => job.data.n * 2)
  const jobs = Array.from({ length: 100 }, (_, n) => queue.createJob({ n }))
  const results = jobs.map((job) => nextEvent(job, 'succeeded'))
  equal((await queue.saveAll(jobs)).size, 0)
  equal(
    (await Promise.all(results)).map(([result]) => result),
    jobs.map((_, n) => n * 2),
  )
  equal((await queue.checkHealth()).succeeded, 100)
  await queue.close()
})

await check('retries with backoff, delays, progress', async () => {
  const queue = new Queue('various', settings)
  let tries = 0
  queue.process(async (job) => {
    if (job.data.fails && tries++ < 2) throw new Error('again')
    job.reportProgress({ half: true })
    return 'done'
  })
  const delayed = queue.createJob({}).delayUntil(Date.now() + 200)
  const retried = queue.createJob({ fails: true }).retries(3).backoff('fixed', 20)
  const both = [nextEvent(delayed, 'succeeded'), nextEvent(retried, 'succeeded')]
  const progress = nextEvent(delayed, 'progress')
  await Promise.all([delayed.save(), retried.save()])
  equal(await Promise.all(both), [['done'], ['done']])
  equal(await progress, [{ half: true }])
  equal(tries, 3)
  await queue.close()
})

await check('a stalled job is taken over', async () => {
  const lost = new Queue('stalled', { ...settings, stallInterval: 200 })
  lost.process(() => new Promise(() => {}))
  await lost.createJob({ n: 7 }).save()
  await until(async () => (await lost.checkHealth()).active === 1)
  await lost.close(1).catch(() => {})
  const heir = new Queue('stalled', { ...settings, stallInterval: 200 })
  const done = nextEvent(heir, 'succeeded')
  heir.process(async (job) => job.data.n)
  await until(async () => {
    await heir.checkStalledJobs()
    return (await heir.checkHealth()).succeeded === 1
  })
  equal((await done)[1], 7)
  await heir.close()
})

end()
