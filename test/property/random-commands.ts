/**
 * Random sessions for comparison: sequences of requests on two connections over a handful of keys, fields and values, chosen so
 * that requests meet each other (types clash, encodings change, counters overflow) and so that about one in six is malformed.
 * What no two servers could answer alike (expiry within the run, cursors, memory figures) is not generated.
 */
import fc from 'fast-check'
import { quote } from '../commands/notation.ts'

export interface RandomRequest {
  readonly connection: 'a' | 'b'
  readonly parts: readonly Buffer[]
}

export interface RandomSession {
  /** The protocol version of each connection. */
  readonly protocols: { readonly a: 2 | 3; readonly b: 2 | 3 }
  /** hash-max-listpack-entries: small, so that some sessions have only hashtables. */
  readonly listpackEntriesMax: number
  readonly requests: readonly RandomRequest[]
}

type Part = string | Buffer
type Parts = fc.Arbitrary<readonly Part[]>

const x = (count: number): string => 'x'.repeat(count)

const key = fc.constantFrom<Part>('k1', 'k2', 'k3', 'k4', 'h1', 'h2', 'l1', 'l2', '', 'k\x00\r\n')
const field = fc.constantFrom<Part>('f', 'g', 'h', 'i', 'j', '1', '', x(65), Buffer.from([0, 255, 13, 10]))
const integer = fc.oneof(
  { weight: 4, arbitrary: fc.integer({ min: -20, max: 20 }).map(String) },
  {
    weight: 1,
    arbitrary: fc.constantFrom('9223372036854775807', '-9223372036854775808', '9223372036854775806', '4611686018427387904', '2147483648'),
  },
)
const notInteger = fc.constantFrom<Part>('', 'abc', '1.5', '01', '+1', ' 1', '1 ', '-0', '0x10', '9223372036854775808', '1e3', '-', '--1')
const decimal = fc.constantFrom<Part>('0.1', '0.2', '-2.25', '1.5', '3.0e3', '1e-5', '10', '-0.1', '100.01', '0', '12345678.9', '-1')
const notDecimal = fc.constantFrom<Part>('nan', 'inf', '-inf', '1e5000', 'abc', '', ' 1', '1,5', '0x10', '1e400', '1.5.5')
const value = fc.oneof<fc.Arbitrary<Part>[]>(
  integer,
  notInteger,
  decimal,
  notDecimal,
  fc.constantFrom<Part>('abc', 'foobar', 'ohmytext', 'mynewtext', x(44), x(45), x(64), x(65), x(1000), x(20_000)),
  fc.uint8Array({ maxLength: 12 }).map((bytes) => Buffer.from(bytes)),
)
/** Offsets of bytes at which writing stays small or is refused. */
const offset = fc.constantFrom('0', '1', '5', '20', '-1', '700', '536870912', '9223372036854775807', 'abc', '')
const bitOffset = fc.constantFrom('0', '1', '7', '8', '63', '100', '5000', '-1', '4294967296', 'abc', '#0', '#3', '#-1')
const range = fc.oneof(integer, fc.constantFrom('0', '-1', '1', 'abc', '-100', '100'))
/** A thousand seconds apart at least, so that GT and LT never depend on the milliseconds of a run. */
const seconds = fc.oneof(
  { weight: 5, arbitrary: fc.integer({ min: 1, max: 1_000_000 }).map((thousands) => `${thousands}000`) },
  { weight: 1, arbitrary: fc.constantFrom('0', '-1', 'abc', '', '1.5', '9223372036854775807', '9223372036854775') },
)
/** What is too much in seconds is made too much in milliseconds: Moraine keeps no time behind the year 10889. */
const milliseconds = seconds.map((text) => {
  if (text === '9223372036854775') return '9223372036854775800'
  return /^[1-9]\d{3,9}$/.test(text) ? `${text}000` : text
})
const pastOrFuture = fc.constantFrom('1', '33177117420', '33177117421', '33177999999', '0', '-1', 'abc', '9223372036854775807')
const pastOrFutureMs = fc.constantFrom('1', '33177117420000', '33177117420500', '33177117421000', '0', '-1', '', '9223372036854775808')
const pattern = fc.constantFrom('*', 'k*', 'k?', '[kh][12]', 'k[^1]', '', 'k1', '\\k1', 'none', '*\x00*', 'f*', '?')

const literal = (text: string): Parts => fc.constant([text])
const one = (arbitrary: fc.Arbitrary<Part>): Parts => arbitrary.map((part) => [part])
const all = (...parts: readonly Parts[]): Parts => fc.tuple(...parts).map((lists) => lists.flat())
const named = (name: string, ...arbitraries: readonly fc.Arbitrary<Part>[]): Parts =>
  all(literal(name), ...arbitraries.map((arbitrary) => one(arbitrary)))
const maybe = (parts: Parts): Parts => fc.oneof(fc.constant([]), parts)
const several = (parts: Parts, maxLength = 4): Parts => fc.array(parts, { maxLength }).map((lists) => lists.flat())
const any = (...words: readonly string[]): Parts => fc.constantFrom(...words).map((word) => [word])

const setOption = fc.oneof(
  any('NX', 'XX', 'GET', 'KEEPTTL', 'nx', 'PERSIST'),
  named('EX', seconds),
  named('PX', milliseconds),
  named('EXAT', pastOrFuture),
  named('PXAT', pastOrFutureMs),
)
const expireOption = any('NX', 'XX', 'GT', 'LT', 'nx', 'BAD')
const scanOption = fc.oneof(
  named('MATCH', pattern),
  named('COUNT', fc.constantFrom('1000', '1', '0', 'abc')),
  named('TYPE', fc.constantFrom('string', 'hash', 'list', 'x')),
)
const bitfieldType = fc.constantFrom('u8', 'i8', 'u4', 'i5', 'u63', 'i64', 'u1', 'i1', 'u16', 'u64', 'i0', 'x8')
const bitfieldOperation = fc.oneof(
  named('GET', bitfieldType, bitOffset),
  named('SET', bitfieldType, bitOffset, integer),
  named('INCRBY', bitfieldType, bitOffset, integer),
  named('OVERFLOW', fc.constantFrom('WRAP', 'SAT', 'FAIL', 'sat', 'BAD')),
)

const strings: readonly Parts[] = [
  named('GET', key),
  all(named('SET', key, value), several(setOption, 3)),
  named('SETNX', key, value),
  named('SETEX', key, seconds, value),
  named('PSETEX', key, milliseconds, value),
  named('GETSET', key, value),
  named('GETDEL', key),
  all(named('GETEX', key), several(setOption, 2)),
  all(named('MGET', key), several(one(key))),
  all(named('MSET', key, value), several(named('k4', value), 2)),
  all(named('MSETNX', key, value), several(all(one(key), one(value)), 2)),
  named('APPEND', key, value),
  named('STRLEN', key),
  named('SETRANGE', key, offset, value),
  named('GETRANGE', key, range, range),
  named('SUBSTR', key, range, range),
  named('INCR', key),
  named('DECR', key),
  named('INCRBY', key, fc.oneof(integer, notInteger)),
  named('DECRBY', key, fc.oneof(integer, notInteger)),
  named('INCRBYFLOAT', key, fc.oneof(decimal, notDecimal)),
  all(named('LCS', key, key), several(fc.oneof(any('LEN', 'IDX', 'WITHMATCHLEN'), named('MINMATCHLEN', integer)), 3)),
]
const bits: readonly Parts[] = [
  named('SETBIT', key, bitOffset, fc.constantFrom('0', '1', '2')),
  named('GETBIT', key, bitOffset),
  all(named('BITCOUNT', key), maybe(all(one(range), one(range), maybe(any('BIT', 'BYTE', 'bit', 'BAD'))))),
  all(
    named('BITPOS', key, fc.constantFrom('0', '1', '2')),
    maybe(all(one(range), maybe(all(one(range), maybe(any('BIT', 'BYTE', 'BAD')))))),
  ),
  all(named('BITOP', fc.constantFrom('AND', 'OR', 'XOR', 'NOT', 'not', 'BAD'), key, key), several(one(key), 2)),
  all(named('BITFIELD', key), several(bitfieldOperation)),
  all(named('BITFIELD_RO', key), several(fc.oneof(named('GET', bitfieldType, bitOffset), bitfieldOperation), 2)),
]
/** HyperLogLogs have keys of their own: what redis-server makes of one that other commands have damaged is not always defined. */
const hyperloglog = fc.constantFrom<Part>('p1', 'p2', 'p3')
const hyperloglogs: readonly Parts[] = [
  all(named('PFADD', hyperloglog), several(one(value))),
  all(named('PFADD', hyperloglog), several(one(integer), 100)),
  all(named('PFCOUNT', fc.oneof(hyperloglog, key)), several(one(fc.oneof(hyperloglog, key)), 2)),
  named('PFCOUNT', hyperloglog),
  all(named('PFMERGE', hyperloglog), several(one(hyperloglog), 2), maybe(one(key))),
  named('PFDEBUG', fc.constantFrom('ENCODING', 'DECODE', 'TODENSE', 'BAD'), hyperloglog),
  named('GET', hyperloglog),
]
const hashes: readonly Parts[] = [
  all(named('HSET', key, field, value), several(all(one(field), one(value)))),
  all(named('HMSET', key, field, value), several(all(one(field), one(value)), 2)),
  named('HSETNX', key, field, value),
  named('HGET', key, field),
  all(named('HMGET', key, field), several(one(field))),
  named('HGETALL', key),
  all(named('HDEL', key, field), several(one(field))),
  named('HEXISTS', key, field),
  named('HKEYS', key),
  named('HVALS', key),
  named('HLEN', key),
  named('HSTRLEN', key, field),
  named('HINCRBY', key, field, fc.oneof(integer, notInteger)),
  named('HINCRBYFLOAT', key, field, fc.oneof(decimal, notDecimal)),
  all(
    named('HRANDFIELD', key),
    maybe(all(one(fc.constantFrom('0', '1', '3', '100', '-5', 'abc', '-9223372036854775808')), maybe(any('WITHVALUES', 'BAD')))),
  ),
  all(named('HSCAN', key, fc.constantFrom('0', '0', '0', 'abc', '-1')), several(scanOption, 2)),
]
const end = fc.constantFrom('LEFT', 'RIGHT', 'left', 'UP')
const listIndex = fc.constantFrom('0', '1', '2', '5', '-1', '-2', '-6', '100', '-9223372036854775808', '9223372036854775807', 'abc', '')
const listCount = fc.constantFrom('0', '1', '2', '100', '-1', '-2', 'abc', '9223372036854775808')
const lists: readonly Parts[] = [
  all(any('LPUSH', 'RPUSH', 'LPUSH', 'RPUSH', 'LPUSHX', 'RPUSHX'), one(key), one(value), several(one(value))),
  all(any('LPOP', 'RPOP'), one(key), maybe(one(listCount))),
  named('LRANGE', key, listIndex, listIndex),
  named('LLEN', key),
  named('LINDEX', key, listIndex),
  named('LSET', key, listIndex, value),
  named('LINSERT', key, fc.constantFrom('BEFORE', 'AFTER', 'after', 'IN'), value, value),
  named('LREM', key, listCount, value),
  named('LTRIM', key, listIndex, listIndex),
  all(named('LPOS', key, value), several(fc.oneof(named('RANK', listCount), named('COUNT', listCount), named('MAXLEN', listCount)), 3)),
  named('LMOVE', key, key, end, end),
  named('RPOPLPUSH', key, key),
  all(named('LMPOP', fc.constantFrom('1', '1', '2', '0', 'abc'), key), maybe(one(key)), one(end), maybe(named('COUNT', listCount))),
]
const keys: readonly Parts[] = [
  all(any('DEL', 'UNLINK', 'EXISTS', 'TOUCH'), one(key), several(one(key), 2)),
  named('TYPE', key),
  all(any('RENAME', 'RENAMENX'), one(key), one(key)),
  all(named('COPY', key, key), several(fc.oneof(any('REPLACE'), named('DB', fc.constantFrom('0', '1', '16', 'abc'))), 2)),
  named('MOVE', key, fc.constantFrom('0', '1', '16', '-1', 'abc')),
  named('SELECT', fc.constantFrom('0', '0', '1', '16', 'abc')),
  named('SWAPDB', fc.constantFrom('0', '1', '99', 'abc'), fc.constantFrom('0', '1', '-1')),
  named('DBSIZE'),
  named('KEYS', pattern),
  named('RANDOMKEY'),
  all(named('SCAN', fc.constantFrom('0', '0', 'abc')), several(scanOption, 2)),
  named('OBJECT', fc.constantFrom('ENCODING', 'encoding', 'REFCOUNT', 'FREQ', 'BAD'), key),
  all(any('FLUSHDB', 'FLUSHALL'), maybe(any('ASYNC', 'SYNC', 'BAD'))),
]
const expiry: readonly Parts[] = [
  all(named('EXPIRE', key, seconds), several(expireOption, 2)),
  all(named('PEXPIRE', key, milliseconds), several(expireOption, 2)),
  all(named('EXPIREAT', key, pastOrFuture), several(expireOption, 2)),
  all(named('PEXPIREAT', key, pastOrFutureMs), several(expireOption, 2)),
  all(any('TTL', 'PTTL', 'EXPIRETIME', 'PEXPIRETIME', 'PERSIST'), one(key)),
]
const transactions: readonly Parts[] = [
  named('MULTI'),
  named('EXEC'),
  named('EXEC'),
  named('DISCARD'),
  named('UNWATCH'),
  all(named('WATCH', key), several(one(key), 2)),
]
const others: readonly Parts[] = [
  named('PING'),
  named('PING', value),
  named('ECHO', value),
  all(any('NOSUCH', 'get|x', 'n\x00\r\n', ''), several(one(value), 3)),
  all(any('OBJECT', 'CONFIG', 'CLIENT', 'COMMAND'), any('NOSUCH', ''), several(one(field), 2)),
  named('CLIENT', fc.constantFrom('GETNAME')),
  named('CLIENT', fc.constant('SETNAME'), value),
  all(named('COMMAND', fc.constantFrom('GETKEYS', 'GETKEYSANDFLAGS')), fc.oneof(...strings, ...bits, ...hashes, ...lists, ...keys)),
]

/** Sometimes an argument too few or too many, or one in the wrong place. */
function malformed(parts: readonly Part[], at: number, how: 'drop' | 'add' | 'swap' | 'cut', extra: Part): readonly Part[] {
  const index = 1 + (at % Math.max(1, parts.length - 1))
  if (how === 'drop') return parts.filter((_, place) => place !== index)
  if (how === 'add') return [...parts.slice(0, index), extra, ...parts.slice(index)]
  if (how === 'cut') return parts.slice(0, index)
  return parts.map((part, place) => (place === index ? extra : part))
}

/** A malformed request must not become one that differs by nature: random, huge, or ending the run. */
function isComparable(parts: readonly Part[]): boolean {
  const name = String(parts[0]).toUpperCase()
  const second = String(parts[1] ?? '').toUpperCase()
  if (name === 'COMMAND') return second.startsWith('GETKEYS') || second === 'NOSUCH' || (second === '' && parts.length > 1)
  if (name === 'CONFIG' || name === 'OBJECT') return !['IDLETIME', 'HELP', 'SET', 'GET'].includes(second)
  if (name === 'SETRANGE') return !/^\d{5,8}$/.test(String(parts[2]))
  if (name === 'SETBIT') return !/^\d{6,9}$|^[1-3]\d{9}$/.test(String(parts[2]))
  if (name === 'BITFIELD') return !parts.some((part) => /^#?\d{6,9}$|^#?[1-3]\d{9}$/.test(String(part)))
  return true
}

const wellFormed = fc.oneof(
  { weight: 5, arbitrary: fc.oneof(...strings) },
  { weight: 2, arbitrary: fc.oneof(...bits) },
  { weight: 1, arbitrary: fc.oneof(...hyperloglogs) },
  { weight: 5, arbitrary: fc.oneof(...hashes) },
  { weight: 5, arbitrary: fc.oneof(...lists) },
  { weight: 4, arbitrary: fc.oneof(...keys) },
  { weight: 2, arbitrary: fc.oneof(...expiry) },
  { weight: 2, arbitrary: fc.oneof(...transactions) },
  { weight: 1, arbitrary: fc.oneof(...others) },
)
export const randomRequest: fc.Arbitrary<RandomRequest> = fc
  .tuple(
    fc.constantFrom<'a' | 'b'>('a', 'a', 'a', 'b'),
    fc.oneof(
      { weight: 5, arbitrary: wellFormed },
      {
        weight: 1,
        arbitrary: fc
          .tuple(wellFormed, fc.nat(8), fc.constantFrom('drop', 'add', 'swap', 'cut'), fc.oneof(value, key))
          .map(([parts, at, how, extra]) => malformed(parts, at, how, extra)),
      },
    ),
  )
  .filter(([, parts]) => isComparable(parts))
  .map(([connection, parts]) => ({
    connection,
    parts: parts.map((part) => (typeof part === 'string' ? Buffer.from(part, 'latin1') : part)),
  }))

export const randomSession: fc.Arbitrary<RandomSession> = fc
  .record({
    protocols: fc.record({ a: fc.constantFrom<2 | 3>(2, 3), b: fc.constantFrom<2 | 3>(2, 3) }),
    listpackEntriesMax: fc.constantFrom(512, 512, 3, 0),
    requests: fc.array(randomRequest, { minLength: 1, maxLength: 100, size: 'max' }),
  })
  .map((session) => ({ ...session, [fc.toStringMethod]: () => describeSession(session) }))

/** The session as a transcript would show it. */
export function describeSession(session: RandomSession): string {
  const settings = [
    `> CONFIG SET hash-max-listpack-entries ${session.listpackEntriesMax}`,
    `> HELLO ${session.protocols.a}`,
    `@b HELLO ${session.protocols.b}`,
  ]
  return ['', ...settings, ...session.requests.map(describeRequest), ''].join('\n')
}

export function describeRequest({ connection, parts }: RandomRequest): string {
  const words = parts.map((part) => (/^[\w*?.|+-]+$/.test(part.toString('latin1')) ? part.toString('latin1') : quote(part)))
  return `${connection === 'a' ? '>' : `@${connection}`} ${words.join(' ')}`
}
