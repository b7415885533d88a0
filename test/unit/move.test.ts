/** Values that go to another key and stay where they are, in memory or in the cold store; and the record of that, which does not hold them. */
import { beforeEach, describe, expect, it } from 'vitest'
import { Compactor } from '../../engine/keyspace/compactor.ts'
import { chunkedHash, packedHash, plainString, rawString, textString, valueDirtyFlag } from '../../engine/keyspace/entries.ts'
import type { ChunkedHash } from '../../engine/types/chunked-hash.ts'
import { contentsOf } from '../property/keyspace-check.ts'
import { fields, largeValueBytes, RecordedEngine } from './recorded-engine.ts'

const later = 5_000_000_000_000

function chunkRefs(hash: ChunkedHash): number[] {
  const refs: number[] = []
  hash.eachDirty((_hash, ref) => {
    refs.push(ref)
    return undefined
  })
  return refs
}

/** Makes all chunks clean, under the value ids from `id` on; returns what was written. */
function storeAll(hash: ChunkedHash, id: number): { firstHash: number; lsn: number; id: number }[] {
  const written: { firstHash: number; lsn: number; id: number }[] = []
  hash.eachDirty((firstHash, _ref, lsn) => {
    written.push({ firstHash, lsn, id: id + written.length })
    return undefined
  })
  for (const each of written) expect(hash.stored(each.firstHash, each.lsn, each.id)).toBe(true)
  return written
}

let engine: RecordedEngine
beforeEach(() => {
  engine = new RecordedEngine()
})

describe('a string that gets another key', () => {
  it('stays in its slot, with its use, its expiry and its stored copy', () => {
    const { keyspace } = engine
    const { entries, values } = keyspace
    engine.put('a', 'x'.repeat(100), later)
    const slot = engine.slot('a')
    values.setId(slot, 77)
    entries.clearFlag(engine.find('a'), valueDirtyFlag)
    values.touch(slot)
    values.setQueue(slot, 2, 5)
    engine.move('a', 'b', 3)
    expect([engine.find('a'), engine.slot('b', 3)]).toEqual([0, slot])
    const entry = engine.find('b', 3)
    expect([entries.expireAt(entry), entries.lsn(entry), entries.length(entry)]).toEqual([later, 2, 100])
    expect([values.owner(slot), values.id(slot), values.frequency(slot)]).toEqual([entry, 77, 1])
    expect([values.queue(slot), values.queuePosition(slot)]).toEqual([2, 5])
    expect([engine.notes.stales, entries.flag(entry, valueDirtyFlag)]).toEqual([[], false])
    expect(keyspace.databases.map(({ expiring }) => expiring.length).slice(0, 4)).toEqual([0, 0, 0, 1])
    expect(keyspace.lastMissLsn()).toBe(0)
    engine.find('a')
    expect(keyspace.lastMissLsn()).toBe(2)
    engine.check()
  })

  it.each([
    ['plain', plainString, (): unknown => undefined],
    ['raw', rawString, () => engine.append('a', '')],
    ['text', textString, (): unknown => engine.change((mutator) => mutator.setRange(engine.find('a'), 0, Buffer.alloc(0), 0, 0))],
  ] as const)('keeps its encoding: %s', (_what, encoding, work) => {
    engine.put('a', '123')
    work()
    engine.move('a', 'b')
    expect(engine.keyspace.entries.encoding(engine.find('b'))).toBe(encoding)
    engine.check()
  })

  it.each([
    ['a string', () => engine.put('b', 'former', later)],
    ['a small hash', () => engine.hashSet('b', 0, 3)],
    ['a large hash', () => engine.hashSet('b', 0, 100)],
  ])('takes the place of %s', (_what, make) => {
    engine.put('a', 'new')
    make()
    engine.move('a', 'b')
    expect(contentsOf(engine.keyspace)).toEqual(
      new Map([['0/b', { type: 1, encoding: plainString, expireAt: 0, length: 3, value: 'new' }]]),
    )
    engine.check()
  })

  it('is recorded in a few bytes, and not changed in place before the record that refers to it is committed', () => {
    const { keyspace, mutator } = engine
    const value = 'l'.repeat(50_000)
    engine.put('a', value)
    const slot = engine.slot('a')
    const bytes = keyspace.values.bytes(slot)
    expect(engine.move('a', 'b').length).toBeLessThan(20)
    expect([engine.slot('b'), mutator.record.references.length]).toEqual([slot, 0])
    engine.change(() => mutator.setRange(engine.find('b'), 0, Buffer.from('changed'), 0, 7))
    expect(engine.slot('b')).not.toBe(slot)
    expect(bytes.toString('latin1', 16, 16 + value.length)).toBe(value)
    keyspace.committed(3)
    engine.move('b', 'c')
    keyspace.committed(4)
    const moved = engine.slot('c')
    engine.change(() => mutator.setRange(engine.find('c'), 0, Buffer.from('in place'), 0, 8))
    expect(engine.slot('c')).toBe(moved)
    engine.check()
  })

  it('stays shared with the replies, and logged for the record before, that refer to it', () => {
    const { keyspace, mutator } = engine
    engine.put('a', 's'.repeat(50_000))
    const slot = engine.slot('a')
    expect(keyspace.values.isLogged(slot)).toBe(true)
    keyspace.values.share(slot)
    engine.move('a', 'b')
    keyspace.committed(1)
    expect(keyspace.isReferred(engine.find('b'))).toBe(true)
    keyspace.committed(2)
    expect(keyspace.isReferred(engine.find('b'))).toBe(true)
    engine.change(() => mutator.setRange(engine.find('b'), 0, Buffer.from('x'), 0, 1))
    expect(engine.slot('b')).not.toBe(slot)
    engine.check()
  })

  it('may go on in the same record', () => {
    engine.put('a', '1')
    engine.hashSet('h', 0, 50)
    engine.change((mutator) => {
      mutator.move(engine.find('a'), 0, Buffer.from('b'), 0, 1)
      mutator.append(engine.find('b'), Buffer.from('23'), 0, 2)
      mutator.move(engine.find('b'), 0, Buffer.from('a'), 0, 1)
      mutator.move(engine.find('h'), 1, Buffer.from('b'), 0, 1)
      mutator.move(engine.find('b', 1), 0, Buffer.from('h'), 0, 1)
    })
    expect(engine.keyspace.size).toBe(2)
    engine.check()
  })

  it('stays cold, under its id', () => {
    const { keyspace } = engine
    const { entries, values } = keyspace
    engine.put('a', 'x'.repeat(100), later)
    const slot = engine.slot('a')
    entries.setCold(engine.find('a'), 2 ** 40 + 5, 1234)
    entries.clearFlag(engine.find('a'), valueDirtyFlag)
    values.release(slot)
    keyspace.coldCount++
    engine.move('a', 'b')
    const entry = engine.find('b')
    expect([entries.isResident(entry), entries.valueId(entry), entries.coldStamp(entry)]).toEqual([false, 2 ** 40 + 5, 1234])
    expect([entries.length(entry), entries.expireAt(entry), entries.flag(entry, valueDirtyFlag)]).toEqual([100, later, false])
    expect([keyspace.coldCount, engine.notes.stales, engine.find('a')]).toEqual([1, [], 0])
    engine.put('b', 'new')
    expect([keyspace.coldCount, engine.notes.stales]).toEqual([0, [2 ** 40 + 5]])
  })
})

describe('a small hash that gets another key', () => {
  it('stays in its slot, with its fields in their order', () => {
    engine.hashSet('h', 0, 5)
    engine.change((mutator) => mutator.expire(engine.find('h'), later))
    const slot = engine.slot('h')
    engine.hashSet('g', 0, 300)
    engine.move('h', 'g')
    const { entries } = engine.keyspace
    expect([engine.slot('g'), entries.encoding(engine.find('g')), entries.length(engine.find('g'))]).toEqual([slot, packedHash, 5])
    const again = engine.replayed()
    const bytesOf = ({ keyspace: { values } }: RecordedEngine, ref: number): string =>
      values.bytes(ref).toString('latin1', values.start(ref), values.start(ref) + 100)
    expect(bytesOf(again, again.slot('g')).split('field').length).toBe(6)
    expect(bytesOf(again, again.slot('g')).slice(0, 90)).toBe(bytesOf(engine, slot).slice(0, 90))
    engine.check()
  })
})

describe('a large hash that gets another key', () => {
  it('keeps its chunks where they are, in memory and in the cold store, under an id of its own', () => {
    engine.hashSet('h', 0, 1000)
    engine.change((mutator) => mutator.expire(engine.find('h'), later))
    const former = engine.hash('h')
    const refs = chunkRefs(former)
    expect(refs.length).toBeGreaterThan(50)
    const written = storeAll(former, 1001)
    expect(former.evict(refs[3] as number)).toBe(true)
    engine.hashSet('h', 0, 1, 'changed')
    const stales = [...engine.notes.stales]
    const dirty = chunkRefs(former)
    engine.move('h', 'g', 2)
    const hash = engine.hash('g', 2)
    expect(hash).not.toBe(former)
    expect([hash.id > former.id, hash.seed]).toEqual([true, former.seed])
    expect(chunkRefs(hash)).toEqual(dirty)
    expect([hash.length, hash.chunkCount, hash.dirtyChunks, hash.coldChunks]).toEqual([1000, refs.length, dirty.length, 1])
    const { values } = engine.keyspace
    for (const ref of dirty) expect([values.owner(ref), values.id(ref)]).toEqual([engine.slot('g', 2), 0])
    const rows: number[] = []
    hash.eachCatalogDirty((_hash, id) => rows.push(id))
    expect(rows).toEqual(written.map(({ id }) => id).filter((id) => !stales.includes(id)))
    expect(engine.notes.stales).toEqual(stales)
    expect(engine.notes.dropped).toEqual([former])
    expect([former.length, former.chunkCount, former.residentBytes, former.releaseSome(1)]).toEqual([0, 0, 0, true])
    expect(engine.notes.stales).toEqual(stales)
  })

  it('does not take a write-out of the former key for its own', () => {
    engine.hashSet('h', 0, 200)
    const former = engine.hash('h')
    const writing: [number, number][] = []
    former.eachDirty((firstHash, _ref, lsn) => {
      writing.push([firstHash, lsn])
      return undefined
    })
    engine.move('h', 'g')
    for (const [firstHash, lsn] of writing) expect(former.stored(firstHash, lsn, 5)).toBe(false)
    expect(engine.hash('g').dirtyChunks).toBe(writing.length)
    storeAll(engine.hash('g'), 100)
    expect(engine.hash('g').dirtyChunks).toBe(0)
  })

  it('is no less large for having few fields, and can be changed, moved together and handed back', () => {
    engine.hashSet('h', 0, 400)
    engine.change((mutator) => mutator.hashDelete(engine.find('h'), fields(2, 400, '')))
    engine.move('h', 'g')
    expect(engine.keyspace.entries.encoding(engine.find('g'))).toBe(chunkedHash)
    engine.check()
    engine.hashSet('g', 100, 900)
    engine.put('other', 'x')
    engine.hashSet('h', 0, 300, 'another')
    engine.move('g', 'h')
    engine.hashSet('h', 500, 1000, 'changed')
    const compactor = new Compactor(engine.keyspace)
    while (compactor.step());
    for (const ref of chunkRefs(engine.hash('h'))) engine.keyspace.relocateValue(ref)
    engine.check()
    for (const former of engine.notes.dropped) expect(former.releaseSome(Number.MAX_SAFE_INTEGER)).toBe(true)
    engine.check()
  })

  it('is recorded in a few bytes', () => {
    engine.hashSet('h', 0, 20_000)
    expect(engine.move('h', 'g').length).toBeLessThan(20)
    expect(engine.mutator.record.references).toEqual([])
    engine.check()
  })
})

describe('a copy of a large hash', () => {
  it('has chunks of its own, of the size they need, and goes its own way', () => {
    engine.hashSet('h', 0, 1000)
    storeAll(engine.hash('h'), 1001)
    const record = engine.copyLargeHash('h', 'g')
    const [from, to] = [engine.hash('h'), engine.hash('g')]
    expect([to.length, to.chunkCount, to.dirtyChunks, to.seed]).toEqual([1000, from.chunkCount, from.chunkCount, from.seed])
    expect([from.dirtyChunks, to.id === from.id, to.residentBytes <= from.residentBytes]).toEqual([0, false, true])
    expect(engine.notes.stales).toEqual([])
    expect(record.length).toBeGreaterThan(20_000)
    engine.hashSet('g', 0, 500, 'changed')
    engine.hashSet('h', 900, 1100, 'new')
    engine.check()
    engine.change((mutator) => mutator.delete(0, Buffer.from('h'), 0, 1))
    engine.notes.dropped[0]?.releaseSome(Number.MAX_SAFE_INTEGER)
    engine.check()
  })

  it('is recorded in pieces that are not copied again, and that stay as they are', () => {
    engine.hashSet('h', 0, 20_000)
    engine.copyLargeHash('h', 'g')
    const references = [...engine.mutator.record.references]
    expect(references.length).toBeGreaterThan(10)
    for (const { bytes } of references) expect(bytes.length).toBeLessThan(largeValueBytes + 300)
    expect(engine.mutator.record.end).toBeLessThan(largeValueBytes + 200)
    const before = references.map(({ bytes }) => Buffer.from(bytes))
    engine.hashSet('h', 0, 20_000, 'changed')
    expect(references.every(({ bytes }, i) => Buffer.compare(bytes, before[i] as Buffer) === 0)).toBe(true)
    engine.check()
  })
})
