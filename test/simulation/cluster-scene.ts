/** Several simulated nodes that share one log, for stories of replicas and fail-over. */
import { Config } from '../../server/config/config.ts'
import type { Server } from '../../server/server.ts'
import type { Sizes } from '../../storage/sizes.ts'
import { defaultSizes } from '../../storage/sizes.ts'
import { MemoryLogDisk } from '../../wal/memory-log-disk.ts'
import { EventLoop } from './event-loop.ts'
import { Machine } from './machine.ts'
import { Observer } from './observer.ts'
import { PlainClient } from './scene.ts'
import { SeededRandom } from './seeded-random.ts'
import { SimulatedNetwork } from './simulated-network.ts'

export interface ClusterOptions {
  readonly nodes?: number
  readonly config?: Readonly<Record<string, unknown>>
  readonly sizes?: Partial<Sizes>
}

export class ClusterScene {
  readonly loop = new EventLoop()
  readonly logDisk = new MemoryLogDisk()
  readonly machines: readonly Machine[]
  readonly network: SimulatedNetwork
  /** Settings of machines that are started from now on. */
  readonly values: Record<string, unknown>

  constructor(seed: number, options: ClusterOptions = {}) {
    const random = new SeededRandom(seed)
    this.network = new SimulatedNetwork(random, this.loop.process(), { delayMsMax: 1 })
    this.values = { dir: '/data', bind: '*', log: 'etcd', maxmemory: 1n << 40n, 'checkpoint-interval-seconds': 0, ...options.config }
    this.machines = Array.from({ length: options.nodes ?? 3 }, (_, i) => {
      const values = (): Record<string, unknown> => ({ ...this.values, 'replica-announce-ip': `node${i}` })
      return new Machine({
        name: `node${i}`,
        sharedLog: this.logDisk,
        loop: this.loop,
        random: new SeededRandom(seed * 31 + i + 1),
        network: this.network,
        observer: new Observer(),
        config: () => new Config(values() as unknown as Partial<Config['values']>),
        sizes: { ...defaultSizes, ...options.sizes },
        diskMsMax: 1,
      })
    })
  }

  async start(): Promise<void> {
    for (const machine of this.machines) await this.startNode(machine)
  }

  async startNode(machine: Machine): Promise<void> {
    await machine.start()
    if (machine.failure !== undefined) throw machine.failure
  }

  /** The machines whose server takes itself for the primary and may answer. */
  get primaries(): Machine[] {
    return this.machines.filter(({ server }) => server?.roles.role === 'primary' && server.shard !== undefined)
  }

  /** Waits until there is one, and returns it. */
  async primary(): Promise<Machine> {
    await this.loop.run(() => this.primaries.length === 1)
    return this.primaries[0] as Machine
  }

  async primaryOtherThan(former: Machine): Promise<Machine> {
    await this.loop.run(() => this.primaries.some((machine) => machine !== former))
    return this.primaries.find((machine) => machine !== former) as Machine
  }

  get replicas(): Machine[] {
    return this.machines.filter(({ server }) => server?.roles.role === 'replica')
  }

  async client(machine: Machine): Promise<PlainClient> {
    const server = machine.server as Server
    const connecting = this.network.host('client').connect({ host: machine.name, port: server.port })
    return new PlainClient(this, await this.settled(connecting))
  }

  settled<T>(promise: Promise<T>): Promise<T> {
    return this.loop.settled(promise)
  }

  pass(ms: number): Promise<void> {
    return this.loop.pass(ms)
  }

  /** Waits until all nodes that run have applied what is committed. */
  async caughtUp(): Promise<void> {
    await this.loop.run(() => this.replicas.every(({ server }) => server?.shard?.replay.applied === this.logDisk.committed))
  }
}
