/**
 * A shard put together: keyspace, tier, cold store, log, checkpoint and budget, opened from a data directory and closed
 * again. What runs in the background (cooling, checkpoints, expiry, making room) is `maintenance.ts`.
 */

import type { EngineLimits } from '../../engine/execution.ts'
import type { AccessClock } from '../../engine/keyspace/access.ts'
import { Compactor } from '../../engine/keyspace/compactor.ts'
import { Keyspace } from '../../engine/keyspace/keyspace.ts'
import { noObserver } from '../../engine/keyspace/observer.ts'
import { Mutator } from '../../engine/mutation/mutator.ts'
import { CatalogWriter } from '../../storage/catalog-writer.ts'
import { Checkpointer } from '../../storage/checkpoint.ts'
import type { ColdStore } from '../../storage/cold-store.ts'
import { MemoryBudget } from '../../storage/memory-budget.ts'
import { noCatalog } from '../../storage/no-catalog.ts'
import type { Sizes } from '../../storage/sizes.ts'
import { defaultSizes } from '../../storage/sizes.ts'
import { Tier } from '../../storage/tier.ts'
import { ValueCodec } from '../../storage/value-codec.ts'
import { WriteOut } from '../../storage/write-out.ts'
import { LocalLog } from '../../wal/local-log.ts'
import { NoLog } from '../../wal/no-log.ts'
import type { TransactionLog } from '../../wal/transaction-log.ts'
import type { Values } from '../config/settings.ts'
import type { Ports } from '../ports.ts'
import { CommitWaiters } from './commit-waiters.ts'
import { Primary } from './primary.ts'
import { LogReplay, restoreCatalog } from './recovery.ts'
import type { ShardState } from './shard-state.ts'

/** Memory that the log's buffers may take. */
const logBytes = 4 * 1024 * 1024

export interface Shard extends ShardState {
  /** Its part in the shard. */
  readonly primary: Primary
}

/** Opens what the data directory holds, to be its primary. See `openState`. */
export async function openShard(
  ports: Ports,
  values: Values,
  limits: EngineLimits,
  clientBytes: () => number,
  coldReadMs: (ms: number) => void,
  sizes: Sizes = defaultSizes,
): Promise<Shard> {
  const state = await openState(ports, values, limits, clientBytes, coldReadMs, sizes)
  return { ...state, primary: new Primary(state, ports.random, limits) }
}

/** `clientBytes` tells the memory of clients' buffers; `coldReadMs` hears how long each cold read took. */
async function openState(
  ports: Ports,
  values: Values,
  limits: EngineLimits,
  clientBytes: () => number,
  coldReadMs: (ms: number) => void,
  sizes: Sizes,
): Promise<ShardState> {
  const { clock, files, random, progress } = ports
  const startMs = clock.monotonicMs()
  const durable = values.appendonly
  // Without a log nothing here is to be found again, and nothing that an earlier, durable run left may be touched.
  const directory = durable ? values.dir : `${values.dir}/volatile`
  await files.makeDirectory(directory)
  const keyspace = new Keyspace(random, noObserver)
  const mutator = new Mutator(keyspace, limits, random)
  mutator.recording = durable
  applyAccessSettings(keyspace.access, values)
  keyspace.access.tick(clock.wallMs())
  const usesStore = durable || values['tier-enabled']
  const codec = new ValueCodec({
    compressMinBytes: values['tier-compression'] === 'none' ? Number.POSITIVE_INFINITY : Number(values['tier-compression-min-size']),
  })
  const store = usesStore ? await ports.openColdStore(`${directory}/cold`, !durable) : undefined
  const tier = new Tier(keyspace, store, codec, clock, tierSettings(values), coldReadMs)
  const restored = durable ? await restoreCatalog(files, directory, keyspace, tier, progress, sizes.hashChunkBytes) : undefined
  const log = durable ? await openLog(ports, values, sizes, restored?.marker.logId, restored?.marker.checkpointLsn ?? 0) : new NoLog()
  const nextValueId = restored?.marker.nextValueId ?? 1
  if (store !== undefined) await store.clearFrom(nextValueId)
  tier.stales = [...(restored?.freedIds ?? [])]
  keyspace.observer = tier
  const waiters = new CommitWaiters(log.committed)
  const catalog = !durable
    ? undefined
    : restored !== undefined
      ? await CatalogWriter.resume(files, directory, restored.end)
      : await CatalogWriter.create(files, directory, 1)
  const writeOut =
    store === undefined
      ? undefined
      : new WriteOut({
          keyspace,
          tier,
          store,
          codec,
          clock,
          catalog: catalog ?? noCatalog,
          nextValueId,
          committed: (lsn) => (durable ? waiters.wait(lsn) : Promise.resolve()),
          sizes,
        })
  const budget = memoryBudget(ports, values, keyspace, tier, store, () => {
    return clientBytes() + mutator.interest.bytes + log.pendingBytes + (durable ? logBytes : 0) + (writeOut?.memoryBytes ?? 0)
  })
  tier.room = () => budget.room()
  const makeRoom = async (): Promise<void> => {
    while (budget.makeRoom() || (budget.isShort && (await (writeOut as WriteOut).step(4096)) > 0)) {
      await new Promise<void>((resolve) => clock.afterTurn(resolve))
    }
  }
  const replay = new LogReplay(keyspace, mutator, tier)
  const recoveredRecords = await replay.run(log, restored?.marker.checkpointLsn ?? 0, clock, progress, makeRoom)
  const checkpointer =
    catalog !== undefined && writeOut !== undefined && store !== undefined
      ? new Checkpointer({
          keyspace,
          tier,
          writeOut,
          catalog,
          store,
          files,
          directory,
          clock,
          lastLsn: restored?.marker.checkpointLsn ?? 0,
          log: checkpointLog(log, waiters),
          sizes,
        })
      : undefined
  const recovered = { recoveredRecords, recoveredBytes: replay.bytes, recoveryMs: clock.monotonicMs() - startMs }
  return { keyspace, mutator, tier, log, waiters, budget, codec, store, writeOut, checkpointer, ...recovered }
}

export async function closeShard(shard: ShardState): Promise<void> {
  await shard.log.close()
  await shard.checkpointer?.close()
  await shard.store?.close()
}

/** How uses of keys are counted. */
export function applyAccessSettings(access: AccessClock, values: Values): void {
  access.lfu = values['maxmemory-policy'].endsWith('lfu')
  access.lfuLogFactor = values['lfu-log-factor']
  access.lfuDecayMinutes = values['lfu-decay-time']
}

export function tierSettings(values: Values): Tier['settings'] {
  return {
    demotes: values['tier-enabled'],
    valueBytesMin: Number(values['tier-min-value-size']),
    promote: values['tier-promote'] as Tier['settings']['promote'],
    ttlMinMs: values['tier-min-ttl-ms'],
  }
}

export function budgetSettings(values: Values): MemoryBudget['settings'] {
  return {
    maxmemoryBytes: Number(values.maxmemory),
    coolStartPercent: values['tier-cool-start-percent'],
    dropPercent: values['tier-drop-percent'],
    throttlePercent: values['tier-throttle-percent'],
    diskBytesMax: Number(values['tier-max-disk-bytes']),
  }
}

function openLog(ports: Ports, values: Values, sizes: Sizes, logId: Buffer | undefined, knownCommitted: number): Promise<LocalLog> {
  const progress = { shown: undefined as ReturnType<Ports['progress']> | undefined }
  return LocalLog.open({
    files: ports.files,
    clock: ports.clock,
    random: ports.random,
    directory: `${values.dir}/log`,
    syncPolicy: values.appendfsync as 'always' | 'everysec' | 'no',
    segmentBytes: Number(values['log-segment-bytes']),
    digestBytes: sizes.digestBytes,
    knownCommitted,
    ...(logId === undefined ? {} : { logId: logId.readBigUInt64LE() }),
    onProgress: (done, total) => {
      progress.shown ??= ports.progress('log scan', total, 'bytes')
      progress.shown.update(done)
      if (done >= total) progress.shown.finish()
    },
  })
}

function checkpointLog(log: TransactionLog, waiters: CommitWaiters): ConstructorParameters<typeof Checkpointer>[0]['log'] {
  const id = Buffer.alloc(8)
  if (log instanceof LocalLog) id.writeBigUInt64LE(log.logId)
  return {
    get appended() {
      return log.appended
    },
    id,
    committed: (lsn) => {
      log.flush()
      return waiters.wait(lsn)
    },
    sync: () => log.sync(),
    trim: (upTo) => log.trim(upTo),
  }
}

/** `buffers` tells the memory of all that is neither data nor the store's. */
function memoryBudget(
  ports: Ports,
  values: Values,
  keyspace: Keyspace,
  tier: Tier,
  store: ColdStore | undefined,
  buffers: () => number,
): MemoryBudget {
  const compactor = new Compactor(keyspace)
  const storeStats = polled(ports.clock, () => store?.stats())
  return new MemoryBudget({
    settings: budgetSettings(values),
    keyspace,
    tier,
    others: () => buffers() + (storeStats()?.memoryBytes ?? 0),
    nowMs: () => ports.clock.monotonicMs(),
    compact: () => compactor.step(),
    diskBytes: () => storeStats()?.diskBytes ?? 0,
  })
}

/** A figure that is dear to ask for, asked for at most four times a second. */
function polled<Figure>(clock: Ports['clock'], ask: () => Figure): () => Figure {
  let figure = ask()
  let askedMs = clock.monotonicMs()
  return () => {
    const nowMs = clock.monotonicMs()
    if (nowMs - askedMs > 250) {
      figure = ask()
      askedMs = nowMs
    }
    return figure
  }
}
