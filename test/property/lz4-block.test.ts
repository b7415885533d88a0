/** Short LZ4 blocks beside the native library, whole and damaged. */
import fc from 'fast-check'
import { compressSync } from 'lz4-napi'
import { expect, it } from 'vitest'
import { decompressBlock } from '../../storage/lz4-block.ts'
import { testRuns } from '../chance.ts'

const runs = testRuns(300)
/** The compressor writes the length in front of the block. */
const lengthBytes = 4

const piece = fc.oneof(
  fc.uint8Array({ maxLength: 200 }),
  fc
    .tuple(fc.constantFrom('x', 'ab', 'abc', 'a longer piece of text, '), fc.integer({ min: 1, max: 60 }))
    .map(([text, times]) => Buffer.from(text.repeat(times))),
)
const text = fc.array(piece, { maxLength: 12 }).map((pieces) => Buffer.concat(pieces))

/** Decompresses into the middle of a larger buffer, whose ends must stay as they were. */
function decompressed(block: Buffer, length: number): Buffer | undefined {
  const around = Buffer.alloc(length + 32, 0xee)
  const into = around.subarray(16, 16 + length)
  const padded = Buffer.concat([Buffer.alloc(3, 0x11), block, Buffer.alloc(3, 0xff)])
  const isWhole = decompressBlock(padded, 3, 3 + block.length, into, length)
  expect(around.subarray(0, 16).equals(Buffer.alloc(16, 0xee)) && around.subarray(16 + length).equals(Buffer.alloc(16, 0xee))).toBe(true)
  return isWhole ? into : undefined
}

it('gives back what was compressed, and refuses every other length', () => {
  fc.assert(
    fc.property(text, (bytes) => {
      const block = compressSync(bytes).subarray(lengthBytes)
      expect(decompressed(block, bytes.length)?.equals(bytes)).toBe(true)
      expect(decompressed(block, bytes.length + 1)).toBeUndefined()
      if (bytes.length > 0) expect(decompressed(block, bytes.length - 1)).toBeUndefined()
    }),
    { numRuns: runs },
  )
})

it('stays within its bounds whatever the block holds, and ends', () => {
  fc.assert(
    fc.property(text, fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 6 }), fc.nat(), (bytes, changes, cut) => {
      const whole = Buffer.from(compressSync(bytes).subarray(lengthBytes))
      for (const [at, value] of changes) if (whole.length > 0) whole[at % whole.length] = value
      decompressed(whole.subarray(0, whole.length - (cut % (whole.length + 1))), bytes.length)
    }),
    { numRuns: runs },
  )
})
