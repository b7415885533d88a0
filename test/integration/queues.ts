/**
 * Queues of which one client at a time takes elements with a command that waits. After the server was killed, what the client was given is there no
 * more, and of the rest everything that was acknowledged is there, but for one element at most: that which had been taken when the reply was lost.
 */
import type { Redis } from 'ioredis'
import type { Taken } from './taker.ts'
import { isSame, shown, Taker } from './taker.ts'

interface QueueForm {
  readonly push: (key: string, element: number) => string[]
  /** Waits for an element and takes it; undefined when there was none in time. */
  readonly take: (client: Redis, key: string) => Promise<string | undefined>
  /** What is there, in order. */
  readonly read: (client: Redis, key: string) => Promise<string[]>
}

const waitSeconds = 1

export const queueForms: readonly QueueForm[] = [
  {
    push: (key, element) => ['RPUSH', key, `${element}`],
    take: async (client, key) => (await client.blpop(key, waitSeconds))?.[1],
    read: (client, key) => client.lrange(key, 0, -1),
  },
  {
    push: (key, element) => ['ZADD', key, `${element}`, `${element}`],
    take: async (client, key) => ((await client.call('BZPOPMIN', key, String(waitSeconds))) as string[] | null)?.[1],
    read: (client, key) => client.zrange(key, '0', '-1'),
  },
  {
    push: (key, element) => ['RPUSH', key, `${element}`],
    take: async (client, key) => (await client.blmove(key, `${key}:taken`, 'LEFT', 'RIGHT', `${waitSeconds}`)) ?? undefined,
    read: (client, key) => client.lrange(key, 0, -1),
  },
]

export class Queue implements Taken {
  readonly key: string
  delivered = 0
  readonly #form: QueueForm
  readonly #movesTo: string | undefined
  /** What was pushed and not taken when the server was last looked at, and has been pushed since: sent, in this order. */
  #sent: number[] = []
  /** Of those, the first so many were acknowledged. */
  #acknowledged = 0
  /** Given to the client since. */
  #given: number[] = []
  /** Where elements move to: what is there by all that is known. */
  #moved: number[] = []
  readonly #taker = new Taker()

  constructor(key: string, form: QueueForm) {
    this.key = key
    this.#form = form
    this.#movesTo = form === queueForms[2] ? `${key}:taken` : undefined
  }

  push(element: number): string[] {
    this.#sent.push(element)
    return this.#form.push(this.key, element)
  }

  acknowledge(): void {
    this.#acknowledged++
  }

  async start(port: number): Promise<void> {
    await this.#taker.start(port, async (client) => {
      const taken = await this.#form.take(client, this.key)
      if (taken === undefined) return
      this.#given.push(Number(taken))
      this.delivered++
    })
  }

  broken(): Promise<void> {
    return this.#taker.broken()
  }

  async check(client: Redis): Promise<number> {
    const found = (await this.#form.read(client, this.key)).map(Number)
    const given = this.#given
    const wrong = (why: string): Error =>
      new Error(
        `${this.key}: ${why}; ${this.#acknowledged} of ${this.#sent.length} acknowledged, given ${shown(given)}, there ${shown(found)}`,
      )
    if (!isSame(given, this.#sent.slice(0, given.length))) throw wrong('what was given is not what was pushed, in order')
    const begin = found.length === 0 ? undefined : this.#sent.indexOf(found[0] as number)
    const first = begin ?? Math.max(given.length, this.#acknowledged)
    if (first < given.length) throw wrong('what was given is there again')
    if (!isSame(found, this.#sent.slice(first, first + found.length))) throw wrong('what is there is not what was pushed, in order')
    if (first > given.length + 1) throw wrong('elements were lost')
    if (first + found.length < this.#acknowledged) throw wrong('an acknowledged element is missing')
    const keys = await this.#checkMoved(client, first, begin === undefined ? given.length + 1 : first)
    this.#sent = found
    this.#acknowledged = found.length
    this.#given = []
    return keys + (found.length > 0 ? 1 : 0)
  }

  /** Between so many of the elements that were in the queue have moved to the other list, and they are there in order. */
  async #checkMoved(client: Redis, least: number, most: number): Promise<number> {
    const to = this.#movesTo
    if (to === undefined) return 0
    const found = (await client.lrange(to, 0, -1)).map(Number)
    const expected = [...this.#moved, ...this.#sent.slice(0, most)]
    if (found.length < this.#moved.length + least || !isSame(found, expected.slice(0, found.length)))
      throw new Error(`${to}: ${shown(found)} instead of ${least} to ${most} of ${shown(expected)}`)
    this.#moved = found
    return found.length > 0 ? 1 : 0
  }
}
