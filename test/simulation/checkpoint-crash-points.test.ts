/** A checkpoint loses power at each of its disk operations in turn, fails at each in turn, and renews its catalog. */
import { describe, expect, it } from 'vitest'
import { catalogGenerations } from '../../storage/catalog-format.ts'
import { entriesOf } from '../property/keyspace-check.ts'
import type { Mutation } from '../property/random-mutations.ts'
import { RecoverableShard } from '../property/recoverable-shard.ts'
import { leavesOf } from '../unit/leaves.ts'

function put(key: string, text: string): Mutation {
  return { do: 'put', db: 0, key, text, expireAt: 0 }
}

function fields(count: number, text: string): [string, string][] {
  return Array.from({ length: count }, (_, i) => [`f${i}`, text])
}

/** A shard with a checkpoint behind it, and changes of every kind since. */
async function prepared(seed: number): Promise<RecoverableShard> {
  const shard = new RecoverableShard(seed)
  await shard.open()
  for (let i = 0; i < 12; i++) await shard.change([put(`k${i}`, `${i}`.repeat(50))])
  await shard.change([{ do: 'hashSet', db: 0, key: 'hash', fields: fields(40, 'v'.repeat(20)) }])
  await shard.checkpointer.run()
  while (shard.tier.demoteOne() > 0);
  for (let i = 0; i < 6; i++) await shard.change([put(`k${i}`, 'again'.repeat(20))])
  await shard.change([{ do: 'hashSet', db: 0, key: 'hash', fields: fields(10, 'w'.repeat(30)) }])
  await shard.change([
    { do: 'delete', db: 0, key: 'k7' },
    { do: 'expire', db: 0, key: 'k8', expireAt: 6_000_000_000_001 },
  ])
  return shard
}

const meanwhile: Mutation[][] = [
  [put('k0', 'meanwhile'.repeat(9))],
  [{ do: 'append', db: 0, key: 'k1', text: 'more' }],
  [{ do: 'expire', db: 0, key: 'k2', expireAt: 5_000_000_000_000 }],
  [
    { do: 'flush', db: 1 },
    { do: 'put', db: 1, key: 'after', text: 'flush', expireAt: 0 },
  ],
]

function expectOrdered(failure: { code?: string; name?: string }): void {
  if (failure.code !== 'EIO' && failure.name !== 'SimulatedCrash') throw failure
}

async function operationsOfACheckpoint(): Promise<number> {
  const shard = await prepared(1)
  const before = shard.disk.operations
  await shard.during(meanwhile, () => shard.checkpointer.run())
  return shard.disk.operations - before
}

/** Ids of all copies in the cold store that the keyspace refers to. Of a value in pieces that is its head's, a multiple of 1024; the pieces follow. */
function copiesOf({ keyspace }: RecoverableShard): number[] {
  const { entries, values, trees } = keyspace
  return [0, 1].flatMap((db) =>
    entriesOf(keyspace, db).flatMap((ref) => {
      if (entries.isTree(ref)) return leavesOf(trees, entries.value(ref)).map(({ valueId }) => valueId)
      const id = entries.isResident(ref) ? values.id(entries.value(ref)) : entries.valueId(ref)
      return id === 0 ? [] : [id]
    }),
  )
}

describe('a checkpoint', () => {
  it('loses nothing when power fails at any of its operations', async () => {
    const operations = await operationsOfACheckpoint()
    expect(operations).toBeGreaterThan(1)
    for (let operation = 1; operation <= operations; operation++) {
      for (let seed = 1; seed <= 4; seed++) {
        const shard = await prepared(seed)
        shard.disk.crashAt(shard.disk.operations + operation)
        await shard.during(meanwhile, () => shard.checkpointer.run()).catch(expectOrdered)
        await shard.crash()
        await shard.check()
        await shard.checkpointer.run()
        await shard.crash()
        await shard.check()
      }
    }
  })

  it('succeeds again after any operation has failed, and a sync that failed is not trusted again', async () => {
    const operations = await operationsOfACheckpoint()
    for (let operation = 1; operation <= operations; operation++) {
      const shard = await prepared(operation)
      shard.disk.failAt(shard.disk.operations + operation, 'EIO')
      await shard.during(meanwhile, () => shard.checkpointer.run()).catch(expectOrdered)
      const result = await shard.checkpointer.run()
      expect([result.lsn, shard.checkpointer.failure]).toEqual([shard.log.appended, undefined])
      expect(shard.logDisk.records.length).toBe(0)
      await shard.check()
      await shard.crash()
      await shard.check()
    }
    const shard = await prepared(99)
    shard.disk.failNext('sync', 'EIO')
    await expect(shard.checkpointer.run()).rejects.toThrow('EIO')
    await shard.checkpointer.run()
    expect(await catalogGenerations(shard.disk, 'data')).toEqual([2])
  })

  it('renews its catalog whole, though keys change, attempts fail and power fails', async () => {
    for (let operation = 1; operation <= 8; operation++) {
      const shard = await prepared(operation)
      for (let round = 0; (await catalogGenerations(shard.disk, 'data'))[0] === 1; round++) {
        expect(round).toBeLessThan(60)
        for (let i = 0; i < 12; i++) await shard.change([put(`k${i}`, `${round} `.repeat(30))])
        await shard.change([{ do: 'hashSet', db: 0, key: 'hash', fields: fields(4, `${round}`) }])
        if (round % 4 === 1) shard.disk.failAt(shard.disk.operations + operation, 'EIO')
        if (round % 4 === 2) shard.disk.crashAt(shard.disk.operations + operation)
        await shard.during(meanwhile, () => shard.checkpointer.run()).catch(expectOrdered)
        if (shard.disk.isOff) {
          await shard.crash()
          await shard.check()
          shard.resetModel()
        }
      }
      await shard.check()
      await shard.crash()
      await shard.check()
    }
  })

  it('begins a new catalog after a failed sync', async () => {
    const shard = new RecoverableShard(3)
    await shard.open()
    await shard.change([put('a', 'first')])
    shard.disk.failNext('sync', 'EIO')
    await expect(shard.checkpointer.run()).rejects.toThrow('EIO')
    await shard.checkpointer.run()
    expect(await catalogGenerations(shard.disk, 'data')).toEqual([2])
    await shard.crash()
    await shard.check()
  })

  it('puts no marker into a catalog whose renewal was cut short by a full disk', async () => {
    const shard = new RecoverableShard(4)
    await shard.open()
    // Rows of more bytes than a renewal gathers before it writes, and more keys than it has told by then.
    const keys = 400
    for (let i = 0; i < keys; i++) await shard.change([put(`${i}`.padEnd(20_000, 'k'), `${i}`)])
    await shard.checkpointer.run()
    shard.disk.failNext('sync', 'EIO')
    await shard.change([put('breaks', 'the catalog')])
    await expect(shard.checkpointer.run()).rejects.toThrow('EIO')
    shard.disk.limitFreeBytes(1 << 20)
    await expect(shard.checkpointer.run()).rejects.toThrow('ENOSPC')
    expect(shard.checkpointer.catalogRecords).toBeLessThan(keys)
    shard.disk.limitFreeBytes(Number.POSITIVE_INFINITY)
    await shard.checkpointer.run()
    expect(shard.logDisk.records).toHaveLength(0)
    await shard.crash()
    expect(shard.keyspace.size).toBe(keys + 1)
    await shard.check()
  })

  it('deletes stale values only after its marker, and all of them in the end', async () => {
    const shard = await prepared(5)
    const marked = shard.disk.counts.get('sync') ?? 0
    await shard.checkpointer.run()
    expect(shard.disk.counts.get('sync')).toBeGreaterThan(marked)
    await shard.checkpointer.run()
    expect([...shard.tier.staleIds]).toEqual([])
    const copies = copiesOf(shard)
    const headOf = (id: number): number => (copies.includes(id) ? id : id - (id % 1024))
    expect(new Set([...shard.coldDisk.contents.keys()].map(headOf))).toEqual(new Set(copies))
    shard.disk.failNext('sync', 'EIO')
    await shard.change([put('k0', 'z'.repeat(60))])
    const ids = [...shard.coldDisk.contents.keys()]
    await expect(shard.checkpointer.run()).rejects.toThrow('EIO')
    for (const id of ids) expect(shard.coldDisk.contents.has(id)).toBe(true)
  })
})
