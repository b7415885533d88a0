/**
 * A request that blocks on keys: it is put down with those that wait for them, and the same handler runs again for a key that may have what it
 * wants. It stays blocked, in its place, until that replies.
 */
import type { Arguments } from '../engine/arguments.ts'
import type { KeyWait } from '../engine/key-wait.ts'
import type { KeyOfInterest } from '../engine/keyspace/interested-party.ts'
import type { ReplyWriter } from '../engine/reply-writer.ts'
import type { Command } from './command-table.ts'
import { KeyWaiter } from './key-waiter.ts'
import type { Connection } from './network/connection.ts'
import type { Answer, Blocking } from './request-host.ts'
import type { SessionHost } from './session-host.ts'
import type { TrackedClient } from './tracking/tracked-client.ts'

/** The request that blocks. */
interface BlockingRequest {
  readonly command: Command
  readonly args: Arguments
  block(blocking: Blocking): Answer
  serve(attempt: () => boolean): void
}

/** Whose request it is. */
interface BlockingSession {
  readonly server: SessionHost
  readonly connection: Connection
  readonly reply: ReplyWriter
  readonly inHand: BlockingRequest
  /** Of the command that is being executed. */
  readonly args: Arguments
  readonly database: number
  readonly noTouch: boolean
  readonly tracked: TrackedClient | undefined
  /** The newest LSN that its replies so far have waited for. */
  readonly heldLsn: number
  /** What was published before comes before what it is answered now. */
  keepOrder(): void
  hold(lsn: number, written: boolean): void
}

/** Blocks the request in hand until one of its keys may have what it wants. */
export function blockOnKeys(session: BlockingSession, { keys, timeoutMs, timedOut, hearsOfLoss = false, remembers }: KeyWait): void {
  const { inHand, args, server } = session
  const { interest } = server.primary.mutator
  const waiter = new KeyWaiter(interest, hearsOfLoss, (woken) => inHand.serve(() => woken.some((key) => serves(session, key, remembers))))
  for (const index of keys) waiter.waitFor(session.database, args.bytes(index))
  inHand.block({ release: () => waiter.end(), timeoutMs, timedOut: () => timedOut(session.reply) })
}

/** Executes the blocked request again, for one of its keys. False, and nothing replied, when that does not have what it wants. */
function serves(session: BlockingSession, key: KeyOfInterest, remembers: unknown): boolean {
  const { server, inHand, reply } = session
  const { primary } = server
  server.turn.begin()
  session.keepOrder()
  primary.x.touches = !session.noTouch
  primary.heldLsn = session.heldLsn
  primary.x.remembered = remembers
  primary.keyspace.forgetLookUp()
  if (server.tracking.isActive) server.tracking.begins(session.tracked, false)
  const lsn = primary.run(inHand.command, inHand.args, reply, session.database, undefined, key)
  server.tracking.ends()
  primary.keyspace.forgetLookUp()
  if (primary.keyWait !== undefined) return false
  if (lsn !== 0) session.hold(lsn, inHand.command.isWrite)
  session.connection.wrote()
  return true
}
