/** The two usual clients for Node talk to the server without knowing what it is, in both protocols. */
import { Redis } from 'ioredis'
import { createClient } from 'redis'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { builtMoraine, describeWith } from '../needs.ts'
import type { ServerProcess } from './processes.ts'
import { startMoraine } from './processes.ts'

describeWith([builtMoraine], 'clients', () => {
  let server: ServerProcess

  beforeAll(async () => {
    server = await startMoraine()
  })

  afterAll(async () => {
    await server.stop()
  })

  it('serves ioredis: commands, pipelines, transactions, scans', async () => {
    const client = new Redis({ host: '127.0.0.1', port: server.port, connectionName: 'io' })
    expect(await client.set('io:a', 'x', 'EX', 10_000)).toBe('OK')
    expect(await client.get('io:a')).toBe('x')
    expect(await client.ttl('io:a')).toBeGreaterThan(9000)
    expect(await client.hset('io:h', { f: '1', g: '2' })).toBe(2)
    expect(await client.hgetall('io:h')).toEqual({ f: '1', g: '2' })
    expect(await client.multi().incr('io:n').incrby('io:n', 4).exec()).toEqual([
      [null, 1],
      [null, 5],
    ])
    const pipeline = client.pipeline()
    for (let i = 0; i < 1000; i++) pipeline.set(`io:many:${i}`, `value ${i}`)
    const replies = await pipeline.exec()
    expect(replies?.every(([error, reply]) => error === null && reply === 'OK')).toBe(true)
    const found = new Set<string>()
    for await (const keys of client.scanStream({ match: 'io:many:*', count: 100 })) for (const key of keys as string[]) found.add(key)
    expect(found.size).toBe(1000)
    await expect(client.call('NOSUCH', 'x')).rejects.toThrow("unknown command 'NOSUCH'")
    expect((await client.client('LIST')) as string).toContain('name=io')
    client.disconnect()
  })

  it.each([2, 3] as const)('serves node-redis over RESP%i', async (RESP) => {
    const client = createClient({ socket: { host: '127.0.0.1', port: server.port }, RESP })
    await client.connect()
    const key = `node:${RESP}`
    expect(await client.set(key, 'x')).toBe('OK')
    expect(await client.get(key)).toBe('x')
    await client.hSet(`${key}:h`, { f: '1', g: '2' })
    expect({ ...(await client.hGetAll(`${key}:h`)) }).toEqual({ f: '1', g: '2' })
    expect(await client.multi().set(`${key}:m`, '1').incr(`${key}:m`).exec()).toEqual(['OK', 2])
    expect(await client.get(`${key}:none`)).toBeNull()
    await client.watch(key)
    await client.set(key, 'changed')
    await expect(client.multi().set(key, 'never').exec()).rejects.toThrow()
    expect(await client.get(key)).toBe('changed')
    client.destroy()
  })
})
