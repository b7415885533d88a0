/**
 * Finds requests in the bytes of one connection, however they are cut. A request that lies whole in what arrived is not
 * copied: its arguments are ranges of the arriving buffer. What is incomplete moves to a buffer of the connection's own,
 * and parsing goes on where it stopped: no byte is looked at twice, whatever the pieces.
 *
 * The bytes of the request that `next` found stay valid (`Arguments` follows them if they move) until the next call.
 * Resident memory grows with what has arrived (up to four times as much), not with what a client announces.
 *
 * A large argument gets memory of its own, reserved whole once a part has arrived, and laid out so that the keyspace can
 * keep it as the value's memory: nothing copies the value. A request found there owns the buffer (`#ownedBytes`): the parser
 * uses it no more, and goes on elsewhere with what follows. Texts and limits are those of Redis 7.0.
 * When the system refuses memory, all is given up (`lacksMemory`): the client has to be closed.
 * Grammar: https://redis.io/docs/latest/develop/reference/protocol-spec/ (arrays of bulk strings, and inline commands).
 */
import { Arguments } from '../../engine/arguments.ts'
import type { ChunkPool } from '../../engine/chunk-pool.ts'
import { chunkBytes } from '../../engine/chunk-pool.ts'
import { parseInteger } from '../../engine/integer.ts'
import { largeValueBytes, valueHeaderBytes } from '../../engine/keyspace/values.ts'
import { isMemoryRefusal } from '../../engine/memory/refusal.ts'
import { splitInline } from './inline-request.ts'
import type { PipelinedKeys } from './pipelined-keys.ts'

/** What `next` found: a whole request, nothing whole yet, or bytes that are no request (see `failure`). */
export type Found = 'request' | 'more' | 'failure'

export interface ParserLimits {
  /** Longest argument in bytes (`proto-max-bulk-len`). */
  bulkBytesMax: number
  /** Most bytes that may be buffered (`client-query-buffer-limit`); beyond it the client is closed without a word. */
  queryBytesMax: number
  /** Arguments from this length on get memory of their own. 256 KiB unless told. */
  largeBulkBytes?: number | undefined
}

export const parserLimits: ParserLimits = { bulkBytesMax: 512 * 1024 * 1024, queryBytesMax: 1024 * 1024 * 1024 }

const argumentsMax = 0x7fffffff
const lineBytesMax = 64 * 1024
const unauthenticatedArgumentsMax = 10
const unauthenticatedBulkBytesMax = 16 * 1024
/** One read from the system brings at most so many bytes. */
const readBytesMax = 64 * 1024
/** A buffer above this size that is nearly empty is exchanged for a smaller one. */
const shrinkBytesMin = 128 * 1024
/** A count in a header has at most this many digits in the fast path. */
const digitsMax = 9
/** When so many times `largeBulkBytes` of a large argument have arrived, room for all of it is reserved. */
const reserveFactor = 4
/** Room behind a large argument for those that follow: this share of its length, within a limit. */
const followersShare = 1 / 16
const followersBytesMax = 64 * 1024
/** While a large argument arrives behind another one, so many bytes of that are moved for each that comes. */
const movedPerByte = 8

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
  #lacksMemory = false
  /** While `#buffer` is laid out for a large argument: how much of it counts as used. */
  #largeBytes = 0
  /** Where the first `#toMove` bytes of the buffer lie that have yet to be moved there, but for `#moved`. */
  #former: Buffer = nothing
  #moved = 0
  #toMove = 0
  /** Which argument that is. */
  #largeIndex = 0
  /** Memory that the request found last owns, 0 if the parser owns it. */
  #ownedBytes = 0
  /** The request that `next` will return was complete before all that arrived had been taken. */
  #ready = false
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

  /** The system has refused the memory that a request needs: nothing more can be found here. */
  get lacksMemory(): boolean {
    return this.#lacksMemory
  }

  /** Memory of the connection's own buffer, in bytes. */
  get memoryBytes(): number {
    const own = this.#largeBytes > 0 ? this.#largeBytes : this.#own ? this.#buffer.length : 0
    return own + this.#ownedBytes + this.args.starts.length * 8
  }

  /** Takes `bytes[start, end)`, which are lent until `retain` is called. */
  feed(bytes: Buffer, start: number, end: number): void {
    if (this.#overflowed) return
    if (this.#own) {
      try {
        this.#append(bytes, start, end)
      } catch (failure) {
        this.#giveUp(failure)
      }
      return
    }
    this.#lend(bytes, start, end)
  }

  #lend(bytes: Buffer, start: number, end: number): void {
    this.#buffer = bytes
    this.#at = start
    this.#end = end
    this.#start = start
    this.#scanned = start
    if (this.#ownedBytes === 0) this.args.buffer = bytes
  }

  /** Ends the loan: copies what is still needed, the request found last included if `requestInUse`. Memory without use is given back. */
  retain(requestInUse: boolean): void {
    try {
      this.#retain(requestInUse)
    } catch (failure) {
      this.#giveUp(failure)
    }
  }

  #retain(requestInUse: boolean): void {
    if (!requestInUse && this.#left === 0 && !this.#ready) {
      this.#endOwnership()
      this.#start = this.#at
    }
    const needed = this.#end - this.#start
    if (needed === 0) this.#releaseBuffer()
    else if (this.#bulk >= this.#largeBulkBytes) this.#layOut(this.#end - this.#at)
    else if (this.#largeBytes > 0) return
    else if (!this.#own || (this.#buffer.length > shrinkBytesMin && needed < this.#buffer.length / 8 && this.#bulk < 0)) {
      this.#moveTo(this.#roomFor(needed))
    }
  }

  /** Gives back all memory: the connection is gone. */
  close(): void {
    this.#left = 0
    this.#ready = false
    this.#endOwnership()
    this.args.clear()
    this.#releaseBuffer()
  }

  /** Finds the keys of requests that have arrived and that `next` has not returned yet. */
  findPipelinedKeys(keys: PipelinedKeys): void {
    if (this.#left === 0) keys.find(this.#buffer, this.#at, this.#end)
    else keys.clear()
  }

  get buffer(): Buffer {
    return this.#buffer
  }

  /** Looks for the next request. The one before it is no longer valid. */
  next(): Found {
    try {
      return this.#next()
    } catch (failure) {
      this.#giveUp(failure)
      return 'failure'
    }
  }

  /** Gives back all memory when the system has refused some; throws any other failure. */
  #giveUp(failure: unknown): void {
    if (!isMemoryRefusal(failure)) throw failure
    this.#overflowed = true
    this.#lacksMemory = true
    this.close()
  }

  #next(): Found {
    if (this.#overflowed) return 'failure'
    if (this.#ready) {
      this.#ready = false
      return 'request'
    }
    if (this.#left === 0) {
      const found = this.#begin()
      if (found !== 'more' || this.#left === 0) return found
    }
    return this.#bulks()
  }

  /** Reads the header of a request, or an inline one. `more` with arguments left means that those follow. */
  #begin(): Found {
    this.#endOwnership()
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
    if (this.#largeBytes > 0) this.#donateBuffer()
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

  get #largeBulkBytes(): number {
    return this.#limits.largeBulkBytes ?? largeValueBytes
  }

  /** Adds to the connection's own buffer, moving what is still needed if there is no room at its end. */
  #append(bytes: Buffer, start: number, end: number): void {
    const length = end - start
    const needed = this.#end - this.#start + length
    if (needed > this.#limits.queryBytesMax) {
      this.#overflowed = true
      return
    }
    if (this.#largeBytes > 0) {
      this.#appendLarge(bytes, start, end)
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

  /** As `#append` while a large argument arrives. What follows its request stays lent: another buffer takes it. */
  #appendLarge(bytes: Buffer, start: number, end: number): void {
    if (this.#bulk >= this.#largeBulkBytes) this.#layOut(this.#end - this.#at + end - start)
    const taken = Math.min(end - start, this.#buffer.length - this.#end)
    bytes.copy(this.#buffer, this.#end, start, start + taken)
    this.#moveSome(taken * movedPerByte)
    this.#end += taken
    this.#largeBytes += taken
    this.#pool.usedBytes += taken
    if (start + taken === end) return
    if (this.#bulks() === 'request') {
      this.#ready = true
      if (this.#own) this.#append(bytes, start + taken, end)
      else this.#lend(bytes, start + taken, end)
      return
    }
    // The arguments that follow need more than was reserved for them.
    this.#moveTo(this.#roomFor(this.#end - this.#start + end - start - taken))
    this.#append(bytes, start + taken, end)
  }

  /**
   * Makes room for the large argument at `#at`, of which `arrived` bytes have come: all it needs, or four times what has
   * come as long as that is little. In front of it lies what came before it in the request, then a gap for the header of a
   * value in the arena. Nothing to do when there is room.
   */
  #layOut(arrived: number): void {
    const followers = this.#left === 1 ? 0 : Math.min(this.#bulk * followersShare, followersBytesMax)
    // Up to seven bytes behind the value belong to its slot, whose size is a multiple of eight.
    const whole = this.#bulk + 8 + Math.floor(followers)
    const isNew = this.#largeBytes === 0
    const head = this.#at - this.#start
    const isBehindLarge = !isNew && head >= this.#largeBulkBytes * reserveFactor
    const isWhole = arrived >= this.#largeBulkBytes * reserveFactor || 4 * arrived >= whole || (isBehindLarge && whole <= head)
    const at = isNew ? (head + valueHeaderBytes + 7) & ~7 : this.#at
    const room = isWhole ? whole : 4 * arrived
    if (!isNew && Math.min(at + arrived, at + whole) <= this.#buffer.length) return
    const target = Buffer.allocUnsafeSlow(at + room)
    this.#moveSome(Number.POSITIVE_INFINITY)
    const former = this.#buffer
    if (!isBehindLarge) former.copy(target, 0, this.#start, this.#at)
    former.copy(target, at, this.#at, this.#end)
    this.args.move(target, -this.#start)
    const end = at + this.#end - this.#at
    this.#giveBack()
    if (isBehindLarge) this.#beginMove(former, at)
    this.#buffer = target
    this.#own = true
    this.#start = 0
    this.#at = at
    this.#end = end
    this.#scanned = at
    if (isNew) this.#largeIndex = this.args.count
    this.#largeBytes = end
    this.#pool.usedBytes += end
  }

  /** Goes on moving what lies in front of a large argument, and is large itself, to where that arrives: in one go it would take longer than a turn may. */
  #moveSome(bytes: number): void {
    if (this.#moved === this.#toMove) return
    const end = Math.min(this.#toMove, this.#moved + bytes)
    this.#former.copy(this.#buffer, this.#moved, this.#moved, end)
    this.#moved = end
    if (end === this.#toMove) this.#endMove()
  }

  #beginMove(former: Buffer, bytes: number): void {
    this.#former = former
    this.#toMove = bytes
    this.#pool.usedBytes += bytes
  }

  #endMove(): void {
    this.#pool.usedBytes -= this.#toMove
    this.#former = nothing
    this.#moved = 0
    this.#toMove = 0
  }

  /** The request is complete: it owns the buffer from now on, and what follows it moves elsewhere. */
  #donateBuffer(): void {
    this.#moveSome(Number.POSITIVE_INFINITY)
    const { args } = this
    const from = this.#buffer
    const rest = this.#end - this.#at
    args.ownsBuffer = true
    if (from.length - args.length(this.#largeIndex) <= args.length(this.#largeIndex) / 8) args.donated = this.#largeIndex
    this.#ownedBytes = this.#largeBytes
    this.#largeBytes = 0
    this.#own = false
    this.#buffer = nothing
    if (rest > 0) {
      this.#buffer = this.#roomFor(rest)
      this.#own = true
    }
    from.copy(this.#buffer, 0, this.#at, this.#end)
    this.#start = 0
    this.#at = 0
    this.#end = rest
    this.#scanned = 0
  }

  /** The request that owns its buffer is over: whoever took the memory keeps it. */
  #endOwnership(): void {
    if (this.#ownedBytes === 0) return
    this.#pool.usedBytes -= this.#ownedBytes
    this.#ownedBytes = 0
    this.args.ownsBuffer = false
    this.args.donated = -1
    this.args.buffer = this.#buffer
  }

  /** Moves what is still needed to the beginning of `target`, which may be the present buffer. */
  #moveTo(target: Buffer): void {
    const by = -this.#start
    this.#moveSome(Number.POSITIVE_INFINITY)
    this.#buffer.copy(target, 0, this.#start, this.#end)
    if (target !== this.#buffer) {
      this.#giveBack()
      this.#buffer = target
      this.#own = true
    }
    if (this.#ownedBytes === 0) this.args.move(target, by)
    this.#start = 0
    this.#at += by
    this.#end += by
    this.#scanned += by
  }

  #giveBack(): void {
    this.#endMove()
    if (this.#largeBytes > 0) {
      this.#pool.usedBytes -= this.#largeBytes
      this.#largeBytes = 0
    } else if (this.#own) this.#pool.release(this.#buffer)
    this.#own = false
  }

  #releaseBuffer(): void {
    this.#giveBack()
    this.#buffer = nothing
    if (this.#ownedBytes === 0) this.args.buffer = nothing
    this.#at = 0
    this.#end = 0
    this.#start = 0
    this.#scanned = 0
  }
}
