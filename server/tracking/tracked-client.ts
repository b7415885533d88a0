/** What CLIENT TRACKING has agreed on with one client. Made when it first asks for tracking, and kept until it leaves. */
import type { SharedRange } from '../../engine/output-buffer.ts'
import type { Protocol } from '../../engine/reply-writer.ts'

/** A client as messages see it. */
export interface Receiver {
  readonly connection: { push(message: readonly SharedRange[], lsn: number): void }
  readonly reply: { readonly protocol: Protocol }
  readonly subscribed: boolean
}

export interface TrackingOptions {
  /** The client that gets the messages; 0: the client itself. */
  readonly redirect: number
  /** BCAST: it is told of all keys with certain prefixes, not of those that it has read. */
  readonly broadcasts: boolean
  readonly optsIn: boolean
  readonly optsOut: boolean
  /** NOLOOP: it is not told of what it changes itself. */
  readonly noLoop: boolean
}

const off: TrackingOptions = { redirect: 0, broadcasts: false, optsIn: false, optsOut: false, noLoop: false }

export class TrackedClient {
  /** By which the table of keys knows it; never used again. */
  readonly number: number
  readonly client: Receiver
  isOn = false
  options: TrackingOptions = off
  /** CLIENT CACHING was said: the next command, or transaction, is an exception. */
  isException = false
  /** A message could not be sent because the client that should get it is gone. */
  isBroken = false
  /** As Latin-1. */
  readonly prefixes = new Set<string>()

  constructor(number: number, client: Receiver) {
    this.number = number
    this.client = client
  }

  /** Whether the keys that it reads now are to be remembered. */
  get remembers(): boolean {
    if (!this.isOn || this.options.broadcasts) return false
    return this.options.optsIn ? this.isException : !(this.options.optsOut && this.isException)
  }

  /** CLIENT CACHING is for one command, unless that is another of CLIENT's, or for a transaction. */
  commandEnds(): void {
    this.isException = false
  }

  turnOff(): void {
    this.isOn = false
    this.options = off
    this.isException = false
    this.isBroken = false
  }

  /** Its letters in CLIENT LIST. */
  get flags(): string {
    if (!this.isOn) return ''
    return `t${this.isBroken ? 'R' : ''}${this.options.broadcasts ? 'B' : ''}`
  }
}
