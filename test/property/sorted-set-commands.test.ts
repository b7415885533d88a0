/** Sorted sets beside a model of JavaScript's maps: blobs that become trees, leaves that split and join, long runs of one score. */
import { expect } from 'vitest'
import { keyCommands } from '../../engine/commands/key.ts'
import { setCommands } from '../../engine/commands/set.ts'
import { sortedSetCommands } from '../../engine/commands/sorted-set.ts'
import { formatDouble } from '../../engine/double.ts'
import { formatInline, quote } from '../commands/notation.ts'
import type { Reply } from '../commands/resp-decoder.ts'
import { SeededRandom } from '../simulation/seeded-random.ts'
import type { Ask, TypeModel } from './model-runs.ts'
import { describeModel } from './model-runs.ts'

/** Members that a key may have, and how many scores: `lex` has but one. */
const ranges: Readonly<Record<string, readonly [members: number, scores: number]>> = {
  small: [6, 4],
  medium: [60, 30],
  large: [900, 400],
  runs: [900, 3],
  lex: [700, 1],
}
const names = Object.keys(ranges)
const special = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0.1, -3.5, 1e300, 3]

type Element = readonly [member: string, score: number]

class SortedSetModel implements TypeModel {
  readonly keys = names
  readonly #sets: Map<string, Map<string, number>>
  readonly #ask: Ask
  #random = new SeededRandom(0)

  constructor(ask: Ask, sets = new Map<string, Map<string, number>>()) {
    this.#ask = ask
    this.#sets = sets
  }

  asking(ask: Ask): SortedSetModel {
    return new SortedSetModel(ask, this.#sets)
  }

  async step(random: SeededRandom): Promise<void> {
    this.#random = random
    const key = random.pick([...names, 'large', 'runs', 'lex'])
    const kind = random.below(100)
    if (kind < 30) await this.#add(key)
    else if (kind < 40) await this.#remove(key)
    else if (kind < 45) await this.#increment(key)
    else if (kind < 52) await this.#lookUp(key)
    else if (kind < 60) await this.#byRank(key)
    else if (kind < 68) await this.#byScore(key)
    else if (kind < 74) await this.#byLex('lex')
    else if (kind < 80) await this.#pop(key)
    else if (kind < 84) await this.#removeRange(key)
    else if (kind < 88) await this.#draw(key)
    else if (kind < 94) await this.#combine()
    else await this.#scan(key)
  }

  async check(): Promise<void> {
    for (const key of names) await this.#expect(this.#shown(this.#sorted(key), true), 'ZRANGE', key, '0', '-1', 'WITHSCORES')
  }

  async #add(key: string): Promise<void> {
    const set = this.#of(key)
    const flag = this.#random.pick(['', '', '', 'NX', 'XX', 'GT', 'LT'])
    const elements = Array.from({ length: 1 + this.#random.below(10) }, () => [this.#member(key), this.#score(key)] as const)
    let added = 0
    let changed = 0
    for (const [member, score] of elements) {
      const former = set.get(member)
      if (former === undefined ? flag === 'XX' : flag === 'NX') continue
      if (former !== undefined && ((flag === 'GT' && score <= former) || (flag === 'LT' && score >= former))) continue
      if (former === undefined) added++
      if (former !== score) changed++
      set.set(member, score)
    }
    if (set.size > 0) this.#sets.set(key, set)
    const counts = this.#random.once(2)
    const flags = [flag, counts ? 'CH' : ''].filter((each) => each !== '')
    const pairs = elements.flatMap(([member, score]) => [formatDouble(score), member])
    await this.#expect(`:${counts ? changed : added}`, 'ZADD', key, ...flags, ...pairs)
  }

  async #remove(key: string): Promise<void> {
    const members = Array.from({ length: 1 + this.#random.below(14) }, () => this.#member(key))
    const removed = members.filter((each) => this.#drop(key, each)).length
    await this.#expect(`:${removed}`, 'ZREM', key, ...members)
  }

  async #increment(key: string): Promise<void> {
    const member = this.#member(key)
    const set = this.#of(key)
    const by = key === 'lex' ? 0 : this.#random.below(9) - 4
    const score = (set.get(member) ?? 0) + by
    this.#sets.set(key, set.set(member, score))
    await this.#expect(quoted(formatDouble(score)), 'ZINCRBY', key, String(by), member)
  }

  async #lookUp(key: string): Promise<void> {
    const member = this.#member(key)
    const score = this.#of(key).get(member)
    const rank = this.#sorted(key).findIndex(([each]) => each === member)
    await this.#expect(score === undefined ? 'nil' : quoted(formatDouble(score)), 'ZSCORE', key, member)
    await this.#expect(rank < 0 ? 'nil' : `:${rank}`, 'ZRANK', key, member)
    await this.#expect(rank < 0 ? 'nil' : `:${this.#of(key).size - 1 - rank}`, 'ZREVRANK', key, member)
    await this.#expect(`:${this.#of(key).size}`, 'ZCARD', key)
  }

  async #byRank(key: string): Promise<void> {
    const sorted = this.#sorted(key)
    const reverse = this.#random.once(2)
    if (reverse) sorted.reverse()
    const [start, stop] = [this.#rank(sorted.length), this.#rank(sorted.length)]
    const from = start < 0 ? Math.max(0, sorted.length + start) : start
    const shown = sorted.slice(from, (stop < 0 ? sorted.length + stop : stop) + 1 || (stop === -1 ? sorted.length : 0))
    const expected = stop < 0 && sorted.length + stop + 1 <= 0 ? [] : shown
    await this.#expect(this.#shown(expected, false), 'ZRANGE', key, String(start), String(stop), ...(reverse ? ['REV'] : []))
  }

  async #byScore(key: string): Promise<void> {
    const [min, max] = [this.#score(key), this.#score(key)]
    const [minOut, maxOut, reverse] = [this.#random.once(3), this.#random.once(3), this.#random.once(2)]
    const within = this.#sorted(key).filter(([, score]) => (minOut ? score > min : score >= min) && (maxOut ? score < max : score <= max))
    const bounds = [`${minOut ? '(' : ''}${formatDouble(min)}`, `${maxOut ? '(' : ''}${formatDouble(max)}`]
    await this.#expect(`:${within.length}`, 'ZCOUNT', key, ...bounds)
    if (reverse) {
      within.reverse()
      bounds.reverse()
    }
    const offset = this.#random.below(4)
    const limit = this.#random.below(30) - 1
    const shown = within.slice(offset, limit < 0 ? undefined : offset + limit)
    const options = ['BYSCORE', ...(reverse ? ['REV'] : []), 'LIMIT', String(offset), String(limit), 'WITHSCORES']
    await this.#expect(this.#shown(shown, true), 'ZRANGE', key, ...bounds, ...options)
  }

  async #byLex(key: string): Promise<void> {
    const [min, max] = [this.#member(key), this.#member(key)]
    const [minOut, maxOut] = [this.#random.once(2), this.#random.once(2)]
    const within = this.#sorted(key).filter(([each]) => (minOut ? each > min : each >= min) && (maxOut ? each < max : each <= max))
    const bounds = [`${minOut ? '(' : '['}${min}`, `${maxOut ? '(' : '['}${max}`]
    await this.#expect(`:${within.length}`, 'ZLEXCOUNT', key, ...bounds)
    await this.#expect(this.#shown(within, false), 'ZRANGEBYLEX', key, ...bounds)
    if (!this.#random.once(8)) return
    for (const [each] of within) this.#drop(key, each)
    await this.#expect(`:${within.length}`, 'ZREMRANGEBYLEX', key, ...bounds)
  }

  async #pop(key: string): Promise<void> {
    const sorted = this.#sorted(key)
    const isMax = this.#random.once(2)
    if (isMax) sorted.reverse()
    const popped = sorted.slice(0, this.#random.below(6))
    const count = String(popped.length)
    for (const [each] of popped) this.#drop(key, each)
    await this.#expect(this.#shown(popped, true), isMax ? 'ZPOPMAX' : 'ZPOPMIN', key, count)
  }

  async #removeRange(key: string): Promise<void> {
    const sorted = this.#sorted(key)
    if (this.#random.once(2)) {
      const from = this.#random.below(sorted.length + 1)
      // Now and then little is kept.
      const most = this.#random.once(20) ? Math.floor(sorted.length * 0.9) : 0
      const removed = sorted.slice(from, from + Math.max(most, 1 + this.#random.below(12)))
      for (const [each] of removed) this.#drop(key, each)
      await this.#expect(`:${removed.length}`, 'ZREMRANGEBYRANK', key, String(from), String(from + Math.max(0, removed.length - 1)))
      return
    }
    const min = this.#score(key)
    const removed = sorted.filter(([, score]) => score >= min && score <= min + 2)
    if (removed.length > 100 && !this.#random.once(10)) return
    for (const [each] of removed) this.#drop(key, each)
    await this.#expect(`:${removed.length}`, 'ZREMRANGEBYSCORE', key, formatDouble(min), formatDouble(min + 2))
  }

  async #draw(key: string): Promise<void> {
    const set = this.#of(key)
    const count = this.#random.below(2 * set.size + 3) - set.size
    const drawn = textsOf(await this.#ask('ZRANDMEMBER', key, String(count)))
    expect(drawn.length).toBe(set.size === 0 ? 0 : count < 0 ? -count : Math.min(count, set.size))
    for (const each of drawn) expect(set.has(each), each).toBe(true)
    if (count > 0) expect(new Set(drawn).size).toBe(drawn.length)
  }

  async #combine(): Promise<void> {
    const sources = [this.#random.pick(names), this.#random.pick(names)] as const
    const [a, b] = sources.map((each) => this.#of(each)) as [Map<string, number>, Map<string, number>]
    const [name, members] = this.#random.pick([
      ['ZINTER', [...a.keys()].filter((each) => b.has(each))],
      ['ZUNION', [...new Set([...a.keys(), ...b.keys()])]],
      ['ZDIFF', [...a.keys()].filter((each) => !b.has(each))],
    ] as [string, string[]][])
    const greatest = (each: string): number => Math.max(a.get(each) ?? Number.NEGATIVE_INFINITY, b.get(each) ?? Number.NEGATIVE_INFINITY)
    const result = new Map(members.map((each) => [each, name === 'ZDIFF' ? (a.get(each) as number) : greatest(each)]))
    const options = name === 'ZDIFF' ? [] : ['AGGREGATE', 'MAX']
    if (this.#random.once(2)) {
      await this.#expect(this.#shown(sortedElements(result), true), name, '2', ...sources, ...options, 'WITHSCORES')
      return
    }
    const target = this.#random.pick(names.filter((each) => each !== 'lex'))
    if (result.size === 0) this.#sets.delete(target)
    else this.#sets.set(target, result)
    await this.#expect(`:${result.size}`, `${name}STORE`, target, '2', ...sources, ...options)
  }

  async #scan(key: string): Promise<void> {
    const seen = new Map<string, string>()
    let cursor = '0'
    do {
      const reply = await this.#ask('ZSCAN', key, cursor, 'COUNT', String(1 + this.#random.below(30)))
      if (!('items' in reply)) throw new Error(formatInline(reply))
      const [next, elements] = reply.items as [Reply, Reply]
      cursor = textOf(next)
      const texts = textsOf(elements)
      for (let i = 0; i < texts.length; i += 2) seen.set(texts[i] as string, texts[i + 1] as string)
    } while (cursor !== '0')
    const expected = [...this.#of(key)].map(([member, score]) => [member, formatDouble(score)])
    expect([...seen].sort()).toEqual(expected.sort())
  }

  #of(key: string): Map<string, number> {
    return this.#sets.get(key) ?? new Map()
  }

  #sorted(key: string): Element[] {
    return sortedElements(this.#of(key))
  }

  #drop(key: string, member: string): boolean {
    const set = this.#of(key)
    const had = set.delete(member)
    if (set.size === 0) this.#sets.delete(key)
    return had
  }

  #member(key: string): string {
    const number = this.#random.below((ranges[key] as readonly [number, number])[0])
    return `${'m'.repeat(number % 30)}${number}`
  }

  #score(key: string): number {
    const scores = (ranges[key] as readonly [number, number])[1]
    return scores > 3 && this.#random.once(20) ? this.#random.pick(special) : this.#random.below(scores)
  }

  #rank(length: number): number {
    return this.#random.below(2 * length + 3) - length - 1
  }

  #shown(elements: readonly Element[], withScores: boolean): string {
    const texts = elements.flatMap(([member, score]) => (withScores ? [member, formatDouble(score)] : [member]))
    return `[${texts.map(quoted).join(' ')}]`
  }

  async #expect(reply: string, ...parts: readonly string[]): Promise<void> {
    expect(formatInline(await this.#ask(...parts)), parts.map((each) => quote(Buffer.from(each))).join(' ')).toBe(reply)
  }
}

function sortedElements(set: ReadonlyMap<string, number>): Element[] {
  return [...set].sort(([a, x], [b, y]) => (x === y ? (a < b ? -1 : 1) : x < y ? -1 : 1))
}

function quoted(text: string): string {
  return quote(Buffer.from(text))
}

function textsOf(reply: Reply): string[] {
  if (!('items' in reply)) throw new Error(formatInline(reply))
  return reply.items.map(textOf)
}

function textOf(reply: Reply): string {
  if (!('text' in reply)) throw new Error(formatInline(reply))
  return reply.text.toString('latin1')
}

describeModel('sorted set commands beside a model', {
  tables: { ...sortedSetCommands, ...setCommands, ...keyCommands },
  lowerThresholds: (engine) => {
    engine.execution.limits.zsetMaxListpackEntries = 20
    engine.keyspace.trees.leafBytesMax = 600
  },
  model: (ask) => new SortedSetModel(ask),
})
