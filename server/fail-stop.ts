/**
 * What happens when an invariant is broken, in a request or in the background: the server stops, in a controlled way
 * (docs/decisions/0013-fail-stop.md). What is in memory may then differ from what the log says, so nothing more is
 * executed, appended, checkpointed or acknowledged; what had been appended before is still committed, and its replies
 * leave. The reason is logged, the owner ends the process with a code of its own, and the next start recovers from the log.
 */
import type { Clock } from '../storage/clock.ts'
import type { Client } from './client.ts'
import type { Gate } from './gate.ts'
import type { Log, LogFields } from './logging.ts'
import type { Listener } from './network/listener.ts'
import type { Turn } from './network/turn.ts'
import type { Rates } from './rates.ts'
import type { Maintenance } from './shard/maintenance.ts'
import { closeShard } from './shard/shard.ts'
import type { ShardState } from './shard/shard-state.ts'
import type { StagedWorkQueue } from './staged-work.ts'

/** The exit code of a process that stopped so: EX_SOFTWARE of sysexits.h. */
export const failStopExitCode = 70
/** A client is told this, and no detail: that is in the log. */
export const internalError = 'ERR internal error: the server stops and recovers from its log'

/** The end comes after so long at the latest, whatever the disk or the clients do. */
export const stopMsMax = 10_000
/** Clients have so long to read what they are still owed. */
const lingerMs = 1000
const pollMs = 10

/** What is to be stopped. */
interface StoppedParts {
  readonly clock: Clock
  readonly log: Log
  readonly listener: Listener
  readonly turn: Turn
  readonly rates: Rates
  readonly gate: Gate
  readonly stagedWork: StagedWorkQueue
  readonly sessions: ReadonlyMap<number, Client>
  readonly shard: ShardState | undefined
  readonly maintenance: Maintenance
  readonly logFailure: Error | undefined
}

export class FailStop {
  /** Why the server stops; undefined while it does not. */
  failure: Error | undefined
  /** Set by the owner. Called when it begins: the process has to stay alive until the end. */
  onStopping: () => void = () => undefined
  /** Set by the owner: ends the process. Called once, when all is closed or time is up. */
  onStopped: () => void = () => undefined
  readonly #server: StoppedParts
  #over = false

  constructor(server: StoppedParts) {
    this.#server = server
  }

  /** The request in hand of `client` has thrown: it is told, if it has not been told something else already. */
  inRequest({ connection, id, lastCommandName }: Client, failure: unknown): void {
    connection.failRequest(internalError)
    this.stop(failure, { command: lastCommandName, client: id })
  }

  stop(failure: unknown, fields: LogFields = {}): void {
    const server = this.#server
    const error = failure instanceof Error ? failure : new Error(`thrown: ${String(failure)}`)
    if (this.failure !== undefined) {
      server.log.error('Another internal error while the server stops', { error, ...fields })
      return
    }
    this.failure = error
    this.onStopping()
    server.log.error('Internal error: the server stops. Every acknowledged write is in the log, from which the next start recovers', {
      error,
      ...fields,
    })
    if (server.shard !== undefined) server.maintenance.halt()
    server.rates.stop()
    server.gate.close()
    server.stagedWork.halt()
    for (const session of [...server.sessions.values()]) session.connection.closeAfterReply()
    server.clock.after(stopMsMax, () => this.#end())
    this.#close().then(
      () => this.#end(),
      (cause: Error) => {
        server.log.error('What was open could not be closed', { error: cause })
        this.#end()
      },
    )
  }

  #end(): void {
    if (this.#over) return
    this.#over = true
    this.onStopped()
  }

  /** Commits what was appended, lets its replies leave, and closes everything without another word to the disk. */
  async #close(): Promise<void> {
    const server = this.#server
    const { shard, listener, clock } = server
    const stopped = listener.stopAccepting()
    if (shard !== undefined) {
      const { log } = shard
      log.flush()
      if (server.logFailure === undefined && log.committed < log.appended) await shard.waiters.wait(log.appended).catch(() => undefined)
    }
    server.turn.schedule()
    const until = clock.monotonicMs() + lingerMs
    do await new Promise<void>((resolve) => clock.after(pollMs, resolve))
    while (listener.connections.size > 0 && clock.monotonicMs() < until)
    await stopped
    await listener.close()
    if (shard !== undefined) await closeShard(shard)
  }
}
