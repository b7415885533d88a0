/**
 * Who is interested in which keys: one table for WATCH, for clients that block on keys, for keyspace events and for
 * client tracking. The mutator tells it of each change, so that nobody has to look at keys after a write to find out.
 *
 * An interest is in a key of a database as clients number it, whether the key exists or not; SWAPDB lets it meet another
 * key. A party hears of a change at once, within the operation of the mutator, when it may take note and no more; or,
 * if it `waits`, when the record is complete: `drain` then tells those that wait for a key in the order in which they came.
 *
 * While nobody is interested (`active` is 0) a change costs the mutator one comparison. Otherwise it costs one look-up by
 * the hash that the keyspace has just computed. The table looks keys up, and changes none.
 */
import type { RecordReader } from '../mutation/record-reader.ts'
import type { InterestLink } from './interest-table.ts'
import { InterestTable, KeyNode } from './interest-table.ts'
import type { Interest, InterestedParty, KeyListener, KeyOfInterest, RecordListener } from './interested-party.ts'
import { databaseFlushed, databaseSwapped, dataReloaded, leavesKey } from './key-change.ts'
import type { Keyspace } from './keyspace.ts'
import { ownDatabase } from './keyspace.ts'

/** Measured: what a key and an interest take beside the key's bytes, with their share of the tables. */
export const keyOfInterestBytes = 300
export const interestBytes = 72

export class KeyInterest {
  /** 0 while nobody is interested in anything: then nothing has to be told. */
  active = 0
  /** How many of the interests are of parties that hear of edits. */
  hearsEdits = 0
  /** The time of requests, in ms since the epoch; keys that expire before it count as missing. */
  now = 0
  #keyspace: Keyspace
  /** By the database's number. */
  readonly #tables: readonly InterestTable[]
  #listener: RecordListener | undefined
  readonly #others: KeyListener[] = []
  /** Changes of which waiting parties are still to be told, in order. */
  #pending: { readonly node: KeyNode; readonly change: number }[] = []
  #drains = false
  #bytes = 0

  constructor(keyspace: Keyspace) {
    this.#keyspace = keyspace
    this.#tables = Array.from(keyspace.logical, (_, database) => new InterestTable(database))
  }

  /** Memory of the interests, in bytes. */
  get bytes(): number {
    return this.#bytes
  }

  get listener(): RecordListener | undefined {
    return this.#listener
  }

  /** At most one listens to every key. */
  set listener(listener: RecordListener | undefined) {
    this.active += Number(listener !== undefined) - Number(this.#listener !== undefined)
    this.#listener = listener
  }

  /** Has somebody else hear of every key for a while. */
  addListener(listener: KeyListener): void {
    this.#others.push(listener)
    this.active++
  }

  removeListener(listener: KeyListener): void {
    const index = this.#others.indexOf(listener)
    if (index < 0) return
    this.#others.splice(index, 1)
    this.active--
  }

  /** The key if anybody is interested in it. */
  find(database: number, key: Buffer): KeyOfInterest | undefined {
    return this.#tables[database].find(this.#keyspace.keyHash(key, 0, key.length), key, 0, key.length)
  }

  /** Adds an interest; a party may have several. The key's bytes are copied. */
  register(database: number, key: Buffer, party: InterestedParty): Interest {
    const table = this.#tables[database]
    const hash = this.#keyspace.keyHash(key, 0, key.length)
    let node = table.find(hash, key, 0, key.length)
    if (node === undefined) {
      node = new KeyNode(database, Buffer.from(key), hash)
      table.add(node)
      this.#bytes += keyOfInterestBytes + key.length
    }
    this.#bytes += interestBytes
    this.active++
    if (party.keyEdited !== undefined) this.hearsEdits++
    return node.listFor(party).append(node, party)
  }

  /** Ends an interest; a second time does nothing. */
  unregister(interest: Interest): void {
    const link = interest as InterestLink
    if (link.hasEnded) return
    const node = link.key
    node.listFor(link.party).remove(link)
    this.#bytes -= interestBytes
    this.active--
    if (link.party.keyEdited !== undefined) this.hearsEdits--
    if (!node.isIdle) return
    this.#tables[node.database].remove(node)
    this.#bytes -= keyOfInterestBytes + node.key.length
  }

  /** Whether the key exists and has not expired. */
  isThere({ database, key }: KeyOfInterest): boolean {
    const { entries, logical } = this.#keyspace
    const ref = this.#keyspace.find(logical[database], key, 0, key.length)
    if (ref === 0) return false
    const expireAt = entries.expireAt(ref)
    return expireAt === 0 || expireAt >= this.now
  }

  /** The mutator has changed a key of a physical database, or is about to. Only called while `active`. */
  touched(db: number, key: Uint8Array, start: number, end: number, change: number): void {
    if (db === ownDatabase) return
    const table = this.#tableOf(db)
    this.#listener?.keyTouched(table.database, key, start, end, change)
    for (const each of this.#others) each.keyTouched(table.database, key, start, end, change)
    if (table.isEmpty) return
    const node = table.find(this.#keyspace.keyHash(key, start, end), key, start, end)
    if (node !== undefined) this.#tell(node, change)
  }

  /** The mutator is about to apply an edit to a key of a physical database. Only called while `hearsEdits`. */
  edited(db: number, key: Uint8Array, start: number, end: number, type: number, edit: number, payload: RecordReader): void {
    if (db === ownDatabase) return
    const node = this.#tableOf(db).find(this.#keyspace.keyHash(key, start, end), key, start, end)
    if (node === undefined) return
    const { at } = payload
    for (let link = node.atOnce?.first; link !== undefined; link = link.next) {
      if (link.hasEnded) continue
      link.party.keyEdited?.(node, type, edit, payload)
      payload.at = at
    }
  }

  /** As `touched`, for the key of an entry. */
  touchedEntry(ref: number, change: number): void {
    const { entries, arena } = this.#keyspace
    const start = entries.keyStart(ref)
    this.touched(entries.db(ref), arena.bytes(ref), start, start + entries.keyLength(ref), change)
  }

  /** A physical database is about to be emptied: the keys that are in it change. Only called while `active`. */
  flushed(db: number): void {
    if (db === ownDatabase) return
    const table = this.#tableOf(db)
    this.#tellListeners(table.database, databaseFlushed)
    for (const node of table.nodes()) if (exists(this.#keyspace, db, node)) this.#tell(node, databaseFlushed)
  }

  /** Two numbers of databases have been exchanged. Only called while `active`. */
  swapped(a: number, b: number): void {
    const { logical } = this.#keyspace
    for (const database of [a, b]) {
      this.#tellListeners(database, databaseSwapped)
      for (const node of this.#tables[database].nodes()) {
        const isInEither = exists(this.#keyspace, logical[a], node) || exists(this.#keyspace, logical[b], node)
        if (isInEither) this.#tell(node, databaseSwapped)
      }
    }
  }

  /**
   * All data was read again into another keyspace, whose mutator has this table from now on: every key that was there or is there
   * counts as changed. The interests go on in the new keyspace.
   */
  moveTo(keyspace: Keyspace): void {
    const former = this.#keyspace
    this.#keyspace = keyspace
    for (const table of this.#tables) {
      const { database } = table
      const nodes = [...table.nodes()]
      table.clear()
      for (const node of nodes) {
        node.hash = keyspace.keyHash(node.key, 0, node.key.length)
        table.add(node)
      }
      this.#tellListeners(database, dataReloaded)
      for (const node of nodes) {
        const isInEither = exists(former, former.logical[database], node) || exists(keyspace, keyspace.logical[database], node)
        if (isInEither) this.#tell(node, dataReloaded)
      }
    }
    this.#listener?.recorded(0)
  }

  /** Whether a party that waits has something to hear. */
  get hasPending(): boolean {
    return this.#pending.length > 0
  }

  /**
   * Tells the parties that wait what has happened to their keys: changes in their order, each kind once for a key; for each, the parties in
   * the order in which they came, up to the one that takes the last there was of it. What they change meanwhile is told before `drain` returns, too; within it, it does nothing.
   */
  drain(): void {
    if (this.#drains) return
    this.#drains = true
    try {
      const pending = this.#pending
      for (let i = 0; i < pending.length; i++) {
        const { node, change } = pending[i]
        node.pending &= ~change
        node.waiting?.tell(change, () => (change & leavesKey) !== 0 && !this.isThere(node))
      }
    } finally {
      this.#pending = []
      this.#drains = false
    }
  }

  #tellListeners(database: number, change: number): void {
    this.#listener?.databaseTouched(database, change)
    for (const each of this.#others) each.databaseTouched(database, change)
  }

  #tell(node: KeyNode, change: number): void {
    node.atOnce?.tell(change)
    if (node.waiting?.first === undefined || (node.pending & change) !== 0) return
    node.pending |= change
    this.#pending.push({ node, change })
  }

  /** The table of the number that a physical database has at present. */
  #tableOf(db: number): InterestTable {
    const { logical } = this.#keyspace
    let database = 0
    while (logical[database] !== db) database++
    return this.#tables[database]
  }
}

function exists(keyspace: Keyspace, db: number, { key }: KeyNode): boolean {
  return keyspace.find(db, key, 0, key.length) !== 0
}
