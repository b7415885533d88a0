/** What INFO, MEMORY, LATENCY and the metrics read of the server. They change nothing in it. */

import type { Clock } from '../storage/clock.ts'
import type { Client } from './client.ts'
import type { ClientEviction } from './client-eviction.ts'
import type { Announced } from './cluster/endpoint.ts'
import type { CommandTable } from './command-table.ts'
import type { Config } from './config/config.ts'
import type { RdbTransfers } from './copy/rdb-transfers.ts'
import type { Failover } from './failover.ts'
import type { Gate } from './gate.ts'
import type { LatencyMonitor } from './latency-monitor.ts'
import type { Listener } from './network/listener.ts'
import type { Turn } from './network/turn.ts'
import type { Peers } from './peers.ts'
import type { Ports } from './ports.ts'
import type { PubSub } from './pubsub/pubsub.ts'
import type { Rates } from './rates.ts'
import type { Roles } from './roles.ts'
import type { Saves } from './saves.ts'
import type { Scripting } from './scripting/scripting.ts'
import type { Maintenance } from './shard/maintenance.ts'
import type { Shard } from './shard/shard.ts'
import type { ServerStats } from './stats.ts'
import type { ClientTracking } from './tracking/client-tracking.ts'

export interface ServerView {
  readonly ports: Ports
  readonly clock: Clock
  readonly config: Config
  readonly commands: CommandTable
  readonly sessions: ReadonlyMap<number, Client>
  readonly listener: Listener
  readonly turn: Turn
  readonly gate: Gate
  readonly clientEviction: ClientEviction
  readonly pubsub: PubSub
  readonly tracking: ClientTracking
  readonly saves: Saves
  readonly transfers: RdbTransfers
  readonly scripting: Scripting
  readonly stats: ServerStats
  readonly rates: Rates
  readonly latency: LatencyMonitor
  readonly runId: string
  readonly nodeId: string
  /** Where clients and other nodes reach this one. */
  readonly announced: Announced
  readonly roles: Roles
  readonly peers: Peers
  readonly failover: Failover
  /** What INFO calls the identity of the history of changes. */
  readonly replicationId: string
  readonly port: number
  readonly startedWallMs: number
  readonly isLoading: boolean
  /** Undefined while loading. */
  readonly shard: Shard | undefined
  /** Only there when the server has loaded. */
  readonly maintenance: Maintenance
  readonly logFailure: Error | undefined
}

/** Who is told of single events, for histograms. */
export interface ServerObservers {
  /** A group was committed; it took so many ms. */
  commit: ((ms: number) => void) | undefined
  coldRead: ((ms: number) => void) | undefined
}

export interface ObservedServer extends ServerView {
  readonly observers: ServerObservers
}
