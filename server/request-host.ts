/** What a request asks of its session, which writes the replies, and of the server, where it waits. */
import type { ReplyWriter } from '../engine/reply-writer.ts'
import type { Clock } from '../storage/clock.ts'
import type { Gate } from './gate.ts'
import type { Shard } from './shard/shard.ts'
import type { StagedWorkQueue } from './staged-work.ts'
import type { Transaction } from './transaction.ts'

/** What requests wait for, and where. */
export interface RequestHost {
  readonly clock: Clock
  readonly gate: Gate
  readonly stagedWork: StagedWorkQueue
  /** Undefined while loading. */
  readonly shard: Shard | undefined
  /** Told of every value that could not be read. */
  coldReadFailed(failure: Error): void
}

/** Whose request it is. */
export interface RequestOwner {
  readonly database: number
  readonly transaction: Transaction
  /** Where the reply will be written: what is staged of it is as the protocol wants it. */
  readonly reply: ReplyWriter
  /** What the request waited for has come: it is tried again. */
  retry(): void
  /** `write` writes the reply of a request whose reply is deferred. `ms`: how long that took, if it counts as the command's. */
  answer(write: () => void, ms: number | undefined): void
  /** The request cannot be executed, and has ended; the client gets the error. */
  failed(text: string): void
  /** A broken invariant was met: it will not go on. */
  broke(failure: unknown): void
}

/** Takes what writes the reply. Called in a later turn; does nothing when the request has ended otherwise. */
export type Answer = (write: () => void) => void

export interface Blocking {
  /** Takes back what was put down elsewhere so that somebody would answer, or retry the request. Called once, at any end. */
  readonly release?: () => void
  /** 0: no limit. */
  readonly timeoutMs: number
  /** Writes the reply when the time is over. */
  readonly timedOut: () => void
}
