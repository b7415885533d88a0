import { describe, expect, it } from 'vitest'
import { ColdReadQueue } from '../../storage/cold-read-queue.ts'

interface Job {
  readonly ids: readonly number[]
  finish(): void
  fail(message: string): void
}

/** A queue whose jobs and turns end when the test says so. Values are the ids as text. */
function queueOf(jobsMax: number, idsPerJobMax = 16, msPerJob = 10) {
  const jobs: Job[] = []
  let nowMs = 0
  let turn: (() => void)[] = []
  const queue = new ColdReadQueue({
    jobsMax,
    idsPerJobMax,
    nowMs: () => {
      nowMs += msPerJob
      return nowMs
    },
    afterTurn: (work) => void turn.push(work),
    job: (ids) =>
      new Promise((resolve, reject) => {
        jobs.push({
          ids,
          finish: () => resolve(ids.map((id) => (id === 0 ? undefined : Buffer.from(`${id}`)))),
          fail: (message) => reject(new Error(message)),
        })
      }),
  })
  const endTurn = () => {
    const works = turn
    turn = []
    for (const work of works) work()
  }
  return { queue, jobs, endTurn }
}

describe('ColdReadQueue', () => {
  it('starts nothing before the turn ends, then spreads the reads over the jobs', async () => {
    const { queue, jobs, endTurn } = queueOf(3)
    const reads = [1, 2, 3, 4, 5, 2, 1].map((id) => queue.read(id))
    expect(jobs).toHaveLength(0)
    endTurn()
    expect(jobs.map((job) => job.ids)).toEqual([[1, 2], [3, 4], [5]])
    for (const job of jobs) job.finish()
    expect((await Promise.all(reads)).map(String)).toEqual(['1', '2', '3', '4', '5', '2', '1'])
    expect(queue.running).toBe(0)
  })

  it('never runs more jobs than allowed nor more ids in one, and keeps the order', async () => {
    const { queue, jobs, endTurn } = queueOf(2, 4)
    const reads = Array.from({ length: 20 }, (_, i) => queue.read(i + 1))
    endTurn()
    let done = 0
    const order: number[] = []
    while (order.length < 20) {
      expect(queue.running).toBeLessThanOrEqual(2)
      const job = jobs[done++]!
      expect(job.ids.length).toBeLessThanOrEqual(4)
      order.push(...job.ids)
      job.finish()
      await reads[job.ids[0]! - 1]
      await new Promise((resolve) => setImmediate(resolve))
    }
    expect(order).toEqual(Array.from({ length: 20 }, (_, i) => i + 1))
    expect(queue.waiting).toBe(0)
  })

  it('does not let a read join one that has started', async () => {
    const { queue, jobs, endTurn } = queueOf(2)
    const first = queue.read(1)
    endTurn()
    const second = queue.read(1)
    endTurn()
    expect(jobs.map((job) => job.ids)).toEqual([[1], [1]])
    jobs[1]!.finish()
    expect(String(await second)).toBe('1')
    jobs[0]!.finish()
    expect(String(await first)).toBe('1')
  })

  it('lets a failure hit only the read that it concerns', async () => {
    const { queue, jobs, endTurn } = queueOf(1)
    const settled = Promise.allSettled([queue.read(1), queue.read(2), queue.read(0)])
    endTurn()
    jobs[0]!.fail('some block is damaged')
    const outcomes = [() => jobs[1]!.finish(), () => jobs[2]!.fail('block 2 is damaged'), () => jobs[3]!.finish()]
    for (let i = 0; i < outcomes.length; i++) {
      while (jobs.length < i + 2) await new Promise((resolve) => setImmediate(resolve))
      outcomes[i]!()
    }
    const [one, two, none] = await settled
    expect(one).toMatchObject({ status: 'fulfilled', value: Buffer.from('1') })
    expect(two).toMatchObject({ status: 'rejected', reason: { message: 'block 2 is damaged' } })
    expect(none).toMatchObject({ status: 'fulfilled', value: undefined })
  })

  it('puts many reads into one job when reads take no time, and lets the next job form meanwhile', async () => {
    const { queue, jobs, endTurn } = queueOf(3, 8, 0.01)
    const read = (...ids: number[]) => ids.map((id) => queue.read(id))
    const first = read(1)
    endTurn()
    jobs[0]!.finish()
    await Promise.all(first)
    const second = read(2, 3, 4, 5, 6)
    endTurn()
    expect(jobs[1]!.ids).toEqual([2, 3, 4, 5, 6])
    const third = read(7, 8)
    endTurn()
    expect(jobs).toHaveLength(2)
    const fourth = read(9, 10, 11, 12, 13, 14, 15)
    endTurn()
    expect(jobs[2]!.ids).toEqual([7, 8, 9, 10, 11, 12, 13, 14])
    jobs[1]!.finish()
    await Promise.all(second)
    expect(jobs).toHaveLength(3)
    jobs[2]!.finish()
    await Promise.all(third)
    expect(jobs[3]!.ids).toEqual([15])
    jobs[3]!.finish()
    await Promise.all(fourth)
    expect([queue.running, queue.waiting]).toEqual([0, 0])
  })

  it('spreads reads over the jobs again once they take long', async () => {
    let slow = false
    let nowMs = 0
    const started: number[] = []
    const queue = new ColdReadQueue({
      jobsMax: 3,
      idsPerJobMax: 8,
      afterTurn: setImmediate,
      nowMs: () => nowMs,
      job: async (ids) => {
        started.push(ids.length)
        nowMs += slow ? 5 : 0.01
        return ids.map(() => undefined)
      },
    })
    const readAll = () => Promise.all(Array.from({ length: 6 }, (_, i) => queue.read(i + 1)))
    await queue.read(1)
    await readAll()
    expect(started).toEqual([1, 6])
    slow = true
    for (let i = 0; i < 200; i++) await readAll()
    started.length = 0
    await readAll()
    expect(started).toEqual([2, 2, 2])
  })

  it('pauses once the running jobs are done, and holds what is asked for meanwhile', async () => {
    const { queue, jobs, endTurn } = queueOf(2)
    const before = queue.read(1)
    endTurn()
    let paused = false
    const pausing = queue.pause().then(() => {
      paused = true
    })
    const during = queue.read(2)
    endTurn()
    expect(paused).toBe(false)
    jobs[0]!.finish()
    await before
    await pausing
    expect(jobs).toHaveLength(1)
    queue.resume()
    expect(jobs).toHaveLength(2)
    jobs[1]!.finish()
    expect(String(await during)).toBe('2')
    await queue.pause()
  })
})

describe('ColdReadQueue with a quick way', () => {
  /** Both kinds of jobs end when the test says so; a quick one says itself how long it took. */
  function queues() {
    const pool: Job[] = []
    const quick: (Job & { took(ms: number): void })[] = []
    const state = { nowMs: 0, available: true }
    let turn: (() => void)[] = []
    const valuesOf = (ids: readonly number[]) => ids.map((id) => Buffer.from(`${id}`))
    const queue = new ColdReadQueue({
      jobsMax: 3,
      idsPerJobMax: 4,
      nowMs: () => state.nowMs,
      afterTurn: (work) => void turn.push(work),
      job: (ids) =>
        new Promise((resolve, reject) => {
          pool.push({ ids, finish: () => resolve(valuesOf(ids)), fail: (message) => reject(new Error(message)) })
        }),
      quick: {
        idsPerJobMax: 8,
        job: (ids) => {
          if (!state.available) return undefined
          return new Promise((resolve, reject) => {
            const took = (ms: number): void => resolve({ values: valuesOf(ids), ms })
            quick.push({ ids, took, finish: () => took(0.01), fail: (message) => reject(new Error(message)) })
          })
        },
      },
    })
    const endTurn = () => {
      const works = turn
      turn = []
      for (const work of works) work()
    }
    const read = (...ids: number[]) => Promise.all(ids.map((id) => queue.read(id))).then((values) => values.map(String))
    /** Lets it see how long a read takes. */
    const learn = async (ms: number) => {
      const reading = read(1000)
      endTurn()
      quick.pop()!.took(ms)
      await reading
    }
    return { queue, pool, quick, state, endTurn, read, learn }
  }

  it('takes it for a single read, and for many once reads were quick', async () => {
    const f = queues()
    const many = f.read(1, 2, 3)
    f.endTurn()
    expect([f.pool.map((job) => job.ids), f.quick]).toEqual([[[1], [2], [3]], []])
    f.state.nowMs = 30
    for (const job of f.pool.splice(0)) job.finish()
    expect(await many).toEqual(['1', '2', '3'])
    await f.learn(0.01)
    const quick = f.read(4, 5, 6, 7, 8, 9, 10, 11, 12)
    f.endTurn()
    expect([f.pool, f.quick.map((job) => job.ids)]).toEqual([[], [[4, 5, 6, 7, 8, 9, 10, 11]]])
    expect([f.queue.running, f.queue.waiting]).toEqual([1, 1])
    f.quick[0]!.finish()
    while (f.quick.length < 2) await new Promise((resolve) => setImmediate(resolve))
    f.quick[1]!.finish()
    expect(await quick).toEqual(['4', '5', '6', '7', '8', '9', '10', '11', '12'])
    expect([f.queue.running, f.queue.waiting]).toEqual([0, 0])
  })

  it('leaves it when reads have become slow', async () => {
    const f = queues()
    await f.learn(0.01)
    for (let i = 0; i < 10; i++) await f.learn(5)
    const reading = f.read(1, 2, 3)
    f.endTurn()
    expect([f.pool.map((job) => job.ids), f.quick]).toEqual([[[1], [2], [3]], []])
    for (const job of f.pool) job.finish()
    await reading
  })

  it('does not let others wait behind a job that has met a disk', async () => {
    const f = queues()
    await f.learn(0.01)
    const slow = f.read(1, 2)
    f.endTurn()
    const early = f.read(3, 4)
    f.endTurn()
    expect([f.pool, f.quick.length]).toEqual([[], 1])
    f.state.nowMs += 10
    const late = f.read(5)
    f.endTurn()
    expect(f.pool.flatMap((job) => job.ids)).toEqual([3, 4, 5])
    for (const job of f.pool) job.finish()
    expect([await early, await late]).toEqual([['3', '4'], ['5']])
    f.quick[0]!.finish()
    expect(await slow).toEqual(['1', '2'])
  })

  it('keeps the order where it cannot be had', async () => {
    const f = queues()
    await f.learn(0.01)
    f.state.available = false
    const reading = f.read(1, 2, 3, 4, 5)
    f.endTurn()
    expect(f.pool.map((job) => job.ids)).toEqual([[1, 2, 3, 4]])
    f.pool[0]!.finish()
    while (f.pool.length < 2) await new Promise((resolve) => setImmediate(resolve))
    f.pool[1]!.finish()
    expect(await reading).toEqual(['1', '2', '3', '4', '5'])
  })

  it('reads each id of a job that has failed by itself', async () => {
    const f = queues()
    await f.learn(0.01)
    const settled = Promise.allSettled([f.queue.read(1), f.queue.read(2)])
    f.endTurn()
    f.quick[0]!.fail('some block is damaged')
    while (f.pool.length < 1) await new Promise((resolve) => setImmediate(resolve))
    f.pool[0]!.finish()
    while (f.pool.length < 2) await new Promise((resolve) => setImmediate(resolve))
    f.pool[1]!.fail('block 2 is damaged')
    const [one, two] = await settled
    expect(one).toMatchObject({ status: 'fulfilled', value: Buffer.from('1') })
    expect(two).toMatchObject({ status: 'rejected', reason: { message: 'block 2 is damaged' } })
    expect(f.queue.running).toBe(0)
  })

  it('pauses only once its jobs are done, too', async () => {
    const f = queues()
    await f.learn(0.01)
    const reading = f.read(1)
    f.endTurn()
    let paused = false
    const pausing = f.queue.pause().then(() => {
      paused = true
    })
    await new Promise((resolve) => setImmediate(resolve))
    expect(paused).toBe(false)
    f.quick[0]!.finish()
    await reading
    await pausing
    f.queue.resume()
  })
})
