/**
 * Reads a segment forward in large pieces, with the next piece already on its way while the present one is worked on.
 *
 * Invariants: `[at, end)` of `buffer` are the bytes of the file from `position` on; bytes handed out stay valid until the
 * next `fill` that has to move on. A frame that straddles two pieces is joined by copying its beginning in front of the
 * second; only a frame larger than a piece costs an allocation.
 */
import type { File } from '../storage/file-system.ts'

/** Room in front of each piece for the beginning of a frame that straddles. */
const LEAD_BYTES = 128 << 10

export class SegmentReader {
  readonly #file: File
  readonly #fileBytes: number
  readonly #pieceBytes: number
  buffer: Buffer = Buffer.alloc(0)
  at = 0
  end = 0
  /** Offset in the file of `buffer[end]`. */
  #endPosition: number
  #other: Buffer | undefined
  #ahead: Promise<number> | undefined
  #aheadBuffer: Buffer = Buffer.alloc(0)

  /** Reads `[start, fileBytes)` of `file`, `pieceBytes` at a time. */
  constructor(file: File, start: number, fileBytes: number, pieceBytes: number) {
    this.#file = file
    this.#fileBytes = fileBytes
    this.#pieceBytes = pieceBytes
    this.#endPosition = start
    this.#readAhead()
  }

  /** Offset in the file of `buffer[at]`. */
  get position(): number {
    return this.#endPosition - (this.end - this.at)
  }

  /** Makes `need` bytes available from `at` on; false when the file ends before. */
  async fill(need: number): Promise<boolean> {
    while (this.end - this.at < need) {
      if (!this.#ahead) return false
      await this.#take(need)
    }
    return true
  }

  /** Moves past `bytes` that are available. */
  skip(bytes: number): void {
    this.at += bytes
  }

  /** Waits for a read under way, so that the file can be closed. */
  async settle(): Promise<void> {
    await this.#ahead?.catch(() => undefined)
  }

  /** Joins what is left of the present piece with the one read ahead. */
  async #take(need: number): Promise<void> {
    const bytes = await this.#ahead!
    this.#ahead = undefined
    const left = this.end - this.at
    const piece = this.#aheadBuffer
    if (left <= LEAD_BYTES && left + bytes >= Math.min(need, left + this.#fileBytes - this.#endPosition)) {
      this.buffer.copy(piece, LEAD_BYTES - left, this.at, this.end)
      this.#other = this.buffer.length === piece.length ? this.buffer : undefined
      this.buffer = piece
      this.at = LEAD_BYTES - left
      this.end = LEAD_BYTES + bytes
      this.#endPosition += bytes
      if (bytes > 0) this.#readAhead()
      return
    }
    const wanted = Math.min(need, left + this.#fileBytes - this.#endPosition)
    const large = Buffer.allocUnsafeSlow(Math.max(wanted, left + bytes))
    this.buffer.copy(large, 0, this.at, this.end)
    piece.copy(large, left, LEAD_BYTES, LEAD_BYTES + bytes)
    this.#endPosition += bytes
    const more = await this.#file.read(large.subarray(left + bytes), this.#endPosition)
    this.buffer = large
    this.at = 0
    this.end = left + bytes + more
    this.#endPosition += more
    this.#other = piece
    if (this.end >= wanted) this.#readAhead()
  }

  #readAhead(): void {
    const bytes = Math.min(this.#pieceBytes, this.#fileBytes - this.#endPosition)
    if (bytes <= 0) return
    this.#aheadBuffer = this.#other ?? Buffer.allocUnsafeSlow(LEAD_BYTES + this.#pieceBytes)
    this.#other = undefined
    this.#ahead = this.#file.read(this.#aheadBuffer.subarray(LEAD_BYTES, LEAD_BYTES + bytes), this.#endPosition)
    // A failure is seen by whoever takes the piece; this only keeps it from counting as unhandled until then.
    this.#ahead.catch(() => undefined)
  }
}
