/** Sorted sets in the simulation, with places of GEO commands among their scores, and commands that wait for their elements. */
import type { Item, Model } from '../model.ts'
import type { Handler } from '../model-replies.ts'
import { array, bulk, integer, list, nil, nilArray, unordered, wrongType } from '../model-replies.ts'
import type { ModelType } from '../model-type.ts'
import { on, servedBy, store } from '../model-type.ts'

type Scores = ReadonlyMap<string, number>

const ordinary = ['zset0', 'zset1', 'zset2']
/** Mostly empty, so that who pops from it waits. */
const queue = 'zqueue'
const keys = [...ordinary, queue]

/** Two places near each other, with the scores that Redis's documentation gives them, and one far away. */
export const places = [
  { at: ['13.361389', '38.115556'], score: 3479099956230698, isNear: true },
  { at: ['15.087269', '37.502669'], score: 3479447370796909, isNear: true },
  { at: ['-0.1278', '51.5074'], score: 2163557714755072, isNear: false },
] as const
const search = ['FROMLONLAT', '14', '38', 'BYRADIUS', '300', 'km', 'ASC']

export const sortedSets: ModelType = {
  kind: 'zset',
  keys,
  weight: 11,
  request: (draw) => {
    const key = draw.key(ordinary)
    const score = (): string => `${draw.below(draw.once(3) ? 3 : 500)}`
    const combined = (): string[] => ['2', key, draw.once(6) ? draw.anyKey() : draw.key(keys), 'AGGREGATE', 'MAX']
    return draw.oneOf([
      () => ['ZADD', key, ...draw.some(() => [score(), draw.member()])],
      () => ['ZADD', key, ...draw.some(() => [score(), draw.member()])],
      () => ['ZINCRBY', key, `${draw.below(20) - 10}`, draw.member()],
      () => ['ZREM', key, ...draw.some(() => [draw.member()])],
      () => ['ZPOPMIN', key],
      () => ['ZREMRANGEBYRANK', key, `${draw.below(20)}`, `${draw.below(draw.once(4) ? 400 : 20)}`],
      () => ['ZREMRANGEBYSCORE', key, score(), score()],
      () => ['ZDIFFSTORE', draw.key(keys), '2', key, draw.key(keys)],
      () => ['ZSCORE', key, draw.member()],
      () => ['ZRANK', key, draw.member()],
      () => ['ZCARD', key],
      () => ['ZRANGE', key, '0', '-1', 'WITHSCORES'],
      () => [draw.pick(['ZUNIONSTORE', 'ZINTERSTORE']), draw.key(keys), ...combined()],
      () => ['ZRANGESTORE', draw.key(keys), key, `${draw.below(10)}`, `${draw.below(40)}`],
      () => ['GEOADD', key, ...draw.pick(places).at, draw.member()],
      () => ['GEOSEARCHSTORE', draw.key(keys), key, ...search],
      () => ['GEOSEARCH', key, ...search],
      () => ['ZADD', queue, score(), draw.member()],
      () => ['ZADD', queue, score(), draw.member(), score(), draw.member()],
      () => ['ZPOPMIN', queue],
    ])
  },
  waits: (draw) => {
    const one = (): string => (draw.once(4) ? draw.key(keys) : queue)
    const some = (): string[] => [one(), ...(draw.once(3) ? [one()] : [])]
    return draw.oneOf([
      () => [draw.pick(['BZPOPMIN', 'BZPOPMAX']), ...some(), draw.timeout()],
      () => {
        const from = some()
        return ['BZMPOP', draw.timeout(), `${from.length}`, ...from, draw.pick(['MIN', 'MAX']), 'COUNT', `${1 + draw.below(4)}`]
      },
    ])
  },
  reads: (key) => [
    ['ZCARD', key],
    ['ZRANGE', key, '0', '-1', 'WITHSCORES'],
  ],
  handlers: {
    zadd: on('zset', (scores, { args, put }) => {
      const after = new Map(scores)
      for (let i = 0; i < args.length; i += 2) after.set(args[i + 1] as string, Number(args[i]))
      if ([...after].some(([member, score]) => scores?.get(member) !== score)) put(after)
      return integer(after.size - (scores?.size ?? 0))
    }),
    geoadd: on('zset', (scores, { args: [longitude, , member], put }) => {
      const score = places.find(({ at }) => at[0] === longitude)?.score as number
      const former = scores?.get(member as string)
      if (former !== score) put(new Map(scores).set(member as string, score))
      return integer(former === undefined ? 1 : 0)
    }),
    zincrby: on('zset', (scores, { args: [by, member], put }) => {
      const before = scores?.get(member as string)
      const after = (before ?? 0) + Number(by)
      if (after !== before) put(new Map(scores).set(member as string, after))
      return bulk(`${after}`)
    }),
    zrem: on('zset', (scores, { args, put }) => {
      const after = new Map(scores)
      const removed = args.filter((each) => after.delete(each)).length
      if (removed > 0) put(after)
      return integer(removed)
    }),
    zpopmin: on('zset', (scores, { model, db, key }) => (scores === undefined ? '*0\r\n' : array(taken(model, db, key, false, 1).flat()))),
    zremrangebyrank: on('zset', (scores, { args: [from, to], put }) => {
      const removed = ranked(scores).slice(Number(from), Number(to) + 1)
      const after = new Map(scores)
      for (const [member] of removed) after.delete(member)
      if (removed.length > 0) put(after)
      return integer(removed.length)
    }),
    zremrangebyscore: on('zset', (scores, { args: [from, to], put }) => {
      const rest = new Map([...(scores ?? [])].filter(([, score]) => score < Number(from) || score > Number(to)))
      const removed = (scores?.size ?? 0) - rest.size
      if (removed > 0) put(rest)
      return integer(removed)
    }),
    zscore: on('zset', (scores, { args: [member] }) => {
      const score = scores?.get(member as string)
      return score === undefined ? nil : bulk(`${score}`)
    }),
    zrank: on('zset', (scores, { args: [member] }) => {
      const rank = ranked(scores).findIndex(([each]) => each === member)
      return rank < 0 ? nil : integer(rank)
    }),
    zcard: on('zset', (scores) => integer(scores?.size ?? 0)),
    zrange: on('zset', (scores) => array(ranked(scores).flatMap(([member, score]) => [member, `${score}`]))),
    zunionstore: combined(() => true),
    zinterstore: combined((member, all) => all.every((scores) => scores.has(member))),
    zdiffstore: combined((member, [, ...others]) => others.every((scores) => !scores.has(member))),
    zrangestore: (model, db, [target, from, min, max]) => {
      const item = model.get(db, from as string)
      if (item !== undefined && item.kind !== 'zset') return wrongType
      const part = new Map(ranked(item?.value).slice(Number(min), Number(max) + 1))
      store(model, db, target as string, 'zset', part)
      return integer(part.size)
    },
    geosearchstore: (model, db, [target, from]) => {
      const item = model.get(db, from as string)
      if (item !== undefined && item.kind !== 'zset') return wrongType
      const found = near(item?.value)
      store(model, db, target as string, 'zset', found)
      return integer(found.size)
    },
    geosearch: on('zset', (scores) => unordered([...near(scores).keys()])),
    bzpopmin: popsOne(false),
    bzpopmax: popsOne(true),
    bzmpop: (model, db, [, count, ...rest]) => {
      const [where, , popped] = rest.slice(Number(count))
      return servedBy(
        model,
        db,
        'zset',
        rest.slice(0, Number(count)),
        (key) => list([bulk(key), list(taken(model, db, key, where === 'MAX', Number(popped)).map(array))]),
        nilArray,
      )
    },
  },
}

/** Members in the order of a sorted set, with their scores. */
function ranked(scores: Scores | undefined): [string, number][] {
  return [...(scores ?? [])].sort(([a, x], [b, y]) => x - y || (a < b ? -1 : 1))
}

/** Those that the search finds: ZINCRBY moves a place by less than a meter. */
function near(scores: Scores | undefined): Map<string, number> {
  return new Map([...(scores ?? [])].filter(([, score]) => places.some((place) => place.isNear && Math.abs(place.score - score) < 100_000)))
}

function popsOne(isMax: boolean): Handler {
  return (model, db, args) =>
    servedBy(model, db, 'zset', args.slice(0, -1), (key) => array([key, ...taken(model, db, key, isMax, 1).flat()]), nilArray)
}

/** Takes elements off a sorted set that is there: members with their scores. */
function taken(model: Model, db: number, key: string, isMax: boolean, count: number): string[][] {
  const item = model.get(db, key)
  if (item?.kind !== 'zset') return []
  const order = ranked(item.value)
  const popped = (isMax ? order.reverse() : order).slice(0, count)
  const rest = new Map(item.value)
  for (const [member] of popped) rest.delete(member)
  model.put(db, key, 'zset', rest, item.expireAt)
  return popped.map(([member, score]) => [member, `${score}`])
}

/** The members of some keys that `isIn`, with the greatest of their scores. In a set each member has the score 1. */
function combined(isIn: (member: string, all: readonly Scores[]) => boolean): Handler {
  return (model, db, [target, count, ...rest]) => {
    const all = rest.slice(0, Number(count)).map((key) => scoresOf(model.get(db, key)))
    if (all.includes(undefined)) return wrongType
    const sources = all as Scores[]
    const result = new Map<string, number>()
    for (const scores of sources)
      for (const [member, score] of scores)
        if (isIn(member, sources)) result.set(member, Math.max(score, result.get(member) ?? Number.NEGATIVE_INFINITY))
    store(model, db, target as string, 'zset', result)
    return integer(result.size)
  }
}

function scoresOf(item: Item | undefined): Scores | undefined {
  if (item === undefined) return new Map()
  if (item.kind === 'set') return new Map([...item.value].map((member) => [member, 1]))
  return item.kind === 'zset' ? item.value : undefined
}
