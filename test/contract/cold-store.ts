/** What every cold store must do: the suite that each implementation runs. */
import { describe, expect, it } from 'vitest'
import type { ColdStore } from '../../storage/cold-store.ts'

export interface ColdStoreUnderTest {
  /** A store without contents. */
  fresh(): Promise<ColdStore>
  /** Closes the store and opens its successor over the same disk. */
  reopen(store: ColdStore): Promise<ColdStore>
}

function put(id: number, text: string) {
  return { id, bytes: Buffer.from(text) }
}

async function textOf(store: ColdStore, ids: readonly number[]): Promise<(string | undefined)[]> {
  return (await store.readMany(ids)).map((bytes) => bytes?.toString())
}

export function describeColdStore(name: string, under: ColdStoreUnderTest): void {
  describe(`${name} as a cold store`, () => {
    it('reads what was written, and undefined for what was not', async () => {
      const store = await under.fresh()
      await store.write({ puts: [put(1, 'one'), put(2, ''), put(2 ** 48 - 1, 'last')], deletes: [] })
      expect((await store.read(1))?.toString()).toBe('one')
      expect((await store.read(2))?.length).toBe(0)
      expect((await store.read(2 ** 48 - 1))?.toString()).toBe('last')
      expect(await store.read(3)).toBeUndefined()
      await store.close()
    })

    it('answers readMany in the order of the ids, with repeats and gaps', async () => {
      const store = await under.fresh()
      await store.write({ puts: Array.from({ length: 100 }, (_, i) => put(i + 1, `value ${i + 1}`)), deletes: [] })
      expect(await textOf(store, [5, 500, 5, 1])).toEqual(['value 5', undefined, 'value 5', 'value 1'])
      expect(await store.readMany([])).toEqual([])
      const all = Array.from({ length: 100 }, (_, i) => 100 - i)
      expect(await textOf(store, all)).toEqual(all.map((id) => `value ${id}`))
      await store.close()
    })

    it('copies what is stored at one moment, in order, whatever comes later', async () => {
      const store = await under.fresh()
      const values = Array.from({ length: 700 }, (_, i) => put(i + 1, `value ${i + 1}`.padEnd(100, '.')))
      await store.write({ puts: values, deletes: [] })
      const copy = store.copy()
      await store.write({ puts: [put(1000, 'later')], deletes: [1, 2, 700] })
      const copied: [number, string][] = []
      for (let puts = await copy.next(5000); puts.length > 0; puts = await copy.next(5000)) {
        expect(puts.reduce((sum, { bytes }) => sum + bytes.length, 0)).toBeLessThanOrEqual(5000)
        copied.push(...puts.map(({ id, bytes }): [number, string] => [id, bytes.toString()]))
      }
      expect(copied).toEqual(values.map(({ id, bytes }) => [id, bytes.toString()]))
      await copy.close()
      const small = store.copy()
      expect((await small.next(1)).map(({ id }) => id)).toEqual([3])
      await small.close()
      await store.close()
    })

    it('answers many single reads at once', async () => {
      const store = await under.fresh()
      await store.write({ puts: Array.from({ length: 300 }, (_, i) => put(i + 1, `value ${i + 1}`)), deletes: [] })
      const reads = Array.from({ length: 600 }, (_, i) => store.read((i % 310) + 1))
      const values = await Promise.all(reads)
      for (let i = 0; i < 600; i++) {
        const id = (i % 310) + 1
        expect(values[i]?.toString()).toBe(id <= 300 ? `value ${id}` : undefined)
      }
      expect(store.stats().reads).toBe(600)
      await store.close()
    })

    it('hands values over without a promise, each once, and later', async () => {
      const store = await under.fresh()
      await store.write({ puts: [put(1, 'one'), put(2, 'two')], deletes: [] })
      const handed = (id: number) =>
        new Promise<string>((resolve) => {
          let isLater = false
          store.readTo(id, (failure, bytes) => resolve(`${isLater} ${(failure as Error | undefined)?.message} ${bytes}`))
          isLater = true
        })
      expect(await Promise.all([1, 2, 3, 2].map(handed))).toEqual([
        'true undefined one',
        'true undefined two',
        'true undefined undefined',
        'true undefined two',
      ])
      await store.close()
      expect(await handed(1)).toMatch(/^true .*closed undefined$/)
    })

    it('shows a write as soon as it has resolved, also to a reader that asked before', async () => {
      const store = await under.fresh()
      const before = store.read(9)
      await store.write({ puts: [put(9, 'nine')], deletes: [] })
      expect((await store.read(9))?.toString()).toBe('nine')
      expect([undefined, 'nine']).toContain((await before)?.toString())
      await store.close()
    })

    it('copies the bytes: the caller may reuse its buffer', async () => {
      const store = await under.fresh()
      const bytes = Buffer.from('before')
      await store.write({ puts: [{ id: 4, bytes }], deletes: [] })
      bytes.fill('x')
      expect((await store.read(4))?.toString()).toBe('before')
      await store.close()
    })

    it('copies what is stored at one moment, to be read by id whatever is written later', async () => {
      const store = await under.fresh()
      await store.write({ puts: Array.from({ length: 40 }, (_, i) => put(i + 1, `${i + 1}`)), deletes: [] })
      const copy = store.copy()
      await store.write({ puts: [put(41, 'later')], deletes: [3, 4] })
      const wanted = [
        // A run, with a gap and what is not there.
        [1, 2, 3, 4, 6, 7, 8, 9, 10, 41],
        [30, 3, 20, 99],
        [40],
      ]
      for (const ids of wanted) {
        const expected = ids.map((id) => (id <= 40 ? `${id}` : undefined))
        expect((await copy.readMany(ids)).map((bytes) => bytes?.toString())).toEqual(expected)
        expect(ids.map((id) => copy.readAtOnce(id)?.toString())).toEqual(expected)
      }
      expect((await copy.read(4))?.toString()).toBe('4')
      expect(await new Promise((resolve) => copy.readTo(4, (_, bytes) => resolve(bytes?.toString())))).toBe('4')
      expect((await copy.next(1e6)).length).toBe(40)
      await copy.close()
      await store.close()
    })

    it('deletes, and takes the deletion of an unknown id', async () => {
      const store = await under.fresh()
      await store.write({ puts: [put(1, 'one'), put(2, 'two')], deletes: [] })
      await store.write({ puts: [put(3, 'three')], deletes: [1, 99] })
      expect(await textOf(store, [1, 2, 3])).toEqual([undefined, 'two', 'three'])
      expect(store.stats()).toMatchObject({ writes: 3, deletes: 2 })
      await store.close()
    })

    it('clears every id from one on', async () => {
      const store = await under.fresh()
      await store.write({ puts: Array.from({ length: 10_000 }, (_, i) => put(i + 1, `${i + 1}`)), deletes: [] })
      await store.clearFrom(101)
      expect(await textOf(store, [1, 100, 101, 5000, 10_000])).toEqual(['1', '100', undefined, undefined, undefined])
      await store.clearFrom(101)
      await store.write({ puts: [put(101, 'again')], deletes: [] })
      await store.sync()
      const next = await under.reopen(store)
      expect(await textOf(next, [100, 101, 102])).toEqual(['100', 'again', undefined])
      await next.close()
    })

    it('keeps everything over a sync and a restart', async () => {
      const store = await under.fresh()
      await store.write({ puts: [put(1, 'one'), put(2, 'two')], deletes: [] })
      await store.sync()
      await store.write({ puts: [put(3, 'three')], deletes: [1] })
      await store.sync()
      await store.sync()
      const next = await under.reopen(store)
      expect(await textOf(next, [1, 2, 3])).toEqual([undefined, 'two', 'three'])
      await next.close()
    })

    it('takes syncs while writes are under way', async () => {
      const store = await under.fresh()
      const syncs: Promise<void>[] = []
      for (let id = 1; id <= 50; id++) {
        const written = store.write({ puts: [put(id, `value ${id}`)], deletes: [] })
        syncs.push(store.sync())
        await written
      }
      await Promise.all(syncs)
      await store.sync()
      const next = await under.reopen(store)
      expect(await textOf(next, [1, 25, 50])).toEqual(['value 1', 'value 25', 'value 50'])
      await next.close()
    })

    it('refuses work once closed', async () => {
      const store = await under.fresh()
      await store.close()
      await store.close()
      await expect((async () => store.read(1))()).rejects.toThrow('closed')
      await expect((async () => store.write({ puts: [], deletes: [1] }))()).rejects.toThrow('closed')
      await expect((async () => store.sync())()).rejects.toThrow('closed')
    })
  })
}
