/** redlock: locks kept by scripts, extended while work goes on. */
import { Redis } from 'ioredis'
import redlock from 'redlock'
import { about, check, end, equal, host, isTrue, port } from './check.mjs'

about('redlock')
const Redlock = redlock.default ?? redlock
const clients = [new Redis({ host, port }), new Redis({ host, port, db: 1 }), new Redis({ host, port, db: 2 })]
const locks = new Redlock(clients, { retryCount: 0 })
const patient = new Redlock(clients, { retryCount: 2000, retryDelay: 10, automaticExtensionThreshold: 1500 })

await check('acquire, refuse, extend, release', async () => {
  const lock = await locks.acquire(['a', 'b'], 5000)
  await locks.acquire(['b'], 5000).then(
    () => isTrue(false, 'held twice'),
    () => {},
  )
  const longer = await lock.extend(10_000)
  isTrue(longer.expiration > lock.expiration - 1)
  isTrue((await clients[0].pttl('a')) > 5000)
  await longer.release()
  await (await locks.acquire(['b'], 5000)).release()
  equal(await clients[1].exists('a', 'b'), 0)
})

await check('20 take turns, with extensions on the way', async () => {
  let inside = 0
  let turns = 0
  await Promise.all(
    Array.from({ length: 20 }, () =>
      patient.using(['turn'], 2000, async (signal) => {
        equal(++inside, 1)
        if (turns++ === 0) await new Promise((resolve) => setTimeout(resolve, 2500))
        equal(signal.aborted, false)
        inside--
      }),
    ),
  )
  equal(turns, 20)
})

end()
