import { describe, expect, it } from 'vitest'
import { KeyHash } from '../../engine/keyspace/key-hash.ts'
import { chance } from '../chance.ts'
import { SeededRandom } from '../simulation/seeded-random.ts'

/**
 * HalfSipHash-c-d with 32 bits of output, straight from its definition: state of four words, one block at a time, the
 * last block padded with the length in its top byte.
 */
function halfSipHash(c: number, d: number, k0: number, k1: number, message: Uint8Array): number {
  const rotate = (x: number, by: number): number => ((x << by) | (x >>> (32 - by))) >>> 0
  const add = (a: number, b: number): number => (a + b) >>> 0
  let [v0, v1, v2, v3] = [k0, k1, (0x6c796765 ^ k0) >>> 0, (0x74656462 ^ k1) >>> 0] as [number, number, number, number]
  const rounds = (count: number): void => {
    for (let i = 0; i < count; i++) {
      v0 = add(v0, v1)
      v1 = (rotate(v1, 5) ^ v0) >>> 0
      v0 = rotate(v0, 16)
      v2 = add(v2, v3)
      v3 = (rotate(v3, 8) ^ v2) >>> 0
      v0 = add(v0, v3)
      v3 = (rotate(v3, 7) ^ v0) >>> 0
      v2 = add(v2, v1)
      v1 = (rotate(v1, 13) ^ v2) >>> 0
      v2 = rotate(v2, 16)
    }
  }
  const padded = Buffer.alloc(Math.floor(message.length / 4) * 4 + 4)
  padded.set(message)
  padded[padded.length - 1] = message.length & 0xff
  for (let at = 0; at < padded.length; at += 4) {
    const block = padded.readUInt32LE(at)
    v3 = (v3 ^ block) >>> 0
    rounds(c)
    v0 = (v0 ^ block) >>> 0
  }
  v2 = (v2 ^ 0xff) >>> 0
  rounds(d)
  return (v1 ^ v3) >>> 0
}

describe('the keys’ hash', () => {
  it('has a reference that knows the published vectors of HalfSipHash-2-4', () => {
    // Key 00 01 … 07, messages of 0 to 3 bytes 00, 01, …: `vectors_hsip32` of the authors' reference implementation.
    const vectors = [0x5b9f35a9, 0xb85a4727, 0x03a662fa, 0x04e7fe8a]
    for (const [length, expected] of vectors.entries()) {
      expect(
        halfSipHash(
          2,
          4,
          0x03020100,
          0x07060504,
          Uint8Array.from({ length }, (_, i) => i),
        ),
      ).toBe(expected)
    }
  })

  it('is HalfSipHash-1-3 for every length and position', () => {
    const random = chance(7)
    for (let round = 0; round < 20; round++) {
      const [k0, k1] = [random.nextUint32(), random.nextUint32()]
      const keys = [k0, k1]
      const hash = new KeyHash({ nextUint32: () => keys.shift() as number })
      for (let length = 0; length <= 64; length++) {
        const offset = random.nextUint32() % 9
        const bytes = Buffer.from(Array.from({ length: length + offset + 5 }, () => random.nextUint32() & 0xff))
        expect(hash.of(bytes, offset, offset + length)).toBe(halfSipHash(1, 3, k0, k1, bytes.subarray(offset, offset + length)))
      }
    }
  })

  it('differs with its secret and with the salt', () => {
    const key = Buffer.from('user:1000')
    const hash = new KeyHash(new SeededRandom(1))
    expect(hash.of(key, 0, 9)).not.toBe(new KeyHash(new SeededRandom(2)).of(key, 0, 9))
    expect(hash.of(key, 0, 9, 1)).not.toBe(hash.of(key, 0, 9))
  })
})
