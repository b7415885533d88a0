/** keyv with @keyv/redis: values with a time to live in namespaces. */
import KeyvRedis, { Keyv } from '@keyv/redis'
import { about, check, end, equal, until, url } from './check.mjs'

about('@keyv/redis')
const keyv = new Keyv({ store: new KeyvRedis(url), namespace: 'one' })
const other = new Keyv({ store: new KeyvRedis(url), namespace: 'two' })

await check('set, get, many, expiry', async () => {
  equal(await keyv.set('k', { a: [1, 2] }), true)
  equal(await keyv.get('k'), { a: [1, 2] })
  await keyv.set('short', 1, 50)
  await until(async () => (await keyv.get('short')) === undefined)
  await keyv.setMany(Array.from({ length: 100 }, (_, n) => ({ key: `m${n}`, value: n })))
  equal(await keyv.getMany(['m1', 'none', 'm99']), [1, undefined, 99])
  equal(await keyv.has('m50'), true)
  equal(await keyv.delete(['m1', 'm2']), true)
})

await check('namespaces are iterated and cleared one by one', async () => {
  await other.set('k', 2)
  const found = []
  for await (const [key] of keyv.iterator()) found.push(key)
  equal(found.length, 99)
  await keyv.clear()
  equal(await keyv.get('k'), undefined)
  equal(await other.get('k'), 2)
})

end()
