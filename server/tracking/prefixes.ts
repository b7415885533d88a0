/** Clients in BCAST mode, by the prefixes that they have asked for, and the keys that have changed under each since they were last told. */
import { Invalidation } from './invalidation.ts'
import type { TrackedClient } from './tracked-client.ts'

/** Measured: a prefix, and a client of one, beside the bytes of the name. */
const prefixBytes = 500
const memberBytes = 60

/** Who has changed a key: one client, or several, or the server itself. */
type Changer = TrackedClient | undefined

class Prefix {
  readonly clients = new Set<TrackedClient>()
  readonly keys = new Map<string, Changer>()
}

export class Prefixes {
  #prefixes = new Map<string, Prefix>()
  #bytes = 0

  get size(): number {
    return this.#prefixes.size
  }

  get bytes(): number {
    return this.#bytes
  }

  /** `name` as Latin-1. */
  join(tracked: TrackedClient, name: string): void {
    if (tracked.prefixes.has(name)) return
    tracked.prefixes.add(name)
    let prefix = this.#prefixes.get(name)
    if (prefix === undefined) {
      prefix = new Prefix()
      this.#prefixes.set(name, prefix)
      this.#bytes += prefixBytes + name.length
    }
    prefix.clients.add(tracked)
    this.#bytes += memberBytes
  }

  leave(tracked: TrackedClient): void {
    for (const name of tracked.prefixes) {
      const prefix = this.#prefixes.get(name) as Prefix
      prefix.clients.delete(tracked)
      this.#bytes -= memberBytes
      if (prefix.clients.size > 0) continue
      this.#prefixes.delete(name)
      this.#bytes -= prefixBytes + name.length
    }
    tracked.prefixes.clear()
  }

  /** A key has changed; true when anybody is to be told. */
  touched(key: string, changer: Changer): boolean {
    let isMatched = false
    for (const [name, { keys }] of this.#prefixes) {
      if (!key.startsWith(name)) continue
      isMatched = true
      keys.set(key, keys.has(key) && keys.get(key) !== changer ? undefined : changer)
    }
    return isMatched
  }

  /** Has `send` tell each client of what has changed, one message for a prefix, in the order of the keys' bytes. */
  announce(send: (tracked: TrackedClient, invalidation: Invalidation) => void): void {
    for (const prefix of this.#prefixes.values()) {
      const { keys, clients } = prefix
      if (keys.size === 0) continue
      const names = [...keys.keys()].sort()
      const all = Invalidation.of(names)
      for (const tracked of clients) {
        const own = tracked.options.noLoop ? names.filter((name) => keys.get(name) !== tracked) : names
        if (own.length > 0) send(tracked, own.length === names.length ? all : Invalidation.of(own))
      }
      keys.clear()
    }
  }
}
