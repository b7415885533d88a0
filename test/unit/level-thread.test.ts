/** The thread that has LevelDB open beside the event loop's: what it reads, and what it leaves to others. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ClassicLevel } from 'classic-level'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { keyOf } from '../../storage/level-format.ts'
import { batchIdsMax, LevelThread } from '../../storage/level-thread.ts'

let directory: string
let db: ClassicLevel<Buffer, Buffer>
let thread: LevelThread
/** Ids that were left to others, a list for each call. */
let left: number[][]

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'moraine-thread-'))
  db = new ClassicLevel<Buffer, Buffer>(directory, { keyEncoding: 'buffer', valueEncoding: 'buffer', multithreading: true })
  await db.open()
  thread = new LevelThread(directory)
  await thread.open()
  left = []
})

afterEach(async () => {
  vi.restoreAllMocks()
  await thread.end()
  await db.close()
  await rm(directory, { recursive: true, force: true })
})

function others(ids: readonly number[]): Promise<(Buffer | undefined)[]> {
  left.push([...ids])
  return db.getMany(ids.map(keyOf))
}

async function read(...ids: number[]): Promise<(string | undefined)[]> {
  const { values } = (await thread.read(ids, others))!
  return values.map((value) => value?.toString('latin1'))
}

async function put(id: number, value: string): Promise<void> {
  await db.put(keyOf(id), Buffer.from(value, 'latin1'))
}

describe('LevelThread', () => {
  it('reads values in the order of the ids, what was just written too, and tells what is missing', async () => {
    await put(1, 'one')
    await put(2 ** 47 + 1, 'high')
    await put(3, '')
    expect(await read(3, 2, 1, 2 ** 47 + 1, 1)).toEqual(['', undefined, 'one', 'high', 'one'])
    await put(2, 'two')
    await db.del(keyOf(1))
    expect(await read(2, 1)).toEqual(['two', undefined])
    expect(left).toEqual([])
  })

  it('takes the late notice of an earlier batch for no answer to the present one', async () => {
    for (const id of [1, 2, 3, 4]) await put(id, `value ${id}`)
    expect(await read(1, 2)).toEqual(['value 1', 'value 2'])
    // The thread sleeps on for a moment, and whoever waits for it is woken at once.
    const { notify } = Atomics
    vi.spyOn(Atomics, 'notify').mockImplementationOnce((words, index) => {
      setTimeout(() => notify(words, index), 20)
      return 0
    })
    vi.spyOn(Atomics, 'waitAsync').mockReturnValueOnce({ async: true, value: Promise.resolve('ok') })
    expect(await read(3, 4)).toEqual(['value 3', 'value 4'])
  })

  it('gives values memory of their own', async () => {
    for (let id = 1; id <= 50; id++) await put(id, `${id}`.repeat(id * 7))
    const ids = Array.from({ length: 50 }, (_, i) => i + 1)
    const { values } = (await thread.read(ids, others))!
    for (let i = 0; i < 3; i++) await read(7, 8, 9)
    expect(values.map((value) => value?.toString('latin1'))).toEqual(ids.map((id) => `${id}`.repeat(id * 7)))
  })

  it('leaves to others what has no room, in its place', async () => {
    await put(1, 'small')
    await put(2, 'x'.repeat(1 << 20))
    await put(3, 'y'.repeat(100_000))
    await put(4, 'z'.repeat(100_000))
    expect((await read(1, 2, 3, 4, 1)).map((value) => value?.length)).toEqual([5, 1 << 20, 100_000, 100_000, 5])
    expect(left).toEqual([[2, 4]])
  })

  it('fails with those to whom it left what it could not read', async () => {
    await put(1, 'x'.repeat(1 << 20))
    await expect(thread.read([1], () => Promise.reject(new Error('the block is damaged')))).rejects.toThrow('the block is damaged')
    expect(await read(2)).toEqual([undefined])
  })

  it('takes one batch at a time', async () => {
    await put(1, 'one')
    const ids = Array.from({ length: batchIdsMax }, () => 1)
    const reading = thread.read(ids, others)
    expect(thread.read([1], others)).toBeUndefined()
    expect((await reading!).values.map(String)).toEqual(ids.map(() => 'one'))
    expect(await read(1)).toEqual(['one'])
  })

  it('tells what LevelDB says about itself, between reads', async () => {
    await put(1, 'one')
    const reading = read(1)
    const told = await thread.ask()
    expect(told![0]).toBe(0)
    expect(told![1]).toContain('Level')
    expect([await reading, await read(1)]).toEqual([['one'], ['one']])
  })

  it('lets the database go when it is closed, after what is under way, and joins it again', async () => {
    await put(1, 'one')
    const reading = thread.read([1, 1], others)
    const closing = thread.close()
    expect(thread.read([1], others)).toBeUndefined()
    expect((await reading!).values.map(String)).toEqual(['one', 'one'])
    await closing
    await db.close()
    // Were it open still, opening it would find the former options.
    await expect(db.open({ errorIfExists: true })).rejects.toThrow()
    await db.open({ multithreading: true })
    await thread.open()
    expect(await read(1)).toEqual(['one'])
    expect(left).toEqual([])
  })

  it('reads no more once it has ended', async () => {
    await put(1, 'one')
    await thread.end()
    expect([thread.read([1], others), await thread.ask()]).toEqual([undefined, undefined])
    await thread.open()
    expect(thread.read([1], others)).toBeUndefined()
  })
})
