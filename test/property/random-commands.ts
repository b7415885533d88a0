/**
 * Random sessions for comparison: sequences of requests on two connections over a handful of keys, fields and values, chosen so
 * that requests meet each other (types clash, encodings change, counters overflow) and so that about one in six is malformed.
 * What no two servers could answer alike (expiry within the run, cursors, memory figures) is not generated.
 */
import fc from 'fast-check'
import { quote } from '../commands/notation.ts'
import { geoRequests, setRequests, sortedSetRequests, sortRequests, streamRequests } from './random-collections.ts'
import type { Part, Parts } from './random-parts.ts'
import {
  all,
  any,
  bitOffset,
  decimal,
  field,
  integer,
  key,
  maybe,
  milliseconds,
  named,
  notDecimal,
  notInteger,
  offset,
  one,
  pastOrFuture,
  pastOrFutureMs,
  pattern,
  range,
  seconds,
  several,
  value,
} from './random-parts.ts'

export interface RandomRequest {
  readonly connection: 'a' | 'b'
  readonly parts: readonly Buffer[]
}

/** Settings that say up to which size a collection has its small form. */
export const thresholdSettings = ['hash-max-listpack-entries', 'set-max-intset-entries', 'zset-max-listpack-entries'] as const

export interface RandomSession {
  /** The protocol version of each connection. */
  readonly protocols: { readonly a: 2 | 3; readonly b: 2 | 3 }
  /** What `thresholdSettings` are set to: small, so that some sessions have only hashtables. */
  readonly listpackEntriesMax: number
  readonly requests: readonly RandomRequest[]
}

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
  named('TYPE', fc.constantFrom('string', 'hash', 'list', 'set', 'zset', 'stream', 'x')),
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

/** Where a request tells a time from now on, beside the words EX and PX. */
const timeArguments: Readonly<Record<string, number>> = { EXPIRE: 2, PEXPIRE: 2, SETEX: 2, PSETEX: 2, XCLAIM: 4, XAUTOCLAIM: 4 }

/** Whether a request tells a time that comes while the session runs, when one of the servers has come to it and the other has not. */
function comesSoon(name: string, parts: readonly Part[]): boolean {
  const isSoon = (at: number): boolean => /^[1-9]\d{0,2}$/.test(String(parts[at] ?? ''))
  if (name === 'SET' || name === 'GETEX') return parts.some((part, at) => /^[EP]X$/i.test(String(part)) && isSoon(at + 1))
  return isSoon(timeArguments[name] ?? parts.length)
}

/** A malformed request must not become one that differs by nature: random, huge, or ending the run. */
function isComparable(parts: readonly Part[]): boolean {
  const name = String(parts[0]).toUpperCase()
  const second = String(parts[1] ?? '').toUpperCase()
  if (comesSoon(name, parts)) return false
  if (name === 'COMMAND') return second.startsWith('GETKEYS') || second === 'NOSUCH' || (second === '' && parts.length > 1)
  if (name === 'CONFIG' || name === 'OBJECT') return !['IDLETIME', 'HELP', 'SET', 'GET'].includes(second)
  if (name === 'SETRANGE') return !/^\d{5,8}$/.test(String(parts[2]))
  if (name === 'SETBIT') return !/^\d{6,9}$|^[1-3]\d{9}$/.test(String(parts[2]))
  // What is popped at random is the same only if it is all; an id of the clock's never is.
  if (name === 'SPOP') return parts.length === 3 && second.length > 0 && parts[2] === '1000'
  if (name === 'XADD') return !parts.some((part) => String(part) === '*')
  if (name === 'EVAL') return isComparable(parts.slice(3))
  // WITHSCORE came after 7.0.
  if (name === 'ZRANK' || name === 'ZREVRANK') return parts.length !== 4
  if (name === 'BITFIELD') return !parts.some((part) => /^#?\d{6,9}$|^#?[1-3]\d{9}$/.test(String(part)))
  return true
}

/** The kinds of requests, and how often each comes in a session of all. */
const families = {
  strings: { weight: 4, requests: strings },
  bits: { weight: 2, requests: bits },
  hyperloglogs: { weight: 1, requests: hyperloglogs },
  hashes: { weight: 4, requests: hashes },
  lists: { weight: 4, requests: lists },
  sets: { weight: 4, requests: setRequests },
  sortedSets: { weight: 5, requests: sortedSetRequests },
  geo: { weight: 1, requests: geoRequests },
  streams: { weight: 4, requests: streamRequests },
  sort: { weight: 1, requests: sortRequests },
  keys: { weight: 4, requests: keys },
  expiry: { weight: 2, requests: expiry },
  transactions: { weight: 2, requests: transactions },
  others: { weight: 1, requests: others },
} as const satisfies Record<string, { readonly weight: number; readonly requests: readonly Parts[] }>

export type FamilyName = keyof typeof families

function wellFormed(names: readonly FamilyName[]): Parts {
  return fc.oneof(...names.map((name) => ({ weight: families[name].weight, arbitrary: fc.oneof(...families[name].requests) })))
}

/** Executes a command, and goes on whatever comes of it. */
const script = 'return {redis.pcall(unpack(ARGV))}'
/** Within a script the order of sets and hashes is not compared. */
const scripted: Parts = fc
  .oneof(...strings, ...lists, ...sortedSetRequests, ...expiry.slice(0, 4))
  .map((parts) => ['EVAL', script, '0', ...parts])
  .filter((parts) => !/TTL|^OBJECT|^Z?RAND|SCAN/.test(String(parts[3])))

function requestOf(names: readonly FamilyName[], scripts: number): fc.Arbitrary<RandomRequest> {
  const whole = wellFormed(names)
  return fc
    .tuple(
      fc.constantFrom<'a' | 'b'>('a', 'a', 'a', 'b'),
      fc.oneof(
        { weight: 50, arbitrary: whole },
        { weight: scripts, arbitrary: scripted },
        {
          weight: 10,
          arbitrary: fc
            .tuple(whole, fc.nat(8), fc.constantFrom('drop', 'add', 'swap', 'cut'), fc.oneof(value, key))
            .map(([parts, at, how, extra]) => malformed(parts, at, how, extra)),
        },
      ),
    )
    .filter(([, parts]) => isComparable(parts))
    .map(([connection, parts]) => ({
      connection,
      parts: parts.map((part) => (typeof part === 'string' ? Buffer.from(part, 'latin1') : part)),
    }))
}

/** A session of some kinds of requests; `scripts` of about 50 are scripts. */
export function sessionOf(names: readonly FamilyName[], scripts = 0): fc.Arbitrary<RandomSession> {
  return fc
    .record({
      protocols: fc.record({ a: fc.constantFrom<2 | 3>(2, 3), b: fc.constantFrom<2 | 3>(2, 3) }),
      listpackEntriesMax: fc.constantFrom(512, 512, 3, 0),
      requests: fc.array(requestOf(names, scripts), { minLength: 1, maxLength: 100, size: 'max' }),
    })
    .map((session) => ({ ...session, [fc.toStringMethod]: () => describeSession(session) }))
}

const everything = Object.keys(families) as FamilyName[]
export const randomRequest: fc.Arbitrary<RandomRequest> = requestOf(everything, 0)
export const randomSession: fc.Arbitrary<RandomSession> = sessionOf(everything, 1)

/** The session as a transcript would show it. */
export function describeSession(session: RandomSession): string {
  const settings = [
    ...thresholdSettings.map((name) => `> CONFIG SET ${name} ${session.listpackEntriesMax}`),
    `> HELLO ${session.protocols.a}`,
    `@b HELLO ${session.protocols.b}`,
  ]
  return ['', ...settings, ...session.requests.map(describeRequest), ''].join('\n')
}

export function describeRequest({ connection, parts }: RandomRequest): string {
  const words = parts.map((part) => (/^[\w*?.|+-]+$/.test(part.toString('latin1')) ? part.toString('latin1') : quote(part)))
  return `${connection === 'a' ? '>' : `@${connection}`} ${words.join(' ')}`
}
