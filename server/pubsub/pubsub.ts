/**
 * Channels, patterns and their subscribers. A message is addressed when it is published, or when its event happens; it
 * is handed over when the record that it belongs to is complete, and leaves when that is committed.
 */
import { globMatches } from '../../engine/glob.ts'
import type { Addressed, Audience } from '../../engine/messages.ts'
import type { Clock } from '../../storage/clock.ts'
import type { Turn } from '../network/turn.ts'
import type { Encoders } from './delivery.ts'
import { Delivery, Recipients } from './delivery.ts'
import type { EventClasses } from './event-classes.ts'
import { noEventClasses } from './event-classes.ts'
import { FanOut } from './fan-out.ts'
import { MessageBlocks } from './message-bytes.ts'
import type { Subscriber } from './subscribers.ts'
import { Subscribers } from './subscribers.ts'
import type { Subscriptions } from './subscriptions.ts'

export type Kind = 'channels' | 'patterns' | 'shardChannels'

/** Measured: what a channel and a subscription take beside the name's bytes. */
const channelBytes = 420
const subscriptionBytes = 140

const words = {
  message: Buffer.from('message'),
  pmessage: Buffer.from('pmessage'),
  smessage: Buffer.from('smessage'),
}

interface Channel {
  readonly name: Buffer
  readonly subscribers: Subscribers
}

export class PubSub implements Audience {
  readonly fanOut: FanOut
  /** Set by the owner. Called when the classes of events that somebody may hear of have changed. */
  onWanted: () => void = () => undefined
  readonly #kinds: Readonly<Record<Kind, Map<string, Channel>>> = { channels: new Map(), patterns: new Map(), shardChannels: new Map() }
  #classes: EventClasses = noEventClasses
  /** Those who have subscribed by name receive one run of messages, those by pattern another. */
  readonly #byName = encoders()
  readonly #byPattern = encoders()
  #bytes = 0

  constructor(clock: Clock, turn: Turn) {
    this.fanOut = new FanOut(clock, turn)
  }

  /** Memory of all subscriptions, and of messages that wait to be delivered. */
  get bytes(): number {
    return this.#bytes + this.fanOut.bytes
  }

  /** Classes of events that somebody may hear of. */
  get wanted(): number {
    const { channels, patterns } = this.#kinds
    return channels.size + patterns.size > 0 ? this.#classes.wanted : 0
  }

  set eventClasses(classes: EventClasses) {
    this.#classes = classes
    this.onWanted()
  }

  /** Whether a request that may make messages must wait for those that are not delivered yet. */
  mustWait(request: { readonly publishes: boolean; readonly writes: boolean }): boolean {
    return this.fanOut.isBehind && (request.publishes || (request.writes && this.wanted !== 0))
  }

  count(kind: Kind): number {
    return this.#kinds[kind].size
  }

  /** How many have subscribed to a channel by its name. */
  subscriberCount(kind: Kind, name: string): number {
    return this.#kinds[kind].get(name)?.subscribers.size ?? 0
  }

  /** Channels that somebody has subscribed to, those that match a pattern if there is one. */
  *names(kind: Kind, pattern: Buffer | undefined): Generator<Buffer> {
    for (const { name } of this.#kinds[kind].values()) {
      if (pattern === undefined || globMatches(pattern, 0, pattern.length, name, 0, name.length)) yield name
    }
  }

  /** `name` as Latin-1. A second time does nothing. */
  subscribe(subscriber: Subscriber, own: Subscriptions, kind: Kind, name: string): void {
    if (own[kind].has(name)) return
    own[kind].add(name)
    const known = this.#kinds[kind]
    let channel = known.get(name)
    if (channel === undefined) {
      channel = { name: Buffer.from(name, 'latin1'), subscribers: new Subscribers() }
      known.set(name, channel)
      this.#bytes += channelBytes + 2 * name.length
      this.onWanted()
    }
    channel.subscribers.add(subscriber)
    this.#bytes += subscriptionBytes
  }

  /** False when it had not subscribed. */
  unsubscribe(subscriber: Subscriber, own: Subscriptions, kind: Kind, name: string): boolean {
    if (!own[kind].has(name)) return false
    this.fanOut.serve(subscriber)
    own[kind].delete(name)
    const known = this.#kinds[kind]
    const { subscribers } = known.get(name) as Channel
    subscribers.delete(subscriber)
    this.#bytes -= subscriptionBytes
    if (subscribers.size > 0) return true
    known.delete(name)
    this.#bytes -= channelBytes + 2 * name.length
    this.onWanted()
    return true
  }

  unsubscribeAll(subscriber: Subscriber, own: Subscriptions): void {
    for (const kind of ['channels', 'shardChannels', 'patterns'] as const) {
      for (const name of [...own[kind]]) this.unsubscribe(subscriber, own, kind, name)
    }
  }

  published(channel: Uint8Array, payload: Uint8Array, lasts: boolean, sharded: boolean): Addressed {
    const payloadOf = (): Buffer => (lasts ? Buffer.from(payload.buffer, payload.byteOffset, payload.length) : Buffer.from(payload))
    return this.#address(Buffer.from(channel), payloadOf, sharded)
  }

  happened(database: number, event: string, key: Uint8Array, start: number, end: number): readonly Addressed[] {
    const bytes = Buffer.from(key.subarray(start, end))
    const name = Buffer.from(event)
    const messages: Addressed[] = []
    if (this.#classes.tellsKeys) {
      const channel = Buffer.concat([Buffer.from(`__keyspace@${database}__:`), bytes])
      messages.push(this.#address(channel, () => name, false))
    }
    if (this.#classes.tellsEvents) messages.push(this.#address(Buffer.from(`__keyevent@${database}__:${event}`), () => bytes, false))
    return messages.filter(({ receivers }) => receivers > 0)
  }

  /** Sends what a record had to say; it may leave when the log has committed `lsn`. */
  send(messages: readonly Addressed[], lsn: number): void {
    for (const message of messages) {
      const delivery = message as Delivery
      delivery.lsn = lsn
      this.fanOut.add(delivery)
    }
  }

  #address(channel: Buffer, payloadOf: () => Buffer, sharded: boolean): Delivery {
    const recipients: Recipients[] = []
    let receivers = 0
    let payload: Buffer | undefined
    const add = (subscribers: Subscribers, by: Encoders, ...head: readonly Buffer[]): void => {
      payload ??= payloadOf()
      recipients.push(new Recipients(subscribers.list, [...head, channel, payload], by))
      receivers += subscribers.size
    }
    const direct = this.#kinds[sharded ? 'shardChannels' : 'channels'].get(channel.toString('latin1'))
    if (direct !== undefined) add(direct.subscribers, this.#byName, sharded ? words.smessage : words.message)
    if (!sharded) {
      for (const { name, subscribers } of this.#kinds.patterns.values()) {
        if (globMatches(name, 0, name.length, channel, 0, channel.length)) add(subscribers, this.#byPattern, words.pmessage, name)
      }
    }
    return new Delivery(recipients, receivers, channel.length + (payload?.length ?? 0) + recipients.length * subscriptionBytes)
  }
}

function encoders(): Encoders {
  return { resp2: new MessageBlocks(2), resp3: new MessageBlocks(3) }
}
