/**
 * The network in memory, from one seed: bytes are delayed, cut anywhere, and kept in order, as TCP does. Hosts have names.
 * Between two hosts the line can be cut (bytes wait, as TCP sends them again, and new connections time out), and a host can
 * crash: loudly, so that its peers see a reset, or silently, so that they keep half-open pipes and never hear of it. Or its process is
 * stopped: its system goes on taking bytes and connections, and the process hears of all that when it goes on.
 *
 * What was written and not delivered counts against a buffer per direction; beyond it the writer waits for a drain.
 */
import type { Random } from '../../engine/random.ts'
import type { ConnectOptions, ListeningPort, ListenOptions, Network, Pipe, PipeOwner } from '../../server/network/network.ts'
import type { Clock } from '../../storage/clock.ts'

export interface SimulatedNetworkOptions {
  /** Longest delay of a piece of bytes, in milliseconds. */
  readonly delayMsMax: number
  /** Longest piece delivered at a time. */
  readonly pieceBytesMax: number
  /** What the two systems' buffers take between a writer and a reader. */
  readonly bufferBytes: number
  /** After how long a connection attempt over a cut line fails. */
  readonly connectTimeoutMs: number
}

const defaults: SimulatedNetworkOptions = { delayMsMax: 5, pieceBytesMax: 20_000, bufferBytes: 64 * 1024, connectTimeoutMs: 5_000 }

interface Listening {
  readonly host: string
  readonly key: string
  readonly onPipe: (pipe: Pipe) => void
}

export class SimulatedNetwork {
  readonly options: SimulatedNetworkOptions
  readonly clock: Clock
  readonly #random: Random
  readonly #listening = new Map<string, Listening>()
  readonly #cut = new Set<string>()
  readonly #pipes = new Set<SimulatedPipe>()
  /** Hosts whose process is stopped, with what it will hear when it goes on. */
  readonly #stopped = new Map<string, (() => void)[]>()
  /** Set by the owner. Called whenever a host sends something. */
  onWrite: (host: string) => void = () => undefined
  #lastPort = 49_151

  constructor(random: Random, clock: Clock, options: Partial<SimulatedNetworkOptions> = {}) {
    this.#random = random
    this.clock = clock
    this.options = { ...defaults, ...options }
  }

  /** The network as the host `name` sees it. */
  host(name: string): Network {
    return {
      listen: async (options, onPipe) => this.#listen(name, options, onPipe),
      connect: (options) => this.#connect(name, options),
    }
  }

  /** Cuts the line between two hosts. */
  partition(one: string, other: string): void {
    this.#cut.add(lineOf(one, other))
  }

  heal(one: string, other: string): void {
    this.#cut.delete(lineOf(one, other))
    for (const pipe of this.#pipes) pipe.deliverSoon()
  }

  /** The host stops: its pipes and ports are gone, unheard by its own code. Its peers see a reset unless it is silent. */
  crash(host: string, silent = false): void {
    for (const [key, listening] of this.#listening) if (listening.host === host) this.#listening.delete(key)
    this.#stopped.delete(host)
    for (const pipe of [...this.#pipes]) if (pipe.host === host) pipe.vanish(silent)
  }

  stop(host: string): void {
    if (!this.#stopped.has(host)) this.#stopped.set(host, [])
  }

  goOn(host: string): void {
    const heard = this.#stopped.get(host) ?? []
    this.#stopped.delete(host)
    for (const work of heard) this.clock.after(0, work)
    for (const pipe of this.#pipes) pipe.deliverSoon()
  }

  isStopped(host: string): boolean {
    return this.#stopped.has(host)
  }

  /** Lets the process of a host hear something. */
  tell(host: string, work: () => void): void {
    const heard = this.#stopped.get(host)
    if (heard === undefined) work()
    else heard.push(work)
  }

  isCut(one: string, other: string): boolean {
    return this.#cut.has(lineOf(one, other))
  }

  /** A number from 1 to `max`. */
  upTo(max: number): number {
    return 1 + (this.#random.nextUint32() % max)
  }

  forget(pipe: SimulatedPipe): void {
    this.#pipes.delete(pipe)
  }

  #listen(host: string, options: ListenOptions, onPipe: (pipe: Pipe) => void): ListeningPort {
    const port = options.path === undefined ? options.port || this.#nextPort() : 0
    const address = options.path ?? `${host}:${port}`
    const key = options.path === undefined ? address : `${host} ${address}`
    if (this.#listening.has(key)) throw systemError('EADDRINUSE', 'listen', address)
    const listening = { host, key, onPipe }
    this.#listening.set(key, listening)
    return {
      address,
      port,
      close: async () => {
        if (this.#listening.get(key) === listening) this.#listening.delete(key)
      },
    }
  }

  #connect(host: string, options: ConnectOptions): Promise<Pipe> {
    const target = options.path === undefined ? (options.host ?? host) : host
    const key = options.path === undefined ? `${target}:${options.port ?? 0}` : `${host} ${options.path}`
    return new Promise((resolve, reject) => {
      if (this.isCut(host, target)) {
        this.clock.after(this.options.connectTimeoutMs, () => reject(systemError('ETIMEDOUT', 'connect', key)))
        return
      }
      this.clock.after(this.upTo(this.options.delayMsMax), () => {
        const listening = this.#listening.get(key)
        if (listening === undefined) {
          reject(systemError('ECONNREFUSED', 'connect', key))
          return
        }
        const local = options.path === undefined ? `${host}:${this.#nextPort()}` : `${options.path}:0`
        const remote = options.path === undefined ? key : `${options.path}:0`
        const near = new SimulatedPipe(this, host, local, remote)
        const far = new SimulatedPipe(this, target, remote, local)
        near.join(far)
        far.join(near)
        this.#pipes.add(near).add(far)
        resolve(near)
        this.tell(target, () => listening.onPipe(far))
      })
    })
  }

  #nextPort(): number {
    this.#lastPort++
    return this.#lastPort
  }
}

function lineOf(one: string, other: string): string {
  return one < other ? `${one} ${other}` : `${other} ${one}`
}

function systemError(code: string, call: string, address: string): Error {
  return Object.assign(new Error(`${call} ${code} ${address}`), { code })
}

export class SimulatedPipe implements Pipe {
  readonly host: string
  readonly remoteAddress: string
  readonly localAddress: string
  readonly #network: SimulatedNetwork
  #peer: SimulatedPipe | undefined
  #owner: PipeOwner | undefined
  /** Bytes on their way to the peer. */
  #outgoing: Buffer[] = []
  #outgoingBytes = 0
  #draining = false
  /** The last byte is followed by an end. */
  #ending = false
  #endDelivered = false
  #delivering = false
  #paused = false
  #closed = false

  constructor(network: SimulatedNetwork, host: string, localAddress: string, remoteAddress: string) {
    this.#network = network
    this.host = host
    this.localAddress = localAddress
    this.remoteAddress = remoteAddress
  }

  get pendingBytes(): number {
    return this.#closed ? 0 : Math.max(0, this.#outgoingBytes - this.#network.options.bufferBytes)
  }

  join(peer: SimulatedPipe): void {
    this.#peer = peer
  }

  start(owner: PipeOwner): void {
    this.#owner = owner
    this.#peer?.deliverSoon()
  }

  write(views: readonly Uint8Array[]): boolean {
    if (this.#closed || this.#ending) return true
    this.#network.onWrite(this.host)
    for (const view of views) {
      this.#outgoing.push(Buffer.from(view))
      this.#outgoingBytes += view.length
    }
    this.deliverSoon()
    this.#draining = this.pendingBytes > 0
    return !this.#draining
  }

  pause(): void {
    this.#paused = true
  }

  resume(): void {
    this.#paused = false
    this.#peer?.deliverSoon()
  }

  end(): void {
    if (this.#closed || this.#ending) return
    this.#ending = true
    this.deliverSoon()
    if (this.pendingBytes === 0) this.#network.clock.after(0, () => this.#close(undefined))
  }

  /** What the system has taken is still delivered; what it has not is lost. */
  destroy(): void {
    if (this.#closed) return
    while (this.pendingBytes > 0) {
      const last = this.#outgoing.pop()!
      const kept = last.subarray(0, Math.max(0, last.length - this.pendingBytes))
      this.#outgoingBytes -= last.length - kept.length
      if (kept.length > 0) this.#outgoing.push(kept)
    }
    this.#ending = true
    this.deliverSoon()
    this.#network.clock.after(0, () => this.#close(undefined))
  }

  /** The host crashed: its code hears nothing more. */
  vanish(silent: boolean): void {
    const peer = this.#peer
    this.#owner = undefined
    this.#outgoing = []
    this.#outgoingBytes = 0
    this.#closed = true
    this.#network.forget(this)
    if (!silent && peer !== undefined) this.#network.clock.after(this.#network.upTo(this.#network.options.delayMsMax), () => peer.reset())
  }

  /** The other side is gone, or refuses what was sent to it. */
  reset(): void {
    this.#close('ECONNRESET')
  }

  /** Schedules the delivery of the next piece to the peer, if there is one and nothing stands in the way. */
  deliverSoon(): void {
    if (this.#delivering || (this.#outgoing.length === 0 && (!this.#ending || this.#endDelivered))) return
    this.#delivering = true
    this.#network.clock.after(this.#network.upTo(this.#network.options.delayMsMax), () => {
      this.#delivering = false
      this.#deliver()
    })
  }

  #deliver(): void {
    const peer = this.#peer
    if (peer === undefined || this.#network.isCut(this.host, peer.host) || this.#network.isStopped(peer.host)) return
    if (peer.#closed) {
      if (this.#outgoing.length > 0 && peer.#owner !== undefined) this.reset()
      return
    }
    if (peer.#owner === undefined || peer.#paused) return
    const first = this.#outgoing[0]
    if (first === undefined) {
      if (this.#ending && !this.#endDelivered) {
        this.#endDelivered = true
        peer.#owner.onEnd()
      }
      return
    }
    const length = Math.min(first.length, this.#network.upTo(this.#network.options.pieceBytesMax))
    if (length === first.length) this.#outgoing.shift()
    else this.#outgoing[0] = first.subarray(length)
    this.#outgoingBytes -= length
    if (length > 0) {
      const lent = Buffer.from(first.subarray(0, length))
      peer.#owner.onData(lent, 0, length)
      lent.fill(0xdb)
    }
    if (this.pendingBytes === 0) this.#drained()
    this.deliverSoon()
  }

  #drained(): void {
    if (this.#closed) return
    if (this.#ending) {
      this.#network.clock.after(0, () => this.#close(undefined))
    } else if (this.#draining) {
      this.#draining = false
      this.#network.tell(this.host, () => this.#owner?.onDrain())
    }
  }

  #close(failure: string | undefined): void {
    if (this.#closed) return
    this.#closed = true
    if (failure !== undefined) {
      this.#outgoing = []
      this.#outgoingBytes = 0
    }
    this.#peer?.deliverSoon()
    if (this.#outgoing.length === 0 && this.#endDelivered) this.#network.forget(this)
    this.#network.tell(this.host, () => this.#owner?.onClose(failure))
  }
}
