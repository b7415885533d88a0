/**
 * Accepts clients: makes a connection of each pipe, refuses those beyond `maxclients` as Redis does, and looks once a
 * second for those that have been silent or have not read for too long. Knows all connections and what they cost.
 */
import { ChunkPool } from '../../engine/chunk-pool.ts'
import type { Clock, Timer } from '../../storage/clock.ts'
import { parserLimits } from '../resp/request-parser.ts'
import type { ConnectionHost, RequestHandler, TrafficCounts } from './connection.ts'
import { Connection } from './connection.ts'
import type { ConnectionLimits } from './connection-limits.ts'
import type { ListeningPort, ListenOptions, Network, Pipe } from './network.ts'
import type { Turn } from './turn.ts'

const sweepMs = 1000
const unlimitedOutput = { hardBytes: 0, softBytes: 0, softMs: 0 }
const refusal = Buffer.from('-ERR max number of clients reached\r\n')

export interface ListenerLimits extends ConnectionLimits {
  /** Most clients at a time (`maxclients`). */
  clientsMax: number
}

/** Redis's defaults, and a pause for clients that do not read. */
export function defaultLimits(): ListenerLimits {
  return {
    ...parserLimits,
    clientsMax: 10000,
    outputPauseBytes: 1024 * 1024,
    output: unlimitedOutput,
    subscriberOutput: unlimitedOutput,
    idleMs: 0,
  }
}

export interface ListenerCounts extends TrafficCounts {
  /** Connections accepted since the start. */
  accepted: number
  /** Connections refused since the start, because there were too many. */
  rejected: number
}

export class Listener implements ConnectionHost {
  readonly counts: ListenerCounts = { accepted: 0, rejected: 0, inputBytes: 0, outputBytes: 0, copyBytes: 0, reads: 0, writes: 0 }
  /** Set by the owner. Told of a client that is closed because the system gives no memory for its request. */
  onMemoryRefused: (connection: Connection) => void = () => undefined
  /** Set by the owner. Told of a client that is closed because it does not read. */
  onOverflow: (connection: Connection) => void = () => undefined
  /** May be changed at any time. */
  readonly limits: ListenerLimits
  readonly pool = new ChunkPool()
  readonly turn: Turn
  readonly open: (connection: Connection) => RequestHandler
  readonly #connections = new Map<number, Connection>()
  readonly #ports: ListeningPort[] = []
  readonly #network: Network
  readonly #clock: Clock
  #lastId = 0
  #sweep: Timer | undefined
  #closing = false

  /** `open` gives each new connection its handler; its connection is not yet reading. */
  constructor(network: Network, turn: Turn, clock: Clock, limits: ListenerLimits, open: (connection: Connection) => RequestHandler) {
    this.#network = network
    this.turn = turn
    this.#clock = clock
    this.limits = limits
    this.open = open
  }

  /** The clients, by id, in the order they came. */
  get connections(): ReadonlyMap<number, Connection> {
    return this.#connections
  }

  /** Memory of all connections' buffers, in bytes. */
  get memoryBytes(): number {
    return this.pool.usedBytes
  }

  /** Listens at one more address. Rejects with the system's error if it cannot. */
  async listen(options: ListenOptions): Promise<ListeningPort> {
    const port = await this.#network.listen(options, (pipe) => this.#accept(pipe))
    this.#ports.push(port)
    if (this.#sweep === undefined) this.#scheduleSweep()
    return port
  }

  /** Listens at one address less; its clients stay. */
  async unlisten(port: ListeningPort): Promise<void> {
    const at = this.#ports.indexOf(port)
    if (at >= 0) this.#ports.splice(at, 1)
    await port.close()
  }

  /** Stops accepting; the clients stay. */
  async stopAccepting(): Promise<void> {
    await Promise.all(this.#ports.splice(0).map((port) => port.close()))
  }

  /** Stops accepting and closes all clients at once. */
  async close(): Promise<void> {
    this.#closing = true
    this.#sweep?.cancel()
    await this.stopAccepting()
    for (const connection of [...this.#connections.values()]) connection.close()
  }

  #accept(pipe: Pipe): void {
    if (this.#closing) {
      pipe.destroy()
      return
    }
    if (this.#connections.size >= this.limits.clientsMax) {
      this.counts.rejected++
      pipe.start(ignoring)
      pipe.write([refusal])
      pipe.end()
      return
    }
    this.counts.accepted++
    this.#lastId++
    const connection = new Connection(this.#lastId, pipe, this)
    this.#connections.set(connection.id, connection)
    connection.start()
  }

  lackedMemory(connection: Connection): void {
    this.onMemoryRefused(connection)
  }

  overflowed(connection: Connection): void {
    this.onOverflow(connection)
  }

  /** A connection is gone: it says so itself. */
  left(connection: Connection): void {
    this.#connections.delete(connection.id)
  }

  #scheduleSweep(): void {
    this.#sweep = this.#clock.after(sweepMs, () => {
      this.turn.tick()
      for (const connection of this.#connections.values()) connection.sweep()
      this.#scheduleSweep()
    })
  }
}

const ignoring = {
  onData: (): void => undefined,
  onDrain: (): void => undefined,
  onEnd: (): void => undefined,
  onClose: (): void => undefined,
}
