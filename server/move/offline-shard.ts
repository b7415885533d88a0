/** A data directory that no server uses, opened to work on its data and closed again. */
import type { Sizes } from '../../storage/sizes.ts'
import { defaultSizes } from '../../storage/sizes.ts'
import type { Values } from '../config/settings.ts'
import { engineLimits } from '../config-effects.ts'
import type { Ports } from '../ports.ts'
import type { Shard } from '../shard/shard.ts'
import { closeShard, openShard } from '../shard/shard.ts'

export interface OfflineData {
  readonly ports: Ports
  readonly values: Values
  readonly sizes?: Sizes
}

/** Opens the data with this kind of log, applies what the log holds, does the work, and closes them, whatever comes of it. */
export async function withShard<Result>(
  { ports, values, sizes = defaultSizes }: OfflineData,
  log: 'local' | 'etcd',
  work: (shard: Shard) => Promise<Result>,
): Promise<Result> {
  const { largeValueBytes, slicedValueBytes } = sizes
  const shard = await openShard({
    ports,
    values: { ...values, log, appendonly: true },
    limits: { ...engineLimits(values), largeValueBytes, slicedValueBytes },
    clientBytes: () => 0,
    coldReadMs: () => undefined,
    sizes,
  })
  let result: Result
  try {
    result = await work(shard)
  } catch (failure) {
    await closeShard(shard).catch(() => undefined)
    throw failure
  }
  await closeShard(shard)
  return result
}

/** Makes a checkpoint of all there is; returns its LSN. */
export async function checkpointOf({ checkpointer }: Shard): Promise<number> {
  if (checkpointer === undefined) throw new Error('the data are not durable')
  return (await checkpointer.run()).lsn
}
