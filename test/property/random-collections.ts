/**
 * Random requests on sets, sorted sets, places, streams, and sorting. What chance or a clock decides is left out: pops of some members, entries with
 * ids of the clock's. Ranges by member are asked of a key with one score only: otherwise Redis's answer depends on chance.
 */
import fc from 'fast-check'
import type { Part, Parts } from './random-parts.ts'
import { all, any, integer, key, literal, maybe, named, one, pattern, several, value } from './random-parts.ts'

const member = fc.oneof<fc.Arbitrary<Part>[]>(
  fc.integer({ min: 0, max: 30 }).map((n) => `m${n}`),
  fc.integer({ min: 0, max: 30 }).map((n) => `m${n}`),
  integer,
  fc.constantFrom<Part>('', '1', 'x'.repeat(64), 'x'.repeat(65), '\x00\xff', 'm', '-0', '01'),
)
const count = fc.constantFrom('0', '1', '2', '5', '100', '-1', '-5', 'x', '9223372036854775807', '-9223372036854775808')
const keysCounted: Parts = fc.array(key, { minLength: 1, maxLength: 3 }).map((keys) => [String(keys.length), ...keys])
const scanned = several(fc.oneof(named('MATCH', pattern), named('COUNT', fc.constantFrom('1000', '1', '0', 'abc'))), 2)
const cursor = fc.constantFrom('0', '0', '0', 'abc', '-1')

export const setRequests: readonly Parts[] = [
  all(named('SADD', key, member), several(one(member))),
  all(named('SADD', key, member), several(one(member), 20)),
  all(named('SADD', key, integer), several(one(integer))),
  all(named('SREM', key, member), several(one(member))),
  named('SISMEMBER', key, member),
  all(named('SMISMEMBER', key, member), several(one(member))),
  named('SCARD', key),
  named('SMEMBERS', key),
  named('SMOVE', key, key, member),
  all(any('SINTER', 'SUNION', 'SDIFF'), one(key), several(one(key), 2)),
  all(any('SINTERSTORE', 'SUNIONSTORE', 'SDIFFSTORE'), one(key), one(key), several(one(key), 2)),
  all(literal('SINTERCARD'), keysCounted, maybe(named('LIMIT', count))),
  named('SPOP', key, fc.constant('1000')),
  all(named('SRANDMEMBER', key), maybe(one(fc.constantFrom('0', '1', '3', '-5', 'abc', '-9223372036854775808')))),
  all(named('SSCAN', key, cursor), scanned),
]

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
const lexMember = fc.oneof(
  fc.integer({ min: 0, max: 30 }).map((n) => `m${n}`),
  fc.constantFrom('', '1', 'x'.repeat(65), '\x00\xff', 'm'),
)
const lexBound = fc.oneof(
  { weight: 4, arbitrary: fc.tuple(fc.constantFrom('[', '('), lexMember).map((parts) => parts.join('')) },
  { weight: 2, arbitrary: fc.constantFrom('-', '+') },
  { weight: 1, arbitrary: fc.constantFrom('x', '', '--') },
)
/** All of its members have the score 0. */
const lex = literal('lex')
const limit = maybe(named('LIMIT', rank, rank))
const withScores = maybe(any('WITHSCORES'))
const flags = several(any('NX', 'XX', 'GT', 'LT', 'CH', 'ch'), 2)
const combination = all(
  keysCounted,
  maybe(all(literal('WEIGHTS'), one(score), several(one(score), 2))),
  maybe(named('AGGREGATE', fc.constantFrom('SUM', 'MIN', 'MAX', 'min', 'BAD'))),
)

export const sortedSetRequests: readonly Parts[] = [
  all(named('ZADD', key), flags, one(score), one(member), several(all(one(score), one(member)))),
  all(named('ZADD', key), one(score), one(member), several(all(one(score), one(member)), 10)),
  all(named('ZADD', key), maybe(any('NX', 'XX', 'GT', 'LT')), named('INCR', score, member)),
  named('ZINCRBY', key, score, member),
  all(named('ZREM', key, member), several(one(member))),
  all(any('ZSCORE', 'ZRANK', 'ZREVRANK'), one(key), one(member)),
  all(named('ZMSCORE', key, member), several(one(member))),
  named('ZCARD', key),
  all(named('ZRANGE', key, rank, rank), maybe(any('REV')), withScores),
  all(named('ZREVRANGE', key, rank, rank), withScores),
  all(any('ZRANGEBYSCORE', 'ZREVRANGEBYSCORE'), one(key), one(bound), one(bound), limit, withScores),
  all(named('ZRANGE', key, bound, bound), literal('BYSCORE'), maybe(any('REV')), limit, withScores),
  all(named('ZRANGESTORE', key, key, bound, bound), maybe(any('BYSCORE')), maybe(any('REV')), limit),
  named('ZCOUNT', key, bound, bound),
  all(literal('ZADD'), lex, several(all(literal('0'), one(lexMember)), 6)),
  all(any('ZRANGEBYLEX', 'ZREVRANGEBYLEX'), lex, one(lexBound), one(lexBound), limit),
  all(any('ZLEXCOUNT', 'ZREMRANGEBYLEX'), lex, one(lexBound), one(lexBound)),
  all(any('ZPOPMIN', 'ZPOPMAX'), one(key), maybe(one(count))),
  all(literal('ZMPOP'), keysCounted, any('MIN', 'MAX', 'BAD'), maybe(named('COUNT', count))),
  named('ZREMRANGEBYRANK', key, rank, rank),
  named('ZREMRANGEBYSCORE', key, bound, bound),
  all(any('ZUNION', 'ZINTER', 'ZDIFF'), combination, withScores),
  all(any('ZUNIONSTORE', 'ZINTERSTORE', 'ZDIFFSTORE'), one(key), combination),
  all(literal('ZINTERCARD'), keysCounted, maybe(named('LIMIT', count))),
  all(named('ZSCAN', key, cursor), scanned),
]

const longitude = fc.constantFrom('13.361389', '15.087269', '-180', '180', '0', '181', 'x')
const latitude = fc.constantFrom('38.115556', '37.502669', '85.05112878', '-85.05112878', '0', '86')
const unit = fc.constantFrom('m', 'km', 'ft', 'mi', 'x')
const size = fc.constantFrom('0', '100', '20000', '-1', 'x')
const shape = fc.oneof(named('BYRADIUS', size, unit), named('BYBOX', size, size, unit))
const origin = fc.oneof(named('FROMLONLAT', longitude, latitude), named('FROMMEMBER', member))

export const geoRequests: readonly Parts[] = [
  all(named('GEOADD', key), flags, several(all(one(longitude), one(latitude), one(member)), 3)),
  all(any('GEOPOS', 'GEOHASH'), one(key), several(one(member))),
  all(named('GEODIST', key, member, member), maybe(one(unit))),
  all(named('GEOSEARCH', key), origin, shape, any('ASC', 'DESC'), several(any('WITHCOORD', 'WITHDIST', 'WITHHASH'), 2)),
  all(named('GEOSEARCHSTORE', key, key), origin, shape, maybe(any('STOREDIST'))),
]

/** Errors of streams name the key, and Redis's end at a zero byte. */
const streamKey = key.filter((each) => !String(each).includes('\0'))
/** Ids close together; the greatest is there to add to at any time. */
const id = fc.oneof(
  { weight: 8, arbitrary: fc.tuple(fc.nat(12), fc.nat(3)).map(([ms, sequence]) => `${ms}-${sequence}`) },
  {
    weight: 1,
    arbitrary: fc.constantFrom('-', '+', '0', '0-0', '3', '18446744073709551615-18446744073709551615', 'x', '5-x', '(3', '-1', '$', '>'),
  },
)
const newId = fc.oneof(
  { weight: 3, arbitrary: fc.nat(12).map((ms) => `${ms}-*`) },
  { weight: 3, arbitrary: fc.constant('12-*') },
  { weight: 2, arbitrary: id },
)
const group = fc.constantFrom('g', 'h', '')
const consumer = fc.constantFrom('alice', 'bob', '')
const trim = all(
  any('MAXLEN', 'MINID'),
  maybe(any('=', '~')),
  one(fc.oneof(fc.nat(12).map(String), id, count)),
  maybe(named('LIMIT', fc.nat(20).map(String))),
)
const someIds = all(one(id), several(one(id)))
const limited = maybe(named('COUNT', count))

export const streamRequests: readonly Parts[] = [
  all(
    named('XADD', streamKey),
    maybe(any('NOMKSTREAM')),
    maybe(trim),
    one(newId),
    one(value),
    one(value),
    several(all(one(value), one(value)), 2),
  ),
  named('XADD', streamKey, newId, fc.constant('field'), value),
  named('XADD', streamKey, newId, fc.constant('field'), value),
  all(named('XDEL', streamKey), someIds),
  all(named('XTRIM', streamKey), trim),
  named('XLEN', streamKey),
  all(any('XRANGE', 'XREVRANGE'), one(streamKey), one(id), one(id), limited),
  all(any('XRANGE'), one(streamKey), any('-'), any('+')),
  all(literal('XREAD'), limited, literal('STREAMS'), one(streamKey), one(id)),
  all(literal('XREAD'), limited, literal('STREAMS'), one(streamKey), one(streamKey), one(id), one(id)),
  all(literal('XGROUP'), literal('CREATE'), one(streamKey), one(group), one(fc.constantFrom('0', '$', '3')), maybe(any('MKSTREAM'))),
  all(literal('XGROUP'), any('SETID', 'CREATE'), one(streamKey), one(group), one(id), maybe(named('ENTRIESREAD', count))),
  all(literal('XGROUP'), any('CREATECONSUMER', 'DELCONSUMER'), one(streamKey), one(group), one(consumer)),
  all(literal('XGROUP'), literal('DESTROY'), one(streamKey), one(group)),
  all(
    named('XREADGROUP', fc.constant('GROUP'), group, consumer),
    limited,
    maybe(any('NOACK')),
    literal('STREAMS'),
    one(streamKey),
    any('>', '>', '0'),
  ),
  all(named('XACK', streamKey, group), someIds),
  named('XPENDING', streamKey, group),
  all(named('XPENDING', streamKey, group, fc.constant('-'), fc.constant('+'), count), maybe(one(consumer))),
  all(named('XCLAIM', streamKey, group, consumer, fc.constantFrom('0', '0', 'x')), someIds, maybe(any('JUSTID', 'FORCE', 'NO'))),
  all(named('XAUTOCLAIM', streamKey, group, consumer, fc.constant('0'), id), limited, maybe(any('JUSTID'))),
  all(literal('XINFO'), any('STREAM', 'GROUPS'), one(streamKey)),
  all(named('XSETID', streamKey, id), maybe(named('ENTRIESADDED', count))),
]

export const sortRequests: readonly Parts[] = [
  all(any('SORT', 'SORT', 'SORT_RO'), one(key), limit, maybe(any('ASC', 'DESC')), maybe(any('ALPHA')), maybe(named('STORE', key))),
]
