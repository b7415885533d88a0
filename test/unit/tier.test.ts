import { describe, expect, it } from 'vitest'
import { Arguments } from '../../engine/arguments.ts'
import { valueDirtyFlag } from '../../engine/keyspace/entries.ts'
import { Keyspace } from '../../engine/keyspace/keyspace.ts'
import { noObserver } from '../../engine/keyspace/observer.ts'
import { Mutator } from '../../engine/mutation/mutator.ts'
import { MemoryColdDisk, MemoryColdStore } from '../../storage/memory-cold-store.ts'
import { noCatalog } from '../../storage/no-catalog.ts'
import type { ColdSet } from '../../storage/tier.ts'
import { Tier } from '../../storage/tier.ts'
import { ValueCodec } from '../../storage/value-codec.ts'
import { WriteOut } from '../../storage/write-out.ts'
import { chance } from '../chance.ts'
import { ManualClock } from '../simulation/manual-clock.ts'

const text = 'x'.repeat(200)

class Fixture {
  readonly disk = new MemoryColdDisk()
  readonly store = new MemoryColdStore(this.disk)
  readonly clock = new ManualClock()
  readonly keyspace: Keyspace
  readonly mutator: Mutator
  readonly tier: Tier
  readonly writeOut: WriteOut
  committed: (lsn: number) => Promise<void> = () => Promise.resolve()
  lsn = 0

  constructor() {
    const random = chance(3)
    this.keyspace = new Keyspace(random, noObserver)
    this.mutator = new Mutator(this.keyspace, { hashMaxListpackEntries: 8, hashMaxListpackValue: 64 }, random)
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
      catalog: noCatalog,
      nextValueId: 1,
      committed: (lsn) => this.committed(lsn),
    })
  }

  set(name: string, value = text): number {
    const key = Buffer.from(name)
    this.mutator.begin(++this.lsn)
    return this.mutator.putString(0, key, 0, key.length, Buffer.from(value), 0, value.length, 0)
  }

  ref(name: string): number {
    const key = Buffer.from(name)
    this.keyspace.forgetLookUp()
    return this.keyspace.find(0, key, 0, key.length)
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
    await this.writeOut.step(100)
    while (this.tier.demoteOne() > 0);
    for (const name of names) expect(this.isCold(name)).toBe(true)
  }

  isCold(name: string): boolean {
    return !this.keyspace.entries.isResident(this.ref(name))
  }

  needs(name: string): ColdSet {
    const set = this.tier.coldOf(this.ref(name), 'value', new Arguments(), 0, undefined)
    if (set === undefined) throw new Error('nothing is cold')
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

describe('the tier', () => {
  it('reads a value once for all who wait for it', async () => {
    const f = new Fixture()
    await f.cold('a')
    const sets = [f.needs('a'), f.needs('a'), f.needs('a')]
    await Promise.all(sets.map((set) => f.tier.fetch(set)))
    expect([f.store.stats().reads, f.tier.counts.coldReads, f.tier.counts.sharedReads, f.tier.readsInFlight]).toEqual([1, 1, 2, 0])
    f.tier.room = () => 'none'
    for (const set of sets) {
      f.tier.admit(set)
      expect(f.value('a')).toBe(`a ${text}`)
      f.tier.settle()
      expect([f.isCold('a'), f.keyspace.coldCount]).toEqual([true, 1])
    }
  })

  it('keeps what changed while its read was under way', async () => {
    const f = new Fixture()
    await f.cold('overwritten', 'deleted', 'made anew', 'with a ttl')
    const sets = ['overwritten', 'deleted', 'made anew', 'with a ttl'].map((name) => f.needs(name))
    const fetched = Promise.all(sets.map((set) => f.tier.fetch(set)))
    f.set('overwritten', 'new')
    for (const name of ['deleted', 'made anew']) {
      f.mutator.begin(++f.lsn)
      f.mutator.deleteEntry(f.ref(name))
    }
    f.set('made anew', 'again')
    f.mutator.begin(++f.lsn)
    f.mutator.expire(f.ref('with a ttl'), 9_000_000_000_000)
    await fetched
    for (const set of sets) f.tier.admit(set)
    f.tier.settle()
    expect([f.value('overwritten'), f.ref('deleted'), f.value('made anew')]).toEqual(['new', 0, 'again'])
    expect([f.isCold('with a ttl'), f.keyspace.coldCount]).toEqual([true, 1])
    expect(await f.read('with a ttl')).toBe(`with a ttl ${text}`)
  })

  it('promotes on the second touch, and on the first where there is ample room', async () => {
    const f = new Fixture()
    let room: 'ample' | 'some' | 'none' = 'some'
    f.tier.room = () => room
    await f.cold('a', 'b', 'c')
    // Made cold just now: each has been seen within the window. Let it pass.
    for (let i = 0; i < 40; i++) f.tier.residency.passed(70_000, 1)
    await f.read('a')
    expect([f.isCold('a'), f.tier.counts.passed]).toEqual([true, 1])
    await f.read('a')
    expect([f.isCold('a'), f.tier.counts.promotions]).toEqual([false, 1])
    room = 'none'
    await f.read('b')
    await f.read('b')
    expect(f.isCold('b')).toBe(true)
    room = 'ample'
    await f.read('c')
    expect(f.isCold('c')).toBe(false)
    expect(f.tier.residency.count).toBe(2)
  })

  it('makes no value cold that has no copy', async () => {
    const f = new Fixture()
    f.set('hot')
    expect([f.tier.demoteOne(), f.isCold('hot')]).toEqual([0, false])
    await f.writeOut.step(100)
    f.set('hot', `${text}!`)
    expect([f.tier.demoteOne(), f.isCold('hot')]).toEqual([0, false])
    await f.writeOut.step(100)
    expect(f.tier.demoteOne()).toBeGreaterThan(0)
    expect([f.isCold('hot'), f.tier.demoteOne()]).toEqual([true, -1])
    expect(await f.read('hot')).toBe(`${text}!`)
  })

  it('makes values cold that began too small for it and grew', async () => {
    const f = new Fixture()
    f.set('grows', 'tiny')
    expect(f.tier.residency.count).toBe(0)
    f.mutator.begin(++f.lsn)
    f.mutator.append(f.ref('grows'), Buffer.from(text), 0, text.length)
    expect(f.tier.residency.count).toBe(1)
    await f.writeOut.step(100)
    expect(f.tier.demoteOne()).toBeGreaterThan(0)
    expect(await f.read('grows')).toBe(`tiny${text}`)
  })

  it('fails those who wait for a value that cannot be read, and nobody else', async () => {
    const f = new Fixture()
    await f.cold('a', 'b', 'gone')
    f.disk.contents.delete(f.keyspace.entries.valueId(f.ref('gone')))
    await expect(f.tier.fetch(f.needs('gone'))).rejects.toThrow('missing from the cold store')
    f.disk.fail('read', 'EIO', 1)
    const [first, second] = [f.tier.fetch(f.needs('a')), f.tier.fetch(f.needs('b'))]
    await expect(first).rejects.toThrow('EIO')
    await second
    expect([await f.read('a'), f.tier.readsInFlight]).toEqual([`a ${text}`, 0])
  })

  it('forgives a read whose value was replaced and deleted meanwhile', async () => {
    const f = new Fixture()
    await f.cold('a')
    const set = f.needs('a')
    const id = f.keyspace.entries.valueId(f.ref('a'))
    f.set('a', 'new')
    f.disk.contents.delete(id)
    await f.tier.fetch(set)
    f.tier.admit(set)
    expect(f.value('a')).toBe('new')
  })

  it('fetches only the chunk of a large hash that a field lies in', async () => {
    const f = new Fixture()
    const key = Buffer.from('h')
    f.mutator.begin(++f.lsn)
    const field = (i: number): Buffer => Buffer.from(`field:${i}`)
    for (let i = 0; i < 2000; i++) {
      const pairs = {
        count: 1,
        buffer: () => field(i),
        fieldStart: () => 0,
        fieldEnd: () => field(i).length,
        valueStart: () => 0,
        valueEnd: () => 5,
      }
      f.mutator.hashSet(0, key, 0, 1, pairs)
    }
    await f.writeOut.step(100)
    while (f.tier.demoteOne() > 0);
    const hash = f.keyspace.collections[f.keyspace.entries.value(f.ref('h'))]
    if (hash === undefined) throw new Error('not a large hash')
    expect(hash.coldChunks).toBe(hash.chunkCount)
    const set = f.tier.coldOf(f.ref('h'), 'field', Arguments.of('HGET', 'h', 'field:77'), 1, undefined) as ColdSet
    expect(set.items.length).toBe(1)
    await f.tier.fetch(set)
    f.tier.admit(set)
    expect([hash.coldChunks, hash.has(field(77), 0, field(77).length)]).toEqual([hash.chunkCount - 1, true])
  })
})

describe('the write-out', () => {
  it('writes nothing that is not committed', async () => {
    const f = new Fixture()
    let commit = (): void => undefined
    f.committed = () => new Promise((resolve) => (commit = resolve))
    f.set('a')
    const step = f.writeOut.step(100)
    for (let i = 0; i < 20; i++) await Promise.resolve()
    expect([f.disk.contents.size, f.store.stats().writes]).toEqual([0, 0])
    commit()
    await step
    expect(f.disk.contents.size).toBe(1)
  })

  it('knows a copy for outdated whose value has changed meanwhile', async () => {
    const f = new Fixture()
    let commit = (): void => undefined
    f.committed = () => new Promise((resolve) => (commit = resolve))
    f.set('a')
    const step = f.writeOut.step(100)
    for (let i = 0; i < 20; i++) await Promise.resolve()
    f.set('a', `${text}later`)
    commit()
    await step
    expect([f.writeOut.counts.outdated, f.tier.stales, f.keyspace.entries.flag(f.ref('a'), valueDirtyFlag)]).toEqual([1, [1], true])
    expect([f.tier.demoteOne(), f.isCold('a')]).toEqual([0, false])
    f.committed = () => Promise.resolve()
    await f.writeOut.step(100)
    expect(f.tier.demoteOne()).toBeGreaterThan(0)
    expect(await f.read('a')).toBe(`${text}later`)
  })

  it('loses nothing when the store or the log fails', async () => {
    const f = new Fixture()
    for (let i = 0; i < 10; i++) f.set(`k${i}`)
    f.disk.fail('write', 'ENOSPC', 1)
    await expect(f.writeOut.step(100)).rejects.toThrow('ENOSPC')
    f.committed = () => Promise.reject(new Error('the log is gone'))
    await expect(f.writeOut.step(100)).rejects.toThrow('the log is gone')
    f.committed = () => Promise.resolve()
    expect(await f.writeOut.step(100)).toBe(10)
    expect([f.disk.contents.size, f.writeOut.inFlightBytes, f.tier.hasDirty]).toEqual([10, 0, false])
  })

  it('tells of what one record set after a flush, not of what was flushed', async () => {
    const f = new Fixture()
    f.set('before')
    f.mutator.begin(++f.lsn)
    for (const name of ['also before', 'after']) {
      const key = Buffer.from(name)
      f.mutator.putString(0, key, 0, key.length, Buffer.from(text), 0, text.length, 0)
      if (name === 'also before') f.mutator.flush(0)
    }
    const told: string[] = []
    f.writeOut.catalog = {
      ...noCatalog,
      entry: (_db, _type, _encoding, _flags, _lsn, _expireAt, _length, _id, key, start, end) =>
        told.push(key.toString('latin1', start, end)),
    }
    await f.writeOut.step(100)
    expect([told, f.disk.contents.size]).toEqual([['after'], 1])
  })
})
