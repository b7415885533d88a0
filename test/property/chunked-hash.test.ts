import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { testRuns } from '../chance.ts'
import { ChunkStore } from './chunk-store.ts'

const runs = testRuns(60)

const name = fc.nat(90).map((n) => `field:${n}`)
const value = fc.oneof(
  { weight: 6, arbitrary: fc.nat(30).map((n) => 'v'.repeat(n)) },
  { weight: 1, arbitrary: fc.constantFrom('w'.repeat(127), 'x'.repeat(128), 'y'.repeat(700), 'z'.repeat(40_000)) },
)

const step = fc.oneof(
  { weight: 12, arbitrary: fc.record({ do: fc.constant('set' as const), name, value }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('delete' as const), name }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('deleteMany' as const), from: fc.nat(80), count: fc.nat(50) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('get' as const), name }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('begin' as const) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('complete' as const) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('evict' as const), nth: fc.nat(50) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('beginCheckpoint' as const) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('completeCheckpoint' as const), lasts: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('restart' as const) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('scan' as const), count: fc.integer({ min: 1, max: 12 }) }) },
)
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never

/** A scan that goes on while all else happens, and what it owes: the fields that were there all the time. */
class RunningScan {
  #cursor = 0
  #owed = new Set<string>()
  #started = false
  finished = 0

  advance(store: ChunkStore, count: number): void {
    if (!this.#started) this.#owed = new Set(store.model.keys())
    this.#started = true
    store.admitId(store.hash.coldChunkAt(this.#cursor))
    this.#cursor = store.hash.scan(this.#cursor, count, (bytes, pair) => {
      this.#owed.delete(bytes.toString('latin1', pair.fieldStart, pair.fieldEnd))
    })
    if (this.#cursor !== 0) return
    expect([...this.#owed]).toEqual([])
    this.#started = false
    this.finished++
  }

  forget(field: string): void {
    this.#owed.delete(field)
  }
}

function run(store: ChunkStore, scan: RunningScan, s: Step): void {
  if (s.do === 'set') expect(store.model.has(s.name)).toBe(!store.set(s.name, s.value))
  else if (s.do === 'delete') {
    scan.forget(s.name)
    expect(store.model.has(s.name)).toBe(store.delete(s.name))
  } else if (s.do === 'deleteMany') {
    for (let i = s.from; i < s.from + s.count; i++) {
      scan.forget(`field:${i}`)
      store.delete(`field:${i}`)
    }
  } else if (s.do === 'get') expect(store.get(s.name)).toBe(store.model.get(s.name))
  else if (s.do === 'begin') store.beginWriteOut()
  else if (s.do === 'complete') store.completeWriteOut()
  else if (s.do === 'evict') store.evict(s.nth)
  else if (s.do === 'beginCheckpoint') store.beginCheckpoint()
  else if (s.do === 'completeCheckpoint') store.completeCheckpoint(s.lasts)
  else if (s.do === 'restart') store.restart()
  else scan.advance(store, s.count)
}

describe('a large hash', () => {
  it('is a map, whatever is split, merged, evicted, fetched, written out, checkpointed and replayed in between', () => {
    fc.assert(
      fc.property(fc.constantFrom(64, 200, 4096), fc.array(step, { minLength: 1, maxLength: 300, size: 'max' }), (bytesMax, steps) => {
        const store = new ChunkStore(bytesMax)
        const scan = new RunningScan()
        for (const s of steps) {
          run(store, scan, s)
          store.check()
        }
        expect(store.contents(7)).toEqual(store.model)
        store.restart()
        expect(store.contents(1000)).toEqual(store.model)
        for (let i = 0; i < 3; i++) {
          store.beginCheckpoint()
          store.completeCheckpoint(true)
        }
        store.forgetLog()
        store.restart()
        expect(store.contents(1000)).toEqual(store.model)
        while (!store.hash.releaseSome(3)) expect(store.hash.chunkCount).toBeGreaterThan(0)
        expect(store.resident.size).toBe(0)
        expect(store.values.arena.liveBytes).toBe(0)
      }),
      { numRuns: runs },
    )
  })
})
