/** Whether there is a shared log where the settings say, and how one is made that goes on where a node's own log has ended. */
export interface SharedLogs {
  exists(): Promise<boolean>
  /** Its next record has the LSN `after` + 1. Makes one with the same id anew that nobody has claimed; rejects with `LogExists` when there is any other. */
  create(logId: bigint, after: number): Promise<void>
}

/** All that a server needs of the outside world; `main.ts` gives the real ones, the simulator its own. */
import type { Random } from '../engine/random.ts'
import type { Clock } from '../storage/clock.ts'
import type { ColdStore } from '../storage/cold-store.ts'
import type { FileSystem } from '../storage/file-system.ts'
import type { TransactionLog } from '../wal/transaction-log.ts'
import type { Log } from './logging.ts'
import type { Network } from './network/network.ts'
import type { StartProgress } from './progress.ts'

/** What a data directory knows of the log that it was made from. */
export interface KnownLog {
  /** Undefined when the directory is new. */
  readonly logId?: bigint
  /** Every record up to this LSN was committed. */
  readonly knownCommitted: number
  /** How long the log may be out of reach before opening it is given up; for ever unless told. */
  readonly patienceMs?: number
}

export interface Ports {
  readonly clock: Clock
  readonly random: Random
  readonly files: FileSystem
  readonly network: Network
  readonly log: Log
  readonly progress: StartProgress
  /** Opens the cold store in a directory; `fresh` wipes what is there. */
  openColdStore(directory: string, fresh: boolean): Promise<ColdStore>
  /** Opens the log that several nodes share, to read it. Refuses one with another id, or one that has lost records which are known to have been committed. */
  openSharedLog(known: KnownLog): Promise<TransactionLog>
  /** Resident memory of the process in bytes. */
  residentBytes(): number
}
