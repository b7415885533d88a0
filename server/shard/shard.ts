/**
 * A shard put together: keyspace, tier, cold store, log, checkpoint and budget, opened from a data directory and closed
 * again. What runs in the background (cooling, checkpoints, expiry, making room) is `maintenance.ts`.
 */

import type { EngineLimits } from '../../engine/engine-limits.ts'
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
import { isWorthMoving, Tier } from '../../storage/tier.ts'
import { ValueCodec } from '../../storage/value-codec.ts'
import { WriteOut } from '../../storage/write-out.ts'
import { LocalLog } from '../../wal/local-log.ts'
import { hasLocalLog } from '../../wal/local-log-files.ts'
import { NoLog } from '../../wal/no-log.ts'
import { checksumFrom, HistoryChecksum } from '../../wal/running-checksum.ts'
import type { TransactionLog } from '../../wal/transaction-log.ts'
import { LogTrimmed } from '../../wal/transaction-log.ts'
import type { Values } from '../config/settings.ts'
import type { KnownLog, Ports } from '../ports.ts'
import { CommitWaiters } from './commit-waiters.ts'
import { LogHolds } from './log-holds.ts'
import { lastOwnRecord, ownRecordsAreIn } from './own-log.ts'
import { Primary } from './primary.ts'
import type { Restored } from './recovery.ts'
import { LogReplay, restoreCatalog } from './recovery.ts'
import type { ShardState } from './shard-state.ts'
import { TooFarBehind } from './too-far-behind.ts'

/** Memory that the log's buffers may take. */
const logBytes = 4 * 1024 * 1024

export interface Shard extends ShardState {
  /** Its part in the shard. */
  readonly primary: Primary
  /** Keys there were when it was opened. */
  readonly recoveredKeys: number
}

export interface ShardOptions {
  readonly ports: Ports
  readonly values: Values
  readonly limits: EngineLimits
  /** Memory of clients' buffers, in bytes. */
  readonly clientBytes: () => number
  /** Hears how long each cold read took. */
  readonly coldReadMs: (ms: number) => void
  readonly sizes?: Sizes
  /** How long a log that is shared may be out of reach; for ever unless told. */
  readonly patienceMs?: number
}

/** Closes one thing that is open. */
type Close = () => Promise<void> | undefined

/** Opens what the data directory holds, to be its primary. When it cannot, it rejects and leaves nothing open. */
export async function openShard(options: ShardOptions): Promise<Shard> {
  const opened: Close[] = []
  try {
    const state = await openState(options, opened)
    return { ...state, primary: new Primary(state, options.ports.random, options.limits), recoveredKeys: state.keyspace.size }
  } catch (failure) {
    await closeEach(opened.reverse()).catch(() => undefined)
    throw failure
  }
}

/** Notes in `opened` how to close each part that it has opened. */
async function openState(options: ShardOptions, opened: Close[]): Promise<ShardState> {
  const { ports, values, limits, clientBytes, coldReadMs, sizes = defaultSizes } = options
  const { clock, files, random, progress } = ports
  const startMs = clock.monotonicMs()
  const durable = values.appendonly
  // Without a log nothing here is to be found again, and nothing that an earlier, durable run left may be touched.
  const directory = durable ? values.dir : `${values.dir}/volatile`
  await files.makeDirectory(directory)
  const keyspace = new Keyspace(random, noObserver, sizes.arenaBytes)
  if (sizes.treeLeafBytes !== undefined) keyspace.trees.leafBytesMax = sizes.treeLeafBytes
  const mutator = new Mutator(keyspace, limits)
  mutator.recording = durable
  applyAccessSettings(keyspace, values)
  keyspace.access.tick(clock.wallMs())
  const usesStore = durable || values['tier-enabled']
  const codec = new ValueCodec({
    compressMinBytes: values['tier-compression'] === 'none' ? Number.POSITIVE_INFINITY : Number(values['tier-compression-min-size']),
  })
  const settings = tierSettings(values)
  const isMovable = (value: number): boolean => isWorthMoving(keyspace, value, settings)
  // The store is opened by other threads while this one reads the catalog.
  const opening = usesStore ? ports.openColdStore(`${directory}/cold`, !durable) : Promise.resolve(undefined)
  opened.push(async () => (await opening.catch(() => undefined))?.close())
  const restoring = durable ? restoreCatalog(files, directory, keyspace, isMovable, progress) : Promise.resolve(undefined)
  opened.push(async () => void (await restoring.catch(() => undefined)))
  const [store, restored] = await Promise.all([opening, restoring])
  const tier = new Tier(keyspace, store, codec, clock, settings, coldReadMs)
  restored?.finish(tier)
  const log = durable ? await openLog(options, restored?.marker.logId, restored?.marker.checkpointLsn ?? 0) : new NoLog()
  opened.push(() => log.close())
  await requireContinuity(log, restored?.marker.checkpointLsn ?? 0)
  const nextValueId = restored?.marker.nextValueId ?? 1
  if (store !== undefined) await store.clearFrom(nextValueId)
  if (restored !== undefined) tier.staleIds = restored.freedIds
  keyspace.observer = tier
  tier.handleFaults()
  const waiters = new CommitWaiters(log)
  // Until somebody serves from the shard, who has others to tell as well.
  log.onCommitted = (committed) => {
    keyspace.committed(committed)
    waiters.committed(committed)
  }
  log.onFailed = (failure) => waiters.failed(failure)
  const catalog = durable ? await openCatalogWriter(files, directory, restored) : undefined
  opened.push(() => catalog?.close())
  const committed = (lsn: number): Promise<void> => (durable ? waiters.wait(lsn) : Promise.resolve())
  const parts = { keyspace, tier, codec, clock, catalog: catalog ?? noCatalog, nextValueId, committed, sizes }
  const writeOut = store === undefined ? undefined : new WriteOut({ ...parts, store })
  const budget = memoryBudget(ports, values, keyspace, tier, store, () => {
    return clientBytes() + mutator.interest.bytes + log.pendingBytes + (durable ? logBytes : 0) + (writeOut?.memoryBytes ?? 0)
  })
  tier.room = () => budget.room()
  keyspace.hasPlaceFor = (bytes, isKept) => budget.hasPlaceFor(bytes, isKept)
  const makeRoom = async (): Promise<void> => {
    while (budget.makeRoom() || (budget.isShort && (await (writeOut as WriteOut).step(4096)) > 0)) {
      await new Promise<void>((resolve) => clock.afterTurn(resolve))
    }
  }
  const replay = new LogReplay(keyspace, mutator, tier, restored?.marker.checkpointLsn ?? 0, checksumOf(log, restored))
  const recoveredRecords = await replay.run(log, clock, progress, makeRoom).catch(async (failure: Error) => {
    // Others do not know yet that this node needs what they trim.
    throw failure instanceof LogTrimmed && log.leadership !== undefined ? await tooFarBehind(log, replay.applied, failure.first) : failure
  })
  const logHolds = new LogHolds()
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
          log: checkpointLog(log, replay, waiters, logHolds),
          sizes,
        })
      : undefined
  const recovered = { recoveredRecords, recoveredBytes: replay.bytes, recoveryMs: clock.monotonicMs() - startMs }
  return { keyspace, mutator, tier, log, logHolds, replay, waiters, budget, codec, store, writeOut, checkpointer, makeRoom, ...recovered }
}

function openCatalogWriter(files: Ports['files'], directory: string, restored: Restored | undefined): Promise<CatalogWriter> {
  return restored === undefined ? CatalogWriter.create(files, directory, 1) : CatalogWriter.resume(files, directory, restored.end)
}

/** Commits what was appended and closes every part, also when one of them fails; rejects with the first failure. */
export function closeShard({ log, checkpointer, store }: ShardState): Promise<void> {
  return closeEach([() => log.close(), () => checkpointer?.close(), () => store?.close()])
}

async function closeEach(parts: readonly Close[]): Promise<void> {
  const failures: unknown[] = []
  for (const close of parts) {
    try {
      await close()
    } catch (failure) {
      failures.push(failure)
    }
  }
  if (failures.length > 0) throw failures[0]
}

/** How uses of keys are counted. */
export function applyAccessSettings(keyspace: Keyspace, values: Values): void {
  const { access } = keyspace
  keyspace.sharesIntegers = Number(values.maxmemory) === 0 || !/-l[rf]u$/.test(values['maxmemory-policy'])
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
    evicts: values['maxmemory-policy'] !== 'noeviction',
  }
}

/** Where nodes share a log, it may have been trimmed beyond what this one has. */
async function requireContinuity(log: TransactionLog, applied: number): Promise<void> {
  const { first, leadership } = log
  if (leadership !== undefined && first > applied + 1) throw await tooFarBehind(log, applied, first)
}

async function tooFarBehind({ leadership, members }: TransactionLog, applied: number, first: number): Promise<TooFarBehind> {
  return new TooFarBehind(applied, first, (await members?.all()) ?? new Map(), leadership?.leader)
}

async function openLog(
  { ports, values, sizes = defaultSizes, patienceMs }: ShardOptions,
  logId: Buffer | undefined,
  knownCommitted: number,
): Promise<TransactionLog> {
  const known = { knownCommitted, ...(logId === undefined ? {} : { logId: logId.readBigUInt64LE() }) }
  if (values.log !== 'local') {
    const open = (): Promise<TransactionLog> => ports.openSharedLog({ ...known, ...(patienceMs === undefined ? {} : { patienceMs }) })
    return openWithoutOwnRecords(ports, values.dir, known, open)
  }
  const progress = { shown: undefined as ReturnType<Ports['progress']> | undefined }
  return LocalLog.open({
    files: ports.files,
    clock: ports.clock,
    random: ports.random,
    directory: `${values.dir}/log`,
    syncPolicy: values.appendfsync as 'always' | 'everysec' | 'no',
    segmentBytes: Number(values['log-segment-bytes']),
    digestBytes: sizes.digestBytes,
    ...(sizes.recordBytesMax === undefined ? {} : { recordBytesMax: sizes.recordBytesMax }),
    ...known,
    onProgress: (done, total) => {
      progress.shown ??= ports.progress('log scan', total, 'bytes')
      progress.shown.update(done)
      if (done >= total) progress.shown.finish()
    },
  })
}

/** A directory that was used with a log of its own may hold changes that the shared one does not have. Those of a backup it has. Rejects when it has not, or nobody knows. */
async function openWithoutOwnRecords(
  ports: Ports,
  directory: string,
  { logId, knownCommitted }: KnownLog,
  open: () => Promise<TransactionLog>,
): Promise<TransactionLog> {
  if (!(await hasLocalLog(ports.files, `${directory}/log`))) return open()
  const last = await lastOwnRecord(ports, directory, logId)
  if (last <= knownCommitted) return open()
  const text = `${directory} has a log of its own, up to record ${last}, that is not in the shared one: 'moraine move --to etcd' moves it`
  if (logId === undefined) throw new Error(text)
  const shared = await open().catch((cause: Error) => {
    throw new Error(`${text}. Or is it there? The shared one could not be opened: ${cause.message}`, { cause })
  })
  const areIn = await ownRecordsAreIn(ports, directory, logId, knownCommitted, shared).catch(async (failure: Error) => {
    await shared.close()
    throw failure
  })
  if (areIn) return shared
  await shared.close()
  throw new Error(text)
}

function checkpointLog(
  log: TransactionLog,
  replay: LogReplay,
  waiters: CommitWaiters,
  logHolds: LogHolds,
): ConstructorParameters<typeof Checkpointer>[0]['log'] {
  const id = Buffer.alloc(8)
  id.writeBigUInt64LE(log.logId)
  return {
    get appended() {
      return newestLsn({ log, replay })
    },
    id,
    noteChecksum: () => {
      const { leadership } = log
      if (leadership !== undefined && leadership.epoch > 0) return leadership.noteChecksum()
      const now = replay.checksum?.now
      return () => now
    },
    committed: (lsn) => {
      log.flush()
      return waiters.wait(lsn)
    },
    sync: () => log.sync(),
    // Where others read the log, they may need what this node does not.
    trim: async (upTo) => (log.leadership === undefined ? log.trim(logHolds.limit(upTo)) : undefined),
  }
}

/** Where the log is this node's own, nobody could tell another checksum, and none is computed. */
function checksumOf({ leadership }: TransactionLog, restored: Restored | undefined): HistoryChecksum | undefined {
  if (leadership === undefined) return undefined
  if (restored === undefined) return new HistoryChecksum(0, checksumFrom(0))
  const { checkpointLsn, checksum } = restored.marker
  return new HistoryChecksum(checkpointLsn, checksum === undefined ? undefined : { ...checksum, lsn: checkpointLsn })
}

/** LSN of the newest record that is in the keyspace: one that was appended here, or that another process has appended and was applied. */
export function newestLsn({ log, replay }: Pick<ShardState, 'log' | 'replay'>): number {
  return log.leadership === undefined || log.leadership.epoch > 0 ? log.appended : replay.applied
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
