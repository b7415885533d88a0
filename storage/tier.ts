/**
 * Hot, cool, cold: which values are in memory. The tier hears of every change to the keyspace, fetches what requests need,
 * chooses what leaves, and hands what has changed to the write-out, which makes hot values cool ahead of need. Under
 * pressure only cool values leave, by dropping bytes: no I/O.
 *
 * It changes no meaning: a value is the same hot, cool or cold. It runs in slices, between requests, never inside one.
 */
import type { Database } from '../engine/keyspace/database.ts'
import { valueDirtyFlag } from '../engine/keyspace/entries.ts'
import type { Keyspace } from '../engine/keyspace/keyspace.ts'
import type { KeyspaceObserver } from '../engine/keyspace/observer.ts'
import { slotBytesMax } from '../engine/memory/arena.ts'
import { isMemoryRefusal } from '../engine/memory/refusal.ts'
import { LeafRow } from '../engine/tree/tree-shape.ts'
import { CatalogLag } from './catalog-lag.ts'
import type { Clock } from './clock.ts'
import type { ColdReadCounts } from './cold-reader.ts'
import { ColdReader } from './cold-reader.ts'
import type { ColdItem, ColdLeaf } from './cold-set.ts'
import { ColdSet } from './cold-set.ts'
import { ColdStamps } from './cold-stamps.ts'
import type { ColdValues } from './cold-store.ts'
import { IdList } from './id-list.ts'
import { LazyFree } from './lazy-free.ts'
import { Residency } from './residency.ts'
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
  /** Reads whose value did not stay in memory. */
  readsWithoutPromotion: number
  /** Reads of what was needed and cold, although its command had not asked for it. */
  faults: number
}

/** While memory is this far below the budget's limits, whatever is read stays. */
export type Room = 'ample' | 'some' | 'none'

/** What is needed in the middle of a command cannot be read. */
export class UnreadableValue extends Error {}

export class Tier implements KeyspaceObserver {
  readonly counts: TierCounts = {
    coldReads: 0,
    coldReadBytes: 0,
    sharedReads: 0,
    readsAtOnce: 0,
    promotions: 0,
    demotions: 0,
    demotedBytes: 0,
    readsWithoutPromotion: 0,
    faults: 0,
  }
  readonly settings: TierSettings
  readonly residency: Residency
  /** What the catalog does not know yet. */
  readonly lag: CatalogLag
  /** What was cut off and is released in slices. */
  readonly lazyFree: LazyFree
  /** Ids of values in the cold store that became stale since the last checkpoint. */
  staleIds = new IdList()
  /** A leaf of a tree has been cold since the start. */
  leavesWereCold = false
  /** Set by the owner. Told of a fault. */
  onFault: () => void = () => undefined
  /** Says how much room there is for values to come back. */
  room: () => Room = () => 'ample'
  readonly #keyspace: Keyspace
  readonly #store: ColdValues | undefined
  readonly #reader: ColdReader | undefined
  readonly #stamps: ColdStamps
  /** Bytes of values that have been read for requests of which others are still to come. */
  #heldBytes = 0
  /** Entries whose value was admitted for the request in hand, with the epoch at which each was last seen. */
  readonly #admitted: number[] = []

  constructor(
    keyspace: Keyspace,
    store: ColdValues | undefined,
    codec: ValueCodec,
    clock: Clock,
    settings: TierSettings,
    coldReadMs: (ms: number) => void,
  ) {
    this.#keyspace = keyspace
    this.#store = store
    this.settings = settings
    this.lag = new CatalogLag(keyspace)
    this.residency = new Residency(keyspace.values)
    this.#stamps = new ColdStamps(keyspace.access, this.residency.epoch)
    keyspace.coldIdleSeconds = (stamp) => this.#stamps.idleSeconds(stamp)
    this.lazyFree = new LazyFree(keyspace, (entry) => this.lag.skipFlushed(entry))
    if (store === undefined) return
    this.#reader = new ColdReader(store, codec, clock, this.counts, coldReadMs)
    this.#reader.onRead = (bytes) => this.residency.ageGhosts(bytes, this.residency.bytes)
  }

  /** Whether a request may meet a cold value at all. */
  get hasCold(): boolean {
    return this.#keyspace.coldCount > 0 || this.leavesWereCold
  }

  get readsInFlight(): number {
    return this.#reader?.inFlight ?? 0
  }

  /** Resolves when no read is under way. */
  async quiet(): Promise<void> {
    await this.#reader?.quiet()
  }

  /** Memory for the tier's own bookkeeping, and for what was read and has not come to its place. */
  get memoryBytes(): number {
    return this.#heldBytes + this.residency.memoryBytes + this.#stamps.bytes + this.lag.memoryBytes + this.staleIds.bytes
  }

  /** Whether a value is worth moving: smaller ones stay in memory, and in the catalog. */
  isMovable(value: number): boolean {
    return isWorthMoving(this.#keyspace, value, this.settings)
  }

  // What the keyspace reports.

  resident(value: number): void {
    if (!this.settings.demotes) return
    if (!this.isMovable(value)) return
    this.residency.enter(value)
    this.#ageGhosts(value)
  }

  #ageGhosts(value: number): void {
    this.residency.ageGhosts(this.#keyspace.arena.capacity(value), this.residency.bytes)
  }

  relocated(_from: number, to: number): void {
    this.residency.relocated(to)
    if (!this.settings.demotes || this.#keyspace.values.queue(to) !== 0) return
    // Values that begin small become worth moving when they grow, and then they are relocated.
    if (this.isMovable(to)) this.residency.enter(to)
  }

  released(value: number): void {
    this.residency.leave(value)
  }

  stale(valueId: number): void {
    if (this.#store !== undefined) this.staleIds.push(valueId)
  }

  dirtied(entry: number): void {
    if (this.#store !== undefined) this.lag.dirty.push(entry)
  }

  dirtyRelocated(entry: number): void {
    if (this.#store !== undefined) this.lag.relocated(entry)
  }

  transferring(entry: number, lsn: number): void {
    this.lag.transferring(entry, lsn)
  }

  removed(entry: number, lsn: number): void {
    this.lag.removed(entry, lsn)
  }

  treeDropped(root: number): void {
    // A checkpoint shows it as it was all the same: the log, whose replay begins there, may first copy it or change a part.
    if (!this.lag.isCheckpointing) this.#keyspace.trees.frozen.drop(root)
    this.lazyFree.addTree(root)
  }

  flushed(former: Database): void {
    this.lag.databasesChanged = true
    this.lazyFree.addDatabase(former)
  }

  swapped(): void {
    this.lag.databasesChanged = true
  }

  // Prefetch.

  /** Reads what the set names. Rejects when a value cannot be read, or has no place in memory. */
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
    let heldBytes = 0
    const end = (failure: Error | undefined): void => {
      this.#heldBytes -= heldBytes
      done(failure)
    }
    set.values = values
    for (let i = 0; i < items.length; i++) {
      ;(this.#reader as ColdReader).read(items[i].id, (failure, bytes) => {
        if (left === 0) return
        values[i] = bytes
        if (bytes !== undefined) {
          heldBytes += bytes.length
          this.#heldBytes += bytes.length
        }
        if (failure !== undefined && this.#isCurrent(items[i])) {
          left = 0
          end(failure as Error)
        } else if (--left === 0) end(this.#refusal(values))
      })
    }
  }

  /** Reads what the set names while everybody waits, and puts it in its place. Throws when a value cannot be read, or has no place. */
  fetchAtOnce(set: ColdSet): void {
    const reader = this.#reader as ColdReader
    set.values = set.items.map(({ id }) => reader.readAtOnce(id))
    const refusal = this.#refusal(set.values)
    if (refusal !== undefined) throw refusal
    this.admit(set)
  }

  /**
   * From here on what is needed and cold, although nobody asked for it, is read while everybody waits. Until then it throws: what commands ask for is to
   * be exact, and tests see by that where it is not. Throws `UnreadableValue`, or as the arena does: whoever runs commands knows whether one has begun to
   * change something.
   */
  handleFaults(): void {
    const { trees, entries } = this.#keyspace
    trees.slots.onFault = (id) => {
      this.#tellFault()
      return this.#readFault(id)
    }
    entries.onFault = (entry) => {
      this.#tellFault()
      const id = entries.valueId(entry)
      const set = new ColdSet(trees)
      set.value(entry, id)
      set.values = [this.#readFault(id)]
      this.admit(set)
    }
  }

  #readFault(id: number): Buffer {
    try {
      return (this.#reader as ColdReader).readAtOnce(id)
    } catch (failure) {
      throw isMemoryRefusal(failure) ? failure : new UnreadableValue((failure as Error).message, { cause: failure })
    }
  }

  #tellFault(): void {
    this.counts.faults++
    this.onFault()
  }

  /** Why values that were read have no place in memory; undefined when they have. */
  #refusal(values: readonly (Buffer | undefined)[]): Error | undefined {
    let slotBytes = 0
    for (const bytes of values) if (bytes !== undefined && bytes.length <= slotBytesMax) slotBytes += bytes.length
    try {
      this.#keyspace.arena.mustHold(slotBytes)
    } catch (failure) {
      return failure as Error
    }
    return undefined
  }

  /** Whether what was read is still wanted: a value that was replaced meanwhile may be gone from the store. */
  #isCurrent({ entry, leaf, id }: ColdItem): boolean {
    return leaf === undefined ? this.#isColdValue(entry, id) : this.#isTree(leaf) && this.#isColdLeaf(leaf, id)
  }

  #isColdValue(entry: number, id: number): boolean {
    const { entries } = this.#keyspace
    return entries.isLive(entry) && !entries.isTree(entry) && !entries.isResident(entry) && entries.valueId(entry) === id
  }

  /** Whether the root block still is that of the collection. */
  #isTree({ root, collectionId }: ColdLeaf): boolean {
    return this.#keyspace.trees.roots.isRootOf(root, collectionId)
  }

  #isColdLeaf({ root, separator }: ColdLeaf, id: number): boolean {
    const { trees } = this.#keyspace
    const at = new LeafRow()
    return trees.find(root, separator, at) && trees.ref(at) === 0 && trees.nodes.valueId(at.node, at.row) === id
  }

  /** Puts what was fetched in its place, unless it has changed meanwhile. The request must run before anything else does. */
  admit(set: ColdSet): void {
    if (set.former !== undefined) this.admit(set.former)
    const keyspace = this.#keyspace
    const { entries, values } = keyspace
    for (let i = 0; i < set.items.length; i++) {
      const { entry, leaf, id } = set.items[i]
      const bytes = set.values[i]
      if (bytes === undefined) continue
      if (leaf !== undefined) {
        if (this.#isTree(leaf)) keyspace.trees.admit(leaf.root, leaf.separator, id, bytes)
        continue
      }
      if (!this.#isColdValue(entry, id)) continue
      const epoch = this.#stamps.epochOf(entries.coldStamp(entry))
      const value = this.#slotFor(entry, bytes)
      values.setId(value, id)
      entries.setResident(entry, value, keyspace.access.initial())
      entries.clearFlag(entry, valueDirtyFlag)
      keyspace.coldCount--
      this.#ageGhosts(value)
      // The request may give it to another entry, and then it is not met again after it.
      if (this.settings.demotes) this.residency.enter(value)
      this.#admitted.push(entry, epoch)
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
    const admitted = this.#admitted
    if (admitted.length === 0) return
    const { entries, values } = this.#keyspace
    for (let i = 0; i < admitted.length; i += 2) {
      const entry = admitted[i]
      if (!entries.isLive(entry) || entries.isTree(entry) || !entries.isResident(entry)) continue
      const value = entries.value(entry)
      if (value === 0) continue
      if (values.id(value) === 0) {
        // It was changed, and stays.
        if (values.queue(value) === 0 && this.settings.demotes && this.isMovable(value)) this.residency.enter(value)
      } else if (this.#staysAfter(admitted[i + 1])) {
        this.counts.promotions++
        this.residency.leave(value)
        if (this.settings.demotes) this.residency.promote(value)
      } else {
        this.counts.readsWithoutPromotion++
        this.residency.leave(value)
        this.#makeCold(entry, value)
      }
    }
    admitted.length = 0
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
    if (keyspace.values.isLeaf(value)) {
      if (!keyspace.trees.evict(value)) {
        this.residency.requeue(value)
        return 0
      }
      this.leavesWereCold = true
    } else {
      if (keyspace.values.id(value) === 0) {
        // One that has become too small for the store rides along in the catalog, and will never be cool.
        if (this.isMovable(value)) this.residency.requeue(value)
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

/** Whether a value is not too small to be moved. */
export function isWorthMoving({ values }: Keyspace, value: number, { valueBytesMin }: TierSettings): boolean {
  return values.room(value) >= valueBytesMin
}
