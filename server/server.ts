/**
 * The server: a shard, its clients, and what dispatch asks about both. `start` opens everything in order and `stop`
 * closes it in reverse; in between, all it does happens in answer to the network, the log or the clock.
 *
 * It listens before the shard is open, and answers LOADING meanwhile.
 */

import type { Arguments } from '../engine/arguments.ts'
import type { EngineLimits } from '../engine/engine-limits.ts'
import type { Clock } from '../storage/clock.ts'
import type { Sizes } from '../storage/sizes.ts'
import { defaultSizes } from '../storage/sizes.ts'
import { Addresses } from './addresses.ts'
import type { Client } from './client.ts'
import { ClientEviction } from './client-eviction.ts'
import type { Announced } from './cluster/endpoint.ts'
import { SlotCheck } from './cluster/slot-check.ts'
import type { Command, CommandTable } from './command-table.ts'
import { allCommands } from './commands/tables.ts'
import type { Config } from './config/config.ts'
import type { ConfiguredParts } from './config-effects.ts'
import { applyConfig, engineLimits } from './config-effects.ts'
import { RdbTransfers } from './copy/rdb-transfers.ts'
import { ShardCopies } from './copy/shard-copies.ts'
import { FailStop } from './fail-stop.ts'
import { Failover } from './failover.ts'
import { Gate, timerMsMax } from './gate.ts'
import { LatencyMonitor } from './latency-monitor.ts'
import { isLocal } from './local-address.ts'
import type { Log } from './logging.ts'
import { MonitorFeed } from './monitor-feed.ts'
import type { Connection, RequestHandler } from './network/connection.ts'
import { defaultLimits, Listener } from './network/listener.ts'
import { Turn } from './network/turn.ts'
import { nodeIdIn } from './node-id.ts'
import { Peers } from './peers.ts'
import type { Ports } from './ports.ts'
import { PubSub } from './pubsub/pubsub.ts'
import { Rates } from './rates.ts'
import { closedText, Refusals } from './refusals.ts'
import { announced, roleHost } from './role-host.ts'
import { Roles } from './roles.ts'
import { Saves } from './saves.ts'
import { Scripting } from './scripting/scripting.ts'
import { scriptingHost } from './scripting-host.ts'
import { SentinelEvents } from './sentinel/sentinel-events.ts'
import type { ObservedServer, ServerObservers } from './server-view.ts'
import { Session } from './session.ts'
import type { SessionHost } from './session-host.ts'
import type { Maintenance } from './shard/maintenance.ts'
import { readOwnValues } from './shard/own-values.ts'
import type { Primary } from './shard/primary.ts'
import type { Shard } from './shard/shard.ts'
import { closeShard } from './shard/shard.ts'
import { ShardConnection } from './shard-connection.ts'
import { openServedShard } from './shard-opening.ts'
import { ShardSwitch } from './shard-switch.ts'
import { Shutdown } from './shutdown.ts'
import { Slowlog } from './slowlog.ts'
import { StagedWorkQueue } from './staged-work.ts'
import { ServerStats } from './stats.ts'
import { ClientTracking } from './tracking/client-tracking.ts'
import { trackingHost } from './tracking/tracking-host.ts'

const protectedText =
  'DENIED The server is in protected mode: it has no password, so it takes connections from its own machine only. Set a password (requirepass), or turn protected-mode off if nobody but friends can reach it.'

export class Server implements SessionHost, ObservedServer, ConfiguredParts {
  readonly ports: Ports
  readonly config: Config
  readonly clock: Clock
  readonly log: Log
  readonly commands: CommandTable<Session> = allCommands()
  readonly limits: EngineLimits
  readonly sizes: Sizes
  readonly turn: Turn
  readonly listener: Listener
  readonly addresses: Addresses
  readonly gate: Gate
  readonly stagedWork: StagedWorkQueue
  readonly pubsub: PubSub
  readonly tracking: ClientTracking
  readonly clientEviction = new ClientEviction(this)
  readonly stats = new ServerStats()
  readonly slowlog = new Slowlog()
  readonly latency = new LatencyMonitor()
  readonly monitors = new Set<Client>()
  readonly sessions = new Map<number, Session>()
  readonly saves: Saves
  readonly shutdown: Shutdown
  readonly shardSwitch: ShardSwitch
  readonly roles: Roles
  readonly peers: Peers
  readonly failover: Failover
  readonly sentinelEvents: SentinelEvents
  /** With `cluster-enabled`. */
  readonly slotCheck: SlotCheck | undefined
  readonly copies: ShardCopies = new ShardCopies(this)
  readonly transfers: RdbTransfers = new RdbTransfers(this)
  readonly failStop: FailStop = new FailStop(this)
  readonly refusals: Refusals = new Refusals(this)
  readonly scripting: Scripting
  readonly rates: Rates
  readonly startedWallMs: number
  readonly runId: string
  /** This node among those that share a log. */
  nodeId: string
  /** What INFO calls the identity of the history of changes. */
  replicationId: string
  /** Set by SHUTDOWN; `main.ts` or a test ends the process or itself. */
  onShutdown: () => void = () => undefined
  /** Told of single events, for histograms. */
  readonly observers: ServerObservers = { commit: undefined, coldRead: undefined }
  /** Undefined while loading. */
  shard: Shard | undefined
  maintenance!: Maintenance
  /** Commands that take at least so many µs may be for SLOWLOG or LATENCY: the lower of their settings. */
  slowerThanUs = 0
  logFailure: Error | undefined
  readonly #feed = new MonitorFeed()
  readonly #connection = new ShardConnection(this)
  #stopping: Promise<void> | undefined

  constructor(ports: Ports, config: Config, sizes: Sizes = defaultSizes) {
    this.ports = ports
    this.sizes = sizes
    this.config = config
    this.clock = ports.clock
    this.log = ports.log
    this.limits = {
      ...engineLimits(config.values),
      largeValueBytes: sizes.largeValueBytes,
      slicedValueBytes: sizes.slicedValueBytes,
    }
    this.startedWallMs = ports.clock.wallMs()
    this.runId = this.#newId()
    this.replicationId = this.runId
    this.nodeId = this.runId
    this.saves = new Saves(ports.clock)
    this.shutdown = new Shutdown(this)
    this.shardSwitch = new ShardSwitch(this)
    this.roles = new Roles(roleHost(this))
    this.peers = new Peers(this)
    this.failover = new Failover(this)
    this.slotCheck = config.values['cluster-enabled'] ? new SlotCheck(config, this.roles, () => this.nodeId) : undefined
    this.turn = new Turn(ports.clock)
    this.turn.mayAnswer = (nowMs) => this.roles.mayAnswer(nowMs)
    this.turn.onBegin = () => this.shard?.primary.tick(this.clock.wallMs())
    this.tracking = new ClientTracking(trackingHost(this))
    this.turn.beforeFlush(() => this.#connection.turnEnds())
    this.gate = new Gate(ports.clock)
    this.pubsub = new PubSub(ports.clock, this.turn)
    this.sentinelEvents = new SentinelEvents(this)
    this.peers.onLooked = () => this.sentinelEvents.looked()
    this.pubsub.onWanted = () => this.#connection.tellWanted()
    this.pubsub.fanOut.onCaughtUp = () => this.gate.retry()
    this.gate.messagesWait = (request) => this.pubsub.mustWait(request)
    this.stagedWork = new StagedWorkQueue(ports.clock, () => this.shard)
    this.stagedWork.mayRecord = () => this.maintenance.mayChange && !this.shardSwitch.isRunning && !this.isStopping
    this.stagedWork.hasRoom = () => !this.gate.memoryShort() && !this.refusals.forMemory
    this.stagedWork.refusesRecords = () => this.refusals.ofWrites !== undefined || this.refusals.forMemory
    this.stagedWork.onRecorded = () => this.turn.schedule()
    this.scripting = new Scripting(scriptingHost(this))
    this.turn.afterFlush(() => this.clientEviction.turnEnded())
    const limits = { ...defaultLimits(), largeBulkBytes: sizes.largeValueBytes }
    this.listener = new Listener(ports.network, this.turn, ports.clock, limits, (connection) => this.#openSession(connection))
    this.listener.onMemoryRefused = ({ pipe }) =>
      this.log.warn('The system gives no memory for the request of a client; closed', { client: pipe.remoteAddress })
    this.listener.onOverflow = ({ pipe }) =>
      this.log.warn('A client does not read what waits for it; closed', { client: pipe.remoteAddress })
    this.addresses = new Addresses(this.listener)
    const { counts } = this.listener
    this.rates = new Rates(ports.clock, () => [
      this.stats.commands,
      counts.inputBytes,
      counts.outputBytes,
      this.stats.replicationInputBytes,
      counts.copyBytes,
    ])
  }

  /** Resolves when the server serves. Rejects, with everything closed again, when it cannot. */
  static async start(ports: Ports, config: Config, sizes: Sizes = defaultSizes): Promise<Server> {
    const server = new Server(ports, config, sizes)
    try {
      await server.#start()
    } catch (failure) {
      await server.stop().catch(() => undefined)
      throw failure
    }
    return server
  }

  /** The TCP port in use. */
  get port(): number {
    return this.addresses.port
  }

  /** The shard's primary; only called when the server has loaded. */
  get primary(): Primary {
    return (this.shard as Shard).primary
  }

  /** Memory that clients take, in bytes. */
  get clientBytes(): number {
    return (
      this.listener.memoryBytes +
      this.stagedWork.memoryBytes +
      this.pubsub.bytes +
      this.tracking.bytes +
      this.scripting.memoryBytes +
      this.transfers.memoryBytes
    )
  }

  get isStopping(): boolean {
    return this.#stopping !== undefined
  }

  get isLoading(): boolean {
    return this.shard === undefined
  }

  /** Why the server cannot do all it is there for; undefined when it can. */
  get trouble(): string | undefined {
    if (this.failStop.failure !== undefined) return `internal error: ${this.failStop.failure.message}`
    if (this.shard === undefined) return this.shardSwitch.failure === undefined ? 'loading' : closedText(this.shardSwitch.failure)
    if (this.logFailure !== undefined) return `the log has failed: ${this.logFailure.message}`
    if (this.roles.failure !== undefined) return `the log cannot be followed: ${this.roles.failure.message}`
    const { failure } = this.maintenance.trouble
    return failure === undefined ? undefined : `memory cannot be written out: ${failure.message}`
  }

  /** Stops accepting, commits what was appended, and closes everything. Acknowledged writes are in the log. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop()
    return this.#stopping
  }

  /** Bookkeeping after each executed command. */
  executed(client: Client, command: Command, args: Arguments, us: number): void {
    this.stats.commands++
    if (us >= this.slowerThanUs) this.#slow(client, command, args, us)
  }

  changeReplicationId(): void {
    this.replicationId = this.#newId()
  }

  #newId(): string {
    return Array.from({ length: 5 }, () => this.ports.random.nextUint32().toString(16).padStart(8, '0')).join('')
  }

  /** CONFIG RESETSTAT. */
  resetStats(): void {
    const { counts } = this.listener
    this.stats.reset()
    counts.accepted = 0
    counts.rejected = 0
    this.clientEviction.evicted = 0
    counts.inputBytes = 0
    counts.outputBytes = 0
    counts.copyBytes = 0
    counts.reads = 0
    counts.writes = 0
    this.transfers.begun = 0
    for (const command of this.commands.everyOne()) command.stats.reset()
    if (this.shard === undefined) return
    const { x } = this.shard.primary
    x.hits = 0
    x.misses = 0
    x.expired = 0
    x.expiredFields = 0
    this.maintenance.resetStats()
    this.gate.throttled = 0
  }

  /** A command has taken long enough for one of the logs of slow ones. */
  #slow(client: Client, command: Command, args: Arguments, us: number): void {
    const { values } = this.config
    const slower = values['slowlog-log-slower-than']
    if (slower >= 0 && us >= slower && !command.skipsSlowlog) {
      this.slowlog.add(client, args, us, this.clock.wallMs(), values['slowlog-max-len'])
    }
    const threshold = values['latency-monitor-threshold']
    if (threshold > 0 && us >= threshold * 1000) this.latency.add('command', Math.round(us / 1000), this.clock.wallMs())
  }

  feedMonitors(client: Client, args: Arguments, command: Command): void {
    if (!command.skipsMonitor) this.#feed.send(this.monitors, client, args, this.clock.wallMs(), this.shard?.primary.x.inScript === true)
  }

  feedScript(client: Client, args: Arguments): void {
    this.#feed.send(this.monitors, client, args, this.clock.wallMs(), false)
  }

  sessionClosed(client: Client): void {
    this.sessions.delete(client.id)
    this.monitors.delete(client)
  }

  coldReadFailed(failure: Error): void {
    this.stats.coldReadFailures++
    this.log.error('A cold value could not be read', { error: failure })
  }

  /** Without a password only this machine may connect, unless the owner says otherwise. */
  #isForeign({ pipe }: Connection): boolean {
    const { values } = this.config
    return values['protected-mode'] && values.requirepass === '' && !isLocal(pipe.remoteAddress)
  }

  #openSession(connection: Connection): RequestHandler {
    const session = new Session(this, this.commands, connection)
    session.reply.onError = this.stats.countError
    this.sessions.set(session.id, session)
    if (this.#isForeign(connection)) {
      session.reply.error(protectedText)
      connection.closeAfterReply()
    }
    return session
  }

  async #start(): Promise<void> {
    const { values } = this.config
    applyConfig(this)
    this.rates.start()
    await this.addresses.follow(values)
    if (values.unixsocket !== '') {
      const mode = values.unixsocketperm === 0 ? {} : { mode: values.unixsocketperm }
      await this.listener.listen({ path: values.unixsocket, backlog: values['tcp-backlog'], ...mode })
    }
    if (values.log !== 'local' || values['cluster-enabled']) this.nodeId = await nodeIdIn(values.dir, this.ports.files, this.ports.random)
    const shard = await this.openShard()
    await this.restoreLibraries(shard)
    this.connectShard(shard)
  }

  /** Opens a shard as the settings say; it does not serve yet. */
  openShard(): Promise<Shard> {
    return openServedShard(this)
  }

  /** Serves from a shard that is open; its work in the background begins. */
  connectShard(shard: Shard): void {
    this.#connection.connect(shard)
  }

  /** Serves no more; the maintenance has been stopped. The shard is still open. */
  disconnectShard(): void {
    this.#connection.disconnect()
  }

  /** Where clients and other nodes reach this one. */
  get announced(): Announced {
    return announced(this)
  }

  /** The functions as they are in the data now. */
  async restoreLibraries(shard: Shard): Promise<void> {
    for (const broken of this.scripting.libraries.restore(await readOwnValues(shard, this.clock))) {
      this.log.error('A library of functions cannot be loaded; it stays where it is', { reason: broken })
    }
  }

  /** What the clients wait for may never be true. */
  closeClients(): void {
    for (const session of [...this.sessions.values()]) session.connection.close()
  }

  /** Waits for what was appended; where the log is another process's, no longer than its answers may take. */
  async #lastCommit({ log, waiters }: Shard, appended: number): Promise<void> {
    const { leadership } = log
    const timer = leadership === undefined ? undefined : this.clock.after(this.config.values['leader-lease-ms'], () => leadership.abandon())
    await waiters.wait(appended).catch(() => undefined)
    timer?.cancel()
  }

  async #stop(): Promise<void> {
    this.rates.stop()
    this.scripting.stop()
    await this.listener.stopAccepting()
    await this.shardSwitch.idle()
    const { shard } = this
    if (shard !== undefined) {
      await this.failover.beforeStop()
      // Writers wait, as at Redis's SHUTDOWN.
      this.gate.pause(timerMsMax, 'write')
      const mayCheckpoint = this.shutdown.wantsCheckpoint && this.logFailure === undefined && this.failStop.failure === undefined
      if (mayCheckpoint && shard.checkpointer !== undefined) await this.shutdown.checkpointAtEnd(shard.checkpointer)
      await this.maintenance.stop()
      await this.roles.stop()
      await this.peers.leave()
      shard.log.flush()
      // Without a log everything counts as committed at once, and nobody is told.
      const { appended, committed } = shard.log
      if (this.logFailure === undefined && committed < appended) await this.#lastCommit(shard, appended)
    }
    this.stagedWork.halt()
    this.gate.close()
    await this.listener.close()
    await this.transfers.endAll()
    await this.copies.endAll()
    if (shard !== undefined) await closeShard(shard).finally(() => this.roles.closed())
  }
}
