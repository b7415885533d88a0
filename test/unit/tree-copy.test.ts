/** A copy of a large hash that is made in slices while the hash goes on changing: in the end it is what a copy made at once would be. */
import { beforeEach, describe, expect, it, vi } from 'vitest'
import { Separator } from '../../engine/tree/separator.ts'
import { TreeCopy } from '../../engine/tree/tree-copy.ts'
import { contentsOf } from '../property/keyspace-check.ts'
import { leavesOf, storeLeaves } from './leaves.ts'
import { fields, RecordedEngine } from './recorded-engine.ts'

let engine: RecordedEngine
beforeEach(() => {
  engine = new RecordedEngine()
})

/** Names of the fields from a leaf on, up to another, in their order. */
function numbersIn(key: string, from: number, to: number): number[] {
  const { trees } = engine.keyspace
  const numbers: number[] = []
  for (const { ref } of leavesOf(trees, engine.slot(key)).slice(from, to)) {
    engine.mutator.hashes.trees.visitLeaf(ref, (bytes, pair) => {
      numbers.push(Number(bytes.toString('latin1', pair.fieldStart, pair.fieldEnd).split(':')[1]))
    })
  }
  return numbers
}

function remove(key: string, numbers: readonly number[]): void {
  engine.change((mutator) => {
    for (const n of numbers) mutator.hashDelete(engine.find(key), fields(n, n + 1, ''))
  })
}

/** Each with a value so long that a few dozen leaves make a slice. */
const long = 'v'.repeat(250)

describe('a copy in slices', () => {
  it('copies again what was changed behind its back, and removes what is gone', () => {
    engine.hashSet('h', 0, 3000, long)
    const copy = new TreeCopy(engine.keyspace, engine.find('h'))
    let steps = 0
    while (copy.step()) {
      steps++
      const leaves = leavesOf(engine.keyspace.trees, engine.slot('h')).length
      // In what was copied already, and in what was not.
      for (const at of [0, leaves - 20]) {
        const numbers = numbersIn('h', at, at + 12)
        remove('h', numbers.slice(0, numbers.length - 2))
        for (const n of numbers.slice(3, 5)) engine.hashSet('h', n, n + 1, `again in step ${steps}`)
      }
      engine.hashSet('h', 5000 + steps * 10, 5010 + steps * 10, 'new')
    }
    expect(steps).toBeGreaterThan(1)
    const root = copy.take(engine.find('h'))
    engine.copy('h', 'g', root)
    expect(engine.slot('g')).toBe(root)
    copy.release()
    expect(engine.notes.dropped).toEqual([])
    const contents = contentsOf(engine.keyspace)
    expect(contents.get('0/g')?.value).toEqual(contents.get('0/h')?.value)
    const begins = (key: string): Separator[] => leavesOf(engine.keyspace.trees, engine.slot(key)).map(({ separator }) => separator)
    expect(begins('g')).toEqual(begins('h'))
    engine.check()
    remove('g', numbersIn('g', 0, 40))
    engine.hashSet('h', 0, 200, 'changed')
    engine.check()
  })

  it('leaves nothing for the turn of the command when the hash has come to rest before', () => {
    const { trees } = engine.keyspace
    engine.hashSet('h', 0, 3000, long)
    const copy = new TreeCopy(engine.keyspace, engine.find('h'))
    expect(copy.step()).toBe(true)
    remove('h', numbersIn('h', 2, 9))
    engine.hashSet('h', 5000, 5100, 'new')
    while (copy.step());
    const contents = contentsOf(engine.keyspace).get('0/h')?.value
    const root = engine.slot('h')
    storeLeaves(trees, root, 1000)
    // Whoever looks for what has changed would now need one of them.
    for (const { ref } of leavesOf(trees, root)) expect(trees.evict(ref)).toBe(true)
    const find = vi.spyOn(trees, 'find')
    const taken = copy.take(engine.find('h'))
    expect(find).not.toHaveBeenCalled()
    find.mockRestore()
    engine.copy('h', 'g', taken)
    expect(contentsOf(engine.keyspace).get('0/g')?.value).toEqual(contents)
    expect(leavesOf(trees, taken).map(({ separator }) => separator)).toEqual(leavesOf(trees, root).map(({ separator }) => separator))
  })

  it('asks for what is cold, a few leaves at a time, and in the end for what it has no good copy of', () => {
    const { trees } = engine.keyspace
    engine.hashSet('h', 0, 2000, 'value')
    const root = engine.slot('h')
    storeLeaves(trees, root, 1000)
    const leaves = leavesOf(trees, root)
    expect(leaves.length).toBeGreaterThan(100)
    const bytes = new Map(
      leaves.map(({ ref, valueId }) => {
        const { values } = engine.keyspace
        return [valueId, Buffer.from(values.bytes(ref).subarray(values.start(ref), values.start(ref) + values.room(ref)))] as const
      }),
    )
    for (const { ref } of leaves) expect(trees.evict(ref)).toBe(true)
    const copy = new TreeCopy(engine.keyspace, engine.find('h'))
    const ask = (): (readonly [Separator, number])[] => {
      const asked: (readonly [Separator, number])[] = []
      expect(
        copy.eachCold({
          value: () => expect.unreachable(),
          leaf: (_root, separator, valueId) => asked.push([new Separator().copy(separator), valueId]),
        }),
      ).toBe(true)
      return asked
    }
    const seen: number[] = []
    for (let more = true; more; ) {
      const asked = ask()
      expect([asked.length > 0, asked.length <= 64]).toEqual([true, true])
      // Without them it waits, and does not lose its place.
      expect(copy.step()).toBe(true)
      expect(ask().map(([, id]) => id)).toEqual(asked.map(([, id]) => id))
      for (const [separator, id] of asked) {
        expect(trees.admit(root, separator, id, bytes.get(id) as Buffer)).toBe(true)
        seen.push(id)
      }
      more = copy.step()
      for (const { ref } of leavesOf(trees, root)) if (ref !== 0) trees.evict(ref)
    }
    expect(seen).toEqual(leaves.map(({ valueId }) => valueId))
    expect(ask()).toEqual([])
    const { separator, valueId } = leaves[7] as (typeof leaves)[0]
    trees.admit(root, separator, valueId, bytes.get(valueId) as Buffer)
    const changed = numbersIn('h', 7, 8)[0] as number
    engine.hashSet('h', changed, changed + 1, 'changed')
    expect(ask()).toEqual([])
    const taken = copy.take(engine.find('h'))
    const values = leavesOf(trees, taken).map(({ count, lsn, isDirty }) => [count, lsn, isDirty])
    expect(values).toEqual(leaves.map(({ count }, i) => [count, i === 7 ? 2 : 1, true]))
  })

  it('is of that collection only, and leaves nothing when it is given up', () => {
    const { keyspace } = engine
    engine.hashSet('h', 0, 500)
    engine.hashSet('other', 0, 500)
    const live = keyspace.arena.liveBytes
    const copy = new TreeCopy(keyspace, engine.find('h'))
    while (copy.step());
    expect(keyspace.arena.liveBytes).toBeGreaterThan(live)
    expect(copy.take(engine.find('other'))).toBe(0)
    engine.move('h', 'away')
    engine.move('other', 'h')
    expect([copy.step(), copy.take(engine.find('h')), copy.take(engine.find('away'))]).toEqual([false, 0, 0])
    expect(copy.eachCold({ value: () => expect.unreachable(), leaf: () => expect.unreachable() })).toBe(false)
    copy.release()
    copy.release()
    expect(engine.notes.dropped.length).toBe(1)
    for (const root of engine.notes.dropped) while (!keyspace.trees.removal.releaseSome(root, 7));
    engine.move('h', 'other')
    engine.move('away', 'h')
    expect(keyspace.arena.liveBytes).toBe(live)
    engine.check()
  })
})
