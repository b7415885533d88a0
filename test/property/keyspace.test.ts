/** Keyspace and mutator against a model of maps, while the compactor moves entries and values about. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Compactor } from '../../engine/keyspace/compactor.ts'
import { Keyspace } from '../../engine/keyspace/keyspace.ts'
import { noObserver } from '../../engine/keyspace/observer.ts'
import { relocateEntry, relocateValue } from '../../engine/keyspace/relocation.ts'
import { Mutator } from '../../engine/mutation/mutator.ts'
import { LeafRow } from '../../engine/tree/tree-shape.ts'
import { Tier } from '../../storage/tier.ts'
import { ValueCodec } from '../../storage/value-codec.ts'
import { chance, testRuns } from '../chance.ts'
import { ManualClock } from '../simulation/manual-clock.ts'
import { checkKeyspace, contentsOf, entriesOf, keyOf } from './keyspace-check.ts'
import { leafBytesMax } from './mutated-type.ts'
import type { Mutation } from './random-mutations.ts'
import { KeyspaceModel, mutate, mutation, withoutEncodings } from './random-mutations.ts'

const runs = testRuns(25)

const step = fc.oneof(
  { weight: 14, arbitrary: mutation },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('compact' as const) }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('crowd' as const), count: fc.integer({ min: 50, max: 1500 }), length: fc.nat(120) }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('thin' as const), keep: fc.integer({ min: 2, max: 20 }) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('release' as const) }) },
)

class Fixture {
  readonly random = chance(11)
  readonly keyspace = new Keyspace(this.random, noObserver)
  readonly mutator = new Mutator(this.keyspace)
  readonly model = new KeyspaceModel()
  readonly tier: Tier
  readonly compactor = new Compactor(this.keyspace)
  #lsn = 0

  constructor() {
    this.keyspace.trees.leafBytesMax = leafBytesMax
    const settings = { demotes: true, valueBytesMin: 48, promote: 'always' as const, ttlMinMs: 0 }
    this.tier = new Tier(this.keyspace, undefined, new ValueCodec(), new ManualClock(), settings, () => undefined)
    this.keyspace.observer = this.tier
  }

  mutate(m: Mutation): void {
    this.mutator.begin(++this.#lsn)
    mutate(this.keyspace, this.mutator, this.model, m)
    this.keyspace.deletions.committed(this.#lsn - 3)
  }

  /** Many keys of one size, so that runs of the arena fill. */
  crowd(count: number, length: number): void {
    const text = 'c'.repeat(length)
    for (let i = 0; i < count; i++)
      this.mutate({ do: 'put', db: i % 2 === 0 ? 0 : 1, key: `crowd:${i}`, text, expireAt: i % 3 === 0 ? 5_000_000_000_000 : 0 })
  }

  /** All but every `keep`th of them go. */
  thin(keep: number): void {
    for (const db of [0, 1] as const) {
      const database = this.model.databases[db] as Map<string, unknown>
      const crowd = [...database.keys()].filter((name) => name.startsWith('crowd:'))
      for (const [i, key] of crowd.entries()) if (i % keep !== 0) this.mutate({ do: 'delete', db, key })
    }
  }

  apply(s: typeof step extends fc.Arbitrary<infer T> ? T : never): void {
    if (s.do === 'compact') while (this.compactor.step());
    else if (s.do === 'crowd') this.crowd(s.count, s.length)
    else if (s.do === 'thin') this.thin(s.keep)
    else if (s.do === 'release') this.tier.lazyFree.step()
    else this.mutate(s)
  }

  check(): void {
    checkKeyspace(this.keyspace)
    expect(withoutEncodings(contentsOf(this.keyspace))).toEqual(this.model.contents())
  }

  /** Bytes of values in the demotion queues, summed up from the values. */
  checkResidency(): void {
    const { arena, values } = this.keyspace
    let bytes = 0
    let count = 0
    for (let run = 0; run < arena.activeBytes / 65536 + arena.idleBytes / 65536 + 1; run++) {
      const refs: number[] = []
      if (!arena.isSlot(run * 8192, 1)) continue
      arena.slotsOf(run, refs)
      for (const ref of refs) {
        if (!arena.isSlot(ref, 1) || !values.isLive(ref) || values.queue(ref) === 0) continue
        bytes += arena.capacity(ref)
        count++
      }
    }
    // Large values have buffers of their own: not to be found by walking runs.
    expect(this.tier.residency.count).toBeGreaterThanOrEqual(count)
    expect(this.tier.residency.bytes).toBeGreaterThanOrEqual(bytes)
    if (this.tier.residency.count === count) expect(this.tier.residency.bytes).toBe(bytes)
  }
}

describe('keyspace and mutator', () => {
  it('are maps of values of all types, whatever is moved, flushed and released in between', () => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 150, size: 'max' }), (steps) => {
        const fixture = new Fixture()
        for (const [i, each] of steps.entries()) {
          fixture.apply(each)
          if (i % 8 === 0) checkKeyspace(fixture.keyspace)
        }
        fixture.check()
        fixture.checkResidency()
        for (const db of [0, 1, 2] as const) {
          const database = fixture.model.databases[db] as Map<string, unknown>
          for (const key of [...database.keys()]) fixture.mutate({ do: 'delete', db, key })
        }
        while (fixture.tier.lazyFree.any) fixture.tier.lazyFree.step()
        fixture.check()
        expect(fixture.keyspace.arena.liveBytes).toBe(0)
        expect([fixture.tier.residency.count, fixture.tier.residency.bytes]).toEqual([0, 0])
      }),
      { numRuns: runs },
    )
  })

  it('move leaves of a deleted hash together with others, though nobody can find them', () => {
    const fixture = new Fixture()
    const fields = Array.from({ length: 600 }, (_, i): [string, string] => [`f${i}`, 'v'.repeat(30)])
    fixture.mutate({ do: 'hashSet', db: 0, key: 'first', fields })
    const { keyspace, tier } = fixture
    const at = new LeafRow()
    const leaves: number[] = []
    keyspace.trees.shape.first(keyspace.entries.value(entriesOf(keyspace, 0)[0] as number), at)
    do leaves.push(keyspace.trees.ref(at))
    while (keyspace.trees.shape.next(at))
    expect(leaves.length).toBeGreaterThan(20)
    fixture.mutate({ do: 'delete', db: 0, key: 'first' })
    fixture.mutate({ do: 'hashSet', db: 0, key: 'second', fields: fields.slice(0, 300) })
    for (const ref of leaves) relocateValue(keyspace, ref)
    fixture.check()
    while (tier.lazyFree.any) tier.lazyFree.step()
    fixture.check()
  })

  it('leave the entries of a flushed database where they are until they are released', () => {
    const fixture = new Fixture()
    fixture.crowd(4000, 60)
    fixture.thin(5)
    const flushed = entriesOf(fixture.keyspace, 0)
    expect(flushed.length).toBeGreaterThan(100)
    fixture.mutate({ do: 'flush', db: 0 })
    for (const ref of flushed) relocateEntry(fixture.keyspace, ref)
    for (const ref of flushed) expect(fixture.keyspace.entries.isLive(ref)).toBe(true)
    fixture.mutate({ do: 'put', db: 0, key: 'after', text: 'new', expireAt: 5_000_000_000_000 })
    while (fixture.compactor.step());
    fixture.check()
    while (fixture.tier.lazyFree.any) fixture.tier.lazyFree.step()
    while (fixture.compactor.step());
    fixture.check()
    expect(entriesOf(fixture.keyspace, 0).map((ref) => keyOf(fixture.keyspace, ref))).toEqual(['after'])
  })
})
