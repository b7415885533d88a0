/**
 * Random requests on hashes, and what an obvious model of maps says that each answers. Three keys of different sizes: one
 * stays small, one becomes large, one has hundreds of fields and long values, so that its leaves split and join.
 */
import { expect } from 'vitest'
import { formatInline, quote } from '../commands/notation.ts'
import type { Reply } from '../commands/resp-decoder.ts'
import { SeededRandom } from '../simulation/seeded-random.ts'
import type { Ask, TypeModel } from './model-runs.ts'

const sizes: Readonly<Record<string, number>> = { small: 5, medium: 40, large: 500 }
const names = Object.keys(sizes)

export class HashModel implements TypeModel {
  readonly keys = names
  readonly hashes: Map<string, Map<string, string>>
  readonly #ask: Ask
  /** The chance of the step in hand. */
  #random = new SeededRandom(0)

  constructor(ask: Ask, hashes = new Map<string, Map<string, string>>()) {
    this.#ask = ask
    this.hashes = hashes
  }

  asking(ask: Ask): HashModel {
    return new HashModel(ask, this.hashes)
  }

  /** Sends one random request, or a few that belong together, and compares. */
  async step(random: SeededRandom): Promise<void> {
    this.#random = random
    const key = this.#pick([...names, 'large'])
    const fields = this.hashes.get(key) ?? new Map<string, string>()
    const field = this.#field(key)
    const kind = this.#below(100)
    if (kind < 30)
      await this.#set(
        key,
        this.#some(8, () => [this.#field(key), this.#value()]),
      )
    else if (kind < 40)
      await this.#delete(
        key,
        this.#some(12, () => [this.#field(key)]),
      )
    else if (kind < 45) await this.#setNew(key, field, this.#value())
    else if (kind < 52) await this.#expect(textOf(fields.get(field)), 'HGET', key, field)
    else if (kind < 56) {
      const asked = this.#some(5, () => [this.#field(key)])
      await this.#expect(`[${asked.map((each) => textOf(fields.get(each))).join(' ')}]`, 'HMGET', key, ...asked)
    } else if (kind < 60) await this.#expect(`:${fields.has(field) ? 1 : 0}`, 'HEXISTS', key, field)
    else if (kind < 64) await this.#expect(`:${fields.get(field)?.length ?? 0}`, 'HSTRLEN', key, field)
    else if (kind < 68) await this.#expect(`:${fields.size}`, 'HLEN', key)
    else if (kind < 76) await this.#increase(key, this.#below(2001) - 1000)
    else if (kind < 82) await this.#draw(key, this.#below(2 * fields.size + 3) - fields.size)
    else if (kind < 90) await this.#whole(key)
    else if (kind < 96) await this.#scan(key)
    else await this.#copy(key, this.#pick(names))
  }

  /** Everything, compared in full. */
  async check(): Promise<void> {
    for (const key of names) await this.#whole(key)
  }

  async #set(key: string, pairs: readonly string[]): Promise<void> {
    const fields = this.#made(key)
    const before = fields.size
    for (let i = 0; i < pairs.length; i += 2) fields.set(pairs[i] as string, pairs[i + 1] as string)
    if (this.#below(4) === 0) await this.#expect('+OK', 'HMSET', key, ...pairs)
    else await this.#expect(`:${fields.size - before}`, 'HSET', key, ...pairs)
  }

  async #setNew(key: string, field: string, value: string): Promise<void> {
    const fields = this.#made(key)
    const isNew = !fields.has(field)
    if (isNew) fields.set(field, value)
    await this.#expect(`:${isNew ? 1 : 0}`, 'HSETNX', key, field, value)
  }

  async #delete(key: string, asked: readonly string[]): Promise<void> {
    const fields = this.#made(key)
    const before = fields.size
    for (const field of asked) fields.delete(field)
    if (fields.size === 0) this.hashes.delete(key)
    await this.#expect(`:${before - fields.size}`, 'HDEL', key, ...asked)
    await this.#expect(`:${fields.size > 0 ? 1 : 0}`, 'EXISTS', key)
  }

  /** Quarters are exact in binary and in decimal. */
  async #increase(key: string, by: number): Promise<void> {
    const fields = this.#made(key)
    const decimal = this.#below(2) === 0
    const field = `${decimal ? 'quarters' : 'count'}:${this.#below(3)}`
    const sum = `${Number(fields.get(field) ?? 0) + (decimal ? by / 4 : by)}`
    fields.set(field, sum)
    if (decimal) await this.#expect(`"${sum}"`, 'HINCRBYFLOAT', key, field, `${by / 4}`)
    else await this.#expect(`:${sum}`, 'HINCRBY', key, field, `${by}`)
  }

  async #draw(key: string, count: number): Promise<void> {
    const fields = this.hashes.get(key) ?? new Map<string, string>()
    const drawn = pairsOf(await this.#ask('HRANDFIELD', key, `${count}`, 'WITHVALUES'))
    for (const [field, value] of drawn) expect(fields.get(field), `HRANDFIELD ${key} ${count}: ${field}`).toBe(value)
    expect(drawn.length).toBe(fields.size === 0 ? 0 : count < 0 ? -count : Math.min(count, fields.size))
    if (count >= 0) expect(new Set(drawn.map(([field]) => field)).size).toBe(drawn.length)
    const one = await this.#ask('HRANDFIELD', key)
    if ('text' in one) expect(fields.has(one.text.toString('latin1'))).toBe(true)
    else expect(fields.size).toBe(0)
  }

  async #whole(key: string): Promise<void> {
    const fields = this.hashes.get(key) ?? new Map<string, string>()
    const all = pairsOf(await this.#ask('HGETALL', key))
    expect(all.sort(byField)).toEqual([...fields].sort(byField))
    expect(textsOf(await this.#ask('HKEYS', key)).sort()).toEqual([...fields.keys()].sort())
    expect(textsOf(await this.#ask('HVALS', key)).sort()).toEqual([...fields.values()].sort())
  }

  /** A walk to the end, with changes on the way: what is there throughout is met, and nothing that never was. */
  async #scan(key: string): Promise<void> {
    const throughout = new Map(this.hashes.get(key))
    const ever = new Set(throughout.keys())
    const met = new Set<string>()
    const count = `${1 + this.#below(60)}`
    let cursor = '0'
    do {
      const reply = await this.#ask('HSCAN', key, cursor, 'COUNT', count)
      if (!('items' in reply)) throw new Error(formatInline(reply))
      const [next, pairs] = reply.items as [Reply, Reply]
      cursor = 'text' in next ? next.text.toString() : ''
      for (const [field, value] of pairsOf(pairs)) {
        met.add(field)
        expect(this.hashes.get(key)?.get(field), `HSCAN ${key}: ${field}`).toBe(value)
      }
      if (cursor === '0') break
      const field = this.#field(key)
      if (this.#below(2) === 0) await this.#set(key, [field, this.#value()])
      else await this.#delete(key, [field])
      ever.add(field)
      if (!(this.hashes.get(key)?.has(field) ?? false)) throughout.delete(field)
    } while (cursor !== '0')
    for (const field of throughout.keys()) expect(met.has(field), `HSCAN ${key} COUNT ${count} misses ${field}`).toBe(true)
    for (const field of met) expect(ever.has(field)).toBe(true)
  }

  async #copy(from: string, to: string): Promise<void> {
    if (from === to) return
    const source = this.hashes.get(from)
    // Copies go from small to large, so that the small stay small.
    if (names.indexOf(from) > names.indexOf(to)) {
      await this.#expect(`:${this.hashes.delete(to) ? 1 : 0}`, 'DEL', to)
      return
    }
    if (source !== undefined) this.hashes.set(to, new Map(source))
    await this.#expect(`:${source === undefined ? 0 : 1}`, 'COPY', from, to, 'REPLACE')
  }

  async #expect(expected: string, ...parts: readonly string[]): Promise<void> {
    const reply = await this.#ask(...parts)
    expect(formatInline(reply), parts.join(' ').slice(0, 200)).toBe(expected)
    const [, key = ''] = parts
    if (this.hashes.get(key)?.size === 0) this.hashes.delete(key)
  }

  #made(key: string): Map<string, string> {
    let fields = this.hashes.get(key)
    if (fields === undefined) {
      fields = new Map()
      this.hashes.set(key, fields)
    }
    return fields
  }

  #field(key: string): string {
    return `field:${this.#below(sizes[key] as number)}`
  }

  #value(): string {
    return 'v'.repeat(this.#pick([0, 3, 10, 60, 200, 400, 1500])) + this.#below(1000)
  }

  #some(max: number, make: () => readonly string[]): string[] {
    return Array.from({ length: 1 + this.#below(max) }, make).flat()
  }

  #pick<T>(from: readonly T[]): T {
    return this.#random.pick(from)
  }

  #below(end: number): number {
    return this.#random.below(end)
  }
}

function textOf(value: string | undefined): string {
  return value === undefined ? 'nil' : quote(Buffer.from(value))
}

export function textsOf(reply: Reply): string[] {
  if (!('items' in reply)) throw new Error(`not an array: ${formatInline(reply)}`)
  return reply.items.map((item) => ('text' in item ? item.text.toString('latin1') : 'nil'))
}

function pairsOf(reply: Reply): [string, string][] {
  const texts = textsOf(reply)
  return Array.from({ length: texts.length / 2 }, (_, i) => [texts[2 * i] as string, texts[2 * i + 1] as string])
}

function byField([a]: readonly [string, string], [b]: readonly [string, string]): number {
  return a < b ? -1 : a > b ? 1 : 0
}
