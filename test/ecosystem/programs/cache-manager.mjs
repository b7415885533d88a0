/** cache-manager over @keyv/redis: computed values, refreshed before they expire. */
import KeyvRedis, { Keyv } from '@keyv/redis'
import { createCache } from 'cache-manager'
import { about, check, end, equal, until, url } from './check.mjs'

about('cache-manager')
const cache = createCache({ stores: [new Keyv({ store: new KeyvRedis(url), namespace: 'cache' })], ttl: 60_000 })

await check('wrap, mset, mget, mdel', async () => {
  let calls = 0
  const compute = async () => ({ n: ++calls })
  equal(await cache.wrap('w', compute), { n: 1 })
  equal(await cache.wrap('w', compute), { n: 1 })
  await cache.mset(Array.from({ length: 50 }, (_, n) => ({ key: `k${n}`, value: n })))
  equal(await cache.mget(['k0', 'k49', 'none']), [0, 49, undefined])
  await cache.mdel(['k0', 'k1'])
  equal(await cache.get('k1'), undefined)
})

await check('expiry, refresh, clear', async () => {
  let calls = 0
  const compute = async () => ++calls
  await cache.wrap('r', compute, { ttl: 60_000, refreshThreshold: 59_999 })
  await until(async () => (await cache.wrap('r', compute, { ttl: 60_000, refreshThreshold: 59_999 })) > 1)
  await cache.set('short', 1, 50)
  await until(async () => (await cache.get('short')) === undefined)
  await cache.clear()
  equal(await cache.get('k5'), undefined)
})

end()
