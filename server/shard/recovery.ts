/**
 * Brings a shard back: the catalog gives every key's metadata, the log all that came after. Values stay on disk; only
 * those that a logged change touches in part are read.
 */
import type { Keyspace } from '../../engine/keyspace/keyspace.ts'
import type { Mutator } from '../../engine/mutation/mutator.ts'
import { Replay } from '../../engine/mutation/replay.ts'
import { ReplayWants } from '../../engine/mutation/replay-wants.ts'
import type { CatalogMarker, CatalogPosition } from '../../storage/catalog-format.ts'
import { openCatalog } from '../../storage/catalog-reader.ts'
import type { Clock } from '../../storage/clock.ts'
import type { ColdSet } from '../../storage/cold-set.ts'
import { ColdCollector } from '../../storage/cold-set.ts'
import type { FileSystem } from '../../storage/file-system.ts'
import type { IdList } from '../../storage/id-list.ts'
import { KeyspaceRestore } from '../../storage/restore.ts'
import type { Tier } from '../../storage/tier.ts'
import type { RunningChecksum } from '../../wal/running-checksum.ts'
import { HistoryChecksum } from '../../wal/running-checksum.ts'
import type { LogBatch, LogRecord, TransactionLog } from '../../wal/transaction-log.ts'
import type { StartProgress } from '../progress.ts'

const sliceMs = 5

export interface Restored {
  readonly marker: CatalogMarker
  readonly end: CatalogPosition
  readonly freedIds: IdList
  /** Tells the tier what it is to know of the values that were restored. To be called before anything else happens to the keyspace. */
  finish(tier: Tier): void
}

/** Loads the newest catalog into an empty keyspace; undefined when there is none. `isMovable` is as in `KeyspaceRestore`. */
export async function restoreCatalog(
  files: FileSystem,
  directory: string,
  keyspace: Keyspace,
  isMovable: (value: number) => boolean,
  progress: StartProgress,
): Promise<Restored | undefined> {
  const reader = await openCatalog(files, directory)
  if (reader === undefined) return undefined
  const { marker, end } = reader
  const restore = new KeyspaceRestore(keyspace, isMovable, Math.min(marker.entryCount, end.records))
  let shown: ReturnType<StartProgress> | undefined
  try {
    await reader.read(restore, (done, total) => {
      shown ??= progress('catalog', total, 'bytes')
      shown.update(done)
    })
  } finally {
    await reader.close()
  }
  shown?.finish()
  keyspace.nextCollectionId = marker.nextCollectionId
  return { marker, end, freedIds: restore.freedIds, finish: (tier) => restore.finish(tier) }
}

/** Applies the log's records to the shard, in order: at the start, and for as long as another process leads. */
export class LogReplay {
  /** LSN of the newest record that is in the keyspace. */
  applied: number
  /** Of the records that were applied. */
  bytes = 0
  /** Of the records that are in the keyspace; undefined where nobody else has them. */
  checksum: HistoryChecksum | undefined
  readonly #mutator: Mutator
  readonly #tier: Tier
  readonly #replay: Replay
  readonly #wants: ReplayWants
  readonly #cold: ColdCollector

  constructor(keyspace: Keyspace, mutator: Mutator, tier: Tier, applied: number, checksum?: HistoryChecksum) {
    this.applied = applied
    this.checksum = checksum
    this.#mutator = mutator
    this.#tier = tier
    this.#replay = new Replay(keyspace, mutator)
    this.#wants = new ReplayWants(keyspace, this.#replay, mutator.types)
    this.#cold = new ColdCollector(keyspace.trees)
    this.#replay.beforeEdit = (type, edit, db, key, start, end, payload) => {
      if (!tier.hasCold) return
      const { at } = payload
      for (;;) {
        payload.at = at
        this.#wants.editInHand(type, edit, db, key, start, end, payload, this.#cold)
        const cold = this.#cold.take()
        if (cold === undefined) return
        tier.fetchAtOnce(cold)
      }
    }
  }

  /** Applies every record that is committed now. `makeRoom` is awaited between batches. Returns how many there were. */
  async run(log: TransactionLog, clock: Clock, progress: StartProgress, makeRoom: () => Promise<void>): Promise<number> {
    const { committed } = log
    const total = committed - this.applied
    if (total <= 0) return 0
    const shown = progress('log', total, 'records')
    const left = (): number => committed - this.applied
    const slices = new ReplaySlices(clock, async () => {
      shown.update(total - left())
      await makeRoom()
    })
    for await (const batch of log.read(this.applied)) {
      this.hear(batch)
      for (const record of batch.records) {
        const waiting = this.apply(record)
        if (waiting !== undefined) await waiting
        if (slices.isOver(this.applied)) await slices.next()
      }
      if (left() <= 0) break
    }
    shown.update(total)
    shown.finish()
    return total
  }

  /** What the leader tells of records that have come, or will. Throws `HistoryDiffers`, as `apply` does, when it is not about these. */
  hear({ checksum }: LogBatch): void {
    if (checksum !== undefined) this.checksum?.hear(checksum)
  }

  /** This process has appended the records up to this one. */
  continueFrom(lsn: number, checksum: RunningChecksum | undefined): void {
    this.applied = lsn
    if (this.checksum !== undefined) this.checksum = new HistoryChecksum(lsn, checksum)
  }

  /** Reads together what is cold of that which these records change in part, as far as can be told before any of them is applied. */
  readAhead(records: readonly LogRecord[]): Promise<void> | undefined {
    if (!this.#tier.hasCold) return undefined
    for (const { payload } of records) this.#wants.visit(payload, this.#cold)
    const cold = this.#cold.take()
    return cold === undefined ? undefined : this.#fetch(cold)
  }

  /** Whether a record was applied, since this was asked last, that changes what the server keeps for itself: its functions. */
  takeOwnChange(): boolean {
    const changed = this.#replay.changedOwn
    this.#replay.changedOwn = false
    return changed
  }

  /** Applies the next record: at once, or when what is cold of that which it changes in part has been read. */
  apply(record: LogRecord): Promise<void> | undefined {
    const cold = this.#coldOf(record.payload)
    if (cold !== undefined) return this.#applyCold(record, cold)
    this.#applyNow(record)
    return undefined
  }

  async #applyCold(record: LogRecord, first: ColdSet): Promise<void> {
    // What has come may tell what else is wanted.
    for (let cold: ColdSet | undefined = first; cold !== undefined; cold = this.#coldOf(record.payload)) {
      await this.#fetch(cold)
    }
    this.#applyNow(record)
  }

  async #fetch(cold: ColdSet): Promise<void> {
    await this.#tier.fetch(cold)
    this.#tier.admit(cold)
  }

  #applyNow({ lsn, payload }: LogRecord): void {
    const mutator = this.#mutator
    const { recording } = mutator
    mutator.recording = false
    this.#replay.apply(lsn, payload)
    mutator.recording = recording
    this.#tier.settle()
    this.applied = lsn
    this.bytes += payload.length
    this.checksum?.add(payload)
  }

  #coldOf(payload: Buffer): ColdSet | undefined {
    if (this.#tier.hasCold) this.#wants.visit(payload, this.#cold)
    return this.#cold.take()
  }
}

/** Lets others have their turn while many records are applied. */
export class ReplaySlices {
  readonly #clock: Clock
  readonly #between: () => Promise<void>
  #until: number

  constructor(clock: Clock, between: () => Promise<void>) {
    this.#clock = clock
    this.#between = between
    this.#until = clock.monotonicMs() + sliceMs
  }

  /** Cheap: the clock is read at one LSN in 64. */
  isOver(lsn: number): boolean {
    return (lsn & 63) === 0 && this.#clock.monotonicMs() >= this.#until
  }

  async next(): Promise<void> {
    await this.#between()
    await new Promise<void>((resolve) => this.#clock.afterTurn(resolve))
    this.#until = this.#clock.monotonicMs() + sliceMs
  }
}
