/** Random sessions on lists, and on keys that hold them, in process and on redis-server: the same replies. */
import fc from 'fast-check'
import { afterAll, beforeAll, it } from 'vitest'
import { keyCommands } from '../../engine/commands/key.ts'
import { listCommands } from '../../engine/commands/list.ts'
import { stringCommands } from '../../engine/commands/string.ts'
import { testRuns } from '../chance.ts'
import { InProcessTarget } from '../commands/in-process.ts'
import { SocketTarget } from '../commands/socket-target.ts'
import type { ServerProcess } from '../integration/processes.ts'
import { startRedis } from '../integration/processes.ts'
import { describeWith, redisServer } from '../needs.ts'
import { compareServers } from './differential.ts'
import type { RandomRequest } from './random-commands.ts'
import { randomSession } from './random-commands.ts'

const runs = testRuns(100)
const others = ['SET', 'GET', 'DEL', 'EXISTS', 'TYPE', 'COPY', 'RENAME', 'RENAMENX', 'OBJECT', 'KEYS', 'SCAN']

/** What the engine alone answers as a server does: no malformed subcommands, no option that reaches another database. */
function isListRequest({ parts }: RandomRequest): boolean {
  const [name, second] = parts.map((part) => String(part).toUpperCase())
  if (name === 'OBJECT') return second === 'ENCODING' && parts.length === 3
  return name !== undefined && (name in listCommands || others.includes(name))
}

const listSession = randomSession.map((session) => ({ ...session, requests: session.requests.filter(isListRequest) }))

describeWith([redisServer], 'lists beside redis-server', () => {
  const engine = new InProcessTarget({ ...stringCommands, ...keyCommands, ...listCommands })
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

  it('give the same replies', async () => {
    const property = fc.asyncProperty(listSession, async (session) => {
      const difference = await compareServers(redis, engine, session)
      if (difference !== undefined) throw new Error(difference)
    })
    await fc.assert(property, { numRuns: runs })
  })
})
