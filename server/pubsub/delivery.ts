/**
 * One message on its way to those that had subscribed when it was published, channel first, then patterns. It is encoded
 * once for each protocol and way of subscribing, whatever the number of subscribers, and may be delivered in several turns.
 */
import type { Addressed } from '../../engine/messages.ts'
import type { Protocol } from '../../engine/reply-writer.ts'
import { messageBytes } from './message-bytes.ts'
import type { Subscriber, Subscribers } from './subscribers.ts'

/** Subscribers that have found the message in the same way, and what they receive. */
export class Recipients {
  readonly #subscribers: Subscribers
  readonly #words: readonly Buffer[]
  /** Those that came later do not receive it. */
  readonly #until: number
  readonly #next: Iterator<[Subscriber, number]>
  /** Of the last one that the walk has passed. */
  #arrival = -1
  /** Who has received it before the walk came to them. */
  #served: Set<Subscriber> | undefined
  #resp2: readonly Buffer[] | undefined
  #resp3: readonly Buffer[] | undefined

  constructor(subscribers: Subscribers, words: readonly Buffer[], until: number) {
    this.#subscribers = subscribers
    this.#words = words
    this.#until = until
    this.#next = subscribers.entries()
  }

  /** Delivers to up to `most` subscribers. Returns to how many; fewer than `most` when nobody is left. */
  deliver(lsn: number, most: number): number {
    for (let passed = 0; passed < most; passed++) {
      const { done, value } = this.#next.next()
      if (done === true || value[1] >= this.#until) return passed
      this.#arrival = value[1]
      if (this.#served?.has(value[0]) !== true) this.#give(value[0], lsn)
    }
    return most
  }

  /** Delivers to one subscriber now, if the walk has not come to it yet. */
  serve(subscriber: Subscriber, lsn: number): void {
    const arrival = this.#subscribers.get(subscriber)
    if (arrival === undefined || arrival >= this.#until || arrival <= this.#arrival || this.#served?.has(subscriber)) return
    this.#served ??= new Set()
    this.#served.add(subscriber)
    this.#give(subscriber, lsn)
  }

  #give(subscriber: Subscriber, lsn: number): void {
    subscriber.connection.push(this.#bytesFor(subscriber.reply.protocol), lsn)
  }

  #bytesFor(protocol: Protocol): readonly Buffer[] {
    if (protocol === 3) {
      this.#resp3 ??= messageBytes(this.#words, 3)
      return this.#resp3
    }
    this.#resp2 ??= messageBytes(this.#words, 2)
    return this.#resp2
  }
}

export class Delivery implements Addressed {
  readonly receivers: number
  /** What it costs in memory while it waits. */
  readonly bytes: number
  /** It leaves when the log has committed this. */
  lsn = 0
  readonly #recipients: readonly Recipients[]
  #at = 0

  constructor(recipients: readonly Recipients[], receivers: number, bytes: number) {
    this.#recipients = recipients
    this.receivers = receivers
    this.bytes = bytes
  }

  get isDone(): boolean {
    return this.#at === this.#recipients.length
  }

  /** Delivers to up to `most` subscribers, and returns to how many. */
  step(most: number): number {
    let delivered = 0
    while (!this.isDone) {
      const left = most - delivered
      const reached = this.#recipients[this.#at].deliver(this.lsn, left)
      delivered += reached
      if (reached === left) break
      this.#at++
    }
    return delivered
  }

  serve(subscriber: Subscriber): void {
    for (let i = this.#at; i < this.#recipients.length; i++) this.#recipients[i].serve(subscriber, this.lsn)
  }
}
