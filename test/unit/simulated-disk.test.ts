import { describe, expect, it } from 'vitest'
import { SeededRandom } from '../simulation/seeded-random.ts'
import { SimulatedCrash, SimulatedDisk } from '../simulation/simulated-disk.ts'

const SEEDS = Array.from({ length: 60 }, (_, seed) => seed)

/** What the file holds after a crash, over many seeds; `-` when it is gone. */
async function outcomes(prepare: (disk: SimulatedDisk) => Promise<void>, path = '/d/f'): Promise<Set<string>> {
  const seen = new Set<string>()
  for (const seed of SEEDS) {
    const disk = new SimulatedDisk(new SeededRandom(seed))
    await prepare(disk)
    const files = disk.crash()
    const there = (await files.list('/d')).includes(path.slice(3))
    seen.add(there ? disk.contents(path).toString('latin1') : '-')
  }
  return seen
}

describe('the simulated disk', () => {
  it('keeps what was synced, and with it the creation of the file', async () => {
    const seen = await outcomes(async (disk) => {
      const file = await disk.open('/d/f', { write: true, create: true })
      await file.write(Buffer.from('synced'), 0)
      await file.sync()
    })
    expect([...seen]).toEqual(['synced'])
  })

  it('keeps durable writes', async () => {
    const seen = await outcomes(async (disk) => {
      const file = await disk.open('/d/f', { write: true, create: true, durable: true })
      await file.write(Buffer.from('durable'), 0)
    })
    expect([...seen]).toEqual(['durable'])
  })

  it('loses or keeps each write that was not synced', async () => {
    const seen = await outcomes(async (disk) => {
      const file = await disk.open('/d/f', { write: true, create: true })
      await file.write(Buffer.from('....'), 0)
      await file.sync()
      await file.write(Buffer.from('A'), 0)
      await file.write(Buffer.from('B'), 2)
    })
    expect([...seen].sort()).toEqual(['....', '..B.', 'A...', 'A.B.'])
  })

  it('tears a write at sectors', async () => {
    const seen = await outcomes(async (disk) => {
      const file = await disk.open('/d/f', { write: true, create: true })
      await file.write(Buffer.alloc(1024, '.'), 0)
      await file.sync()
      await file.write(Buffer.alloc(1024, 'x'), 0)
    })
    const [old, written] = ['.'.repeat(512), 'x'.repeat(512)]
    expect([...seen].sort()).toEqual([old + old, old + written, written + old, written + written])
  })

  it('loses or keeps creations, renames and removals unless the directory is synced', async () => {
    const unsynced = await outcomes(async (disk) => {
      const file = await disk.open('/d/a', { write: true, create: true })
      await file.write(Buffer.from('a'), 0)
      await file.sync()
      await disk.rename('/d/a', '/d/f')
    })
    expect([...unsynced].sort()).toEqual(['-', 'a'])
    const synced = await outcomes(async (disk) => {
      const file = await disk.open('/d/a', { write: true, create: true })
      await file.write(Buffer.from('a'), 0)
      await file.sync()
      await disk.rename('/d/a', '/d/f')
      await disk.syncDirectory('/d')
    })
    expect([...synced]).toEqual(['a'])
    const removed = await outcomes(async (disk) => {
      const file = await disk.open('/d/f', { write: true, create: true, durable: true })
      await file.write(Buffer.from('f'), 0)
      await disk.remove('/d/f')
    })
    expect([...removed].sort()).toEqual(['-', 'f'])
  })

  it('never shows a file under two names', async () => {
    for (const seed of SEEDS) {
      const disk = new SimulatedDisk(new SeededRandom(seed))
      const file = await disk.open('/d/a', { write: true, create: true, durable: true })
      await file.write(Buffer.from('a'), 0)
      await disk.rename('/d/a', '/d/b')
      await disk.rename('/d/b', '/d/c')
      expect(await disk.crash().list('/d')).toHaveLength(1)
    }
  })

  it('fails on demand: the next of a kind, the k-th of all, beyond the free bytes', async () => {
    const disk = new SimulatedDisk(new SeededRandom(0))
    const file = await disk.open('/d/f', { write: true, create: true })
    disk.failNext('sync', 'EIO')
    await file.write(Buffer.from('x'), 0)
    await expect(file.sync()).rejects.toMatchObject({ code: 'EIO' })
    await file.sync()
    disk.failAt(disk.operations + 2, 'EIO')
    await file.size()
    await expect(file.size()).rejects.toMatchObject({ code: 'EIO' })
    disk.limitFreeBytes(3)
    await file.write(Buffer.from('yyyy'), 0)
    await expect(file.write(Buffer.from('z'), 4)).rejects.toMatchObject({ code: 'ENOSPC' })
    expect(disk.counts.get('write')).toBe(3)
  })

  it('stops at the n-th operation: everything opened before throws, a new mount works', async () => {
    const disk = new SimulatedDisk(new SeededRandom(3))
    const before = disk.mount()
    const file = await before.open('/d/f', { write: true, create: true, durable: true })
    await file.write(Buffer.from('one'), 0)
    disk.crashAt(disk.operations + 1)
    await expect(file.write(Buffer.from('two'), 0)).rejects.toThrow(SimulatedCrash)
    await expect(file.size()).rejects.toThrow(SimulatedCrash)
    await expect(disk.list('/d')).rejects.toThrow(SimulatedCrash)
    const after = disk.crash()
    await expect(before.list('/d')).rejects.toThrow(SimulatedCrash)
    await expect(file.size()).rejects.toThrow(SimulatedCrash)
    expect(await after.list('/d')).toEqual(['f'])
    expect(['one', 'two']).toContain(disk.contents('/d/f').toString())
  })

  it('loses an operation that was under way when the power went', async () => {
    const seen = await outcomes(async (disk) => {
      const file = await disk.open('/d/f', { write: true, create: true, durable: true })
      await file.write(Buffer.from('old'), 0)
      const writing = file.write(Buffer.from('new'), 0)
      disk.powerOff()
      await expect(writing).rejects.toThrow(SimulatedCrash)
    })
    expect([...seen].sort()).toEqual(['new', 'old'])
  })

  it('does the same from the same seed', async () => {
    const runs = []
    for (let run = 0; run < 2; run += 1) {
      const disk = new SimulatedDisk(new SeededRandom(77))
      const file = await disk.open('/d/f', { write: true, create: true })
      await file.write(Buffer.alloc(64 * 512, 'x'), 0)
      await file.write(Buffer.alloc(64 * 512, 'y'), 100)
      disk.crash()
      runs.push((await disk.list('/d')).length > 0 ? disk.contents('/d/f').toString('latin1') : '-')
    }
    expect(runs[0]).toBe(runs[1])
  })
})
