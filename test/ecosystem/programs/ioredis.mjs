/** ioredis: pipelines, transactions, scripts, streams, blocking commands, subscriptions, auto-pipelining. */
import { Redis } from 'ioredis'
import { about, check, end, equal, host, isTrue, nextEvent, port, until } from './check.mjs'

about('ioredis')
const client = new Redis({ port, host })

await check('pipeline of 1,000', async () => {
  const pipeline = client.pipeline()
  for (let i = 0; i < 1000; i++) pipeline.zadd('ranking', i, `member ${i}`)
  const replies = await pipeline.exec()
  isTrue(replies.every(([error, reply]) => error === null && reply === 1))
  equal(await client.zrange('ranking', 0, 1, 'WITHSCORES'), ['member 0', '0', 'member 1', '1'])
  equal(await client.zrevrank('ranking', 'member 999'), 0)
})

await check('MULTI, WATCH', async () => {
  const other = client.duplicate()
  await client.watch('balance')
  await other.set('balance', 1)
  equal(await client.multi().incr('balance').exec(), null)
  equal(await client.multi().incr('balance').lpush('log', 'a').exec(), [
    [null, 2],
    [null, 1],
  ])
  other.disconnect()
})

await check('defineCommand', async () => {
  client.defineCommand('addAndRead', {
    numberOfKeys: 2,
    lua: "redis.call('HINCRBY', KEYS[1], 'n', ARGV[1]) redis.call('RPUSH', KEYS[2], ARGV[1]) return {redis.call('HGET', KEYS[1], 'n'), redis.call('LLEN', KEYS[2])}",
  })
  equal(await client.addAndRead('script:h', 'script:l', 5), ['5', 1])
  await client.script('FLUSH')
  equal(await client.addAndRead('script:h', 'script:l', 7), ['12', 2])
  const replies = await client.pipeline().addAndRead('script:h', 'script:l', 1).addAndRead('script:h', 'script:l', 1).exec()
  equal(replies, [
    [null, ['13', 3]],
    [null, ['14', 4]],
  ])
})

await check('streams with a consumer group', async () => {
  const ids = []
  for (let i = 0; i < 10; i++) ids.push(await client.xadd('stream', '*', 'n', i))
  equal(await client.xgroup('CREATE', 'stream', 'group', '0'), 'OK')
  const [[, first]] = await client.xreadgroup('GROUP', 'group', 'a', 'COUNT', 4, 'STREAMS', 'stream', '>')
  equal(
    first.map(([id]) => id),
    ids.slice(0, 4),
  )
  equal(await client.xack('stream', 'group', ids[0]), 1)
  equal((await client.xpending('stream', 'group'))[0], 3)
  const [, claimed] = await client.xautoclaim('stream', 'group', 'b', 0, '0')
  equal(
    claimed.map(([id]) => id),
    ids.slice(1, 4),
  )
  const reader = client.duplicate()
  const waiting = reader.xread('BLOCK', 0, 'STREAMS', 'stream', '$')
  await until(async () => /cmd=xread/.test(await client.client('LIST')))
  const last = await client.xadd('stream', 'MAXLEN', '~', 1000, '*', 'n', 'last')
  equal(await waiting, [['stream', [[last, ['n', 'last']]]]])
  reader.disconnect()
})

await check('blocking pops', async () => {
  const waiter = client.duplicate()
  const popped = waiter.blpop('queue:a', 'queue:b', 0)
  const lowest = popped.then(() => waiter.bzpopmin('queue:z', 0))
  await client.rpush('queue:b', 'x')
  equal(await popped, ['queue:b', 'x'])
  await client.zadd('queue:z', 2, 'two', 1, 'one')
  equal(await lowest, ['queue:z', 'one', '1'])
  waiter.disconnect()
})

await check('publish and subscribe', async () => {
  const subscriber = client.duplicate()
  await subscriber.subscribe('news')
  await subscriber.psubscribe('weather.*')
  const message = nextEvent(subscriber, 'message')
  const matched = nextEvent(subscriber, 'pmessage')
  equal(await client.publish('news', 'hello'), 1)
  equal(await client.publish('weather.north', 'rain'), 1)
  equal(await message, ['news', 'hello'])
  equal(await matched, ['weather.*', 'weather.north', 'rain'])
  subscriber.disconnect()
})

await check('auto-pipelining', async () => {
  const automatic = new Redis({ port, host, enableAutoPipelining: true })
  const replies = await Promise.all(Array.from({ length: 500 }, (_, i) => automatic.sadd('members', `m${i % 100}`)))
  equal(
    replies.reduce((sum, n) => sum + n, 0),
    100,
  )
  equal((await automatic.smembers('members')).length, 100)
  automatic.disconnect()
})

await check('scans', async () => {
  await client.hset('scanned', Object.fromEntries(Array.from({ length: 2000 }, (_, i) => [`f${i}`, i])))
  const fields = new Set()
  for await (const batch of client.hscanStream('scanned')) for (let i = 0; i < batch.length; i += 2) fields.add(batch[i])
  equal(fields.size, 2000)
  const members = new Set()
  for await (const batch of client.zscanStream('ranking')) for (let i = 0; i < batch.length; i += 2) members.add(batch[i])
  equal(members.size, 1000)
})

end()
