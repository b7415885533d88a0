/**
 * Random requests on large collections, of some hundred elements each: enough for leaves of the smallest sizes to be cut and joined many times
 * within one change. Their replies depend on nothing but what the collections hold.
 */
import type { SeededRandom } from '../simulation/seeded-random.ts'

export type Family = 'hash' | 'list' | 'set' | 'sorted set' | 'stream' | 'key'

export const families: readonly Family[] = ['hash', 'list', 'set', 'sorted set', 'stream', 'key']

const names = 600

/** How many elements a request names: a few, or some hundred. */
function many(random: SeededRandom): number {
  return random.once(2) ? 1 + random.below(20) : 40 + random.below(300)
}

function name(random: SeededRandom): string {
  const number = random.below(names)
  return `${'m'.repeat(number % 12)}${number}`
}

function some(count: number, one: () => readonly string[]): string[] {
  return Array.from({ length: count }, one).flat()
}

/** Names beside each other in no order that matters: what goes is likely to lie in many leaves, or in few. */
function removed(random: SeededRandom): string[] {
  return some(many(random), () => [name(random)])
}

function score(random: SeededRandom): string {
  return random.pick(['inf', '-inf', '-0', '0', `${random.below(40)}`, `${random.below(4)}`, `${random.below(9)}.5`])
}

function scoreBound(random: SeededRandom): string {
  return random.pick(['-inf', '+inf', `${random.below(40)}`, `(${random.below(40)}`])
}

function rank(random: SeededRandom): string {
  return `${random.below(800) - 400}`
}

function value(random: SeededRandom): string {
  return 'v'.repeat(random.pick([0, 1, 9, 40, 150]))
}

function hash(random: SeededRandom): string[] {
  const key = random.pick(['h', 'h2'])
  return random.pick<() => string[]>([
    () => ['HSET', key, ...some(many(random), () => [name(random), value(random)])],
    () => ['HSET', key, ...some(many(random), () => [name(random), value(random)])],
    () => ['HDEL', key, ...removed(random)],
    () => ['HMGET', key, ...removed(random)],
    () => ['HINCRBY', key, `n${random.below(9)}`, '3'],
    () => ['HSETNX', key, name(random), value(random)],
    () => ['HPEXPIRE', key, '100000', 'FIELDS', '2', name(random), name(random)],
    () => ['HGETALL', key],
    () => ['HSTRLEN', key, name(random)],
  ])()
}

function list(random: SeededRandom): string[] {
  const key = random.pick(['l', 'l2'])
  const push = (): string[] => [random.pick(['LPUSH', 'RPUSH']), key, ...some(many(random), () => [`${name(random)}${value(random)}`])]
  return random.pick<() => string[]>([
    push,
    push,
    () => [random.pick(['LPOP', 'RPOP']), key, `${many(random)}`],
    () => ['LTRIM', key, rank(random), rank(random)],
    () => ['LSET', key, rank(random), value(random)],
    () => ['LINSERT', key, random.pick(['BEFORE', 'AFTER']), name(random), value(random)],
    () => ['LREM', key, `${random.below(7) - 3}`, random.once(2) ? name(random) : `${name(random)}v`],
    () => ['LRANGE', key, rank(random), rank(random)],
    () => ['LINDEX', key, rank(random)],
    () => ['LPOS', key, name(random), 'COUNT', '3'],
    () => ['LMOVE', 'l', 'l2', random.pick(['LEFT', 'RIGHT']), random.pick(['LEFT', 'RIGHT'])],
  ])()
}

function set(random: SeededRandom): string[] {
  const key = random.pick(['s', 's2'])
  return random.pick<() => string[]>([
    () => ['SADD', key, ...removed(random)],
    () => ['SADD', key, ...removed(random)],
    () => ['SREM', key, ...removed(random)],
    () => ['SMISMEMBER', key, ...removed(random)],
    () => ['SMOVE', 's', 's2', name(random)],
    () => [random.pick(['SUNIONSTORE', 'SDIFFSTORE']), 's', 's', 's2'],
    () => ['SINTERCARD', '2', 's', 's2'],
    () => ['SMEMBERS', key],
  ])()
}

function sortedSet(random: SeededRandom): string[] {
  const key = random.pick(['z', 'z2'])
  const add = (...options: string[]): string[] => ['ZADD', key, ...options, ...some(many(random), () => [score(random), name(random)])]
  return random.pick<() => string[]>([
    add,
    add,
    add,
    () => add(random.pick(['XX', 'NX', 'GT', 'LT', 'CH'])),
    () => ['ZREM', key, ...removed(random)],
    () => ['ZINCRBY', key, `${random.below(9)}`, name(random)],
    () => ['ZREMRANGEBYSCORE', key, scoreBound(random), scoreBound(random)],
    () => ['ZREMRANGEBYRANK', key, rank(random), rank(random)],
    () => [random.pick(['ZPOPMIN', 'ZPOPMAX']), key, `${many(random)}`],
    () => ['ZRANGEBYSCORE', key, scoreBound(random), scoreBound(random), 'WITHSCORES'],
    () => ['ZCOUNT', key, scoreBound(random), scoreBound(random)],
    () => ['ZRANK', key, name(random)],
    () => ['ZMSCORE', key, ...removed(random)],
    () => ['ZRANGESTORE', 'z2', 'z', rank(random), rank(random)],
    () => ['ZUNIONSTORE', 'z', '2', 'z', 'z2'],
    () => ['ZRANGE', key, rank(random), rank(random), 'WITHSCORES'],
  ])()
}

function id(random: SeededRandom): string {
  return `${1 + random.below(4000)}-0`
}

function stream(random: SeededRandom): string[] {
  const ids = (): string[] => some(many(random), () => [id(random)])
  const consumer = (): string => random.pick(['a', 'b', 'c'])
  const group = random.pick(['g', 'g2'])
  const read = (): string[] => ['XREADGROUP', 'GROUP', group, consumer(), 'COUNT', `${many(random)}`, 'STREAMS', 'x', '>']
  return random.pick<() => string[]>([
    () => ['XADD', 'x', `${Math.floor(random.below(4000))}-*`, 'f', value(random)],
    () => ['XADD', 'x', '*', 'f', value(random), 'g', name(random)],
    () => ['XDEL', 'x', ...ids()],
    () => ['XTRIM', 'x', 'MAXLEN', `${random.below(600)}`],
    () => ['XTRIM', 'x', 'MINID', id(random)],
    () => ['XGROUP', 'CREATE', 'x', group, random.pick(['0', '$', id(random)]), 'MKSTREAM'],
    () => ['XGROUP', 'SETID', 'x', group, random.pick(['0', '$', id(random)])],
    read,
    read,
    read,
    () => ['XREADGROUP', 'GROUP', group, consumer(), 'COUNT', `${many(random)}`, 'STREAMS', 'x', '0'],
    () => ['XACK', 'x', group, ...ids()],
    () => ['XCLAIM', 'x', group, consumer(), '0', ...ids()],
    () => ['XAUTOCLAIM', 'x', group, consumer(), '0', id(random), 'COUNT', `${many(random)}`],
    () => ['XPENDING', 'x', group, '-', '+', `${many(random)}`],
    () => ['XGROUP', 'DELCONSUMER', 'x', group, consumer()],
    () => ['XRANGE', 'x', id(random), '+', 'COUNT', `${many(random)}`],
    () => ['XREVRANGE', 'x', '+', id(random), 'COUNT', `${many(random)}`],
  ])()
}

function key(random: SeededRandom): string[] {
  const [from, to] = random.pick([
    ['h', 'h2'],
    ['l', 'l2'],
    ['s', 's2'],
    ['z', 'z2'],
    ['x', 'x2'],
  ])
  return random.pick<() => string[]>([
    () => ['COPY', from, to, 'REPLACE'],
    () => ['RENAME', to, from],
    () => ['SORT', from, 'ALPHA', 'LIMIT', '3', '5'],
    () => ['DUMP', from],
  ])()
}

const requests = { hash, list, set, 'sorted set': sortedSet, stream, key }

export function largeRequest(random: SeededRandom, family: Family): string[] {
  return requests[family](random)
}

/** What shows all that the collections hold. */
export const everything: readonly (readonly string[])[] = [
  ...['h', 'h2'].map((key) => ['HGETALL', key]),
  ...['l', 'l2'].map((key) => ['LRANGE', key, '0', '-1']),
  ...['s', 's2'].map((key) => ['SMEMBERS', key]),
  ...['z', 'z2'].map((key) => ['ZRANGE', key, '0', '-1', 'WITHSCORES']),
  ...['x', 'x2'].map((key) => ['XRANGE', key, '-', '+']),
  ['XPENDING', 'x', 'g', '-', '+', '10000'],
  ['XPENDING', 'x', 'g2', '-', '+', '10000'],
]
