/** socket.io: three servers in one, connected by each of the adapters: publish/subscribe, sharded publish/subscribe, a stream. */
import { createServer } from 'node:http'
import { createAdapter, createShardedAdapter } from '@socket.io/redis-adapter'
import { createAdapter as createStreamsAdapter } from '@socket.io/redis-streams-adapter'
import { Redis } from 'ioredis'
import { createClient } from 'redis'
import { Server } from 'socket.io'
import { io } from 'socket.io-client'
import { about, check, end, equal, host, nextEvent, port, until, url } from './check.mjs'

about('socket.io')

const adapters = {
  '@socket.io/redis-adapter with ioredis': async () => createAdapter(new Redis({ host, port }), new Redis({ host, port })),
  '@socket.io/redis-adapter with node-redis': async () =>
    createAdapter(await createClient({ url }).connect(), await createClient({ url }).connect()),
  '@socket.io/redis-adapter, sharded': async () =>
    createShardedAdapter(await createClient({ url }).connect(), await createClient({ url }).connect()),
  '@socket.io/redis-streams-adapter': async () => createStreamsAdapter(new Redis({ host, port })),
}

for (const [name, make] of Object.entries(adapters)) {
  await check(name, async () => {
    const nodes = []
    for (let i = 0; i < 3; i++) {
      const http = createServer()
      const server = new Server(http, { adapter: await make() })
      http.listen(0, '127.0.0.1')
      await nextEvent(http, 'listening')
      const socket = new Promise((resolve) => server.once('connection', resolve))
      const client = io(`http://127.0.0.1:${http.address().port}`, { transports: ['websocket'] })
      nodes.push({ server, client, socket: await socket })
    }
    const [a, b, c] = nodes
    await until(async () => (await a.server.fetchSockets()).length === 3)
    b.socket.join('room')
    c.socket.join('room')
    await until(async () => (await a.server.in('room').fetchSockets()).length === 2)
    const both = [nextEvent(b.client, 'news'), nextEvent(c.client, 'news')]
    a.server.to('room').emit('news', { n: 1 }, Buffer.from([1, 2, 0, 255]))
    for (const [value, bytes] of await Promise.all(both)) {
      equal(value, { n: 1 })
      equal([...bytes], [1, 2, 0, 255])
    }
    b.server.on('sum', (n, reply) => reply(n + 1))
    c.server.on('sum', (n, reply) => reply(n + 2))
    equal((await a.server.serverSideEmitWithAck('sum', 10)).sort(), [11, 12])
    a.server.in('room').disconnectSockets(true)
    await until(async () => (await a.server.fetchSockets()).length === 1)
    for (const node of nodes) {
      node.client.close()
      await node.server.close()
    }
  })
}

end()
