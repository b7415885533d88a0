/**
 * The running checksum of a history: CRC-32, as in zlib, of all its records in the order of their LSNs, each with its length in
 * front (u32, little-endian). Since a CRC can be continued, it does not matter how the records lay when it was computed: one by
 * one, or a group at a time, which is how the leader of a log does it, for a call costs more than a hundred bytes.
 *
 * It tells two histories apart that should be one: a copy with another past than its name says, an entry that was lost or came
 * twice, a bit that has changed. It is no protection against somebody who wants two histories to look the same.
 *
 * A node that was made before there were running checksums, or whose log is its own, knows none. When such a node leads, the checksum
 * begins anew with it, and `since` says where; checksums that began at different places are not compared, and the leader's is taken over.
 */
import { crc32 } from 'node:zlib'

export interface RunningChecksum {
  /** It covers the records above this LSN. */
  readonly since: number
  /** The last record that it covers. */
  readonly lsn: number
  readonly value: number
}

/** Of `encodeChecksum`. */
export const CHECKSUM_BYTES = 16

/** What a node has read is not what the leader has written, or not what it was when a copy was made. */
export class HistoryDiffers extends Error {
  override readonly name = 'HistoryDiffers'
  constructor(own: RunningChecksum, told: RunningChecksum) {
    const [mine, theirs] = [own.value, told.value].map((value) => value.toString(16).padStart(8, '0'))
    super(`the records up to ${told.lsn} have the running checksum ${mine} here, and ${theirs} in the log: these are two histories`)
  }
}

/** The checksum of nothing, from which one begins behind the record `lsn`. */
export function checksumFrom(lsn: number): RunningChecksum {
  return { since: lsn, lsn, value: 0 }
}

export function encodeChecksum({ since, lsn, value }: RunningChecksum, into: Buffer, at: number): void {
  into.writeUIntLE(since, at, 6)
  into.writeUIntLE(lsn, at + 6, 6)
  into.writeUInt32LE(value, at + 12)
}

export function decodeChecksum(bytes: Buffer, at: number): RunningChecksum {
  return { since: bytes.readUIntLE(at, 6), lsn: bytes.readUIntLE(at + 6, 6), value: bytes.readUInt32LE(at + 12) }
}

const lengthBytes = Buffer.alloc(4)

/** `value`, continued by the length of a record. */
export function withLength(value: number, length: number): number {
  lengthBytes.writeUInt32LE(length)
  return crc32(lengthBytes, value)
}

/** The running checksum as a reader of records computes it, and compares it with what the leader tells of its own. */
export class HistoryChecksum {
  /** The newest record that it covers; known when the checksum is not. */
  lsn: number
  /** The newest record up to which the leader's was found to be the same; 0 before. */
  comparedLsn = 0
  #since: number
  #value: number
  #isKnown: boolean
  #told: RunningChecksum | undefined

  /** Continues `known`; or knows nothing, and takes over what the leader tells. */
  constructor(lsn: number, known: RunningChecksum | undefined) {
    this.lsn = lsn
    this.#isKnown = known !== undefined && known.lsn === lsn
    this.#since = known?.since ?? lsn
    this.#value = known?.value ?? 0
  }

  get now(): RunningChecksum | undefined {
    return this.#isKnown ? { since: this.#since, lsn: this.lsn, value: this.#value } : undefined
  }

  /** The next record. Throws `HistoryDiffers` when the leader has told another checksum of it. */
  add(payload: Buffer): void {
    this.lsn++
    this.#value = crc32(payload, withLength(this.#value, payload.length))
    if (this.lsn === this.#told?.lsn) this.#compare(this.#told)
  }

  /** What the leader tells, of a record that has come, or will. Throws as `add`. */
  hear(told: RunningChecksum): void {
    this.#told = told
    if (told.lsn === this.lsn) this.#compare(told)
  }

  #compare(told: RunningChecksum): void {
    this.#told = undefined
    if (this.#isKnown && this.#since === told.since) {
      if (this.#value !== told.value) throw new HistoryDiffers({ since: this.#since, lsn: this.lsn, value: this.#value }, told)
      this.comparedLsn = this.lsn
      return
    }
    this.#isKnown = true
    this.#since = told.since
    this.#value = told.value
  }
}
