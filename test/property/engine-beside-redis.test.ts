/** The engine in process and redis-server get the same random requests on strings, bits and decimals: the same replies. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { bitmapCommands } from '../../engine/commands/bitmap.ts'
import { keyCommands } from '../../engine/commands/key.ts'
import { stringCommands } from '../../engine/commands/string.ts'
import type { StagedWork } from '../../engine/staged-work.ts'
import { InProcessEngine, SeededRandom } from '../commands/in-process.ts'
import { encodeRequest, format, quote } from '../commands/notation.ts'
import { SocketTarget } from '../commands/socket-target.ts'
import type { ServerProcess } from '../integration/processes.ts'
import { redisIsInstalled, startRedis } from '../integration/processes.ts'
import { RandomRequests } from './random-string-requests.ts'

const tables = { ...stringCommands, ...bitmapCommands, ...keyCommands }
const seed = process.env.MORAINE_TEST_SEED === undefined ? Date.now() % 2 ** 31 : Number(process.env.MORAINE_TEST_SEED)
const requestsMax = Math.ceil(3000 * Number(process.env.MORAINE_TEST_SCALE ?? 1))
/** Requests sent to redis-server at once. */
const batch = 100

describe.skipIf(!redisIsInstalled)(`the engine beside redis-server${redisIsInstalled ? '' : ' (not installed: skipped)'}`, () => {
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

  it.each(['string', 'bits', 'float'] as const)(
    `%s; replay: MORAINE_TEST_SEED=${seed} npx vitest run test/property/engine-beside-redis.test.ts`,
    async (kind) => {
      await redis.reset()
      const requests = new RandomRequests(new SeededRandom(seed))
      const session = new InProcessEngine(tables, seed).connect()
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
    },
  )

  it(`staged, in slices, others between them; replay: MORAINE_TEST_SEED=${seed} npx vitest run test/property/engine-beside-redis.test.ts`, async () => {
    await redis.reset()
    const random = new SeededRandom(seed)
    const requests = new RandomRequests(random)
    const session = new InProcessEngine(tables, seed).connect()
    const { execution } = session.engine
    session.engine.advance(Date.now() - execution.now)
    let staged = 0
    for (let done = 0; done < requestsMax; done += batch) {
      const parts = Array.from({ length: batch }, () =>
        (random.nextUint32() % 2 === 0 ? requests.bits() : requests.string()).map((part) =>
          Buffer.from(part instanceof Uint8Array ? part : String(part)),
        ),
      )
      await redis.send('a', Buffer.concat(parts.map(encodeRequest)))
      let work: StagedWork | undefined
      for (const [i, request] of parts.entries()) {
        const theirs = await redis.receive('a')
        if (theirs === 'closed') throw new Error('redis-server closed the connection')
        while (work?.step());
        const own = work
        if (own !== undefined) staged++
        // The next one is begun before this one is executed.
        execution.limits.slicedValueBytes = 1 + (random.nextUint32() % 60)
        work = i + 1 < batch ? session.stage(...(parts[i + 1] as Buffer[])) : undefined
        for (let steps = random.nextUint32() % 4; steps > 0 && work?.step(); steps--);
        const ours = own === undefined ? session.ask(...request) : session.askStaged(own, ...request)
        expect(format(ours), request.map(quote).join(' ')).toBe(format(theirs.reply))
      }
    }
    expect(staged).toBeGreaterThan(requestsMax / 50)
  })
})
