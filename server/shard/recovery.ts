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
import type { TransactionLog } from '../../wal/transaction-log.ts'
import type { StartProgress } from '../progress.ts'

const sliceMs = 5

export interface Restored {
  readonly marker: CatalogMarker
  readonly end: CatalogPosition
  readonly freedIds: IdList
}

/** Loads the newest catalog into an empty keyspace; undefined when there is none. */
export async function restoreCatalog(
  files: FileSystem,
  directory: string,
  keyspace: Keyspace,
  tier: Tier,
  progress: StartProgress,
): Promise<Restored | undefined> {
  const reader = await openCatalog(files, directory)
  if (reader === undefined) return undefined
  const restore = new KeyspaceRestore(keyspace, tier, Math.min(reader.marker.entryCount, reader.end.records))
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
  restore.finish()
  keyspace.nextCollectionId = reader.marker.nextCollectionId
  return { marker: reader.marker, end: reader.end, freedIds: restore.freedIds }
}

export class LogReplay {
  readonly #mutator: Mutator
  readonly #tier: Tier
  readonly #replay: Replay
  readonly #wants: ReplayWants
  readonly #cold: ColdCollector
  /** Of the records that `run` applied. */
  bytes = 0

  constructor(keyspace: Keyspace, mutator: Mutator, tier: Tier) {
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

  /** Applies every committed record after `after`. `makeRoom` is awaited between batches. Returns how many there were. */
  async run(log: TransactionLog, after: number, clock: Clock, progress: StartProgress, makeRoom: () => Promise<void>): Promise<number> {
    const total = log.committed - after
    if (total <= 0) return 0
    const shown = progress('log', total, 'records')
    const wasRecording = this.#mutator.recording
    this.#mutator.recording = false
    let records = 0
    let until = clock.monotonicMs() + sliceMs
    for await (const batch of log.read(after)) {
      for (const { lsn, payload } of batch.records) {
        let cold = this.#coldOf(payload)
        // What has come may tell what else is wanted.
        while (cold !== undefined) {
          await this.#tier.fetch(cold)
          this.#tier.admit(cold)
          cold = this.#coldOf(payload)
        }
        this.#replay.apply(lsn, payload)
        this.#tier.settle()
        records++
        this.bytes += payload.length
        if ((records & 63) !== 0 || clock.monotonicMs() < until) continue
        shown.update(records)
        await makeRoom()
        await new Promise<void>((resolve) => clock.afterTurn(resolve))
        until = clock.monotonicMs() + sliceMs
      }
      if (records >= total) break
    }
    this.#mutator.recording = wasRecording
    shown.update(records)
    shown.finish()
    return records
  }

  #coldOf(payload: Buffer): ColdSet | undefined {
    if (this.#tier.hasCold) this.#wants.visit(payload, this.#cold)
    return this.#cold.take()
  }
}
