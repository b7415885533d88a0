/**
 * What the writers of the kill test write, one row per type: a random request on a value with what it makes of it, and the value as one text, as it
 * should be and as the server has it.
 */
import type { Redis } from 'ioredis'
import { estimate, placeOf } from '../simulation/types/hyperloglog-type.ts'
import { places } from '../simulation/types/sorted-set-type.ts'

/** What a row draws from. */
export interface Pen {
  below(n: number): number
  /** A text that nobody has written yet, as `number:length`. */
  piece(length: number): string
  /** The text that pieces stand for. */
  expand(pieces: string): string
  /** Grows. */
  next(): number
}

/** A request, and what it makes of some values; undefined for none. The first is that of the key in hand, the second of another one of the type. */
export interface Written<V> {
  readonly words: readonly string[]
  readonly after: V | undefined
  readonly other?: V | undefined
}

export interface WrittenType<V> {
  /** Keys of a writer. */
  readonly keys: number
  /** How often it comes, beside the others. */
  readonly weight: number
  /** Makes a value large: `round` counts from 0. */
  readonly fill: (key: string, value: V | undefined, pen: Pen, round: number) => Written<V>
  readonly change: (key: string, value: V | undefined, pen: Pen, other: string, otherValue: V | undefined) => Written<V>
  readonly text: (value: V, pen: Pick<Pen, 'expand'>) => string
  readonly read: (client: Redis, key: string) => Promise<string | undefined>
}

/** Lets rows of different values stand in one table. */
function row<V>(type: WrittenType<V>): WrittenType<unknown> {
  return type as unknown as WrittenType<unknown>
}

const fillRounds = 10
export const rounds = fillRounds
const farFuture = 5_000_000_000_000

function some<T>(pen: Pen, max: number, make: () => T): T[] {
  return Array.from({ length: 1 + pen.below(max) }, make)
}

function joined(parts: readonly string[]): string | undefined {
  return parts.length === 0 ? undefined : parts.join('\n')
}

function nothingIfEmpty<V extends { readonly size: number }>(value: V): V | undefined {
  return value.size === 0 ? undefined : value
}

interface Field {
  readonly piece: string
  readonly expireAt: number
}

type Fields = ReadonlyMap<string, Field>

function setFields(key: string, before: Fields | undefined, pen: Pen, count: number): Written<Fields> {
  const fields = new Map(before)
  const expireAt = pen.below(4) === 0 ? farFuture + pen.below(1000) : 0
  const words: string[] = []
  for (let i = 0; i < count; i++) {
    const name = `f${pen.below(300)}`
    const piece = pen.piece(80 + pen.below(80))
    fields.set(name, { piece, expireAt })
    words.push(name, pen.expand(piece))
  }
  const start = expireAt === 0 ? ['HSET', key] : ['HSETEX', key, 'PXAT', `${expireAt}`, 'FIELDS', `${count}`]
  return { words: [...start, ...words], after: fields }
}

const hashes = row<Fields>({
  keys: 20,
  weight: 3,
  fill: (key, value, pen) => setFields(key, value, pen, 20),
  change: (key, value, pen) => {
    if (pen.below(3) > 0) return setFields(key, value, pen, 1 + pen.below(5))
    const fields = new Map(value)
    const names = some(pen, 4, () => `f${pen.below(300)}`)
    for (const name of names) fields.delete(name)
    return { words: ['HDEL', key, ...names], after: nothingIfEmpty(fields) }
  },
  text: (value, pen) =>
    [...value]
      .map(([name, { piece, expireAt }]) => `${name} ${expireAt || -1} ${pen.expand(piece)}`)
      .sort()
      .join('\n'),
  read: async (client, key) => {
    const fields = Object.entries(await client.hgetall(key))
    if (fields.length === 0) return undefined
    const names = fields.map(([name]) => name)
    const times = (await client.call('HPEXPIRETIME', key, 'FIELDS', names.length, ...names)) as number[]
    return joined(fields.map(([name, text], i) => `${name} ${times[i]} ${text}`).sort())
  },
})

type Elements = readonly string[]

const lists = row<Elements>({
  keys: 20,
  weight: 3,
  fill: (key, value = [], pen) => {
    const pieces = some(pen, 20, () => pen.piece(80))
    return { words: ['RPUSH', key, ...pieces.map(pen.expand)], after: [...value, ...pieces] }
  },
  change: (key, value = [], pen, other, otherValue = []) => {
    const choice = value.length > 300 ? 1 : pen.below(6)
    if (choice < 2 && value.length > 0) {
      const count = choice === 0 ? 1 : 1 + pen.below(value.length)
      const after = value.slice(count)
      return { words: ['LPOP', key, `${count}`], after: after.length === 0 ? undefined : after }
    }
    if (choice === 2 && value.length > 0 && other !== key) {
      const after = value.slice(0, -1)
      const words = ['LMOVE', key, other, 'RIGHT', 'LEFT']
      return { words, after: after.length === 0 ? undefined : after, other: [value.at(-1) as string, ...otherValue] }
    }
    if (choice === 3 && value.length > 1) {
      const at = pen.below(value.length)
      const piece = pen.piece(40)
      return { words: ['LSET', key, `${at}`, pen.expand(piece)], after: value.with(at, piece) }
    }
    const pieces = some(pen, 5, () => pen.piece(80))
    return { words: ['LPUSH', key, ...pieces.map(pen.expand)], after: [...pieces.toReversed(), ...value] }
  },
  text: (value, pen) => value.map(pen.expand).join('\n'),
  read: async (client, key) => joined(await client.lrange(key, 0, -1)),
})

type Members = ReadonlySet<string>

const member = (pen: Pen): string => (pen.below(3) === 0 ? `${pen.below(400)}` : `member:${pen.below(400)}:${'m'.repeat(pen.below(60))}`)

const sets = row<Members>({
  keys: 20,
  weight: 2,
  fill: (key, value, pen) => {
    const members = some(pen, 30, () => member(pen))
    return { words: ['SADD', key, ...members], after: new Set([...(value ?? []), ...members]) }
  },
  change: (key, value, pen, other, otherValue) => {
    const choice = pen.below(4)
    const known = [...(value ?? [])]
    if (choice === 0 && known.length > 0 && other !== key) {
      const moved = known[pen.below(known.length)] as string
      const rest = new Set(known.filter((each) => each !== moved))
      return { words: ['SMOVE', key, other, moved], after: nothingIfEmpty(rest), other: new Set([...(otherValue ?? []), moved]) }
    }
    if (choice === 1 && known.length > 0) {
      const gone = some(pen, 8, () => known[pen.below(known.length)] as string)
      return { words: ['SREM', key, ...gone], after: nothingIfEmpty(new Set(known.filter((each) => !gone.includes(each)))) }
    }
    const members = some(pen, 6, () => member(pen))
    return { words: ['SADD', key, ...members], after: new Set([...known, ...members]) }
  },
  text: (value) => [...value].sort().join('\n'),
  read: async (client, key) => joined((await client.smembers(key)).sort()),
})

type Scores = ReadonlyMap<string, number>

function scored(key: string, value: Scores | undefined, pen: Pen, max: number): Written<Scores> {
  const scores = new Map(value)
  const words = some(pen, max, () => {
    const [name, score] = [member(pen), pen.below(1000)]
    scores.set(name, score)
    return [`${score}`, name]
  })
  return { words: ['ZADD', key, ...words.flat()], after: scores }
}

const sortedSets = row<Scores>({
  keys: 20,
  weight: 3,
  fill: (key, value, pen) => scored(key, value, pen, 30),
  change: (key, value, pen) => {
    const choice = pen.below(5)
    const scores = new Map(value)
    const name = member(pen)
    if (choice === 0 && scores.size > 0) {
      const gone = some(pen, 8, () => [...scores.keys()][pen.below(scores.size)] ?? name)
      for (const each of gone) scores.delete(each)
      return { words: ['ZREM', key, ...gone], after: nothingIfEmpty(scores) }
    }
    if (choice === 1) {
      const place = places[pen.below(places.length)] as (typeof places)[number]
      return { words: ['GEOADD', key, ...place.at, name], after: scores.set(name, place.score) }
    }
    if (choice > 2) return scored(key, value, pen, 5)
    return { words: ['ZINCRBY', key, '7', name], after: scores.set(name, (scores.get(name) ?? 0) + 7) }
  },
  text: (value) =>
    [...value]
      .map(([name, score]) => `${name} ${score}`)
      .sort()
      .join('\n'),
  read: async (client, key) => {
    const flat = await client.zrange(key, '0', '-1', 'WITHSCORES')
    return joined(Array.from({ length: flat.length / 2 }, (_, i) => `${flat[2 * i]} ${flat[2 * i + 1]}`).sort())
  },
})

interface Stream {
  readonly entries: ReadonlyMap<string, string>
  /** What the group has delivered to its consumer and was not acknowledged. */
  readonly pending: ReadonlySet<string>
  /** The last that the group has delivered. */
  readonly delivered: number
  readonly hasGroup: boolean
}

const idOf = (number: number): string => `${number}-0`
const millisecondsOf = (id: string): number => Number(id.split('-')[0])

function entryAdded(key: string, value: Stream | undefined, pen: Pen): Written<Stream> {
  const piece = pen.piece(100)
  const id = idOf(pen.next())
  const before = value ?? { entries: new Map(), pending: new Set(), delivered: 0, hasGroup: false }
  return { words: ['XADD', key, id, 'field', pen.expand(piece)], after: { ...before, entries: new Map(before.entries).set(id, piece) } }
}

const streams = row<Stream>({
  keys: 12,
  weight: 4,
  fill: (key, value, pen, round) => {
    if (round !== fillRounds - 1 || value === undefined) return entryAdded(key, value, pen)
    return { words: ['XGROUP', 'CREATE', key, 'group', '0-0'], after: { ...value, hasGroup: true } }
  },
  change: (key, value, pen) => {
    if (value === undefined || !value.hasGroup) return entryAdded(key, value, pen)
    const { entries, pending, delivered } = value
    const choice = entries.size > 200 ? 0 : pen.below(8)
    const fresh = [...entries.keys()].filter((id) => millisecondsOf(id) > delivered).slice(0, 1 + pen.below(4))
    if (choice === 0) {
      const kept = new Map([...entries].slice(Math.max(0, entries.size - 100)))
      return { words: ['XTRIM', key, 'MAXLEN', '=', '100'], after: { ...value, entries: kept } }
    }
    if (choice === 1 && entries.size > 0) {
      const id = [...entries.keys()][pen.below(entries.size)] as string
      return { words: ['XDEL', key, id], after: { ...value, entries: new Map([...entries].filter(([each]) => each !== id)) } }
    }
    if (choice < 4 && fresh.length > 0) {
      const words = ['XREADGROUP', 'GROUP', 'group', 'consumer', 'COUNT', `${fresh.length}`, 'STREAMS', key, '>']
      return { words, after: { ...value, delivered: millisecondsOf(fresh.at(-1) as string), pending: new Set([...pending, ...fresh]) } }
    }
    if (choice < 6 && pending.size > 0) {
      const ids = [...pending].slice(0, 1 + pen.below(5))
      return {
        words: ['XACK', key, 'group', ...ids],
        after: { ...value, pending: new Set([...pending].filter((id) => !ids.includes(id))) },
      }
    }
    return entryAdded(key, value, pen)
  },
  text: ({ entries, pending, hasGroup }, pen) => {
    const shown = [...entries].map(([id, piece]) => `${id} ${pen.expand(piece)}`)
    return [...shown, ...(hasGroup ? ['pending', ...pending] : [])].join('\n')
  },
  read: async (client, key) => {
    if ((await client.exists(key)) === 0) return undefined
    const entries = (await client.xrange(key, '-', '+')).map(([id, [, text]]) => `${id} ${text}`)
    const groups = (await client.xinfo('GROUPS', key)) as unknown[]
    if (groups.length === 0) return entries.join('\n')
    const pending = (await client.xpending(key, 'group', '-', '+', '1000000')) as [string][]
    return [...entries, 'pending', ...pending.map(([id]) => id)].join('\n')
  },
})

type Registers = ReadonlyMap<number, number>

function counted(key: string, value: Registers | undefined, pen: Pen, max: number): Written<Registers> {
  const registers = new Map(value)
  const elements = some(pen, max, () => `e${pen.below(100_000)}`)
  for (const each of elements) {
    const [index, rank] = placeOf(each)
    registers.set(index, Math.max(rank, registers.get(index) ?? 0))
  }
  return { words: ['PFADD', key, ...elements], after: registers }
}

const hyperloglogs = row<Registers>({
  keys: 6,
  weight: 1,
  fill: (key, value, pen) => counted(key, value, pen, 200),
  change: (key, value, pen, other, otherValue) => {
    if (other === key || pen.below(3) > 0) return counted(key, value, pen, 10)
    const registers = new Map(value)
    for (const [index, rank] of otherValue ?? []) registers.set(index, Math.max(rank, registers.get(index) ?? 0))
    return { words: ['PFMERGE', key, other], after: registers }
  },
  text: (value) => `${estimate(value)}`,
  read: async (client, key) => ((await client.exists(key)) === 0 ? undefined : `${await client.pfcount(key)}`),
})

/** By the letter that stands behind the writer's name in keys. */
export const writtenTypes: Readonly<Record<string, WrittenType<unknown>>> = {
  h: hashes,
  l: lists,
  t: sets,
  z: sortedSets,
  x: streams,
  p: hyperloglogs,
}
