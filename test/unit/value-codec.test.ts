import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ColdValueCorrupt, decodedLength, LARGE_VALUE_BYTES, RAW_HEADER_BYTES, ValueCodec } from '../../storage/value-codec.ts'
import { chance, testRuns } from '../chance.ts'

function randomBytes(length: number): Buffer {
  const random = chance()
  return Buffer.from(Array.from({ length }, () => random.below(256)))
}

const repetitive = Buffer.from('{"name":"moraine","kind":"ridge of debris"},'.repeat(40))

describe('ValueCodec', () => {
  const codec = new ValueCodec()

  it('stores a short value raw, with five bytes in front', () => {
    const stored = codec.encode(Buffer.from('xxhelloyy'), 2, 7)
    expect(stored.toString('hex')).toBe('0038f0f04168656c6c6f')
    expect(codec.decode(1, stored).toString()).toBe('hello')
    expect(decodedLength(stored)).toBe(5)
  })

  it('compresses from compressMinBytes on', () => {
    const small = repetitive.subarray(0, 255)
    const enough = repetitive.subarray(0, 256)
    expect(codec.encode(small, 0, small.length)[0]).toBe(0)
    const stored = codec.encode(enough, 0, enough.length)
    expect(stored[0]).toBe(1)
    expect(stored.length).toBeLessThan(128)
    expect(decodedLength(stored)).toBe(256)
    expect(codec.decode(1, stored).equals(enough)).toBe(true)
    expect(new ValueCodec({ compressMinBytes: 300 }).encode(enough, 0, 256)[0]).toBe(0)
    expect(new ValueCodec({ compressMinBytes: Number.POSITIVE_INFINITY }).encode(repetitive, 0, repetitive.length)[0]).toBe(0)
  })

  it('keeps compressed bytes only when they save 12 %', () => {
    const noise = randomBytes(1000)
    const saving = (repeated: number) => {
      const value = Buffer.concat([noise.subarray(0, 1000 - repeated), Buffer.alloc(repeated)])
      return codec.encode(value, 0, value.length)
    }
    expect(saving(60)[0]).toBe(0)
    expect(saving(60).length).toBe(1000 + RAW_HEADER_BYTES)
    expect(saving(250)[0]).toBe(1)
  })

  it('writes into the given buffer when there is room, else into a fresh one', () => {
    const into = Buffer.alloc(64, 0xee)
    const value = Buffer.from('0123456789')
    const fits = codec.encode(value, 0, 10, into, 49)
    expect(fits.buffer).toBe(into.buffer)
    expect(into[48]).toBe(0xee)
    expect(codec.decode(1, into.subarray(49)).toString()).toBe('0123456789')
    const fresh = codec.encode(value, 0, 10, into, 50)
    expect(fresh.buffer).not.toBe(into.buffer)
    expect(codec.decode(1, fresh).toString()).toBe('0123456789')
  })

  it('gives the same bytes through the asynchronous variants', async () => {
    for (const value of [Buffer.from('tiny'), Buffer.alloc(LARGE_VALUE_BYTES * 4, 'moraine '), randomBytes(LARGE_VALUE_BYTES + 1)]) {
      const stored = await codec.encodeLarge(value, 0, value.length)
      expect(stored.equals(codec.encode(value, 0, value.length))).toBe(true)
      expect((await codec.decodeLarge(1, stored)).equals(value)).toBe(true)
    }
  })

  it('finds every flipped bit and every cut, and names the id', async () => {
    for (const value of [Buffer.from('a short value'), repetitive]) {
      const stored = codec.encode(value, 0, value.length)
      for (let bit = 0; bit < stored.length * 8; bit++) {
        const damaged = Buffer.from(stored)
        damaged[bit >> 3] = (damaged[bit >> 3] as number) ^ (1 << (bit & 7))
        expect(() => codec.decode(77, damaged)).toThrow(ColdValueCorrupt)
      }
      for (let length = 0; length < stored.length; length++) {
        expect(() => codec.decode(77, stored.subarray(0, length))).toThrow(/cold value 77 is corrupt/)
        await expect(codec.decodeLarge(77, stored.subarray(0, length))).rejects.toMatchObject({ id: 77 })
      }
    }
  })

  it('decodes what it encoded, whatever the bytes, range and threshold', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 2000 }),
        fc.nat(50),
        fc.nat(50),
        fc.nat(600),
        fc.nat(8),
        (bytes, before, after, compressMinBytes, repeat) => {
          const value = Buffer.concat(Array.from({ length: repeat }, () => Buffer.from(bytes)))
          const padded = Buffer.concat([Buffer.alloc(before, 1), value, Buffer.alloc(after, 2)])
          const any = new ValueCodec({ compressMinBytes })
          const stored = any.encode(padded, before, before + value.length)
          expect(stored.length).toBeLessThanOrEqual(value.length + RAW_HEADER_BYTES)
          expect(decodedLength(stored)).toBe(value.length)
          expect(any.decode(1, stored).equals(value)).toBe(true)
        },
      ),
      { numRuns: testRuns(100) },
    )
  })
})
