/**
 * What a request tells subscribers: keyspace events, which handlers name through `Execution.notify`, and what it publishes.
 * Messages are gathered here in their order while the record is made, and leave when the record is committed.
 *
 * An event has a class, with Redis's letter in `notify-keyspace-events`. While nobody wants events (`wanted` is 0) naming
 * one costs a comparison.
 */

/** Classes of events, as bits; Redis's letter stands behind each. */
/** g: commands on keys of any type. */
export const genericEvent = 1 << 2
/** $ */
export const stringEvent = 1 << 3
/** l */
export const listEvent = 1 << 4
/** s */
export const setEvent = 1 << 5
/** h */
export const hashEvent = 1 << 6
/** z */
export const sortedSetEvent = 1 << 7
/** x */
export const expiredEvent = 1 << 8
/** e */
export const evictedEvent = 1 << 9
/** t */
export const streamEvent = 1 << 10
/** m: a command has read a key that is missing. */
export const keyMissEvent = 1 << 11
/** n: a key has come to be. The keyspace itself says so, before the event of the command. */
export const newKeyEvent = 1 << 14

/** A message and who will receive it; made by the audience. */
export interface Addressed {
  /** Subscriptions that it is for. */
  readonly receivers: number
}

/** Who has subscribed to what. Asked when something happens: those that subscribe later do not hear of it. */
export interface Audience {
  /** A message that is published on a channel. The bytes are copied, but those of a payload that `lasts`: it never changes. */
  published(channel: Uint8Array, payload: Uint8Array, lasts: boolean, sharded: boolean): Addressed
  /** The messages about an event, which nobody may wait for. `database` as clients number it; the key is `key[start, end)`, and is copied. */
  happened(database: number, event: string, key: Uint8Array, start: number, end: number): readonly Addressed[]
}

const nobody: Audience = { published: () => ({ receivers: 0 }), happened: () => [] }

export class Messages {
  /** Classes of events that somebody wants to hear of. */
  wanted = 0
  audience: Audience = nobody
  /** Set by the owner. Called when something was published. */
  onPublished: () => void = () => undefined
  #pending: Addressed[] = []

  get any(): boolean {
    return this.#pending.length > 0
  }

  event(database: number, event: string, key: Uint8Array, start: number, end: number): void {
    this.#pending.push(...this.audience.happened(database, event, key, start, end))
  }

  /** Returns how many will receive it. */
  publish(channel: Uint8Array, payload: Uint8Array, lasts: boolean, sharded: boolean): number {
    const addressed = this.audience.published(channel, payload, lasts, sharded)
    if (addressed.receivers > 0) {
      this.#pending.push(addressed)
      this.onPublished()
    }
    return addressed.receivers
  }

  /** Hands over what was gathered: the record is complete. */
  take(): readonly Addressed[] {
    const taken = this.#pending
    this.#pending = []
    return taken
  }
}
