/**
 * What Moraine says about its commands beside what redis-server says: COMMAND INFO (arity, flags, keys, categories, key
 * specifications, subcommands) and COMMAND GETKEYSANDFLAGS. Tips and the notes of key specifications are left out:
 * Moraine gives none. Subcommands are compared for those that Moraine has.
 */
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { ServerProcess } from '../integration/processes.ts'
import { startMoraine, startRedis } from '../integration/processes.ts'
import { builtMoraine, describeWith, redisServer } from '../needs.ts'
import { redisCommands } from './commands-in-scope.ts'
import { encodeRequest, formatInline, splitArguments } from './notation.ts'
import type { Reply } from './resp-decoder.ts'
import { SocketTarget } from './socket-target.ts'
import type { Target } from './transcript.ts'
import { sorted } from './transcript.ts'

/** One request for every shape of keys that a command can have. */
const requests = `
GET k|SET k v|SET k v GET|SET k v NX GET EX 10|SETNX k v|SETEX k 1 v|PSETEX k 1 v|GETSET k v|GETDEL k|GETEX k|GETEX k EX 1|MGET a b c|MSET a 1 b 2|MSETNX a 1 b 2
APPEND k v|STRLEN k|SETRANGE k 0 v|GETRANGE k 0 1|SUBSTR k 0 1|INCR k|DECR k|INCRBY k 1|DECRBY k 1|INCRBYFLOAT k 1|LCS a b|LCS a b IDX
SETBIT k 0 1|GETBIT k 0|BITCOUNT k|BITCOUNT k 0 1 BIT|BITPOS k 1|BITOP AND r a b c|BITOP NOT r a|BITFIELD k GET u8 0|BITFIELD k SET u8 0 1|BITFIELD k
BITFIELD k GET u8 0 INCRBY u8 0 1|BITFIELD k OVERFLOW SAT GET u8 0|BITFIELD k OVERFLOW SAT|BITFIELD k BAD|BITFIELD_RO k GET u8 0
PFADD k a b|PFCOUNT a b|PFMERGE a b c|PFDEBUG GETREG k|PFSELFTEST|LOLWUT VERSION 5
HSET k f v|HSET k f v g w|HSETNX k f v|HMSET k f v|HGET k f|HMGET k f g|HGETALL k|HDEL k f|HEXISTS k f|HKEYS k|HVALS k|HLEN k|HSTRLEN k f
ZADD k 1 a|ZINCRBY k 1 a|ZREM k a b|ZSCORE k a|ZCARD k|ZCOUNT k 1 2|ZRANGE k 0 1|ZRANGESTORE a b 0 1|ZRANK k a|ZPOPMIN k|ZMPOP 2 a b MIN|ZMPOP 5 a b MIN|ZMPOP x a MIN
ZUNION 2 a b WITHSCORES|ZINTER 1 a b|ZDIFF 0 a|ZINTERCARD 2 a b LIMIT 1|ZUNIONSTORE r 2 a b|ZINTERSTORE r 9 a b|ZDIFFSTORE r 1 a|ZSCAN k 0|ZRANDMEMBER k|BZPOPMIN a b 0|BZMPOP 0 2 a b MIN
HINCRBY k f 1|HINCRBYFLOAT k f 1|HRANDFIELD k|HRANDFIELD k 1 WITHVALUES|HSCAN k 0
DEL a b|UNLINK a b|EXISTS a b|TYPE k|RENAME a b|RENAMENX a b|COPY a b|COPY a b DB 1 REPLACE|MOVE k 1|TOUCH a b|RANDOMKEY|KEYS *|SCAN 0|DBSIZE|FLUSHALL ASYNC
DUMP k|RESTORE k 0 x|RESTORE k 0 x REPLACE|MIGRATE h 1 k 0 100|MIGRATE h 1 "" 0 100 KEYS a b|MIGRATE h 1 "" 0 100 AUTH KEYS KEYS a b
OBJECT ENCODING k|OBJECT IDLETIME k|OBJECT FREQ k|OBJECT REFCOUNT k|OBJECT HELP|MEMORY USAGE k|MEMORY USAGE k SAMPLES 0|MEMORY STATS
TTL k|PTTL k|EXPIRE k 1|EXPIRE k 1 NX|PEXPIRE k 1|EXPIREAT k 1|PEXPIREAT k 1|EXPIRETIME k|PEXPIRETIME k|PERSIST k
SUBSCRIBE a|SSUBSCRIBE a b|SUNSUBSCRIBE|PUBLISH a b|SPUBLISH a b|PUBSUB NUMSUB a|WATCH a b|MULTI x|SELECT 1|SWAPDB 0 1|PING x|ECHO x|CONFIG GET x|CLIENT ID|INFO x|DEBUG SLEEP 0|WAIT 0 0|COMMAND GETKEYS GET k
EVAL x 2 a b c|EVAL x 0|EVAL x 5 a|EVAL x z|EVAL x -1|EVALSHA x 1 a|EVAL_RO x 1 a b|EVALSHA_RO x 1 a|SCRIPT LOAD x|FCALL f 1 a b|FCALL_RO f 1 a|FUNCTION LOAD x
WATCH a b|MULTI x|SELECT 1|SWAPDB 0 1|PING x|ECHO x|CONFIG GET x|CLIENT ID|INFO x|DEBUG SLEEP 0|WAIT 0 0|COMMAND GETKEYS GET k
GET|GET a b|MSET a|NOSUCH k|OBJECT|OBJECT BAD k|CONFIG BAD|BITOP AND r|COPY a|""`
  .trim()
  .split(/[|\n]/)

async function ask(target: Target, ...parts: readonly (string | Buffer)[]): Promise<Reply> {
  await target.send('a', encodeRequest(parts.map((part) => Buffer.from(part as string))))
  const received = await target.receive('a')
  if (received === 'closed') throw new Error('the server closed the connection')
  return received.reply
}

interface Facts {
  readonly name: string
  readonly arity: string
  readonly flags: string
  readonly keys: string
  readonly categories: string
  readonly keySpecifications: string
}

async function commandFacts(target: Target, name: string): Promise<Facts | string> {
  const reply = await ask(target, 'COMMAND', 'INFO', name)
  const info = 'items' in reply ? reply.items[0] : undefined
  if (info === undefined || !('items' in info) || info.items.length !== 10) return formatInline(reply)
  const field = (index: number): string => sorted(info.items[index] as Reply, 'any')
  const specifications = info.items[8] as Reply
  return {
    name: field(0),
    arity: field(1),
    flags: field(2),
    keys: [3, 4, 5].map(field).join(' '),
    categories: field(6),
    keySpecifications: 'items' in specifications ? specifications.items.map(withoutNotes).join('\n') : formatInline(specifications),
  }
}

/** What a later Redis, whose option Moraine has, says otherwise. */
const laterFacts: Readonly<Record<string, Partial<Facts>>> = { ZRANK: { arity: ':-3' }, ZREVRANK: { arity: ':-3' } }

function withoutNotes(specification: Reply): string {
  if (!('items' in specification)) return formatInline(specification)
  const names = specification.items.map((item) => ('text' in item ? item.text.toString() : ''))
  return specification.items
    .filter((_, index) => names[index - (index % 2)] !== 'notes')
    .map((item) => sorted(item, 'any'))
    .join(' ')
}

describeWith([redisServer, builtMoraine], 'the command table beside redis-server', () => {
  const servers: ServerProcess[] = []
  let redis: SocketTarget
  let moraine: SocketTarget
  beforeAll(async () => {
    servers.push(await startRedis(), await startMoraine('--appendfsync', 'no'))
    redis = new SocketTarget('redis', servers[0]?.port ?? 0)
    moraine = new SocketTarget('moraine', servers[1]?.port ?? 0)
  })
  afterAll(async () => {
    await redis?.close()
    await moraine?.close()
    for (const server of servers) await server.stop()
  })

  it.each(redisCommands)('COMMAND INFO %s', async (name) => {
    const expected = await commandFacts(redis, name)
    // A list of names that redis-server does not know would compare nothing.
    expect(expected).toHaveProperty('arity')
    expect(await commandFacts(moraine, name)).toEqual({ ...(expected as Facts), ...laterFacts[name] })
  })

  it.each(requests)('COMMAND GETKEYSANDFLAGS %s', async (request) => {
    for (const subcommand of ['GETKEYS', 'GETKEYSANDFLAGS']) {
      const parts = ['COMMAND', subcommand, ...splitArguments(request)]
      expect(formatInline(await ask(moraine, ...parts))).toBe(formatInline(await ask(redis, ...parts)))
    }
  })

  it('COMMAND LIST names what it has', async () => {
    const reply = await ask(moraine, 'COMMAND', 'LIST')
    const names = 'items' in reply ? reply.items.map((item) => ('text' in item ? item.text.toString() : '')) : []
    expect(names).toEqual(expect.arrayContaining(redisCommands.map((name) => name.toLowerCase())))
    // The list has the subcommands too, the count has not.
    const containers = names.filter((name) => !name.includes('|'))
    expect(await ask(moraine, 'COMMAND', 'COUNT')).toEqual({ type: 'integer', text: Buffer.from(String(containers.length)) })
  })
})
