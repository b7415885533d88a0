/** Deletions on their way to the catalog: all of them in order, and so few in a turn that nobody has to wait. */
import { expect, it, vi } from 'vitest'
import type { CatalogSink } from '../../storage/no-catalog.ts'
import { noCatalog } from '../../storage/no-catalog.ts'
import { Tombstones } from '../../storage/tombstones.ts'
import { TieredKeyspace } from './tiered-keyspace.ts'

const inTurnMax = 10_000

it('tombstones are recorded in order, in parts, and none twice', () => {
  const [first, second] = [new Tombstones(), new Tombstones()]
  const keys = Array.from({ length: 20_000 }, (_, i) => (i === 7000 ? `${i} ${'x'.repeat(200_000)}` : `key ${i}`))
  for (const [i, key] of keys.entries()) (i < 12_000 ? first : second).add(i % 16, i + 1, Buffer.from(key), 0, key.length)
  expect(first.bytes).toBeGreaterThan(300_000)
  first.take(second)
  expect(second.bytes).toBe(0)
  const told: string[] = []
  const tombstone: CatalogSink['tombstone'] = (db, lsn, key, start, end) => told.push(`${db} ${lsn} ${key.toString('latin1', start, end)}`)
  while (first.parts > 3) {
    const before = told.length
    first.drain({ ...noCatalog, tombstone }, 1)
    expect(told.length).toBeGreaterThan(before)
  }
  first.drain({ ...noCatalog, tombstone })
  expect(told).toEqual(keys.map((key, i) => `${i % 16} ${i + 1} ${key}`))
  expect([first.bytes, first.parts]).toEqual([0, 0])
})

it('a step of the write-out records many deletions a part in a turn, however many come meanwhile', async () => {
  let inTurn = 0
  let most = 0
  const told: string[] = []
  const tombstone: CatalogSink['tombstone'] = (_db, _lsn, key, start, end) => {
    most = Math.max(most, ++inTurn)
    told.push(key.toString('latin1', start, end))
  }
  const f = new TieredKeyspace({ catalog: { ...noCatalog, tombstone } })
  const names = Array.from({ length: 60_000 }, (_, i) => `k${i}`)
  for (const name of names) f.set(name, 'v')
  while (f.tier.lag.any) await f.writeOut.step(10_000)
  for (const name of names.slice(0, 40_000)) f.delete(name)
  let deleted = 40_000
  vi.spyOn(f.clock, 'afterTurn').mockImplementation((work) => {
    setImmediate(() => {
      inTurn = 0
      for (const name of names.slice(deleted, deleted + 5000)) f.delete(name)
      deleted += 5000
      work()
    })
  })
  f.set('last')
  await f.writeOut.step(100)
  expect([told, told.length]).toEqual([names.slice(0, told.length), Math.min(deleted, names.length)])
  expect(most).toBeLessThan(inTurnMax)
})
