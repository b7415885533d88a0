/**
 * A message on its way to those that had subscribed when it was published, channel first, then patterns; or several for the same subscribers. It is
 * encoded once for each protocol and way of subscribing, whatever the number of subscribers, and may be delivered in several turns.
 */
import type { Addressed } from '../../engine/messages.ts'
import type { SharedRange } from '../../engine/output-buffer.ts'
import type { MessageBlocks } from './message-bytes.ts'
import type { Subscriber } from './subscribers.ts'

/** Where messages that are found in one way are encoded. */
export interface Encoders {
  readonly resp2: MessageBlocks
  readonly resp3: MessageBlocks
}

/** Subscribers that have found the message in the same way, and what they receive. */
export class Recipients {
  /** Those that were there when it was published. */
  readonly #subscribers: readonly Subscriber[]
  readonly #messages: (readonly Buffer[])[]
  readonly #encoders: Encoders
  /** How many of them have had their turn. */
  #passed = 0
  /** Who has received it before that. */
  #served: Set<Subscriber> | undefined
  #resp2: readonly SharedRange[] | undefined
  #resp3: readonly SharedRange[] | undefined

  constructor(subscribers: readonly Subscriber[], words: readonly Buffer[], encoders: Encoders) {
    this.#subscribers = subscribers
    this.#messages = [words]
    this.#encoders = encoders
  }

  /** Takes on what others are to receive who came behind, if they are the same subscribers and none has got anything yet. */
  takes(other: Recipients): boolean {
    if (this.#subscribers !== other.#subscribers || this.#encoders !== other.#encoders || this.#passed > 0 || this.#served !== undefined)
      return false
    this.#messages.push(...other.#messages)
    return true
  }

  /** Delivers to up to `most` subscribers. Returns to how many; fewer than `most` when nobody is left. */
  deliver(lsn: number, most: number): number {
    const subscribers = this.#subscribers
    const from = this.#passed
    const end = Math.min(subscribers.length, from + most)
    this.#passed = end
    for (let i = from; i < end; i++) {
      const subscriber = subscribers[i] as Subscriber
      if (this.#served?.has(subscriber) !== true) this.#give(subscriber, lsn)
    }
    return end - from
  }

  /** Delivers to one subscriber now, if it has not had its turn yet. */
  serve(subscriber: Subscriber, lsn: number): void {
    if (this.#subscribers.indexOf(subscriber, this.#passed) < 0 || this.#served?.has(subscriber)) return
    this.#served ??= new Set()
    this.#served.add(subscriber)
    this.#give(subscriber, lsn)
  }

  #give({ connection, reply }: Subscriber, lsn: number): void {
    if (reply.protocol === 3) {
      this.#resp3 ??= this.#encoded(this.#encoders.resp3)
      connection.push(this.#resp3, lsn)
    } else {
      this.#resp2 ??= this.#encoded(this.#encoders.resp2)
      connection.push(this.#resp2, lsn)
    }
  }

  /** The messages in few ranges: those that lie one behind the other are one. */
  #encoded(blocks: MessageBlocks): readonly SharedRange[] {
    const ranges: SharedRange[] = []
    for (const range of this.#messages.flatMap((words) => blocks.encode(words))) {
      const last = ranges.at(-1)
      if (last?.bytes !== range.bytes || last.end !== range.start) ranges.push(range)
      else ranges[ranges.length - 1] = { bytes: last.bytes, start: last.start, end: range.end }
    }
    return ranges
  }
}

export class Delivery implements Addressed {
  readonly receivers: number
  /** What it costs in memory while it waits. */
  bytes: number
  /** It leaves when the log has committed this. */
  lsn = 0
  readonly #recipients: readonly Recipients[]
  #at = 0

  constructor(recipients: readonly Recipients[], receivers: number, bytes: number) {
    this.#recipients = recipients
    this.receivers = receivers
    this.bytes = bytes
  }

  /** Takes on another one that came behind it. False, and nothing done, where a subscriber would get something in another order, or too late. */
  takes(other: Delivery): boolean {
    const [own, ...more] = this.#recipients
    const [behind, ...others] = other.#recipients
    if (this.lsn !== other.lsn || own === undefined || behind === undefined || more.length + others.length > 0 || !own.takes(behind))
      return false
    this.bytes += other.bytes
    return true
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
