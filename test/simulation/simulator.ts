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
import type { Server } from '../../server/server.ts'
import { databases } from './draw.ts'
import { EventLoop } from './event-loop.ts'
import { Journal } from './journal.ts'
import { Machine } from './machine.ts'
import { Observer } from './observer.ts'
import { SeededRandom } from './seeded-random.ts'
import { SimulatedClient } from './simulated-client.ts'
import { SimulatedNetwork } from './simulated-network.ts'
import type { Policy } from './simulator-settings.ts'
import { drawSizes, drawValues } from './simulator-settings.ts'
import { allKeys, types } from './types.ts'
import { library, Workload } from './workload.ts'

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
  /** Requests that have waited and were served. */
  readonly served: number
  /** Scripts that were run again because they met something cold. */
  readonly repeated: number
  /** Hash of everything that clients saw, and when. */
  readonly trace: number
  /** What was done, in order: for a reader of a run that failed. */
  readonly told: readonly string[]
}

/** Keep the streams of one seed apart, and away from those of its neighbours. */
const worldStream = 0x9e3779b1
const settingsStream = 0x3c6ef372

/** From one start of the server to the next: what clients do meanwhile, and how it ends. */
export interface Life {
  /** Chance of the crash, the clients and the end. */
  readonly seed: number
  /** The last life ends in order, after another look at everything. */
  readonly isLast: boolean
  /** Chance of each thing that clients, operators and load do. */
  readonly steps: readonly number[]
}

export interface SimulationOptions {
  /** Instead of the lives that the seed makes: some of those, with some of their steps. */
  readonly lives?: readonly Life[]
  /** Called with each server before clients come: for tests of the simulation, which make it faulty. */
  readonly onServer?: (server: Server) => void
}

/** The lives of a run. Leaving out some of them, or of their steps, changes nothing about what the others draw. */
export function livesOf(seed: number): Life[] {
  const random = new SeededRandom(seed)
  const lives: Life[] = []
  for (let left = 2 + random.below(5); left >= 0; left--) {
    const steps = left === 0 ? 0 : random.once(4) ? 400 : 60
    lives.push({ seed: random.nextUint32(), isLast: left === 0, steps: Array.from({ length: steps }, () => random.nextUint32()) })
  }
  return lives
}

export async function simulate(seed: number, options: SimulationOptions = {}): Promise<RunResult> {
  const simulation = new Simulation(seed, options)
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
  readonly #options: SimulationOptions
  readonly #journal = new Journal()
  readonly #loop = new EventLoop()
  readonly #observer = new Observer()
  readonly #workload: Workload
  readonly #network: SimulatedNetwork
  readonly #machine: Machine
  readonly #policy: Policy
  #clients: SimulatedClient[] = []
  /** No reply seen by a client depends on a later record. */
  #seenLsn = 0
  #crashes = 0
  #crashesInRecovery = 0
  #checkpoints = 0
  #coldReads = 0
  #demotions = 0

  constructor(seed: number, options: SimulationOptions) {
    this.#seed = seed
    this.#options = options
    // The world's chance, and the workload's: the one is drawn from at other times when steps are left out.
    const random = new SeededRandom(seed + worldStream)
    const workload = new Workload(new SeededRandom(seed + settingsStream))
    const { draw } = workload
    this.#workload = workload
    this.#network = new SimulatedNetwork(random, this.#loop.process(), {
      delayMsMax: 1 + draw.below(4),
      pieceBytesMax: draw.pick([50, 20_000]),
    })
    this.#policy = draw.pick<Policy>(['always', 'always', 'always', 'everysec', 'no'])
    const values = drawValues(draw, this.#policy)
    this.#machine = new Machine({
      loop: this.#loop,
      random,
      network: this.#network,
      observer: this.#observer,
      config: () => new Config(values),
      sizes: drawSizes(draw),
      diskMsMax: draw.pick([0.1, 1, 5]),
    })
  }

  result(failure: Error | undefined): RunResult {
    const { records, commands, coldWrites, served, repeated } = this.#observer
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
      served,
      repeated,
      trace: this.#journal.trace,
      told: this.#journal.told,
    }
  }

  async run(): Promise<void> {
    const { draw } = this.#workload
    for (const life of this.#options.lives ?? livesOf(this.#seed)) {
      const random = new SeededRandom(life.seed)
      draw.random = random
      if (!life.isLast) this.#planCrash()
      if (!(await this.#start())) continue
      await this.#loadLibrary()
      await this.#audit()
      if (life.isLast) await this.#audit()
      else await this.#work(life.steps)
      draw.random = random
      await this.#end(life.isLast || draw.once(6))
    }
  }

  /** At some operation of one of the disks: soon, which is during recovery, or later. */
  #planCrash(): void {
    const { draw } = this.#workload
    const operations = 1 + draw.below(draw.pick([10, 60, 400, 1500]))
    const isCold = draw.once(5)
    this.#journal.tell(`power will fail at operation ${operations} of the ${isCold ? 'cold store' : 'disk'}`)
    if (isCold) this.#machine.coldCrashIn = operations
    else this.#machine.disk.crashAt(this.#machine.disk.operations + operations)
  }

  /** False when power was lost before the server served. */
  async #start(): Promise<boolean> {
    const machine = this.#machine
    await machine.start()
    if (machine.failure !== undefined) throw machine.failure
    if (machine.server === undefined) {
      this.#journal.tell('power fails during recovery')
      this.#crashesInRecovery++
      this.#crash()
      return false
    }
    const { log } = machine.server.primary
    if (this.#policy === 'always' && log.appended < this.#seenLsn) {
      throw new Error(`replies of record ${this.#seenLsn} were seen, but the log ends with ${log.appended}`)
    }
    this.#journal.tell(`the server has recovered to record ${log.appended}`)
    this.#observer.recovered(log.appended)
    this.#options.onServer?.(machine.server)
    this.#observer.attach(machine.server)
    this.#seenLsn = log.appended
    return true
  }

  /** The functions that clients call; once their record is durable they are there. */
  async #loadLibrary(): Promise<void> {
    const { libraryLsn } = this.#observer
    if (libraryLsn > 0 && libraryLsn <= this.#seenLsn) return
    const [client] = await this.#connect(1)
    if (client === undefined) return
    client.send(['FUNCTION', 'LOAD', 'REPLACE', library])
    await this.#until(() => client.waiting.length === 0)
    client.destroy()
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
        // Of what is not there, that is enough.
        const type = types.find((each) => each.kind === kind)
        if (type === undefined) continue
        client.send(['PTTL', key])
        for (const words of type.reads(key)) client.send(words)
      }
    }
    await this.#until(() => client.waiting.length === 0)
    this.#countTier()
    client.destroy()
  }

  async #work(steps: readonly number[]): Promise<void> {
    const { draw } = this.#workload
    const count = 1 + draw.below(4)
    const depth = draw.pick([1, 4, 30])
    const clients = await this.#connect(count)
    if (clients.length === 0) return
    for (const step of steps) {
      if (this.#machine.isOff) break
      draw.random = new SeededRandom(step)
      const first = draw.below(clients.length)
      // One that waits for others is passed over.
      const free = (): number =>
        clients.findIndex((_, i) => (clients[(first + i) % clients.length] as SimulatedClient).waiting.length < depth)
      await this.#until(() => free() >= 0)
      const at = (first + Math.max(0, free())) % clients.length
      const client = clients[at] as SimulatedClient
      for (const words of this.#workload.next()) {
        this.#journal.tell(`client ${at}: ${words.join(' ')}`)
        client.send(words)
      }
      this.#disturb()
      if (draw.once(10)) await this.#pause(draw.below(30))
    }
    await this.#until(() => clients.every(({ waiting }) => waiting.length === 0))
    this.#countTier()
    for (const client of clients) client.destroy()
  }

  /** What operators and load do to a server now and then. */
  #disturb(): void {
    const { draw } = this.#workload
    const { server } = this.#machine
    if (server === undefined || this.#machine.isOff) return
    if (draw.once(25)) {
      this.#journal.tell('checkpoint')
      server.maintenance.checkpoint().then(
        () => this.#checkpoints++,
        () => undefined,
      )
    }
    if (draw.once(80)) server.shardSwitch.reopen(draw.once(2)).catch(() => undefined)
    if (server.shard === undefined) return
    const { settings } = server.shard.budget
    if (draw.once(20)) settings.dropPercent = draw.pick([0, 100])
    if (draw.once(40)) {
      settings.throttlePercent = 0
      this.#loop.schedule(draw.below(300), () => {
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
    this.#journal.tell('power is lost')
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
      this.#requireQuiet()
      for (const client of this.#clients) if (client.failure !== undefined) throw client.failure
      return this.#machine.isOff || done()
    })
    this.#requireQuiet()
  }

  #seen(words: readonly string[], raw: string, lsn: number): void {
    this.#journal.seen(`${this.#loop.nowMs} ${words[0]} ${raw}`)
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
}
