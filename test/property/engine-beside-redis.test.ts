/** The engine in process and redis-server get the same random requests on strings, bits and decimals: the same replies. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { bitmapCommands } from '../../engine/commands/bitmap.ts'
import { hyperloglogCommands } from '../../engine/commands/hyperloglog.ts'
import { keyCommands } from '../../engine/commands/key.ts'
import { objectCommands } from '../../engine/commands/object.ts'
import { stringCommands } from '../../engine/commands/string.ts'
import type { StagedWork } from '../../engine/staged-work.ts'
import { testRuns } from '../chance.ts'
import type { InProcessSession } from '../commands/in-process.ts'
import { InProcessEngine } from '../commands/in-process.ts'
import { encodeRequest, format } from '../commands/notation.ts'
import { SocketTarget } from '../commands/socket-target.ts'
import type { ServerProcess } from '../integration/processes.ts'
import { startRedis } from '../integration/processes.ts'
import { describeWith, redisServer } from '../needs.ts'
import { runSession } from '../sessions.ts'
import type { SeededRandom } from '../simulation/seeded-random.ts'
import { quoted, RandomRequests } from './random-string-requests.ts'

const tables = { ...stringCommands, ...bitmapCommands, ...hyperloglogCommands, ...keyCommands, ...objectCommands }
const requestsMax = testRuns(3000)
/** Requests sent to redis-server at once. */
const batch = 100

function requestsOf(random: SeededRandom): RandomRequests {
  const requests = new RandomRequests()
  requests.random = random
  return requests
}

function bytesOf(request: ReturnType<RandomRequests['next']>): Buffer[] {
  return request.map((part) => Buffer.from(part instanceof Uint8Array ? part : String(part)))
}

function* batches<T>(items: Iterable<T>): Generator<T[]> {
  let some: T[] = []
  for (const item of items) {
    some.push(item)
    if (some.length < batch) continue
    yield some
    some = []
  }
  if (some.length > 0) yield some
}

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

  /** An engine with the time of redis-server, both empty. */
  async function begin(): Promise<InProcessSession> {
    await redis.reset()
    const session = new InProcessEngine(tables).connect()
    session.engine.advance(Date.now() - session.engine.execution.now)
    return session
  }

  /** Sends requests to redis-server at once, and gives each with its reply. */
  async function* answered(requests: readonly Buffer[][]): AsyncGenerator<readonly [Buffer[], string]> {
    await redis.send('a', Buffer.concat(requests.map(encodeRequest)))
    for (const request of requests) {
      const theirs = await redis.receive('a')
      if (theirs === 'closed') throw new Error('redis-server closed the connection')
      yield [request, format(theirs.reply)]
    }
  }

  it.each(['string', 'bits', 'float', 'hyperloglog'] as const)('%s', async (kind) => {
    await runSession({ steps: requestsMax }, async (steps, tell) => {
      const session = await begin()
      for (const randoms of batches(steps)) {
        for await (const [request, theirs] of answered(randoms.map((random) => bytesOf(requestsOf(random)[kind]())))) {
          tell(quoted(request))
          expect(format(session.ask(...request)), quoted(request)).toBe(theirs)
        }
      }
    })
  })

  it('staged in slices, others between them', async () => {
    const staged = await runSession({ steps: requestsMax }, async (steps, tell) => {
      const session = await begin()
      const { execution } = session.engine
      let count = 0
      for (const randoms of batches(steps)) {
        const requests = randoms.map((random) => bytesOf(random.once(2) ? requestsOf(random).bits() : requestsOf(random).string()))
        let staged: StagedWork | undefined
        let at = 0
        for await (const [request, theirs] of answered(requests)) {
          tell(`${staged === undefined ? '' : '(staged) '}${quoted(request)}`)
          while (staged?.step());
          const own = staged
          if (own !== undefined) count++
          // The next one is begun before this one is executed.
          const random = randoms[at++] as SeededRandom
          execution.limits.slicedValueBytes = 1 + random.below(60)
          staged = at < requests.length ? session.stage(...(requests[at] as Buffer[])) : undefined
          for (let left = random.below(4); left > 0 && staged?.step(); left--);
          const ours = own === undefined ? session.ask(...request) : session.askStaged(own, ...request)
          expect(format(ours), quoted(request)).toBe(theirs)
        }
      }
      return count
    })
    expect(staged).toBeGreaterThan(requestsMax / 50)
  })
})
