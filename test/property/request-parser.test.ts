/** The parser under random cuts: however a conversation arrives, the requests are those that were sent. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Arguments } from '../../engine/arguments.ts'
import { ChunkPool } from '../../engine/chunk-pool.ts'
import { parserLimits, RequestParser } from '../../server/resp/request-parser.ts'
import { testRuns } from '../chance.ts'

const runs = testRuns(300)

const argument = fc.oneof(
  { weight: 8, arbitrary: fc.uint8Array({ maxLength: 40 }) },
  { weight: 1, arbitrary: fc.uint8Array({ minLength: 15_000, maxLength: 70_000, size: 'max' }) },
)
const request = fc.array(argument, { minLength: 1, maxLength: 8 })
const conversation = fc.record({
  requests: fc.array(fc.record({ words: request, inline: fc.boolean() }), { maxLength: 12 }),
  cuts: fc.array(fc.nat(), { maxLength: 40 }),
  largeBulkBytes: fc.constantFrom(1, 10, 300, 20_000, undefined),
  waits: fc.array(fc.boolean(), { minLength: 1, maxLength: 7 }),
})

const tooLongForALine = 60_000

function encode(words: readonly Uint8Array[], inline: boolean): Buffer {
  if (inline && words.reduce((sum, word) => sum + word.length, 0) * 4 < tooLongForALine) {
    return Buffer.from(`${words.map(quoted).join(' ')}\r\n`, 'latin1')
  }
  const parts: Uint8Array[] = [Buffer.from(`*${words.length}\r\n`)]
  for (const word of words) parts.push(Buffer.from(`$${word.length}\r\n`), word, Buffer.from('\r\n'))
  return Buffer.concat(parts)
}

function quoted(word: Uint8Array): string {
  return `"${[...word].map((byte) => `\\x${byte.toString(16).padStart(2, '0')}`).join('')}"`
}

interface Kept {
  readonly bytes: Buffer
  readonly copy: Buffer
}

/** Keeps an argument's own memory, as the arena does: a header is written in front of it, and the parser must leave all of it alone. */
function takeMemory(args: Arguments, kept: Kept[]): void {
  const index = args.donated
  const start = args.start(index)
  const length = args.length(index)
  expect(args.ownsBuffer).toBe(true)
  expect((args.buffer.byteOffset + start) % 8).toBe(0)
  expect(args.take(args.buffer, start, start + length)).toBe(true)
  expect(args.donated).toBe(-1)
  const slotBytes = 16 + ((length + 7) & ~7)
  const slot = Buffer.from(args.buffer.buffer as ArrayBuffer, args.buffer.byteOffset + start - 16, slotBytes)
  slot.fill(0xee, 0, 16)
  expect(args.buffer.buffer.byteLength - length).toBeLessThanOrEqual(length / 8)
  kept.push({ bytes: slot, copy: Buffer.from(slot) })
}

describe('RequestParser, cut at random', () => {
  it('finds what was sent, whether or not requests wait while more arrives', () => {
    fc.assert(
      fc.property(conversation, ({ requests, cuts, largeBulkBytes, waits }) => {
        const bytes = Buffer.concat(requests.map(({ words, inline }) => encode(words, inline)))
        const places = [0, ...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length].sort((a, b) => a - b)
        const pool = new ChunkPool()
        const parser = new RequestParser(pool, { ...parserLimits, largeBulkBytes })
        const found: string[][] = []
        const kept: Kept[] = []
        const take = (): void => {
          if (parser.args.donated >= 0) takeMemory(parser.args, kept)
          found.push(Array.from({ length: parser.args.count }, (_, i) => parser.args.string(i, 'latin1')))
        }
        let inUse = false
        for (let i = 1; i < places.length; i++) {
          const lent = Buffer.from(bytes.subarray(places[i - 1], places[i]))
          parser.feed(lent, 0, lent.length)
          if (inUse && waits[i % waits.length]) {
            parser.retain(true)
            lent.fill(0xff)
            continue
          }
          if (inUse) take()
          inUse = false
          while (parser.next() === 'request') {
            inUse = waits[found.length % waits.length] === true
            if (inUse) break
            take()
          }
          parser.retain(inUse)
          lent.fill(0xff)
        }
        if (inUse) take()
        while (parser.next() === 'request') take()
        expect(parser.failure).toBe('')
        expect(found).toEqual(requests.map(({ words }) => words.map((word) => Buffer.from(word).toString('latin1'))))
        parser.retain(false)
        expect(pool.usedBytes).toBe(0)
        for (const { bytes, copy } of kept) expect(bytes.equals(copy)).toBe(true)
      }),
      { numRuns: runs },
    )
  })
})
