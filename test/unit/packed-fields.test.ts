import { describe, expect, it } from 'vitest'
import { Values } from '../../engine/keyspace/values.ts'
import { Arena } from '../../engine/memory/arena.ts'
import { packedHeaderBytes, usedBytes, writeEmpty } from '../../engine/memory/packed-bytes.ts'
import * as packed from '../../engine/types/packed-fields.ts'
import { PackedHashes } from '../../engine/types/packed-hash.ts'

const cursor = new packed.PackedCursor()

function append(bytes: Buffer, start: number, field: string, value: string): void {
  const f = Buffer.from(field)
  const v = Buffer.from(value)
  packed.appendField(bytes, start, packed.fieldFingerprint(f, 0, f.length), f, 0, f.length, v, 0, v.length)
}

function find(bytes: Buffer, start: number, field: string): number {
  const f = Buffer.from(`<<${field}>>`)
  return packed.findField(bytes, start, f, 2, f.length - 2, packed.fieldFingerprint(f, 2, f.length - 2))
}

function pairs(bytes: Buffer, start: number): string[] {
  const found: string[] = []
  const end = start + usedBytes(bytes, start)
  for (let at = start + packedHeaderBytes; at < end; at = cursor.next) {
    packed.readPair(bytes, at, cursor)
    found.push(
      `${bytes.toString('latin1', cursor.fieldStart, cursor.fieldEnd)}=${bytes.toString('latin1', cursor.valueStart, cursor.valueEnd)}`,
    )
  }
  return found
}

describe('packed fields', () => {
  it('lays bytes out as the format says', () => {
    const bytes = Buffer.alloc(64)
    writeEmpty(bytes, 4)
    append(bytes, 4, 'ab', 'xyz')
    expect(bytes.subarray(4, 8).toString('hex')).toBe('0c000000')
    expect(bytes.subarray(9, 16).toString('latin1')).toBe('\u0002\u0003abxyz')
    expect(bytes[8]).toBe(packed.fieldFingerprint(Buffer.from('ab'), 0, 2))
  })

  it('has fingerprints that stored blobs can rely on', () => {
    const of = (field: string) => packed.fieldFingerprint(Buffer.from(field), 0, Buffer.byteLength(field))
    expect([of(''), of('a'), of('name'), of('a field that is longer than sixteen bytes')]).toEqual([0, 68, 254, 155])
    const seen = new Set(Array.from({ length: 512 }, (_, i) => of(`field:${i}`)))
    expect(seen.size).toBeGreaterThan(180)
  })

  it('finds, counts and ranks in order of insertion', () => {
    const bytes = Buffer.alloc(4096)
    writeEmpty(bytes, 8)
    const all = Array.from({ length: 50 }, (_, i) => `f${i}=${'v'.repeat(i)}`)
    for (const pair of all) append(bytes, 8, pair.split('=')[0], pair.split('=')[1])
    expect(pairs(bytes, 8)).toEqual(all)
    expect(packed.countFields(bytes, 8)).toBe(50)
    expect(find(bytes, 8, 'f50')).toBe(-1)
    packed.readPair(bytes, find(bytes, 8, 'f31'), cursor)
    expect(cursor.valueEnd - cursor.valueStart).toBe(31)
    expect(packed.readPairAtRank(bytes, 8, 49, cursor)).toBe(true)
    expect(bytes.toString('latin1', cursor.fieldStart, cursor.fieldEnd)).toBe('f49')
    expect(packed.readPairAtRank(bytes, 8, 50, cursor)).toBe(false)
  })

  it.each([0, 1, 2, 3, 126, 127, 128, 129, 200, 16383, 16384, 70000, 2097151, 2097152])(
    'replaces values of any length with one of %i',
    (length) => {
      for (const before of [0, 1, 127, 128, 300, 16384, 2097152]) {
        const value = 'w'.repeat(length)
        const bytes = Buffer.alloc(Math.max(length, before) + 100)
        writeEmpty(bytes, 0)
        append(bytes, 0, 'first', '1')
        append(bytes, 0, 'second', 'o'.repeat(before))
        append(bytes, 0, 'third', '3')
        const at = find(bytes, 0, 'second')
        const needed = packed.setBytesNeeded(bytes, 0, at, 6, length)
        packed.replaceValue(bytes, 0, at, Buffer.from(value), 0, length)
        expect(usedBytes(bytes, 0)).toBe(needed)
        expect(pairs(bytes, 0)).toEqual(['first=1', `second=${value}`, 'third=3'])
      }
    },
  )

  it('removes first, middle and last', () => {
    const bytes = Buffer.alloc(256)
    writeEmpty(bytes, 0)
    for (const field of 'abcde') append(bytes, 0, field, field.toUpperCase())
    for (const field of 'ace') packed.removeField(bytes, 0, find(bytes, 0, field))
    expect(pairs(bytes, 0)).toEqual(['b=B', 'd=D'])
  })
})

describe('packed hashes', () => {
  const hashes = () => new PackedHashes(new Values(new Arena()))
  const set = (h: PackedHashes, ref: number, field: string, value: string): number => {
    const f = Buffer.from(field)
    const v = Buffer.from(value)
    return h.set(ref === 0 ? h.createEmpty(77) : ref, f, 0, f.length, v, 0, v.length)
  }
  const remove = (h: PackedHashes, ref: number, field: string): number => h.delete(ref, Buffer.from(field), 0, field.length)
  const all = (h: PackedHashes, ref: number): string[] => pairs(h.values.bytes(ref), h.values.start(ref))

  it('grows, keeps order, owner and id, shrinks and gives memory back', () => {
    const h = hashes()
    let ref = set(h, 0, 'f0', 'value 0')
    h.values.setId(ref, 123456789012)
    const expected = ['f0=value 0']
    for (let i = 1; i < 100; i++) {
      ref = set(h, ref, `f${i}`, `value ${i}`)
      expect(h.added).toBe(true)
      expected.push(`f${i}=value ${i}`)
    }
    ref = set(h, ref, 'f5', 'x'.repeat(100_000))
    expect(h.added).toBe(false)
    expected[5] = `f5=${'x'.repeat(100_000)}`
    expect(all(h, ref)).toEqual(expected)
    expect(h.values.owner(ref)).toBe(77)
    expect(h.values.id(ref)).toBe(123456789012)
    expect(h.get(ref, Buffer.from('f99'), 0, 3, cursor)).toBe(true)
    expect(h.values.bytes(ref).toString('latin1', cursor.valueStart, cursor.valueEnd)).toBe('value 99')
    expect(h.get(ref, Buffer.from('f100'), 0, 4, cursor)).toBe(false)
    ref = remove(h, ref, 'f5')
    expect(h.removed).toBe(true)
    expect(h.values.room(ref)).toBeLessThan(4096)
    ref = remove(h, ref, 'f5')
    expect(h.removed).toBe(false)
    for (let i = 0; i < 100; i++) ref = remove(h, ref, `f${i}`)
    expect(h.byteSize(ref)).toBe(packedHeaderBytes)
    expect(h.values.arena.liveBytes).toBeLessThanOrEqual(64 + 16)
    h.values.release(ref)
    expect(h.values.arena.liveBytes).toBe(0)
  })

  it('wastes little while it grows', () => {
    const h = hashes()
    let ref = set(h, 0, 'f', '')
    let taken = 0
    let used = 0
    for (let i = 0; i < 2000; i++) {
      ref = set(h, ref, `field ${i}`, 'some value of forty bytes, more or less')
      taken += h.values.room(ref) + 16
      used += h.byteSize(ref) + 16
      expect(h.values.room(ref)).toBeLessThanOrEqual(h.byteSize(ref) * 1.5 + 16)
    }
    expect(taken / used).toBeLessThan(1.15)
  })

  it('leaves bytes alone that a reply refers to', () => {
    const h = hashes()
    let ref = set(h, 0, 'big', 'b'.repeat(50_000))
    ref = set(h, ref, 'small', 's')
    for (const change of [() => set(h, ref, 'small', 't'), () => set(h, ref, 'new', 'n'), () => remove(h, ref, 'big')]) {
      // The record's header is not part of any reply.
      const before = h.values.bytes(ref).subarray(h.values.start(ref))
      h.values.share(ref)
      const copy = Buffer.from(before)
      ref = change()
      expect(before.equals(copy)).toBe(true)
      expect(h.values.isShared(ref)).toBe(false)
    }
    expect(all(h, ref)).toEqual(['small=t', 'new=n'])
  })
})
