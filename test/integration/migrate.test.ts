/** MIGRATE between Moraine and redis-server, in both directions, with all options; keys that change while they are sent. */

import type { AddressInfo, Server, Socket } from 'node:net'
import { createServer } from 'node:net'
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
import { RespClient } from '../../server/tools/rdb/resp-client.ts'
import { RespDecoder } from '../commands/resp-decoder.ts'
import { builtMoraine, describeWith, redisServer } from '../needs.ts'
import type { ServerProcess } from './processes.ts'
import { startMoraine, startRedis } from './processes.ts'

const fieldCount = 60_000
/** More than anything takes on a busy machine. */
const patienceMs = 120_000

async function connect({ port }: ServerProcess, password?: string): Promise<RespClient> {
  return RespClient.open({ host: '127.0.0.1', port, user: undefined, password })
}

describeWith([redisServer, builtMoraine], 'MIGRATE', () => {
  const servers: ServerProcess[] = []
  const clients: RespClient[] = []
  let source: RespClient
  let redis: RespClient
  let redisPort = 0
  beforeAll(async () => {
    servers.push(await startMoraine('--appendfsync', 'no'), await startRedis('--requirepass', 'secret'))
    redisPort = (servers[1] as ServerProcess).port
    source = await connect(servers[0] as ServerProcess)
    redis = await connect(servers[1] as ServerProcess, 'secret')
    clients.push(source, redis)
  })
  afterAll(async () => {
    for (const client of clients) client.destroy()
    await Promise.all(servers.map((server) => server.stop()))
  })
  beforeEach(async () => {
    await source.must('FLUSHALL')
    await redis.must('FLUSHALL')
    await redis.must('SELECT', 0)
  })

  const migrate = (...rest: readonly (string | number)[]) => source.send('MIGRATE', '127.0.0.1', redisPort, ...rest)

  it('moves a key with its expiry, and answers when the other server has it', async () => {
    await source.must('SET', 'k', 'value', 'PX', 1_000_000)
    expect(await migrate('k', 2, patienceMs, 'AUTH', 'secret')).toBe('OK')
    expect(await source.must('EXISTS', 'k')).toBe(0)
    await redis.must('SELECT', 2)
    expect(String(await redis.must('GET', 'k'))).toBe('value')
    expect(await redis.must('PTTL', 'k')).toBeGreaterThan(900_000)
  })

  it('moves several keys, large ones too, and takes them back', async () => {
    for (let from = 0; from < fieldCount; from += 500)
      await source.must('HSET', 'large', ...Array.from({ length: 500 }, (_, i) => [`field:${from + i}`, `value ${from + i}`]).flat())
    await source.must('SET', 'text', 'x'.repeat(3_000_000))
    await source.must('SADD', 'set', '1', '2', 'three')
    expect(await migrate('', 0, patienceMs, 'AUTH2', 'default', 'secret', 'KEYS', 'large', 'missing', 'text', 'set')).toBe('OK')
    expect(await source.must('DBSIZE')).toBe(0)
    expect(await redis.must('HLEN', 'large')).toBe(fieldCount)
    expect(await redis.must('STRLEN', 'text')).toBe(3_000_000)
    const back = ['', 0, patienceMs, 'KEYS', 'large', 'text', 'set']
    expect(await redis.must('MIGRATE', '127.0.0.1', (servers[0] as ServerProcess).port, ...back)).toBe('OK')
    expect(await redis.must('DBSIZE')).toBe(0)
    expect(await source.must('HLEN', 'large')).toBe(fieldCount)
    expect(String(await source.must('HGET', 'large', 'field:777'))).toBe('value 777')
    expect(await source.must('SISMEMBER', 'set', 'three')).toBe(1)
  })

  it('leaves the key with COPY, and replaces one with REPLACE only', async () => {
    await source.must('SET', 'k', 'new')
    await redis.must('SET', 'k', 'old')
    const refusal = await migrate('k', 0, patienceMs, 'AUTH', 'secret')
    expect(String(refusal)).toContain('ERR Target instance replied with error: BUSYKEY Target key name already exists.')
    expect(await source.must('EXISTS', 'k')).toBe(1)
    expect(await migrate('k', 0, patienceMs, 'COPY', 'REPLACE', 'AUTH', 'secret')).toBe('OK')
    expect(await source.must('EXISTS', 'k')).toBe(1)
    expect(String(await redis.must('GET', 'k'))).toBe('new')
  })

  it('says what the other server says', async () => {
    await source.must('SET', 'k', 'v')
    expect(String(await migrate('k', 0, patienceMs))).toContain('replied with error: NOAUTH')
    expect(String(await migrate('k', 0, patienceMs, 'AUTH', 'wrong'))).toContain('replied with error: WRONGPASS')
    expect(String(await migrate('k', 99, patienceMs, 'AUTH', 'secret'))).toContain('replied with error: ERR DB index is out of range')
    await redis.must('SET', 'a', 'other')
    await source.must('MSET', 'a', '1', 'b', '2')
    expect(String(await migrate('', 0, patienceMs, 'AUTH', 'secret', 'KEYS', 'a', 'b'))).toContain('BUSYKEY')
    expect([await source.must('EXISTS', 'a'), await source.must('EXISTS', 'b')]).toEqual([1, 0])
  })

  it('gives up when the other server is silent, and keeps the key', async () => {
    const silent = await listen(() => undefined)
    await source.must('SET', 'k', 'v')
    // Long enough to connect, on a busy machine too.
    expect(String(await source.send('MIGRATE', '127.0.0.1', silent.port, 'k', 0, 2000))).toContain(
      'IOERR error or timeout reading to target instance',
    )
    await silent.close()
    expect(await source.must('EXISTS', 'k')).toBe(1)
  })

  it('sends a key again that has changed meanwhile', async () => {
    const requests: string[] = []
    const other = await connect(servers[0] as ServerProcess)
    clients.push(other)
    // The other server answers the first RESTORE only when the key has another value.
    const target = await listen((socket, request) => {
      const answer = (): boolean => socket.write('+OK\r\n')
      if (request.includes('RESTORE') && requests.push(request) === 1) void other.must('SET', 'k', 'second').then(answer)
      else answer()
    })
    await source.must('SET', 'k', 'first')
    expect(await source.send('MIGRATE', '127.0.0.1', target.port, 'k', 0, patienceMs)).toBe('OK')
    await target.close()
    expect(requests).toHaveLength(2)
    expect(requests[0]).toContain('first')
    expect(requests[1]).toContain('second')
    expect(requests[1]).toContain('REPLACE')
    expect(await source.must('EXISTS', 'k')).toBe(0)
  })
})

/** `told` is called with each request, however it arrives. */
async function listen(told: (socket: Socket, request: string) => void): Promise<{ readonly port: number; close(): Promise<void> }> {
  const sockets = new Set<Socket>()
  const server: Server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined)
    const decoder = new RespDecoder()
    socket.on('data', (bytes) => {
      decoder.push(bytes)
      // A request looks like a reply that is an array.
      for (let found = decoder.next(); found !== undefined; found = decoder.next()) told(socket, found.raw.toString('latin1'))
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const close = (): Promise<void> =>
    new Promise((resolve) => {
      for (const socket of sockets) socket.destroy()
      server.close(() => resolve())
    })
  return { port: (server.address() as AddressInfo).port, close }
}
