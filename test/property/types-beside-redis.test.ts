/** Random sessions on one type, and on keys that hold it, in process and on redis-server: the same replies, byte for byte. Large thresholds and small, and once in slices. */
import fc from 'fast-check'
import { afterAll, beforeAll, it } from 'vitest'
import { engineTables } from '../../server/commands/tables.ts'
import { testRuns } from '../chance.ts'
import { InProcessTarget } from '../commands/in-process.ts'
import { SocketTarget } from '../commands/socket-target.ts'
import type { ServerProcess } from '../integration/processes.ts'
import { startRedis } from '../integration/processes.ts'
import { describeWith, redisServer } from '../needs.ts'
import { compareServers } from './differential.ts'
import { isEngines } from './engine-requests.ts'
import type { FamilyName } from './random-commands.ts'
import { sessionOf } from './random-commands.ts'

const runs = testRuns(30)
describeWith([redisServer], 'one type beside redis-server', () => {
  const engines = [new InProcessTarget(engineTables, 300), new InProcessTarget(engineTables, 100, 40)]
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

  const types: readonly FamilyName[] = ['hashes', 'lists', 'sets', 'sortedSets', 'geo', 'streams']

  it.each(types)('%s: the same replies', async (type) => {
    const others: FamilyName[] = type === 'sortedSets' ? ['sets', 'keys'] : ['keys']
    const session = sessionOf([type, ...others]).map((each) => ({ ...each, requests: each.requests.filter(isEngines) }))
    const property = fc.asyncProperty(session, async (each) => {
      for (const engine of engines) {
        const difference = await compareServers(redis, engine, each)
        if (difference !== undefined) throw new Error(difference)
      }
    })
    await fc.assert(property, { numRuns: runs })
  })
})
