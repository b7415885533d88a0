import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { testRuns } from '../chance.ts'
import { TreeStore } from './tree-store.ts'

const runs = testRuns(60)

const name = fc.nat(150).map((n) => `field:${n}`)
const value = fc.oneof(
  { weight: 6, arbitrary: fc.nat(30).map((n) => 'v'.repeat(n)) },
  { weight: 1, arbitrary: fc.constantFrom('w'.repeat(127), 'x'.repeat(128), 'y'.repeat(700), 'z'.repeat(40_000)) },
)

const step = fc.oneof(
  { weight: 12, arbitrary: fc.record({ do: fc.constant('set' as const), name, value }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('delete' as const), name }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('setMany' as const), from: fc.nat(1000), count: fc.nat(300) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('deleteMany' as const), from: fc.nat(1000), count: fc.nat(300) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('get' as const), name }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('rank' as const), share: fc.double({ min: 0, max: 0.999, noNaN: true }) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('evict' as const), nth: fc.nat(200) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('relocate' as const), nth: fc.nat(300) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('beginCheckpoint' as const), renews: fc.boolean() }) },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('writeBatch' as const),
      leaves: fc.integer({ min: 1, max: 40 }),
      fails: fc.nat(9),
      name,
      value,
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('restart' as const) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('scan' as const), count: fc.integer({ min: 1, max: 12 }) }) },
)
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never

/** A scan that goes on while all else happens, and what it owes: the fields that were there all the time. */
class RunningScan {
  #cursor = 0
  #owed = new Set<string>()
  #started = false

  advance(store: TreeStore, count: number): void {
    if (!this.#started) this.#owed = new Set(store.model.keys())
    this.#started = true
    store.admitCursor(this.#cursor)
    this.#cursor = store.hashes.scan(store.root, this.#cursor, count, (bytes, pair) => {
      this.#owed.delete(bytes.toString('latin1', pair.fieldStart, pair.fieldEnd))
    })
    if (this.#cursor !== 0) return
    expect([...this.#owed]).toEqual([])
    this.#started = false
  }

  forget(field: string): void {
    this.#owed.delete(field)
  }
}

function run(store: TreeStore, scan: RunningScan, s: Step): void {
  if (s.do === 'set') expect(store.model.has(s.name)).toBe(!store.set(s.name, s.value))
  else if (s.do === 'delete') {
    scan.forget(s.name)
    expect(store.model.has(s.name)).toBe(store.delete(s.name))
  } else if (s.do === 'setMany') for (let i = s.from; i < s.from + s.count; i++) store.set(`field:${i}`, `${i}`)
  else if (s.do === 'deleteMany') {
    for (let i = s.from; i < s.from + s.count; i++) {
      scan.forget(`field:${i}`)
      store.delete(`field:${i}`)
    }
  } else if (s.do === 'get') expect(store.get(s.name)).toBe(store.model.get(s.name))
  else if (s.do === 'rank') {
    if (store.length > 0) expect(store.model.has(store.atRank(Math.floor(s.share * store.length)))).toBe(true)
  } else if (s.do === 'evict') store.evict(s.nth)
  else if (s.do === 'relocate') store.relocate(s.nth)
  else if (s.do === 'beginCheckpoint') store.beginCheckpoint(s.renews)
  else if (s.do === 'writeBatch') store.writeBatch(s.leaves, s.fails === 0, () => store.set(s.name, s.value))
  else if (s.do === 'restart') store.restart()
  else scan.advance(store, s.count)
}

describe('a large hash', () => {
  it('is a map, whatever is cut, joined, evicted, fetched, relocated, written out, checkpointed and replayed in between', () => {
    fc.assert(
      fc.property(fc.constantFrom(64, 200, 4096), fc.array(step, { minLength: 1, maxLength: 200, size: 'max' }), (bytesMax, steps) => {
        const store = new TreeStore(bytesMax)
        const scan = new RunningScan()
        for (const s of steps) {
          run(store, scan, s)
          store.check()
        }
        expect(store.contents(7)).toEqual(store.model)
        store.restart()
        store.check()
        expect(store.contents(1000)).toEqual(store.model)
        store.beginCheckpoint(false)
        while (store.isCheckpointing) store.writeBatch(10, false, () => undefined)
        store.check()
        store.forgetLog()
        store.restart()
        store.check()
        expect(store.contents(1000)).toEqual(store.model)
        store.leaves.removal.dropped(store.root)
        while (!store.leaves.removal.releaseSome(store.root, 3)) expect(store.leaves.roots.leaves(store.root)).toBeGreaterThan(0)
        expect(store.residents.size).toBe(0)
        expect(store.values.arena.liveBytes).toBe(0)
      }),
      { numRuns: runs },
    )
  })
})
