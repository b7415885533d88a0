/** All that a server needs of the outside world; `main.ts` gives the real ones, the simulator its own. */
import type { Random } from '../engine/random.ts'
import type { Clock } from '../storage/clock.ts'
import type { ColdStore } from '../storage/cold-store.ts'
import type { FileSystem } from '../storage/file-system.ts'
import type { Log } from './logging.ts'
import type { Network } from './network/network.ts'
import type { StartProgress } from './progress.ts'

export interface Ports {
  readonly clock: Clock
  readonly random: Random
  readonly files: FileSystem
  readonly network: Network
  readonly log: Log
  readonly progress: StartProgress
  /** Opens the cold store in a directory; `fresh` wipes what is there. */
  openColdStore(directory: string, fresh: boolean): Promise<ColdStore>
  /** Resident memory of the process in bytes. */
  residentBytes(): number
}
