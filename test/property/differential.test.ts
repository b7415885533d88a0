/** Random sessions on redis-server and on Moraine: the same replies. First the comparison itself, on two redis-servers. */
import fc from 'fast-check'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { testRuns } from '../chance.ts'
import { SocketTarget } from '../commands/socket-target.ts'
import type { ServerProcess } from '../integration/processes.ts'
import { startMoraine, startRedis } from '../integration/processes.ts'
import { builtMoraine, describeWith, redisServer } from '../needs.ts'
import { compareServers } from './differential.ts'
import type { RandomSession } from './random-commands.ts'
import { describeRequest, randomSession } from './random-commands.ts'

const runs = testRuns(100)

async function checkSessions(left: SocketTarget, right: SocketTarget): Promise<void> {
  const property = fc.asyncProperty(randomSession, async (session) => {
    const difference = await compareServers(left, right, session)
    if (difference !== undefined) throw new Error(difference)
  })
  await fc.assert(property, { numRuns: runs })
}

describeWith([redisServer], 'sessions beside redis-server', () => {
  const servers: ServerProcess[] = []
  let redis: SocketTarget
  let second: SocketTarget
  beforeAll(async () => {
    servers.push(await startRedis(), await startRedis())
    redis = new SocketTarget('redis', servers[0]?.port ?? 0)
    second = new SocketTarget('redis', servers[1]?.port ?? 0)
  })
  afterAll(async () => {
    await redis?.close()
    await second?.close()
    for (const server of servers) await server.stop()
  })

  it('two redis-servers agree', () => checkSessions(redis, second))

  it('the comparison notices a difference', async () => {
    const requests = (...texts: readonly string[]): RandomSession => ({
      protocols: { a: 2, b: 2 },
      listpackEntriesMax: 512,
      requests: texts.map((text) => ({ connection: 'a', parts: text.split(' ').map((part) => Buffer.from(part)) })),
    })
    expect(describeRequest({ connection: 'b', parts: [Buffer.from('GET'), Buffer.from('a b')] })).toBe('@b GET "a b"')
    await second.close()
    // Lets one server see another word than the other.
    const differing = new (class extends SocketTarget {
      override async send(connection: string, request: Uint8Array): Promise<void> {
        await super.send(connection, Buffer.from(Buffer.from(request).toString('latin1').replace('odd', 'ODD'), 'latin1'))
      }
    })('redis', servers[1]?.port ?? 0)
    try {
      expect(await compareServers(redis, differing, requests('SET k v', 'ECHO even'))).toBeUndefined()
      expect(await compareServers(redis, differing, requests('ECHO odd'))).toContain('request 1: > ECHO odd')
      expect(await compareServers(redis, differing, requests('HSET h odd 1', 'HGETALL h'))).toContain('request 2')
      expect(await compareServers(redis, differing, requests('SET odd 1', 'KEYS *'))).toContain('request 2')
      expect(await compareServers(redis, differing, requests('SET odd 1', 'SCAN 0 COUNT 1000'))).toContain('request 2')
      expect(await compareServers(redis, differing, requests('SET odd 1 EX 5000', 'TTL odd', 'MULTI', 'ECHO odd', 'EXEC'))).toContain(
        'request 5',
      )
    } finally {
      await differing.close()
    }
  })

  describeWith([builtMoraine], 'and Moraine', () => {
    it('agree', async () => {
      const server = await startMoraine('--appendfsync', 'no')
      const moraine = new SocketTarget('moraine', server.port)
      try {
        await checkSessions(redis, moraine)
      } finally {
        await moraine.close()
        await server.stop()
      }
    })
  })
})
