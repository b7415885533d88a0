/** Values that go to another key and stay where they are, in memory or in the cold store; and the record of that, which does not hold them. */
import { beforeEach, describe, expect, it } from 'vitest'
import { Compactor } from '../../engine/keyspace/compactor.ts'
import { packedForm, plainString, rawString, textString, treeForm, valueDirtyFlag } from '../../engine/keyspace/entries.ts'
import { relocateNode, relocateValue } from '../../engine/keyspace/relocation.ts'
import { contentsOf } from '../property/keyspace-check.ts'
import type { LeafState } from './leaves.ts'
import { leavesOf, storeLeaves } from './leaves.ts'
import { fields, RecordedEngine } from './recorded-engine.ts'

const later = 5_000_000_000_000

let engine: RecordedEngine
beforeEach(() => {
  engine = new RecordedEngine()
})

function leavesUnder(key: string, db = 0): LeafState[] {
  return leavesOf(engine.keyspace.trees, engine.slot(key, db))
}

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
    expect([engine.slot('g'), entries.encoding(engine.find('g')), entries.length(engine.find('g'))]).toEqual([slot, packedForm, 5])
    const again = engine.replayed()
    const bytesOf = ({ keyspace: { values } }: RecordedEngine, ref: number): string =>
      values.bytes(ref).toString('latin1', values.start(ref), values.start(ref) + 100)
    expect(bytesOf(again, again.slot('g')).split('field').length).toBe(6)
    expect(bytesOf(again, again.slot('g')).slice(0, 90)).toBe(bytesOf(engine, slot).slice(0, 90))
    engine.check()
  })
})

describe('a large hash that gets another key', () => {
  it('stays as it is, in memory and in the cold store', () => {
    const { keyspace, notes } = engine
    const { trees } = keyspace
    const { roots } = trees
    engine.hashSet('h', 0, 1000)
    engine.change((mutator) => mutator.expire(engine.find('h'), later))
    const root = engine.slot('h')
    const id = roots.id(root)
    storeLeaves(trees, root, 1001)
    expect(trees.evict(leavesUnder('h')[3]?.ref as number)).toBe(true)
    engine.hashSet('h', 0, 1, 'changed')
    const stales = [...notes.stales]
    const leaves = leavesUnder('h')
    expect([leaves.length > 50, leaves.filter(({ ref }) => ref === 0).length, leaves.filter(({ isDirty }) => isDirty).length]).toEqual([
      true,
      1,
      1,
    ])
    engine.move('h', 'g', 2)
    expect([engine.find('h'), engine.slot('g', 2), roots.owner(root), roots.id(root)]).toEqual([0, root, engine.find('g', 2), id])
    expect([leavesUnder('g', 2), roots.count(root)]).toEqual([leaves, 1000])
    expect([notes.stales, notes.dropped]).toEqual([stales, []])
    expect(keyspace.entries.expireAt(engine.find('g', 2))).toBe(later)
  })

  it('goes on being written out', () => {
    const { keyspace } = engine
    const { trees } = keyspace
    engine.hashSet('h', 0, 200)
    const root = engine.slot('h')
    const frozen = trees.frozen.freeze(root, keyspace.entries.lsn(engine.find('h')), 'dirty')
    const unexpected = (): void => expect.unreachable()
    let id = 100
    let more = true
    while (more) {
      const taken: LeafState[] = []
      more = frozen.step({
        removed: unexpected,
        stored: unexpected,
        leaf: ({ words }) =>
          taken.push(leavesUnder(id === 100 ? 'h' : 'g').find(({ separator }) => separator.compare(words, 0) === 0) as LeafState),
      })
      if (id === 100 && taken.length > 0) engine.move('h', 'g')
      for (const { separator, lsn } of taken) expect(trees.stored(frozen.root, separator, lsn, id++)).toBe(true)
    }
    trees.frozen.thaw(frozen)
    expect([id - 100, trees.roots.dirtyLeaves(engine.slot('g'))]).toEqual([trees.roots.leaves(root), 0])
    engine.check()
  })

  it('is no less large for having few fields, and can be changed, moved together and handed back', () => {
    const { keyspace, notes } = engine
    engine.hashSet('h', 0, 400)
    engine.change((mutator) => mutator.hashDelete(engine.find('h'), fields(2, 400, '')))
    engine.move('h', 'g')
    expect(keyspace.entries.encoding(engine.find('g'))).toBe(treeForm)
    engine.check()
    engine.hashSet('g', 100, 900)
    engine.put('other', 'x')
    engine.hashSet('h', 0, 300, 'another')
    const replaced = engine.slot('h')
    engine.move('g', 'h')
    expect(notes.dropped).toEqual([replaced])
    engine.hashSet('h', 500, 1000, 'changed')
    const compactor = new Compactor(keyspace)
    while (compactor.step());
    for (const { ref } of leavesUnder('h')) relocateValue(keyspace, ref)
    relocateNode(keyspace, engine.slot('h'))
    engine.check()
    expect(keyspace.trees.removal.releaseSome(replaced, Number.MAX_SAFE_INTEGER)).toBe(true)
    engine.check()
  })

  it('is recorded in a few bytes', () => {
    engine.hashSet('h', 0, 3000)
    expect(engine.move('h', 'g').length).toBeLessThan(20)
    expect(engine.mutator.record.references).toEqual([])
    engine.check()
  })
})

describe('a copy of a large hash', () => {
  it('has leaves of its own, of the size they need, and goes its own way', () => {
    const { trees } = engine.keyspace
    const { roots } = trees
    engine.hashSet('h', 0, 1000)
    storeLeaves(trees, engine.slot('h'), 1001)
    engine.copy('h', 'g')
    const [from, to] = [engine.slot('h'), engine.slot('g')]
    expect([roots.count(to), roots.leaves(to), roots.dirtyLeaves(to)]).toEqual([1000, roots.leaves(from), roots.leaves(from)])
    expect([roots.seed(to), roots.id(to) > roots.id(from)]).toEqual([roots.seed(from), true])
    expect([roots.dirtyLeaves(from), roots.residentBytes(to) <= roots.residentBytes(from)]).toEqual([0, true])
    expect(engine.notes.stales).toEqual([])
    engine.hashSet('g', 0, 500, 'changed')
    engine.hashSet('h', 900, 1100, 'new')
    engine.check()
    engine.change((mutator) => mutator.delete(0, Buffer.from('h'), 0, 1))
    expect(engine.notes.dropped).toEqual([from])
    expect(trees.removal.releaseSome(from, Number.MAX_SAFE_INTEGER)).toBe(true)
    engine.check()
  })
})
