/**
 * Clients of a cluster. One of the primary goes from node to node until a write is accepted, and stays until it is closed: what it is
 * answered from then on counts as the primary's. One of a replica reads wherever it is.
 */
import type { Pipe } from '../../server/network/network.ts'
import { RespDecoder } from '../commands/resp-decoder.ts'
import type { ClusterHistory } from './cluster-history.ts'
import { recordedDatabase, recordedLists } from './cluster-history.ts'
import type { EventLoop } from './event-loop.ts'
import type { Machine } from './machine.ts'
import { bulks } from './model-replies.ts'
import type { Observer } from './observer.ts'
import { SimulatedClient } from './simulated-client.ts'
import type { SimulatedNetwork } from './simulated-network.ts'

export const port = 6379
const nextTryMs = 30
const patienceMs = 1500

export interface ClientSurroundings {
  readonly loop: EventLoop
  readonly network: SimulatedNetwork
  readonly history: ClusterHistory
  readonly machines: readonly Machine[]
  observerOf(machine: Machine): Observer
  /** Everything that clients see, for the trace. */
  seen(text: string): void
}

export class PrimaryClient {
  readonly name: string
  raw: SimulatedClient | undefined
  isReady = false
  readonly #around: ClientSurroundings
  readonly #records: boolean
  /** Takes the replies to recorded operations, in order. */
  #pending: (((reply: string) => void) | undefined)[] = []
  #node: number

  constructor(name: string, around: ClientSurroundings, node: number, records: boolean) {
    this.name = name
    this.#around = around
    this.#node = node
    this.#records = records
    this.#connect()
  }

  get waiting(): number {
    return this.raw?.waiting.length ?? 0
  }

  get failure(): Error | undefined {
    return this.raw?.failure
  }

  send(words: readonly string[]): void {
    const raw = this.raw as SimulatedClient
    this.#pending.push(this.#records ? this.#around.history.begin(words) : undefined)
    raw.send(words)
  }

  /** Goes elsewhere if it is at this node. */
  leave(machine: Machine): void {
    if (this.raw !== undefined && this.#around.machines[this.#node] === machine) this.reconnect()
  }

  /** Gives up this connection and looks for the primary anew. */
  reconnect(): void {
    const { raw } = this
    this.raw = undefined
    this.isReady = false
    this.#pending = []
    raw?.destroy()
    this.#node = (this.#node + 1) % this.#around.machines.length
    this.#around.loop.schedule(nextTryMs, () => this.#connect())
  }

  #connect(): void {
    if (this.raw !== undefined) return
    const { network, machines } = this.#around
    const machine = machines[this.#node] as Machine
    SimulatedClient.connect(network.host(this.name), this.#around.observerOf(machine), port, machine.name).then(
      (raw) => {
        if (this.raw === undefined) this.#prove(raw, machine)
        else raw.destroy()
      },
      () => this.reconnect(),
    )
  }

  #prove(raw: SimulatedClient, machine: Machine): void {
    this.raw = raw
    raw.tolerated.add('-')
    raw.onReply = ({ words, raw: reply, lsn, epoch }) => {
      if (this.raw !== raw) return
      if (!this.isReady) {
        if (reply.startsWith('-')) this.reconnect()
        else this.#isPrimary(raw)
        return
      }
      this.#around.seen(`${this.name} ${machine.name} ${words[0]} ${reply}`)
      this.#around.history.requireCommitted(lsn, epoch, words)
    }
    raw.onClose = () => {
      if (this.raw === raw) this.reconnect()
    }
    raw.onAnswer = (reply) => {
      if (this.raw === raw && this.isReady) this.#pending.shift()?.(reply)
    }
    raw.send(['SELECT', `${recordedDatabase}`])
    raw.send(['SET', `proof of ${this.name}`, '<0>'])
    // A server that is stopped, or a line that is cut, does not say so.
    this.#around.loop.schedule(patienceMs, () => {
      if (this.raw === raw && !this.isReady) this.reconnect()
    })
  }

  #isPrimary(raw: SimulatedClient): void {
    raw.tolerated.clear()
    this.isReady = true
    if (!this.#records) this.send(['SELECT', '0'])
  }
}

export class ReplicaReader {
  readonly #around: ClientSurroundings
  readonly #name: string
  #pipe: Pipe | undefined
  #asked: string[] = []
  /** What this connection has shown: a replica never goes back. */
  #lengths = new Map<string, number>()
  failure: Error | undefined

  constructor(name: string, around: ClientSurroundings) {
    this.#name = name
    this.#around = around
  }

  /** Asks the node where it is, or goes to this one. */
  read(machine: Machine, key: string): void {
    const pipe = this.#pipe
    if (pipe === undefined) {
      this.#connect(machine)
      return
    }
    if (this.#asked.length > 4) {
      this.leave()
      return
    }
    this.#asked.push(key)
    pipe.write([Buffer.from(`SELECT ${recordedDatabase}\r\nLRANGE ${key} 0 -1\r\n`)])
  }

  leave(): void {
    this.#pipe?.destroy()
    this.#pipe = undefined
  }

  #connect(machine: Machine): void {
    const decoder = new RespDecoder()
    const asked: string[] = []
    const lengths = new Map<string, number>()
    this.#around.network
      .host(this.#name)
      .connect({ host: machine.name, port })
      .then(
        (pipe) => {
          this.leave()
          this.#pipe = pipe
          this.#asked = asked
          this.#lengths = lengths
          pipe.start({
            onData: (bytes, start, end) => {
              decoder.push(bytes.subarray(start, end))
              for (let found = decoder.next(); found !== undefined; found = decoder.next())
                this.#reply(machine, found.raw.toString('latin1'))
            },
            onDrain: () => undefined,
            onEnd: () => pipe.end(),
            onClose: () => {
              if (this.#pipe === pipe) this.#pipe = undefined
            },
          })
        },
        () => undefined,
      )
  }

  #reply(machine: Machine, raw: string): void {
    if (!raw.startsWith('*')) {
      if (raw.startsWith('-')) this.leave()
      return
    }
    const key = this.#asked.shift() as string
    const elements = bulks(raw)
    this.#around.seen(`${this.#name} ${machine.name} ${elements.length}`)
    if (elements.length < (this.#lengths.get(key) ?? 0)) {
      this.failure ??= new Error(`${machine.name} has shown ${this.#lengths.get(key)} elements of ${key}, and then ${elements.length}`)
    }
    this.#lengths.set(key, elements.length)
    this.#around.history.replicaShowed(key, elements, machine.name)
  }
}

export const readKeys: readonly string[] = recordedLists
