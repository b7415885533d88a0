/** redis-semaphore: mutexes and semaphores of sorted sets, refreshed while they are held. */
import { Redis } from 'ioredis'
import { MultiSemaphore, Mutex, RedlockMutex, Semaphore } from 'redis-semaphore'
import { about, check, end, equal, host, isTrue, port } from './check.mjs'

about('redis-semaphore')
const client = new Redis({ host, port })

/** How many of so many are inside at once, at most. */
async function crowd(count, make) {
  let inside = 0
  let most = 0
  await Promise.all(
    Array.from({ length: count }, async () => {
      const lock = make()
      await lock.acquire()
      most = Math.max(most, ++inside)
      await client.ping()
      inside--
      await lock.release()
    }),
  )
  return most
}

const often = { retryInterval: 5, acquireTimeout: 50_000, lockTimeout: 20_000 }

await check('Mutex: one at a time', async () => equal(await crowd(20, () => new Mutex(client, 'm', often)), 1))
await check('Semaphore: three at a time', async () => {
  const most = await crowd(30, () => new Semaphore(client, 's', 3, often))
  isTrue(most > 1 && most <= 3, `${most} at once`)
})
await check('MultiSemaphore: two permits of five each', async () => {
  const most = await crowd(20, () => new MultiSemaphore(client, 'ms', 5, 2, often))
  isTrue(most >= 1 && most <= 2, `${most} at once`)
})
await check('RedlockMutex', async () => equal(await crowd(10, () => new RedlockMutex([client], 'rm', often)), 1))
await check('a held mutex is refreshed, a lost one can be taken', async () => {
  const held = new Mutex(client, 'refreshed', { lockTimeout: 2000, refreshInterval: 100 })
  await held.acquire()
  await new Promise((resolve) => setTimeout(resolve, 2500))
  equal(await new Mutex(client, 'refreshed', { ...often, acquireAttemptsLimit: 1 }).tryAcquire(), false)
  held.stopRefresh()
  const next = new Mutex(client, 'refreshed', often)
  await next.acquire()
  await next.release()
})

end()
