/** The index against a map from ref to hash, with hashes that collide wholly, crowd in one table, or are spread. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { KeyIndex } from '../../engine/keyspace/key-index.ts'
import { Arena } from '../../engine/memory/arena.ts'
import { chance, testRuns } from '../chance.ts'

const runs = testRuns(40)

const hash = fc.oneof(
  { weight: 4, arbitrary: fc.nat(2 ** 32 - 1) },
  { weight: 4, arbitrary: fc.nat(0xfff).map((n) => (0x12345000 + n) >>> 0) },
  { weight: 2, arbitrary: fc.constantFrom(0, 1, 0xffffffff, 0xfffffffe, 0x80000000, 0x7fffffff, 0x0007ffff, 0x00080000) },
  { weight: 2, arbitrary: fc.nat(40).map((n) => (0xffffffff - n) >>> 0) },
)
const step = fc.oneof(
  { weight: 10, arbitrary: fc.record({ do: fc.constant('insert' as const), hash, times: fc.constantFrom(1, 1, 1, 5, 40) }) },
  { weight: 7, arbitrary: fc.record({ do: fc.constant('remove' as const), nth: fc.nat(5000), times: fc.constantFrom(1, 2, 30) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('replace' as const), nth: fc.nat(5000) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('scan' as const), count: fc.integer({ min: 1, max: 20 }) }) },
)
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never

/** Spreads numbers over the hashes, no two on one (the finisher of MurmurHash3). */
function mixed(n: number): number {
  let hash = Math.imul(n ^ (n >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}

class ModelledIndex {
  readonly arena = new Arena()
  readonly index = new KeyIndex(this.arena)
  readonly hashOf = new Map<number, number>()
  #nextRef = 1
  #cursor = 0
  #scanning = false
  /** What the scan under way must still show. */
  #owed = new Set<number>()
  scans = 0

  insert(keyHash: number): void {
    const ref = this.#nextRef++
    this.index.insert(keyHash, ref)
    this.hashOf.set(ref, keyHash)
  }

  nth(n: number): number {
    return [...this.hashOf.keys()][n % Math.max(1, this.hashOf.size)] ?? 0
  }

  remove(ref: number): void {
    this.index.remove(this.hashOf.get(ref) as number, ref)
    this.hashOf.delete(ref)
    this.#owed.delete(ref)
  }

  replace(ref: number): void {
    const keyHash = this.hashOf.get(ref) as number
    const other = this.#nextRef++
    this.index.replace(keyHash, ref, other)
    this.hashOf.delete(ref)
    this.hashOf.set(other, keyHash)
    if (this.#owed.delete(ref)) this.#owed.add(other)
  }

  scan(count: number): void {
    if (!this.#scanning) this.#owed = new Set(this.hashOf.keys())
    this.#scanning = true
    const seen = new Set<number>()
    const before = this.#cursor
    this.#cursor = this.index.scan(this.#cursor, count, (ref) => {
      expect(this.hashOf.has(ref) && !seen.has(ref)).toBe(true)
      seen.add(ref)
      this.#owed.delete(ref)
    })
    if (this.#cursor !== 0) {
      expect(this.#cursor).toBeGreaterThan(before)
      return
    }
    expect([...this.#owed]).toEqual([])
    this.#scanning = false
    this.scans++
  }

  check(): void {
    expect(this.index.size).toBe(this.hashOf.size)
    for (const [ref, keyHash] of this.hashOf) {
      expect(this.index.probe(keyHash, { matches: (found) => found === ref })).toBe(ref)
      expect(this.index.holds(keyHash, ref)).toBe(true)
      expect(this.index.holds(keyHash, ref + 1_000_000)).toBe(false)
    }
    const all: number[] = []
    expect(this.index.scan(0, Number.MAX_SAFE_INTEGER, (ref) => all.push(ref))).toBe(0)
    expect(all.sort((a, b) => a - b)).toEqual([...this.hashOf.keys()].sort((a, b) => a - b))
  }
}

function apply(model: ModelledIndex, step: Step): void {
  if (step.do === 'insert') for (let i = 0; i < step.times; i++) model.insert((step.hash + (i & 1 ? i * 4096 : 0)) >>> 0)
  else if (step.do === 'scan') model.scan(step.count)
  else if (model.hashOf.size === 0) return
  else if (step.do === 'replace') model.replace(model.nth(step.nth))
  else for (let i = 0; i < step.times && model.hashOf.size > 0; i++) model.remove(model.nth(step.nth + i * 7))
}

describe('the index', () => {
  it('is a map, and a scan shows every key that is there throughout', () => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 200, size: 'max' }), (steps) => {
        const model = new ModelledIndex()
        for (const each of steps) apply(model, each)
        model.check()
        const { scans } = model
        for (let calls = 0; model.scans === scans; calls++) {
          expect(calls).toBeLessThan(20_000)
          model.scan(3)
        }
        while (model.hashOf.size > 0) model.remove(model.nth(0))
        model.check()
        expect(model.arena.liveBytes).toBe(0)
      }),
      { numRuns: runs },
    )
  })

  it('grows and shrinks with what it holds', () => {
    const model = new ModelledIndex()
    const random = chance(3)
    for (let i = 0; i < 50_000; i++) model.insert(random.nextUint32())
    expect(model.arena.liveBytes).toBeLessThan(50_000 * 20)
    const refs = [...model.hashOf.keys()]
    for (const ref of refs.slice(5000)) model.remove(ref)
    expect(model.arena.liveBytes).toBeLessThan(5000 * 20)
    model.check()
    model.index.clear()
    expect([model.index.size, model.arena.liveBytes]).toEqual([0, 0])
  })

  it('lies dense when it has grown to millions of keys, and after it has shrunk and grown again', () => {
    const arena = new Arena()
    const index = new KeyIndex(arena)
    let wanted = 0
    const matcher = { matches: (ref: number) => ref === wanted }
    const missing = (from: number, to: number, step: number) => {
      let count = 0
      for (wanted = from; wanted <= to; wanted += step) if (index.probe(mixed(wanted), matcher) !== wanted) count++
      return count
    }
    const expectDense = () => expect((arena.activeBytes + index.bytes) / index.size).toBeLessThan(10.5)
    for (let ref = 1; ref <= 2_000_000; ref++) index.insert(mixed(ref), ref)
    expectDense()
    expect(missing(1, 2_000_000, 7)).toBe(0)
    for (let ref = 1; ref <= 1_700_000; ref++) index.remove(mixed(ref), ref)
    expect(missing(1_700_001, 2_000_000, 7)).toBe(0)
    expect(missing(1, 1_700_000, 997)).toBe(Math.ceil(1_700_000 / 997))
    for (let ref = 1; ref <= 1_700_000; ref++) index.insert(mixed(ref), ref)
    expectDense()
    expect(missing(1, 2_000_000, 7)).toBe(0)
    let seen = 0
    let cursor = 0
    do cursor = index.scan(cursor, 1000, () => seen++)
    while (cursor !== 0)
    expect(seen).toBe(2_000_000)
    index.clear()
    expect([index.size, index.bytes, arena.liveBytes]).toEqual([0, 0, 0])
  })

  it('lies dense in tables that were made for as many keys, or for many more than came', () => {
    for (const [keys, came] of [
      [1_100_000, 1_100_000],
      [1_100_000, 20_000],
    ] as const) {
      const arena = new Arena()
      const index = new KeyIndex(arena)
      index.reserve(keys)
      const reserved = arena.liveBytes
      expect(reserved).toBeGreaterThan(keys * 6)
      for (let ref = 1; ref <= came; ref++) index.insert(mixed(ref), ref)
      for (let ref = 1; ref <= came; ref += 3) index.remove(mixed(ref), ref)
      for (let ref = 1; ref <= came; ref += 3) index.insert(mixed(ref), ref)
      index.trim()
      index.trim()
      expect(index.size).toBe(came)
      const grown = new Arena()
      const other = new KeyIndex(grown)
      for (let ref = 1; ref <= came; ref++) other.insert(mixed(ref), ref)
      expect(arena.activeBytes).toBeLessThan(grown.activeBytes * 1.1 + (1 << 20))
      if (came < keys) expect(arena.liveBytes).toBeLessThan(reserved / 5)
      let wanted = 0
      const matcher = { matches: (ref: number) => ref === wanted }
      let missing = 0
      for (wanted = 1; wanted <= came; wanted += 7) if (index.probe(mixed(wanted), matcher) !== wanted) missing++
      expect(missing).toBe(0)
      for (let ref = came + 1; ref <= came + 100_000; ref++) index.insert(mixed(ref), ref)
      let seen = 0
      let cursor = 0
      do cursor = index.scan(cursor, 1000, () => seen++)
      while (cursor !== 0)
      expect(seen).toBe(came + 100_000)
      index.clear()
      expect([index.size, arena.liveBytes]).toEqual([0, 0])
    }
  })

  it('holds thousands of keys with one hash, which a scan shows together', () => {
    const model = new ModelledIndex()
    for (let i = 0; i < 3000; i++) model.insert(0xfffffff0)
    model.insert(0xfffffff1)
    let visited = 0
    const cursor = model.index.scan(0xfffffff0, 1, () => visited++)
    expect(visited).toBeGreaterThanOrEqual(3000)
    if (cursor !== 0) expect(model.index.scan(cursor, 1, () => visited++)).toBe(0)
    expect(visited).toBeGreaterThanOrEqual(3001)
    for (const ref of [...model.hashOf.keys()].slice(10)) model.remove(ref)
    model.check()
  })

  it('finds some key at random as long as there is one', () => {
    const model = new ModelledIndex()
    expect(model.index.random(1, 2)).toBe(0)
    const random = chance(9)
    for (let i = 0; i < 100; i++) model.insert(random.nextUint32())
    const found = new Set<number>()
    for (let i = 0; i < 5000; i++) found.add(model.index.random(random.nextUint32(), random.nextUint32()))
    expect(found.size).toBeGreaterThan(80)
    for (const ref of found) expect(model.hashOf.has(ref)).toBe(true)
    while (model.hashOf.size > 1) model.remove(model.nth(0))
    expect(model.index.random(random.nextUint32(), random.nextUint32())).toBe(model.nth(0))
  })
})
