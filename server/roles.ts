/**
 * Which part this node has: a primary executes what clients ask for and appends what it changes; a replica applies what the
 * primary has committed. A node whose log is its own is a primary for ever. Where nodes share a log each begins as a
 * replica, and becomes the primary by claiming the log, when it has not heard of one for longer than a lease, or was asked to.
 *
 * A primary that another one has fenced, or whose lease has run out, answers nobody from that moment on: its clients are
 * closed, what it had not committed is dropped with the shard, and the shard that is opened in its place follows.
 */

import { deleteUnfinished, hasUnfinished } from '../engine/commands/unfinished.ts'
import { RecordUnreadable } from '../engine/mutation/record-unreadable.ts'
import type { Random } from '../engine/random.ts'
import type { Clock, Timer } from '../storage/clock.ts'
import type { Leader } from '../wal/leadership.ts'
import { HistoryDiffers } from '../wal/running-checksum.ts'
import { LogTrimmed, TailMoved } from '../wal/transaction-log.ts'
import type { Announced } from './cluster/endpoint.ts'
import type { Config } from './config/config.ts'
import type { Log } from './logging.ts'
import type { Claim } from './shard/claim.ts'
import { decodeClaim, encodeClaim } from './shard/claim.ts'
import { claimAfterLeases, Lease } from './shard/lease.ts'
import type { Maintenance } from './shard/maintenance.ts'
import { Replica } from './shard/replica.ts'
import type { Shard } from './shard/shard.ts'
import { moraineVersion } from './version.ts'

const readOnly = "READONLY You can't write against a read only replica."
const pollsPerLease = 10
const reopenAfterMs = 1000
/** Who has led for so long is to be trusted with the lead again. */
const trustedAfterLeases = 10

/** What a person can do about a replica that cannot follow. */
function adviceFor(failure: Error): string {
  if (failure instanceof RecordUnreadable) return 'The primary writes what this version cannot read: upgrade this node.'
  if (failure instanceof HistoryDiffers)
    return 'Find out which of them is right; a node with an empty directory starts from a copy of another one.'
  return ''
}

export type Role = 'primary' | 'replica'

export interface RoleHost {
  readonly clock: Clock
  readonly config: Config
  readonly log: Log
  readonly maintenance: Maintenance
  /** This node among those that share the log. */
  readonly nodeId: string
  readonly random: Random
  /** Where clients reach this node. */
  readonly announced: Announced
  /** The process is about to end: nothing is opened any more. */
  readonly isStopping: boolean
  /** Another node leads than before, or this one does. */
  ledBy(primary: Claim): void
  /** The primary has given a sign of life. */
  signed(): void
  /** A record of so many bytes that the primary has committed was applied. */
  applied(shard: Shard, lsn: number, bytes: number): void
  /** Closes all clients, and drops what a script of theirs has begun: what they were promised may not be kept. */
  closeClients(): void
  /** Tells the clients that wait for keys that there will be none here. */
  unblockClients(): void
  /** Opens the shard anew, without what was not committed. */
  dropUncommitted(): Promise<void>
  /** The functions are to be as they are in the data now. */
  restoreLibraries(shard: Shard): Promise<void>
}

export class Roles {
  role: Role
  /** The primary as this node knows it; undefined before it has heard of one, and where nodes share nothing. */
  primary: Claim | undefined
  /** Why a replica cannot follow; undefined while it can. */
  failure: Error | undefined
  /** How often the part has changed since the start. */
  changes = 0
  readonly #host: RoleHost
  #shard: Shard | undefined
  #lease: Lease | undefined
  #replica: Replica | undefined
  #timer: Timer | undefined
  #claiming = false
  /** Others should try first: it has handed over the lead, has lost it soon after it had begun, or could not claim it. */
  #yields = false
  #ledSinceMs = Number.NEGATIVE_INFINITY
  #stopped = false
  /** Resolves when a primary whose shard was opened anew leads again, or cannot. */
  #leadingAgain: { readonly ended: Promise<void>; end(): void } | undefined
  /** Drawn anew for each leader, so that two replicas seldom claim at once. */
  #patience = 0

  constructor(host: RoleHost) {
    this.#host = host
    // While the data are loaded nobody has claimed a shared log yet: a client that looks for the primary must not take this node for it.
    this.role = host.config.values.log === 'local' ? 'primary' : 'replica'
  }

  /** Why this node takes no writes; undefined when it does, or may again when those who wait at the gate are let in. */
  get writeRefusal(): string | undefined {
    return this.role === 'primary' || this.#leadingAgain !== undefined ? undefined : readOnly
  }

  /** When the log was last heard to have a leader that lives, by the monotonic clock; undefined on a primary. */
  get heardMs(): number | undefined {
    return this.#replica?.heardMs
  }

  /** Whether a replica hears of a primary. */
  get isLinkUp(): boolean {
    const { clock, config } = this.#host
    return (
      this.failure === undefined &&
      this.primary !== undefined &&
      this.heardMs !== undefined &&
      clock.monotonicMs() - this.heardMs < config.values['leader-lease-ms']
    )
  }

  /** Serves from a shard: as its primary if nobody else can be, else as a replica. */
  connect(shard: Shard): void {
    const { leadership } = shard.log
    this.#lease?.stop()
    this.#shard = shard
    if (leadership === undefined) {
      this.#lead(shard)
      return
    }
    // Its clients take it for the primary until they hear otherwise.
    if (this.role === 'primary' && this.changes > 0) this.#leadingAgain = pending()
    this.#follow(shard, leadership.leader)
    this.#givesUpLeadingAgain()
    if (this.changes > 0) this.#considerClaim()
  }

  /** Resolves when it is known whether this node still has the part that its clients know. */
  async settled(): Promise<void> {
    await this.#leadingAgain?.ended
  }

  /** Another node leads by now: clients that were served by the primary must not take a replica for it. */
  #givesUpLeadingAgain(): void {
    if (this.#leadingAgain === undefined || this.primary?.node === this.#host.nodeId) return
    this.changes++
    this.#host.closeClients()
    this.#endsLeadingAgain()
  }

  #endsLeadingAgain(): void {
    this.#leadingAgain?.end()
    this.#leadingAgain = undefined
  }

  /** The shard serves no more. */
  async disconnect(): Promise<void> {
    this.#timer?.cancel()
    const { leadership } = this.#shard?.log ?? {}
    // It is renewed no longer, and holds until it runs out: answers may be on their way.
    this.#lease?.letExpire(() => {
      this.demote('the lease has run out while the shard was being closed')
      // Whoever closes it waits for what is in flight.
      leadership?.abandon()
    })
    await this.#replica?.stop()
    this.#replica = undefined
    this.#shard = undefined
  }

  /** The shard that serves no more is closed. */
  closed(): void {
    this.#lease?.stop()
  }

  async stop(): Promise<void> {
    this.#stopped = true
    this.#endsLeadingAgain()
    await this.disconnect()
  }

  /** Whether replies may leave that were made before `nowMs`. When not, nothing will leave any more, and the clients are closed. */
  mayAnswer(nowMs: number): boolean {
    if (this.#lease === undefined || this.#lease.holds(nowMs)) return true
    this.demote('the lease has run out: the log has not heard this node for too long')
    return false
  }

  /** This node is the primary no longer, and did not choose so. */
  demote(reason: string): void {
    if (this.role !== 'primary') return
    const host = this.#host
    host.log.warn('This node is no longer the primary', { reason })
    this.role = 'replica'
    this.#yields = host.clock.monotonicMs() - this.#ledSinceMs < trustedAfterLeases * host.config.values['leader-lease-ms']
    this.changes++
    this.#lease?.stop()
    this.#lease = undefined
    host.maintenance.follows = true
    if (this.#shard !== undefined) this.#shard.primary.x.deletesExpired = false
    // What was not sent must not go now: it would be a sign of life, and keep others from claiming for a lease.
    this.#shard?.log.leadership?.abandon()
    host.closeClients()
    this.#openAnew()
  }

  /** There is no shard to serve from: the log, which others share, was out of reach when it was opened anew. */
  shardLost(): void {
    if (this.role === 'primary') this.demote('its data could not be opened again')
    else this.#openAnew()
  }

  /** Until it succeeds: the log may be out of reach, which is why this node does not lead any more. */
  #openAnew(): void {
    const host = this.#host
    const { clock, log } = host
    if (this.#stopped) return
    host.dropUncommitted().catch((failure: Error) => {
      if (this.#stopped || host.isStopping) return
      log.error('The shard could not be opened again; it will be tried again', { error: failure })
      clock.after(reopenAfterMs, () => {
        if (!this.#stopped) this.#openAnew()
      })
    })
  }

  /**
   * Gives the lead to another node, `successor` if it is one: everything that was appended is committed first, and this node follows from
   * then on, with the shard as it is. Writes are held back by the caller. Rejects when that is not known to have happened.
   */
  async handOver(successor: string): Promise<void> {
    const shard = this.#shard
    const leadership = shard?.log.leadership
    if (shard === undefined || leadership === undefined || this.role !== 'primary') throw new Error('this node leads no shared log')
    const { leader } = leadership
    const checksum = leadership.noteChecksum()
    // No answer may leave any more that others could contradict, and nothing be appended, by the server itself neither.
    this.#host.maintenance.follows = true
    await leadership.release(Buffer.from(successor))
    if (this.#shard !== shard) return
    this.#lease?.stop()
    this.#lease = undefined
    this.changes++
    shard.replay.continueFrom(shard.log.committed, checksum())
    this.#yields = true
    this.#host.unblockClients()
    this.#host.log.info('This node has handed over the lead', { successor })
    this.#follow(shard, leader)
  }

  #follow(shard: Shard, leader: Leader | undefined): void {
    const host = this.#host
    this.role = 'replica'
    this.failure = undefined
    this.#lease = undefined
    shard.primary.x.deletesExpired = false
    host.maintenance.follows = true
    const replica = new Replica(shard, host.clock)
    this.#replica = replica
    // Whoever led when the log was opened may lead still.
    replica.leader = leader
    this.primary = leader === undefined ? undefined : decodeClaim(leader.claim)
    if (this.primary !== undefined) host.ledBy(this.primary)
    replica.onApplied = (lsn, bytes) => host.applied(shard, lsn, bytes)
    replica.onLeader = (heard) => this.#hearOf(heard)
    replica.onSign = () => host.signed()
    replica.onOwnChange = () => host.restoreLibraries(shard)
    replica.onFailed = (failure) => this.#cannotFollow(failure)
    replica.start()
    this.#drawPatience()
    this.#watch()
  }

  /** A replica that the log has been trimmed before starts again from a copy; another failure only a person can mend. */
  #cannotFollow(failure: Error): void {
    this.failure = failure
    const { log } = this.#host
    if (failure instanceof LogTrimmed) {
      log.warn('This replica is too far behind the log', { error: failure })
      this.#host.closeClients()
      this.#openAnew()
      return
    }
    const text = adviceFor(failure)
    log.error(`This replica can follow no longer: it shows what it has, and will not lead. ${text}`.trimEnd(), {
      error: failure,
      version: moraineVersion,
      primary: this.primary?.version,
    })
  }

  #hearOf(leader: Leader): void {
    this.primary = decodeClaim(leader.claim)
    this.#givesUpLeadingAgain()
    if (this.primary !== undefined) this.#host.ledBy(this.primary)
    this.#drawPatience()
    if (leader.released !== undefined) this.#considerClaim()
  }

  #drawPatience(): void {
    this.#patience = (this.#host.random.nextUint32() % 1000) / 1000 / 4
  }

  #watch(): void {
    this.#timer = this.#host.clock.after(this.#host.config.values['leader-lease-ms'] / pollsPerLease, () => {
      this.#considerClaim()
      if (this.#replica !== undefined) this.#watch()
    })
  }

  #considerClaim(): void {
    const shard = this.#shard
    const replica = this.#replica
    if (shard === undefined || replica === undefined || this.#claiming || this.#stopped) return
    if (this.failure !== undefined || !this.#isDue(replica)) return
    this.#claiming = true
    this.#claim(shard, replica).finally(() => {
      this.#claiming = false
    })
  }

  /** Whether nobody leads any more, as far as one can tell from here. */
  #isDue({ leader, heardMs }: Replica): boolean {
    const { nodeId, clock, config } = this.#host
    const silentMs = clock.monotonicMs() - heardMs
    const leaseMs = Math.max(config.values['leader-lease-ms'], this.primary?.leaseMs ?? 0)
    const waitMs = leaseMs * (claimAfterLeases + this.#patience)
    if (leader === undefined) return silentMs > leaseMs * this.#patience
    const { released } = leader
    // It was this node, which answers nobody since: the lease that others would have to wait for is its own.
    if (this.primary?.node === nodeId && !this.#yields) return true
    if (released === undefined) return silentMs > waitMs
    const successor = released.toString()
    return successor === '' || successor === nodeId || silentMs > leaseMs / 2
  }

  async #claim(shard: Shard, replica: Replica): Promise<void> {
    const { config, announced, nodeId, log, clock } = this.#host
    const claim: Claim = { node: nodeId, ...announced, leaseMs: config.values['leader-lease-ms'], version: moraineVersion }
    try {
      await shard.log.leadership?.claim(shard.replay.applied, encodeClaim(claim), shard.replay.checksum?.now)
    } catch (failure) {
      // Whoever has moved the tail is alive.
      replica.heardMs = clock.monotonicMs()
      this.#drawPatience()
      if (failure instanceof TailMoved) return
      this.#yields = true
      log.warn('The leadership could not be claimed', { error: failure as Error })
      return
    }
    if (this.#shard !== shard) return
    this.primary = claim
    this.#timer?.cancel()
    this.#replica = undefined
    await replica.stop()
    try {
      await this.#host.restoreLibraries(shard)
    } catch (failure) {
      if (this.#shard !== shard) return
      this.#yields = true
      log.error('The functions cannot be read: this node gives up the lead that it has claimed', { error: failure as Error })
      this.#openAnew()
      return
    }
    if (this.#shard === shard) this.#lead(shard)
  }

  #lead(shard: Shard): void {
    const host = this.#host
    const { log, primary, keyspace } = shard
    const { leadership } = log
    this.role = 'primary'
    this.#yields = false
    this.#ledSinceMs = host.clock.monotonicMs()
    primary.x.deletesExpired = true
    host.maintenance.follows = false
    if (leadership !== undefined) {
      this.changes++
      host.log.info('This node is the primary now', { epoch: leadership.epoch, lsn: log.appended })
      this.#lease = new Lease(leadership, host.clock, host.config.values['leader-lease-ms'])
      this.#lease.keep(() => this.mayAnswer(host.clock.monotonicMs()))
      // Another one may have claimed since.
      if (log.stats().failed) {
        this.demote('the log was claimed by another node at once')
        return
      }
    }
    this.#endsLeadingAgain()
    if (this.primary !== undefined) host.ledBy(this.primary)
    if (hasUnfinished(keyspace)) primary.change(deleteUnfinished)
  }
}

function pending(): { readonly ended: Promise<void>; end(): void } {
  let end = (): void => undefined
  const ended = new Promise<void>((resolve) => {
    end = resolve
  })
  return { ended, end }
}
