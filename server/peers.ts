/**
 * The other nodes that share the log, as they tell of themselves, and what this one tells them: some times within a lease, and when
 * the primary asks by a sign of life. The primary trims the log by it: never below what so many nodes hold in a durable checkpoint as
 * `log-trim-copies` says, and, up to `log-retain-bytes`, not below what the slowest node that lives still needs.
 */

import type { Clock, Timer } from '../storage/clock.ts'
import type { Members } from '../wal/members.ts'
import type { Announced } from './cluster/endpoint.ts'
import type { Config } from './config/config.ts'
import type { Log } from './logging.ts'
import type { Role } from './roles.ts'
import type { Peer } from './shard/peer.ts'
import { decodePeer, encodePeer } from './shard/peer.ts'
import type { Shard } from './shard/shard.ts'
import { newestLsn } from './shard/shard.ts'
import { moraineVersion } from './version.ts'

const tellingsPerLease = 4
/** One that has been silent for so many leases counts as gone. */
const leasesUntilGone = 30
/** Soonest time from one telling to the next, and from one look at the others to the next while somebody waits for them. */
const urgentMs = 10

export interface PeersHost {
  readonly clock: Clock
  readonly config: Config
  readonly log: Log
  readonly nodeId: string
  readonly roles: { readonly role: Role; readonly isLinkUp: boolean }
  readonly announced: Announced
}

/** Another node, and when it was heard last by this node's monotonic clock. */
export interface KnownPeer extends Peer {
  readonly heardMs: number
}

interface Wait {
  readonly isDone: () => boolean
  readonly resolve: () => void
}

export class Peers {
  /** Set by the owner. Called when others have been asked for. */
  onLooked: () => void = () => undefined
  readonly #host: PeersHost
  readonly #known = new Map<string, KnownPeer>()
  #shard: Shard | undefined
  #timer: Timer | undefined
  #beat = 0
  #looking = false
  #hurrying = false
  #telling = false
  #toldMs = Number.NEGATIVE_INFINITY
  #toldLsn = -1
  #waiting: Wait[] = []

  constructor(host: PeersHost) {
    this.#host = host
  }

  /** The other nodes that live, by their names. */
  get all(): readonly KnownPeer[] {
    const { clock } = this.#host
    const since = clock.monotonicMs() - leasesUntilGone * this.#leaseMs
    return [...this.#known.values()].filter(({ heardMs }) => heardMs > since).sort((a, b) => (a.node < b.node ? -1 : 1))
  }

  /** How many other nodes have applied a record. */
  countWith(lsn: number): number {
    return this.all.filter(({ applied }) => applied >= lsn).length
  }

  /** Resolves when what is known of the others makes `isDone` true; all are asked how far they are. `giveUp` ends the wait. */
  until(isDone: () => boolean): { readonly done: Promise<void>; giveUp(): void } {
    let resolve = (): void => undefined
    const done = new Promise<void>((settle) => {
      resolve = settle
    })
    const wait: Wait = { isDone, resolve }
    this.#waiting.push(wait)
    this.#settle()
    this.#hurry()
    return {
      done,
      giveUp: () => {
        this.#waiting = this.#waiting.filter((each) => each !== wait)
      },
    }
  }

  connect(shard: Shard): void {
    this.#shard = shard
    if (shard.log.members !== undefined) this.#go()
  }

  disconnect(): void {
    this.#timer?.cancel()
    this.#shard = undefined
  }

  /** The node ends, and will not be needed any more. */
  async leave(): Promise<void> {
    const members = this.#shard?.log.members
    this.disconnect()
    await members?.withdraw(this.#host.nodeId).catch(() => undefined)
  }

  /** The primary has given a sign of life: it may want to know how far this node is. */
  signed(): void {
    const { clock } = this.#host
    const shard = this.#shard
    const members = shard?.log.members
    if (shard === undefined || members === undefined || this.#toldLsn === newestLsn(shard)) return
    if (clock.monotonicMs() - this.#toldMs >= urgentMs) void this.#tell(shard, members)
  }

  get #leaseMs(): number {
    return this.#host.config.values['leader-lease-ms']
  }

  #go(): void {
    this.#timer = this.#host.clock.after(this.#leaseMs / tellingsPerLease, () => {
      const shard = this.#shard
      const members = shard?.log.members
      if (shard === undefined || members === undefined) return
      void this.#tell(shard, members)
      void this.#look(shard, members)
      this.#go()
    })
  }

  /** Asks all to tell how far they are, and looks until nobody waits any more. */
  #hurry(): void {
    const shard = this.#shard
    const members = shard?.log.members
    if (this.#hurrying || shard === undefined || members === undefined || this.#waiting.length === 0) return
    this.#hurrying = true
    shard.log.leadership?.renew()
    void this.#look(shard, members).then(() =>
      this.#host.clock.after(urgentMs, () => {
        this.#hurrying = false
        this.#hurry()
      }),
    )
  }

  async #tell(shard: Shard, members: Members): Promise<void> {
    if (this.#telling) return
    const { nodeId, announced, clock } = this.#host
    // What a primary has appended and not committed may become another one's record under the same number.
    const applied = Math.min(newestLsn(shard), shard.log.committed)
    this.#telling = true
    this.#toldMs = clock.monotonicMs()
    this.#beat++
    // Whoever fetches a copy from this node will need the log behind it, and cannot say so yet.
    const checkpoint = shard.logHolds.limit(shard.checkpointer?.lastLsn ?? 0)
    const about: Peer = { node: nodeId, ...announced, applied, checkpoint, version: moraineVersion, beat: this.#beat }
    try {
      await members.announce(nodeId, encodePeer(about))
      this.#toldLsn = applied
    } catch {
      // The next telling follows soon.
    } finally {
      this.#telling = false
    }
  }

  /** Never rejects. */
  async #look(shard: Shard, members: Members): Promise<void> {
    if (this.#looking) return
    this.#looking = true
    try {
      this.#learn(await members.all())
      // While nobody leads, perhaps because the log has no room, whoever looks may make some.
      const { role, isLinkUp } = this.#host.roles
      if (this.#shard === shard && (role === 'primary' || !isLinkUp)) await this.#trim(shard)
    } catch (failure) {
      this.#host.log.debug('The other nodes could not be asked for', { error: failure as Error })
    } finally {
      this.#looking = false
    }
  }

  #learn(all: ReadonlyMap<string, Buffer>): void {
    const nowMs = this.#host.clock.monotonicMs()
    for (const [id, bytes] of all) {
      const peer = decodePeer(bytes)
      if (peer === undefined || id === this.#host.nodeId) continue
      const known = this.#known.get(id)
      this.#known.set(id, { ...peer, heardMs: known?.beat === peer.beat ? known.heardMs : nowMs })
    }
    for (const id of this.#known.keys()) if (!all.has(id)) this.#known.delete(id)
    this.onLooked()
    this.#settle()
  }

  #settle(): void {
    const ready = this.#waiting.filter(({ isDone }) => isDone())
    if (ready.length === 0) return
    this.#waiting = this.#waiting.filter((each) => !ready.includes(each))
    for (const { resolve } of ready) resolve()
  }

  async #trim(shard: Shard): Promise<void> {
    const { values } = this.#host.config
    const upTo = trimFloor({
      own: shard.checkpointer?.lastLsn ?? 0,
      others: this.all.map(({ checkpoint }) => checkpoint),
      copies: values['log-trim-copies'],
      isOverBudget: shard.log.stats().bytes > Number(values['log-retain-bytes']),
    })
    if (upTo >= shard.log.first) await shard.log.trim(shard.logHolds.limit(upTo))
  }
}

/** Up to which record the log may go, by the checkpoints of this node and the others that live. */
export function trimFloor(state: {
  readonly own: number
  readonly others: readonly number[]
  readonly copies: number
  readonly isOverBudget: boolean
}): number {
  const checkpoints = [state.own, ...state.others].sort((a, b) => b - a)
  const held = checkpoints[state.copies - 1] ?? 0
  const slowest = checkpoints.at(-1) as number
  return state.isOverBudget ? held : Math.min(held, slowest)
}
