/**
 * One run of the simulation of several nodes that share a log, all of it from one seed: clients send random requests to whoever
 * is the primary, and read from replicas, while nodes crash, stop and are cut off. What must hold:
 *
 * - what a primary answers is the model's, and reveals only what is committed, for good;
 * - a node answers as a primary only while no other one has claimed the log;
 * - the operations on each of some keys are linearizable;
 * - replicas show what has been committed, in its order, and never go back;
 * - what is trimmed from the log is in checkpoints of as many nodes as the settings say;
 * - a node of the older version stops at what a newer one writes, and says so;
 * - when everything works again there is a primary soon, all keys are there, and all nodes hold the same.
 */
import { RecordUnreadable } from '../../engine/mutation/record-unreadable.ts'
import { Config } from '../../server/config/config.ts'
import type { Server } from '../../server/server.ts'
import type { ClientSurroundings } from './cluster-client.ts'
import { PrimaryClient, ReplicaReader, readKeys } from './cluster-client.ts'
import type { ClusterNode } from './cluster-faults.ts'
import { ClusterFaults } from './cluster-faults.ts'
import { ClusterHistory, recordedLists, recordedStrings } from './cluster-history.ts'
import type { QuietCluster } from './cluster-quiet.ts'
import { handOver, requireQuiet } from './cluster-quiet.ts'
import type { ClusterSettings } from './cluster-settings.ts'
import { drawSettings } from './cluster-settings.ts'
import type { Draw } from './draw.ts'
import { EventLoop } from './event-loop.ts'
import { Journal } from './journal.ts'
import { LogLink } from './log-link.ts'
import { Machine } from './machine.ts'
import { openNodeLog, versionOf } from './node-log.ts'
import { Observer } from './observer.ts'
import { Operator } from './operator.ts'
import { SeededRandom } from './seeded-random.ts'
import { LogEngine } from './shared-log-engine.ts'
import { SimulatedNetwork } from './simulated-network.ts'
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

/** What nodes complain of when it is so. */
const failures = /ENOSPC|no space|the log does not answer/
const versionFailures = /ENOSPC|no space|the log does not answer|written by a newer Moraine/

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

class ClusterSimulation implements ClientSurroundings, QuietCluster {
  readonly loop = new EventLoop()
  readonly engine = new LogEngine()
  readonly network: SimulatedNetwork
  readonly history: ClusterHistory
  readonly machines: readonly Machine[]
  readonly clients: readonly PrimaryClient[]
  readonly operator: Operator
  readonly linkMsMax: number
  readonly isTimeless: boolean
  readonly #seed: number
  readonly #workload: Workload
  readonly #nodes: ClusterNode[]
  readonly #observers = new Map<Machine, Observer>()
  readonly #faults: ClusterFaults
  readonly #readers: readonly ReplicaReader[]
  readonly #journal = new Journal()
  /** Of each node's newest checkpoint, as far as it was seen. */
  readonly #checkpoints = new Map<Machine, number>()
  /** Nodes of this version know all that is in the log. */
  #neededVersion = 0
  #failure: Error | undefined

  constructor(seed: number, { onServer, onEngine, faults: kinds }: ClusterOptions) {
    this.#seed = seed
    onEngine?.(this.engine)
    const world = new SeededRandom(seed + worldStream)
    this.#workload = new Workload(new SeededRandom(seed + settingsStream))
    const settings = drawSettings(this.#workload.draw)
    this.linkMsMax = settings.linkMsMax
    this.isTimeless = settings.isTimeless
    this.history = new ClusterHistory(this.engine)
    this.engine.watch(({ records }) => {
      this.#neededVersion = Math.max(this.#neededVersion, ...records.map(versionOf))
    })
    this.engine.onTrim = (upTo) => this.#trims(upTo, settings.trimCopies)
    const { loop } = this
    this.network = new SimulatedNetwork(world, loop.process(), { delayMsMax: settings.networkMsMax, connectTimeoutMs: 200 })
    this.operator = new Operator(this.network)
    this.#nodes = Array.from({ length: settings.nodes }, (_, i) => this.#node(i, settings, world, onServer))
    this.machines = this.#nodes.map(({ machine }) => machine)
    const clientNames = ['client0', 'client1', 'client2', 'client3', 'client4']
    const readerNames = ['reader0', 'reader1']
    this.#faults = new ClusterFaults({
      ...settings,
      upgrades: settings.upgrades || kinds?.includes('upgrade') === true,
      loop,
      kinds,
      network: this.network,
      operator: this.operator,
      nodes: this.#nodes,
      clientNames: [...clientNames, ...readerNames],
      tell: (line) => this.#tell(line),
    })
    this.network.onWrite = (host) => this.#requireLeader(host)
    this.clients = clientNames.map((name, i) => new PrimaryClient(name, this, i % this.#nodes.length, i >= 2 || this.isTimeless))
    this.#readers = readerNames.map((name) => new ReplicaReader(name, this))
  }

  #node(i: number, { values, sizes, linkMsMax }: ClusterSettings, world: SeededRandom, onServer: ClusterOptions['onServer']): ClusterNode {
    const { loop, engine, network } = this
    const { draw } = this.#workload
    const name = `node${i}`
    const link = new LogLink(loop, world, linkMsMax)
    const observer = new Observer(this.history)
    const machine = new Machine({
      name,
      loop,
      random: new SeededRandom(this.#seed * 31 + i + worldStream),
      network,
      observer,
      config: () => new Config({ ...values, 'replica-announce-ip': name } as unknown as Partial<Config['values']>),
      sizes,
      diskMsMax: draw.pick([0.1, 1, 5]),
      clockRate: 1 + (draw.below(61) - 30) / 1000,
      openSharedLog: (clock, known) => openNodeLog(engine, link, clock, known, node.version),
      onStarted: (server) => {
        onServer?.(server)
        observer.attach(server)
        this.#watchHandOver(machine, server)
        this.#countCopies(server)
      },
    })
    const node: ClusterNode = { machine, link, isUp: false, version: 0 }
    this.#observers.set(machine, observer)
    return node
  }

  /** After a hand-over clients go on with what is a replica from then on, and hear of it when they write. These leave at once. */
  #watchHandOver(machine: Machine, { roles }: Server): void {
    const handOver = roles.handOver.bind(roles)
    roles.handOver = (successor) => {
      for (const client of this.clients) client.leave(machine)
      return handOver(successor)
    }
  }

  #countCopies({ copies }: Server): void {
    const begin = copies.begin.bind(copies)
    copies.begin = () => {
      this.#faults.count('copy')
      return begin()
    }
  }

  /** A record may go when so many nodes have what it did in a checkpoint. */
  #trims(upTo: number, copies: number): void {
    this.#faults.count('trim')
    const held = [...this.#checkpoints.values()].filter((checkpoint) => checkpoint >= upTo).length
    if (held < copies) this.fail(new Error(`the log is trimmed up to record ${upTo}, which ${held} nodes have in a checkpoint`))
  }

  observerOf(machine: Machine): Observer {
    return this.#observers.get(machine) as Observer
  }

  seen(text: string): void {
    this.#journal.seen(`${this.loop.nowMs} ${text}`)
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
    const epochs = this.engine.leader?.epoch ?? 0
    const { operations } = this.history
    const faults = this.#faults.counts
    const { trace, told } = this.#journal
    return { seed: this.#seed, failure, epochs, records, commands, operations, faults, trace, told }
  }

  async run(steps: readonly number[]): Promise<void> {
    const { draw } = this.#workload
    for (const node of this.#nodes) this.#faults.start(node)
    await this.until(() => this.clients.some(({ isReady }) => isReady))
    if (!this.isTimeless) await this.#loadLibrary()
    for (const step of steps) {
      draw.random = new SeededRandom(step)
      if (draw.once(100)) await this.#quiet(draw)
      else if (draw.once(9)) this.#faults.begin(draw)
      else this.#work(draw)
      await this.pass(draw.below(draw.once(10) ? 600 : 25))
    }
    await this.#quiet(draw)
    this.history.judge()
  }

  async #quiet(draw: Draw): Promise<void> {
    await requireQuiet(this)
    if (draw.once(2)) await handOver(this)
  }

  /** Each client that can asks for something. */
  #work(draw: Draw): void {
    this.clients.forEach((client, i) => {
      if (draw.once(3) || !client.isReady || client.waiting > 6) return
      const requests = i < 2 && !this.isTimeless ? this.#workload.next() : [this.#recorded(draw)]
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
    const client = this.clients[0] as PrimaryClient
    await this.until(() => client.isReady)
    client.send(['FUNCTION', 'LOAD', 'REPLACE', library])
    await this.until(() => client.waiting === 0)
  }

  get isUpgrading(): boolean {
    return this.#nodes.some(({ version }) => version !== this.#nodes[0]!.version)
  }

  endFaults(): void {
    this.#tell('calm')
    for (const { machine } of this.#nodes) {
      const stopped = machine.failure ?? machine.server?.roles.failure
      if (stopped instanceof RecordUnreadable) this.#faults.count('unreadable')
    }
    this.#faults.end()
  }

  /** Whoever sends something as a primary is the one that has claimed the log last. */
  #requireLeader(host: string): void {
    const server = this.machines.find(({ name }) => name === host)?.server
    if (server === undefined || server.roles.role !== 'primary' || server.shard === undefined) return
    const epoch = server.shard.log.leadership?.epoch ?? 0
    const leader = this.engine.leader?.epoch ?? 0
    if (epoch !== leader) this.fail(new Error(`${host} answers as the primary of epoch ${epoch}, while epoch ${leader} has begun`))
  }

  async pass(ms: number): Promise<void> {
    let isOver = false
    this.loop.schedule(ms, () => {
      isOver = true
    })
    await this.until(() => isOver)
  }

  async until(done: () => boolean): Promise<void> {
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
    const clients = this.clients.map(({ name, isReady, waiting }) => `${name} is ${isReady ? 'ready' : 'away'} and waits for ${waiting}`)
    return [`the log is at ${this.engine.lastLsn} in epoch ${this.engine.leader?.epoch}`, ...nodes, ...clients].join('; ')
  }

  #requireQuiet(): void {
    if (this.#failure !== undefined) throw this.#failure
    for (const { failure } of this.clients) if (failure !== undefined) throw failure
    for (const { failure } of this.#readers) if (failure !== undefined) throw failure
    for (const { machine, isUp, version } of this.#nodes) if (isUp) this.#requireSound(machine, version < this.#neededVersion)
  }

  /** `isOutdated`: it may have met a record that it does not know. */
  #requireSound(machine: Machine, isOutdated: boolean): void {
    const { name, failure, server, log } = machine
    if (failure !== undefined && !(isOutdated && failure instanceof RecordUnreadable))
      throw new Error(`${name} cannot start: ${failure.message}`, { cause: failure })
    if (server?.failStop.failure !== undefined) throw new Error(`${name} has stopped itself`, { cause: server.failStop.failure })
    const tolerated = this.#neededVersion > 0 ? versionFailures : failures
    const error = log.errors.find((text) => !tolerated.test(text))
    if (error !== undefined) throw new Error(`${name} has logged an error: ${error}`)
    const checkpoint = server?.shard?.checkpointer?.lastLsn ?? 0
    if (checkpoint > (this.#checkpoints.get(machine) ?? 0)) this.#checkpoints.set(machine, checkpoint)
  }

  #tell(line: string): void {
    this.#journal.tell(`${this.loop.nowMs.toFixed(0)} ms: ${line}`)
  }
}
