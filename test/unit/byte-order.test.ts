/** Integers in bytes, written and read, beside what Buffer's own methods do. */
import { expect, it } from 'vitest'
import {
  readU32BE,
  readU32LE,
  readU48BE,
  readU48LE,
  writeU32BE,
  writeU32LE,
  writeU48BE,
  writeU48LE,
} from '../../engine/memory/byte-order.ts'

const words = [0, 1, 0x7f, 0x80, 0x12345678, 0x7fffffff, 0x80000000, 0xffffffff]
const longs = [...words, 2 ** 32, 0x123456789abc, 0xff0000000000, 2 ** 48 - 1]

it.each([
  { name: 'U32BE', write: writeU32BE, read: readU32BE, values: words, bytes: 4, isBigEndian: true },
  { name: 'U32LE', write: writeU32LE, read: readU32LE, values: words, bytes: 4, isBigEndian: false },
  { name: 'U48BE', write: writeU48BE, read: readU48BE, values: longs, bytes: 6, isBigEndian: true },
  { name: 'U48LE', write: writeU48LE, read: readU48LE, values: longs, bytes: 6, isBigEndian: false },
])('$name', ({ write, read, values, bytes, isBigEndian }) => {
  for (const value of values) {
    const written = Buffer.alloc(10, 0xaa)
    const expected = Buffer.alloc(10, 0xaa)
    expect(write(written, 3, value)).toBe(3 + bytes)
    if (isBigEndian) expected.writeUIntBE(value, 3, bytes)
    else expected.writeUIntLE(value, 3, bytes)
    expect(written).toEqual(expected)
    expect(read(written, 3)).toBe(value)
  }
})
