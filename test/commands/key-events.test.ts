/**
 * Keyspace events beside redis-server's: the same requests to both, and after each the messages that came, in their order.
 * First a request for every command that tells something, then random sessions.
 */
import fc from 'fast-check'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { testRuns } from '../chance.ts'
import type { ServerProcess } from '../integration/processes.ts'
import { startMoraine, startRedis } from '../integration/processes.ts'
import { builtMoraine, describeWith, redisServer } from '../needs.ts'
import { describeRequest, randomSession } from '../property/random-commands.ts'
import { encodeRequest, formatInline, splitArguments } from './notation.ts'
import { SocketTarget } from './socket-target.ts'

/** What DUMP returns of the string 1. */
const dumpOfOne = String.raw`"\x00\xc0\x01\n\x00&x\xe7\xb6\xd1\x01\x11\xfc"`
const restored = `RESTORE k 0 ${dumpOfOne}`
const timesOfThePast = 'times of the past'

/** Sessions of requests; each begins on an empty server. `!` stands for time that passes: 15 ms. */
const sessions: readonly (readonly [title: string, requests: string])[] = [
  ['SET and its like', 'SET k v|SET k w|SET k v EX 100|SET k v KEEPTTL|SET k v NX|SET n v XX|SET k v GET|SET n v GET|SETNX k v|SETNX m v'],
  [
    'SET with times',
    'SETEX k 100 v|PSETEX k 100000 v|SETEX k 0 v|GETSET k v|GETSET n v|GETEX k|GETEX k EX 10|GETEX k PERSIST|GETEX k PERSIST',
  ],
  ['GETDEL and GETEX', 'SET k v|GETDEL k|GETDEL k|SET k v|GETEX k EXAT 1|GETEX k EX 0|SET k v|GETEX k PXAT 1|GETEX none'],
  ['several keys', 'MSET a 1 b 2 a 3|MSETNX c 1 d 2|MSETNX c 1 e 2|MGET a none b|DEL a none b|UNLINK c c d|EXISTS a b|TOUCH a b'],
  [
    'counters',
    'INCR k|DECR k|INCRBY k 5|DECRBY k 5|INCRBYFLOAT k 1.5|INCR k|SET k 9223372036854775807|INCR k|INCRBY k -9223372036854775807',
  ],
  ['parts of strings', 'APPEND k a|APPEND k ""|SETRANGE k 3 x|SETRANGE n 0 ""|SETRANGE n 2 x|GETRANGE none 0 1|STRLEN none|LCS k none'],
  ['bits', 'SETBIT k 7 1|SETBIT k 7 1|SETBIT k 70 0|SETBIT k 3 0|GETBIT none 1|BITCOUNT none|BITPOS none 1|BITPOS k 1|GETBIT k 9'],
  ['BITOP', 'SET a abc|SET b xyz|BITOP AND r a b|BITOP OR r a none|BITOP NOT r a|BITOP XOR r none nothing|BITOP XOR r none nothing'],
  [
    'BITFIELD',
    'BITFIELD k SET u8 0 1|BITFIELD k SET u8 0 1|BITFIELD k GET u8 0|BITFIELD k INCRBY u8 0 0|BITFIELD k SET u8 80 0|BITFIELD none GET u8 0|BITFIELD k OVERFLOW FAIL SET u8 160 300|BITFIELD k OVERFLOW FAIL INCRBY u2 0 9|BITFIELD k SET i64 0 5 SET i64 0 5|BITFIELD_RO none GET u8 0|BITFIELD k SET u8 0 7 GET u8 0 INCRBY u8 0 1',
  ],
  [
    'hashes',
    'HSET h f 1 g 2|HSET h f 1|HSETNX h f 2|HSETNX h n 2|HMSET h x y|HINCRBY h c 1|HINCRBYFLOAT h c 1.5|HINCRBY h x 1|HDEL h none|HDEL h f g|HDEL h n x c',
  ],
  [
    'reads of hashes that are missing',
    'HGET h f|HMGET h f|HGETALL h|HKEYS h|HVALS h|HLEN h|HSTRLEN h f|HEXISTS h f|HRANDFIELD h|HRANDFIELD h 2|HSCAN h 0',
  ],
  [
    'sorted sets',
    'ZADD z 1 a 2 b|ZADD z 1 a|ZADD z XX 5 n|ZADD z CH 3 a|ZADD z INCR 1 a|ZADD z INCR 0 a|ZADD z XX INCR 1 n|ZINCRBY z 2 b|ZINCRBY z nan b|ZREM z n|ZREM z a n|ZPOPMIN z|ZADD z 1 a 2 b 3 c 4 d 5 e|ZPOPMAX z 2|ZPOPMIN z 0|ZMPOP 2 none z MIN|ZREMRANGEBYRANK z 5 6|ZREMRANGEBYRANK z 0 0|ZREMRANGEBYSCORE z 0 100|ZADD z 0 a 0 b|ZREMRANGEBYLEX z [a [a|ZREMRANGEBYLEX z - +|ZADD z 1 a|ZREM z a',
  ],
  [
    'sets',
    'SADD a 1 2 x|SADD a 1|SREM a 9|SREM a 2 9|SADD b 1 3|SMOVE a b x|SMOVE a b 1|SMOVE a b 1|SADD a 5 6 7|SUNIONSTORE t a b|SUNIONSTORE t a b|SINTERSTORE t a b|SINTERSTORE t a b|SDIFFSTORE t a b|SDIFFSTORE a b a|SADD p q|SPOP p|SADD p q|SPOP p 0|SPOP p 5|SISMEMBER none x|SINTER none a|SRANDMEMBER none',
  ],
  [
    'streams',
    'XADD s 1-1 a 1|XADD s 2-1 a 1|XADD s NOMKSTREAM 3-1 a 1|XADD none NOMKSTREAM 1 a 1|XADD s MAXLEN 2 4-1 a 1|XTRIM s MAXLEN 9|XTRIM s MAXLEN 1|XDEL s 9|XGROUP CREATE s g 0|XGROUP CREATECONSUMER s g c|XGROUP CREATECONSUMER s g c|XREADGROUP GROUP g d STREAMS s >|XREADGROUP GROUP g d STREAMS s >|XACK s g 4-1|XGROUP SETID s g 0|XREADGROUP GROUP g e STREAMS s >|XCLAIM s g f 0 4-1|XAUTOCLAIM s g h 0 0|XGROUP DELCONSUMER s g h|XGROUP DESTROY s g|XGROUP DESTROY s g|XGROUP CREATE m g $ MKSTREAM|XSETID s 9-1|XDEL s 4-1|XLEN none|XRANGE none - +',
  ],
  [
    'reads of streams that are missing',
    'XADD s 1-1 a 1|XREAD STREAMS none 0|XREAD STREAMS none $|XREAD STREAMS s none other 0 0 $|XREAD COUNT 1 STREAMS none s 0 0|XGROUP CREATE s g 0|XREADGROUP GROUP g c STREAMS s >|XREADGROUP GROUP g c STREAMS none >|XREADGROUP GROUP g c STREAMS s none > >|XREAD STREAMS none bad',
  ],
  [
    'stores over what is there',
    'ZADD a 1 x|ZUNIONSTORE t 1 a|ZUNIONSTORE t 1 a|ZRANGESTORE t a 0 -1|SET t v|ZUNIONSTORE t 1 a|SADD s 1|SET t v|SUNIONSTORE t s',
  ],
  [
    'sorted sets combined',
    'ZADD a 1 x 2 y|ZADD b 3 y|ZUNIONSTORE t 2 a b|ZINTERSTORE t 2 a none|ZINTERSTORE t 2 a none|ZDIFFSTORE t 2 a b|ZRANGESTORE r a 0 -1|ZRANGESTORE r a 5 6|ZRANGESTORE r a 5 6|ZRANGESTORE r none 0 1|BZPOPMIN none t 0|BZMPOP 0 1 a MAX COUNT 5|BZPOPMAX b 0',
  ],
  [
    'reads of sorted sets that are missing',
    'ZSCORE z a|ZMSCORE z a|ZCARD z|ZCOUNT z 1 2|ZLEXCOUNT z - +|ZRANGE z 0 1|ZREVRANGEBYSCORE z 2 1|ZRANK z a|ZRANDMEMBER z|ZRANDMEMBER z 2|ZSCAN z 0|ZUNION 2 z y|ZINTERCARD 2 z y|ZDIFF 1 z',
  ],
  [
    'expiry',
    'SET k v|EXPIRE k 100|PEXPIRE k 100000|EXPIREAT k 9999999999|PEXPIREAT k 9999999999000|EXPIRE k 1 NX|PERSIST k|PERSIST k|EXPIRE k 0|EXPIRE k 5|SET k v|PEXPIREAT k 1',
  ],
  [
    'what is met after its time',
    'SET a v PX 10|SET b v PX 10|SET c v PX 10|HSET h f v|PEXPIRE h 10|SET d v PX 10|SET e v PX 10|SET s v|!|GET a|SET b v|DEL c|HSET h f v|RENAME s d|MSET e 1',
  ],
  [timesOfThePast, 'SET k v EXAT 1|GET k|SET k v|SET k w PXAT 1|EXISTS k|SET n v EXAT 1 GET|GET n'],
  [
    'values restored',
    `${restored}|${restored}|${restored} REPLACE|DEL k|${restored} REPLACE|RPUSH l a|RESTORE l 0 ${dumpOfOne} REPLACE|RESTORE l 1 ${dumpOfOne} REPLACE ABSTTL`,
  ],
  ['names', 'SET a 1|RENAME a b|SET c 1|RENAME b c|RENAME c c|RENAMENX c d|SET e 1|RENAMENX d e|RENAME none x|HSET h f 1|RENAME h d'],
  ['copies', 'SET a 1 EX 100|COPY a b|COPY a b|COPY a b REPLACE|COPY a c DB 3|COPY a a|COPY none x|HSET h f 1|COPY h a REPLACE'],
  [
    'databases',
    'SET a 1|MOVE a 3|MOVE a 3|SET a 2|MOVE a 3|MOVE none 3|SELECT 3|GET a|DEL a|SELECT 0|SWAPDB 0 5|SET x 1|SELECT 5|DEL a|FLUSHDB|SET y 1|FLUSHALL',
  ],
  [
    'looking',
    'GET none|TYPE none|TTL none|PTTL none|EXPIRETIME none|OBJECT ENCODING none|OBJECT IDLETIME none|MEMORY USAGE none|KEYS *|SCAN 0|RANDOMKEY|DBSIZE|EXISTS none none',
  ],
  ['errors', 'SET k v|HSET k f v|INCR k|HGET k f|SETRANGE k -1 x|EXPIRE k abc|HSET h f|APPEND|BITFIELD k SET u99 0 1'],
  [
    'places',
    'GEOADD g 13.3 38.1 a 15.0 37.5 b|GEOADD g 13.3 38.1 a|GEOADD g CH XX 13.4 38.1 a|GEOSEARCHSTORE t g FROMMEMBER a BYRADIUS 500 km|GEOSEARCHSTORE t g FROMMEMBER a BYRADIUS 500 km|GEOSEARCHSTORE t g FROMLONLAT 0 0 BYRADIUS 1 m|GEOSEARCHSTORE t g FROMLONLAT 0 0 BYRADIUS 1 m|GEORADIUS g 15 37 200 km STORE t|GEORADIUSBYMEMBER g a 1 km STOREDIST g|GEORADIUS none 15 37 200 km STORE t|GEOPOS none a|GEODIST none a b|GEOHASH none|GEOSEARCH none FROMMEMBER a BYBOX 1 1 m',
  ],
  [
    'SORT',
    'RPUSH l 2 1 3|SORT l|SORT l STORE t|SORT l STORE t|SORT l STORE l|SORT none STORE t|SORT none STORE t|SORT l BY w_* GET v_*|SORT_RO l GET v_*|SET s v|SORT l STORE s|SORT none',
  ],
  ['transactions', 'MULTI|SET a 1|INCR a|PUBLISH news hello|HSET h f 1|DEL a none|EXEC|MULTI|SET a 1|DISCARD|WATCH a|MULTI|SET b 1|EXEC'],
]
const classes = ['AKEmn', 'KEA', 'Kg$x', 'Eh', 'Emn', 'Kd']
const isEvent = (line: string): boolean => line.startsWith('["pmessage"')
const isExpired = (line: string): boolean => line.endsWith('"expired"]') || line.includes('__:expired"')
const mark = Buffer.from('__key__:end')
let marks = 0

/** One of the servers with a client that listens to all events. */
class Listening {
  readonly target: SocketTarget

  constructor(target: SocketTarget) {
    this.target = target
  }

  async ask(connection: string, parts: readonly (string | Buffer)[]): Promise<string> {
    await this.target.send(connection, encodeRequest(parts.map((part) => Buffer.from(part as string))))
    const received = await this.target.receive(connection)
    return received === 'closed' ? 'closed' : formatInline(received.reply)
  }

  async begin(letters: string): Promise<void> {
    await this.target.reset()
    await this.ask('c', ['DEBUG', 'SET-ACTIVE-EXPIRE', '0'])
    await this.ask('c', ['CONFIG', 'SET', 'notify-keyspace-events', letters])
    await this.ask('listener', ['PSUBSCRIBE', '__key*__:*'])
    await this.ask('listener', ['SUBSCRIBE', 'news'])
  }

  /** What came since the last time; whatever a connection did before is told before its next message. */
  async heard(connection: string): Promise<string[]> {
    const word = `${++marks}`
    await this.target.send(connection, encodeRequest([Buffer.from('PUBLISH'), mark, Buffer.from(word)]))
    await this.target.receive(connection)
    const heard: string[] = []
    for (;;) {
      const received = await this.target.receive('listener')
      const line = received === 'closed' ? 'closed' : formatInline(received.reply)
      if (line === 'closed' || (line.includes(`"${mark.toString()}"`) && line.endsWith(`"${word}"]`))) return heard
      heard.push(line)
    }
  }
}

describeWith([redisServer, builtMoraine], 'keyspace events beside redis-server', () => {
  const servers: ServerProcess[] = []
  const both: Listening[] = []
  beforeAll(async () => {
    servers.push(await startRedis(), await startMoraine('--appendfsync', 'no', '--enable-debug-command', 'local'))
    both.push(
      new Listening(new SocketTarget('redis', servers[0]?.port ?? 0)),
      new Listening(new SocketTarget('moraine', servers[1]?.port ?? 0)),
    )
  })
  afterAll(async () => {
    for (const { target } of both) await target.close()
    for (const server of servers) await server.stop()
  })

  it.each(sessions)('%s', async (title, requests) => {
    for (const letters of classes) {
      const told = await Promise.all(
        both.map(async (server) => {
          await server.begin(letters)
          const lines: string[] = []
          let inTransaction = false
          for (const request of requests.split('|')) {
            if (request === '!') {
              await server.target.advance(15)
              continue
            }
            lines.push(`> ${request}`, await server.ask('c', splitArguments(request)))
            inTransaction = /^MULTI/.test(request) || (inTransaction && !/^(EXEC|DISCARD)/.test(request))
            if (!inTransaction) lines.push(...(await server.heard('c')))
          }
          return lines
        }),
      )
      // What is set with a time of the past expires at once here, and in Redis when somebody meets it.
      if (title === timesOfThePast) expect(told[1]?.filter(isEvent)).toEqual(told[0]?.filter(isEvent))
      else expect(told[1]).toEqual(told[0])
    }
  })

  it('random sessions', async () => {
    const property = fc.asyncProperty(randomSession, fc.constantFrom(...classes), async (session, letters) => {
      const told = await Promise.all(
        both.map(async (server) => {
          await server.begin(letters)
          const lines: string[] = []
          const inTransaction = new Set<string>()
          for (const { connection, parts } of session.requests) {
            const name = parts[0]?.toString().toUpperCase() ?? ''
            const line = describeRequest({ connection, parts })
            const reply = await server.ask(connection, parts)
            if (name === 'MULTI' && reply === '+OK') inTransaction.add(connection)
            if ((name === 'EXEC' || name === 'DISCARD') && !reply.startsWith('-ERR')) inTransaction.delete(connection)
            lines.push(line)
            if (!inTransaction.has(connection)) lines.push(...(await server.heard(connection)).filter((event) => !isExpired(event)))
          }
          return lines
        }),
      )
      expect(told[1]).toEqual(told[0])
    })
    await fc.assert(property, { numRuns: testRuns(40) })
  })
})
