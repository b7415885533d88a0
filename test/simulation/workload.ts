/** Random requests for the simulation: few keys in few databases, so that requests meet each other; values of all sizes, each with a token of its own. */
import type { SeededRandom } from './seeded-random.ts'

export const databases = 3
const stringKeys = 18
const hashKeys = 5
const setKeys = ['set0', 'set1', 'set2']
const listKeys = ['list0', 'list1', 'list2']
const sortedSetKeys = ['zset0', 'zset1', 'zset2']
const collectionKeys = [...setKeys, ...listKeys, ...sortedSetKeys]

/** Every key that the workload can touch. */
export const allKeys: readonly string[] = [
  ...Array.from({ length: stringKeys }, (_, i) => `s${i}`),
  ...Array.from({ length: hashKeys }, (_, i) => `h${i}`),
  ...collectionKeys,
]

export class Workload {
  /** The chance of what is drawn next. */
  random: SeededRandom
  /** Fields of the largest hash. */
  readonly fieldsMax: number
  #token = 0

  constructor(random: SeededRandom) {
    this.random = random
    this.fieldsMax = 4 + this.below(this.below(3) === 0 ? 400 : 40)
  }

  below(n: number): number {
    return this.random.below(n)
  }

  /** True once in `n` times. */
  once(n: number): boolean {
    return this.random.once(n)
  }

  pick<T>(choices: readonly T[]): T {
    return this.random.pick(choices)
  }

  /** What a client sends next: one request, or a transaction. */
  next(): string[][] {
    if (!this.once(8)) return [this.request()]
    const requests = Array.from({ length: 1 + this.below(5) }, () => this.#plainRequest())
    return [...(this.once(4) ? [['WATCH', this.#key()]] : []), ['MULTI'], ...requests, [this.once(12) ? 'DISCARD' : 'EXEC']]
  }

  request(): string[] {
    if (this.once(40)) return ['SELECT', `${this.below(databases)}`]
    if (this.once(60)) return this.pick([['DBSIZE'], ['KEYS', '*']])
    if (this.once(40)) return ['HGETALL', this.#hashKey()]
    if (this.once(40))
      return this.pick([
        ['SMEMBERS', this.pick(setKeys)],
        ['LRANGE', this.pick(listKeys), '0', '-1'],
        ['ZRANGE', this.pick(sortedSetKeys), '0', '-1', 'WITHSCORES'],
      ])
    return this.#plainRequest()
  }

  /** One whose reply is known byte for byte. */
  #plainRequest(): string[] {
    if (this.once(250)) return this.pick([['FLUSHDB'], ['SWAPDB', `${this.below(databases)}`, `${this.below(databases)}`]])
    if (this.once(3)) return this.#collectionRequest()
    return this.once(3) ? this.#hashRequest() : this.once(4) ? this.#keyRequest() : this.#stringRequest()
  }

  #stringRequest(): string[] {
    const key = this.#stringKey()
    return this.pick<() => string[]>([
      () => ['SET', key, this.#value()],
      () => ['SET', key, this.#value()],
      () => [
        'SET',
        key,
        this.#value(),
        ...this.pick([['NX'], ['XX'], ['GET'], ['KEEPTTL'], ['PX', `${1 + this.below(300)}`], ['PX', '90000', 'GET']]),
      ],
      () => ['GET', key],
      () => ['GET', key],
      () => ['MGET', key, this.#stringKey()],
      () => ['MSET', key, this.#value(), this.#stringKey(), this.#value()],
      () => ['STRLEN', key],
      () => ['GETRANGE', key, `${this.below(20)}`, `${20 + this.below(50)}`],
      () => ['APPEND', key, this.#mark()],
      () => ['APPEND', key, this.#mark()],
      () => ['SETRANGE', key, `${this.below(300)}`, this.#mark()],
      () => ['INCRBY', this.once(5) ? key : `s${this.below(3)}`, `${this.below(100) - 50}`],
      () => ['GETSET', key, this.once(2) ? `${this.below(1000)}` : this.#value()],
      () => ['GETDEL', key],
    ])()
  }

  #hashRequest(): string[] {
    const key = this.#hashKey()
    const some = (part: () => string[]): string[] => Array.from({ length: 1 + this.below(this.once(6) ? 40 : 4) }, part).flat()
    return this.pick<() => string[]>([
      () => ['HSET', key, ...some(() => [this.#field(), this.#fieldValue()])],
      () => ['HSET', key, ...some(() => [this.#field(), this.#fieldValue()])],
      () => ['HSET', key, this.#field(), this.#fieldValue()],
      () => ['HDEL', key, ...some(() => [this.#field()])],
      () => ['HINCRBY', key, `n${this.below(4)}`, `${this.below(100) - 50}`],
      () => ['HGET', key, this.#field()],
      () => ['HMGET', key, ...some(() => [this.#field()])],
      () => ['HLEN', key],
    ])()
  }

  #collectionRequest(): string[] {
    return this.pick([() => this.#setRequest(), () => this.#listRequest(), () => this.#sortedSetRequest()])()
  }

  #setRequest(): string[] {
    const key = this.#collectionKey(setKeys)
    return this.pick<() => string[]>([
      () => ['SADD', key, ...this.#some(() => [this.#member()])],
      () => ['SADD', key, ...this.#some(() => [this.#member()])],
      () => ['SADD', key, `${this.below(1000)}`],
      () => ['SREM', key, ...this.#some(() => [this.#member()])],
      () => ['SISMEMBER', key, this.#member()],
      () => ['SCARD', key],
      () => [this.pick(['SUNIONSTORE', 'SINTERSTORE']), this.#collectionKey(setKeys), key, this.#collectionKey(setKeys)],
    ])()
  }

  #listRequest(): string[] {
    const key = this.#collectionKey(listKeys)
    const end = (): string => this.pick(['L', 'R'])
    return this.pick<() => string[]>([
      () => [`${end()}PUSH`, key, ...this.#some(() => [this.#fieldValue()])],
      () => [`${end()}PUSH`, key, ...this.#some(() => [this.#fieldValue()])],
      () => [`${end()}POP`, key, ...(this.once(2) ? [] : [`${this.below(6)}`])],
      () => ['LSET', key, `${this.below(40)}`, this.#fieldValue()],
      () => ['LRANGE', key, `${this.below(40)}`, `${this.below(60) - 1}`],
      () => ['LLEN', key],
      () => (this.once(3) ? ['LTRIM', key, `${this.below(5)}`, `${this.below(400)}`] : ['LLEN', key]),
    ])()
  }

  #sortedSetRequest(): string[] {
    const key = this.#collectionKey(sortedSetKeys)
    const score = (): string => `${this.below(this.once(3) ? 3 : 500)}`
    return this.pick<() => string[]>([
      () => ['ZADD', key, ...this.#some(() => [score(), this.#member()])],
      () => ['ZADD', key, ...this.#some(() => [score(), this.#member()])],
      () => ['ZINCRBY', key, `${this.below(20) - 10}`, this.#member()],
      () => ['ZREM', key, ...this.#some(() => [this.#member()])],
      () => ['ZPOPMIN', key],
      () => ['ZSCORE', key, this.#member()],
      () => ['ZRANK', key, this.#member()],
      () => ['ZCARD', key],
      () => [
        this.pick(['ZUNIONSTORE', 'ZINTERSTORE']),
        this.#collectionKey(sortedSetKeys),
        '2',
        key,
        this.#collectionKey(this.once(4) ? setKeys : sortedSetKeys),
      ],
    ])()
  }

  #some(part: () => string[]): string[] {
    return Array.from({ length: 1 + this.below(this.once(6) ? 40 : 4) }, part).flat()
  }

  #member(): string {
    return this.once(4) ? `${this.below(100)}` : `m${this.below(this.fieldsMax)}${'-'.repeat(this.below(3) * 9)}`
  }

  #keyRequest(): string[] {
    const key = this.#key()
    return this.pick<() => string[]>([
      () => ['DEL', key, ...(this.once(3) ? [this.#key()] : [])],
      () => ['EXISTS', key, this.#key()],
      () => ['TYPE', key],
      () => ['PTTL', key],
      () => ['PEXPIRE', key, `${this.pick([-1, 5, 20, 100, 500, 60_000, 90_000])}`],
      () => ['PEXPIRE', key, `${60_000 + this.below(1000)}`],
      () => ['PERSIST', key],
      () => ['RENAME', key, this.#key()],
      () => ['RENAMENX', key, this.#key()],
      () => ['RENAME', this.#hashKey(), this.#hashKey()],
      () => ['MOVE', key, `${this.below(databases)}`],
      () => this.#copy(key),
      () => this.#copy(key),
    ])()
  }

  /** COPY with its database always named; onto the same key is a mistake, so the target is one of another database's. */
  #copy(key: string): string[] {
    const to = this.#key()
    if (to === key) return ['EXISTS', key]
    return ['COPY', key, to, 'DB', `${this.below(databases)}`, ...(this.once(2) ? ['REPLACE'] : [])]
  }

  #value(): string {
    const length = this.below(this.once(40) ? (this.once(4) ? 45_000 : 4000) : this.once(3) ? 400 : 60)
    return `${this.#mark()}${String.fromCharCode(97 + this.below(26)).repeat(length)}`
  }

  #fieldValue(): string {
    return this.once(5) ? `${this.below(1000)}` : `${this.#mark()}${'.'.repeat(this.below(this.once(30) ? 600 : 30))}`
  }

  #mark(): string {
    this.#token++
    return `<${this.#token}>`
  }

  #field(): string {
    return this.once(10) ? `n${this.below(4)}` : `f${this.below(this.fieldsMax)}`
  }

  #stringKey(): string {
    return this.once(50) ? this.#hashKey() : `s${this.below(stringKeys)}`
  }

  #hashKey(): string {
    return this.once(50) ? `s${this.below(stringKeys)}` : `h${this.below(hashKeys)}`
  }

  /** A key that mostly holds a collection of one type. */
  #collectionKey(keys: readonly string[]): string {
    return this.once(50) ? this.#key() : this.pick(keys)
  }

  #key(): string {
    if (this.once(4)) return this.pick(collectionKeys)
    return this.once(3) ? this.#hashKey() : this.#stringKey()
  }
}
