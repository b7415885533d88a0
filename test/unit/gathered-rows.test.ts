import { describe, expect, it } from 'vitest'
import { GatheredRows } from '../../storage/gathered-rows.ts'
import { chance } from '../chance.ts'

function taken(rows: GatheredRows): (readonly [position: number, hash: number])[] {
  rows.sort()
  const taken = Array.from({ length: rows.count }, (_, i) => [rows.position(i), rows.hash(i)] as const)
  rows.clear()
  return taken
}

describe('GatheredRows', () => {
  it('puts many rows into the order of the upper halves of their hashes, and keeps the order of those that share one', () => {
    const random = chance(1)
    const rows = new GatheredRows()
    // As often as it is filled anew, with more or fewer than before.
    for (const count of [5000, 4096, 70_000, 9000]) {
      const added = Array.from({ length: count }, (_, i) => [i * 3, random.nextUint32()] as const)
      for (const [position, hash] of added) rows.add(position, hash)
      expect(rows.count).toBe(count)
      expect(taken(rows)).toEqual([...added].sort(([, a], [, b]) => (a >>> 16) - (b >>> 16)))
      expect(rows.count).toBe(0)
    }
  })

  it('leaves few rows as they came', () => {
    const rows = new GatheredRows()
    const added = [
      [0, 0xffffffff],
      [50, 0],
      [90, 0x12345678],
    ] as const
    for (const [position, hash] of added) rows.add(position, hash)
    expect(taken(rows)).toEqual(added)
  })
})
