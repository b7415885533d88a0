/**
 * Finds requests in the bytes of one connection, however they are cut. A request that lies whole in what arrived is not
 * copied: its arguments are ranges of the arriving buffer. What is incomplete moves to a buffer of the connection's own,
 * and parsing goes on where it stopped: no byte is looked at twice, whatever the pieces.
 *
 * The bytes of the request that `next` found stay valid (`Arguments` follows them if they move) until the next call.
 * Memory grows with what has arrived, not with what a client announces. Texts and limits are those of Redis 7.0.
 * Grammar: https://redis.io/docs/latest/develop/reference/protocol-spec/ (arrays of bulk strings, and inline commands).
 */
import { Arguments } from '../../engine/arguments.ts'
import { parseInteger } from '../../engine/integer.ts'
import type { ChunkPool } from '../../engine/output-buffer.ts'
import { chunkBytes } from '../../engine/output-buffer.ts'
import { splitInline } from './inline-request.ts'
import type { KeyPreview } from './key-preview.ts'

/** What `next` found: a whole request, nothing whole yet, or bytes that are no request (see `failure`). */
export type Found = 'request' | 'more' | 'failure'

export interface ParserLimits {
  /** Longest argument in bytes (`proto-max-bulk-len`). */
  bulkBytesMax: number
  /** Most bytes that may be buffered (`client-query-buffer-limit`); beyond it the client is closed without a word. */
  queryBytesMax: number
}

export const parserLimits: ParserLimits = { bulkBytesMax: 512 * 1024 * 1024, queryBytesMax: 1024 * 1024 * 1024 }

const argumentsMax = 0x7fffffff
const lineBytesMax = 64 * 1024
const unauthenticatedArgumentsMax = 10
const unauthenticatedBulkBytesMax = 16 * 1024
/** The system hands over at most this much at a time. */
const readBytesMax = 64 * 1024
/** A buffer above this size that is nearly empty is exchanged for a smaller one. */
const shrinkBytesMin = 128 * 1024
/** A count in a header has at most this many digits in the fast path. */
const digitsMax = 9

const star = 0x2a
const dollar = 0x24
const cr = 0x0d
const lf = 0x0a
const zero = 0x30
const nothing = Buffer.alloc(0)

export class RequestParser {
  readonly args = new Arguments()
  /** Why parsing failed, as the text of the error reply; empty when the client is to be closed without one. */
  failure = ''
  /** Until a client has authenticated (where it must), it may send small requests only. */
  authenticated = true
  #buffer: Buffer = nothing
  /** Whether `#buffer` is the connection's own, not one that is lent for the moment. */
  #own = false
  #at = 0
  #end = 0
  /** Where the request began that is being read, or that was found last. */
  #start = 0
  /** Arguments of the request that have not been read yet. */
  #left = 0
  /** Announced length of the argument at `#at`, or -1 when its header has not been read. */
  #bulk = -1
  /** Bytes before this place hold no line end: the search goes on from here. */
  #scanned = 0
  /** What `line` found: the value and the end of the header line. */
  #value = 0
  #lineEnd = 0
  #overflowed = false
  readonly #pool: ChunkPool
  readonly #limits: ParserLimits

  constructor(pool: ChunkPool, limits: ParserLimits = parserLimits) {
    this.#pool = pool
    this.#limits = limits
  }

  /** Bytes that have arrived and are not part of a request found yet. */
  get unparsedBytes(): number {
    return this.#end - this.#at
  }

  /** Memory of the connection's own buffer, in bytes. */
  get memoryBytes(): number {
    return (this.#own ? this.#buffer.length : 0) + this.args.starts.length * 8
  }

  /** Takes `bytes[start, end)`, which are lent until `retain` is called. */
  feed(bytes: Buffer, start: number, end: number): void {
    if (this.#own) {
      this.#append(bytes, start, end)
      return
    }
    this.#buffer = bytes
    this.#at = start
    this.#end = end
    this.#start = start
    this.#scanned = start
    this.args.buffer = bytes
  }

  /** Ends the loan: copies what is still needed, the request found last included if `requestInUse`. Memory without use is given back. */
  retain(requestInUse: boolean): void {
    if (!requestInUse && this.#left === 0) this.#start = this.#at
    const needed = this.#end - this.#start
    if (needed === 0) this.#letGo()
    else if (!this.#own || (this.#buffer.length > shrinkBytesMin && needed < this.#buffer.length / 8 && this.#bulk < 0)) {
      this.#moveTo(this.#roomFor(needed))
    }
  }

  /** Gives back all memory: the connection is gone. */
  close(): void {
    this.#left = 0
    this.args.clear()
    this.#letGo()
  }

  /** Looks ahead at requests that have arrived and were not found yet. */
  preview(keys: KeyPreview): void {
    if (this.#left === 0) keys.look(this.#buffer, this.#at, this.#end)
    else keys.count = 0
  }

  get buffer(): Buffer {
    return this.#buffer
  }

  /** Looks for the next request. The one before it is no longer valid. */
  next(): Found {
    if (this.#overflowed) return 'failure'
    if (this.#left === 0) {
      const found = this.#begin()
      if (found !== 'more' || this.#left === 0) return found
    }
    return this.#bulks()
  }

  /** Reads the header of a request, or an inline one. `more` with arguments left means that those follow. */
  #begin(): Found {
    for (;;) {
      this.#start = this.#at
      this.args.clear()
      if (this.#at >= this.#end) return 'more'
      if (this.#buffer[this.#at] !== star) {
        const found = this.#inline()
        if (found !== 'request' || this.args.count > 0) return found
        continue
      }
      if (!this.#line()) return this.#unended('too big mbulk count string')
      const count = this.#value
      if (!(count <= argumentsMax)) return this.#fail('invalid multibulk length')
      if (count > unauthenticatedArgumentsMax && !this.authenticated) return this.#fail('unauthenticated multibulk length')
      this.#at = this.#lineEnd
      this.#scanned = this.#at
      if (count > 0) {
        this.#left = count
        this.#bulk = -1
        return 'more'
      }
    }
  }

  #bulks(): Found {
    const args = this.args
    while (this.#left > 0) {
      if (this.#bulk < 0) {
        if (this.#at >= this.#end) return 'more'
        if (!this.#line()) return this.#unended('too big bulk count string')
        const type = this.#buffer[this.#at]!
        if (type !== dollar) return this.#fail(`expected '$', got '${String.fromCharCode(type)}'`)
        const length = this.#value
        if (!(length >= 0 && length <= this.#limits.bulkBytesMax)) return this.#fail('invalid bulk length')
        if (length > unauthenticatedBulkBytesMax && !this.authenticated) return this.#fail('unauthenticated bulk length')
        this.#at = this.#lineEnd
        this.#bulk = length
      }
      const end = this.#at + this.#bulk
      if (this.#end < end + 2) return 'more'
      args.push(this.#at, end)
      this.#at = end + 2
      this.#scanned = this.#at
      this.#bulk = -1
      this.#left--
    }
    return 'request'
  }

  /** Reads the header line at `#at`: false if its end has not arrived. A count that is no integer reads as NaN. */
  #line(): boolean {
    const buffer = this.#buffer
    const end = this.#end
    const first = this.#at + 1
    let at = first
    let value = 0
    const stop = Math.min(end, first + digitsMax)
    while (at < stop) {
      const digit = buffer[at]! - zero
      if (digit < 0 || digit > 9) break
      value = value * 10 + digit
      at++
    }
    if (at + 1 < end && buffer[at] === cr && at > first && (buffer[first] !== zero || at === first + 1)) {
      this.#value = value
      this.#lineEnd = at + 2
      return true
    }
    at = Math.max(this.#scanned, this.#at)
    while (at < end && buffer[at] !== cr) at++
    this.#scanned = at
    if (at + 1 >= end) return false
    this.#value = parseInteger(buffer, first, at)
    this.#lineEnd = at + 2
    return true
  }

  #unended(failure: string): Found {
    return this.#scanned === this.#end && this.#end - this.#at > lineBytesMax ? this.#fail(failure) : 'more'
  }

  #inline(): Found {
    const buffer = this.#buffer
    let at = this.#scanned
    while (at < this.#end && buffer[at] !== lf) at++
    this.#scanned = at
    if (at >= this.#end) return this.#unended('too big inline request')
    const end = at > this.#at && buffer[at - 1] === cr ? at - 1 : at
    if (!splitInline(buffer, this.#at, end, this.args)) return this.#fail('unbalanced quotes in request')
    this.#at = at + 1
    this.#scanned = this.#at
    return 'request'
  }

  #fail(text: string): Found {
    this.failure = `ERR Protocol error: ${text}`
    return 'failure'
  }

  /** Adds to the connection's own buffer, moving what is still needed if there is no room at its end. */
  #append(bytes: Buffer, start: number, end: number): void {
    const length = end - start
    const needed = this.#end - this.#start + length
    if (needed > this.#limits.queryBytesMax) {
      this.#overflowed = true
      return
    }
    if (this.#end + length > this.#buffer.length) {
      if (needed <= this.#buffer.length && this.#start >= this.#buffer.length / 2) this.#moveTo(this.#buffer)
      else this.#moveTo(this.#roomFor(needed))
    }
    bytes.copy(this.#buffer, this.#end, start, end)
    this.#end += length
  }

  /** A buffer for `needed` bytes and, within reason, for those that were announced: up to four times as much, and no more than that if nothing follows. */
  #roomFor(needed: number): Buffer {
    if (needed <= chunkBytes) return this.#pool.acquire()
    const announced = this.#bulk < 0 ? 0 : this.#at - this.#start + this.#bulk + readBytesMax
    const wanted = Math.min(announced, 4 * needed)
    return this.#pool.acquireLarge(this.#left === 1 && announced > needed ? wanted : Math.max(2 * needed, wanted))
  }

  /** Moves what is still needed to the beginning of `target`, which may be the present buffer. */
  #moveTo(target: Buffer): void {
    const by = -this.#start
    this.#buffer.copy(target, 0, this.#start, this.#end)
    if (target !== this.#buffer) {
      this.#giveBack()
      this.#buffer = target
      this.#own = true
    }
    this.args.move(target, by)
    this.#start = 0
    this.#at += by
    this.#end += by
    this.#scanned += by
  }

  #giveBack(): void {
    if (this.#own) this.#pool.release(this.#buffer)
    this.#own = false
  }

  #letGo(): void {
    this.#giveBack()
    this.#buffer = nothing
    this.args.buffer = nothing
    this.#at = 0
    this.#end = 0
    this.#start = 0
    this.#scanned = 0
  }
}
