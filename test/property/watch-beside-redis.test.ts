/**
 * WATCH on random sessions, on redis-server and on Moraine: a few attempts each, in which both connections change or
 * only seem to change what one of them watches. EXEC tells whether they did.
 */
import fc from 'fast-check'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { testRuns } from '../chance.ts'
import { SocketTarget } from '../commands/socket-target.ts'
import type { Received } from '../commands/transcript.ts'
import type { ServerProcess } from '../integration/processes.ts'
import { startMoraine, startRedis } from '../integration/processes.ts'
import { builtMoraine, describeWith, redisServer } from '../needs.ts'
import { compareServers } from './differential.ts'
import type { RandomRequest, RandomSession } from './random-commands.ts'
import { describeSession, randomRequest } from './random-commands.ts'

const runs = testRuns(50)

const request = (connection: 'a' | 'b', ...words: readonly string[]): RandomRequest => ({
  connection,
  parts: words.map((word) => Buffer.from(word)),
})
const key = fc.constantFrom('k1', 'k2', 'k3', 'h1', 'h2')

/** A watches keys, both work on, and a learns from EXEC. What is random may end the transaction before, or begin another. */
const attempt = fc
  .tuple(fc.array(key, { minLength: 1, maxLength: 3 }), fc.array(randomRequest, { maxLength: 10, size: 'max' }))
  .map(([keys, between]) => [request('a', 'WATCH', ...keys), ...between, request('a', 'MULTI'), request('a', 'PING'), request('a', 'EXEC')])
const watchSession: fc.Arbitrary<RandomSession> = fc.array(attempt, { minLength: 5, maxLength: 15, size: 'max' }).map((attempts) => {
  const session: RandomSession = { protocols: { a: 2, b: 3 }, listpackEntriesMax: 3, requests: attempts.flat() }
  return { ...session, [fc.toStringMethod]: () => describeSession(session) }
})

/** Counts how attempts end. */
class CountingTarget extends SocketTarget {
  executed = 0
  refused = 0

  override async receive(connection: string): Promise<Received> {
    const received = await super.receive(connection)
    if (received !== 'closed' && received.raw.toString('latin1') === '*1\r\n+PONG\r\n') this.executed++
    else if (received !== 'closed' && received.reply.type === 'nilArray') this.refused++
    return received
  }
}

describeWith([redisServer, builtMoraine], 'WATCH beside redis-server', () => {
  const servers: ServerProcess[] = []
  let redis: SocketTarget
  let moraine: CountingTarget
  beforeAll(async () => {
    servers.push(await startRedis(), await startMoraine('--appendfsync', 'no'))
    redis = new SocketTarget('redis', servers[0]?.port ?? 0)
    moraine = new CountingTarget('moraine', servers[1]?.port ?? 0)
  })
  afterAll(async () => {
    await redis?.close()
    await moraine?.close()
    for (const server of servers) await server.stop()
  })

  it('refuses EXEC in the same cases', async () => {
    const property = fc.asyncProperty(watchSession, async (session) => {
      const difference = await compareServers(redis, moraine, session)
      if (difference !== undefined) throw new Error(difference)
    })
    await fc.assert(property, { numRuns: runs })
    // The sessions are worth something only if both happen often.
    expect(Math.min(moraine.executed, moraine.refused)).toBeGreaterThan(runs / 5)
  })
})
