/**
 * A planned hand-over of the lead to a replica (FAILOVER, and a primary that stops): writes are held back until the replica has
 * applied everything, then for a moment all requests, while the log takes the release and the replica claims. Requests that were held back
 * are tried again afterwards, and refused by what is a replica by then, so nobody gets an answer that another node contradicts.
 */
import type { Clock, Timer } from '../storage/clock.ts'
import type { Config } from './config/config.ts'
import type { Gate } from './gate.ts'
import { timerMsMax } from './gate.ts'
import type { Log } from './logging.ts'
import type { KnownPeer, Peers } from './peers.ts'
import type { Roles } from './roles.ts'
import type { Shard } from './shard/shard.ts'
import { newestLsn } from './shard/shard.ts'

/** How long a primary that stops waits for a replica to catch up. */
const stopMsMax = 1000
/** How long everybody waits for a script to end. */
const idleMsMax = 1000
/** How long a primary that stops waits for its successor, so that it can tell its clients where to go. */
const stopClaimMsMax = 500
/** How often it is looked whether the successor has claimed. */
const claimPollMs = 2

export type FailoverState = 'no-failover' | 'waiting-for-sync' | 'failover-in-progress'

export interface FailoverHost {
  readonly clock: Clock
  readonly config: Config
  readonly gate: Gate
  readonly log: Log
  readonly nodeId: string
  readonly roles: Roles
  readonly peers: Peers
  readonly shard: Shard | undefined
}

export interface FailoverOptions {
  /** The node that is to lead; whichever has come furthest unless told. */
  readonly to?: KnownPeer
  /** Milliseconds after which it is given up, or the target gets the lead although it is behind (`forced`); 0 for no limit. */
  readonly timeoutMs: number
  readonly forced: boolean
  /** How long requests are held back until another node leads; a lease unless told. When the successor has not claimed by half of one, others may. */
  readonly claimMsMax?: number
}

export class Failover {
  state: FailoverState = 'no-failover'
  readonly #host: FailoverHost
  #abort: () => void = () => undefined

  constructor(host: FailoverHost) {
    this.#host = host
  }

  /** Resolves to whether another node has been given the lead. Never rejects. */
  async begin({ to, timeoutMs, forced, claimMsMax }: FailoverOptions): Promise<boolean> {
    const { clock, config, gate, log, peers, shard } = this.#host
    if (shard === undefined || this.state !== 'no-failover') return false
    this.state = 'waiting-for-sync'
    gate.pause(timerMsMax, 'write')
    let timer: Timer | undefined
    let outcome: 'aborted' | 'late' | 'caught up' = 'caught up'
    const candidates = (): readonly KnownPeer[] => peers.all.filter(({ node }) => to === undefined || node === to.node)
    // Scripts in transactions and the server's own changes go on, so there is no last record: who has this one will soon have the rest, and cannot lead before.
    const wanted = newestLsn(shard)
    const wait = peers.until(() => candidates().some(({ applied }) => applied >= wanted))
    const ended = new Promise<void>((resolve) => {
      this.#abort = () => {
        outcome = 'aborted'
        resolve()
      }
      if (timeoutMs > 0) {
        timer = clock.after(Math.min(timeoutMs, timerMsMax), () => {
          outcome = 'late'
          resolve()
        })
      }
    })
    await Promise.race([wait.done, ended])
    wait.giveUp()
    timer?.cancel()
    const successor = candidates().toSorted((a, b) => b.applied - a.applied)[0]
    const goesOn = successor !== undefined && (outcome === 'caught up' || (outcome === 'late' && forced))
    const done = goesOn && (await this.#handOver(successor.node, claimMsMax ?? config.values['leader-lease-ms']))
    if (!done) log.warn('The lead was not handed over', { reason: outcome })
    this.state = 'no-failover'
    gate.unpause()
    return done
  }

  /** False when none is under way that can still be called off. */
  abort(): boolean {
    if (this.state !== 'waiting-for-sync') return false
    this.#abort()
    return true
  }

  /** The server ends: another node should lead at once, not after a lease. */
  async beforeStop(): Promise<void> {
    const { roles, peers, shard } = this.#host
    if (shard?.log.leadership === undefined || roles.role !== 'primary' || peers.all.length === 0) return
    await this.begin({ timeoutMs: stopMsMax, forced: true, claimMsMax: stopClaimMsMax })
  }

  /** A script that is suspended has a record in the making. */
  async #untilIdle(): Promise<void> {
    const { clock, shard } = this.#host
    const until = clock.monotonicMs() + idleMsMax
    while (shard?.primary.isIdle === false) {
      if (clock.monotonicMs() > until) throw new Error('a script is running')
      await new Promise<void>((resolve) => clock.afterTurn(resolve))
    }
  }

  /** Requests that were held back can then be told where to go. */
  async #untilOtherLeads(claimMsMax: number): Promise<void> {
    const { clock, roles, nodeId } = this.#host
    const until = clock.monotonicMs() + claimMsMax
    while (roles.role === 'replica' && roles.primary?.node === nodeId && clock.monotonicMs() < until) {
      await new Promise<void>((resolve) => clock.after(claimPollMs, resolve))
    }
  }

  async #handOver(successor: string, claimMsMax: number): Promise<boolean> {
    const { gate, log, roles } = this.#host
    this.state = 'failover-in-progress'
    const release = gate.hold()
    try {
      await this.#untilIdle()
      await roles.handOver(successor)
      await this.#untilOtherLeads(claimMsMax)
      return true
    } catch (failure) {
      log.warn('The lead could not be handed over', { error: failure as Error })
      return false
    } finally {
      release()
    }
  }
}
