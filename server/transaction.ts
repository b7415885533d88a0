/**
 * What a client has queued since MULTI and watches since WATCH. A watched key is remembered with the LSN of its last
 * change: EXEC is refused when any shows another one. Queued requests keep their arguments.
 */
import type { Arguments } from '../engine/arguments.ts'
import type { Keyspace } from '../engine/keyspace/keyspace.ts'
import { isMemoryRefusal } from '../engine/memory/refusal.ts'
import type { ReplyWriter } from '../engine/reply-writer.ts'
import type { ColdSet } from '../storage/tier.ts'
import type { Command } from './command-table.ts'
import { outOfMemory } from './dispatch-errors.ts'
import type { MissWatcher, Primary } from './shard/primary.ts'

export interface Queued<Session = never> {
  readonly command: Command<Session>
  readonly args: Arguments
}

interface Watched {
  /** The database as clients number it, and the physical one that it was. */
  readonly number: number
  readonly db: number
  readonly key: Buffer
  /** Of the key's last change; -1 for a key that was missing, -2 for one that had expired. */
  readonly lsn: number
  /** It was missing and has been made since, whatever became of it. */
  wasMade: boolean
}

/** Commands that act on the transaction instead of joining it. */
const endings = new Set(['multi', 'exec', 'discard', 'watch', 'quit', 'reset'])

/** `Session` is what the queued commands run with, see `Command`. */
export class Transaction<Session = never> implements MissWatcher {
  open = false
  /** A request was refused: EXEC will be, too. */
  failed = false
  queued: Queued<Session>[] = []
  #watched: Watched[] = []
  /** Where it asks to be told of writes while it watches keys that are missing. */
  #watchers: Set<MissWatcher> | undefined

  get watchedCount(): number {
    return this.#watched.length
  }

  /** Memory of what is queued, in bytes. */
  get queuedBytes(): number {
    let bytes = 0
    for (const { args } of this.queued) bytes += args.buffer.length
    return bytes
  }

  /** Whether anything that is queued may change keys. */
  get writes(): boolean {
    return this.queued.some(({ command }) => command.isWrite)
  }

  /** Whether anything that is queued may need memory that it does not give back. */
  get wantsMemory(): boolean {
    return this.queued.some(({ command }) => command.denyOom)
  }

  endsWith(command: Command): boolean {
    return endings.has(command.name)
  }

  queue(command: Command<Session>, args: Arguments, reply: ReplyWriter): void {
    try {
      this.queued.push({ command, args: args.keep() })
    } catch (failure) {
      if (!isMemoryRefusal(failure)) throw failure
      this.refused()
      reply.error(outOfMemory)
      return
    }
    reply.queued()
  }

  refused(): void {
    if (this.open) this.failed = true
  }

  /** Forgets everything, watched keys included. */
  discard(): void {
    this.open = false
    this.failed = false
    this.queued = []
    this.unwatch()
  }

  /** `number` is the database as clients number it. */
  watch(primary: Primary, number: number, key: Buffer): void {
    const { keyspace, x } = primary
    const db = keyspace.logical[number]
    if (this.#watched.some((watched) => watched.number === number && watched.db === db && watched.key.equals(key))) return
    const lsn = seen(keyspace, db, key, x.now)
    this.#watched.push({ number, db, key: Buffer.from(key), lsn, wasMade: false })
    if (lsn > missing) return
    this.#watchers = primary.missWatchers
    primary.missWatchers.add(this)
  }

  unwatch(): void {
    this.#watched = []
    this.#watchers?.delete(this)
    this.#watchers = undefined
  }

  /** Something was written: a missing key may be there for a moment. */
  noticeMade(keyspace: Keyspace, now: number): void {
    for (const watched of this.#watched) {
      if (watched.lsn <= missing && !watched.wasMade) watched.wasMade = seen(keyspace, watched.db, watched.key, now) > missing
    }
  }

  /** Whether a watched key has changed or expired since, or is another one after SWAPDB. */
  isBroken(keyspace: Keyspace, now: number): boolean {
    for (const { number, db, key, lsn, wasMade } of this.#watched) {
      if (wasMade) return true
      const present = seen(keyspace, db, key, now)
      if (present !== lsn && !(lsn === expired && present === missing)) return true
      const dbNow = keyspace.logical[number]
      if (dbNow !== db && (lsn > missing || seen(keyspace, dbNow, key, now) > missing)) return true
    }
    return false
  }

  /** The cold values that the queued requests need, together. */
  coldNeeds(primary: Primary, database: number): ColdSet | undefined {
    if (this.failed) return undefined
    let set: ColdSet | undefined
    let selected = database
    const swaps = this.queued.some(({ command }) => command.name === 'swapdb')
    for (const { command, args } of this.queued) {
      if (command.name === 'select') selected = args.integer(1)
      if (!(selected >= 0 && selected < 16)) selected = database
      // After a SWAPDB inside the transaction a number may mean any database.
      if (swaps) for (let i = 0; i < 16; i++) set = primary.coldNeeds(command, args, i, set)
      else set = primary.coldNeeds(command, args, selected, set)
    }
    return set
  }
}

const missing = -1
const expired = -2

function seen(keyspace: Keyspace, db: number, key: Buffer, now: number): number {
  keyspace.forgetLookUp()
  const ref = keyspace.find(db, key, 0, key.length)
  if (ref === 0) return missing
  const expireAt = keyspace.entries.expireAt(ref)
  return expireAt !== 0 && expireAt < now ? expired : keyspace.entries.lsn(ref)
}
