/** Integers in bytes, written and read, beside what Buffer's own methods do. */
import { expect, it } from 'vitest'
import * as order from '../../engine/memory/byte-order.ts'

const words = [0, 1, 0x7f, 0x80, 0x12345678, 0x7fffffff, 0x80000000, 0xffffffff]
const longs = [...words, 2 ** 32, 0x123456789abc, 0xff0000000000, 2 ** 48 - 1]

it.each([
  ['U32BE', words, 4],
  ['U32LE', words, 4],
  ['U48BE', longs, 6],
  ['U48LE', longs, 6],
] as const)('%s', (name, values, bytes) => {
  for (const value of values) {
    const written = Buffer.alloc(10, 0xaa)
    const expected = Buffer.alloc(10, 0xaa)
    expect(order[`write${name}`](written, 3, value)).toBe(3 + bytes)
    if (name.endsWith('BE')) expected.writeUIntBE(value, 3, bytes)
    else expected.writeUIntLE(value, 3, bytes)
    expect(written).toEqual(expected)
    expect(order[`read${name}`](written, 3)).toBe(value)
  }
})
