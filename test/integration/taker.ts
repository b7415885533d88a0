/** A client that goes on taking what others put somewhere, until its connection breaks. */
import { Redis } from 'ioredis'

/** What the kill test's writers put elements into, and a client takes them from. Elements are numbers that grow. */
export interface Taken {
  /** Elements that were taken and given to a client, all in all. */
  readonly delivered: number
  /** The request that puts an element there. */
  push(element: number): string[]
  /** The oldest push that was not acknowledged is acknowledged. */
  acknowledge(): void
  /** Takes elements until the connection breaks. */
  start(port: number): Promise<void>
  /** Resolves when the connection is gone. Rejects when a reply was wrong. */
  broken(): Promise<void>
  /** Compares what is there with what is known, and goes on from that. Returns the number of keys that there are. */
  check(client: Redis): Promise<number>
}

export class Taker {
  #client: Redis | undefined
  #failure: Error | undefined
  #loop: Promise<void> = Promise.resolve()

  /** Connects, does what is to be done first, and then `take` again and again. */
  async start(port: number, take: (client: Redis) => Promise<void>, begin?: (client: Redis) => Promise<void>): Promise<void> {
    const client = new Redis(port, { retryStrategy: null, maxRetriesPerRequest: 0, lazyConnect: true })
    client.on('error', () => undefined)
    await client.connect()
    this.#client = client
    await begin?.(client)
    this.#loop = this.#takesFrom(client, take)
  }

  async #takesFrom(client: Redis, take: (client: Redis) => Promise<void>): Promise<void> {
    try {
      for (;;) await take(client)
    } catch (failure) {
      if (!/connection.*close|ECONNRESET|EPIPE/i.test((failure as Error).message)) this.#failure = failure as Error
    }
  }

  async broken(): Promise<void> {
    await this.#loop
    this.#client?.disconnect()
    if (this.#failure !== undefined) throw this.#failure
  }
}

export function isSame<T>(a: readonly T[], b: readonly T[]): boolean {
  return a.length === b.length && a.every((each, i) => each === b[i])
}

export function shown(elements: readonly (number | string)[]): string {
  return `${elements.length} (${elements.slice(0, 5).join(' ')} … ${elements.slice(-5).join(' ')})`
}
