/**
 * Hot, cool, cold: which values are in memory. The tier hears of every change to the keyspace, fetches what requests need,
 * chooses what leaves, and hands what has changed to the write-out, which makes hot values cool ahead of need. Under
 * pressure only cool values leave, by dropping bytes: no I/O.
 *
 * It changes no meaning: a value is the same hot, cool or cold. It runs in slices, between requests, never inside one.
 */
import type { Arguments } from '../engine/arguments.ts'
import type { Need } from '../engine/command.ts'
import type { Database } from '../engine/keyspace/database.ts'
import { chunkedHash, valueDirtyFlag } from '../engine/keyspace/entries.ts'
import type { Keyspace } from '../engine/keyspace/keyspace.ts'
import type { KeyspaceObserver } from '../engine/keyspace/observer.ts'
import type { ChunkedHash } from '../engine/types/chunked-hash.ts'
import { fieldHash } from '../engine/types/field-hashes.ts'
import type { Clock } from './clock.ts'
import type { ColdReadCounts } from './cold-reader.ts'
import { ColdReader } from './cold-reader.ts'
import type { ColdItem } from './cold-set.ts'
import { ColdSet } from './cold-set.ts'
import { ColdStamps } from './cold-stamps.ts'
import type { ColdStore } from './cold-store.ts'
import { LoosePieces } from './loose-pieces.ts'
import { RefQueue } from './ref-queue.ts'
import { Residency } from './residency.ts'
import { Tombstones } from './tombstones.ts'
import type { ValueCodec } from './value-codec.ts'

export type { ColdSet } from './cold-set.ts'

export type PromotePolicy = 'second' | 'always' | 'never'

/** May be changed while the server runs. */
export interface TierSettings {
  /** Whether values may become cold for lack of memory. Without, those that a restart left cold still can be read. */
  demotes: boolean
  /** Values smaller than this never leave memory: they ride along in the catalog. */
  valueBytesMin: number
  promote: PromotePolicy
  /** Milliseconds that a key must have left to live for its value to be worth moving. */
  ttlMinMs: number
}

export interface TierCounts extends ColdReadCounts {
  promotions: number
  demotions: number
  demotedBytes: number
  /** Reads that were served without promotion. */
  passed: number
}

/** While memory is this far below the budget's limits, whatever is read stays. */
export type Room = 'ample' | 'some' | 'none'

const scanChunksAhead = 8

export class Tier implements KeyspaceObserver {
  readonly counts: TierCounts = {
    coldReads: 0,
    coldReadBytes: 0,
    sharedReads: 0,
    promotions: 0,
    demotions: 0,
    demotedBytes: 0,
    passed: 0,
  }
  readonly settings: TierSettings
  readonly residency: Residency
  /** Entries that the catalog does not know as they are, in the order in which they became so. */
  readonly dirty = new RefQueue()
  /** Entries that moved while they were dirty. Each is older than it looks: a checkpoint that began before it moved must not miss it. */
  readonly dirtyMovers = new RefQueue()
  /** Entry of a large hash whose dirty chunks are being written, a batch at a time, before the catalog is told of it; 0 for none. */
  partlyWritten = 0
  /** Deleted keys that the catalog still knows. */
  readonly tombstones = new Tombstones()
  /** What was cut off and is released in slices. */
  readonly loose: LoosePieces
  /** Ids in the cold store that became useless since the last checkpoint. */
  stales: number[] = []
  /** Databases were flushed or swapped since the catalog was told. */
  databasesChanged = false
  /** A chunk of a large hash has been cold since the start. */
  chunksWereCold = false
  /** Says how much room there is for values to come back. */
  room: () => Room = () => 'ample'
  readonly #keyspace: Keyspace
  readonly #store: ColdStore | undefined
  readonly #reader: ColdReader | undefined
  readonly #stamps: ColdStamps
  /** Entries that were fetched for the request in hand, with the epoch at which each was last seen. */
  readonly #visitors: number[] = []

  constructor(
    keyspace: Keyspace,
    store: ColdStore | undefined,
    codec: ValueCodec,
    clock: Clock,
    settings: TierSettings,
    coldReadMs: (ms: number) => void,
  ) {
    this.#keyspace = keyspace
    this.#store = store
    this.settings = settings
    this.residency = new Residency(keyspace.values)
    this.#stamps = new ColdStamps(keyspace.access, this.residency.epoch)
    keyspace.coldIdleSeconds = (stamp) => this.#stamps.idleSeconds(stamp)
    this.loose = new LoosePieces(keyspace)
    if (store === undefined) return
    this.#reader = new ColdReader(store, codec, clock, this.counts, coldReadMs)
    this.#reader.onRead = (bytes) => this.residency.passed(bytes, this.residency.bytes)
  }

  /** Whether a request may meet a cold value at all. */
  get hasCold(): boolean {
    return this.#keyspace.coldCount > 0 || this.chunksWereCold
  }

  get readsInFlight(): number {
    return this.#reader?.inFlight ?? 0
  }

  /** Whether the catalog lags behind. */
  get hasDirty(): boolean {
    return this.dirty.length > 0 || this.dirtyMovers.length > 0 || this.partlyWritten !== 0
  }

  /** Memory for the tier's own bookkeeping. */
  get memoryBytes(): number {
    return (
      this.residency.memoryBytes +
      this.#stamps.bytes +
      this.dirty.bytes +
      this.dirtyMovers.bytes +
      this.tombstones.bytes +
      this.stales.length * 8
    )
  }

  /** Whether a value is worth moving: smaller ones stay in memory, and in the catalog. */
  isMovable(value: number): boolean {
    return this.#keyspace.values.room(value) >= this.settings.valueBytesMin
  }

  // What the keyspace tells.

  resident(value: number): void {
    if (!this.settings.demotes) return
    if (!this.isMovable(value)) return
    this.residency.enter(value)
    this.#passed(value)
  }

  #passed(value: number): void {
    this.residency.passed(this.#keyspace.arena.capacity(value), this.residency.bytes)
  }

  moved(_from: number, to: number): void {
    this.residency.moved(to)
    if (!this.settings.demotes || this.#keyspace.values.queue(to) !== 0) return
    // Values that begin small and grow become worth moving with a move.
    if (this.isMovable(to)) this.residency.enter(to)
  }

  released(value: number): void {
    this.residency.leave(value)
  }

  stale(valueId: number): void {
    if (this.#store !== undefined) this.stales.push(valueId)
  }

  dirtied(entry: number): void {
    if (this.#store !== undefined) this.dirty.push(entry)
  }

  dirtyMoved(entry: number): void {
    if (this.#store !== undefined) this.dirtyMovers.push(entry)
  }

  removed(entry: number, lsn: number): void {
    const { entries, arena } = this.#keyspace
    const start = entries.keyStart(entry)
    this.tombstones.add(entries.db(entry), lsn, arena.bytes(entry), start, start + entries.keyLength(entry))
  }

  collectionDropped(collection: ChunkedHash): void {
    this.loose.addCollection(collection)
  }

  flushed(former: Database): void {
    this.databasesChanged = true
    this.loose.addDatabase(former)
  }

  swapped(): void {
    this.databasesChanged = true
  }

  // Prefetch.

  /** Adds to `set` what a command needs of a key that is cold, wholly or in part. Makes the set when it is needed. */
  coldOf(ref: number, need: Need, args: Arguments, keyIndex: number, set: ColdSet | undefined): ColdSet | undefined {
    const { entries } = this.#keyspace
    if (entries.encoding(ref) === chunkedHash) {
      const hash = this.#keyspace.collections[entries.value(ref)] as ChunkedHash
      return hash.coldChunks === 0 ? set : coldChunks(hash, need, args, keyIndex, set)
    }
    if (entries.isResident(ref)) return set
    const made = set ?? new ColdSet()
    made.addValue(ref, entries.valueId(ref))
    return made
  }

  /** Reads what the set names. Rejects when a value cannot be read. */
  fetch(set: ColdSet): Promise<void> {
    if (set.items.length === 0) return Promise.resolve()
    return new Promise((resolve, reject) => {
      this.fetchTo(set, (failure) => (failure === undefined ? resolve() : reject(failure)))
    })
  }

  /** As `fetch`, for a set with items: `done` is called once, later, with the failure if there is one. */
  fetchTo(set: ColdSet, done: (failure: Error | undefined) => void): void {
    const { items } = set
    const values: (Buffer | undefined)[] = new Array(items.length).fill(undefined)
    let left = items.length
    set.values = values
    for (let i = 0; i < items.length; i++) {
      ;(this.#reader as ColdReader).read(items[i].id, (failure, bytes) => {
        if (left === 0) return
        values[i] = bytes
        if (failure !== undefined && this.#isCurrent(items[i])) {
          left = 0
          done(failure as Error)
        } else if (--left === 0) done(undefined)
      })
    }
  }

  /** Whether what was read is still wanted: a value that was replaced meanwhile may be gone from the store. */
  #isCurrent({ entry, hash, firstHash, id }: ColdItem): boolean {
    const { entries } = this.#keyspace
    if (hash !== undefined) return hash.coldChunkAt(firstHash) === id
    return entries.isLive(entry) && !entries.isResident(entry) && entries.valueId(entry) === id
  }

  /** Puts what was fetched in its place, unless it has changed meanwhile. The request must run before anything else does. */
  admit(set: ColdSet): void {
    if (set.former !== undefined) this.admit(set.former)
    const keyspace = this.#keyspace
    const { entries, values } = keyspace
    for (let i = 0; i < set.items.length; i++) {
      const { entry, hash, firstHash, id } = set.items[i]
      const bytes = set.values[i]
      if (bytes === undefined) continue
      if (hash !== undefined) {
        hash.admit(firstHash, id, bytes)
        continue
      }
      if (!entries.isLive(entry) || entries.isResident(entry) || entries.valueId(entry) !== id) continue
      const epoch = this.#stamps.epochOf(entries.coldStamp(entry))
      const value = this.#slotFor(entry, bytes)
      values.setId(value, id)
      entries.setResident(entry, value, keyspace.access.initial())
      entries.clearFlag(entry, valueDirtyFlag)
      keyspace.coldCount--
      this.#passed(value)
      this.#visitors.push(entry, epoch)
    }
  }

  /** A slot that holds `bytes`: their own memory if it may be adopted. */
  #slotFor(entry: number, bytes: Buffer): number {
    const { values } = this.#keyspace
    const adopted = (this.#reader as ColdReader).adopt(bytes)
    if (adopted === 'no') {
      const value = values.create(entry, bytes.length, false)
      values.bytes(value).set(bytes, values.start(value))
      return value
    }
    // Nobody has changed it, or the entry would have another value by now; but a reply may refer to it.
    const value = values.adopt(entry, bytes, 0, bytes.length)
    if (adopted === 'again') values.share(value)
    return value
  }

  /** After the request: what it fetched stays if it deserves to, or if it was changed; the rest is cold again. */
  settle(): void {
    const visitors = this.#visitors
    if (visitors.length === 0) return
    const { entries, values } = this.#keyspace
    for (let i = 0; i < visitors.length; i += 2) {
      const entry = visitors[i]
      if (!entries.isLive(entry) || entries.encoding(entry) === chunkedHash || !entries.isResident(entry)) continue
      const value = entries.value(entry)
      if (value === 0) continue
      if (values.id(value) === 0) {
        // It was changed, and stays.
        if (values.queue(value) === 0 && this.settings.demotes && this.isMovable(value)) this.residency.enter(value)
      } else if (this.#staysAfter(visitors[i + 1])) {
        this.counts.promotions++
        this.residency.leave(value)
        if (this.settings.demotes) this.residency.promote(value)
      } else {
        this.counts.passed++
        this.residency.leave(value)
        this.#makeCold(entry, value)
      }
    }
    visitors.length = 0
  }

  // Demotion.

  /**
   * Makes one value cold, the one that is needed least. Returns the bytes gained, 0 when the next victim is hot still
   * (the write-out is behind), -1 when there is nothing to demote.
   */
  demoteOne(): number {
    const value = this.residency.nextVictim()
    if (value === 0) return -1
    const keyspace = this.#keyspace
    const bytes = keyspace.arena.capacity(value)
    if (keyspace.values.isChunk(value)) {
      const hash = keyspace.collections[keyspace.values.owner(value)]
      if (hash === undefined || !hash.evict(value)) {
        this.residency.postpone(value)
        return 0
      }
      this.chunksWereCold = true
    } else {
      if (keyspace.values.id(value) === 0) {
        // One that has become too small for the store rides along in the catalog, and will never be cool.
        if (this.isMovable(value)) this.residency.postpone(value)
        return 0
      }
      this.#makeCold(keyspace.values.owner(value), value)
    }
    this.counts.demotions++
    this.counts.demotedBytes += bytes
    return bytes
  }

  #makeCold(entry: number, value: number): void {
    const { entries, values } = this.#keyspace
    entries.setCold(entry, values.id(value), this.#stamps.now(this.residency.epoch))
    values.release(value)
    this.#keyspace.coldCount++
  }

  #staysAfter(epoch: number): boolean {
    if (this.settings.promote === 'never' && this.settings.demotes) return false
    const room = this.room()
    if (room === 'none') return false
    return room === 'ample' || this.settings.promote === 'always' || this.residency.isRecent(epoch)
  }
}

function coldChunks(hash: ChunkedHash, need: Need, args: Arguments, keyIndex: number, set: ColdSet | undefined): ColdSet | undefined {
  let made = set
  const add = (firstHash: number, id: number): undefined => {
    made ??= new ColdSet()
    made.addChunk(hash, firstHash, id)
  }
  if (need === 'value') hash.eachCold(add)
  else if (need === 'scan') {
    let left = scanChunksAhead
    const cursor = args.integer(keyIndex + 1)
    hash.eachCold(
      (firstHash, id) => {
        add(firstHash, id)
        return --left > 0 ? undefined : false
      },
      cursor >= 0 && cursor < 2 ** 32 ? cursor : 0,
    )
  } else {
    const last = need === 'field' ? keyIndex + 1 : args.count - 1
    for (let i = keyIndex + 1; i <= last; i += need === 'pairs' ? 2 : 1) {
      const id = hash.coldChunkFor(args.buffer, args.starts[i], args.ends[i])
      if (id === 0) continue
      hash.eachCold(
        (firstHash, valueId) => {
          add(firstHash, valueId)
          return false
        },
        fieldHash(args.buffer, args.starts[i], args.ends[i], hash.seed),
      )
    }
  }
  return made
}
