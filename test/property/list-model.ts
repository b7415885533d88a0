/**
 * Random requests on lists, and what an obvious model of arrays says that each answers. Three keys of different sizes: one stays
 * small, one becomes a tree now and then, one is long, so that leaves are cut, emptied and joined at both ends and in the middle.
 */
import { expect } from 'vitest'
import { formatInline, quote } from '../commands/notation.ts'
import { SeededRandom } from '../simulation/seeded-random.ts'
import type { Ask, TypeModel } from './model-runs.ts'

/** How long lists become, about. */
const sizes: Readonly<Record<string, number>> = { small: 6, medium: 60, large: 400 }
const names = Object.keys(sizes)

export class ListModel implements TypeModel {
  readonly keys = names
  readonly lists: Map<string, string[]>
  readonly #ask: Ask
  /** The chance of the step in hand. */
  #random = new SeededRandom(0)

  constructor(ask: Ask, lists = new Map<string, string[]>()) {
    this.#ask = ask
    this.lists = lists
  }

  asking(ask: Ask): ListModel {
    return new ListModel(ask, this.lists)
  }

  /** Sends one random request and compares. */
  async step(random: SeededRandom): Promise<void> {
    this.#random = random
    const key = random.pick([...names, 'large'])
    const list = this.lists.get(key) ?? []
    const kind = random.below(100)
    if (kind < 30) await this.#push(key, list)
    else if (kind < 42) await this.#pop(key, list)
    else if (kind < 48) await this.#expect(textOf(list.at(this.#index(list))), 'LINDEX', key, `${this.#lastIndex}`)
    else if (kind < 55) await this.#set(key, list)
    else if (kind < 62) await this.#insert(key, list)
    else if (kind < 68) await this.#remove(key, list)
    else if (kind < 72) await this.#trim(key, list)
    else if (kind < 82) await this.#range(key, list)
    else if (kind < 87) await this.#position(key, list)
    else if (kind < 94) await this.#move(key, list)
    else if (kind < 96) await this.#expect(`:${list.length}`, 'LLEN', key)
    else await this.#copy(key)
  }

  /** Everything, compared in full. */
  async check(): Promise<void> {
    for (const key of names) await this.#expect(arrayOf(this.lists.get(key) ?? []), 'LRANGE', key, '0', '-1')
  }

  async #push(key: string, list: readonly string[]): Promise<void> {
    const tail = this.#once(2)
    const elements = Array.from({ length: 1 + this.#below(this.#once(8) ? 60 : 4) }, () => this.#element())
    // What is long enough is not made longer.
    if (list.length > (sizes[key] as number)) {
      await this.#pop(key, list)
      return
    }
    const onlyIfThere = this.#once(5)
    if (onlyIfThere && list.length === 0) {
      await this.#expect(':0', tail ? 'RPUSHX' : 'LPUSHX', key, ...elements)
      return
    }
    const after = tail ? [...list, ...elements] : [...elements.toReversed(), ...list]
    this.lists.set(key, after)
    await this.#expect(`:${after.length}`, `${tail ? 'R' : 'L'}PUSH${onlyIfThere ? 'X' : ''}`, key, ...elements)
  }

  async #pop(key: string, list: readonly string[]): Promise<void> {
    const tail = this.#once(2)
    const command = tail ? 'RPOP' : 'LPOP'
    if (this.#once(2)) {
      const [popped, after] = tail ? [list.at(-1), list.slice(0, -1)] : [list[0], list.slice(1)]
      this.lists.set(key, after)
      await this.#expect(textOf(popped), command, key)
      return
    }
    const count = this.#below(this.#once(4) ? list.length + 2 : 9)
    const popped = count === 0 ? [] : tail ? list.slice(-count).reverse() : list.slice(0, count)
    if (list.length > 0) this.lists.set(key, tail ? list.slice(0, Math.max(0, list.length - count)) : list.slice(count))
    await this.#expect(list.length === 0 ? 'nil-array' : arrayOf(popped), command, key, `${count}`)
  }

  async #set(key: string, list: readonly string[]): Promise<void> {
    const index = this.#index(list)
    const element = this.#element()
    const rank = index < 0 ? index + list.length : index
    const isThere = rank >= 0 && rank < list.length
    if (isThere) this.lists.set(key, list.with(rank, element))
    const expected = list.length === 0 ? '-"ERR no such key"' : isThere ? '+OK' : '-"ERR index out of range"'
    await this.#expect(expected, 'LSET', key, `${index}`, element)
  }

  async #insert(key: string, list: readonly string[]): Promise<void> {
    const pivot = this.#known(list)
    const element = this.#element()
    const at = list.indexOf(pivot)
    const behind = this.#once(2)
    if (at >= 0) this.lists.set(key, list.toSpliced(behind ? at + 1 : at, 0, element))
    await this.#expect(
      list.length === 0 ? ':0' : at < 0 ? ':-1' : `:${list.length + 1}`,
      'LINSERT',
      key,
      behind ? 'AFTER' : 'BEFORE',
      pivot,
      element,
    )
  }

  async #remove(key: string, list: readonly string[]): Promise<void> {
    const element = this.#once(3) ? 'often' : this.#known(list)
    const count = this.#random.pick([0, 0, 1, 2, 5, -1, -2, -5])
    const after = removed(list, element, count)
    this.lists.set(key, after)
    await this.#expect(`:${list.length - after.length}`, 'LREM', key, `${count}`, element)
  }

  async #trim(key: string, list: readonly string[]): Promise<void> {
    const [start, stop] = this.#once(12) ? [this.#below(list.length + 1), this.#index(list)] : [this.#below(9), -1 - this.#below(9)]
    this.lists.set(key, rangeOf(list, start, stop))
    await this.#expect('+OK', 'LTRIM', key, `${start}`, `${stop}`)
  }

  async #range(key: string, list: readonly string[]): Promise<void> {
    const start = this.#index(list)
    const stop = this.#once(2) ? start + this.#below(12) : this.#index(list)
    await this.#expect(arrayOf(rangeOf(list, start, stop)), 'LRANGE', key, `${start}`, `${stop}`)
  }

  async #position(key: string, list: readonly string[]): Promise<void> {
    const element = this.#once(2) ? 'often' : this.#known(list)
    const backwards = this.#once(2)
    const skip = this.#below(3)
    const max = this.#once(2) ? 0 : 1 + this.#below(list.length + 3)
    const ranks = list.map((each, rank) => (each === element ? rank : -1))
    const looked = backwards ? ranks.toReversed() : ranks
    const found = looked.slice(0, max === 0 ? undefined : max).filter((rank) => rank >= 0)
    const options = ['RANK', `${backwards ? -1 - skip : 1 + skip}`, ...(max === 0 ? [] : ['MAXLEN', `${max}`])]
    await this.#expect(found[skip] === undefined ? 'nil' : `:${found[skip]}`, 'LPOS', key, element, ...options)
    const count = this.#below(4)
    const some = found.slice(skip, count === 0 ? undefined : skip + count)
    await this.#expect(`[${some.map((rank) => `:${rank}`).join(' ')}]`, 'LPOS', key, element, ...options, 'COUNT', `${count}`)
  }

  async #move(key: string, list: readonly string[]): Promise<void> {
    const to = this.#random.pick(names)
    const [from, into] = [this.#once(2), this.#once(2)]
    const element = from ? list.at(-1) : list[0]
    if (element !== undefined) {
      this.lists.set(key, from ? list.slice(0, -1) : list.slice(1))
      const target = this.lists.get(to) ?? []
      this.lists.set(to, into ? [...target, element] : [element, ...target])
    }
    await this.#expect(textOf(element), 'LMOVE', key, to, from ? 'RIGHT' : 'LEFT', into ? 'RIGHT' : 'LEFT')
  }

  async #copy(from: string): Promise<void> {
    const to = this.#random.pick(names)
    if (from === to) return
    // Copies go from small to large, so that the small stay small.
    if (names.indexOf(from) > names.indexOf(to)) {
      const count = this.lists.get(to)?.length ?? 0
      this.lists.set(to, [])
      await this.#expect(`:${count > 0 ? 1 : 0}`, 'DEL', to)
      return
    }
    const source = this.lists.get(from) ?? []
    if (source.length > 0) this.lists.set(to, source)
    await this.#expect(`:${source.length > 0 ? 1 : 0}`, 'COPY', from, to, 'REPLACE')
  }

  async #expect(expected: string, ...parts: readonly string[]): Promise<void> {
    const reply = await this.#ask(...parts)
    expect(formatInline(reply), parts.join(' ').slice(0, 200)).toBe(expected)
  }

  #lastIndex = 0

  /** An index that is there most of the time, counted from either end. */
  #index(list: readonly string[]): number {
    this.#lastIndex = this.#below(2 * list.length + 4) - list.length - 2
    return this.#lastIndex
  }

  /** An element of the list, or one that is not. */
  #known(list: readonly string[]): string {
    return this.#once(8) || list.length === 0 ? 'none' : this.#random.pick(list)
  }

  #element(): string {
    if (this.#once(5)) return 'often'
    return 'v'.repeat(this.#random.pick([0, 0, 3, 10, 30, 60, 130, 200, 700, 5000])) + this.#below(1000)
  }

  #once(n: number): boolean {
    return this.#random.once(n)
  }

  #below(end: number): number {
    return this.#random.below(end)
  }
}

function removed(list: readonly string[], element: string, count: number): string[] {
  let left = count === 0 ? Number.POSITIVE_INFINITY : Math.abs(count)
  const keeps = (each: string): boolean => each !== element || left-- <= 0
  return count < 0 ? list.toReversed().filter(keeps).reverse() : list.filter(keeps)
}

function rangeOf(list: readonly string[], start: number, stop: number): string[] {
  const from = Math.max(0, start < 0 ? start + list.length : start)
  const to = stop < 0 ? stop + list.length : stop
  return list.slice(from, Math.max(from, to + 1))
}

function textOf(text: string | undefined): string {
  return text === undefined ? 'nil' : quote(Buffer.from(text))
}

function arrayOf(list: readonly string[]): string {
  return `[${list.map(textOf).join(' ')}]`
}
