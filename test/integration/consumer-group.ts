/**
 * A stream with automatic ids, and a group whose consumer waits for entries, and acknowledges and deletes them in one transaction. After the server was killed, every
 * acknowledged entry that the consumer has not finished is there under the id that it was given; what was delivered is pending; each was delivered once.
 */
import type { Redis } from 'ioredis'
import type { Taken } from './taker.ts'
import { isSame, shown, Taker } from './taker.ts'

type Entry = [id: string, fields: string[]]
type Streams = [key: string, entries: Entry[]][]

const waitMs = 1000
const atOnce = 3
const group = 'group'
const consumer = 'consumer'

export class ConsumerGroup implements Taken {
  delivered = 0
  readonly #key: string
  readonly #taker = new Taker()
  /** What was there when the server was looked at, and has been added since: sent, in this order. */
  #sent: number[] = []
  /** Of those, the first so many were acknowledged, delivered, and finished. */
  #acknowledged = 0
  #given = 0
  #finished = 0
  /** Whether more may have been delivered, or finished, than is known: the connection broke before the reply. */
  #isReading = false
  #isFinishing = false
  /** The greatest id that anybody has seen, and the ids of `#sent` that are known. */
  #lastId = '0-0'
  readonly #ids = new Map<number, string>()

  constructor(key: string) {
    this.#key = key
  }

  push(element: number): string[] {
    this.#sent.push(element)
    return ['XADD', this.#key, '*', 'element', `${element}`]
  }

  acknowledge(): void {
    this.#acknowledged++
  }

  async start(port: number): Promise<void> {
    const take = (client: Redis): Promise<void> => this.#take(client)
    await this.#taker.start(port, take, (client) => this.#begin(client))
  }

  broken(): Promise<void> {
    return this.#taker.broken()
  }

  /** Makes the group where there is none, and finishes what is pending. */
  async #begin(client: Redis): Promise<void> {
    if ((await client.exists(this.#key)) === 0) await client.xgroup('CREATE', this.#key, group, '0', 'MKSTREAM')
    const again = (await client.xreadgroup('GROUP', group, consumer, 'STREAMS', this.#key, '0')) as Streams
    const entries = again[0]?.[1] ?? []
    if (!isSame(entries.map(elementOf), this.#sent.slice(0, this.#given))) throw this.#wrong('what is pending is not what was', entries)
    await this.#finish(client, entries)
  }

  async #take(client: Redis): Promise<void> {
    this.#isReading = true
    const found = await client.xreadgroup('GROUP', group, consumer, 'COUNT', atOnce, 'BLOCK', waitMs, 'STREAMS', this.#key, '>')
    this.#isReading = false
    const entries = (found as Streams | null)?.[0]?.[1] ?? []
    if (entries.length === 0) return
    const expected = this.#sent.slice(this.#given, this.#given + entries.length)
    if (!isSame(entries.map(elementOf), expected)) throw this.#wrong('what was delivered is not what comes next', entries)
    this.#see(entries)
    this.#given += entries.length
    this.delivered += entries.length
    await this.#finish(client, entries)
  }

  async #finish(client: Redis, entries: readonly Entry[]): Promise<void> {
    if (entries.length === 0) return
    const ids = entries.map(([id]) => id)
    this.#isFinishing = true
    const counts = await client
      .multi()
      .xack(this.#key, group, ...ids)
      .xdel(this.#key, ...ids)
      .exec()
    this.#isFinishing = false
    if (counts?.some(([failure, count]) => failure !== null || count !== ids.length))
      throw this.#wrong('not all was pending and there', entries)
    this.#finished += ids.length
  }

  /** Ids grow, and an entry keeps its own. */
  #see(entries: readonly Entry[]): void {
    for (const entry of entries) {
      const [id] = entry
      const known = this.#ids.get(elementOf(entry))
      if (known === undefined ? !isBehind(id, this.#lastId) : known !== id)
        throw this.#wrong(`id ${id} follows ${known ?? this.#lastId}`, entries)
      this.#ids.set(elementOf(entry), id)
      if (known === undefined) this.#lastId = id
    }
  }

  async check(client: Redis): Promise<number> {
    if ((await client.exists(this.#key)) === 0) {
      if (this.#sent.length > 0) throw this.#wrong('the stream is lost', [])
      return 0
    }
    const entries = (await client.xrange(this.#key, '-', '+')) as Entry[]
    const found = entries.map(elementOf)
    const pending = ((await client.xpending(this.#key, group, '-', '+', '1000000')) as [string][]).map(([id]) => id)
    const first = found.length === 0 ? this.#givenAtMost(pending.length) : this.#sent.indexOf(found[0] as number)
    if (!isSame(found, this.#sent.slice(first, first + found.length)))
      throw this.#wrong('what is there is not what was added, in order', entries)
    if (first !== this.#finished && !(this.#isFinishing && first === this.#given)) throw this.#wrong(`${first} are finished`, entries)
    if (first + found.length < this.#acknowledged) throw this.#wrong('an acknowledged entry is missing', entries)
    this.#see(entries)
    const ids = entries.map(([id]) => id)
    if (!isSame(pending, ids.slice(0, pending.length))) throw this.#wrong(`pending is ${shown(pending)}`, entries)
    const given = first + pending.length
    if (given < this.#given || given > this.#given + (this.#isReading ? atOnce : 0)) throw this.#wrong(`${given} were delivered`, entries)
    this.#sent = found
    this.#acknowledged = found.length
    this.#given = pending.length
    this.#finished = 0
    this.#isReading = false
    this.#isFinishing = false
    return 1
  }

  /** How many have been finished when nothing is there. */
  #givenAtMost(pending: number): number {
    return this.#isFinishing && pending === 0 ? this.#given : this.#finished
  }

  #wrong(why: string, entries: readonly Entry[]): Error {
    const known = `${this.#acknowledged} of ${shown(this.#sent)} acknowledged, ${this.#given} delivered, ${this.#finished} finished`
    return new Error(`${this.#key}: ${why}; ${known}; ${shown(entries.map(([id, [, text]]) => `${id}=${text}`))}`)
  }
}

function elementOf([, [, text]]: Entry): number {
  return Number(text)
}

function isBehind(id: string, other: string): boolean {
  const [[ms, sequence], [otherMs, otherSequence]] = [id, other].map((each) => each.split('-').map(Number)) as [
    [number, number],
    [number, number],
  ]
  return ms > otherMs || (ms === otherMs && sequence > otherSequence)
}
