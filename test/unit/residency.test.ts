import { describe, expect, it } from 'vitest'
import { Values } from '../../engine/keyspace/values.ts'
import { Arena } from '../../engine/memory/arena.ts'
import { RefQueue } from '../../storage/ref-queue.ts'
import { Residency } from '../../storage/residency.ts'
import { chance } from '../chance.ts'

function fixture() {
  const values = new Values(new Arena())
  const residency = new Residency(values)
  const enter = (size = 100): number => {
    const value = values.create(1, size, false)
    residency.enter(value)
    return value
  }
  const victims = (): number[] => {
    const found: number[] = []
    for (let value = residency.nextVictim(); value !== 0; value = residency.nextVictim()) found.push(value)
    return found
  }
  return { values, residency, enter, victims }
}

describe('residency', () => {
  it('lets values that were used once or never go first, in the order in which they came', () => {
    const { values, residency, enter } = fixture()
    const all = Array.from({ length: 100 }, () => enter())
    for (let i = 0; i < 100; i += 2) {
      values.touch(all[i] as number)
      values.touch(all[i] as number)
    }
    values.touch(all[1] as number)
    const first = Array.from({ length: 45 }, () => residency.nextVictim())
    expect(first).toEqual(all.filter((_, i) => i % 2 === 1).slice(0, 45))
  })

  it('keeps what was used again in the main queue, and there gives one more round per use', () => {
    const { values, residency } = fixture()
    const [a, b, c] = [1, 2, 3].map(() => values.create(1, 64, false)) as [number, number, number]
    for (const value of [a, b, c]) residency.promote(value)
    values.touch(a)
    expect([residency.nextVictim(), residency.nextVictim(), residency.nextVictim(), residency.nextVictim()]).toEqual([b, c, a, 0])
  })

  it('makes every value a victim exactly once, however often it was used', () => {
    const { values, enter, victims, residency } = fixture()
    const random = chance(4)
    const all = Array.from({ length: 2000 }, () => enter(random.nextUint32() % 5000))
    for (let i = 0; i < 8000; i++) values.touch(all[random.nextUint32() % all.length] as number)
    const found = victims()
    expect(found.length).toBe(all.length)
    expect(new Set(found)).toEqual(new Set(all))
    expect([residency.bytes, residency.count]).toEqual([0, 0])
  })

  it('counts bytes and closes gaps while values come, move and go', () => {
    const { values, residency, enter } = fixture()
    const random = chance(8)
    let live = new Set<number>()
    for (let i = 0; i < 60_000; i++) {
      const some = [...(i % 64 === 0 ? live : [])]
      if (live.size < 200 || random.nextUint32() % 2 === 0) live.add(enter(random.nextUint32() % 900))
      for (const value of some.slice(0, 40)) {
        live.delete(value)
        if (random.nextUint32() % 3 === 0) {
          const moved = values.relocate(value, random.nextUint32() % 2000, 0)
          residency.relocated(moved)
          live.add(moved)
        } else {
          residency.leave(value)
          values.release(value)
        }
      }
    }
    let bytes = 0
    for (const value of live) bytes += values.arena.capacity(value)
    expect([residency.bytes, residency.count]).toEqual([bytes, live.size])
    for (let value = residency.nextVictim(); value !== 0; value = residency.nextVictim()) expect(live.delete(value)).toBe(true)
    expect(live.size).toBe(0)
    live = new Set()
    for (let i = 0; i < 300_000; i++) {
      const value = enter(10)
      residency.leave(value)
      values.release(value)
    }
    expect(residency.memoryBytes).toBeLessThan(200_000)
  })

  it('gives back a victim that could not leave, behind the others', () => {
    const { residency, enter } = fixture()
    const all = Array.from({ length: 5 }, () => enter())
    const first = residency.nextVictim()
    residency.requeue(first)
    expect(first).toBe(all[0])
    expect([1, 2, 3, 4, 5].map(() => residency.nextVictim())).toEqual([...all.slice(1), first])
  })

  it('ages ghosts by what passes through', () => {
    const { residency } = fixture()
    const { epoch } = residency
    expect(residency.isRecent(epoch)).toBe(true)
    for (let i = 0; i < 16; i++) residency.ageGhosts(100_000, 1_600_000)
    expect(residency.epoch).toBe(epoch + 16)
    expect(residency.isRecent(epoch)).toBe(true)
    residency.ageGhosts(100_000, 1_600_000)
    expect(residency.isRecent(epoch)).toBe(false)
  })
})

describe('a queue of refs', () => {
  it('finds items by position while it grows, shrinks and has gaps', () => {
    const queue = new RefQueue()
    const random = chance(5)
    const model: { ref: number; position: number }[] = []
    for (let ref = 1; ref < 30_000; ref++) {
      model.push({ ref, position: queue.push(ref) })
      const nth = random.nextUint32() % model.length
      const item = model[nth] as { ref: number; position: number }
      if (ref % 5 === 0) {
        item.ref = ref + 1_000_000
        queue.replace(item.position, item.ref)
      }
      if (ref % 3 === 0 && model.length < 3000) queue.removeAt((model.splice(nth, 1)[0] as { position: number }).position)
      if (ref > 10_000 && model.length > 10) for (let i = 0; i < 3; i++) expect(queue.shift()).toBe(model.shift()?.ref)
      expect(queue.length).toBe(model.length)
    }
    expect(queue.first).toBe(model[0]?.ref)
    for (const { ref } of model) expect(queue.shift()).toBe(ref)
    expect([queue.shift(), queue.first, queue.length]).toEqual([0, 0, 0])
  })
})
