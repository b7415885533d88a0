/** The engine in process and redis-server get the same random requests on strings, bits and decimals: the same replies. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { bitmapCommands } from '../../engine/commands/bitmap.ts'
import { keyCommands } from '../../engine/commands/key.ts'
import { stringCommands } from '../../engine/commands/string.ts'
import type { Preparation } from '../../engine/preparation.ts'
import { chance, testRuns, testSeed } from '../chance.ts'
import { InProcessEngine } from '../commands/in-process.ts'
import { encodeRequest, format, quote } from '../commands/notation.ts'
import { SocketTarget } from '../commands/socket-target.ts'
import type { ServerProcess } from '../integration/processes.ts'
import { startRedis } from '../integration/processes.ts'
import { describeWith, redisServer } from '../needs.ts'
import { RandomRequests } from './random-string-requests.ts'

const tables = { ...stringCommands, ...bitmapCommands, ...keyCommands }
const requestsMax = testRuns(3000)
/** Requests sent to redis-server at once. */
const batch = 100

describeWith([redisServer], 'the engine beside redis-server', () => {
  let server: ServerProcess
  let redis: SocketTarget
  beforeAll(async () => {
    server = await startRedis()
    redis = new SocketTarget('redis', server.port)
  })
  afterAll(async () => {
    await redis?.close()
    await server?.stop()
  })

  it.each(['string', 'bits', 'float'] as const)('%s', async (kind) => {
    await redis.reset()
    const requests = new RandomRequests(chance())
    const session = new InProcessEngine(tables, testSeed).connect()
    session.engine.advance(Date.now() - session.engine.execution.now)
    for (let done = 0; done < requestsMax; done += batch) {
      const parts = Array.from({ length: batch }, () =>
        requests[kind]().map((part) => Buffer.from(part instanceof Uint8Array ? part : String(part))),
      )
      await redis.send('a', Buffer.concat(parts.map(encodeRequest)))
      for (const request of parts) {
        const theirs = await redis.receive('a')
        if (theirs === 'closed') throw new Error('redis-server closed the connection')
        expect(format(session.ask(...request)), request.map(quote).join(' ')).toBe(format(theirs.reply))
      }
    }
  })

  it('prepared in slices, others between them', async () => {
    await redis.reset()
    const random = chance()
    const requests = new RandomRequests(random)
    const session = new InProcessEngine(tables, testSeed).connect()
    const { execution } = session.engine
    session.engine.advance(Date.now() - execution.now)
    let prepared = 0
    for (let done = 0; done < requestsMax; done += batch) {
      const parts = Array.from({ length: batch }, () =>
        (random.nextUint32() % 2 === 0 ? requests.bits() : requests.string()).map((part) =>
          Buffer.from(part instanceof Uint8Array ? part : String(part)),
        ),
      )
      await redis.send('a', Buffer.concat(parts.map(encodeRequest)))
      let preparation: Preparation | undefined
      for (const [i, request] of parts.entries()) {
        const theirs = await redis.receive('a')
        if (theirs === 'closed') throw new Error('redis-server closed the connection')
        while (preparation?.step());
        const own = preparation
        if (own !== undefined) prepared++
        // The next one is begun before this one is executed.
        execution.limits.slicedValueBytes = 1 + (random.nextUint32() % 60)
        preparation = i + 1 < batch ? session.prepare(...(parts[i + 1] as Buffer[])) : undefined
        for (let steps = random.nextUint32() % 4; steps > 0 && preparation?.step(); steps--);
        const ours = own === undefined ? session.ask(...request) : session.askPrepared(own, ...request)
        expect(format(ours), request.map(quote).join(' ')).toBe(format(theirs.reply))
      }
    }
    expect(prepared).toBeGreaterThan(requestsMax / 50)
  })
})
