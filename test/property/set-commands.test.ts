/** Sets beside a model of JavaScript's sets: integers that stop being ones, blobs that become trees, leaves that split and join. */
import { expect } from 'vitest'
import { keyCommands } from '../../engine/commands/key.ts'
import { setCommands } from '../../engine/commands/set.ts'
import { formatInline, quote } from '../commands/notation.ts'
import type { Reply } from '../commands/resp-decoder.ts'
import { SeededRandom } from '../simulation/seeded-random.ts'
import type { Ask, TypeModel } from './model-runs.ts'
import { describeModel } from './model-runs.ts'

const ranges: Readonly<Record<string, number>> = { integers: 30, small: 6, medium: 60, large: 900 }
const names = Object.keys(ranges)

class SetModel implements TypeModel {
  readonly keys = names
  readonly #sets: Map<string, Set<string>>
  readonly #ask: Ask
  #random = new SeededRandom(0)

  constructor(ask: Ask, sets = new Map<string, Set<string>>()) {
    this.#ask = ask
    this.#sets = sets
  }

  asking(ask: Ask): SetModel {
    return new SetModel(ask, this.#sets)
  }

  async step(random: SeededRandom): Promise<void> {
    this.#random = random
    const key = random.pick([...names, 'large', 'large'])
    const set = this.#of(key)
    const kind = random.below(100)
    const member = this.#member(key)
    if (kind < 35) await this.#add(key, this.#some(10, key))
    else if (kind < 47) await this.#remove(key, this.#some(14, key))
    else if (kind < 55) await this.#expect(`:${set.has(member) ? 1 : 0}`, 'SISMEMBER', key, member)
    else if (kind < 60) {
      const asked = this.#some(5, key)
      await this.#expect(`[${asked.map((each) => (set.has(each) ? ':1' : ':0')).join(' ')}]`, 'SMISMEMBER', key, ...asked)
    } else if (kind < 64) await this.#expect(`:${set.size}`, 'SCARD', key)
    else if (kind < 70) await this.#members(key)
    else if (kind < 76) await this.#pop(key, random.below(6))
    else if (kind < 82) await this.#draw(key, random.below(2 * set.size + 3) - set.size)
    else if (kind < 88) await this.#move(key, random.pick(names), member)
    else if (kind < 94) await this.#algebra()
    else await this.#scan(key)
  }

  async check(): Promise<void> {
    for (const key of names) await this.#members(key)
  }

  async #add(key: string, members: readonly string[]): Promise<void> {
    const set = this.#of(key)
    const before = set.size
    for (const each of members) set.add(each)
    this.#sets.set(key, set)
    await this.#expect(`:${set.size - before}`, 'SADD', key, ...members)
  }

  async #remove(key: string, members: readonly string[]): Promise<void> {
    const removed = members.filter((each) => this.#drop(key, each)).length
    await this.#expect(`:${removed}`, 'SREM', key, ...members)
  }

  async #pop(key: string, count: number): Promise<void> {
    const popped = textsOf(await this.#ask('SPOP', key, String(count)))
    expect(popped.length).toBe(Math.min(count, this.#of(key).size))
    for (const each of popped) expect(this.#drop(key, each), each).toBe(true)
  }

  async #draw(key: string, count: number): Promise<void> {
    const drawn = textsOf(await this.#ask('SRANDMEMBER', key, String(count)))
    const set = this.#of(key)
    expect(drawn.length).toBe(set.size === 0 ? 0 : count < 0 ? -count : Math.min(count, set.size))
    for (const each of drawn) expect(set.has(each), each).toBe(true)
    if (count > 0) expect(new Set(drawn).size).toBe(drawn.length)
  }

  async #move(from: string, to: string, member: string): Promise<void> {
    const has = this.#of(from).has(member)
    if (has && from !== to) {
      this.#drop(from, member)
      this.#sets.set(to, this.#of(to).add(member))
    }
    await this.#expect(`:${has ? 1 : 0}`, 'SMOVE', from, to, member)
  }

  async #algebra(): Promise<void> {
    const sources = [this.#random.pick(names), this.#random.pick(names)] as const
    const [a, b] = sources.map((each) => this.#of(each)) as [Set<string>, Set<string>]
    const [name, result] = this.#random.pick([
      ['SINTER', [...a].filter((each) => b.has(each))],
      ['SUNION', [...a, ...b]],
      ['SDIFF', [...a].filter((each) => !b.has(each))],
    ] as [string, string[]][])
    const distinct = new Set(result)
    if (this.#random.once(2)) {
      expect(textsOf(await this.#ask(name, ...sources)).sort()).toEqual([...distinct].sort())
      return
    }
    const target = this.#random.pick(names)
    if (distinct.size === 0) this.#sets.delete(target)
    else this.#sets.set(target, distinct)
    await this.#expect(`:${distinct.size}`, `${name}STORE`, target, ...sources)
  }

  async #members(key: string): Promise<void> {
    expect(textsOf(await this.#ask('SMEMBERS', key)).sort()).toEqual([...this.#of(key)].sort())
  }

  async #scan(key: string): Promise<void> {
    const seen = new Set<string>()
    let cursor = '0'
    do {
      const reply = await this.#ask('SSCAN', key, cursor, 'COUNT', String(1 + this.#random.below(30)))
      if (!('items' in reply)) throw new Error(formatInline(reply))
      const [next, members] = reply.items as [Reply, Reply]
      cursor = textOf(next)
      for (const each of textsOf(members)) seen.add(each)
    } while (cursor !== '0')
    expect([...seen].sort()).toEqual([...this.#of(key)].sort())
  }

  #of(key: string): Set<string> {
    return this.#sets.get(key) ?? new Set()
  }

  #drop(key: string, member: string): boolean {
    const set = this.#of(key)
    const had = set.delete(member)
    if (set.size === 0) this.#sets.delete(key)
    return had
  }

  #some(max: number, key: string): string[] {
    return Array.from({ length: 1 + this.#random.below(max) }, () => this.#member(key))
  }

  #member(key: string): string {
    const number = this.#random.below(ranges[key] as number)
    if (key === 'integers' && !this.#random.once(150)) return String((number - 10) * this.#random.pick([1, 1, 5000, 2 ** 33]))
    return `${'m'.repeat(number % 40)}${number}`
  }

  async #expect(reply: string, ...parts: readonly string[]): Promise<void> {
    expect(formatInline(await this.#ask(...parts)), parts.map((each) => quote(Buffer.from(each))).join(' ')).toBe(reply)
  }
}

function textsOf(reply: Reply): string[] {
  if (!('items' in reply)) throw new Error(formatInline(reply))
  return reply.items.map(textOf)
}

function textOf(reply: Reply): string {
  if (!('text' in reply)) throw new Error(formatInline(reply))
  return reply.text.toString('latin1')
}

describeModel('set commands beside a model', {
  tables: { ...setCommands, ...keyCommands },
  lowerThresholds: (engine) => {
    engine.execution.limits.setMaxIntsetEntries = 20
    engine.keyspace.trees.leafBytesMax = 600
  },
  model: (ask) => new SetModel(ask),
})
