/** Hashes whose fields expire beside a model of maps: packed ones, blobs that become trees, leaves that split and join, time that passes. */
import { expect } from 'vitest'
import { hashCommands } from '../../engine/commands/hash.ts'
import { keyCommands } from '../../engine/commands/key.ts'
import { formatInline, quote } from '../commands/notation.ts'
import type { Reply } from '../commands/resp-decoder.ts'
import { SeededRandom } from '../simulation/seeded-random.ts'
import type { Ask, TypeModel } from './model-runs.ts'
import { describeModel } from './model-runs.ts'

const ranges: Readonly<Record<string, number>> = { one: 1, small: 6, medium: 40, large: 400 }
const names = Object.keys(ranges)

interface Field {
  readonly value: string
  /** 0 for never. */
  readonly expireAt: number
}

type Fields = Map<string, Field>

class ExpiringFieldsModel implements TypeModel {
  readonly keys = names
  readonly #hashes: Map<string, Fields>
  readonly #ask: Ask
  readonly #advance: (ms: number) => void
  readonly #clock: { now: number }
  #random = new SeededRandom(0)

  constructor(ask: Ask, advance: (ms: number) => void, hashes = new Map<string, Fields>(), clock = { now: Date.UTC(2026, 0, 2, 3, 4, 5) }) {
    this.#ask = ask
    this.#advance = advance
    this.#hashes = hashes
    this.#clock = clock
  }

  asking(ask: Ask): ExpiringFieldsModel {
    return new ExpiringFieldsModel(ask, this.#advance, this.#hashes, this.#clock)
  }

  async step(random: SeededRandom): Promise<void> {
    this.#random = random
    if (random.once(4)) this.#pass(random.pick([1, 5, 40, 300]))
    const key = random.pick([...names, 'large', 'large', 'medium'])
    const fields = this.#live(key)
    const name = this.#field(key)
    const kind = random.below(100)
    if (kind < 20) await this.#set(key)
    else if (kind < 38) await this.#expire(key)
    else if (kind < 46) await this.#setExpiring(key)
    else if (kind < 52) await this.#getExpiring(key)
    else if (kind < 55) await this.#persist(key)
    else if (kind < 60) await this.#delete(key, random.once(2))
    else if (kind < 64) await this.#increase(key)
    else if (kind < 67) {
      const isNew = !fields.has(name)
      if (isNew) fields.set(name, { value: 'new', expireAt: 0 })
      await this.#expect(`:${isNew ? 1 : 0}`, 'HSETNX', key, name, 'new')
    } else if (kind < 71) await this.#expect(textOf(fields.get(name)), 'HGET', key, name)
    else if (kind < 74) await this.#expect(`:${fields.has(name) ? 1 : 0}`, 'HEXISTS', key, name)
    else if (kind < 77) await this.#expect(`:${fields.get(name)?.value.length ?? 0}`, 'HSTRLEN', key, name)
    else if (kind < 80) await this.#length(key)
    else if (kind < 84) await this.#whole(key)
    else if (kind < 87) await this.#scan(key)
    else if (kind < 91) await this.#draw(key)
    else if (kind < 95) await this.#times(key)
    else await this.#transfer(key, random.pick(names))
  }

  async check(): Promise<void> {
    for (const key of names) {
      await this.#whole(key)
      const fields = [...this.#live(key)]
      if (fields.length === 0) continue
      const times = fields.map(([, { expireAt }]) => `:${expireAt === 0 ? -1 : expireAt}`)
      await this.#expect(`[${times.join(' ')}]`, 'HPEXPIRETIME', key, 'FIELDS', String(fields.length), ...fields.map(([name]) => name))
    }
  }

  #pass(ms: number): void {
    this.#clock.now += ms
    this.#advance(ms)
  }

  async #set(key: string): Promise<void> {
    const fields = this.#live(key)
    const before = fields.size
    const pairs = this.#some(8, key).flatMap((name) => [name, this.#value()])
    for (let i = 0; i < pairs.length; i += 2) fields.set(pairs[i] as string, { value: pairs[i + 1] as string, expireAt: 0 })
    await this.#expect(`:${fields.size - before}`, 'HSET', key, ...pairs)
  }

  async #expire(key: string, asked = this.#some(8, key)): Promise<void> {
    const fields = this.#live(key)
    const ms = this.#random.pick([0, 1, 20, 100, 100, 1000, 100_000])
    const expireAt = this.#clock.now + ms
    const condition = this.#random.pick(['', '', 'NX', 'XX', 'GT', 'LT'])
    const replies = asked.map((name) => {
      const field = fields.get(name)
      if (field === undefined) return ':-2'
      if (!isMet(condition, field.expireAt, expireAt)) return ':0'
      if (ms === 0) fields.delete(name)
      else fields.set(name, { ...field, expireAt })
      return ms === 0 ? ':2' : ':1'
    })
    const absolute = this.#random.once(2)
    const command = absolute ? ['HPEXPIREAT', key, String(expireAt)] : ['HPEXPIRE', key, String(ms)]
    const options = condition === '' ? [] : [condition]
    await this.#expect(`[${replies.join(' ')}]`, ...command, ...options, 'FIELDS', String(asked.length), ...asked)
  }

  async #setExpiring(key: string): Promise<void> {
    const fields = this.#live(key)
    const asked = this.#some(6, key)
    const [condition, option, ms] = [
      this.#random.pick(['', '', '', 'FNX', 'FXX']),
      this.#random.pick(['', 'PX', 'KEEPTTL']),
      this.#random.pick([0, 30, 5000]),
    ]
    const pairs = asked.flatMap((name) => [name, this.#value()])
    const present = asked.filter((name) => fields.has(name)).length
    const isMet = condition === '' || (condition === 'FNX' ? present === 0 : present === asked.length)
    for (let i = 0; i < pairs.length && isMet; i += 2) {
      const name = pairs[i] as string
      const expireAt = option === 'PX' ? this.#clock.now + ms : option === 'KEEPTTL' ? (fields.get(name)?.expireAt ?? 0) : 0
      fields.set(name, { value: pairs[i + 1] as string, expireAt })
    }
    if (isMet && option === 'PX' && ms === 0) for (const name of asked) fields.delete(name)
    const options = [condition, option, option === 'PX' ? String(ms) : ''].filter((each) => each !== '')
    await this.#expect(`:${isMet ? 1 : 0}`, 'HSETEX', key, ...options, 'FIELDS', String(asked.length), ...pairs)
  }

  async #getExpiring(key: string): Promise<void> {
    const fields = this.#live(key)
    const asked = this.#some(6, key)
    const [option, ms] = [this.#random.pick(['', 'PX', 'PERSIST']), this.#random.pick([0, 30, 5000])]
    const replies = asked.map((name) => {
      const field = fields.get(name)
      if (field === undefined) return 'nil'
      if (option === 'PX' && ms === 0) fields.delete(name)
      else if (option !== '') fields.set(name, { ...field, expireAt: option === 'PX' ? this.#clock.now + ms : 0 })
      return textOf(field)
    })
    const options = [option, option === 'PX' ? String(ms) : ''].filter((each) => each !== '')
    await this.#expect(`[${replies.join(' ')}]`, 'HGETEX', key, ...options, 'FIELDS', String(asked.length), ...asked)
  }

  async #persist(key: string): Promise<void> {
    const fields = this.#live(key)
    const asked = this.#some(6, key)
    const replies = asked.map((name) => {
      const field = fields.get(name)
      if (field === undefined) return ':-2'
      fields.set(name, { ...field, expireAt: 0 })
      return field.expireAt === 0 ? ':-1' : ':1'
    })
    await this.#expect(`[${replies.join(' ')}]`, 'HPERSIST', key, 'FIELDS', String(asked.length), ...asked)
  }

  async #delete(key: string, returning: boolean): Promise<void> {
    const fields = this.#live(key)
    const asked = this.#some(10, key)
    const values = asked.map((name) => {
      const text = textOf(fields.get(name))
      fields.delete(name)
      return text
    })
    if (returning) await this.#expect(`[${values.join(' ')}]`, 'HGETDEL', key, 'FIELDS', String(asked.length), ...asked)
    else await this.#expect(`:${values.filter((each) => each !== 'nil').length}`, 'HDEL', key, ...asked)
  }

  async #increase(key: string): Promise<void> {
    const fields = this.#live(key)
    const name = this.#random.pick(['count', 'quarters'])
    const field = fields.get(name)
    const by = this.#random.below(100)
    const sum = `${Number(field?.value ?? 0) + (name === 'count' ? by : by / 4)}`
    fields.set(name, { value: sum, expireAt: field?.expireAt ?? 0 })
    if (name === 'count') await this.#expect(`:${sum}`, 'HINCRBY', key, name, String(by))
    else await this.#expect(`"${sum}"`, 'HINCRBYFLOAT', key, name, String(by / 4))
    await this.#times(key, [name])
    if (this.#random.once(2)) await this.#expire(key, [name])
  }

  /** A large hash counts fields that have expired and were not deleted yet. */
  async #length(key: string): Promise<void> {
    const reply = formatInline(await this.#ask('HLEN', key))
    expect(Number(reply.slice(1)), key).toBeGreaterThanOrEqual(this.#live(key).size)
  }

  async #whole(key: string): Promise<void> {
    const fields = this.#live(key)
    const all = textsOf(await this.#ask('HGETALL', key))
    const expected = [...fields].map(([name, { value }]) => `${name} ${value}`)
    expect(pairsOf(all).sort(), key).toEqual(expected.sort())
    expect(textsOf(await this.#ask('HKEYS', key)).sort(), key).toEqual([...fields.keys()].sort())
  }

  async #scan(key: string): Promise<void> {
    const met = new Set<string>()
    let cursor = '0'
    do {
      const reply = await this.#ask('HSCAN', key, cursor, 'COUNT', String(1 + this.#random.below(50)))
      if (!('items' in reply)) throw new Error(formatInline(reply))
      const [next, pairs] = reply.items as [Reply, Reply]
      cursor = 'text' in next ? next.text.toString() : ''
      for (const pair of pairsOf(textsOf(pairs))) met.add(pair)
    } while (cursor !== '0')
    expect([...met].sort(), key).toEqual([...this.#live(key)].map(([name, { value }]) => `${name} ${value}`).sort())
  }

  async #draw(key: string): Promise<void> {
    const fields = this.#live(key)
    const count = this.#random.below(2 * fields.size + 3) - fields.size
    const drawn = textsOf(await this.#ask('HRANDFIELD', key, String(count)))
    for (const name of drawn) expect(fields.has(name), `${key}: ${name}`).toBe(true)
    expect(drawn.length).toBe(fields.size === 0 ? 0 : count < 0 ? -count : Math.min(count, fields.size))
    if (count > 0) expect(new Set(drawn).size).toBe(drawn.length)
    const one = await this.#ask('HRANDFIELD', key)
    expect('text' in one ? fields.has(one.text.toString('latin1')) : fields.size === 0, key).toBe(true)
  }

  async #times(key: string, asked = this.#some(6, key)): Promise<void> {
    const fields = this.#live(key)
    const inSeconds = this.#random.once(2)
    const replies = asked.map((name) => {
      const field = fields.get(name)
      if (field === undefined || field.expireAt === 0) return field === undefined ? ':-2' : ':-1'
      const left = field.expireAt - this.#clock.now
      return `:${inSeconds ? Math.ceil(left / 1000) : left}`
    })
    await this.#expect(`[${replies.join(' ')}]`, inSeconds ? 'HTTL' : 'HPTTL', key, 'FIELDS', String(asked.length), ...asked)
  }

  /** A key whose fields have all expired may be there still: the reply tells. */
  async #transfer(from: string, to: string): Promise<void> {
    if (from === to || names.indexOf(from) > names.indexOf(to)) return
    const fields = this.#live(from)
    const moves = this.#random.once(3)
    const reply = formatInline(await (moves ? this.#ask('RENAME', from, to) : this.#ask('COPY', from, to, 'REPLACE')))
    const happened = reply === (moves ? '+OK' : ':1')
    if (fields.size > 0) expect(happened, reply).toBe(true)
    if (!happened) return
    this.#hashes.set(to, new Map(fields))
    if (moves) this.#hashes.delete(from)
  }

  /** The fields of a hash that have not expired. */
  #live(key: string): Fields {
    const fields = this.#hashes.get(key) ?? new Map<string, Field>()
    this.#hashes.set(key, fields)
    for (const [name, { expireAt }] of fields) if (expireAt !== 0 && expireAt < this.#clock.now) fields.delete(name)
    return fields
  }

  async #expect(expected: string, ...parts: readonly string[]): Promise<void> {
    expect(formatInline(await this.#ask(...parts)), parts.map((each) => quote(Buffer.from(each))).join(' ')).toBe(expected)
  }

  #some(max: number, key: string): string[] {
    return Array.from({ length: 1 + this.#random.below(max) }, () => this.#field(key))
  }

  #field(key: string): string {
    return `field:${this.#random.below(ranges[key] as number)}`
  }

  #value(): string {
    return 'v'.repeat(this.#random.pick([0, 3, 60, 120, 200, 900])) + this.#random.below(1000)
  }
}

function isMet(condition: string, before: number, after: number): boolean {
  if (condition === 'NX') return before === 0
  if (condition === 'XX') return before !== 0
  if (condition === 'GT') return before !== 0 && after > before
  return condition !== 'LT' || before === 0 || after < before
}

function textOf(field: Field | undefined): string {
  return field === undefined ? 'nil' : quote(Buffer.from(field.value))
}

function textsOf(reply: Reply): string[] {
  if (!('items' in reply)) throw new Error(formatInline(reply))
  return reply.items.map((each) => ('text' in each ? each.text.toString('latin1') : 'nil'))
}

function pairsOf(texts: readonly string[]): string[] {
  return Array.from({ length: texts.length / 2 }, (_, i) => `${texts[2 * i]} ${texts[2 * i + 1]}`)
}

describeModel('hashes whose fields expire, beside a model', {
  tables: { ...hashCommands, ...keyCommands },
  lowerThresholds: (engine) => {
    engine.execution.limits.hashMaxListpackEntries = 12
    engine.keyspace.trees.leafBytesMax = 1000
  },
  model: (ask, advance) => new ExpiringFieldsModel(ask, advance),
})
