/** A keyspace with its tier, write-out and cold store, all in memory; each change is a record of its own. */
import { expect } from 'vitest'
import { hasCold, wantValue } from '../../engine/cold-wants.ts'
import { Keyspace } from '../../engine/keyspace/keyspace.ts'
import { noObserver } from '../../engine/keyspace/observer.ts'
import type { HashForm } from '../../engine/mutation/hash-operations.ts'
import { Mutator } from '../../engine/mutation/mutator.ts'
import type { HashTrees } from '../../engine/types/hash-tree.ts'
import { ColdSet } from '../../storage/cold-set.ts'
import { MemoryColdDisk, MemoryColdStore } from '../../storage/memory-cold-store.ts'
import type { CatalogSink } from '../../storage/no-catalog.ts'
import { noCatalog } from '../../storage/no-catalog.ts'
import type { Sizes } from '../../storage/sizes.ts'
import { defaultSizes } from '../../storage/sizes.ts'
import { Tier } from '../../storage/tier.ts'
import { ValueCodec } from '../../storage/value-codec.ts'
import { WriteOut } from '../../storage/write-out.ts'
import { chance } from '../chance.ts'
import { ManualClock } from '../simulation/manual-clock.ts'
import { fields } from './recorded-engine.ts'

export const text = 'x'.repeat(200)

export interface TieredOptions {
  readonly disk?: MemoryColdDisk
  readonly catalog?: CatalogSink
  readonly sizes?: Partial<Sizes>
  readonly leafBytesMax?: number
}

export class TieredKeyspace {
  readonly disk: MemoryColdDisk
  readonly store: MemoryColdStore
  readonly clock = new ManualClock()
  readonly keyspace: Keyspace
  readonly mutator: Mutator
  readonly hashes: HashTrees
  readonly tier: Tier
  readonly writeOut: WriteOut
  committed: (lsn: number) => Promise<void> = () => Promise.resolve()
  lsn = 0

  constructor({ disk = new MemoryColdDisk(), catalog = noCatalog, sizes = {}, leafBytesMax }: TieredOptions = {}) {
    this.disk = disk
    this.store = new MemoryColdStore(disk)
    this.keyspace = new Keyspace(chance(3), noObserver)
    if (leafBytesMax !== undefined) this.keyspace.trees.leafBytesMax = leafBytesMax
    this.mutator = new Mutator(this.keyspace)
    this.hashes = this.mutator.hashes.trees
    const settings = { demotes: true, valueBytesMin: 64, promote: 'second' as const, ttlMinMs: 0 }
    const codec = new ValueCodec()
    this.tier = new Tier(this.keyspace, this.store, codec, this.clock, settings, () => undefined)
    this.keyspace.observer = this.tier
    this.writeOut = new WriteOut({
      keyspace: this.keyspace,
      tier: this.tier,
      store: this.store,
      codec,
      clock: this.clock,
      catalog,
      nextValueId: 1,
      committed: (lsn) => this.committed(lsn),
      sizes: { ...defaultSizes, ...sizes },
    })
  }

  change<T>(work: (mutator: Mutator) => T): T {
    this.keyspace.forgetLookUp()
    this.mutator.begin(++this.lsn)
    return work(this.mutator)
  }

  set(name: string, value = text): number {
    const key = Buffer.from(name)
    return this.change((mutator) => mutator.putString(0, key, 0, key.length, Buffer.from(value), 0, value.length, 0))
  }

  /** Sets `field:N` for N in [from, to) to `mark N`. */
  hashSet(name: string, from: number, to: number, mark = 'value', form: HashForm = 0, seed = 0): number {
    const key = Buffer.from(name)
    return this.change((mutator) => mutator.hashSet(0, key, 0, key.length, fields(from, to, mark), form, seed))
  }

  hashDelete(name: string, from: number, to: number): number {
    return this.change((mutator) => mutator.hashDelete(this.ref(name), fields(from, to, '')))
  }

  delete(name: string): void {
    this.change((mutator) => mutator.deleteEntry(this.ref(name)))
  }

  move(name: string, to: string): void {
    this.change((mutator) => mutator.move(this.ref(name), 0, Buffer.from(to), 0, to.length))
  }

  copy(name: string, to: string): void {
    this.change((mutator) => mutator.copy(this.ref(name), 0, Buffer.from(to), 0, to.length))
  }

  ref(name: string, db = 0): number {
    const key = Buffer.from(name)
    this.keyspace.forgetLookUp()
    return this.keyspace.find(db, key, 0, key.length)
  }

  /** Root block of a large collection. */
  root(name: string): number {
    return this.keyspace.entries.value(this.ref(name))
  }

  value(name: string): string {
    const { entries, values } = this.keyspace
    const ref = this.ref(name)
    expect(entries.isResident(ref)).toBe(true)
    const start = values.start(entries.value(ref))
    return values.bytes(entries.value(ref)).toString('latin1', start, start + entries.length(ref))
  }

  async cold(...names: string[]): Promise<void> {
    for (const name of names) this.set(name, `${name} ${text}`)
    await this.cool()
    for (const name of names) expect(this.isCold(name)).toBe(true)
  }

  /** Writes out everything and makes all that may be so cold. */
  async cool(): Promise<void> {
    while (this.tier.lag.any) await this.writeOut.step(100)
    while (this.tier.demoteOne() > 0);
  }

  isCold(name: string): boolean {
    return !this.keyspace.entries.isResident(this.ref(name))
  }

  /** What is cold of a key's value. */
  needs(name: string): ColdSet {
    const set = new ColdSet(this.keyspace.trees)
    expect(hasCold(this.keyspace, this.ref(name))).toBe(true)
    wantValue(this.keyspace, this.ref(name), set)
    return set
  }

  /** A whole request that reads a key. */
  async read(name: string): Promise<string> {
    const set = this.needs(name)
    await this.tier.fetch(set)
    this.tier.admit(set)
    const value = this.value(name)
    this.tier.settle()
    return value
  }
}
