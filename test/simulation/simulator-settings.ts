/** What a simulated server is like: drawn once, for all lives of a run. */
import type { Config } from '../../server/config/config.ts'
import type { Sizes } from '../../storage/sizes.ts'
import { defaultSizes } from '../../storage/sizes.ts'
import type { Draw } from './draw.ts'

export type Policy = 'always' | 'everysec' | 'no'

export function drawValues(draw: Draw, policy: Policy): Partial<Config['values']> {
  return {
    dir: '/data',
    bind: '*',
    appendfsync: policy,
    maxmemory: 1n << 40n,
    'tier-cool-start-percent': 0,
    'tier-drop-percent': draw.pick([0, 0, 100]),
    'tier-min-value-size': draw.pick([0, 32, 200]),
    'tier-promote': draw.pick(['second', 'always', 'never']),
    'tier-compression-min-size': draw.pick([16, 256]),
    'hash-max-listpack-entries': 1 + draw.below(12),
    'hash-max-listpack-value': draw.pick([8, 64]),
    'set-max-intset-entries': draw.pick([3, 512]),
    'zset-max-listpack-entries': 1 + draw.below(12),
    'list-max-listpack-size': draw.pick([3, -2]),
    'stream-node-max-entries': draw.pick([3, 10, 100]),
    'log-segment-bytes': draw.pick([8192, 16384, 65536]),
    'checkpoint-log-bytes': draw.pick([2000, 20_000, 10_000_000]),
    'checkpoint-interval-seconds': 0,
  } as unknown as Partial<Config['values']>
}

/** Tiny pieces of work, mostly. */
export function drawSizes(draw: Draw): Sizes {
  if (draw.once(8)) return defaultSizes
  return {
    arenaBytes: undefined,
    recordBytesMax: undefined,
    largeValueBytes: draw.pick([20, 100, 1000, undefined]),
    slicedValueBytes: draw.pick([20, 500, undefined]),
    digestBytes: draw.pick([7, 100, 4096]),
    treeLeafBytes: draw.pick([64, 200, 600]),
    batchBytes: draw.pick([100, 1000, 100_000]),
    batchEntries: draw.pick([1, 3, 4096]),
    coldPieceBytes: draw.pick([100, 300, 2000, 1_000_000]),
    catalogRecordsMin: draw.pick([1, 60, 400]),
    deletesPerBatch: draw.pick([1, 5, 1000]),
  }
}
