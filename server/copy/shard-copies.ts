/**
 * Copies of this node's shard: for nodes that cannot follow the log from where they are, for backups, and for RDB (`rdb-transfers.ts`). A copy
 * is the last checkpoint as it is on disk: the catalog's file up to its marker, and the values that are in the cold store just after it. It is
 * fuzzy; with the records of the log from the checkpoint's up to its end it is of one moment. Another node asks for one piece after the other,
 * so a slow one holds nobody up; one that has been silent for a minute is dropped.
 */

import { catalogPath } from '../../storage/catalog-format.ts'
import type { Clock, Timer } from '../../storage/clock.ts'
import type { ColdCopy, ColdPut } from '../../storage/cold-store.ts'
import type { File, FileSystem } from '../../storage/file-system.ts'
import type { LogBatch, LogRecord } from '../../wal/transaction-log.ts'
import type { Maintenance } from '../shard/maintenance.ts'
import type { Shard } from '../shard/shard.ts'

/** Bytes in one piece. */
export const pieceBytesMax = 1024 * 1024
const silentMsMax = 60_000
const copiesMax = 4
/** Whoever has fetched a copy opens it, and tells the others how far it is, in such a time. */
const openingMsMax = 60_000

export interface CopiesHost {
  readonly clock: Clock
  readonly ports: { readonly files: FileSystem }
  readonly config: { readonly values: { readonly dir: string } }
  /** Undefined while another one is opened. */
  readonly shard: Shard | undefined
  readonly maintenance: Maintenance
}

/** What the copy is of, and how much there is to fetch. */
export interface CopyHead {
  readonly id: number
  readonly generation: number
  /** Of the checkpoint. */
  readonly lsn: number
  readonly catalogBytes: number
  /** Roughly. */
  readonly valueBytes: number
  /** Nothing in the checkpoint is newer than this record. */
  readonly endLsn: number
}

/** A checkpoint as it is on disk, for as long as it is open. */
export interface KeptCheckpoint {
  readonly generation: number
  readonly lsn: number
  readonly catalog: File
  readonly catalogBytes: number
  readonly values: ColdCopy
  /** Nothing in it is newer than this record. */
  readonly endLsn: number
  /** The log is kept from the checkpoint on until this is called, or all is closed. */
  releaseLog(): void
  close(): Promise<void>
}

interface Copy {
  readonly kept: KeptCheckpoint
  /** Lets go of the log behind the checkpoint. */
  readonly releaseLog: () => void
  readonly records: AsyncIterator<LogBatch>
  /** Up to this record they have been given away. */
  given: number
  timer: Timer | undefined
}

export class ShardCopies {
  readonly #host: CopiesHost
  readonly #copies = new Map<number, Copy>()
  #newest = 0

  constructor(host: CopiesHost) {
    this.#host = host
  }

  /** Makes a checkpoint and keeps it. Rejects when there is no log or a disk fails. */
  async keep(): Promise<KeptCheckpoint> {
    const { maintenance, ports, config } = this.#host
    const { lsn } = await maintenance.checkpoint()
    const { shard } = this.#host
    if (shard?.checkpointer === undefined || shard.store === undefined) throw new Error('the data are being opened anew')
    const { generation, bytes } = shard.checkpointer.catalogFile
    // At once: the next checkpoint deletes values that this one refers to, and trims the log.
    const values = shard.store.copy()
    const releaseLog = shard.logHolds.hold(lsn)
    const endLsn = shard.log.committed
    try {
      const catalog = await ports.files.open(catalogPath(config.values.dir, generation), { write: false })
      const close = async (): Promise<void> => {
        releaseLog()
        try {
          await values.close()
        } finally {
          await catalog.close()
        }
      }
      return { generation, lsn, catalog, catalogBytes: bytes, values, endLsn, releaseLog, close }
    } catch (failure) {
      releaseLog()
      await values.close()
      throw failure
    }
  }

  /** A checkpoint to be fetched. Rejects as `keep`, and when too many are being fetched. */
  async begin(): Promise<CopyHead> {
    if (this.#copies.size >= copiesMax) throw new Error('too many copies are being made')
    const kept = await this.keep()
    const { shard } = this.#host
    if (shard === undefined) {
      await kept.close()
      throw new Error('the data are being opened anew')
    }
    const { generation, lsn, catalogBytes, endLsn } = kept
    const records = shard.log.read(lsn, undefined, 'copy')[Symbol.asyncIterator]()
    const copy: Copy = { kept, releaseLog: shard.logHolds.hold(lsn), records, given: lsn, timer: undefined }
    const id = ++this.#newest
    this.#copies.set(id, copy)
    this.#used(id, copy)
    return { id, generation, lsn, catalogBytes, valueBytes: shard.store?.stats().diskBytes ?? 0, endLsn }
  }

  /** The catalog's bytes from `offset` on, at most a piece; none at the end. Rejects when there is no such copy. */
  async catalog(id: number, offset: number): Promise<Buffer> {
    const { catalog, catalogBytes } = this.#copy(id).kept
    const bytes = Buffer.allocUnsafe(Math.max(0, Math.min(pieceBytesMax, catalogBytes - offset)))
    const read = bytes.length === 0 ? 0 : await catalog.read(bytes, offset)
    return bytes.subarray(0, read)
  }

  /** The next values; none at the end. */
  async values(id: number): Promise<ColdPut[]> {
    return this.#copy(id).kept.values.next(pieceBytesMax)
  }

  /** The next records behind the checkpoint; none at the end. They are valid until the next ones are asked for. */
  async log(id: number): Promise<readonly LogRecord[]> {
    const copy = this.#copy(id)
    const { endLsn } = copy.kept
    while (copy.given < endLsn) {
      const { value, done } = await copy.records.next()
      if (done === true) throw new Error('the data are being opened anew')
      const wanted = (value as LogBatch).records.filter(({ lsn }) => lsn <= endLsn)
      copy.given = wanted.at(-1)?.lsn ?? copy.given
      if (wanted.length > 0) return wanted
    }
    return []
  }

  /** The copy has been fetched, or is not wanted any more. False when there is none. */
  async end(id: number): Promise<boolean> {
    const copy = this.#copies.get(id)
    if (copy === undefined) return false
    this.#copies.delete(id)
    copy.timer?.cancel()
    this.#host.clock.after(openingMsMax, copy.releaseLog)
    // It may be at work on what nobody waits for any more.
    void copy.records.return?.().catch(() => undefined)
    await copy.kept.close()
    return true
  }

  /** Ends all: the store is about to be closed. */
  async endAll(): Promise<void> {
    for (const id of [...this.#copies.keys()]) await this.end(id).catch(() => undefined)
  }

  #copy(id: number): Copy {
    const copy = this.#copies.get(id)
    if (copy === undefined) throw new Error('there is no such copy, or it was dropped')
    this.#used(id, copy)
    return copy
  }

  #used(id: number, copy: Copy): void {
    copy.timer?.cancel()
    copy.timer = this.#host.clock.after(silentMsMax, () => void this.end(id).catch(() => undefined))
  }
}
