/**
 * A group of records as it forms: frames laid out exactly as they go to disk, in one buffer that is used again for the
 * next group but one. `append` is the log's hot path: it copies the payload and four bytes of length; checksums are
 * computed once per frame. What a record refers to instead of holding it is not copied either: the group is `bytes` with
 * those references inserted, and the checksum of such a frame is left to `digest`.
 *
 * Invariants: a frame is larger than `frameBytesMax` only if it holds a single record; one with references holds a single
 * record; the last frame of a non-empty group stays open until `finish`, so that it carries the newest vouched LSN.
 */
import { crc32 } from 'node:zlib'
import { copyBetweenViews, wordCopyBytesMax, wordView } from '../engine/memory/word-copy.ts'
import type { RecordReference } from '../engine/mutation/record-buffer.ts'
import { alignFrame, FRAME_HEADER_BYTES, KIND_RECORDS, RECORD_HEADER_BYTES, sealFrame, writeFrameHeader } from './record.ts'

/** Buffers do not grow by doubling beyond this: none can have more than 4 GiB. */
const GROUP_BYTES_DOUBLED_MAX = 2 ** 32 - 1
/** A grown buffer is given back after this many groups in a row that used less than a quarter of it. */
const SMALL_GROUPS_BEFORE_SHRINK = 64
const NO_PAYLOAD = Buffer.alloc(0)
const NO_PAYLOAD_VIEW = wordView(NO_PAYLOAD)

/** A frame whose checksum has not been computed. */
interface Undigested {
  /** Where in `bytes` it starts, and where its own part of the body ends. */
  readonly start: number
  readonly bodyEnd: number
  readonly lsn: number
  readonly vouched: number
}

export class GroupBuffer {
  /** The frames' own bytes, in `[0, fill)`. */
  bytes: Buffer
  fill = 0
  records = 0
  /** LSN of the newest record appended; meaningless while `records` is 0. */
  lastLsn = 0
  /** What the frames sealed from now on vouch for. */
  vouched = 0
  /** Offsets in `bytes` where frames start. */
  readonly frameStarts: number[] = []
  /** What belongs between the group's own bytes, in order; never at the start of a frame. */
  readonly #inserted: RecordReference[] = []
  #insertedBytes = 0
  readonly #undigested: Undigested[] = []
  readonly #seed: number
  readonly #frameBytesMax: number
  readonly #initialBytes: number
  #open = false
  #frameStart = 0
  #frameFirstLsn = 0
  #frameRecords = 0
  /** Bytes inserted into the open frame. */
  #frameInsertedBytes = 0
  #smallGroups = 0
  /** `bytes`, to be written by words. */
  #view: DataView
  /** The buffer that the group's last payload came from, until the group is reset, and a view of it: most come from one and the same. */
  #payload: Buffer = NO_PAYLOAD
  #payloadView = NO_PAYLOAD_VIEW

  constructor(seed: number, frameBytesMax: number, initialBytes: number) {
    this.#seed = seed
    this.#frameBytesMax = frameBytesMax
    this.#initialBytes = initialBytes
    this.bytes = Buffer.allocUnsafeSlow(initialBytes)
    this.#view = wordView(this.bytes)
  }

  /** Bytes of the group on disk. */
  get diskBytes(): number {
    return this.fill + this.#insertedBytes
  }

  /** Copies `payload[start, end)` in as the record `lsn`, and inserts the `references`, which it only refers to. */
  append(payload: Buffer, start: number, end: number, lsn: number, references?: readonly RecordReference[]): void {
    const refers = references !== undefined && references.length > 0
    const length = end - start
    if (this.#open) {
      const isFull = this.fill - this.#frameStart + RECORD_HEADER_BYTES + length > this.#frameBytesMax
      if (isFull || refers || this.#frameInsertedBytes > 0) this.#seal()
    }
    // Room for a new header, the record, and the padding that sealing adds.
    const needed = this.fill + FRAME_HEADER_BYTES + RECORD_HEADER_BYTES + length + 8
    if (needed > this.bytes.length) this.#grow(needed)
    if (!this.#open) this.#openFrame(lsn)
    if (refers) this.#insert(references, this.fill + RECORD_HEADER_BYTES - start)
    const recordBytes = length + this.#frameInsertedBytes
    const bytes = this.bytes
    const at = this.fill
    bytes[at] = recordBytes
    bytes[at + 1] = recordBytes >>> 8
    bytes[at + 2] = recordBytes >>> 16
    bytes[at + 3] = recordBytes >>> 24
    if (length <= wordCopyBytesMax) this.#copyShort(payload, start, at + RECORD_HEADER_BYTES, length)
    else payload.copy(bytes, at + RECORD_HEADER_BYTES, start, end)
    this.fill = at + RECORD_HEADER_BYTES + length
    this.#frameRecords += 1
    this.records += 1
    this.lastLsn = lsn
  }

  /** Seals the last frame; the group is ready to be digested, if need be, and written. */
  finish(): void {
    if (this.#open) this.#seal()
  }

  /** Whether checksums are still to be computed before the group may be written. */
  get needsDigest(): boolean {
    return this.#undigested.length > 0
  }

  /** Computes the checksums that were left to it: of at most `sliceBytes` before it awaits `pause`, again and again. */
  async digest(sliceBytes: number, pause: () => Promise<void>): Promise<void> {
    for (const { start, bodyEnd, lsn, vouched } of this.#undigested) {
      let bodyBytes = 0
      let crc = this.#seed
      let left = sliceBytes
      for (const piece of this.pieces(start + FRAME_HEADER_BYTES, bodyEnd)) {
        bodyBytes += piece.length
        for (let at = 0; at < piece.length; ) {
          const slice = piece.subarray(at, at + left)
          crc = crc32(slice, crc)
          at += slice.length
          left -= slice.length
          if (left > 0) continue
          await pause()
          left = sliceBytes
        }
      }
      writeFrameHeader(this.bytes, start, this.#seed, KIND_RECORDS, bodyBytes, crc, lsn, vouched, 1)
    }
    this.#undigested.length = 0
  }

  /** What lies on disk for `bytes[from, to)`: views, in order. `from` is no place where anything is inserted. */
  pieces(from: number, to: number): Uint8Array[] {
    const pieces: Uint8Array[] = []
    let next = from
    for (const { at, bytes } of this.#inserted) {
      if (at <= from || at > to) continue
      if (at > next) pieces.push(this.bytes.subarray(next, at))
      pieces.push(bytes)
      next = at
    }
    if (to > next) pieces.push(this.bytes.subarray(next, to))
    return pieces
  }

  /** How many bytes `pieces` has. */
  bytesBetween(from: number, to: number): number {
    let sum = to - from
    for (const { at, bytes } of this.#inserted) if (at > from && at <= to) sum += bytes.length
    return sum
  }

  /** Empties the group for use again, and gives back a buffer that has become too large. */
  reset(): void {
    if (this.bytes.length > this.#initialBytes && this.fill < this.bytes.length / 4) this.#smallGroups += 1
    else this.#smallGroups = 0
    if (this.#smallGroups === SMALL_GROUPS_BEFORE_SHRINK) {
      this.bytes = Buffer.allocUnsafeSlow(Math.max(this.#initialBytes, Math.ceil(this.bytes.length / 4)))
      this.#view = wordView(this.bytes)
      this.#smallGroups = 0
    }
    this.fill = 0
    this.records = 0
    this.frameStarts.length = 0
    if (this.#insertedBytes > 0) this.#inserted.length = 0
    this.#insertedBytes = 0
    this.#payload = NO_PAYLOAD
    this.#payloadView = NO_PAYLOAD_VIEW
  }

  #copyShort(payload: Buffer, start: number, to: number, length: number): void {
    if (payload !== this.#payload) {
      this.#payload = payload
      this.#payloadView = wordView(payload)
    }
    copyBetweenViews(this.#payloadView, start, this.#view, to, length)
  }

  /** `offset` turns a place in the payload into one in `bytes`. */
  #insert(references: readonly RecordReference[], offset: number): void {
    for (const { at, bytes } of references) {
      this.#inserted.push({ at: at + offset, bytes })
      this.#frameInsertedBytes += bytes.length
    }
    this.#insertedBytes += this.#frameInsertedBytes
  }

  #openFrame(lsn: number): void {
    this.#open = true
    this.#frameStart = this.fill
    this.#frameFirstLsn = lsn
    this.#frameRecords = 0
    this.#frameInsertedBytes = 0
    this.frameStarts.push(this.fill)
    this.fill += FRAME_HEADER_BYTES
  }

  #seal(): void {
    this.#open = false
    if (this.#frameInsertedBytes > 0) {
      this.#sealLater()
      return
    }
    const { bytes, fill, vouched } = this
    this.fill = sealFrame(bytes, this.#frameStart, fill, this.#seed, KIND_RECORDS, this.#frameFirstLsn, vouched, this.#frameRecords)
  }

  /** Pads the frame; its header follows. */
  #sealLater(): void {
    const { fill, vouched } = this
    this.#undigested.push({ start: this.#frameStart, bodyEnd: fill, lsn: this.#frameFirstLsn, vouched })
    const frameBytes = fill - this.#frameStart + this.#frameInsertedBytes
    this.fill = fill + alignFrame(frameBytes) - frameBytes
    this.bytes.fill(0, fill, this.fill)
    this.#frameInsertedBytes = 0
  }

  #grow(needed: number): void {
    const grown = Buffer.allocUnsafeSlow(Math.max(Math.min(this.bytes.length * 2, GROUP_BYTES_DOUBLED_MAX), needed))
    this.bytes.copy(grown, 0, 0, this.fill)
    this.bytes = grown
    this.#view = wordView(grown)
  }
}
