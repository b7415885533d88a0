/**
 * What waits to leave a connection: bytes written into chunks of 16 KB from a pool that all connections share (an idle
 * connection holds none), with large values between them by reference. Replies leave in the order they were written.
 *
 * Some replies may leave only when the log has committed up to an LSN. `hold` notes where such a reply begins (`HeldReplies`);
 * nothing from there on leaves earlier, whatever it is.
 *
 * Positions are counts of bytes since the connection began. What was taken stays in memory until `settle` says it has left.
 */

import { ChunkPool, chunkBytes } from './chunk-pool.ts'
import { HeldReplies } from './held-replies.ts'
import { formatInteger } from './integer.ts'
import { wordView } from './memory/word-copy.ts'

interface Piece {
  readonly bytes: Buffer
  start: number
  end: number
  /** The pool gets `bytes` back when this piece has left: it is the last one of its chunk. */
  owner: boolean
  /** Held by reference: in no chunk of ours. */
  readonly shared: boolean
}

/** Bytes of a message that others receive, too; they never change. */
export interface SharedRange {
  readonly bytes: Buffer
  readonly start: number
  readonly end: number
}

const none = Buffer.alloc(0)
const noView = wordView(none)
/** Messages of at least this many bytes are not copied for each receiver. */
const sharedMessageBytesMin = 4096
/** Room for the header of an aggregate whose length comes later: a type, ten digits or fewer, CR, LF. */
const headerRoom = 13

/** Completes the header begun at `at` (its type, then a factor for the count) and returns its end. */
function writeHeader(bytes: Buffer, at: number, n: number): number {
  const end = formatInteger(bytes, at + 1, n * bytes[at + 1]!)
  bytes[end] = 0x0d
  bytes[end + 1] = 0x0a
  return end + 2
}

export class OutputBuffer {
  /** The chunk being written: `chunk[at, …)` is free once `room` has said so. */
  chunk: Buffer = none
  /** The same bytes, to be written by words. */
  view: DataView = noView
  at = 0
  /** While set, what is written is forgotten as room is needed; the rest when it is unset. */
  #discardFrom = -1
  /** Position of `chunk[0]`, if it were counted. */
  #base = 0
  /** Where the bytes in `chunk` begin that are in no piece yet. */
  #start = 0
  #pieces: Piece[] = []
  #settling: Buffer[] = []
  #referencedBytes = 0
  readonly #held = new HeldReplies()
  #taken = 0
  readonly #pool: ChunkPool

  constructor(pool: ChunkPool = new ChunkPool()) {
    this.#pool = pool
  }

  /** Bytes written since the connection began. */
  get position(): number {
    return this.#base + this.at
  }

  /** Position up to which `take` has handed out. */
  get taken(): number {
    return this.#taken
  }

  /** Bytes written and not yet taken. */
  get pendingBytes(): number {
    return this.#base + this.at - this.#taken
  }

  /** Bytes of memory that wait here, values held by reference included. */
  get memoryBytes(): number {
    let chunks = this.chunk === none ? 0 : 1
    for (const piece of this.#pieces) if (piece.owner) chunks++
    return (chunks + this.#settling.length) * chunkBytes + this.#referencedBytes
  }

  /** Position up to which what was written stays: where the discarded part begins, if one does. */
  get keptPosition(): number {
    return this.#discardFrom >= 0 ? this.#discardFrom : this.#base + this.at
  }

  get discarding(): boolean {
    return this.#discardFrom >= 0
  }

  /** Between setting and unsetting, what is written leaves no trace (a client that asked for no replies). */
  set discarding(on: boolean) {
    if (on === this.#discardFrom >= 0) return
    if (on) {
      this.#discardFrom = this.position
      return
    }
    this.rewindTo(this.#discardFrom)
    this.#discardFrom = -1
  }

  /** Makes `chunk[at, at + bytes)` writable; `bytes` is at most the size of a chunk. */
  room(bytes: number): void {
    if (this.chunk.length - this.at < bytes) this.#turnOver(bytes)
  }

  #turnOver(bytes: number): void {
    if (this.#discardFrom >= 0) {
      this.rewindTo(this.#discardFrom)
      if (this.chunk.length - this.at >= bytes) return
    }
    const position = this.position
    this.#seal(true)
    this.chunk = this.#pool.acquire()
    this.view = this.#pool.view(this.chunk)
    this.at = 0
    this.#start = 0
    this.#base = position
  }

  /** Makes a piece of what is in no piece yet. `owner` if the chunk will not be written to again. */
  #seal(owner: boolean): void {
    if (this.chunk === none) return
    if (this.at > this.#start) this.#pieces.push({ bytes: this.chunk, start: this.#start, end: this.at, owner, shared: false })
    else if (owner) this.#abandon(this.chunk)
    this.#start = this.at
  }

  /** The chunk being written is given up with nothing new in it: an earlier piece of it may still be on its way. */
  #abandon(chunk: Buffer): void {
    for (let i = this.#pieces.length - 1; i >= 0; i--) {
      const piece = this.#pieces[i]!
      if (piece.bytes === chunk) {
        piece.owner = true
        return
      }
    }
    this.#settling.push(chunk)
  }

  /** Copies `from[start, end)`, of any length. */
  copy(from: Uint8Array, start: number, end: number): void {
    let next = start
    while (next < end) {
      this.room(1)
      const length = Math.min(end - next, this.chunk.length - this.at)
      this.chunk.set(from.subarray(next, next + length), this.at)
      this.at += length
      next += length
    }
  }

  /** Appends `from[start, end)` without copying it. It must not change until it has left. */
  share(from: Buffer, start: number, end: number): void {
    if (this.#discardFrom >= 0 || end <= start) return
    this.#seal(false)
    this.#pieces.push({ bytes: from, start, end, owner: false, shared: true })
    this.#base += end - start
    this.#referencedBytes += end - start
    this.#pool.usedBytes += end - start
  }

  /**
   * Appends a message that others receive, too: by reference if nothing waits here, so that it needs no chunk, if it is large, or if it lies
   * behind the one before. It is written even while replies are discarded, and may leave when `committed` reaches `lsn`.
   */
  message(ranges: readonly SharedRange[], lsn: number, committed: number): void {
    const { discarding } = this
    this.discarding = false
    if (lsn > committed) this.hold(lsn, this.position)
    for (const { bytes, start, end } of ranges) {
      if (this.#extendsLast(bytes, start, end)) continue
      if (this.pendingBytes === 0 || end - start >= sharedMessageBytesMin) this.share(bytes, start, end)
      else this.copy(bytes, start, end)
    }
    this.discarding = discarding
  }

  /** Appends to the last piece what lies just behind it; false, and nothing done, where it does not. */
  #extendsLast(bytes: Buffer, start: number, end: number): boolean {
    const count = this.#pieces.length
    if (count === 0 || this.at !== this.#start) return false
    const last = this.#pieces[count - 1]!
    if (!last.shared || last.bytes !== bytes || last.end !== start) return false
    last.end = end
    this.#base += end - start
    this.#referencedBytes += end - start
    this.#pool.usedBytes += end - start
    return true
  }

  /**
   * Reserves room for the header of an aggregate: `type`, then a count that `fill` multiplies by `factor`. Returns the
   * token for `fill`. Reservations are filled last first, or taken back together by `rewindTo`.
   */
  reserve(type: number, factor: number): number {
    this.room(headerRoom)
    const token = this.position
    this.chunk[this.at] = type
    this.chunk[this.at + 1] = factor
    this.at += headerRoom
    return token
  }

  /** Writes the header that `token` stands for, with the count `n`, and closes the gap. */
  fill(token: number, n: number): void {
    if (this.#discardFrom >= 0) return
    let from = this.#base + this.#start
    if (token >= from) {
      const at = token - this.#base
      const end = writeHeader(this.chunk, at, n)
      this.chunk.copyWithin(end, at + headerRoom, this.at)
      this.at -= at + headerRoom - end
      return
    }
    for (let i = this.#pieces.length - 1; i >= 0; i--) {
      const piece = this.#pieces[i]!
      from -= piece.end - piece.start
      if (token < from) continue
      const at = piece.start + token - from
      const end = writeHeader(piece.bytes, at, n)
      const gap = at + headerRoom - end
      piece.bytes.copyWithin(at + gap, at, end)
      if (at > piece.start) this.#pieces.splice(i, 0, { bytes: piece.bytes, start: piece.start, end: at, owner: false, shared: false })
      piece.start = at + gap
      this.#base -= gap
      return
    }
  }

  /** Forgets everything written after `position`, which must not have been taken. */
  rewindTo(position: number): void {
    let from = this.#base + this.#start
    if (position >= from) {
      this.at = position - this.#base
      return
    }
    while (from > position) {
      const piece = this.#pieces.pop()!
      from -= piece.end - piece.start
      if (from < position) {
        const end = piece.start + position - from
        this.#forget(piece, end)
        piece.end = end
        this.#pieces.push(piece)
        break
      }
      this.#forget(piece, piece.start)
      if (piece.owner) this.#abandon(piece.bytes)
    }
    this.at = this.#start
    this.#base = position - this.at
  }

  /** `piece` ends at `end` from now on; what it held by reference is no longer counted. */
  #forget(piece: Piece, end: number): void {
    if (!piece.shared) return
    this.#referencedBytes -= piece.end - end
    this.#pool.usedBytes -= piece.end - end
  }

  /** Where in `chunk` stands what was written since `position`, up to `at`; negative when not all of it is there. */
  placeOf(position: number): number {
    return this.#pieces.length === 0 && position >= this.#base + this.#start ? position - this.#base : -1
  }

  /** What was written since `from` may leave only when `committed` reaches `lsn`. */
  hold(lsn: number, from: number): void {
    this.#held.add(lsn, from)
  }

  /** Whether anything here waits for an LSN beyond those released. */
  get holding(): boolean {
    return this.#held.count > 0
  }

  /** LSN that the first held reply waits for; 0 when nothing is held. */
  get heldLsn(): number {
    return this.#held.lsn
  }

  /** Drops the notes that `committed` satisfies. Returns the position up to which bytes may leave. */
  release(committed: number): number {
    const held = this.#held
    held.release(committed)
    return held.count > 0 ? held.from : this.position
  }

  /** Appends to `views` what may leave under `committed`, and counts it as taken. Returns how many bytes that is. */
  takeSendable(committed: number, views: Uint8Array[]): number {
    if (this.#discardFrom >= 0) this.rewindTo(this.#discardFrom)
    const position = this.#base + this.at
    const limit = this.#held.count === 0 ? position : Math.min(position, this.release(committed))
    const bytes = limit - this.#taken
    if (bytes <= 0) return 0
    if (this.#pieces.length > 0) this.#takePieces(limit, views)
    if (limit > this.#taken) {
      const end = limit - this.#base
      views.push(this.chunk.subarray(this.#start, end))
      this.#start = end
      this.#taken = limit
    }
    return bytes
  }

  #takePieces(limit: number, views: Uint8Array[]): void {
    let whole = 0
    for (const piece of this.#pieces) {
      const left = limit - this.#taken
      const length = piece.end - piece.start
      if (left <= 0) break
      const sent = Math.min(left, length)
      views.push(
        piece.shared
          ? this.#pool.sharedView(piece.bytes, piece.start, piece.start + sent)
          : piece.bytes.subarray(piece.start, piece.start + sent),
      )
      this.#forget(piece, piece.end - sent)
      piece.start += sent
      this.#taken += sent
      if (sent < length) break
      whole++
      if (piece.owner) this.#settling.push(piece.bytes)
    }
    if (whole === this.#pieces.length) this.#pieces.length = 0
    else if (whole > 0) this.#pieces.splice(0, whole)
  }

  /** All that was taken has left: its chunks go back to the pool, the one being written too if there is nothing in it. */
  settle(): void {
    while (this.#settling.length > 0) this.#pool.release(this.#settling.pop()!)
    if (this.#pieces.length > 0 || this.at > this.#start || this.chunk === none) return
    this.#pool.release(this.chunk)
    this.#base += this.at
    this.chunk = none
    this.at = 0
    this.#start = 0
  }

  /** All that was written and not taken, as one buffer, held or not: for replies that go elsewhere than to a client. */
  takeAll(): Buffer {
    const views: Uint8Array[] = []
    this.takeSendable(Number.POSITIVE_INFINITY, views)
    const bytes = Buffer.concat(views)
    this.settle()
    return bytes
  }

  /** Forgets everything: the connection is gone. Its chunks may still be in the system's hands, so the pool does not get them back. */
  clear(): void {
    this.#discardFrom = -1
    this.#held.clear()
    this.#pool.usedBytes -= this.memoryBytes
    this.#referencedBytes = 0
    this.#pieces = []
    this.#settling = []
    this.#base = this.position
    this.#taken = this.#base
    this.chunk = none
    this.at = 0
    this.#start = 0
  }
}
