/**
 * SHUTDOWN: a checkpoint unless it is not wanted, then the owner of the server is told to end it. While the checkpoint is
 * made the shutdown can be called off. Every acknowledged write is in the log either way.
 */
import type { Server } from './server.ts'

export interface ShutdownOptions {
  readonly saves: boolean
  /** End even when the checkpoint fails. */
  readonly forced: boolean
}

export class Shutdown {
  readonly #server: Server
  /** Told that it was called off. */
  #callOff: (() => void) | undefined

  constructor(server: Server) {
    this.#server = server
  }

  /** `failed` is called when the server goes on: the checkpoint failed, or `abort` was called. */
  begin({ saves, forced }: ShutdownOptions, failed: () => void): void {
    const server = this.#server
    if (!saves || server.shard?.checkpointer === undefined) {
      server.onShutdown()
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
      else server.onShutdown()
    }
    server.maintenance.checkpoint().then(
      () => end(false),
      (failure: Error) => {
        server.log.error('The checkpoint before the shutdown failed', { error: failure })
        end(!forced)
      },
    )
  }

  /** Calls a shutdown off; false when there is none. */
  abort(): boolean {
    const callOff = this.#callOff
    this.#callOff = undefined
    callOff?.()
    return callOff !== undefined
  }
}
