/**
 * Random sessions on sorted sets, and on sets that are combined with them, in process and on redis-server: the same replies, byte for byte. Large thresholds and
 * small. Ranges by member are asked of a key with one score only: otherwise Redis's answer depends on chance.
 */
import fc from 'fast-check'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { engineTables } from '../../server/commands/tables.ts'
import { testRuns } from '../chance.ts'
import { InProcessTarget } from '../commands/in-process.ts'
import { SocketTarget } from '../commands/socket-target.ts'
import type { ServerProcess } from '../integration/processes.ts'
import { startRedis } from '../integration/processes.ts'
import { describeWith, redisServer } from '../needs.ts'
import { compareServers } from './differential.ts'
import type { RandomRequest, RandomSession } from './random-commands.ts'

type Parts = fc.Arbitrary<readonly string[]>

const key = fc.constantFrom('z1', 'z2', 'z3', '')
const source = fc.constantFrom('z1', 'z2', 'z3', '', 's', 'none', 'text')
const member = fc.oneof(
  { weight: 6, arbitrary: fc.integer({ min: 0, max: 30 }).map((n) => `m${n}`) },
  { weight: 1, arbitrary: fc.constantFrom('', '1', 'x'.repeat(64), 'x'.repeat(65), '\x00\xff', 'm') },
)
const score = fc.oneof(
  { weight: 6, arbitrary: fc.integer({ min: -5, max: 5 }).map(String) },
  { weight: 2, arbitrary: fc.double({ noNaN: true }).map(String) },
  {
    weight: 2,
    arbitrary: fc.constantFrom(
      'inf',
      '-inf',
      '+inf',
      '0.1',
      '-0',
      '1e300',
      '9007199254740993',
      '0.30000000000000004',
      '1e-5',
      '3.0e3',
      '1e17',
    ),
  },
  { weight: 1, arbitrary: fc.constantFrom('nan', 'x', '', '1e400', ' 1', '0x10', '1.5.5') },
)
const bound = fc.oneof(
  { weight: 6, arbitrary: fc.tuple(fc.constantFrom('', '('), score).map((parts) => parts.join('')) },
  { weight: 1, arbitrary: score },
)
const rank = fc.oneof(
  { weight: 6, arbitrary: fc.integer({ min: -12, max: 12 }).map(String) },
  { weight: 1, arbitrary: fc.constantFrom('x', '9223372036854775807', '-9223372036854775808', '1.5') },
)
const lexBound = fc.oneof(
  { weight: 4, arbitrary: fc.tuple(fc.constantFrom('[', '('), member).map((parts) => parts.join('')) },
  { weight: 2, arbitrary: fc.constantFrom('-', '+') },
  { weight: 1, arbitrary: fc.constantFrom('x', '', '--') },
)
const count = fc.constantFrom('0', '1', '2', '5', '100', '-1', 'x')

const word = (...words: readonly string[]): Parts => fc.constantFrom(...words).map((each) => [each])
const one = (part: fc.Arbitrary<string>): Parts => part.map((each) => [each])
const all = (...parts: readonly Parts[]): Parts => fc.tuple(...parts).map((lists) => lists.flat())
const maybe = (parts: Parts): Parts => fc.oneof(fc.constant<readonly string[]>([]), parts)
const several = (parts: Parts, minLength: number, maxLength: number): Parts =>
  fc.array(parts, { minLength, maxLength }).map((lists) => lists.flat())
const limit = maybe(all(word('LIMIT'), one(rank), one(rank)))
const withScores = maybe(word('WITHSCORES'))

const sources: Parts = fc.array(source, { minLength: 1, maxLength: 3 }).map((keys) => [String(keys.length), ...keys])
const combination = all(
  sources,
  maybe(all(word('WEIGHTS'), several(one(score), 1, 3))),
  maybe(all(word('AGGREGATE'), word('SUM', 'MIN', 'MAX', 'min', 'BAD'))),
)

const request: Parts = fc.oneof(
  {
    weight: 8,
    arbitrary: all(
      word('ZADD'),
      one(key),
      several(word('NX', 'XX', 'GT', 'LT', 'CH', 'ch'), 0, 2),
      several(all(one(score), one(member)), 1, 6),
    ),
  },
  { weight: 2, arbitrary: all(word('ZADD'), one(key), maybe(word('NX', 'XX', 'GT', 'LT')), word('INCR'), one(score), one(member)) },
  { weight: 3, arbitrary: all(word('ZINCRBY'), one(key), one(score), one(member)) },
  { weight: 3, arbitrary: all(word('ZREM'), one(key), several(one(member), 1, 6)) },
  { weight: 2, arbitrary: all(word('ZSCORE', 'ZRANK', 'ZREVRANK'), one(source), one(member)) },
  { weight: 1, arbitrary: all(word('ZMSCORE'), one(source), several(one(member), 1, 4)) },
  {
    weight: 1,
    arbitrary: all(
      word('ZCARD', 'TYPE', 'OBJECT ENCODING', 'DEL').map(([each]) => (each as string).split(' ')),
      one(key),
    ),
  },
  { weight: 3, arbitrary: all(word('ZRANGE'), one(source), one(rank), one(rank), maybe(word('REV')), withScores) },
  { weight: 1, arbitrary: all(word('ZREVRANGE'), one(key), one(rank), one(rank), withScores) },
  { weight: 3, arbitrary: all(word('ZRANGEBYSCORE', 'ZREVRANGEBYSCORE'), one(source), one(bound), one(bound), limit, withScores) },
  { weight: 2, arbitrary: all(word('ZRANGE'), one(key), one(bound), one(bound), word('BYSCORE'), maybe(word('REV')), limit, withScores) },
  {
    weight: 2,
    arbitrary: all(word('ZRANGESTORE'), one(key), one(source), one(bound), one(bound), maybe(word('BYSCORE')), maybe(word('REV')), limit),
  },
  { weight: 2, arbitrary: all(word('ZCOUNT'), one(source), one(bound), one(bound)) },
  { weight: 2, arbitrary: all(word('ZADD'), fc.constant(['lex']), several(all(fc.constant(['0']), one(member)), 1, 6)) },
  { weight: 2, arbitrary: all(word('ZRANGEBYLEX', 'ZREVRANGEBYLEX'), fc.constant(['lex']), one(lexBound), one(lexBound), limit) },
  { weight: 1, arbitrary: all(word('ZLEXCOUNT', 'ZREMRANGEBYLEX'), fc.constant(['lex']), one(lexBound), one(lexBound)) },
  { weight: 2, arbitrary: all(word('ZPOPMIN', 'ZPOPMAX'), one(source), maybe(one(count))) },
  { weight: 1, arbitrary: all(word('ZMPOP'), sources, word('MIN', 'MAX', 'BAD'), maybe(all(word('COUNT'), one(count)))) },
  { weight: 1, arbitrary: all(word('ZREMRANGEBYRANK'), one(key), one(rank), one(rank)) },
  { weight: 1, arbitrary: all(word('ZREMRANGEBYSCORE'), one(key), one(bound), one(bound)) },
  { weight: 3, arbitrary: all(word('ZUNION', 'ZINTER', 'ZDIFF'), combination, withScores) },
  { weight: 3, arbitrary: all(word('ZUNIONSTORE', 'ZINTERSTORE', 'ZDIFFSTORE'), one(key), combination) },
  { weight: 1, arbitrary: all(word('ZINTERCARD'), sources, maybe(all(word('LIMIT'), one(count)))) },
  { weight: 1, arbitrary: all(word('SADD'), fc.constant(['s']), several(one(member), 1, 5)) },
  { weight: 1, arbitrary: all(word('COPY', 'RENAME'), one(key), one(key)) },
)

const thresholds = fc.constantFrom('0', '3', '8', '128')
const session: fc.Arbitrary<RandomSession> = fc
  .record({
    entriesMax: thresholds,
    protocols: fc.record({ a: fc.constantFrom<2 | 3>(2, 3), b: fc.constantFrom<2 | 3>(2, 3) }),
    requests: fc.array(fc.tuple(fc.constantFrom<'a' | 'b'>('a', 'b'), request), { minLength: 10, maxLength: 60 }),
  })
  .map(({ entriesMax, protocols, requests }) => {
    const first: RandomRequest[] = [
      ['CONFIG', 'SET', 'zset-max-listpack-entries', entriesMax],
      ['SET', 'text', 'v'],
    ].map((parts) => ({ connection: 'a', parts: parts.map((part) => Buffer.from(part)) }))
    const rest = requests.map(([connection, parts]) => ({ connection, parts: parts.map((part) => Buffer.from(part, 'latin1')) }))
    return { protocols, listpackEntriesMax: 128, requests: [...first, ...rest] }
  })

describeWith([redisServer], 'sorted sets beside redis-server', () => {
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

  const compare = async (engine: InProcessTarget, runs: number, first: readonly RandomRequest[] = []): Promise<void> => {
    const property = fc.asyncProperty(session, async (each) => {
      const difference = await compareServers(redis, engine, { ...each, requests: [...first, ...each.requests] })
      if (difference !== undefined) throw new Error(difference)
    })
    await fc.assert(property, { numRuns: runs })
  }

  it('give the same replies', async () => {
    await compare(new InProcessTarget(engineTables, 300), testRuns(20))
  })

  it('give the same replies in slices', async () => {
    const engine = new InProcessTarget(engineTables, 100, 1)
    // So many that they are trees.
    const filled = ['z1', 'z2', 'z3', 'lex'].map((name): RandomRequest => {
      const elements = Array.from({ length: 200 }, (_, i) => [name === 'lex' ? '0' : `${i % 7}`, `m${i}`])
      return { connection: 'a', parts: ['ZADD', name, ...elements.flat()].map((part) => Buffer.from(part)) }
    })
    await compare(engine, testRuns(20), filled)
    expect(engine.sliced).toBeGreaterThan(testRuns(20) / 4)
  })
})
