/** Commands on sets, lists and sorted sets on the model. */
import type { Item, Model } from './model.ts'
import type { Expected, Handler } from './model-replies.ts'
import { array, bulk, bulks, difference, integer, nil, nilArray, ok, wrongType } from './model-replies.ts'

type SetItem = Extract<Item, { kind: 'set' }>
type ListItem = Extract<Item, { kind: 'list' }>
type SortedSetItem = Extract<Item, { kind: 'zset' }>

const noSuchKey = '-ERR no such key\r\n'
const indexOutOfRange = '-ERR index out of range\r\n'

/** A handler for a command on the key that is its first argument, which holds this kind or nothing. */
function on<T extends Item>(
  kind: T['kind'],
  work: (item: T | undefined, args: readonly string[], model: Model, db: number) => Expected,
): Handler {
  return (model, db, args) => {
    const item = model.get(db, args[0] as string)
    return item !== undefined && item.kind !== kind ? wrongType : work(item as T | undefined, args, model, db)
  }
}

const onSet = (work: (members: Set<string>, args: readonly string[], model: Model, db: number, expireAt: number) => Expected): Handler =>
  on<SetItem>('set', (item, args, model, db) => work(new Set(item?.members), args, model, db, item?.expireAt ?? 0))

const onList = (work: (elements: string[], args: readonly string[], model: Model, db: number, expireAt: number) => Expected): Handler =>
  on<ListItem>('list', (item, args, model, db) => work([...(item?.elements ?? [])], args, model, db, item?.expireAt ?? 0))

const onSortedSet = (
  work: (scores: Map<string, number>, args: readonly string[], model: Model, db: number, expireAt: number) => Expected,
): Handler => on<SortedSetItem>('zset', (item, args, model, db) => work(new Map(item?.scores), args, model, db, item?.expireAt ?? 0))

function push(atHead: boolean): Handler {
  return onList((elements, [key, ...pushed], model, db, expireAt) => {
    for (const each of pushed) {
      if (atHead) elements.unshift(each)
      else elements.push(each)
    }
    model.putCollection(db, key as string, { kind: 'list', elements }, expireAt)
    return integer(elements.length)
  })
}

function pop(atHead: boolean): Handler {
  return onList((elements, [key, count], model, db, expireAt) => {
    if (elements.length === 0) return count === undefined ? nil : nilArray
    const wanted = Math.min(Number(count ?? 1), elements.length)
    const popped = atHead ? elements.splice(0, wanted) : elements.splice(elements.length - wanted).reverse()
    if (popped.length > 0) model.putCollection(db, key as string, { kind: 'list', elements }, expireAt)
    return count === undefined ? bulk(popped[0]) : array(popped)
  })
}

/** Members in the order of a sorted set, with their scores. */
function ranked(scores: ReadonlyMap<string, number>): [string, number][] {
  return [...scores].sort(([a, x], [b, y]) => x - y || (a < b ? -1 : 1))
}

function stored(combine: (a: ReadonlySet<string>, b: ReadonlySet<string>) => string[]): Handler {
  return (model, db, [target, first, second]) => {
    const items = [first, second].map((key) => model.get(db, key as string))
    if (items.some((item) => item !== undefined && item.kind !== 'set')) return wrongType
    const [a, b] = items.map((item) => (item?.kind === 'set' ? item.members : new Set<string>())) as [Set<string>, Set<string>]
    const members = new Set(combine(a, b))
    // What it held counts as seen, as after any look at a key.
    model.get(db, target as string)
    model.putCollection(db, target as string, { kind: 'set', members }, 0)
    return integer(members.size)
  }
}

/** Of two sorted sets, or sets, whose members have the score 1. */
function storedScores(hasAll: boolean): Handler {
  return (model, db, [target, , first, second]) => {
    const items = [first, second].map((key) => model.get(db, key as string))
    if (items.some((item) => item !== undefined && item.kind !== 'zset' && item.kind !== 'set')) return wrongType
    const [a, b] = items.map(scoresOf) as [ReadonlyMap<string, number>, ReadonlyMap<string, number>]
    const scores = new Map<string, number>()
    for (const member of new Set([...a.keys(), ...b.keys()])) {
      if (!hasAll || (a.has(member) && b.has(member))) scores.set(member, (a.get(member) ?? 0) + (b.get(member) ?? 0))
    }
    model.get(db, target as string)
    model.putCollection(db, target as string, { kind: 'zset', scores }, 0)
    return integer(scores.size)
  }
}

function scoresOf(item: Item | undefined): ReadonlyMap<string, number> {
  if (item?.kind === 'zset') return item.scores
  return new Map(item?.kind === 'set' ? [...item.members].map((member) => [member, 1]) : [])
}

export const collectionHandlers: Readonly<Record<string, Handler>> = {
  sadd: onSet((members, [key, ...added], model, db, expireAt) => {
    const before = members.size
    for (const each of added) members.add(each)
    if (members.size > before) model.putCollection(db, key as string, { kind: 'set', members }, expireAt)
    return integer(members.size - before)
  }),
  srem: onSet((members, [key, ...removed], model, db, expireAt) => {
    const before = members.size
    for (const each of removed) members.delete(each)
    if (members.size < before) model.putCollection(db, key as string, { kind: 'set', members }, expireAt)
    return integer(before - members.size)
  }),
  sismember: onSet((members, [, member]) => integer(members.has(member as string) ? 1 : 0)),
  scard: onSet((members) => integer(members.size)),
  smembers: onSet((members) => (raw) => difference(bulks(raw), [...members])),
  sunionstore: stored((a, b) => [...a, ...b]),
  sinterstore: stored((a, b) => [...a].filter((each) => b.has(each))),
  rpush: push(false),
  lpush: push(true),
  rpop: pop(false),
  lpop: pop(true),
  llen: onList((elements) => integer(elements.length)),
  lrange: onList((elements, [, from, to]) => {
    const end = Number(to) < 0 ? elements.length + Number(to) : Number(to)
    return array(elements.slice(Number(from), end + 1))
  }),
  lset: onList((elements, [key, index, text], model, db, expireAt) => {
    if (elements.length === 0) return noSuchKey
    if (Number(index) >= elements.length) return indexOutOfRange
    elements[Number(index)] = text as string
    model.putCollection(db, key as string, { kind: 'list', elements }, expireAt)
    return ok
  }),
  ltrim: onList((elements, [key, from, to], model, db, expireAt) => {
    const kept = elements.slice(Number(from), Number(to) + 1)
    if (kept.length < elements.length) model.putCollection(db, key as string, { kind: 'list', elements: kept }, expireAt)
    return ok
  }),
  zadd: onSortedSet((scores, [key, ...pairs], model, db, expireAt) => {
    const before = scores.size
    let isChanged = false
    for (let i = 0; i < pairs.length; i += 2) {
      const member = pairs[i + 1] as string
      if (scores.get(member) !== Number(pairs[i])) isChanged = true
      scores.set(member, Number(pairs[i]))
    }
    if (isChanged) model.putCollection(db, key as string, { kind: 'zset', scores }, expireAt)
    return integer(scores.size - before)
  }),
  zincrby: onSortedSet((scores, [key, by, member], model, db, expireAt) => {
    const after = (scores.get(member as string) ?? 0) + Number(by)
    model.putCollection(db, key as string, { kind: 'zset', scores: scores.set(member as string, after) }, expireAt)
    return bulk(`${after}`)
  }),
  zrem: onSortedSet((scores, [key, ...removed], model, db, expireAt) => {
    const before = scores.size
    for (const each of removed) scores.delete(each)
    if (scores.size < before) model.putCollection(db, key as string, { kind: 'zset', scores }, expireAt)
    return integer(before - scores.size)
  }),
  zscore: onSortedSet((scores, [, member]) => bulk(scores.has(member as string) ? `${scores.get(member as string)}` : undefined)),
  zcard: onSortedSet((scores) => integer(scores.size)),
  zrank: onSortedSet((scores, [, member]) => {
    const rank = ranked(scores).findIndex(([each]) => each === member)
    return rank < 0 ? nil : integer(rank)
  }),
  zrange: onSortedSet((scores) => array(ranked(scores).flatMap(([member, score]) => [member, `${score}`]))),
  zunionstore: storedScores(false),
  zinterstore: storedScores(true),
  zpopmin: onSortedSet((scores, [key], model, db, expireAt) => {
    const [least] = ranked(scores)
    if (least === undefined) return array([])
    scores.delete(least[0])
    model.putCollection(db, key as string, { kind: 'zset', scores }, expireAt)
    return array([least[0], `${least[1]}`])
  }),
}
