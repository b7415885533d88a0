/** rate-limiter-flexible: counters with a time to live, by scripts and by transactions. */
import { Redis } from 'ioredis'
import { BurstyRateLimiter, RateLimiterQueue, RateLimiterRedis } from 'rate-limiter-flexible'
import { createClient } from 'redis'
import { about, check, end, equal, host, isTrue, port, url } from './check.mjs'

about('rate-limiter-flexible')
const io = new Redis({ host, port })
const node = await createClient({ url }).connect()

for (const [name, storeClient, more] of [
  ['ioredis', io, {}],
  ['node-redis', node, { useRedisPackage: true }],
]) {
  await check(`${name}: consume, refuse, penalty, reward, block`, async () => {
    const limiter = new RateLimiterRedis({ storeClient, keyPrefix: name, points: 5, duration: 60, blockDuration: 300, ...more })
    const answers = await Promise.allSettled(Array.from({ length: 8 }, () => limiter.consume('user')))
    equal(answers.filter(({ status }) => status === 'fulfilled').length, 5)
    isTrue(answers.filter(({ status }) => status === 'rejected').some(({ reason }) => reason.msBeforeNext > 60_000))
    await limiter.delete('user')
    equal((await limiter.penalty('user', 3)).consumedPoints, 3)
    equal((await limiter.reward('user', 2)).consumedPoints, 1)
    equal((await limiter.get('user')).remainingPoints, 4)
    await limiter.block('user', 300)
    equal((await limiter.get('user')).remainingPoints, 0)
    isTrue((await io.pttl(`${name}:user`)) > 200_000)
  })
}

await check('bursts and a queue', async () => {
  const slow = new RateLimiterRedis({ storeClient: io, keyPrefix: 'slow', points: 1, duration: 60 })
  const burst = new RateLimiterRedis({ storeClient: io, keyPrefix: 'burst', points: 3, duration: 60 })
  const bursty = new BurstyRateLimiter(slow, burst)
  const answers = await Promise.allSettled(Array.from({ length: 6 }, () => bursty.consume('user')))
  equal(answers.filter(({ status }) => status === 'fulfilled').length, 4)
  const queue = new RateLimiterQueue(new RateLimiterRedis({ storeClient: io, keyPrefix: 'q', points: 3, duration: 1 }))
  const begun = Date.now()
  await Promise.all(Array.from({ length: 5 }, () => queue.removeTokens(1, 'user')))
  isTrue(Date.now() - begun > 300)
})

end()
