import { mkdtemp, readdir, readlink, rm, symlink, truncate, unlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ClassicLevel } from 'classic-level'
import { afterAll, describe, expect, it, vi } from 'vitest'
import type { Clock } from '../../storage/clock.ts'
import type { ColdStore } from '../../storage/cold-store.ts'
import { LevelColdStore } from '../../storage/level-cold-store.ts'
import { levelLogNumbers, wipeLevelDirectory } from '../../storage/level-directory.ts'
import type { LevelColdStoreOptions } from '../../storage/level-options.ts'
import { describeColdStore } from './cold-store.ts'

const clock: Clock = {
  wallMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  afterTurn: (work) => void setImmediate(work),
  after: (delayMs, work) => {
    const timer = setTimeout(work, delayMs)
    return { cancel: () => clearTimeout(timer) }
  },
}

const root = await mkdtemp(join(tmpdir(), 'moraine-cold-'))
const directories = new WeakMap<ColdStore, string>()
let made = 0

afterAll(() => rm(root, { recursive: true, force: true }))

function freshDirectory(): string {
  return join(root, `${++made}`)
}

async function open(directory: string, options: Partial<LevelColdStoreOptions> = {}): Promise<LevelColdStore> {
  const store = await LevelColdStore.open(directory, { clock, ...options })
  directories.set(store, directory)
  return store
}

describeColdStore('LevelColdStore', {
  fresh: () => open(freshDirectory()),
  reopen: async (store) => {
    await store.close()
    return open(directories.get(store)!)
  },
})

function puts(from: number, count: number, bytes: number) {
  return Array.from({ length: count }, (_, i) => ({ id: from + i, bytes: Buffer.alloc(bytes, from + i) }))
}

describe('LevelColdStore', () => {
  it('reads what is asked for in one turn in few jobs, each id once', async () => {
    const store = await open(freshDirectory())
    await store.write({ puts: puts(1, 200, 10), deletes: [] })
    await Promise.all(Array.from({ length: 192 }, (_, i) => store.read((i % 96) + 1)))
    // Three in the pool at first; the rest there too, or, where those were quick, in one go.
    const { readJobs } = store.stats()
    expect(readJobs).toBeGreaterThanOrEqual(4)
    expect(readJobs).toBeLessThanOrEqual(6)
    await Promise.all([store.read(1), store.read(2), store.read(3)])
    expect(store.stats().readJobs - readJobs).toBeGreaterThanOrEqual(1)
    expect(store.stats().readJobs - readJobs).toBeLessThanOrEqual(3)
    await store.close()
  })

  it('syncs the log while the write buffer cannot have changed, and flushes the buffer otherwise', async () => {
    const directory = freshDirectory()
    const store = await open(directory, { writeBufferBytes: 1 << 20 })
    await store.write({ puts: puts(1, 100, 400), deletes: [] })
    await store.sync()
    expect(store.stats()).toMatchObject({ logSyncs: 1, flushes: 0 })
    const [firstLog] = await levelLogNumbers(directory)
    for (let i = 0; i < 20; i++) await store.write({ puts: puts(101 + i * 200, 200, 400), deletes: [] })
    await store.sync()
    expect(store.stats().flushes).toBe(1)
    expect((await levelLogNumbers(directory))[0]).toBeGreaterThan(firstLog!)
    await store.write({ puts: puts(9000, 1, 400), deletes: [] })
    await store.sync()
    expect(store.stats()).toMatchObject({ logSyncs: 2, flushes: 1, writable: true })
    await store.close()
  })

  it('never calls the log synced once LevelDB could have left it, whatever the values', async () => {
    for (const bytes of [0, 1, 30, 400, 1025, 4097, 70_000]) {
      const directory = freshDirectory()
      const store = await open(directory, { writeBufferBytes: 1 << 20 })
      const [firstLog] = await levelLogNumbers(directory)
      let id = 1
      while (true) {
        const logSyncs = store.stats().logSyncs
        await store.write({ puts: puts(id, 32, bytes), deletes: [] })
        id += 32
        const log = (await levelLogNumbers(directory)).at(-1)
        await store.sync()
        const byLog = store.stats().logSyncs > logSyncs && store.stats().flushes === 0
        if (byLog) expect(log).toBe(firstLog)
        else break
      }
      expect(store.stats().flushes).toBe(1)
      await store.close()
    }
  })

  it('refuses a directory that another store has open', async () => {
    const directory = freshDirectory()
    const store = await open(directory)
    await expect(open(directory)).rejects.toMatchObject({ name: 'ColdStoreUnusable', reason: 'locked' })
    await store.close()
    await (await open(directory)).close()
  })

  it('refuses what is not a cold store', async () => {
    const foreign = freshDirectory()
    const db = new ClassicLevel(foreign)
    await db.put('key', 'value')
    await db.close()
    await expect(open(foreign)).rejects.toMatchObject({ reason: 'foreign' })

    const papers = freshDirectory()
    await (await open(papers)).close()
    await wipeLevelDirectory(papers)
    await writeFile(join(papers, 'thesis.txt'), 'text')
    await expect(open(papers)).rejects.toThrow(/thesis\.txt/)

    const newer = freshDirectory()
    const next = new ClassicLevel<Buffer, Buffer>(newer, { keyEncoding: 'buffer', valueEncoding: 'buffer' })
    await next.put(Buffer.alloc(8), Buffer.from('MORACOLD\x02\0\0\0', 'latin1'))
    await next.close()
    await expect(open(newer)).rejects.toMatchObject({ reason: 'version' })
  })

  it('refuses a damaged store, and one whose CURRENT file is lost', async () => {
    const directory = freshDirectory()
    const store = await open(directory, { writeBufferBytes: 1 << 20 })
    for (let i = 0; i < 8; i++) await store.write({ puts: puts(1 + i * 1000, 1000, 400), deletes: [] })
    await store.close()
    const names = await readdir(directory)
    expect(names.some((name) => name.endsWith('.ldb'))).toBe(true)
    await truncate(join(directory, names.find((name) => name.startsWith('MANIFEST'))!), 20)
    await expect(open(directory)).rejects.toMatchObject({ reason: 'corrupt' })
    await rm(join(directory, 'CURRENT'))
    await expect(open(directory)).rejects.toThrow(/no CURRENT file/)
    await wipeLevelDirectory(directory)
    const fresh = await open(directory)
    expect(await fresh.read(1)).toBeUndefined()
    await fresh.close()
  })

  it('never lets level 0 reach the size at which LevelDB slows down', async () => {
    const store = await open(freshDirectory(), { writeBufferBytes: 1 << 20, tableBytes: 1 << 20 })
    let level0Most = 0
    for (let i = 0; i < 120; i++) {
      await store.write({ puts: puts(1 + i * 250, 250, 1000), deletes: [1 + i * 100] })
      level0Most = Math.max(level0Most, store.stats().level0Files)
    }
    expect(level0Most).toBeLessThan(8)
    // Another thread is asked.
    await expect.poll(() => store.stats().diskBytes).toBeGreaterThan(20 << 20)
    expect(store.stats().memoryBytes).toBeGreaterThan((8 << 20) + (2 << 20))
    await store.close()
  })

  it('asks LevelDB for nothing under its lock on the event loop', async () => {
    const asked = vi.spyOn(ClassicLevel.prototype, 'getProperty')
    const store = await open(freshDirectory(), { writeBufferBytes: 1 << 20, tableBytes: 1 << 20 })
    for (let i = 0; i < 12; i++) {
      await store.write({ puts: puts(1 + i * 250, 250, 1000), deletes: [] })
      store.stats()
    }
    await store.sync()
    expect(asked).not.toHaveBeenCalled()
    // The thread that is asked answers all the same.
    while (store.stats().diskBytes < 1 << 20) await new Promise((resolve) => setImmediate(resolve))
    await store.close()
    asked.mockRestore()
  })

  it('refuses values, not deletions, when the disk is nearly full, and goes on when there is room', async () => {
    let free = 1 << 30
    const store = await open(freshDirectory(), { freeDiskBytes: async () => free, diskReserveBytes: 1 << 20 })
    await store.write({ puts: puts(1, 10, 100), deletes: [] })
    free = 1 << 19
    await expect(store.write({ puts: puts(11, 1, 100), deletes: [] })).rejects.toMatchObject({ code: 'ENOSPC' })
    await store.write({ puts: [], deletes: [1] })
    await store.sync()
    expect(await store.read(11)).toBeUndefined()
    expect((await store.read(10))?.length).toBe(100)
    expect(store.stats().writable).toBe(true)
    free = 1 << 30
    await store.write({ puts: puts(11, 1, 100), deletes: [] })
    expect((await store.read(11))?.length).toBe(100)
    await store.close()
  })

  it('loses nothing when LevelDB cannot write a table, reads on, and mends itself once it can', async () => {
    const directory = freshDirectory()
    let free = 1 << 30
    const store = await open(directory, { writeBufferBytes: 1 << 20, freeDiskBytes: async () => free, diskReserveBytes: 0 })
    // Tables that LevelDB will make lead to a device that is always full.
    for (let number = 4; number < 200; number++) await symlink('/dev/full', join(directory, `${String(number).padStart(6, '0')}.ldb`))
    let written = 0
    const writeOn = async () => {
      await store.write({ puts: puts(written + 1, 100, 1000), deletes: [] })
      written += 100
    }
    const failure = await (async () => {
      while (written < 100_000) await writeOn()
    })().catch((error: unknown) => error)
    expect(failure).toMatchObject({ name: 'ColdStoreWriteFailed', code: 'ENOSPC' })
    expect(written).toBeGreaterThan(500)
    expect(store.stats().writable).toBe(false)
    free = 0
    await expect(writeOn()).rejects.toMatchObject({ code: 'ENOSPC' })
    await expect(store.sync()).rejects.toMatchObject({ code: 'ENOSPC' })
    expect((await store.read(written))?.length).toBe(1000)
    free = 1 << 30
    await expect(writeOn()).rejects.toMatchObject({ code: 'ENOSPC' })
    for (const name of await readdir(directory)) {
      const target = await readlink(join(directory, name)).catch(() => undefined)
      if (target === '/dev/full') await unlink(join(directory, name))
    }
    await writeOn()
    await store.sync()
    expect(store.stats().writable).toBe(true)
    const next = await (async () => {
      await store.close()
      return open(directory)
    })()
    const ids = Array.from({ length: written }, (_, i) => i + 1)
    expect((await next.readMany(ids)).findIndex((bytes, i) => bytes?.length !== 1000 || bytes[0] !== (ids[i]! & 255))).toBe(-1)
    await next.close()
  })
})
