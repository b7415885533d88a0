/** What the part of a node has to do with the rest of the server. */

import type { Clock } from '../storage/clock.ts'
import type { Client } from './client.ts'
import type { Announced } from './cluster/endpoint.ts'
import type { Config } from './config/config.ts'
import type { Log } from './logging.ts'
import type { Turn } from './network/turn.ts'
import type { Peers } from './peers.ts'
import type { Ports } from './ports.ts'
import type { RoleHost } from './roles.ts'
import type { SentinelEvents } from './sentinel/sentinel-events.ts'
import type { Maintenance } from './shard/maintenance.ts'
import type { Shard } from './shard/shard.ts'
import type { ShardSwitch } from './shard-switch.ts'
import type { ServerStats } from './stats.ts'

/** The parts of the server that it is made of. */
export interface RoleParts {
  readonly clock: Clock
  readonly config: Config
  readonly log: Log
  readonly ports: Ports
  readonly port: number
  readonly nodeId: string
  readonly peers: Peers
  readonly sentinelEvents: SentinelEvents
  readonly maintenance: Maintenance
  readonly turn: Turn
  readonly stats: ServerStats
  readonly shardSwitch: ShardSwitch
  readonly isStopping: boolean
  readonly scripting: { drop(): void }
  readonly sessions: ReadonlyMap<number, Client>
  restoreLibraries(shard: Shard): Promise<void>
  closeClients(): void
}

/** Where clients and other nodes reach this one. */
export function announced({ config, port }: Pick<RoleParts, 'config' | 'port'>): Announced {
  const { values } = config
  const ofCluster = values['cluster-enabled']
  const own = values.bind.split(' ').find((address) => /^[\w.:]+$/.test(address))
  const host = (ofCluster && values['cluster-announce-ip']) || values['replica-announce-ip'] || own || loopback
  return {
    host,
    port: (ofCluster && values['cluster-announce-port']) || values['replica-announce-port'] || port,
    hostname: values['cluster-announce-hostname'],
  }
}

const loopback = '127.0.0.1'

export function roleHost(server: RoleParts): RoleHost {
  return {
    clock: server.clock,
    config: server.config,
    log: server.log,
    random: server.ports.random,
    get nodeId() {
      return server.nodeId
    },
    ledBy: (primary) => server.sentinelEvents.ledBy(primary),
    signed: () => server.peers.signed(),
    get maintenance() {
      return server.maintenance
    },
    get isStopping() {
      return server.isStopping
    },
    get announced() {
      return announced(server)
    },
    applied: (shard, lsn, bytes) => {
      server.stats.replicationInputBytes += bytes
      shard.keyspace.committed(lsn)
      shard.waiters.committed(lsn)
      if (lsn > server.turn.committed) server.turn.released(lsn)
    },
    closeClients: () => {
      server.closeClients()
      server.scripting.drop()
    },
    unblockClients: () => {
      for (const session of server.sessions.values()) session.instanceChanged()
    },
    dropUncommitted: () => server.shardSwitch.dropUncommitted(),
    restoreLibraries: (shard) => server.restoreLibraries(shard),
  }
}
