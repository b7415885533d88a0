import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { GroupBuffer } from '../../wal/group-buffer.ts'
import { alignFrame, FRAME_HEADER_BYTES, FrameHeader, KIND_RECORDS, logSeed, sealFrame } from '../../wal/record.ts'
import { encodeSegmentHeader } from '../../wal/segment.ts'

const LOG_ID = 0x0123456789abcdefn
const SEED = logSeed(LOG_ID)

/** The bytes of a worked example in the format's page. */
function documented(name: string): string {
  const page = readFileSync(new URL('../../docs/formats/log.md', import.meta.url), 'utf8')
  const [, block] = page.split(`\`\`\`hex ${name}\n`)
  return block!.split('```')[0]!.replace(/\s/g, '')
}

function frame(body: string, firstLsn = 7, vouched = 5): Buffer {
  const bytes = Buffer.alloc(FRAME_HEADER_BYTES + alignFrame(body.length) + 8, 0xff)
  bytes.write(body, FRAME_HEADER_BYTES, 'latin1')
  const end = sealFrame(bytes, 0, FRAME_HEADER_BYTES + body.length, SEED, KIND_RECORDS, firstLsn, vouched, 1)
  return bytes.subarray(0, end)
}

describe('a frame', () => {
  it('is read back as it was sealed', () => {
    const lsn = 2 ** 48 - 2
    const bytes = frame('hello', lsn, lsn - 9)
    const header = new FrameHeader()
    expect(header.decode(bytes, 0, SEED)).toBe(true)
    expect(header).toMatchObject({
      kind: KIND_RECORDS,
      bodyBytes: 5,
      firstLsn: lsn,
      vouched: lsn - 9,
      records: 1,
      lastLsn: lsn,
      frameBytes: 40,
    })
    expect(header.bodyIsIntact(bytes, 0, SEED)).toBe(true)
    expect([...bytes.subarray(37)]).toEqual([0, 0, 0])
  })

  it('is not intact with any bit of header or body flipped, nor for another log', () => {
    const header = new FrameHeader()
    const whole = frame('hello')
    for (let bit = 0; bit < (FRAME_HEADER_BYTES + 5) * 8; bit += 1) {
      const bytes = Buffer.from(whole)
      bytes[bit >> 3]! ^= 1 << (bit & 7)
      expect(header.decode(bytes, 0, SEED) && header.bodyIsIntact(bytes, 0, SEED)).toBe(false)
    }
    expect(header.decode(whole, 0, logSeed(1n))).toBe(false)
  })

  it('has the bytes that docs/formats/log.md shows', () => {
    const bytes = Buffer.alloc(48)
    bytes.writeUInt32LE(5, 32)
    bytes.write('hello', 36)
    sealFrame(bytes, 0, 41, SEED, KIND_RECORDS, 7, 6, 1)
    expect(bytes.toString('hex')).toBe(documented('frame'))
    const page = encodeSegmentHeader({ logId: LOG_ID, firstLsn: 7, segmentBytes: 64 << 20 })
    expect(page.toString('hex', 0, 64)).toBe(documented('header'))
    expect(SEED.toString(16)).toBe('443be247')
  })
})

describe('the group buffer', () => {
  /** The records of every frame, with each frame's first LSN and vouched LSN. */
  function parse(group: GroupBuffer) {
    const frames: { firstLsn: number; vouched: number; records: string[] }[] = []
    const header = new FrameHeader()
    let at = 0
    while (at < group.fill) {
      expect(group.frameStarts[frames.length]).toBe(at)
      expect(header.decode(group.bytes, at, SEED)).toBe(true)
      expect(header.bodyIsIntact(group.bytes, at, SEED)).toBe(true)
      const records: string[] = []
      let record = at + FRAME_HEADER_BYTES
      for (let count = 0; count < header.records; count += 1) {
        const end = record + 4 + group.bytes.readUInt32LE(record)
        records.push(group.bytes.toString('latin1', record + 4, end))
        record = end
      }
      expect(record).toBe(at + FRAME_HEADER_BYTES + header.bodyBytes)
      frames.push({ firstLsn: header.firstLsn, vouched: header.vouched, records })
      at += header.frameBytes
    }
    return frames
  }

  function append(group: GroupBuffer, text: string, lsn: number): void {
    group.append(Buffer.from(`<${text}>`), 1, 1 + text.length, lsn)
  }

  it('puts records into frames of at most the given size, a larger record alone', () => {
    const group = new GroupBuffer(SEED, 100, 64)
    for (let lsn = 1; lsn <= 6; lsn += 1) append(group, `${lsn}`.repeat(20), lsn)
    append(group, 'L'.repeat(500), 7)
    append(group, 'end', 8)
    group.finish()
    const frames = parse(group)
    expect(frames.map((found) => found.records.map((record) => record.length))).toEqual([[20, 20], [20, 20], [20, 20], [500], [3]])
    expect(frames.map((found) => found.firstLsn)).toEqual([1, 3, 5, 7, 8])
    expect([group.records, group.lastLsn]).toEqual([8, 8])
  })

  it('lays out what records refer to as if it had been copied, and digests it in slices', async () => {
    const large = Buffer.from('0123456789'.repeat(100))
    const made = async (refers: boolean) => {
      const group = new GroupBuffer(SEED, 64, 64)
      group.vouched = 3
      append(group, 'small', 1)
      if (refers) group.append(Buffer.from('_<>_'), 1, 3, 2, [{ at: 2, bytes: large }])
      else append(group, `<${large}>`, 2)
      append(group, 'next', 3)
      if (refers) group.append(Buffer.alloc(0), 0, 0, 4, [{ at: 0, bytes: large }])
      else append(group, `${large}`, 4)
      group.vouched = 9
      group.finish()
      expect(group.needsDigest).toBe(refers)
      let pauses = 0
      await group.digest(300, async () => {
        pauses++
      })
      const pieces = group.pieces(0, group.fill)
      expect(group.needsDigest).toBe(false)
      expect(pieces.some((piece) => piece === large)).toBe(refers)
      const bytes = Buffer.concat(pieces)
      expect(group.diskBytes).toBe(bytes.length)
      const starts = [...group.frameStarts, group.fill]
      for (let i = 0; i + 1 < starts.length; i++) {
        const frame = Buffer.concat(group.pieces(starts[i]!, starts[i + 1]!))
        expect(group.bytesBetween(starts[i]!, starts[i + 1]!)).toBe(frame.length)
        expect(frame.length % 8).toBe(0)
      }
      return { bytes, pauses }
    }
    const copied = await made(false)
    const referred = await made(true)
    expect(referred.bytes.equals(copied.bytes)).toBe(true)
    expect([copied.pauses, referred.pauses]).toEqual([0, 6])
  })

  it('seals the last frame with the newest vouched LSN', () => {
    const group = new GroupBuffer(SEED, 64, 64)
    group.vouched = 3
    append(group, 'a'.repeat(32), 10)
    append(group, 'b'.repeat(32), 11)
    group.vouched = 9
    group.finish()
    expect(parse(group).map((found) => found.vouched)).toEqual([3, 9])
  })

  it('grows for a large group, is used again, and shrinks after many small ones', () => {
    const group = new GroupBuffer(SEED, 1 << 16, 256)
    for (let lsn = 1; lsn <= 100; lsn += 1) append(group, `${lsn}`.padEnd(99), lsn)
    group.finish()
    expect(parse(group)[0]!.records).toHaveLength(100)
    const grown = group.bytes.length
    expect(grown).toBeGreaterThan(10_000)
    for (let round = 0; round < 64 * 8; round += 1) {
      group.reset()
      append(group, 'small', 101)
      group.finish()
      expect(parse(group)).toEqual([{ firstLsn: 101, vouched: 0, records: ['small'] }])
    }
    expect(group.bytes.length).toBe(256)
  })
})
