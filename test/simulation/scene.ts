/** A simulated server for stories: one machine, clients that ask one thing at a time, and everything checked against the model beside it. */
import { Config } from '../../server/config/config.ts'
import type { Pipe, PipeOwner } from '../../server/network/network.ts'
import type { Server } from '../../server/server.ts'
import type { Sizes } from '../../storage/sizes.ts'
import { defaultSizes } from '../../storage/sizes.ts'
import { RespDecoder } from '../commands/resp-decoder.ts'
import { EventLoop } from './event-loop.ts'
import { Machine } from './machine.ts'
import { Observer } from './observer.ts'
import { SeededRandom } from './seeded-random.ts'
import { SimulatedClient } from './simulated-client.ts'
import { SimulatedNetwork } from './simulated-network.ts'

export interface SceneOptions {
  readonly config?: Readonly<Record<string, unknown>>
  readonly sizes?: Partial<Sizes>
  readonly diskMsMax?: number
  /** The network cuts what it carries into pieces of at most so many bytes. */
  readonly pieceBytesMax?: number
}

export class Scene {
  readonly loop = new EventLoop()
  readonly observer = new Observer()
  readonly machine: Machine
  /** What the next start reads; may be changed. */
  readonly config: Record<string, unknown>
  readonly #network: SimulatedNetwork

  constructor(seed: number, options: SceneOptions = {}) {
    const random = new SeededRandom(seed)
    this.#network = new SimulatedNetwork(random, this.loop.process(), {
      delayMsMax: 1,
      ...(options.pieceBytesMax === undefined ? {} : { pieceBytesMax: options.pieceBytesMax }),
    })
    this.config = {
      dir: '/data',
      bind: '*',
      maxmemory: 1n << 40n,
      'log-segment-bytes': 65536,
      'checkpoint-interval-seconds': 0,
      ...options.config,
    }
    this.machine = new Machine({
      loop: this.loop,
      random,
      network: this.#network,
      observer: this.observer,
      config: () => new Config(this.config as unknown as Partial<Config['values']>),
      sizes: { ...defaultSizes, ...options.sizes },
      diskMsMax: options.diskMsMax ?? 1,
    })
  }

  get server(): Server {
    return this.machine.server as Server
  }

  /** Starts the server on what the machine's disks hold. Rejects when it refuses. */
  async start(): Promise<void> {
    await this.machine.start()
    if (this.machine.failure !== undefined) throw this.machine.failure
    this.observer.recovered(this.server.primary.log.appended)
    this.observer.attach(this.server)
  }

  /** As `start` for commands that the model does not know: nothing is checked, and clients are `plainClient`s. */
  async startUnobserved(): Promise<void> {
    await this.machine.start()
    if (this.machine.failure !== undefined) throw this.machine.failure
  }

  /** A connection of a client, not yet started. */
  pipe(): Promise<Pipe> {
    return this.settled(this.#network.host('client').connect({ host: 'server', port: this.server.port }))
  }

  /** A client that takes every reply as it is. */
  async plainClient(): Promise<PlainClient> {
    return new PlainClient(this, await this.pipe())
  }

  /** Cuts the power and starts again. */
  async crashAndStart(): Promise<void> {
    this.machine.crash()
    await this.start()
  }

  async client(): Promise<SceneClient> {
    let client: SimulatedClient | undefined
    SimulatedClient.connect(this.#network.host('client'), this.observer, this.server.port).then(
      (made) => {
        client = made
      },
      () => undefined,
    )
    await this.loop.run(() => client !== undefined)
    return new SceneClient(this, client as unknown as SimulatedClient)
  }

  async checkpoint(): Promise<void> {
    await this.settled(this.server.maintenance.checkpoint())
  }

  settled<T>(promise: Promise<T>): Promise<T> {
    return this.loop.settled(promise)
  }

  pass(ms: number): Promise<void> {
    return this.loop.pass(ms)
  }
}

export class PlainClient implements PipeOwner {
  closed = false
  readonly #scene: { readonly loop: EventLoop }
  readonly #pipe: Pipe
  readonly #decoder = new RespDecoder()
  #reply: string | undefined

  constructor(scene: { readonly loop: EventLoop }, pipe: Pipe) {
    this.#scene = scene
    this.#pipe = pipe
    pipe.start(this)
  }

  /** Sends a request and returns the reply's bytes as text, or `closed` when the server closed the connection instead. */
  async ask(...words: string[]): Promise<string> {
    this.send(...words)
    return this.receive()
  }

  send(...words: string[]): void {
    this.sendTogether(words)
  }

  /** Several requests at once, which arrive in one piece unless the network cuts them. */
  sendTogether(...requests: string[][]): void {
    const texts = requests.map((words) => `*${words.length}\r\n${words.map((word) => `$${word.length}\r\n${word}\r\n`).join('')}`)
    this.#pipe.write([Buffer.from(texts.join(''), 'latin1')])
  }

  /** Closes the connection at once. */
  leave(): void {
    this.#pipe.destroy()
  }

  /** Whether a reply has come that nobody has received. */
  get hasReply(): boolean {
    this.#reply ??= this.#decoder.next()?.raw.toString('latin1')
    return this.#reply !== undefined
  }

  /** The next reply's bytes as text, or `closed`. */
  async receive(): Promise<string> {
    await this.#scene.loop.run(() => this.hasReply || this.closed)
    const reply = this.#reply
    this.#reply = undefined
    return reply ?? 'closed'
  }

  onData(bytes: Buffer, start: number, end: number): void {
    this.#decoder.push(bytes.subarray(start, end))
  }

  onDrain(): void {}

  onEnd(): void {
    this.#pipe.end()
  }

  onClose(): void {
    this.closed = true
  }
}

export class SceneClient {
  readonly raw: SimulatedClient
  readonly #scene: Scene
  #last = ''

  constructor(scene: Scene, raw: SimulatedClient) {
    this.#scene = scene
    this.raw = raw
    raw.onReply = ({ raw: reply }) => {
      this.#last = reply
    }
  }

  /** Sends a request and returns the reply's bytes as text, or `closed` when the server closed the connection instead. */
  async ask(...words: string[]): Promise<string> {
    this.send(...words)
    const { raw } = this
    await this.#scene.loop.run(() => raw.waiting.length === 0 || raw.closed || raw.failure !== undefined)
    if (raw.failure !== undefined) throw raw.failure
    return raw.waiting.length > 0 ? 'closed' : this.#last
  }

  send(...words: string[]): void {
    this.raw.send(words)
  }
}
