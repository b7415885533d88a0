/**
 * `maxmemory-clients`: when the buffers of all clients together take more, clients are closed until they no longer do,
 * the largest first, as Redis 7.0 does. Clients that have asked for CLIENT NO-EVICT count, but stay.
 *
 * Looked at when a turn's replies have left: what the system took at once is not held against anybody.
 */
import type { Clock } from '../storage/clock.ts'
import type { Client } from './client.ts'
import { clientBytes, clientLine } from './client-list.ts'
import type { Config } from './config/config.ts'
import type { Values } from './config/settings.ts'
import type { Log } from './logging.ts'
import type { Listener } from './network/listener.ts'
import type { Turn } from './network/turn.ts'

/** Commands queued by MULTI and watched keys lie outside the connections' buffers; they are added up this often. */
const recountMs = 1000

interface ClientEvictionHost {
  readonly clock: Clock
  readonly config: Config
  readonly log: Log
  readonly listener: Listener
  readonly turn: Turn
  readonly sessions: ReadonlyMap<number, Client>
}

export class ClientEviction {
  /** Clients closed since the start. */
  evicted = 0
  readonly #host: ClientEvictionHost
  #transactionBytes = 0
  #countedMs = 0

  constructor(host: ClientEvictionHost) {
    this.#host = host
  }

  turnEnded(): void {
    const { config, listener, turn } = this.#host
    const limit = limitBytes(config.values)
    if (limit === 0) return
    if (listener.memoryBytes + this.#transactionBytes <= limit && turn.nowMs - this.#countedMs < recountMs) return
    this.#countedMs = turn.nowMs
    this.#evict(limit)
  }

  #evict(limit: number): void {
    const { sessions, log, clock } = this.#host
    const evictable: { readonly client: Client; readonly bytes: number }[] = []
    let total = 0
    this.#transactionBytes = 0
    for (const client of sessions.values()) {
      const bytes = clientBytes(client)
      total += bytes
      this.#transactionBytes += client.transaction.memoryBytes
      if (!client.noEvict) evictable.push({ client, bytes })
    }
    if (total <= limit) return
    evictable.sort((a, b) => b.bytes - a.bytes)
    for (const { client, bytes } of evictable) {
      log.info(`Evicting client: ${clientLine(client, clock)}`)
      client.connection.close()
      this.evicted++
      total -= bytes
      if (total <= limit) return
    }
  }
}

/** 0 for no limit. A percentage is one of `maxmemory`, and of none if that has no limit. */
function limitBytes(values: Values): number {
  const limit = values['maxmemory-clients']
  return limit >= 0 ? limit : Math.floor((Number(values.maxmemory) * -limit) / 100)
}
