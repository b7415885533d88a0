import { crc32 } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import {
  CHECKSUM_BYTES,
  checksumFrom,
  decodeChecksum,
  encodeChecksum,
  HistoryChecksum,
  HistoryDiffers,
} from '../../wal/running-checksum.ts'

const records = ['first', '', 'x'.repeat(1000), 'last'].map((text) => Buffer.from(text))

function checksumOf(payloads: readonly Buffer[], from = checksumFrom(0)): HistoryChecksum {
  const checksum = new HistoryChecksum(from.lsn, from)
  for (const payload of payloads) checksum.add(payload)
  return checksum
}

describe('the running checksum', () => {
  it('is the CRC of all records with their lengths, however they are cut', () => {
    const all = Buffer.concat(records.flatMap((payload) => [Buffer.of(payload.length, payload.length >>> 8, 0, 0), payload]))
    expect(checksumOf(records).now).toEqual({ since: 0, lsn: 4, value: crc32(all) })
    const half = checksumOf(records.slice(0, 2)).now!
    expect(checksumOf(records.slice(2), half).now).toEqual(checksumOf(records).now)
    expect(checksumOf([Buffer.from('firs'), Buffer.from('t')]).now!.value).not.toBe(checksumOf([Buffer.from('first')]).now!.value)
  })

  it('is compared when the record comes of which it was told, before or after', () => {
    const told = checksumOf(records).now!
    const early = new HistoryChecksum(0, checksumFrom(0))
    early.hear(told)
    for (const payload of records) early.add(payload)
    expect(early.comparedLsn).toBe(4)
    const late = checksumOf(records)
    late.hear(told)
    expect(late.comparedLsn).toBe(4)
    late.add(Buffer.from('more'))
    late.hear(told)
    expect(late.comparedLsn).toBe(4)
  })

  it.each([
    ['a record has changed', [records[0]!, records[1]!, Buffer.from('y'), records[3]!]],
    ['two have changed places', [records[1]!, records[0]!, records[2]!, records[3]!]],
  ])('differs when %s, also later', (_, other) => {
    const more = Buffer.from('more')
    expect(() => checksumOf(other).hear(checksumOf(records).now!)).toThrow(HistoryDiffers)
    expect(() => checksumOf([...other, more]).hear(checksumOf([...records, more]).now!)).toThrow(HistoryDiffers)
  })

  it('is taken over when none is known, or another one was begun, and compared from then on', () => {
    const leader = new HistoryChecksum(2, checksumFrom(2))
    leader.add(records[2]!)
    for (const follower of [new HistoryChecksum(0, undefined), checksumOf([])]) {
      for (const payload of records.slice(0, 3)) follower.add(payload)
      follower.hear(leader.now!)
      expect(follower.comparedLsn).toBe(0)
      expect(follower.now).toEqual(leader.now)
      follower.add(records[3]!)
      const next = new HistoryChecksum(3, leader.now)
      next.add(Buffer.from('something else'))
      expect(() => follower.hear(next.now!)).toThrow('these are two histories')
    }
  })

  it('passes through its bytes', () => {
    const checksum = { since: 2 ** 40 + 1, lsn: 2 ** 47 + 3, value: 0xfedcba98 }
    const bytes = Buffer.alloc(CHECKSUM_BYTES + 2)
    encodeChecksum(checksum, bytes, 2)
    expect(decodeChecksum(bytes, 2)).toEqual(checksum)
  })
})
