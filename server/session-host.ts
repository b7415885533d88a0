/** What all sessions share, and what the commands that need a session ask of the server. `Server` is one. */
import type { Arguments } from '../engine/arguments.ts'
import type { Client } from './client.ts'
import type { SlotCheck } from './cluster/slot-check.ts'
import type { Command } from './command-table.ts'
import type { RdbTransfers } from './copy/rdb-transfers.ts'
import type { ShardCopies } from './copy/shard-copies.ts'
import type { FailStop } from './fail-stop.ts'
import type { Log } from './logging.ts'
import type { Refusals } from './refusals.ts'
import type { RequestHost } from './request-host.ts'
import type { Scripting } from './scripting/scripting.ts'
import type { ServerView } from './server-view.ts'
import type { Primary } from './shard/primary.ts'
import type { ShardSwitch } from './shard-switch.ts'
import type { Shutdown } from './shutdown.ts'
import type { Slowlog } from './slowlog.ts'

export interface SessionHost extends ServerView, RequestHost {
  readonly log: Log
  readonly slowlog: Slowlog
  readonly monitors: Set<Client>
  readonly shutdown: Shutdown
  readonly shardSwitch: ShardSwitch
  readonly failStop: FailStop
  readonly scripting: Scripting
  readonly copies: ShardCopies
  readonly refusals: Refusals
  readonly transfers: RdbTransfers
  /** Only there when the server has loaded. */
  readonly primary: Primary
  /** Commands that take at least so many µs may be for SLOWLOG or LATENCY: the lower of their settings. */
  readonly slowerThanUs: number
  /** With `cluster-enabled`. */
  readonly slotCheck: SlotCheck | undefined
  /** Bookkeeping after each executed command. */
  executed(client: Client, command: Command, args: Arguments, us: number): void
  feedMonitors(client: Client, args: Arguments, command: Command): void
  /** Shows monitors a request that runs a script, before what the script has executed. */
  feedScript(client: Client, args: Arguments): void
  sessionClosed(client: Client): void
  /** DEBUG CHANGE-REPL-ID. */
  changeReplicationId(): void
  /** CONFIG RESETSTAT. */
  resetStats(): void
}
