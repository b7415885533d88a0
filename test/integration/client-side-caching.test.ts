/** Client-side caching as libraries do it, against a real process: node-redis with its own cache, ioredis with a redirection. */
import { Redis } from 'ioredis'
import { BasicClientSideCache, createClient } from 'redis'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { builtMoraine, describeWith } from '../needs.ts'
import type { ServerProcess } from './processes.ts'
import { startMoraine } from './processes.ts'

describeWith([builtMoraine], 'client-side caching', () => {
  let server: ServerProcess
  let writer: Redis
  beforeAll(async () => {
    server = await startMoraine()
    writer = new Redis({ host: '127.0.0.1', port: server.port })
  })
  afterAll(async () => {
    writer.disconnect()
    await server.stop()
  })

  it('serves the cache of node-redis', async () => {
    const cache = new BasicClientSideCache({ ttl: 0, maxEntries: 0, evictPolicy: 'LRU' })
    const client = createClient({ socket: { host: '127.0.0.1', port: server.port }, RESP: 3, clientSideCache: cache })
    await client.connect()
    const forgotten = (): Promise<unknown> => new Promise((resolve) => cache.once('invalidate', resolve))
    await writer.set('k', '1')
    expect(await client.get('k')).toBe('1')
    expect(await client.get('k')).toBe('1')
    expect(cache.stats().hitCount).toBe(1)
    const told = forgotten()
    await writer.set('k', '2')
    expect(String(await told)).toBe('k')
    expect(await client.get('k')).toBe('2')
    expect(await client.hGetAll('h')).toEqual({})
    const hash = forgotten()
    await writer.hset('h', 'f', 'v')
    expect(String(await hash)).toBe('h')
    expect({ ...(await client.hGetAll('h')) }).toEqual({ f: 'v' })
    const everything = forgotten()
    await writer.flushall()
    expect(await everything).toBeNull()
    expect(await client.get('k')).toBeNull()
    expect(cache.stats().missCount).toBe(5)
    client.destroy()
  })

  it('serves ioredis, which speaks RESP2: messages go to a connection that has subscribed', async () => {
    const [client, listener] = [0, 1].map(() => new Redis({ host: '127.0.0.1', port: server.port, protocol: 2 })) as [Redis, Redis]
    const messages: string[] = []
    let arrived = (): void => undefined
    const message = (): Promise<void> =>
      new Promise((resolve) => {
        arrived = resolve
      })
    const id = await listener.client('ID')
    listener.on('message', (channel: string, keys: string) => {
      expect(channel).toBe('__redis__:invalidate')
      messages.push(keys)
      arrived()
    })
    await listener.subscribe('__redis__:invalidate')
    expect(await client.call('CLIENT', 'TRACKING', 'ON', 'REDIRECT', String(id))).toBe('OK')
    expect(await client.call('CLIENT', 'GETREDIR')).toBe(id)
    await client.mget('a', 'b')
    const first = message()
    await writer.set('a', '1')
    await first
    const all = message()
    await writer.flushall()
    await all
    // ioredis makes text of whatever a message holds.
    expect(messages).toEqual(['a', ''])
    client.disconnect()
    listener.disconnect()
  })
})
