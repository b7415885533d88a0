/** Hash slots of keys: the values of Redis's cluster specification, and of redis-server 7.0. */
import { describe, expect, it } from 'vitest'
import { keySlot } from '../../engine/slot.ts'

function slot(key: string): number {
  const bytes = Buffer.from(`before${key}after`)
  return keySlot(bytes, 6, bytes.length - 5)
}

describe('the hash slot', () => {
  it('is the CRC-16 of the key modulo 16384', () => {
    // The specification's check value is 0x31C3.
    expect(slot('123456789')).toBe(0x31c3)
    expect(slot('foo')).toBe(12182)
    expect(slot('')).toBe(0)
  })

  it('is that of the hash tag, if there is one that is not empty', () => {
    expect(slot('{foo}.bar')).toBe(slot('foo'))
    expect(slot('a{foo}{bar}')).toBe(slot('foo'))
    expect(slot('foo{{bar}}zap')).toBe(slot('{bar'))
    expect(slot('{}foo')).toBe(9500)
    expect(slot('foo{bar')).not.toBe(slot('bar'))
    expect(slot('foo}bar{')).not.toBe(slot('bar{'))
  })
})
