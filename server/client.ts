/** A client as the rest of the server sees it: in lists and logs, to be told something, or to be closed. `Session` is one. */
import type { ReplyWriter } from '../engine/reply-writer.ts'
import type { Connection } from './network/connection.ts'
import type { Subscriptions } from './pubsub/subscriptions.ts'
import type { TrackedClient } from './tracking/tracked-client.ts'
import type { Transaction } from './transaction.ts'

export interface Client {
  readonly id: number
  readonly connection: Connection
  readonly reply: ReplyWriter
  readonly transaction: Transaction
  readonly subscriptions: Subscriptions
  readonly subscribed: boolean
  /** Undefined if it has never asked for tracking. */
  readonly tracked: TrackedClient | undefined
  readonly name: string
  readonly libraryName: string
  readonly libraryVersion: string
  readonly user: string
  readonly database: number
  /** The letters of CLIENT LIST. */
  readonly flags: string
  readonly lastCommandName: string
  /** Its request waits for an event that only time or another client brings. */
  readonly blocked: boolean
  /** It waits no longer than it has said. */
  readonly timed: boolean
  readonly noEvict: boolean
  /** Arguments of the request in hand that neither MONITOR nor SLOWLOG shows. */
  readonly redacted: readonly number[]
  authenticated: boolean
  /** CLIENT UNBLOCK: ends the wait of a blocked request, as if its time were over or with an error. False when there is none. */
  unblock(withError: boolean): boolean
  /** The node is a replica from now on: what the client waits for will not be done here. */
  instanceChanged(): void
  /** Another shard is in the place of the one that served so far: what this client has of that is worth nothing. */
  shardReplaced(sameLog: boolean): void
}
