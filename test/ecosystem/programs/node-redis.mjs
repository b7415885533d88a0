/** node-redis over RESP2 and RESP3: all types, scripts and functions, pools, subscriptions. */
import { createClient, createClientPool, defineScript } from 'redis'
import { about, check, end, equal, isTrue, until, url } from './check.mjs'

about('redis')

const addScript = defineScript({
  NUMBER_OF_KEYS: 1,
  SCRIPT: "return redis.call('INCRBY', KEYS[1], ARGV[1]) * 2",
  parseCommand(parser, key, n) {
    parser.pushKey(key)
    parser.push(`${n}`)
  },
  transformReply: (reply) => reply,
})

for (const RESP of [2, 3]) {
  const client = createClient({ url, RESP, scripts: { addScript } })
  client.on('error', () => {})
  await client.connect()
  const key = (name) => `r${RESP}:${name}`

  await check(`RESP${RESP}: sorted sets, sets, lists, hashes`, async () => {
    equal(
      await client.zAdd(key('z'), [
        { score: 1.5, value: 'a' },
        { score: Infinity, value: 'b' },
      ]),
      2,
    )
    equal(await client.zRangeWithScores(key('z'), 0, -1), [
      { value: 'a', score: 1.5 },
      { value: 'b', score: Infinity },
    ])
    equal(await client.zScore(key('z'), 'a'), 1.5)
    equal(await client.zPopMax(key('z')), { value: 'b', score: Infinity })
    equal(await client.sAdd(key('s'), ['x', 'y']), 2)
    equal([...(await client.sMembers(key('s')))].sort(), ['x', 'y'])
    equal(await client.rPush(key('l'), ['1', '2', '3']), 3)
    equal(await client.lMove(key('l'), key('l2'), 'LEFT', 'RIGHT'), '1')
    equal(await client.hSet(key('h'), { f: '1', g: '2' }), 2)
    equal({ ...(await client.hGetAll(key('h'))) }, { f: '1', g: '2' })
    equal(await client.hRandFieldCount(key('h'), 5).then((fields) => fields.length), 2)
  })

  await check(`RESP${RESP}: streams`, async () => {
    const id = await client.xAdd(key('x'), '*', { n: '1' })
    await client.xGroupCreate(key('x'), 'g', '0')
    const read = await client.xReadGroup('g', 'c', { key: key('x'), id: '>' }, { COUNT: 10 })
    equal(read[0].messages[0].id, id)
    equal({ ...read[0].messages[0].message }, { n: '1' })
    equal((await client.xPending(key('x'), 'g')).pending, 1)
    equal((await client.xInfoStream(key('x'))).length, 1)
    equal(await client.xAck(key('x'), 'g', id), 1)
  })

  await check(`RESP${RESP}: scripts and functions`, async () => {
    equal(await client.addScript(key('n'), 21), 42)
    equal(await client.addScript(key('n'), 1), 44)
    await client.functionLoad(
      `#!lua name=lib${RESP}\nredis.register_function{function_name='f${RESP}', callback=function(keys, args) return redis.call('SET', keys[1], args[1]) end}`,
      { REPLACE: true },
    )
    equal(await client.fCall(`f${RESP}`, { keys: [key('f')], arguments: ['v'] }), 'OK')
    equal(await client.get(key('f')), 'v')
    isTrue((await client.functionList()).length >= 1)
    await client.functionDelete(`lib${RESP}`)
  })

  await check(`RESP${RESP}: subscriptions, sharded too`, async () => {
    const subscriber = await client.duplicate().connect()
    const got = []
    await subscriber.subscribe(key('c'), (message) => got.push(message))
    await subscriber.pSubscribe(key('p*'), (message, channel) => got.push(`${channel} ${message}`))
    await subscriber.sSubscribe(key('shard'), (message) => got.push(`shard ${message}`))
    await client.publish(key('c'), 'one')
    await client.publish(key('p1'), 'two')
    await client.sPublish(key('shard'), 'three')
    await until(() => got.length === 3)
    equal(got, ['one', `r${RESP}:p1 two`, 'shard three'])
    subscriber.destroy()
  })

  await check(`RESP${RESP}: iterators, transactions, buffers`, async () => {
    await client.mSet(Array.from({ length: 300 }, (_, i) => [key(`many:${i}`), `${i}`]))
    const found = new Set()
    for await (const keys of client.scanIterator({ MATCH: key('many:*'), COUNT: 50 })) for (const name of keys) found.add(name)
    equal(found.size, 300)
    equal(await client.multi().zAdd(key('t'), { score: 1, value: 'a' }).zIncrBy(key('t'), 2, 'a').exec(), [1, 3])
    const pool = await createClientPool({ url, RESP }, { minimum: 2, maximum: 4 }).connect()
    const values = await Promise.all(Array.from({ length: 100 }, () => pool.incr(key('pooled'))))
    equal(Math.max(...values), 100)
    pool.destroy()
  })
  client.destroy()
}

await check('client-side blocking: BLPOP, BZPOPMIN, XREAD wait', async () => {
  const client = await createClient({ url }).connect()
  const waiter = await client.duplicate().connect()
  const popped = waiter.blPop('wait:l', 0)
  await client.lPush('wait:l', 'x')
  equal({ ...(await popped) }, { key: 'wait:l', element: 'x' })
  const lowest = waiter.bzPopMin('wait:z', 0)
  await client.zAdd('wait:z', { score: 3, value: 'm' })
  equal({ ...(await lowest) }, { key: 'wait:z', value: 'm', score: 3 })
  client.destroy()
  waiter.destroy()
})

end()
