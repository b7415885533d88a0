/**
 * SHUTDOWN: a checkpoint unless it is not wanted, then the owner of the server is told to end it. While the checkpoint is
 * made the shutdown can be called off. Every acknowledged write is in the log either way.
 *
 * The checkpoint at the end itself, which a signal leads to as well, has a limit of time: whoever ends the server may not
 * wait for ever, and would kill it in the middle of something else.
 */
import type { Checkpointer } from '../storage/checkpoint.ts'
import type { Clock } from '../storage/clock.ts'
import type { Config } from './config/config.ts'
import { timerMsMax } from './gate.ts'
import type { Log } from './logging.ts'
import type { Maintenance } from './shard/maintenance.ts'
import type { ShardState } from './shard/shard-state.ts'

export interface ShutdownOptions {
  readonly saves: boolean
  /** End even when the checkpoint fails. */
  readonly forced: boolean
}

interface ShutdownHost {
  readonly clock: Clock
  readonly config: Config
  readonly log: Log
  readonly shard: Pick<ShardState, 'checkpointer' | 'log'> | undefined
  readonly maintenance: Maintenance
  /** Ends the server. */
  readonly onShutdown: () => void
}

export class Shutdown {
  /** Whether the server makes a checkpoint before it ends: not after SHUTDOWN NOSAVE. */
  wantsCheckpoint = true
  readonly #host: ShutdownHost
  /** Told that it was called off. */
  #callOff: (() => void) | undefined

  constructor(host: ShutdownHost) {
    this.#host = host
  }

  /** `failed` is called when the server goes on: the checkpoint failed, or `abort` was called. */
  begin({ saves, forced }: ShutdownOptions, failed: () => void): void {
    const host = this.#host
    this.wantsCheckpoint = saves
    if (!saves || host.shard?.checkpointer === undefined) {
      host.onShutdown()
      return
    }
    let calledOff = false
    const callOff = (): void => {
      calledOff = true
      failed()
    }
    this.#callOff = callOff
    const end = (goesOn: boolean): void => {
      if (calledOff) return
      if (this.#callOff === callOff) this.#callOff = undefined
      if (goesOn) failed()
      else host.onShutdown()
    }
    host.maintenance.checkpoint().then(
      () => end(false),
      (failure: Error) => {
        host.log.error('The checkpoint before the shutdown failed', { error: failure })
        end(!forced)
      },
    )
  }

  /**
   * Makes the last checkpoint, so that the next start has nothing to replay. When it fails, or takes longer than
   * `shutdown-checkpoint-timeout`, the one before it stands, and the log has everything since.
   */
  async checkpointAtEnd(checkpointer: Checkpointer): Promise<void> {
    const { clock, config, log, maintenance, shard } = this.#host
    const seconds = config.values['shutdown-checkpoint-timeout']
    const giveUp = (): void => {
      const records = (shard?.log.appended ?? 0) - checkpointer.lastLsn
      log.warn('The checkpoint at the end takes too long and is given up. Nothing is lost: the next start replays the log', {
        seconds,
        records,
      })
      maintenance.giveUpCheckpoints()
    }
    const timer = seconds === 0 ? undefined : clock.after(Math.min(seconds * 1000, timerMsMax), giveUp)
    await maintenance.checkpoint().catch(() => undefined)
    timer?.cancel()
  }

  /** Calls a shutdown off; false when there is none. */
  abort(): boolean {
    const callOff = this.#callOff
    this.#callOff = undefined
    callOff?.()
    return callOff !== undefined
  }
}
