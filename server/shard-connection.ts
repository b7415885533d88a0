/**
 * Connects the shard that serves with the parts of the server: what it commits lets replies leave, what it cannot write stops writers, and its
 * work in the background begins. When another shard takes its place, that one is connected in the same way.
 */
import type { Clock } from '../storage/clock.ts'
import { Fenced } from '../wal/transaction-log.ts'
import type { Client } from './client.ts'
import type { Config } from './config/config.ts'
import type { FailStop } from './fail-stop.ts'
import type { Gate } from './gate.ts'
import type { Log } from './logging.ts'
import type { Turn } from './network/turn.ts'
import type { Peers } from './peers.ts'
import type { PubSub } from './pubsub/pubsub.ts'
import type { Roles } from './roles.ts'
import type { Saves } from './saves.ts'
import type { ServerObservers } from './server-view.ts'
import { Maintenance } from './shard/maintenance.ts'
import type { Shard } from './shard/shard.ts'
import type { ClientTracking } from './tracking/client-tracking.ts'

/** Writers wait while so much waits for the log's disk: it is gathered in buffers of at most 4 GiB. */
const logPendingBytesMax = 1024 ** 3
/** A log in another process takes less at a time. */
const sharedLogPendingBytesMax = 64 * 1024 ** 2

/** What is connected with the shard. */
interface ServingServer {
  readonly clock: Clock
  readonly config: Config
  readonly log: Log
  readonly turn: Turn
  readonly gate: Gate
  readonly pubsub: PubSub
  readonly tracking: ClientTracking
  readonly saves: Saves
  readonly roles: Roles
  readonly peers: Peers
  readonly failStop: FailStop
  readonly observers: ServerObservers
  readonly sessions: ReadonlyMap<number, Client>
  readonly isStopping: boolean
  shard: Shard | undefined
  /** Undefined before the first shard. */
  maintenance: Maintenance
  logFailure: Error | undefined
}

export class ShardConnection {
  readonly #server: ServingServer

  constructor(server: ServingServer) {
    this.#server = server
  }

  /** Serves from a shard that is open; its work in the background begins. */
  connect(shard: Shard): void {
    const server = this.#server
    const { clock, turn, gate, pubsub } = server
    const { log } = shard
    const former = server.maintenance as Maintenance | undefined
    const maintenance = new Maintenance(shard, clock, server.config, server.log)
    server.maintenance = maintenance
    if (former !== undefined) maintenance.continueFrom(former)
    turn.committed = log.committed
    shard.tier.onFault = () => this.#tellFault(shard)
    if (shard.tier.counts.faults > 0) this.#tellFault(shard)
    shard.primary.onMemoryRefused = ({ name }) => server.log.warn('The system gives no memory for a command; refused', { command: name })
    this.#hearLog(shard)
    shard.keyspace.messages.audience = pubsub
    server.tracking.connect(shard.mutator.interest)
    shard.primary.onMessages = (messages, lsn) => {
      // What is not committed now never will be.
      if (server.logFailure === undefined || lsn <= log.committed) pubsub.send(messages, lsn)
    }
    server.saves.checkpoint = () => maintenance.checkpoint()
    const pendingBytesMax = log.leadership === undefined ? logPendingBytesMax : sharedLogPendingBytesMax
    gate.memoryShort = () => (shard.budget.isShort && !maintenance.trouble.refuses) || log.pendingBytes > pendingBytesMax
    maintenance.onBroken = (failure) => server.failStop.stop(failure)
    maintenance.onRoom = () => gate.retry()
    maintenance.onAppended = () => turn.schedule()
    shard.primary.tick(clock.wallMs())
    maintenance.start()
    server.shard = shard
    this.tellWanted()
    server.roles.connect(shard)
    server.peers.connect(shard)
  }

  /** Serves no more; the maintenance has been stopped. The shard is still open. */
  disconnect(): void {
    const server = this.#server
    server.peers.disconnect()
    server.shard = undefined
    server.gate.memoryShort = () => false
  }

  /** The engine names the events that somebody may hear of. */
  tellWanted(): void {
    const { shard, pubsub } = this.#server
    if (shard !== undefined) shard.keyspace.messages.wanted = pubsub.wanted
  }

  /** Before the replies of a turn leave: the log begins to write what was appended in it. */
  turnEnds(): void {
    const { shard, roles, clock, turn, maintenance } = this.#server
    if (shard === undefined) return
    const { log, primary } = shard
    if (!roles.mayAnswer(clock.monotonicMs())) return
    log.flush()
    if (log.committed > turn.committed) turn.released(log.committed)
    maintenance.turnEnded()
    primary.tick(clock.wallMs())
  }

  #hearLog(shard: Shard): void {
    const server = this.#server
    const { log } = shard
    log.onCommitted = (committed) => {
      // The log would take what is thrown here for a failure of its own.
      try {
        server.observers.commit?.(log.stats().lastCommitMs)
        shard.keyspace.committed(committed)
        shard.waiters.committed(committed)
        server.turn.released(committed)
      } catch (failure) {
        server.failStop.stop(failure)
      }
    }
    log.onFailed = (failure) => {
      const leads = server.roles.role === 'primary' && !server.isStopping
      if (failure instanceof Fenced) server.roles.demote(failure.message)
      else if (!leads) shard.waiters.failed(failure)
      else if (log.leadership === undefined) this.#logFailed(shard, failure)
      else {
        // Another node may be luckier, and so may this one when it has opened the log again.
        server.log.error('The log that nodes share has failed: this node leads no longer', { error: failure })
        server.roles.demote(failure.message)
      }
    }
  }

  /** Once for a shard: `tier_cold_faults` in INFO counts them. */
  #tellFault({ primary, tier }: Shard): void {
    tier.onFault = () => undefined
    const { args } = primary.x
    this.#server.log.warn('A command needed a cold value for which it had not asked; it was read while everybody waited', {
      command: primary.isIdle || args.count === 0 ? '' : args.string(0),
    })
  }

  #logFailed(shard: Shard, failure: Error): void {
    const server = this.#server
    server.logFailure = failure
    shard.waiters.failed(failure)
    shard.primary.x.deletesExpired = false
    server.maintenance.logFailed()
    server.log.error('The log failed: nothing will be acknowledged any more, reads go on', { error: failure })
    // Whoever waits for a commit would wait for ever; what was written may or may not be there after a restart.
    for (const session of [...server.sessions.values()]) if (session.connection.heldLsn > 0) session.connection.close()
  }
}
