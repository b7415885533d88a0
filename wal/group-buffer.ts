/**
 * A group of records as it forms: frames laid out exactly as they go to disk, in one buffer that is used again for the
 * next group but one. `append` is the log's hot path: it copies the payload and four bytes of length; checksums are
 * computed once per frame.
 *
 * Invariants: a frame is larger than `frameBytesMax` only if it holds a single record; the last frame of a non-empty group
 * stays open until `finish`, so that it carries the newest vouched LSN.
 */
import { FRAME_HEADER_BYTES, KIND_RECORDS, RECORD_HEADER_BYTES, sealFrame } from './record.ts'

/** A grown buffer is given back after this many groups in a row that used less than a quarter of it. */
const SMALL_GROUPS_BEFORE_SHRINK = 64

export class GroupBuffer {
  /** The frames, in `[0, fill)`. */
  bytes: Buffer
  fill = 0
  records = 0
  /** LSN of the newest record appended; meaningless while `records` is 0. */
  lastLsn = 0
  /** What the frames sealed from now on vouch for. */
  vouched = 0
  /** Offsets in `bytes` where frames start. */
  readonly frameStarts: number[] = []
  readonly #seed: number
  readonly #frameBytesMax: number
  readonly #initialBytes: number
  #open = false
  #frameStart = 0
  #frameFirstLsn = 0
  #frameRecords = 0
  #smallGroups = 0

  constructor(seed: number, frameBytesMax: number, initialBytes: number) {
    this.#seed = seed
    this.#frameBytesMax = frameBytesMax
    this.#initialBytes = initialBytes
    this.bytes = Buffer.allocUnsafeSlow(initialBytes)
  }

  /** Copies `payload[start, end)` in as the record `lsn`. */
  append(payload: Buffer, start: number, end: number, lsn: number): void {
    const length = end - start
    if (this.#open && this.fill - this.#frameStart + RECORD_HEADER_BYTES + length > this.#frameBytesMax) this.#seal()
    // Room for a new header, the record, and the padding that sealing adds.
    const needed = this.fill + FRAME_HEADER_BYTES + RECORD_HEADER_BYTES + length + 8
    if (needed > this.bytes.length) this.#grow(needed)
    if (!this.#open) this.#openFrame(lsn)
    const bytes = this.bytes
    const at = this.fill
    bytes[at] = length
    bytes[at + 1] = length >>> 8
    bytes[at + 2] = length >>> 16
    bytes[at + 3] = length >>> 24
    payload.copy(bytes, at + RECORD_HEADER_BYTES, start, end)
    this.fill = at + RECORD_HEADER_BYTES + length
    this.#frameRecords += 1
    this.records += 1
    this.lastLsn = lsn
  }

  /** Seals the last frame; the group is ready to be written. */
  finish(): void {
    if (this.#open) this.#seal()
  }

  /** Empties the group for use again, and gives back a buffer that has become too large. */
  reset(): void {
    if (this.bytes.length > this.#initialBytes && this.fill < this.bytes.length / 4) this.#smallGroups += 1
    else this.#smallGroups = 0
    if (this.#smallGroups === SMALL_GROUPS_BEFORE_SHRINK) {
      this.bytes = Buffer.allocUnsafeSlow(Math.max(this.#initialBytes, Math.ceil(this.bytes.length / 4)))
      this.#smallGroups = 0
    }
    this.fill = 0
    this.records = 0
    this.frameStarts.length = 0
  }

  #openFrame(lsn: number): void {
    this.#open = true
    this.#frameStart = this.fill
    this.#frameFirstLsn = lsn
    this.#frameRecords = 0
    this.frameStarts.push(this.fill)
    this.fill += FRAME_HEADER_BYTES
  }

  #seal(): void {
    this.#open = false
    const { bytes, fill, vouched } = this
    this.fill = sealFrame(bytes, this.#frameStart, fill, this.#seed, KIND_RECORDS, this.#frameFirstLsn, vouched, this.#frameRecords)
  }

  #grow(needed: number): void {
    const grown = Buffer.allocUnsafeSlow(Math.max(this.bytes.length * 2, needed))
    this.bytes.copy(grown, 0, 0, this.fill)
    this.bytes = grown
  }
}
