/** Copies of large values beside the keyspace: memory is reserved for all of one when it is begun, until a key has it or it is given up, whoever holds it. */
import { describe, expect, it } from 'vitest'
import { treeForm } from '../../engine/keyspace/entries.ts'
import type { StagedWork } from '../../engine/staged-work.ts'
import { TreeCopy } from '../../engine/tree/tree-copy.ts'
import { TreeRest } from '../../engine/tree/tree-rest.ts'
import { copyBytesOf } from '../../engine/tree/tree-size.ts'
import { MemoryBudget } from '../../storage/memory-budget.ts'
import { TieredKeyspace } from './tiered-keyspace.ts'

const limitBytes = (4 << 20) * 1.1 + 60 * 1024 * 1024

/** A hash, and a budget with a place for one and a half of it more. */
function fixture() {
  const f = new TieredKeyspace()
  for (let i = 0; i < 5000; i += 500) f.hashSet('h', i, i + 500, 'value', treeForm, 1)
  const { keyspace } = f
  const bytes = copyBytesOf(keyspace.trees, f.root('h'))
  let others = 0
  const budget = new MemoryBudget({
    settings: { maxmemoryBytes: 4 << 20, coolStartPercent: 70, dropPercent: 80, throttlePercent: 90, diskBytesMax: 0, evicts: false },
    keyspace,
    tier: f.tier,
    others: () => others,
    nowMs: () => f.clock.monotonicMs(),
    compact: () => false,
    diskBytes: () => 0,
  })
  others = limitBytes - (budget.measure() - f.tier.residency.bytes) - bytes * 1.5
  const freed = (): void => {
    while (f.tier.lazyFree.any) f.tier.lazyFree.step()
  }
  return { f, bytes, budget, freed }
}

describe('memory for a copy', () => {
  it('is reserved from its beginning until a key has it', () => {
    const { f, bytes, budget, freed } = fixture()
    const { keyspace } = f
    const before = budget.measure()
    expect(budget.hasPlaceFor(bytes)).toBe(true)
    const copy = new TreeCopy(keyspace, f.ref('h'), bytes)
    for (let goesOn = true; goesOn; ) {
      expect(budget.hasPlaceFor(bytes)).toBe(false)
      expect(budget.usedBytes - before).toBeGreaterThan(bytes * 0.9)
      expect(budget.usedBytes - before).toBeLessThan(bytes * 1.2)
      goesOn = copy.step()
    }
    // What is done and waits for its turn still cannot leave.
    expect(budget.hasPlaceFor(bytes)).toBe(false)
    const other = new TreeCopy(keyspace, f.ref('h'), bytes)
    expect(budget.hasPlaceFor(1)).toBe(false)
    other.release()
    freed()
    f.change((mutator) => mutator.copy(f.ref('h'), 0, Buffer.from('other'), 0, 5, copy.take(f.ref('h'))))
    // Its leaves are like all others now.
    expect(budget.hasPlaceFor(bytes)).toBe(true)
  })

  it('is given back by what is given up', () => {
    const { f, bytes, budget, freed } = fixture()
    const { keyspace } = f
    const works: Required<Pick<StagedWork, 'release'>>[] = [
      new TreeCopy(keyspace, f.ref('h'), bytes),
      new TreeRest(keyspace, f.root('h'), { orderMask: 0 }, bytes),
    ]
    for (const work of works) work.release()
    freed()
    expect([keyspace.trees.roots.unowned.bytesToCome, keyspace.trees.roots.unowned.residentBytes]).toEqual([0, 0])
    expect(budget.hasPlaceFor(bytes)).toBe(true)
  })

  it('is reserved for no more than there is, once all is there', async () => {
    const { f, bytes } = fixture()
    const { keyspace } = f
    const { unowned } = keyspace.trees.roots
    const rest = new TreeRest(keyspace, f.root('h'), { orderMask: 0 }, bytes * 8)
    expect(unowned.bytesToCome).toBeGreaterThan(bytes * 7)
    while (!rest.advance(f.root('h'), 32 * 1024));
    expect(unowned.bytesToCome).toBe(0)
    expect(unowned.residentBytes).toBeGreaterThan(bytes / 2)
    rest.release()
  })
})
