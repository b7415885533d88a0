import { describe, expect, it } from 'vitest'
import type { Random } from '../../engine/random.ts'
import type { Clock } from '../../storage/clock.ts'
import type { ColdStore } from '../../storage/cold-store.ts'
import { MemoryColdDisk, MemoryColdStore } from '../../storage/memory-cold-store.ts'
import { describeColdStore } from './cold-store.ts'

const disks = new WeakMap<ColdStore, MemoryColdDisk>()

function open(disk: MemoryColdDisk): ColdStore {
  const store = new MemoryColdStore(disk)
  disks.set(store, disk)
  return store
}

describeColdStore('MemoryColdStore', {
  fresh: async () => open(new MemoryColdDisk()),
  reopen: async (store) => {
    await store.close()
    return open(disks.get(store)!)
  },
})

function always(value: number): Random {
  return { nextUint32: () => value }
}

function batch(id: number) {
  return { puts: [{ id, bytes: Buffer.from(`${id}`) }], deletes: id > 1 ? [id - 1] : [] }
}

/** Ids from 1 to 9 that the store holds. */
async function heldBy(store: ColdStore): Promise<number[]> {
  const ids = [1, 2, 3, 4, 5, 6, 7, 8, 9]
  const values = await store.readMany(ids)
  return ids.filter((_, i) => values[i] !== undefined)
}

describe('MemoryColdDisk', () => {
  it('loses at a crash what no sync covered, but for a prefix that chance picks', async () => {
    for (let survivors = 0; survivors <= 3; survivors++) {
      const disk = new MemoryColdDisk()
      const store = new MemoryColdStore(disk)
      await store.write(batch(1))
      await store.write(batch(2))
      await store.sync()
      for (const id of [3, 4, 5]) await store.write(batch(id))
      expect(disk.unsyncedBatches).toBe(3)
      disk.crash(always(survivors))
      expect(await heldBy(new MemoryColdStore(disk))).toEqual([2 + survivors])
      expect(disk.unsyncedBatches).toBe(0)
    }
  })

  it('does not settle what a crash interrupted', async () => {
    const disk = new MemoryColdDisk()
    const store = new MemoryColdStore(disk)
    let settled = false
    const written = store.write(batch(1)).finally(() => {
      settled = true
    })
    disk.crash(always(0))
    const next = new MemoryColdStore(disk)
    await next.write(batch(2))
    expect(await heldBy(next)).toEqual([2])
    expect(settled).toBe(false)
    expect(written).toBeInstanceOf(Promise)
  })

  it('fails as often as ordered, and changes nothing then', async () => {
    const disk = new MemoryColdDisk()
    const store = new MemoryColdStore(disk)
    await store.write(batch(1))
    disk.fail('write', 'ENOSPC', 2)
    await expect(store.write(batch(2))).rejects.toMatchObject({ code: 'ENOSPC' })
    await expect(store.write(batch(2))).rejects.toMatchObject({ code: 'ENOSPC' })
    expect(await heldBy(store)).toEqual([1])
    await store.write(batch(2))
    disk.fail('sync', 'EIO')
    await expect(store.sync()).rejects.toMatchObject({ code: 'EIO' })
    expect(disk.unsyncedBatches).toBe(2)
    disk.fail('sync', 'EIO', 0)
    disk.fail('read', 'EIO', 1)
    await expect(store.read(2)).rejects.toMatchObject({ code: 'EIO' })
    await store.sync()
    disk.crash(always(0))
    expect(await heldBy(new MemoryColdStore(disk))).toEqual([2])
  })

  it('takes as long as its clock says', async () => {
    const due: { atMs: number; work: () => void }[] = []
    const clock = { after: (delayMs: number, work: () => void) => void due.push({ atMs: delayMs, work }) } as unknown as Clock
    const store = new MemoryColdStore(new MemoryColdDisk(), { clock, delayMs: (operation) => (operation === 'sync' ? 7 : 3) })
    const order: string[] = []
    const written = store.write(batch(1)).then(() => order.push('written'))
    const synced = store.sync().then(() => order.push('synced'))
    expect(due.map((each) => each.atMs)).toEqual([3, 7])
    expect(order).toEqual([])
    due[1]!.work()
    await synced
    due[0]!.work()
    await written
    expect(order).toEqual(['synced', 'written'])
  })
})
