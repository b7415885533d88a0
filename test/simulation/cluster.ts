/**
 * One run of the simulation of several nodes that share a log, all of it from one seed: clients send random requests to whoever
 * is the primary, and read from replicas, while nodes crash, stop and are cut off. What must hold:
 *
 * - what a primary answers is the model's, and reveals only what is committed, for good;
 * - a node answers as a primary only while no other one has claimed the log;
 * - the operations on each of some keys are linearizable;
 * - replicas show what has been committed, in its order, and never go back;
 * - when everything works again there is a primary soon, all keys are there, and all nodes hold the same.
 */
import { Config } from '../../server/config/config.ts'
import type { Server } from '../../server/server.ts'
import { datasetDigest } from '../../server/shard/dataset-digest.ts'
import { defaultSizes } from '../../storage/sizes.ts'
import type { ClientSurroundings } from './cluster-client.ts'
import { PrimaryClient, port, ReplicaReader, readKeys } from './cluster-client.ts'
import type { ClusterNode } from './cluster-faults.ts'
import { ClusterFaults } from './cluster-faults.ts'
import { ClusterHistory, recordedLists, recordedStrings } from './cluster-history.ts'
import type { Draw } from './draw.ts'
import { databases } from './draw.ts'
import { EventLoop } from './event-loop.ts'
import { LogLink } from './log-link.ts'
import { Machine } from './machine.ts'
import { Observer } from './observer.ts'
import { SeededRandom } from './seeded-random.ts'
import { LogEngine } from './shared-log-engine.ts'
import { SimulatedNetwork } from './simulated-network.ts'
import { openSimulatedLog } from './simulated-shared-log.ts'
import { allKeys, types } from './types.ts'
import { library, Workload } from './workload.ts'

export interface ClusterResult {
  readonly seed: number
  readonly failure: Error | undefined
  readonly epochs: number
  readonly records: number
  readonly commands: number
  readonly operations: number
  readonly faults: Readonly<Record<string, number>>
  /** Hash of everything that clients saw, and when. */
  readonly trace: number
  readonly told: readonly string[]
}

export interface ClusterOptions {
  /** Instead of the steps that the seed makes: some of those. */
  readonly steps?: readonly number[]
  /** Called with each server that has started: for tests of the simulation, which make it faulty. */
  readonly onServer?: (server: Server) => void
  /** The only kinds of faults, so that a test finds soon what they bring to light. */
  readonly faults?: readonly string[]
  /** Called with the log engine, for the same. */
  readonly onEngine?: (engine: LogEngine) => void
}

/** Keep the streams of one seed apart, and away from those of its neighbours. */
const worldStream = 0x7f4a7c15
const settingsStream = 0x1b873593
const calmAttempts = 4

/** Chance of each thing that happens. Leaving out some changes nothing about what the others draw. */
export function stepsOf(seed: number): number[] {
  const random = new SeededRandom(seed)
  return Array.from({ length: 100 + random.below(150) }, () => random.nextUint32())
}

export async function simulateCluster(seed: number, options: ClusterOptions = {}): Promise<ClusterResult> {
  const simulation = new ClusterSimulation(seed, options)
  let failure: Error | undefined
  const broke = (reason: unknown): void => simulation.fail(reason as Error)
  process.on('unhandledRejection', broke)
  try {
    await simulation.run(options.steps ?? stepsOf(seed))
  } catch (caught) {
    failure = caught as Error
  }
  process.off('unhandledRejection', broke)
  return simulation.result(failure)
}

class ClusterSimulation implements ClientSurroundings {
  readonly loop = new EventLoop()
  readonly network: SimulatedNetwork
  readonly history: ClusterHistory
  readonly machines: readonly Machine[]
  readonly #seed: number
  readonly #engine = new LogEngine()
  readonly #workload: Workload
  readonly #nodes: ClusterNode[]
  readonly #observers = new Map<Machine, Observer>()
  readonly #faults: ClusterFaults
  readonly #clients: PrimaryClient[] = []
  readonly #readers: ReplicaReader[] = []
  readonly #told: string[] = []
  /** No key expires, and the wall clocks of the nodes differ. */
  readonly #isTimeless: boolean
  #failure: Error | undefined
  #trace = 0x811c9dc5

  constructor(seed: number, { onServer, onEngine, faults: kinds }: ClusterOptions) {
    this.#seed = seed
    onEngine?.(this.#engine)
    const world = new SeededRandom(seed + worldStream)
    this.#workload = new Workload(new SeededRandom(seed + settingsStream))
    const { draw } = this.#workload
    const leaseMs = draw.pick([300, 500, 1000])
    const linkMsMax = draw.pick([1, 3, 10])
    this.history = new ClusterHistory(this.#engine)
    this.network = new SimulatedNetwork(world, this.loop.process(), { delayMsMax: 1 + draw.below(3), connectTimeoutMs: 200 })
    const values = this.#values(draw, leaseMs)
    const sizes = { ...defaultSizes, treeLeafBytes: draw.pick([64, 200, 600]), largeValueBytes: draw.pick([100, 1000, undefined]) }
    this.#nodes = Array.from({ length: draw.pick([2, 3, 3, 3, 3, 5]) }, (_, i) => {
      const link = new LogLink(this.loop, world, linkMsMax)
      const observer = new Observer(this.history)
      const machine = new Machine({
        name: `node${i}`,
        loop: this.loop,
        random: new SeededRandom(seed * 31 + i + worldStream),
        network: this.network,
        observer,
        config: () => new Config({ ...values, 'replica-announce-ip': `node${i}` } as unknown as Partial<Config['values']>),
        sizes,
        diskMsMax: draw.pick([0.1, 1, 5]),
        clockRate: 1 + (draw.below(61) - 30) / 1000,
        openSharedLog: (clock, known) => openSimulatedLog(this.#engine, link, clock, known),
        onStarted: (server) => {
          onServer?.(server)
          observer.attach(server)
          this.#watchHandOver(machine, server)
        },
      })
      this.#observers.set(machine, observer)
      return { machine, link, isUp: false }
    })
    this.machines = this.#nodes.map(({ machine }) => machine)
    const clientNames = ['client0', 'client1', 'client2', 'client3', 'client4', 'reader0', 'reader1']
    const tell = (line: string): void => this.#tell(line)
    const { loop, network } = this
    this.#isTimeless = draw.once(4)
    const isTimeless = this.#isTimeless
    this.#faults = new ClusterFaults({ loop, network, nodes: this.#nodes, leaseMs, linkMsMax, clientNames, isTimeless, kinds, tell })
    this.network.onWrite = (host) => this.#requireLeader(host)
    clientNames.forEach((name, i) => {
      if (name.startsWith('reader')) this.#readers.push(new ReplicaReader(name, this))
      else this.#clients.push(new PrimaryClient(name, this, i % this.#nodes.length, i >= 2 || isTimeless))
    })
  }

  /** After a hand-over clients go on with what is a replica from then on, and hear of it when they write. These leave at once. */
  #watchHandOver(machine: Machine, { roles }: Server): void {
    const handOver = roles.handOver.bind(roles)
    roles.handOver = (successor) => {
      for (const client of this.#clients) client.leave(machine)
      return handOver(successor)
    }
  }

  #values(draw: Draw, leaseMs: number): Readonly<Record<string, unknown>> {
    return {
      dir: '/data',
      bind: '*',
      port,
      log: 'etcd',
      maxmemory: 1n << 40n,
      'leader-lease-ms': leaseMs,
      'tier-cool-start-percent': 0,
      'tier-drop-percent': draw.pick([0, 0, 100]),
      'tier-min-value-size': draw.pick([0, 32, 200]),
      'tier-promote': draw.pick(['second', 'always', 'never']),
      'hash-max-listpack-entries': 1 + draw.below(12),
      'zset-max-listpack-entries': 1 + draw.below(12),
      'list-max-listpack-size': draw.pick([3, -2]),
      'stream-node-max-entries': draw.pick([3, 10, 100]),
      'checkpoint-log-bytes': draw.pick([2000, 20_000, 10_000_000]),
      'checkpoint-interval-seconds': 0,
    }
  }

  observerOf(machine: Machine): Observer {
    return this.#observers.get(machine) as Observer
  }

  seen(text: string): void {
    const line = `${this.loop.nowMs} ${text}`
    for (let i = 0; i < line.length; i++) this.#trace = Math.imul(this.#trace ^ line.charCodeAt(i), 0x01000193) >>> 0
  }

  fail(failure: Error): void {
    this.#failure ??= failure
  }

  result(failure: Error | undefined): ClusterResult {
    let records = 0
    let commands = 0
    for (const observer of this.#observers.values()) {
      records += observer.records
      commands += observer.commands
    }
    const epochs = this.#engine.leader?.epoch ?? 0
    const { operations } = this.history
    const faults = this.#faults.counts
    return { seed: this.#seed, failure, epochs, records, commands, operations, faults, trace: this.#trace, told: this.#told }
  }

  async run(steps: readonly number[]): Promise<void> {
    const { draw } = this.#workload
    for (const node of this.#nodes) this.#faults.start(node)
    await this.#until(() => this.#clients.some(({ isReady }) => isReady))
    if (!this.#isTimeless) await this.#loadLibrary()
    for (const step of steps) {
      draw.random = new SeededRandom(step)
      if (draw.once(100)) await this.#calm()
      else if (draw.once(9)) this.#faults.begin(draw)
      else this.#work(draw)
      await this.#pass(draw.below(draw.once(10) ? 600 : 25))
    }
    await this.#calm()
    this.history.judge()
  }

  /** Each client that can asks for something. */
  #work(draw: Draw): void {
    this.#clients.forEach((client, i) => {
      if (draw.once(3) || !client.isReady || client.waiting > 6) return
      const requests = i < 2 && !this.#isTimeless ? this.#workload.next() : [this.#recorded(draw)]
      for (const words of requests) {
        this.#tell(`${client.name}: ${words.join(' ')}`)
        client.send(words)
      }
    })
    for (const reader of this.#readers) if (draw.once(3)) reader.read(draw.pick(this.machines), draw.pick(readKeys))
    if (draw.once(60)) draw.pick(this.#readers).leave()
  }

  #recorded(draw: Draw): string[] {
    const list = draw.pick(recordedLists)
    const string = draw.pick(recordedStrings.slice(0, 2))
    return draw.oneOf([
      () => ['RPUSH', list, draw.mark(), ...(draw.once(4) ? [draw.mark()] : [])],
      () => ['LRANGE', list, '0', '-1'],
      () => ['SET', string, draw.mark()],
      () => ['GET', string],
      () => ['GET', string],
      () => (draw.once(3) ? ['DEL', string] : ['APPEND', string, draw.mark()]),
      () => ['INCRBY', 'number0', '1'],
      () => ['GET', 'number0'],
    ])
  }

  /** Functions that clients of all types call. */
  async #loadLibrary(): Promise<void> {
    const client = this.#clients[0] as PrimaryClient
    await this.#until(() => client.isReady)
    client.send(['FUNCTION', 'LOAD', 'REPLACE', library])
    await this.#until(() => client.waiting === 0)
  }

  /** Ends all faults; then there must be a primary soon, and everything must be the same everywhere. */
  async #calm(): Promise<void> {
    this.#tell('calm')
    for (let attempt = 1; ; attempt++) {
      this.#faults.end()
      // Faults that were scheduled to end may have begun again by a restart.
      await this.#until(() => this.#isCalm())
      if (await this.#isSame(attempt)) break
    }
    if (!this.#isTimeless) await this.#audit()
    const client = this.#clients[2] as PrimaryClient
    await this.#until(() => client.isReady)
    for (const key of recordedStrings) client.send(['GET', key])
    for (const key of recordedLists) client.send(['LRANGE', key, '0', '-1'])
    await this.#until(() => client.waiting === 0 && client.isReady)
  }

  #isCalm(): boolean {
    const { lastLsn } = this.#engine
    let primaries = 0
    for (const { machine } of this.#nodes) {
      const { server } = machine
      if (server?.shard === undefined || server.shardSwitch.isRunning) return false
      const { log, replay } = server.shard
      const isPrimary = server.roles.role === 'primary'
      if (isPrimary) primaries++
      if (isPrimary ? log.committed < log.appended || log.committed !== lastLsn : replay.applied !== lastLsn) return false
    }
    return primaries === 1 && this.#clients.every(({ isReady, waiting }) => isReady && waiting === 0)
  }

  /** Whether all nodes hold the same. False when something has come in between, or a field expired here earlier than there. */
  async #isSame(attempt: number): Promise<boolean> {
    const { lastLsn } = this.#engine
    const servers = this.machines.map(({ server }) => server as Server)
    const resume = servers.map(({ maintenance }) => maintenance.holdChanges())
    const digests: string[] = []
    let failed: Error | undefined
    for (const { shard, clock } of servers) {
      datasetDigest({ ...(shard as NonNullable<typeof shard>), clock }).then(
        (digest) => digests.push(digest),
        (failure: Error) => {
          failed = failure
        },
      )
    }
    const isThere = (): boolean => servers.every((server, i) => server === this.machines[i]?.server && !server.shardSwitch.isRunning)
    await this.#until(() => digests.length === servers.length || failed !== undefined || !isThere())
    for (const each of resume) each()
    const isUntouched = this.#engine.lastLsn === lastLsn && isThere()
    if (failed === undefined && isUntouched && digests.length === servers.length && new Set(digests).size === 1) return true
    if (attempt === calmAttempts) throw failed ?? new Error(`nodes hold different data at record ${lastLsn}: ${digests.join(', ')}`)
    await this.#pass(500)
    return false
  }

  /** Reads everything there is from the primary, and compares. */
  async #audit(): Promise<void> {
    const client = this.#clients[0] as PrimaryClient
    const primary = this.machines.find(({ server }) => server?.roles.role === 'primary')
    // A fault that was begun before may have ended just now.
    if (primary === undefined || !client.isReady) return
    const { model } = this.observerOf(primary)
    for (let db = 0; db < databases; db++) {
      client.send(['SELECT', `${db}`])
      client.send(['KEYS', '*'])
      for (const key of allKeys) {
        const kind = model.get(db, key)?.kind
        const type = types.find((each) => each.kind === kind)
        if (type === undefined) continue
        for (const words of [['TYPE', key], ['PTTL', key], ...type.reads(key)]) client.send(words)
      }
    }
    await this.#until(() => client.waiting === 0 && client.isReady)
  }

  /** Whoever sends something as a primary is the one that has claimed the log last. */
  #requireLeader(host: string): void {
    const server = this.machines.find(({ name }) => name === host)?.server
    if (server === undefined || server.roles.role !== 'primary' || server.shard === undefined) return
    const epoch = server.shard.log.leadership?.epoch ?? 0
    const leader = this.#engine.leader?.epoch ?? 0
    if (epoch !== leader) this.fail(new Error(`${host} answers as the primary of epoch ${epoch}, while epoch ${leader} has begun`))
  }

  async #pass(ms: number): Promise<void> {
    let isOver = false
    this.loop.schedule(ms, () => {
      isOver = true
    })
    await this.#until(() => isOver)
  }

  async #until(done: () => boolean): Promise<void> {
    try {
      await this.loop.run(() => {
        this.#requireQuiet()
        return done()
      })
    } catch (failure) {
      throw new Error(`${(failure as Error).message} (${this.#describe()})`, { cause: failure })
    }
    this.#requireQuiet()
  }

  /** Where everybody is, for a reader of a run that stands still. */
  #describe(): string {
    const nodes = this.machines.map(({ name, server }) => {
      if (server === undefined) return `${name} has not started`
      const { roles, shard, shardSwitch } = server
      const { log, replay } = shard ?? {}
      return `${name} is a ${roles.role} at ${replay?.applied}, committed ${log?.committed} of ${log?.appended}, epoch ${log?.leadership?.epoch}${shardSwitch.isRunning ? ', being opened' : ''}`
    })
    const clients = this.#clients.map(({ name, isReady, waiting }) => `${name} is ${isReady ? 'ready' : 'away'} and waits for ${waiting}`)
    return [`the log is at ${this.#engine.lastLsn} in epoch ${this.#engine.leader?.epoch}`, ...nodes, ...clients].join('; ')
  }

  #requireQuiet(): void {
    if (this.#failure !== undefined) throw this.#failure
    for (const { failure } of this.#clients) if (failure !== undefined) throw failure
    for (const { failure } of this.#readers) if (failure !== undefined) throw failure
    for (const { name, failure, server, log } of this.machines) {
      if (failure !== undefined) throw new Error(`${name} cannot start: ${failure.message}`, { cause: failure })
      if (server?.failStop.failure !== undefined) throw new Error(`${name} has stopped itself`, { cause: server.failStop.failure })
      const error = log.errors.find((text) => !/ENOSPC|no space|the log does not answer/.test(text))
      if (error !== undefined) throw new Error(`${name} has logged an error: ${error}`)
    }
  }

  #tell(line: string): void {
    const text = `${this.loop.nowMs.toFixed(0)} ms: ${line}`
    this.#told.push(text.length > 200 ? `${text.slice(0, 200)}… (${text.length} characters)` : text)
  }
}
