/** rsmq: a message queue of sorted sets and scripts, with visibility timeouts as SQS has them. */
import RedisSMQ from 'rsmq'
import { about, check, end, equal, host, port, until } from './check.mjs'

about('rsmq')
const rsmq = new RedisSMQ({ host, port, ns: 'rsmq' })

await check('send, receive, delete, pop', async () => {
  equal(await rsmq.createQueueAsync({ qname: 'q' }), 1)
  const ids = []
  for (let i = 0; i < 10; i++) ids.push(await rsmq.sendMessageAsync({ qname: 'q', message: `m${i}` }))
  const first = await rsmq.receiveMessageAsync({ qname: 'q' })
  equal(first.message, 'm0')
  equal(first.id, ids[0])
  equal(await rsmq.deleteMessageAsync({ qname: 'q', id: first.id }), 1)
  equal((await rsmq.popMessageAsync({ qname: 'q' })).message, 'm1')
  const { msgs, totalsent, totalrecv } = await rsmq.getQueueAttributesAsync({ qname: 'q' })
  equal([msgs, totalsent, totalrecv], [8, 10, 2])
})

await check('what is not deleted becomes visible again', async () => {
  await rsmq.createQueueAsync({ qname: 'v', vt: 1 })
  const id = await rsmq.sendMessageAsync({ qname: 'v', message: 'again' })
  equal((await rsmq.receiveMessageAsync({ qname: 'v' })).rc, 1)
  equal(await rsmq.receiveMessageAsync({ qname: 'v' }), {})
  equal(await rsmq.changeMessageVisibilityAsync({ qname: 'v', id, vt: 0 }), 1)
  const again = await until(async () => {
    const found = await rsmq.receiveMessageAsync({ qname: 'v' })
    return found.id === undefined ? undefined : found
  })
  equal([again.message, again.rc], ['again', 2])
  equal((await rsmq.listQueuesAsync()).sort(), ['q', 'v'])
  equal(await rsmq.deleteQueueAsync({ qname: 'v' }), 1)
})

end()
