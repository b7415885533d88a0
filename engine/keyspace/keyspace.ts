/**
 * All keys of a shard: an index per database, entries and resident values in one arena. It finds, makes and removes;
 * it records nothing and decides nothing. Changes go through the mutator, which is the only caller of what changes here
 * (the tier alone makes values cold and resident again, which changes no meaning).
 *
 * Databases are physical: SWAPDB exchanges the numbers that clients see, in `logical`, and moves no key.
 */

import type { EngineLimits } from '../engine-limits.ts'
import { defaultEngineLimits } from '../engine-limits.ts'
import { Arena } from '../memory/arena.ts'
import { Messages, newKeyEvent } from '../messages.ts'
import type { Random } from '../random.ts'
import { RandomDraws } from '../random-draws.ts'
import { TreeLeaves } from '../tree/tree-leaves.ts'
import { AccessClock } from './access.ts'
import { CachePrefetch } from './cache-prefetch.ts'
import { Database } from './database.ts'
import type { TypeNumber } from './entries.ts'
import { catalogedFlag, dirtyFlag, Entries, ownIntegerFlag, treeForm, valueDirtyFlag } from './entries.ts'
import { ExpiringEntries } from './expiring-entries.ts'
import { KeyHash } from './key-hash.ts'
import type { RefMatcher } from './key-index.ts'
import type { KeyspaceObserver } from './observer.ts'
import { UncommittedDeletions } from './uncommitted-deletions.ts'
import { Values } from './values.ts'

export const databaseCount = 16
/** A physical database that no client has a number for: of what the server keeps beside the data, such as libraries of functions. */
export const ownDatabase = 16

export class Keyspace implements RefMatcher {
  readonly arena: Arena
  readonly entries: Entries
  readonly values: Values
  readonly access: AccessClock
  readonly deletions = new UncommittedDeletions()
  readonly databases: readonly Database[]
  readonly expiring: ExpiringEntries
  /** Physical database of each number that clients use. */
  readonly logical = Uint8Array.from({ length: databaseCount }, (_, i) => i)
  /** LSN of the last SWAPDB. */
  logicalLsn = 0
  /** The leaves of all large collections. */
  readonly trees: TreeLeaves
  /** The log has committed up to this LSN. */
  committedLsn = 0
  /** Entries whose value is cold. */
  coldCount = 0
  /** `epochFlag` or 0: the mark of entries that become dirty now. It changes when a checkpoint begins. */
  dirtyEpoch = 0
  /** The id in the catalog of the next collection. */
  nextCollectionId = 1
  /** Whether Redis would share the objects of small integers: not where the policy for eviction looks at each object's uses. */
  sharesIntegers = true
  observer: KeyspaceObserver
  /** `inTheMaking`: a script that is suspended has changed something, or may have, and its record is to come. Until then nothing of this may be written out. */
  recordState: 'whole' | 'inTheMaking' | 'givenUp' = 'whole'
  /** Set by the tier: for how many seconds, at least, a cold value with this stamp was not used. */
  coldIdleSeconds: (stamp: number) => number = () => 0
  /**
   * Set by the owner: whether so many bytes more have a place in memory beside all that is there or reserved. Who can do without a copy of a large value makes
   * none then. `isKept`: the copy becomes a key's, so others may be evicted for it.
   */
  hasPlaceFor: (bytes: number, isKept?: boolean) => boolean = () => true
  /** As the execution has them: for those who say what a request wants. */
  limits: Readonly<EngineLimits> = defaultEngineLimits
  readonly cachePrefetch: CachePrefetch
  /** What the request in hand tells subscribers. */
  readonly messages = new Messages()
  readonly #hash: KeyHash
  /** What requests draw when they say what they need. */
  readonly draws: RandomDraws
  readonly #random: Random

  // The last look-up: a command that finds a key and then changes it hashes and probes once.
  #key: Uint8Array = new Uint8Array(0)
  #keyStart = -1
  #keyEnd = -1
  #keyDb = -1
  #keyHash = 0
  #keyRef = 0

  /** `arenaBytes`: what keys and small values may take in all, the arena's own limit unless told. */
  constructor(random: Random, observer: KeyspaceObserver, arenaBytes?: number) {
    this.arena = new Arena(arenaBytes)
    this.databases = Array.from({ length: databaseCount + 1 }, () => new Database(this.arena))
    this.entries = new Entries(this.arena)
    this.expiring = new ExpiringEntries(this.entries, this.databases, (ref, copy) => this.redirect(ref, copy))
    this.values = new Values(this.arena)
    this.trees = new TreeLeaves(this.values, this)
    this.access = new AccessClock(random)
    this.observer = observer
    this.#hash = new KeyHash(random)
    this.cachePrefetch = new CachePrefetch(this.arena, this.#hash, this.trees)
    this.#random = random
    this.draws = new RandomDraws(random)
  }

  /** Bytes of memory that keys, values and their bookkeeping take. */
  get memoryBytes(): number {
    let bytes = this.arena.activeBytes
    for (const db of this.databases) bytes += db.index.bytes + db.expiring.bytes
    return bytes
  }

  get size(): number {
    let size = 0
    for (const db of this.databases) size += db.index.size
    return size
  }

  /** The entry of a key, expired or not; 0 when there is none. */
  find(db: number, key: Uint8Array, start: number, end: number): number {
    if (start === this.#keyStart && key === this.#key && end === this.#keyEnd && db === this.#keyDb) return this.#keyRef
    return this.findHashed(db, this.cachePrefetch.hashOf(key, start, end), key, start, end)
  }

  /** As `find`, of a key whose hash is known. */
  findHashed(db: number, hash: number, key: Uint8Array, start: number, end: number): number {
    this.#key = key
    this.#keyStart = start
    this.#keyEnd = end
    this.#keyDb = db
    this.#keyHash = hash
    this.#keyRef = this.databases[db].index.probe(hash, this)
    return this.#keyRef
  }

  /** By which a key is found. */
  hashOfKey(key: Uint8Array, start: number, end: number): number {
    return this.#hash.of(key, start, end)
  }

  /** Forgets the remembered look-up: its bytes may have changed. Called when a new request begins. */
  forgetLookUp(): void {
    this.#keyStart = -1
  }

  /** The hash of a key; the last look-up has computed it already if it was of this key. */
  keyHash(key: Uint8Array, start: number, end: number): number {
    return start === this.#keyStart && key === this.#key && end === this.#keyEnd ? this.#keyHash : this.#hash.of(key, start, end)
  }

  matches(ref: number): boolean {
    return this.entries.hasKey(ref, this.#key, this.#keyStart, this.#keyEnd)
  }

  /** LSN of an uncommitted deletion of the key that was looked up last, 0 when there is none. */
  lastMissLsn(): number {
    const flushed = this.databases[this.#keyDb].flushedLsn
    return Math.max(flushed, this.deletions.lsnOf(this.#keyDb, this.#keyHash))
  }

  /** A new entry for a key that `find` did not find; it has no value yet. `withTtl` makes room for an expiry. */
  insert(db: number, type: TypeNumber, key: Uint8Array, start: number, end: number, withTtl: boolean): number {
    if (this.find(db, key, start, end) !== 0) throw new Error('keyspace: the key exists')
    const ref = this.entries.create(db, type, key, start, end, withTtl)
    this.databases[db].index.insert(this.#keyHash, ref)
    this.#keyRef = ref
    if ((this.messages.wanted & newKeyEvent) !== 0 && db !== ownDatabase) this.messages.event(this.numberOf(db), 'new', key, start, end)
    return ref
  }

  /** The number by which clients know a physical database. */
  numberOf(db: number): number {
    return this.logical.indexOf(db)
  }

  /** Removes an entry with its value. `lsn` is remembered until it is committed; 0 at recovery. */
  remove(ref: number, lsn: number): void {
    const entries = this.entries
    const db = entries.db(ref)
    const hash = this.hashOf(ref)
    if (lsn !== 0) this.deletions.add(db, hash, lsn)
    if (entries.flag(ref, catalogedFlag)) this.observer.removed(ref, lsn)
    this.databases[db].index.remove(hash, ref)
    this.expiring.removed(ref)
    this.dropValue(ref)
    entries.release(ref)
    this.#keyStart = -1
  }

  /** Releases the value, resident or cold, and leaves an entry without one. */
  dropValue(ref: number): void {
    const entries = this.entries
    if (entries.isTree(ref)) this.#dropTree(ref)
    else if (entries.isResident(ref)) {
      const value = entries.value(ref)
      if (value === 0) return
      const id = this.values.id(value)
      if (id !== 0) this.observer.stale(id)
      this.observer.released(value)
      this.values.release(value)
    } else {
      const id = entries.valueId(ref)
      if (id !== 0) {
        this.observer.stale(id)
        this.coldCount--
      }
    }
    entries.setResident(ref, 0, 0)
  }

  /** Gives an entry a slot of `size` bytes for its value, in place of what it had; returns the slot. */
  makeValue(ref: number, size: number): number {
    const access = this.#nextAccess(ref)
    this.dropValue(ref)
    return this.#giveValue(ref, this.values.create(ref, size, false), access)
  }

  /** As `makeValue`, of memory that holds the value already: `Values.adopt`. */
  adoptValue(ref: number, bytes: Buffer, start: number, size: number): number {
    const access = this.#nextAccess(ref)
    this.dropValue(ref)
    return this.#giveValue(ref, this.values.adopt(ref, bytes, start, size), access)
  }

  #nextAccess(ref: number): number {
    const { entries, access } = this
    return entries.isResident(ref) && entries.value(ref) !== 0 ? access.used(entries.access(ref)) : access.initial()
  }

  #giveValue(ref: number, value: number, access: number): number {
    this.entries.setResident(ref, value, access)
    this.observer.resident(value)
    return value
  }

  /** Whether others refer to the bytes of an entry's resident value: it may be replaced or moved, but not changed in place. */
  isReferred(ref: number): boolean {
    const { entries, values } = this
    const value = entries.value(ref)
    return values.isShared(value) || (values.isLogged(value) && entries.lsn(ref) > this.committedLsn)
  }

  /** The log has committed up to `lsn`. */
  committed(lsn: number): void {
    this.committedLsn = lsn
    this.deletions.committed(lsn)
  }

  /** Makes room for `size` bytes in a resident value, keeping its first `keep`; returns the slot, which may be another. */
  resizeValue(ref: number, size: number, keep: number): number {
    const value = this.entries.value(ref)
    if (size <= this.values.room(value) && !this.isReferred(ref)) return value
    return this.#valueRelocated(ref, value, this.values.relocate(value, size, keep))
  }

  /** Moves a resident value to memory that holds its bytes already, behind room for a value's header. */
  moveValue(ref: number, memory: ArrayBuffer): void {
    const value = this.entries.value(ref)
    this.#valueRelocated(ref, value, this.values.movedInto(memory, value))
  }

  #valueRelocated(ref: number, from: number, to: number): number {
    this.setValue(ref, to)
    this.observer.relocated(from, to)
    return to
  }

  /** Counts a use of the key, and of its value if that is one piece in memory; leaves count for themselves. */
  touch(ref: number): void {
    const value = this.entries.touch(ref, this.access)
    if (value !== 0) this.values.touch(value)
  }

  /** Seconds since the last use of a key; for a cold one, since it became cold: its last use cannot be later. */
  idleSeconds(ref: number): number {
    const { entries, access } = this
    return entries.isResident(ref) ? access.idleSeconds(entries.access(ref)) : this.coldIdleSeconds(entries.coldStamp(ref))
  }

  /** Points an entry at the slot that its value has moved to. */
  setValue(ref: number, value: number): void {
    this.entries.setResident(ref, value, this.entries.access(ref))
  }

  /** The value has changed: it is hot, its stored copy stale, its entry unknown to the catalog as it is. */
  valueChanged(ref: number, lsn: number): void {
    const value = this.entries.value(ref)
    const id = this.values.id(value)
    if (id !== 0) {
      this.values.setId(value, 0)
      this.observer.stale(id)
    }
    if (this.sharesIntegers) this.entries.changeFlags(ref, valueDirtyFlag, ownIntegerFlag)
    else this.entries.setFlag(ref, valueDirtyFlag | ownIntegerFlag)
    this.changed(ref, lsn)
  }

  /** The entry has changed. */
  changed(ref: number, lsn: number): void {
    this.entries.setLsn(ref, lsn)
    this.markDirty(ref)
  }

  /** The catalog does not know the entry as it is. */
  markDirty(ref: number): void {
    if (this.entries.flag(ref, dirtyFlag)) return
    this.entries.setDirty(ref, this.dirtyEpoch)
    this.observer.dirtied(ref)
  }

  /** Makes a tree the value of an entry that has none. */
  giveTree(ref: number, root: number, access: number): void {
    const { entries } = this
    entries.setTypeAndEncoding(ref, entries.type(ref), treeForm)
    entries.setResident(ref, root, access)
    this.trees.roots.setOwner(root, ref)
  }

  /** Empties a database at once and hands its former contents over to be released in slices. */
  detach(db: number, lsn: number): Database {
    this.#keyStart = -1
    return this.databases[db].detach(lsn)
  }

  /** Whether a live entry belongs to a database that was flushed: nobody can find it, and it waits to be released. */
  isDetached(ref: number): boolean {
    const { entries } = this
    const { index, flushedLsn } = this.databases[entries.db(ref)]
    // One record may flush and set keys again: then only the index can tell.
    return entries.lsn(ref) <= flushedLsn && !index.holds(this.hashOf(ref), ref)
  }

  /** Releases an entry of a detached database. */
  releaseDetached(ref: number): void {
    this.dropValue(ref)
    this.entries.release(ref)
  }

  hashOf(ref: number): number {
    const start = this.entries.keyStart(ref)
    return this.#hash.of(this.arena.bytes(ref), start, start + this.entries.keyLength(ref))
  }

  randomEntry(db: number): number {
    return this.databases[db].index.random(this.#random.nextUint32(), this.#random.nextUint32())
  }

  #dropTree(ref: number): void {
    const root = this.entries.isResident(ref) ? this.entries.value(ref) : 0
    this.entries.setTypeAndEncoding(ref, this.entries.type(ref), 0)
    if (root === 0) return
    this.trees.removal.dropped(root)
    this.observer.treeDropped(root)
  }

  /** Everybody who pointed at `ref` points at `copy`, which is its copy in another slot; `ref` is released. */
  redirect(ref: number, copy: number): void {
    const { entries } = this
    this.expiring.moved(copy)
    this.databases[entries.db(ref)].index.replace(this.hashOf(ref), ref, copy)
    const value = entries.isResident(copy) ? entries.value(copy) : 0
    if (value !== 0) {
      if (entries.isTree(copy)) this.trees.roots.setOwner(value, copy)
      else this.values.setOwner(value, copy)
    }
    entries.release(ref)
    if (this.#keyRef === ref) this.#keyRef = copy
    if (entries.flag(copy, dirtyFlag)) this.observer.dirtyRelocated(copy)
  }
}
