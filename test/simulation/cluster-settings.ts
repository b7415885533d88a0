/** What a simulated cluster is like: drawn once, for all of a run. */
import type { Sizes } from '../../storage/sizes.ts'
import { defaultSizes } from '../../storage/sizes.ts'
import { port } from './cluster-client.ts'
import type { Draw } from './draw.ts'

export interface ClusterSettings {
  readonly leaseMs: number
  readonly linkMsMax: number
  readonly networkMsMax: number
  /** The nodes' configuration, but for their addresses. */
  readonly values: Readonly<Record<string, unknown>>
  /** So many nodes have in a checkpoint what is trimmed from the log. */
  readonly trimCopies: number
  readonly sizes: Sizes
  readonly nodes: number
  /** No key expires, and the wall clocks of the nodes differ. */
  readonly isTimeless: boolean
  /** Nodes are upgraded, one by one. */
  readonly upgrades: boolean
}

export function drawSettings(draw: Draw): ClusterSettings {
  const leaseMs = draw.pick([300, 500, 1000])
  const trimCopies = draw.pick([1, 2])
  return {
    leaseMs,
    linkMsMax: draw.pick([1, 3, 10]),
    networkMsMax: 1 + draw.below(3),
    values: { ...valuesFor(draw), 'leader-lease-ms': leaseMs, 'log-trim-copies': trimCopies },
    trimCopies,
    sizes: { ...defaultSizes, treeLeafBytes: draw.pick([64, 200, 600]), largeValueBytes: draw.pick([100, 1000, undefined]) },
    nodes: draw.pick([2, 3, 3, 3, 3, 5]),
    isTimeless: draw.once(4),
    upgrades: draw.once(3),
  }
}

function valuesFor(draw: Draw): Readonly<Record<string, unknown>> {
  return {
    dir: '/data',
    bind: '*',
    port,
    log: 'etcd',
    maxmemory: 1n << 40n,
    'tier-cool-start-percent': 0,
    'tier-drop-percent': draw.pick([0, 0, 100]),
    'tier-min-value-size': draw.pick([0, 32, 200]),
    'tier-promote': draw.pick(['second', 'always', 'never']),
    'hash-max-listpack-entries': 1 + draw.below(12),
    'zset-max-listpack-entries': 1 + draw.below(12),
    'list-max-listpack-size': draw.pick([3, -2]),
    'stream-node-max-entries': draw.pick([3, 10, 100]),
    'checkpoint-log-bytes': draw.pick([2000, 20_000, 10_000_000]),
    'checkpoint-interval-seconds': 0,
    // Whoever is behind loses what it needs, or is waited for.
    'log-retain-bytes': draw.pick([0n, 1n << 40n]),
  }
}
