import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ChunkDirectory } from '../../engine/types/chunk-directory.ts'
import { testRuns } from '../chance.ts'

/** Every row, checked for columns that were torn from each other: all derive from the first hash. */
function rows(directory: ChunkDirectory): number[] {
  const found: number[] = []
  for (let at = directory.first(); at >= 0; at = directory.after(at)) {
    const hash = directory.firstHash(at)
    expect([directory.ref(at), directory.count(at), directory.bytes(at), directory.flags(at)]).toEqual([
      hash ^ 1,
      hash % 7,
      hash % 11,
      hash & 7,
    ])
    expect([directory.valueId(at), directory.lsn(at)]).toEqual([hash * 3 + 2 ** 40, hash * 5])
    if (found.length > 0) expect(directory.firstHash(directory.before(at))).toBe(found[found.length - 1])
    found.push(hash)
  }
  return found
}

function insert(directory: ChunkDirectory, hash: number): void {
  const at = directory.insertBehind(directory.locate(hash), hash)
  directory.setRef(at, hash ^ 1)
  directory.setCount(at, hash % 7)
  directory.setBytes(at, hash % 11)
  directory.setFlags(at, hash & 7)
  directory.setValueId(at, hash * 3 + 2 ** 40)
  directory.setLsn(at, hash * 5)
}

describe('chunk directory', () => {
  it('is a sorted list', () => {
    const many = fc.array(fc.nat(3000), { minLength: 0, maxLength: 2500, size: 'max' })
    fc.assert(
      fc.property(many, many, fc.nat(3100), (put, take, probe) => {
        const directory = new ChunkDirectory()
        const model = new Set<number>()
        for (const hash of put) {
          if (!model.has(hash)) insert(directory, hash)
          model.add(hash)
        }
        for (const hash of take) {
          const at = directory.find(hash)
          expect(at >= 0).toBe(model.delete(hash))
          if (at >= 0) directory.remove(at)
        }
        const sorted = [...model].sort((a, b) => a - b)
        expect(rows(directory)).toEqual(sorted)
        expect(directory.length).toBe(sorted.length)
        const at = directory.locate(probe)
        expect(at < 0 ? undefined : directory.firstHash(at)).toBe(sorted.findLast((hash) => hash <= probe))
        const last = directory.last()
        expect(last < 0 ? undefined : directory.firstHash(last)).toBe(sorted.at(-1))
        const fields = sorted.flatMap((hash) => Array.from({ length: hash % 7 }, (_, i) => [hash, i]))
        const rank = probe % (fields.length + 1)
        const found = directory.locateRank(rank)
        expect(found < 0 ? undefined : [directory.firstHash(found), directory.rankWithin]).toEqual(fields[rank])
      }),
      { numRuns: testRuns(40) },
    )
  })

  it('fills its pages with rows that come in order, and takes a row in the middle of 300,000 at once', () => {
    const directory = new ChunkDirectory()
    for (let i = 0; i < 300_000; i++) directory.insertBehind(directory.last(), i * 14_000)
    expect(directory.memoryBytes / directory.length).toBeLessThan(40)
    // The processor's time, which other processes do not lengthen; moving all rows at each insertion would take ten times the limit.
    const before = process.cpuUsage().user
    for (let i = 0; i < 10_000; i++) directory.insertBehind(directory.locate(i * 14_000 + 7), i * 14_000 + 7)
    expect((process.cpuUsage().user - before) / 1000 / 10_000).toBeLessThan(0.1)
    expect(directory.firstHash(directory.locate(9_999 * 14_000 + 8))).toBe(9_999 * 14_000 + 7)
    while (directory.length > 0) directory.remove(directory.last())
    expect(directory.memoryBytes).toBeLessThan(64 * 1024)
  })
})
