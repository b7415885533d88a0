/** Random sessions on streams in process, all in memory and with leaves going cold at random, and on redis-server: the same replies. Nodes are so small that there are many. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { keyCommands } from '../../engine/commands/key.ts'
import { objectCommands } from '../../engine/commands/object.ts'
import { streamCommands } from '../../engine/commands/stream.ts'
import { stringCommands } from '../../engine/commands/string.ts'
import { testRuns, testSeed } from '../chance.ts'
import { InProcessEngine } from '../commands/in-process.ts'
import { encodeRequest, formatInline } from '../commands/notation.ts'
import type { Reply } from '../commands/resp-decoder.ts'
import { SocketTarget } from '../commands/socket-target.ts'
import type { ServerProcess } from '../integration/processes.ts'
import { startRedis } from '../integration/processes.ts'
import { describeWith, redisServer } from '../needs.ts'
import { runSession } from '../sessions.ts'
import type { SeededRandom } from '../simulation/seeded-random.ts'
import { ColdEngine } from './cold-engine.ts'
import { beginStreamRequests, streamRequest, timeless } from './random-stream-requests.ts'

const tables = { ...stringCommands, ...keyCommands, ...objectCommands, ...streamCommands }
const steps = testRuns(1500)

describeWith([redisServer], 'streams beside redis-server', () => {
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

  const onRedis = async (parts: readonly string[]): Promise<Reply> => {
    await redis.send('a', encodeRequest(parts.map((part) => Buffer.from(part))))
    const received = await redis.receive('a')
    if (received === 'closed') throw new Error('redis-server closed the connection')
    return received.reply
  }

  const lowered = (engine: InProcessEngine): InProcessEngine => {
    engine.execution.limits.streamNodeMaxEntries = 5
    engine.execution.limits.streamNodeMaxBytes = 300
    engine.keyspace.trees.leafBytesMax = 300
    engine.execution.now = Date.now()
    return engine
  }

  const compare = async (
    begin: () => (random: SeededRandom, parts: readonly string[]) => Promise<Reply>,
    stream: number,
  ): Promise<void> => {
    await runSession({ steps, stream, shrinkMs: 20_000 }, async (randoms, tell) => {
      const ask = begin()
      beginStreamRequests()
      await redis.reset()
      await onRedis(['FLUSHALL'])
      await onRedis(['CONFIG', 'SET', 'stream-node-max-entries', '5', 'stream-node-max-bytes', '300'])
      for (const random of randoms) {
        const parts = streamRequest(random)
        tell(parts.join(' '))
        const [ours, theirs] = [await ask(random, parts), await onRedis(parts)]
        expect(timeless(parts, formatInline(ours)), parts.join(' ')).toBe(timeless(parts, formatInline(theirs)))
      }
    })
  }

  it('give the same replies in memory', async () => {
    await compare(() => {
      const session = lowered(new InProcessEngine(tables)).connect()
      return async (_random, parts) => session.ask(...parts)
    }, 1)
  })

  it('give the same replies in slices, with leaves going cold', async () => {
    let sliced = 0
    await compare(() => {
      const cold = new ColdEngine(tables, testSeed)
      lowered(cold.engine).execution.limits.slicedValueBytes = 1
      return async (random, parts) => {
        cold.random = random
        if (random.once(3)) cold.freeze(random.pick([0.2, 0.8, 1]))
        const work = cold.session.stage(...parts)
        if (work === undefined) return cold.ask(...parts)
        sliced++
        do while ((await cold.fetchFor(work)) > 0);
        while (work.step())
        return cold.askStaged(work, ...parts)
      }
    }, 3)
    expect(sliced).toBeGreaterThan(steps / 50)
  })

  it('give the same replies with leaves going cold', async () => {
    let made = 0
    await compare(() => {
      const cold = new ColdEngine(tables, testSeed)
      lowered(cold.engine)
      return async (random, parts) => {
        cold.random = random
        const reply = await cold.ask(...parts)
        if (random.once(3)) made += cold.freeze(random.pick([0.2, 0.8, 1]))
        return reply
      }
    }, 2)
    expect(made, 'leaves and values that were made cold').toBeGreaterThan(steps / 10)
  })
})
