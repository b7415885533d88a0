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

/** Something has happened to a key. */
export interface KeyEvent {
  /** As clients number it. */
  readonly database: number
  readonly event: string
  readonly key: Buffer
}

/** PUBLISH and SPUBLISH. */
export interface Publication {
  readonly channel: Buffer
  readonly payload: Buffer
  readonly sharded: boolean
}

export type Message = KeyEvent | Publication

/** Who has subscribed, as far as a request has to know. */
export interface Audience {
  /** How many would receive a message that is published on a channel now. */
  receivers(channel: Buffer, sharded: boolean): number
}

const nobody: Audience = { receivers: () => 0 }

export class Messages {
  /** Classes of events that somebody wants to hear of. */
  wanted = 0
  audience: Audience = nobody
  #pending: Message[] = []

  get any(): boolean {
    return this.#pending.length > 0
  }

  /** The key's bytes are copied. */
  event(database: number, event: string, key: Uint8Array, start: number, end: number): void {
    this.#pending.push({ database, event, key: Buffer.from(key.subarray(start, end)) })
  }

  publish(publication: Publication): void {
    this.#pending.push(publication)
  }

  /** Hands over what was gathered: the record is complete. */
  take(): readonly Message[] {
    const taken = this.#pending
    this.#pending = []
    return taken
  }
}
