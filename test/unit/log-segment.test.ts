import { describe, expect, it } from 'vitest'
import { decodeSegmentHeader, encodeSegmentHeader, isSpareName, parseSegmentName, segmentName, spareName } from '../../wal/segment.ts'
import { SegmentReader } from '../../wal/segment-reader.ts'
import { chance } from '../chance.ts'
import { SimulatedDisk } from '../simulation/simulated-disk.ts'

const HEADER = { logId: 0xfedcba9876543210n, firstLsn: 2 ** 40 + 3, segmentBytes: 64 << 20 }

describe("a segment's header", () => {
  it('is read back as written', () => {
    expect(decodeSegmentHeader(encodeSegmentHeader(HEADER), 'f')).toEqual(HEADER)
  })

  it('is refused with any of its bits flipped', () => {
    for (let bit = 0; bit < 64 * 8; bit += 1) {
      const page = encodeSegmentHeader(HEADER)
      page[bit >> 3]! ^= 1 << (bit & 7)
      expect(() => decodeSegmentHeader(page, 'f')).toThrow(bit < 64 ? /not a log segment/ : /header is damaged/)
    }
  })

  it('is refused when cut or of a newer format', () => {
    expect(() => decodeSegmentHeader(encodeSegmentHeader(HEADER).subarray(0, 40), 'f')).toThrow('shorter than its header (f, offset 40)')
    const newer = encodeSegmentHeader(HEADER, 2)
    expect(() => decodeSegmentHeader(newer, 'f')).toThrow('has format version 2; this program reads version 1')
  })

  it('has names that sort as the LSNs do', () => {
    const lsns = [1, 9, 10, 255, 256, 2 ** 32, 2 ** 47]
    expect(lsns.map(segmentName).sort()).toEqual(lsns.map(segmentName))
    expect(lsns.map((lsn) => parseSegmentName(segmentName(lsn)))).toEqual(lsns)
    for (const name of ['LOCK', '1.log', 'spare-1.tmp', '000000000001.log.bak']) expect(parseSegmentName(name)).toBe(undefined)
    expect(isSpareName(spareName(31))).toBe(true)
    expect(isSpareName(segmentName(31))).toBe(false)
  })
})

describe('the segment reader', () => {
  it('gives the same bytes however they are asked for', async () => {
    const random = chance(11)
    const disk = new SimulatedDisk(random)
    const file = await disk.open('/f', { write: true, create: true })
    const bytes = Buffer.from(Array.from({ length: 600_000 }, () => random.nextUint32() & 0xff))
    await file.write(bytes, 0)
    for (const [pieceBytes, needMax] of [
      [1000, 10],
      [1000, 5000],
      [4096, 300_000],
      [1 << 20, 100],
    ] as const) {
      const reader = new SegmentReader(file, 100, bytes.length, pieceBytes)
      let position = 100
      for (;;) {
        const need = 1 + (random.nextUint32() % needMax)
        expect(reader.position).toBe(position)
        const there = await reader.fill(need)
        expect(there).toBe(position + need <= bytes.length)
        if (!there) break
        expect(reader.buffer.subarray(reader.at, reader.at + need).equals(bytes.subarray(position, position + need))).toBe(true)
        reader.skip(need)
        position += need
      }
      expect(reader.buffer.subarray(reader.at, reader.end).equals(bytes.subarray(position))).toBe(true)
      await reader.settle()
    }
  })

  it('says that a file ends early', async () => {
    const disk = new SimulatedDisk(chance(12))
    const file = await disk.open('/f', { write: true, create: true })
    await file.write(Buffer.alloc(50, 1), 0)
    const reader = new SegmentReader(file, 0, 5000, 1000)
    expect(await reader.fill(50)).toBe(true)
    expect(await reader.fill(51)).toBe(false)
    await reader.settle()
  })
})
