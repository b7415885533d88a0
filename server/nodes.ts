/** The nodes of the shard as this one knows them, itself included: what CLUSTER and SENTINEL tell, which say the same in different words. */

import type { Clock } from '../storage/clock.ts'
import type { Announced } from './cluster/endpoint.ts'
import type { Config } from './config/config.ts'
import type { Peers } from './peers.ts'
import type { Role, Roles } from './roles.ts'
import type { Shard } from './shard/shard.ts'
import { newestLsn } from './shard/shard.ts'

/** A node tells of itself some times within a lease; one that has been silent for so many is taken to be down. */
const leasesUntilDown = 2

export interface ShardNode extends Announced {
  readonly id: string
  readonly role: Role
  /** LSN of the newest record that it has. */
  readonly applied: number
  /** Milliseconds since it was heard. */
  readonly silentMs: number
  readonly isSelf: boolean
  readonly isDown: boolean
}

export interface NodesView {
  readonly clock: Clock
  readonly config: Config
  readonly nodeId: string
  readonly announced: Announced
  readonly roles: Roles
  readonly peers: Peers
  readonly shard: Shard | undefined
}

/** The primary, if one is known, then the replicas by their ids. */
export function nodesOf({ clock, config, nodeId, announced, roles, peers, shard }: NodesView): ShardNode[] {
  const nowMs = clock.monotonicMs()
  const { primary } = roles
  const primaryId = roles.role === 'primary' ? nodeId : primary?.node
  const applied = shard === undefined ? 0 : newestLsn(shard)
  const nodes: ShardNode[] = [{ id: nodeId, ...announced, role: roles.role, applied, silentMs: 0, isSelf: true, isDown: false }]
  for (const { node, host, port, hostname, applied, heardMs } of peers.all) {
    if (node === primaryId) continue
    const silentMs = nowMs - heardMs
    const isDown = silentMs > leasesUntilDown * config.values['leader-lease-ms']
    nodes.push({ id: node, host, port, hostname, role: 'replica', applied, silentMs, isSelf: false, isDown })
  }
  nodes.sort((a, b) => (a.id < b.id ? -1 : 1))
  if (roles.role === 'primary') nodes.sort((a, b) => Number(b.isSelf) - Number(a.isSelf))
  else if (primary !== undefined && primary.node !== nodeId) {
    const { host, port, hostname } = primary
    const told = peers.all.find(({ node }) => node === primary.node)?.applied ?? 0
    const silentMs = roles.heardMs === undefined ? 0 : nowMs - roles.heardMs
    const isDown = !roles.isLinkUp
    nodes.unshift({
      id: primary.node,
      host,
      port,
      hostname,
      role: 'primary',
      applied: Math.max(told, applied),
      silentMs,
      isSelf: false,
      isDown,
    })
  }
  return nodes
}

/** Where the primary is, as far as this node knows: itself where nodes share nothing. Undefined before it has heard of one. */
export function primaryAddress({ roles, announced }: Pick<NodesView, 'roles' | 'announced'>): { host: string; port: number } | undefined {
  return roles.role === 'primary' ? announced : roles.primary
}
