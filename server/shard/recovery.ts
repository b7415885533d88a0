/**
 * Brings a shard back: the catalog gives every key's metadata, the log all that came after. Values stay on disk; only
 * those that a logged change touches in part are read.
 */
import { Arguments } from '../../engine/arguments.ts'
import { chunkedHash } from '../../engine/keyspace/entries.ts'
import type { Keyspace } from '../../engine/keyspace/keyspace.ts'
import type { FieldSource } from '../../engine/mutation/field-source.ts'
import type { Mutator } from '../../engine/mutation/mutator.ts'
import { deleteOp, expireOp, putStringOp } from '../../engine/mutation/operations.ts'
import type { MutationVisitor } from '../../engine/mutation/replay.ts'
import { Replay } from '../../engine/mutation/replay.ts'
import type { CatalogMarker, CatalogPosition } from '../../storage/catalog-format.ts'
import { openCatalog } from '../../storage/catalog-reader.ts'
import type { Clock } from '../../storage/clock.ts'
import type { ColdSet } from '../../storage/cold-set.ts'
import type { FileSystem } from '../../storage/file-system.ts'
import { KeyspaceRestore } from '../../storage/restore.ts'
import type { Tier } from '../../storage/tier.ts'
import type { TransactionLog } from '../../wal/transaction-log.ts'
import type { StartProgress } from '../progress.ts'

const sliceMs = 5

export interface Restored {
  readonly marker: CatalogMarker
  readonly end: CatalogPosition
  readonly freedIds: readonly number[]
}

/** Loads the newest catalog into an empty keyspace; undefined when there is none. */
export async function restoreCatalog(
  files: FileSystem,
  directory: string,
  keyspace: Keyspace,
  tier: Tier,
  progress: StartProgress,
  hashChunkBytes?: number,
): Promise<Restored | undefined> {
  const reader = await openCatalog(files, directory)
  if (reader === undefined) return undefined
  const restore = new KeyspaceRestore(keyspace, tier, Math.min(reader.marker.entryCount, reader.end.records), hashChunkBytes)
  let shown: ReturnType<StartProgress> | undefined
  await reader.read(restore, (done, total) => {
    shown ??= progress('catalog', total, 'bytes')
    shown.update(done)
  })
  shown?.finish()
  restore.finish()
  await reader.close()
  keyspace.nextCollectionId = reader.marker.nextCollectionId
  return { marker: reader.marker, end: reader.end, freedIds: restore.freedIds }
}

export class LogReplay implements MutationVisitor {
  readonly #keyspace: Keyspace
  readonly #mutator: Mutator
  readonly #tier: Tier
  readonly #replay: Replay
  readonly #args = new Arguments()
  #cold: ColdSet | undefined
  /** Entries that the record in hand deletes: what it says of their keys afterwards needs nothing of what they hold. */
  readonly #deleted = new Set<number>()
  /** Of the records that `run` applied. */
  bytes = 0

  constructor(keyspace: Keyspace, mutator: Mutator, tier: Tier) {
    this.#keyspace = keyspace
    this.#mutator = mutator
    this.#tier = tier
    this.#replay = new Replay(keyspace, mutator)
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
      for (const { lsn, payload } of batch) {
        const cold = this.#tier.hasCold ? this.#needs(payload) : undefined
        if (cold !== undefined) {
          await this.#tier.fetch(cold)
          this.#tier.admit(cold)
        }
        this.#replay.apply(lsn, payload)
        if (cold !== undefined) this.#tier.settle()
        records++
        this.bytes += payload.length
        if ((records & 63) !== 0 || clock.monotonicMs() < until) continue
        shown.update(records)
        await makeRoom()
        await new Promise<void>((resolve) => clock.afterTurn(resolve))
        until = clock.monotonicMs() + sliceMs
      }
    }
    this.#mutator.recording = wasRecording
    shown.update(records)
    shown.finish()
    return records
  }

  mutation(operation: number, db: number, buffer: Buffer, start: number, end: number, fields: FieldSource | undefined): void {
    if (operation === putStringOp || operation === expireOp) return
    const ref = this.#keyspace.find(db, buffer, start, end)
    if (ref === 0 || this.#deleted.has(ref)) return
    if (operation === deleteOp) {
      this.#deleted.add(ref)
      return
    }
    const args = this.#args
    args.buffer = buffer
    args.count = 0
    args.push(start, end)
    if (fields !== undefined && this.#keyspace.entries.encoding(ref) === chunkedHash) {
      for (let i = 0; i < fields.count; i++) args.push(fields.fieldStart(i), fields.fieldEnd(i))
    }
    this.#cold = this.#tier.coldOf(ref, 'fields', args, 0, this.#cold)
  }

  #needs(payload: Buffer): ColdSet | undefined {
    this.#cold = undefined
    this.#deleted.clear()
    this.#replay.visit(payload, this)
    return this.#cold
  }
}
