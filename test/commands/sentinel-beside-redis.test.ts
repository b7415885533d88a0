/**
 * SENTINEL of a node beside that of redis-server in Sentinel mode, each with a master and no replicas: same errors, and of what is described
 * the same fields in the same order. What a node refuses on purpose is in sentinel.txt.
 */
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { ServerProcess } from '../integration/processes.ts'
import { startMoraine, startRedis, startRedisSentinel } from '../integration/processes.ts'
import { builtMoraine, describeWith, redisServer } from '../needs.ts'
import { encodeRequest, formatInline, splitArguments } from './notation.ts'
import type { Reply } from './resp-decoder.ts'
import { SocketTarget } from './socket-target.ts'

/** Answered alike, byte for byte. */
const alike = `
SENTINEL|SENTINEL nosuch|SENTINEL GET-MASTER-ADDR-BY-NAME|SENTINEL GET-MASTER-ADDR-BY-NAME nosuch|SENTINEL MASTER nosuch|SENTINEL MASTER|SENTINEL MASTERS x
SENTINEL REPLICAS mymaster|SENTINEL SLAVES mymaster|SENTINEL REPLICAS nosuch|SENTINEL SENTINELS mymaster|SENTINEL SENTINELS nosuch|SENTINEL CKQUORUM mymaster
SENTINEL CKQUORUM nosuch|SENTINEL IS-MASTER-DOWN-BY-ADDR 127.0.0.1 1 0 *|SENTINEL IS-MASTER-DOWN-BY-ADDR 127.0.0.1 x 0 *|SENTINEL IS-MASTER-DOWN-BY-ADDR 127.0.0.1 1 0
SENTINEL PENDING-SCRIPTS|SENTINEL FLUSHCONFIG|SENTINEL INFO-CACHE nosuch|SENTINEL CONFIG GET *|SENTINEL CONFIG GET nosuch|SENTINEL CONFIG|SENTINEL SET nosuch quorum 2
SENTINEL SET mymaster|SENTINEL MONITOR mymaster 127.0.0.1 1 1|SENTINEL MONITOR other|SENTINEL REMOVE nosuch|SENTINEL REMOVE|SENTINEL FAILOVER nosuch|SENTINEL FAILOVER
SENTINEL FAILOVER mymaster|SENTINEL RESET nosuch*|SENTINEL RESET|SENTINEL RESET a b|SENTINEL MYID x`
  .trim()
  .split(/[|\n]/)

/** What is described, with fields whose values differ by nature. */
const described = ['SENTINEL MASTER mymaster', 'SENTINEL MASTERS']

/** Names and values in turn: the names, and the values of those that must be the same. */
function fields(reply: Reply): string[] {
  const fixed = new Set(['name', 'ip', 'flags', 'link-pending-commands', 'link-refcount', 'role-reported', 'config-epoch'])
  const counted = new Set(['num-slaves', 'num-other-sentinels', 'quorum'])
  if (!('items' in reply)) return [formatInline(reply)]
  if (reply.items.some((item) => 'items' in item)) return reply.items.flatMap(fields)
  const words = reply.items.map((item) => ('text' in item ? item.text.toString() : formatInline(item)))
  return words.flatMap((name, i) => (i % 2 > 0 ? [] : fixed.has(name) || counted.has(name) ? [`${name}=${words[i + 1]}`] : [name]))
}

describeWith([redisServer, builtMoraine], 'SENTINEL beside redis-server', () => {
  const servers: ServerProcess[] = []
  const both: SocketTarget[] = []
  beforeAll(async () => {
    const master = await startRedis()
    servers.push(master, await startRedisSentinel('mymaster', master.port), await startMoraine('--appendfsync', 'no'))
    both.push(new SocketTarget('redis', servers[1]?.port ?? 0), new SocketTarget('moraine', servers[2]?.port ?? 0))
  })
  afterAll(async () => {
    for (const target of both) await target.close()
    for (const server of servers) await server.stop()
  })

  async function ask(target: SocketTarget, connection: string, request: string): Promise<Reply> {
    await target.send(connection, encodeRequest(splitArguments(request)))
    const received = await target.receive(connection)
    if (received === 'closed') throw new Error('closed')
    return received.reply
  }

  it.each(alike)('%s', async (request) => {
    for (const protocol of ['2', '3']) {
      const replies: string[] = []
      for (const target of both) {
        await ask(target, protocol, `HELLO ${protocol}`)
        replies.push(formatInline(await ask(target, protocol, request)))
      }
      expect(replies[1]).toBe(replies[0])
    }
  })

  it.each(described)('%s has the same fields', async (request) => {
    await expect.poll(async () => formatInline(await ask(both[0] as SocketTarget, 'a', request))).not.toContain('disconnected')
    const [redis, moraine] = await Promise.all(both.map(async (target) => fields(await ask(target, 'a', request))))
    expect(moraine).toEqual(redis)
  })

  it('names the master alike', async () => {
    const replies = await Promise.all(
      both.map(async (target) => formatInline(await ask(target, 'a', 'SENTINEL GET-MASTER-ADDR-BY-NAME mymaster'))),
    )
    expect(replies).toEqual([`["127.0.0.1" "${servers[0]?.port}"]`, `["127.0.0.1" "${servers[2]?.port}"]`])
  })
})
