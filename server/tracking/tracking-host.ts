/** The server as client-side caching sees it. */
import type { Client } from '../client.ts'
import type { Config } from '../config/config.ts'
import type { Turn } from '../network/turn.ts'
import type { Ports } from '../ports.ts'
import type { Shard } from '../shard/shard.ts'
import type { TrackingHost } from './client-tracking.ts'

interface TrackingServer {
  readonly turn: Turn
  readonly ports: Ports
  readonly config: Config
  readonly sessions: ReadonlyMap<number, Client>
  readonly shard: Shard | undefined
  readonly logFailure: Error | undefined
}

export function trackingHost(server: TrackingServer): TrackingHost {
  return {
    turn: server.turn,
    random: server.ports.random,
    clients: server.sessions,
    get keysMax(): number {
      return server.config.values['tracking-table-max-keys']
    },
    isLost: (lsn) => server.logFailure !== undefined && lsn > (server.shard as Shard).log.committed,
  }
}
