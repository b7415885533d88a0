/**
 * `maxmemory-clients`: when the buffers of all clients together take more, clients are closed until they no longer do,
 * the largest first, as Redis 7.0 does. Clients that have asked for CLIENT NO-EVICT count, but stay.
 *
 * Looked at when a turn's replies have left: what the system took at once is not held against anybody.
 */
import { clientBytes, clientLine } from './client-list.ts'
import type { Values } from './config/settings.ts'
import type { Server } from './server.ts'
import type { Session } from './session.ts'

/** Commands queued by MULTI and watched keys lie outside the connections' buffers; they are added up this often. */
const recountMs = 1000

export class ClientEviction {
  /** Clients closed since the start. */
  evicted = 0
  readonly #server: Server
  #transactionBytes = 0
  #countedMs = 0

  constructor(server: Server) {
    this.#server = server
  }

  turnEnded(): void {
    const { config, listener, turn } = this.#server
    const limit = limitBytes(config.values)
    if (limit === 0) return
    if (listener.memoryBytes + this.#transactionBytes <= limit && turn.nowMs - this.#countedMs < recountMs) return
    this.#countedMs = turn.nowMs
    this.#evict(limit)
  }

  #evict(limit: number): void {
    const { sessions, log } = this.#server
    const evictable: { readonly session: Session; readonly bytes: number }[] = []
    let total = 0
    this.#transactionBytes = 0
    for (const session of sessions.values()) {
      const bytes = clientBytes(session)
      total += bytes
      this.#transactionBytes += session.transaction.memoryBytes
      if (!session.noEvict) evictable.push({ session, bytes })
    }
    if (total <= limit) return
    evictable.sort((a, b) => b.bytes - a.bytes)
    for (const { session, bytes } of evictable) {
      log.info(`Evicting client: ${clientLine(session)}`)
      session.connection.close()
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
