/** What the LevelDB cold store is told when it is opened, and what it tells about itself. */
import type { Clock } from './clock.ts'
import type { ColdStoreStats } from './cold-store.ts'

export interface LevelColdStoreOptions {
  readonly clock: Clock
  /** Memory that LevelDB fills before it writes a table; up to twice this is held. 64 MiB unless told. */
  readonly writeBufferBytes?: number
  /** Size of a table file. 32 MiB unless told. */
  readonly tableBytes?: number
  /** Cache of uncompressed blocks. 8 MiB unless told: memory belongs to hot values. */
  readonly cacheBytes?: number
  /** Tables kept open at a time; the first 1000 are mapped and need no file descriptor. 4096 unless told. */
  readonly openTablesMax?: number
  /** Writes are refused before less than this is left on the disk, so that LevelDB can always flush and be opened again. Two write buffers and 8 MiB unless told. */
  readonly diskReserveBytes?: number
  /** Asked for the bytes left on the disk of a directory; the operating system unless told. */
  readonly freeDiskBytes?: (directory: string) => Promise<number>
  /** Reads that may hold a thread at a time. 3 unless told. */
  readonly readsInFlight?: number
  /** Told when LevelDB had to be opened again: why, and how many values it would have lost. */
  readonly onReopened?: (reason: Error, restored: number) => void
}

export interface LevelColdStoreStats extends ColdStoreStats {
  /** Milliseconds that writes were stalled because level 0 was nearly full. */
  readonly stalledMs: number
  /** Pieces of work that the reads were merged into. */
  readonly readJobs: number
  readonly readsWaiting: number
  /** Syncs that took one synced write, and syncs that had to flush the write buffer. */
  readonly logSyncs: number
  readonly flushes: number
  /** False when a write failed and the write buffer could not be flushed since: nothing can be written. */
  readonly writable: boolean
}
