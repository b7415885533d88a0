/** A keyspace made of the rows of a catalog, in the orders in which a write-out may have recorded them. */
import { beforeEach, describe, expect, it } from 'vitest'
import { treeForm } from '../../engine/keyspace/entries.ts'
import { Keyspace } from '../../engine/keyspace/keyspace.ts'
import { noObserver } from '../../engine/keyspace/observer.ts'
import { Separator } from '../../engine/tree/separator.ts'
import { openCatalog } from '../../storage/catalog-reader.ts'
import { CatalogWriter } from '../../storage/catalog-writer.ts'
import { MemoryColdStore } from '../../storage/memory-cold-store.ts'
import { KeyspaceRestore } from '../../storage/restore.ts'
import { Tier } from '../../storage/tier.ts'
import { ValueCodec } from '../../storage/value-codec.ts'
import { catalogEntry } from '../catalog-entries.ts'
import { chance } from '../chance.ts'
import { checkKeyspace } from '../property/keyspace-check.ts'
import { ManualClock } from '../simulation/manual-clock.ts'
import { SimulatedDisk } from '../simulation/simulated-disk.ts'
import { leavesOf } from './leaves.ts'

const seed = 0xc0ffee

let keyspace: Keyspace
let tier: Tier
let restore: KeyspaceRestore
beforeEach(() => {
  keyspace = new Keyspace(chance(1), noObserver)
  const settings = { demotes: true, valueBytesMin: 64, promote: 'second', ttlMinMs: 0 } as const
  tier = new Tier(keyspace, new MemoryColdStore(), new ValueCodec(), new ManualClock(), settings, () => undefined)
  restore = new KeyspaceRestore(keyspace, (value) => tier.isMovable(value), 0)
})

/** Rows by what they say. */
const rows = {
  hash:
    (name: string, lsn: number, length: number, collectionId: number, expireAt = 0) =>
    () => {
      restore.entry(catalogEntry(name, { type: 2, encoding: treeForm, lsn, expireAt, length, valueId: collectionId }))
    },
  string: (name: string, lsn: number, valueId: number) => () => {
    restore.entry(catalogEntry(name, { type: 1, lsn, length: 100, valueId }))
  },
  gone: (name: string, lsn: number) => () => {
    const key = Buffer.from(name)
    restore.tombstone(0, lsn, key, 0, key.length)
  },
  /** With leaves that begin at `firsts` and have ten elements each; `id` is the value id of the first. */
  collection:
    (collectionId: number, id: number, lsn: number, ...firsts: number[]) =>
    () => {
      restore.collection(collectionId, firsts.length, seed)
      for (const [i, first] of firsts.entries()) restore.leaf(collectionId, new Separator().set(first).words, id + i, lsn, 10, 500)
    },
  leaf: (collectionId: number, first: number, id: number, lsn: number, count: number) => () =>
    restore.leaf(collectionId, new Separator().set(first).words, id, lsn, count, 50 * count),
  noLeaf: (collectionId: number, first: number) => () => restore.leaf(collectionId, new Separator().set(first).words, 0, 0, 0, 0),
  flushed: (lsn: number) => () => {
    const flushed = new Array<number>(16).fill(0)
    flushed[0] = lsn
    restore.databases(
      0,
      flushed.map((_, i) => i),
      flushed,
    )
  },
}

function restored(...all: readonly (() => void)[]): void {
  for (const row of all) row()
  restore.finish(tier)
  checkKeyspace(keyspace)
}

function find(name: string): number {
  keyspace.forgetLookUp()
  return keyspace.find(0, Buffer.from(name), 0, name.length)
}

/** Where the leaves of a hash begin, their value ids and counts; all of them must be cold. */
function shown(name: string): (readonly [number, number, number])[] {
  const { trees, entries } = keyspace
  const ref = find(name)
  const root = entries.value(ref)
  expect([trees.roots.owner(root), trees.roots.seed(root), trees.roots.dirtyLeaves(root), trees.roots.residentBytes(root)]).toEqual([
    ref,
    seed,
    0,
    0,
  ])
  const leaves = leavesOf(trees, root)
  expect([trees.roots.coldLeaves(root), leaves.every((leaf) => leaf.ref === 0)]).toEqual([leaves.length, true])
  return leaves.map(({ separator, valueId, count }) => [separator.words[0] as number, valueId, count])
}

const whole = [
  [0, 100, 10],
  [500, 101, 10],
  [3_000_000_000, 102, 10],
] as const

describe('a large collection whose key was renamed', () => {
  const before = [rows.hash('old', 5, 30, 1), rows.collection(1, 100, 5, 0, 500, 3_000_000_000)]

  it.each([
    ['before', [rows.gone('old', 9), rows.hash('new', 9, 30, 1)]],
    ['behind', [rows.hash('new', 9, 30, 1), rows.gone('old', 9)]],
  ])('is there with all leaves when the tombstone of the old key stands %s the row of the new one', (_where, after) => {
    restored(...before, ...after)
    expect([find('old'), keyspace.size, keyspace.trees.roots.id(keyspace.entries.value(find('new')))]).toEqual([0, 1, 1])
    expect(shown('new')).toEqual(whole)
    expect([keyspace.entries.lsn(find('new')), keyspace.entries.length(find('new'))]).toEqual([9, 30])
    expect([tier.hasCold, keyspace.coldCount]).toEqual([true, 0])
  })

  it.each([
    ['before', [rows.gone('old', 9), rows.hash('new', 9, 23, 1)]],
    ['behind', [rows.hash('new', 9, 23, 1), rows.gone('old', 9)]],
  ])('has what was recorded of its leaves since then, the tombstone %s the row', (_where, after) => {
    restored(
      ...before,
      ...after,
      rows.collection(1, 200, 8, 0),
      rows.noLeaf(1, 500),
      rows.leaf(1, 700, 201, 8, 3),
      rows.leaf(1, 800, 202, 8, 7),
      rows.noLeaf(1, 800),
    )
    expect(shown('new')).toEqual([
      [0, 200, 10],
      [700, 201, 3],
      [3_000_000_000, 102, 10],
    ])
  })

  it('and the old key set again is two things', () => {
    restored(...before, rows.hash('new', 9, 30, 1), rows.string('old', 12, 55))
    expect([shown('new'), keyspace.entries.valueId(find('old')), keyspace.coldCount]).toEqual([whole, 55, 1])
  })

  it('goes through many keys, also those that held something else, with an expiry or without', () => {
    restored(
      rows.string('c', 1, 7),
      rows.hash('b', 2, 10, 2),
      rows.collection(2, 300, 2, 0),
      ...before,
      rows.gone('old', 6),
      rows.hash('b', 6, 30, 1, 5_000_000_000_000),
      rows.hash('c', 7, 30, 1),
      rows.gone('b', 7),
    )
    expect([keyspace.size, shown('c'), keyspace.entries.expireAt(find('c')), keyspace.coldCount]).toEqual([1, whole, 0, 0])
  })
})

describe('a tombstone', () => {
  it('deletes what is as old as itself, not a key that has come again', () => {
    restored(
      rows.string('older', 5, 7),
      rows.string('as old', 6, 8),
      rows.string('newer', 7, 9),
      ...['older', 'as old', 'newer', 'missing'].map((name) => rows.gone(name, 6)),
    )
    expect(['older', 'as old', 'newer', 'missing'].map((name) => find(name) !== 0)).toEqual([false, false, true, false])
    expect([keyspace.entries.valueId(find('newer')), keyspace.coldCount]).toEqual([9, 1])
  })
})

describe('a large collection', () => {
  it('that no entry names is dropped, and leaves nothing', () => {
    const live = keyspace.arena.liveBytes
    restored(
      rows.hash('deleted', 1, 30, 1),
      rows.collection(1, 100, 1, 0, 500, 3_000_000_000),
      rows.hash('overwritten', 2, 30, 2),
      rows.collection(2, 200, 2, 0, 500),
      rows.string('overwritten', 3, 7),
      rows.gone('deleted', 3),
      rows.collection(3, 300, 3, 0, ...Array.from({ length: 500 }, (_, i) => 1 + i)),
      rows.gone('overwritten', 4),
    )
    expect([keyspace.size, keyspace.coldCount, tier.hasCold]).toEqual([0, 0, false])
    expect([keyspace.arena.liveBytes, tier.staleIds.length]).toEqual([live, 0])
  })

  it('of a database that was flushed is dropped, and one that came after is not', () => {
    restored(
      rows.hash('h', 1, 30, 1),
      rows.collection(1, 100, 1, 0),
      rows.flushed(4),
      rows.hash('h', 5, 30, 2),
      rows.collection(2, 100, 5, 0, 500, 3_000_000_000),
    )
    expect([keyspace.size, shown('h')]).toEqual([1, whole])
  })

  it('that an entry names and that has no row is damage', () => {
    rows.hash('h', 1, 30, 77)()
    expect(() => restore.finish(tier)).toThrow('catalog: collection 77 is missing')
  })

  it('has as many levels as its leaves need, in whichever order they are recorded', () => {
    const count = 10_000
    const random = chance(2)
    const order = Array.from({ length: count }, (_, i) => i)
    for (let i = count - 1; i > 0; i--) {
      const j = random.below(i + 1)
      ;[order[i], order[j]] = [order[j] as number, order[i] as number]
    }
    restored(rows.hash('h', 1, count, 1), rows.collection(1, 1, 1), ...order.map((i) => rows.leaf(1, i * 400_000, 1000 + i, 1, 1)))
    expect(shown('h')).toEqual(Array.from({ length: count }, (_, i) => [i * 400_000, 1000 + i, 1]))
    const { trees, entries } = keyspace
    const root = entries.value(find('h'))
    expect([trees.roots.count(root), trees.nodes.level(trees.roots.top(root))]).toEqual([count, 2])
  })
})

describe('rows in great number', () => {
  it('make the keyspace that they make one after the other', async () => {
    const random = chance(6)
    const disk = new SimulatedDisk(chance(7))
    const writer = await CatalogWriter.create(disk, '/data', 1)
    /** Per key, what its last row says. */
    let model = new Map<string, { lsn: number; valueId: number; expireAt: number }>()
    for (let lsn = 1; lsn <= 14_000; lsn++) {
      const name = `key ${random.below(3000)}`
      const drawn = lsn === 7000 ? 0 : random.below(10_000)
      if (drawn === 0) {
        model = new Map()
        const flushed = new Array<number>(16).fill(0)
        flushed[0] = lsn
        writer.databases(0, keyspace.logical, flushed)
      } else if (drawn < 5) {
        model.delete(name)
        writer.tombstone(0, lsn, Buffer.from(name), 0, name.length)
      } else {
        const row = { lsn, valueId: random.once(9) ? 0 : lsn + 2 ** 33, expireAt: random.once(9) ? 2_000_000_000_000 + lsn : 0 }
        model.set(name, row)
        const inline = Buffer.from(`value ${lsn}`)
        writer.entry(catalogEntry(name, { ...row, type: 1, length: inline.length, inline }))
      }
    }
    await writer.marker(1, 1, 1, model.size, 0, Buffer.alloc(8))
    await writer.close()
    const reader = (await openCatalog(disk, '/data'))!
    await reader.read(restore)
    await reader.close()
    restore.finish(tier)
    checkKeyspace(keyspace)
    expect(keyspace.size).toBe(model.size)
    const { entries, values } = keyspace
    const shown = [...model.keys()].map((name) => {
      const ref = find(name)
      const row = { lsn: entries.lsn(ref), expireAt: entries.expireAt(ref) }
      if (!entries.isResident(ref)) return [name, { ...row, valueId: entries.valueId(ref) }]
      const start = values.start(entries.value(ref))
      expect(values.bytes(entries.value(ref)).toString('latin1', start, start + entries.length(ref))).toBe(`value ${row.lsn}`)
      return [name, { ...row, valueId: 0 }]
    })
    expect(new Map(shown as [string, object][])).toEqual(model)
  })
})
