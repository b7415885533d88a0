import { describe, expect, it, vi } from 'vitest'
import { Arguments } from '../../engine/arguments.ts'
import { wantValue } from '../../engine/cold-wants.ts'
import { hashCommands } from '../../engine/commands/hash.ts'
import { treeForm, valueDirtyFlag } from '../../engine/keyspace/entries.ts'
import { requestWants } from '../../engine/request-wants.ts'
import { HashTrees } from '../../engine/types/hash-tree.ts'
import { PackedCursor } from '../../engine/types/packed-fields.ts'
import { ColdSet } from '../../storage/cold-set.ts'
import { noCatalog } from '../../storage/no-catalog.ts'
import { ValueCodec } from '../../storage/value-codec.ts'
import type { KeyState } from '../property/keyspace-check.ts'
import { contentsOf } from '../property/keyspace-check.ts'
import { TieredKeyspace, text } from './tiered-keyspace.ts'

describe('the tier', () => {
  it('reads a value once for all who wait for it', async () => {
    const f = new TieredKeyspace()
    await f.cold('a')
    const sets = [f.needs('a'), f.needs('a'), f.needs('a')]
    await Promise.all(sets.map((set) => f.tier.fetch(set)))
    expect([f.store.stats().reads, f.tier.counts.coldReads, f.tier.counts.sharedReads, f.tier.readsInFlight]).toEqual([1, 1, 2, 0])
    f.tier.room = () => 'none'
    for (const set of sets) {
      f.tier.admit(set)
      expect(f.value('a')).toBe(`a ${text}`)
      f.tier.settle()
      expect([f.isCold('a'), f.keyspace.coldCount]).toEqual([true, 1])
    }
  })

  it('counts what was read for a request until the rest of it has come, or cannot', async () => {
    const f = new TieredKeyspace()
    await f.cold('a', 'b')
    const set = f.needs('a')
    wantValue(f.keyspace, f.ref('b'), set)
    const before = f.tier.memoryBytes
    const withheld: (() => void)[] = []
    const readTo = f.store.readTo.bind(f.store)
    f.store.readTo = (id, done) => (id === set.items[0]?.id ? readTo(id, done) : void withheld.push(() => readTo(id, done)))
    const read = f.tier.fetch(set)
    for (let i = 0; i < 20; i++) await Promise.resolve()
    expect(f.tier.memoryBytes).toBe(before + `a ${text}`.length)
    for (const each of withheld.splice(0)) each()
    await read
    expect(f.tier.memoryBytes).toBe(before)
    const failing = f.tier.fetch(set)
    for (let i = 0; i < 20; i++) await Promise.resolve()
    f.disk.contents.clear()
    for (const each of withheld.splice(0)) each()
    await expect(failing).rejects.toThrow('missing')
    expect(f.tier.memoryBytes).toBe(before)
  })

  it('keeps what changed while its read was under way', async () => {
    const f = new TieredKeyspace()
    await f.cold('overwritten', 'deleted', 'made anew', 'with a ttl')
    const sets = ['overwritten', 'deleted', 'made anew', 'with a ttl'].map((name) => f.needs(name))
    const fetched = Promise.all(sets.map((set) => f.tier.fetch(set)))
    f.set('overwritten', 'new')
    for (const name of ['deleted', 'made anew']) {
      f.mutator.begin(++f.lsn)
      f.mutator.deleteEntry(f.ref(name))
    }
    f.set('made anew', 'again')
    f.mutator.begin(++f.lsn)
    f.mutator.expire(f.ref('with a ttl'), 9_000_000_000_000)
    await fetched
    for (const set of sets) f.tier.admit(set)
    f.tier.settle()
    expect([f.value('overwritten'), f.ref('deleted'), f.value('made anew')]).toEqual(['new', 0, 'again'])
    expect([f.isCold('with a ttl'), f.keyspace.coldCount]).toEqual([true, 1])
    expect(await f.read('with a ttl')).toBe(`with a ttl ${text}`)
  })

  it('makes cold again what its reader has given to another entry', async () => {
    const f = new TieredKeyspace()
    f.tier.room = () => 'none'
    await f.cold('gets a ttl', 'moves')
    for (const name of ['gets a ttl', 'moves']) {
      const set = f.needs(name)
      await f.tier.fetch(set)
      f.tier.admit(set)
      const entry = f.ref(name)
      if (name === 'moves') f.move(name, 'has moved')
      else f.change((mutator) => mutator.expire(entry, 9_000_000_000_000))
      expect(f.ref(name)).not.toBe(entry)
      f.tier.settle()
    }
    await f.cool()
    expect([f.isCold('gets a ttl'), f.isCold('has moved'), f.tier.residency.count]).toEqual([true, true, 0])
  })

  it('promotes on the second touch, and on the first where there is ample room', async () => {
    const f = new TieredKeyspace()
    let room: 'ample' | 'some' | 'none' = 'some'
    f.tier.room = () => room
    await f.cold('a', 'b', 'c')
    // Made cold just now: each has been seen within the window. Let it pass.
    for (let i = 0; i < 40; i++) f.tier.residency.ageGhosts(70_000, 1)
    await f.read('a')
    expect([f.isCold('a'), f.tier.counts.readsWithoutPromotion]).toEqual([true, 1])
    await f.read('a')
    expect([f.isCold('a'), f.tier.counts.promotions]).toEqual([false, 1])
    room = 'none'
    await f.read('b')
    await f.read('b')
    expect(f.isCold('b')).toBe(true)
    room = 'ample'
    await f.read('c')
    expect(f.isCold('c')).toBe(false)
    expect(f.tier.residency.count).toBe(2)
  })

  it('keeps a large value that cannot be encoded, which is nobody else’s failure, however late the log commits', async () => {
    const f = new TieredKeyspace()
    f.set('large', 'x'.repeat(200_000))
    const unhandled = vi.fn()
    process.on('unhandledRejection', unhandled)
    const encode = vi.spyOn(ValueCodec.prototype, 'encodeLarge').mockRejectedValue(new Error('no memory'))
    f.committed = () => new Promise((resolve) => setTimeout(resolve, 20))
    await expect(f.writeOut.step(100)).rejects.toThrow('no memory')
    process.off('unhandledRejection', unhandled)
    encode.mockRestore()
    expect([unhandled.mock.calls.length, f.tier.lag.any]).toEqual([0, true])
    await f.cool()
    expect(f.isCold('large')).toBe(true)
    expect((await f.read('large')).length).toBe(200_000)
  })

  it('makes no value cold that has no copy', async () => {
    const f = new TieredKeyspace()
    f.set('hot')
    expect([f.tier.demoteOne(), f.isCold('hot')]).toEqual([0, false])
    await f.writeOut.step(100)
    f.set('hot', `${text}!`)
    expect([f.tier.demoteOne(), f.isCold('hot')]).toEqual([0, false])
    await f.writeOut.step(100)
    expect(f.tier.demoteOne()).toBeGreaterThan(0)
    expect([f.isCold('hot'), f.tier.demoteOne()]).toEqual([true, -1])
    expect(await f.read('hot')).toBe(`${text}!`)
  })

  it('makes values cold that began too small for it and grew', async () => {
    const f = new TieredKeyspace()
    f.set('grows', 'tiny')
    expect(f.tier.residency.count).toBe(0)
    f.mutator.begin(++f.lsn)
    f.mutator.append(f.ref('grows'), Buffer.from(text), 0, text.length)
    expect(f.tier.residency.count).toBe(1)
    await f.writeOut.step(100)
    expect(f.tier.demoteOne()).toBeGreaterThan(0)
    expect(await f.read('grows')).toBe(`tiny${text}`)
  })

  it('fails those who wait for a value that cannot be read, and nobody else', async () => {
    const f = new TieredKeyspace()
    await f.cold('a', 'b', 'gone')
    f.disk.contents.delete(f.keyspace.entries.valueId(f.ref('gone')))
    await expect(f.tier.fetch(f.needs('gone'))).rejects.toThrow('missing from the cold store')
    f.disk.fail('read', 'EIO', 1)
    const [first, second] = [f.tier.fetch(f.needs('a')), f.tier.fetch(f.needs('b'))]
    await expect(first).rejects.toThrow('EIO')
    await second
    expect([await f.read('a'), f.tier.readsInFlight]).toEqual([`a ${text}`, 0])
  })

  it('forgives a read whose value was replaced and deleted meanwhile', async () => {
    const f = new TieredKeyspace()
    await f.cold('a')
    const set = f.needs('a')
    const id = f.keyspace.entries.valueId(f.ref('a'))
    f.set('a', 'new')
    f.disk.contents.delete(id)
    await f.tier.fetch(set)
    f.tier.admit(set)
    expect(f.value('a')).toBe('new')
  })

  it('fetches only the leaf of a large hash that a field lies in', async () => {
    const f = new TieredKeyspace()
    f.hashSet('h', 0, 2000, 'value', treeForm)
    await f.cool()
    const { trees } = f.keyspace
    const root = f.root('h')
    expect([trees.roots.leaves(root) > 10, trees.roots.coldLeaves(root)]).toEqual([true, trees.roots.leaves(root)])
    const set = new ColdSet(trees)
    const { needs, keys } = hashCommands.HGET
    requestWants(f.keyspace, needs, keys, Arguments.of('HGET', 'h', 'field:77'), 0, set)
    expect(set.items.length).toBe(1)
    await f.tier.fetch(set)
    f.tier.admit(set)
    const field = Buffer.from('field:77')
    expect(trees.roots.coldLeaves(root)).toBe(trees.roots.leaves(root) - 1)
    expect(new HashTrees(trees).get(root, field, 0, field.length, new PackedCursor())).toBeDefined()
  })

  it('keeps what became of a large hash while its leaves were read', async () => {
    const f = new TieredKeyspace({ leafBytesMax: 300 })
    for (const name of ['changed', 'merged', 'deleted', 'made anew', 'moved']) f.hashSet(name, 0, 100, name, treeForm)
    await f.cool()
    const names = ['changed', 'merged', 'deleted', 'made anew', 'moved']
    const late = names.map((name) => f.needs(name))
    await Promise.all(late.map((set) => f.tier.fetch(set)))
    for (const name of ['changed', 'merged']) {
      const set = f.needs(name)
      await f.tier.fetch(set)
      f.tier.admit(set)
    }
    f.hashSet('changed', 0, 100, 'new')
    f.hashDelete('merged', 1, 100)
    f.delete('deleted')
    f.delete('made anew')
    while (f.tier.lazyFree.any) f.tier.lazyFree.step()
    f.hashSet('made anew', 0, 100, 'again', treeForm)
    f.move('moved', 'another')
    for (const set of late) f.tier.admit(set)
    f.tier.settle()
    const contents = contentsOf(f.keyspace)
    const values = (name: string): string[] => {
      const { value } = contents.get(`0/${name}`) as KeyState
      return [...(value as ReadonlyMap<string, string>).values()]
    }
    expect([...contents.keys()].sort()).toEqual(['0/another', '0/changed', '0/made anew', '0/merged'])
    for (const [name, mark] of [
      ['changed', 'new'],
      ['made anew', 'again'],
      ['another', 'moved'],
    ] as const) {
      expect([name, values(name).length, values(name).every((value) => value.startsWith(mark))]).toEqual([name, 100, true])
    }
    expect(values('merged')).toEqual(['merged 0'])
  })

  it('forgives a read of a leaf that was replaced and deleted meanwhile, and of none that is wanted', async () => {
    const f = new TieredKeyspace({ leafBytesMax: 300 })
    f.hashSet('h', 0, 100, 'value', treeForm)
    await f.cool()
    const late = f.needs('h')
    const own = f.needs('h')
    await f.tier.fetch(own)
    f.tier.admit(own)
    f.hashSet('h', 0, 100, 'new')
    const { contents } = f.disk
    f.disk.contents = new Map()
    await f.tier.fetch(late)
    expect(late.values.every((bytes) => bytes === undefined)).toBe(true)
    f.disk.contents = contents
    await f.cool()
    f.disk.contents.delete(f.needs('h').items[0]?.id as number)
    await expect(f.tier.fetch(f.needs('h'))).rejects.toThrow('missing from the cold store')
  })
})

describe('what is cold and was not fetched', () => {
  it('is never taken for a value: entries say so', async () => {
    const f = new TieredKeyspace()
    await f.cold('a')
    const { entries } = f.keyspace
    const ref = f.ref('a')
    const cold = 'a value that is needed is cold'
    expect(() => entries.value(ref)).toThrow(cold)
    expect(() => f.change((mutator) => mutator.append(ref, Buffer.from('b'), 0, 1))).toThrow(cold)
    expect(() => f.copy('a', 'b')).toThrow(cold)
    // Metadata, a new value and a move need nothing.
    expect([entries.length(ref), f.ref('b')]).toEqual([`a ${text}`.length, 0])
    f.move('a', 'c')
    expect(await f.read('c')).toBe(`a ${text}`)
    f.set('c', 'new')
    expect(f.value('c')).toBe('new')
  })

  it('is never taken for a leaf: trees say so', async () => {
    const f = new TieredKeyspace({ leafBytesMax: 300 })
    f.hashSet('h', 0, 200, 'value', treeForm)
    await f.cool()
    const { trees } = f.keyspace
    const root = f.root('h')
    const hashes = new HashTrees(trees)
    const field = Buffer.from('field:1')
    const cold = 'a leaf that is needed is cold'
    expect(() => hashes.get(root, field, 0, field.length, new PackedCursor())).toThrow(cold)
    expect(() => hashes.leafOf(root, field, 0, field.length)).toThrow(cold)
    expect(() => hashes.atRank(root, 77, new PackedCursor())).toThrow(cold)
    expect(() => hashes.scan(root, 0, 10, () => expect.unreachable())).toThrow(cold)
    expect(() => f.hashSet('h', 1, 2, 'new')).toThrow(cold)
    expect(() => f.hashDelete('h', 1, 2)).toThrow(cold)
    expect(() => f.copy('h', 'g')).toThrow(cold)
    const before = trees.roots.coldLeaves(root)
    const set = f.needs('h')
    await f.tier.fetch(set)
    f.tier.admit(set)
    expect([before, set.items.length, trees.roots.coldLeaves(root)]).toEqual([trees.roots.leaves(root), trees.roots.leaves(root), 0])
    expect(contentsOf(f.keyspace).get('0/h')?.length).toBe(200)
  })
})

describe('the write-out', () => {
  it('writes nothing that is not committed', async () => {
    const f = new TieredKeyspace()
    let commit = (): void => undefined
    f.committed = () => new Promise((resolve) => (commit = resolve))
    f.set('a')
    const step = f.writeOut.step(100)
    for (let i = 0; i < 20; i++) await Promise.resolve()
    expect([f.disk.contents.size, f.store.stats().writes]).toEqual([0, 0])
    commit()
    await step
    expect(f.disk.contents.size).toBe(1)
  })

  it('knows a copy for outdated whose value has changed meanwhile', async () => {
    const f = new TieredKeyspace()
    let commit = (): void => undefined
    f.committed = () => new Promise((resolve) => (commit = resolve))
    f.set('a')
    const step = f.writeOut.step(100)
    for (let i = 0; i < 20; i++) await Promise.resolve()
    f.set('a', `${text}later`)
    commit()
    await step
    expect([f.writeOut.counts.outdated, [...f.tier.staleIds], f.keyspace.entries.flag(f.ref('a'), valueDirtyFlag)]).toEqual([1, [1], true])
    expect([f.tier.demoteOne(), f.isCold('a')]).toEqual([0, false])
    f.committed = () => Promise.resolve()
    await f.writeOut.step(100)
    expect(f.tier.demoteOne()).toBeGreaterThan(0)
    expect(await f.read('a')).toBe(`${text}later`)
  })

  it('loses nothing when the store or the log fails', async () => {
    const f = new TieredKeyspace()
    for (let i = 0; i < 10; i++) f.set(`k${i}`)
    f.disk.fail('write', 'ENOSPC', 1)
    await expect(f.writeOut.step(100)).rejects.toThrow('ENOSPC')
    f.committed = () => Promise.reject(new Error('the log is gone'))
    await expect(f.writeOut.step(100)).rejects.toThrow('the log is gone')
    f.committed = () => Promise.resolve()
    expect(await f.writeOut.step(100)).toBe(10)
    expect([f.disk.contents.size, f.writeOut.inFlightBytes, f.tier.lag.any]).toEqual([10, 0, false])
  })

  it('records what one log record set after a flush, not what was flushed', async () => {
    const f = new TieredKeyspace()
    f.set('before')
    f.mutator.begin(++f.lsn)
    for (const name of ['also before', 'after']) {
      const key = Buffer.from(name)
      f.mutator.putString(0, key, 0, key.length, Buffer.from(text), 0, text.length, 0)
      if (name === 'also before') f.mutator.flush(0)
    }
    const recorded: string[] = []
    f.writeOut.catalog = {
      ...noCatalog,
      entry: ({ key, keyStart, keyEnd }) => recorded.push(key.toString('latin1', keyStart, keyEnd)),
    }
    await f.writeOut.step(100)
    expect([recorded, f.disk.contents.size]).toEqual([['after'], 1])
  })
})
