/**
 * One run of the simulation, all of it from one seed: clients send random requests to a server whose machine loses power
 * again and again, in the middle of requests, checkpoints and recoveries. What must hold:
 *
 * - each reply is the model's, and reveals only what is committed;
 * - after each crash the state is the model's as of some record, and no reply that anybody saw depends on a later one;
 * - nothing uncommitted is ever written to the cold store;
 * - all keys can be read afterwards, whether hot or cold.
 */
import { Config } from '../../server/config/config.ts'
import type { Sizes } from '../../storage/sizes.ts'
import { defaultSizes } from '../../storage/sizes.ts'
import { EventLoop } from './event-loop.ts'
import { Machine } from './machine.ts'
import { Observer } from './observer.ts'
import { SeededRandom } from './seeded-random.ts'
import { SimulatedClient } from './simulated-client.ts'
import { SimulatedNetwork } from './simulated-network.ts'
import { allKeys, databases, Workload } from './workload.ts'

export interface RunResult {
  readonly seed: number
  readonly failure: Error | undefined
  readonly crashes: number
  /** Crashes before the server served again. */
  readonly crashesInRecovery: number
  readonly commands: number
  readonly records: number
  readonly checkpoints: number
  readonly coldReads: number
  readonly coldWrites: number
  readonly demotions: number
  /** Hash of everything that clients saw, and when. */
  readonly trace: number
}

type Policy = 'always' | 'everysec' | 'no'

export async function simulate(seed: number): Promise<RunResult> {
  const simulation = new Simulation(seed)
  let failure: Error | undefined
  try {
    await simulation.run()
  } catch (caught) {
    failure = caught as Error
  }
  return simulation.result(failure)
}

class Simulation {
  readonly #seed: number
  readonly #loop = new EventLoop()
  readonly #observer = new Observer()
  readonly #workload: Workload
  readonly #network: SimulatedNetwork
  readonly #machine: Machine
  readonly #policy: Policy
  #clients: SimulatedClient[] = []
  /** No reply seen by a client depends on a later record. */
  #seenLsn = 0
  #trace = 0x811c9dc5
  #crashes = 0
  #crashesInRecovery = 0
  #checkpoints = 0
  #coldReads = 0
  #demotions = 0

  constructor(seed: number) {
    this.#seed = seed
    const random = new SeededRandom(seed)
    const workload = new Workload(random)
    this.#workload = workload
    this.#network = new SimulatedNetwork(random, this.#loop.process(), {
      delayMsMax: 1 + workload.below(4),
      pieceBytesMax: workload.pick([50, 20_000]),
    })
    this.#policy = workload.pick<Policy>(['always', 'always', 'always', 'everysec', 'no'])
    const values = this.#values()
    this.#machine = new Machine({
      loop: this.#loop,
      random,
      network: this.#network,
      observer: this.#observer,
      config: () => new Config(values),
      sizes: this.#sizes(),
      diskMsMax: workload.pick([0.1, 1, 5]),
    })
  }

  result(failure: Error | undefined): RunResult {
    const { records, commands, coldWrites } = this.#observer
    return {
      seed: this.#seed,
      failure,
      crashes: this.#crashes,
      crashesInRecovery: this.#crashesInRecovery,
      commands,
      records,
      checkpoints: this.#checkpoints,
      coldReads: this.#coldReads,
      coldWrites,
      demotions: this.#demotions,
      trace: this.#trace,
    }
  }

  async run(): Promise<void> {
    const workload = this.#workload
    for (let life = 2 + workload.below(5); life >= 0; life--) {
      if (life > 0) this.#planCrash()
      if (!(await this.#start())) continue
      await this.#audit()
      if (life > 0) await this.#work(workload.once(4) ? 400 : 60)
      else await this.#audit()
      await this.#end(life === 0 || workload.once(6))
    }
  }

  #values(): Partial<Config['values']> {
    const workload = this.#workload
    return {
      dir: '/data',
      bind: '*',
      appendfsync: this.#policy,
      maxmemory: 1n << 40n,
      'tier-cool-start-percent': 0,
      'tier-drop-percent': workload.pick([0, 0, 100]),
      'tier-min-value-size': workload.pick([0, 32, 200]),
      'tier-promote': workload.pick(['second', 'always', 'never']),
      'tier-compression-min-size': workload.pick([16, 256]),
      'hash-max-listpack-entries': 1 + workload.below(12),
      'hash-max-listpack-value': workload.pick([8, 64]),
      'log-segment-bytes': workload.pick([8192, 16384, 65536]),
      'checkpoint-log-bytes': workload.pick([2000, 20_000, 10_000_000]),
      'checkpoint-interval-seconds': 0,
    } as unknown as Partial<Config['values']>
  }

  #sizes(): Sizes {
    const workload = this.#workload
    if (workload.once(8)) return defaultSizes
    return {
      largeValueBytes: workload.pick([20, 100, 1000, undefined]),
      slicedValueBytes: workload.pick([20, 500, undefined]),
      digestBytes: workload.pick([7, 100, 4096]),
      hashChunkBytes: workload.pick([64, 200, 600]),
      batchBytes: workload.pick([100, 1000, 100_000]),
      batchEntries: workload.pick([1, 3, 4096]),
      coldPieceBytes: workload.pick([100, 300, 2000, 1_000_000]),
      chunksAtOnce: workload.pick([1, 4, 256]),
      chunksPerRound: workload.pick([1, 3, 128]),
      catalogRecordsMin: workload.pick([1, 60, 400]),
      deletesPerBatch: workload.pick([1, 5, 1000]),
    }
  }

  /** At some operation of one of the disks: soon, which is during recovery, or later. */
  #planCrash(): void {
    const workload = this.#workload
    const operations = 1 + workload.below(workload.pick([10, 60, 400, 1500]))
    if (workload.once(5)) this.#machine.coldCrashIn = operations
    else this.#machine.disk.crashAt(this.#machine.disk.operations + operations)
  }

  /** False when power was lost before the server served. */
  async #start(): Promise<boolean> {
    const machine = this.#machine
    await machine.start()
    if (machine.failure !== undefined) throw machine.failure
    if (machine.server === undefined) {
      this.#crashesInRecovery++
      this.#crash()
      return false
    }
    const { log } = machine.server.primary
    if (this.#policy === 'always' && log.appended < this.#seenLsn) {
      throw new Error(`replies of record ${this.#seenLsn} were seen, but the log ends with ${log.appended}`)
    }
    this.#observer.recovered(log.appended)
    this.#observer.attach(machine.server)
    this.#seenLsn = log.appended
    return true
  }

  /** Reads everything there is, and compares. */
  async #audit(): Promise<void> {
    const [client] = await this.#connect(1)
    if (client === undefined) return
    for (let db = 0; db < databases; db++) {
      client.send(['SELECT', `${db}`])
      client.send(['KEYS', '*'])
      client.send(['DBSIZE'])
      for (const key of allKeys) {
        const kind = this.#observer.model.get(db, key)?.kind
        client.send(['TYPE', key])
        client.send(['PTTL', key])
        if (kind === 'hash') {
          client.send(['HLEN', key])
          client.send(['HGETALL', key])
        } else client.send(['GET', key])
      }
    }
    await this.#until(() => client.waiting.length === 0)
    this.#countTier()
    client.destroy()
  }

  async #work(requests: number): Promise<void> {
    const workload = this.#workload
    const clients = await this.#connect(1 + workload.below(4))
    if (clients.length === 0) return
    const depth = workload.pick([1, 4, 30])
    for (let sent = 0; sent < requests && !this.#machine.isOff; sent++) {
      const client = workload.pick(clients)
      await this.#until(() => client.waiting.length < depth)
      for (const words of workload.next()) client.send(words)
      this.#disturb()
      if (workload.once(10)) await this.#pause(workload.below(30))
    }
    await this.#until(() => clients.every(({ waiting }) => waiting.length === 0))
    this.#countTier()
    for (const client of clients) client.destroy()
  }

  /** What operators and load do to a server now and then. */
  #disturb(): void {
    const workload = this.#workload
    const { server } = this.#machine
    if (server === undefined || this.#machine.isOff) return
    if (workload.once(25)) {
      server.maintenance.checkpoint().then(
        () => this.#checkpoints++,
        () => undefined,
      )
    }
    if (workload.once(80)) server.shardSwitch.reopen(workload.once(2)).catch(() => undefined)
    if (server.shard === undefined) return
    const { settings } = server.shard.budget
    if (workload.once(20)) settings.dropPercent = workload.pick([0, 100])
    if (workload.once(40)) {
      settings.throttlePercent = 0
      this.#loop.schedule(workload.below(300), () => {
        settings.throttlePercent = 100
      })
    }
  }

  /** The end of a life: in order, or by the crash that was planned, or by one right now. */
  async #end(inOrder: boolean): Promise<void> {
    const machine = this.#machine
    if (!machine.isOff && inOrder) {
      const appended = this.#observer.log?.appended as number
      await machine.stop()
      if (machine.failure !== undefined) throw machine.failure
      if (!machine.isOff) {
        this.#seenLsn = appended
        this.#requireQuiet()
        return
      }
    }
    this.#crash()
  }

  #crash(): void {
    this.#requireQuiet()
    this.#crashes++
    this.#machine.crash()
    this.#clients = []
  }

  async #connect(count: number): Promise<SimulatedClient[]> {
    const port = this.#machine.server?.port as number
    const clients: SimulatedClient[] = []
    for (let i = 0; i < count; i++) {
      SimulatedClient.connect(this.#network.host(`client ${i}`), this.#observer, port).then(
        (client) => {
          client.onReply = ({ words, raw, lsn }) => this.#seen(words, raw, lsn)
          clients.push(client)
          this.#clients.push(client)
        },
        () => undefined,
      )
    }
    await this.#loop.run(() => this.#machine.isOff || clients.length === count)
    return this.#machine.isOff ? [] : clients
  }

  async #pause(ms: number): Promise<void> {
    let over = false
    this.#loop.schedule(ms, () => {
      over = true
    })
    await this.#until(() => over)
  }

  async #until(done: () => boolean): Promise<void> {
    await this.#loop.run(() => {
      for (const client of this.#clients) if (client.failure !== undefined) throw client.failure
      return this.#machine.isOff || done()
    })
    this.#requireQuiet()
  }

  #seen(words: readonly string[], raw: string, lsn: number): void {
    this.#mix(`${this.#loop.nowMs} ${words[0]} ${raw}`)
    if (lsn > this.#seenLsn) this.#seenLsn = lsn
    const committed = this.#observer.log?.committed ?? 0
    if (lsn > committed) throw new Error(`${words.join(' ').slice(0, 100)} reveals record ${lsn} while ${committed} is committed`)
  }

  /** A server that nothing has failed has nothing to complain about. */
  #requireQuiet(): void {
    const [first] = this.#machine.log.errors
    if (first !== undefined) throw new Error(`the server logged an error: ${first}`)
  }

  #countTier(): void {
    const counts = this.#machine.server?.shard?.primary.tier.counts
    if (counts === undefined) return
    this.#coldReads += counts.coldReads
    this.#demotions += counts.demotions
    counts.coldReads = 0
    counts.demotions = 0
  }

  #mix(text: string): void {
    for (let i = 0; i < text.length; i++) this.#trace = Math.imul(this.#trace ^ text.charCodeAt(i), 0x01000193) >>> 0
  }
}
