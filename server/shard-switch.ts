/**
 * Puts a shard in the place of the one that serves, in the same process: the same directory opened again (DEBUG RELOAD,
 * DEBUG LOADAOF), or the same data with a log or without one (CONFIG SET appendonly).
 *
 * From its beginning to its end no request runs: the gate holds them all, and clients stay connected. What was acknowledged
 * before is there after it, with its LSNs if the log is the same. What requests had of the former shard (fetched values, staged work)
 * is dropped, and they begin anew. Watched keys count as touched, if they were there.
 */
import type { KeyInterest } from '../engine/keyspace/key-interest.ts'
import type { Clock } from '../storage/clock.ts'
import { LogFailed } from '../wal/transaction-log.ts'
import type { Client } from './client.ts'
import type { Config } from './config/config.ts'
import type { Gate } from './gate.ts'
import type { Log } from './logging.ts'
import { copyKeys } from './shard/copy-keys.ts'
import type { Maintenance } from './shard/maintenance.ts'
import type { Shard } from './shard/shard.ts'
import { closeShard } from './shard/shard.ts'
import type { StagedWorkQueue } from './staged-work.ts'

const reason = 'the data are being opened anew'

/** Where the shard serves. */
interface ShardOwner {
  readonly clock: Clock
  readonly config: Config
  readonly log: Log
  readonly gate: Gate
  readonly stagedWork: StagedWorkQueue
  readonly sessions: ReadonlyMap<number, Client>
  readonly shard: Shard | undefined
  readonly isStopping: boolean
  readonly maintenance: Maintenance
  readonly logFailure: Error | undefined
  /** Opens a shard as the settings say; it does not serve yet. */
  openShard(): Promise<Shard>
  /** Serves from a shard that is open; its work in the background begins. */
  connectShard(shard: Shard): void
  /** Serves no more; the maintenance has been stopped. The shard is still open. */
  disconnectShard(): void
  /** Follows no other node any more. */
  readonly roles: {
    disconnect(): Promise<void>
    /** What served is closed: nothing waits for its log any more. */
    closed(): void
    /** Resolves when a primary leads again with the shard that was opened anew, or has closed its clients because another node does. */
    settled(): Promise<void>
    /** The shard could not be opened again. */
    shardLost(): void
  }
  /** Copies of the shard for other nodes. */
  readonly copies: { endAll(): Promise<void> }
  readonly transfers: { endAll(): Promise<void> }
}

export class ShardSwitch {
  /** Set while there is no shard, because it was closed and could not be opened again. `reopen` may be tried again. */
  failure: Error | undefined
  readonly #server: ShardOwner
  #isRunning = false
  /** The newest one, under way or still waiting for those before it. Never rejects. */
  #newest: Promise<void> = Promise.resolve()
  /** Who is interested in which keys: it goes on with the next shard, also when that takes a second try. */
  #interest: KeyInterest | undefined

  constructor(server: ShardOwner) {
    this.#server = server
  }

  /** Whether one is under way: the gate holds all requests. */
  get isRunning(): boolean {
    return this.#isRunning
  }

  /** Resolves when none is under way. Never rejects. */
  async idle(): Promise<void> {
    for (let newest: Promise<void> | undefined; newest !== this.#newest; ) {
      newest = this.#newest
      await newest
    }
  }

  /**
   * Closes the shard (commits, then every file) and opens it again by the way of every start: catalog, then log. With
   * `checkpoint` it makes one first, so that the log has nothing to replay. Without a log there would be nothing to
   * open: it rejects. When the checkpoint fails it rejects, and all is as it was. When the shard cannot be opened again it
   * rejects, and there is none: see `failure`.
   */
  reopen(checkpoint: boolean): Promise<void> {
    return this.#run(async () => {
      const server = this.#server
      if (!server.config.values.appendonly) throw new Error('the server keeps no log (appendonly no)')
      if (server.logFailure !== undefined) throw server.logFailure
      const { shard } = server
      if (shard !== undefined) {
        if (checkpoint) await server.maintenance.checkpoint()
        await this.#settle(shard)
      }
      server.disconnectShard()
      try {
        await this.#openAgain(shard, () => (shard === undefined ? undefined : closeSettled(shard)))
      } catch (failure) {
        if (server.config.values.log !== 'local') server.roles.shardLost()
        throw failure
      }
      await server.roles.settled()
    })
  }

  /**
   * Opens the shard anew without what was not committed: another node leads by now, or may. Whoever waited for a commit is told that
   * there will be none.
   */
  dropUncommitted(): Promise<void> {
    // At once: what is under way before this may wait for a commit.
    const former = this.#server.shard
    if (former !== undefined) {
      this.#server.maintenance.giveUpCheckpoints()
      former.log.leadership?.abandon()
      former.waiters.failed(new LogFailed('another node leads'))
    }
    return this.#run(async () => {
      const server = this.#server
      const { shard } = server
      // Who stops it closes what is open.
      if (server.isStopping) return
      if (shard === undefined) {
        await this.#openAgain(undefined, () => undefined)
        return
      }
      if (shard !== former) return
      await server.maintenance.stop(reason)
      await server.roles.disconnect()
      await server.transfers.endAll()
      await server.copies.endAll()
      await shard.tier.quiet()
      await new Promise<void>((resolve) => server.clock.afterTurn(resolve))
      server.disconnectShard()
      await this.#openAgain(shard, () => closeShard(shard).catch(() => undefined))
    })
  }

  /** Closes the shard and opens what it leaves, or says that nothing is served. */
  async #openAgain(former: Shard | undefined, close: () => Promise<void> | undefined): Promise<void> {
    const server = this.#server
    try {
      await close()
      server.roles.closed()
      const opened = await server.openShard()
      if (former !== undefined) carryCounts(former, opened)
      this.#serveFrom(opened, true)
    } catch (failure) {
      this.failure = failure as Error
      const until = server.config.values.log === 'local' ? 'DEBUG RELOAD NOSAVE succeeds, or a restart' : 'the next attempt succeeds'
      // Who stops opens nothing more, and says so here.
      if (!server.isStopping) server.log.error(`The data could not be opened again: nothing is served until ${until}`, { error: failure })
      throw failure
    }
  }

  /**
   * Goes on with the log that `appendonly` asks for now. With one, all data are in a durable checkpoint before anything
   * is acknowledged again; without, the directory keeps what was acknowledged up to now. When it rejects, all is as it was.
   */
  followAppendonly(): Promise<void> {
    return this.#run(async () => {
      const server = this.#server
      const shard = server.shard
      if (shard === undefined) throw new Error('the server is loading')
      if (server.logFailure !== undefined) throw server.logFailure
      await this.#settle(shard)
      let opened: Shard | undefined
      try {
        opened = await server.openShard()
        await copyKeys(shard, opened, server.clock)
        await opened.checkpointer?.run()
      } catch (failure) {
        await opened?.tier.quiet()
        if (opened !== undefined) await closeShard(opened).catch(() => undefined)
        server.connectShard(shard)
        throw failure
      }
      server.disconnectShard()
      carryCounts(shard, opened)
      this.#serveFrom(opened, false)
      // All that it had is elsewhere by now.
      await closeShard(shard).catch((failure: Error) => server.log.error('The former log could not be closed', { error: failure }))
      if (server.config.values.appendonly) server.log.warn('The log is on: what is acknowledged from now on survives a crash')
      else server.log.warn('THE LOG IS OFF: no change from now on will survive the end of this process (CONFIG SET appendonly no)')
    })
  }

  /** One after the other, in the order in which they were asked for. */
  #run(work: () => Promise<void>): Promise<void> {
    const ended = this.#newest.then(() => this.#runNow(work))
    this.#newest = ended.catch(() => undefined)
    return ended
  }

  async #runNow(work: () => Promise<void>): Promise<void> {
    this.#interest = this.#server.shard?.mutator.interest ?? this.#interest
    const release = this.#server.gate.hold()
    this.#server.stagedWork.abandon()
    this.#isRunning = true
    try {
      await work()
    } finally {
      this.#isRunning = false
      release()
    }
  }

  /** Lets everything that goes on beside requests come to its end, and commits what was appended. */
  async #settle({ tier, log, waiters }: Shard): Promise<void> {
    const { clock, maintenance } = this.#server
    await maintenance.stop(reason)
    await this.#server.roles.disconnect()
    await this.#server.transfers.endAll()
    await this.#server.copies.endAll()
    await tier.quiet()
    // Those who waited for the last reads take them in this turn.
    await new Promise<void>((resolve) => clock.afterTurn(resolve))
    log.flush()
    if (log.committed < log.appended) await waiters.wait(log.appended)
  }

  #serveFrom(shard: Shard, isSameLog: boolean): void {
    const server = this.#server
    const { keyspace, mutator } = shard
    if (this.#interest !== undefined) {
      mutator.interest = this.#interest
      mutator.interest.moveTo(keyspace)
    }
    server.connectShard(shard)
    this.failure = undefined
    for (const session of server.sessions.values()) session.shardReplaced(isSameLog)
  }
}

/** Closes a shard of which everything is committed. That it leads a shared log no longer, or cannot reach it, is no failure then. */
function closeSettled(shard: Shard): Promise<void> {
  return closeShard(shard).catch((failure) => {
    if (shard.log.leadership === undefined || !(failure instanceof LogFailed)) throw failure
  })
}

/** What INFO and the metrics count since the start of the process goes on. */
function carryCounts(from: Shard, to: Shard): void {
  const { x } = from.primary
  to.primary.x.hits = x.hits
  to.primary.x.misses = x.misses
  to.primary.x.expired = x.expired
  to.primary.x.expiredFields = x.expiredFields
  to.mutator.changes = from.mutator.changes
  Object.assign(to.tier.counts, from.tier.counts)
  if (from.writeOut !== undefined && to.writeOut !== undefined) Object.assign(to.writeOut.counts, from.writeOut.counts)
  to.budget.peakBytes = Math.max(to.budget.peakBytes, from.budget.peakBytes)
  if (from.checkpointer !== undefined && to.checkpointer !== undefined && to.checkpointer.lastWallMs === 0) {
    to.checkpointer.lastWallMs = from.checkpointer.lastWallMs
  }
}
