/**
 * The arguments of one request, as ranges of one buffer: no object per argument. The connection's parser fills it, one
 * instance serves all requests of a connection, and nothing in it outlives the request: whoever keeps an argument copies it.
 * Argument 0 is the command's name.
 */
import { parseDouble } from './double.ts'
import { isInt64, parseBigInteger, parseInteger } from './integer.ts'

const keptRoom = 1024
const textBytesMax = 16 * 1024 * 1024

export class Arguments {
  buffer: Buffer = Buffer.alloc(0)
  count = 0
  starts = new Int32Array(16)
  ends = new Int32Array(16)
  /** Whether the buffer is this request's alone and is not used again: its bytes then stay as they are for as long as anyone refers to them. */
  ownsBuffer = false
  /**
   * The large argument that is donated: its memory may become the value's own. -1 when there is none. It starts at a multiple of 8, with
   * room for the value's header in front of it and for the slot's last bytes behind it.
   */
  donated = -1

  /** Arguments made of texts (UTF-8) or bytes: for tests, tools and requests that the server itself makes. */
  static of(...parts: readonly (string | number | Uint8Array)[]): Arguments {
    const made = new Arguments()
    const bytes = parts.map((part) => (part instanceof Uint8Array ? part : Buffer.from(String(part))))
    made.buffer = Buffer.concat(bytes)
    let at = 0
    for (const part of bytes) {
      made.push(at, at + part.length)
      at += part.length
    }
    return made
  }

  start(index: number): number {
    return this.starts[index]!
  }

  end(index: number): number {
    return this.ends[index]!
  }

  /** The length of the argument in bytes. */
  length(index: number): number {
    return this.ends[index]! - this.starts[index]!
  }

  /** Whether the argument is this word of ASCII, in whatever case. `word` is written in capitals, or in small letters: either will do. */
  is(index: number, word: string): boolean {
    const start = this.starts[index]!
    const length = word.length
    if (this.ends[index]! - start !== length) return false
    const buffer = this.buffer
    for (let i = 0; i < length; i++) {
      const wanted = word.charCodeAt(i)
      const found = buffer[start + i]!
      if (found !== wanted) {
        const letter = wanted | 0x20
        if ((found | 0x20) !== letter || letter < 0x61 || letter > 0x7a) return false
      }
    }
    return true
  }

  /** Whether two arguments are the same bytes. */
  same(index: number, other: number): boolean {
    return this.buffer.compare(this.buffer, this.starts[other]!, this.ends[other]!, this.starts[index]!, this.ends[index]!) === 0
  }

  /** The argument as an integer by Redis's strict rules, or NaN when it is none or is not within ±(2^53 − 1). */
  integer(index: number): number {
    return parseInteger(this.buffer, this.starts[index]!, this.ends[index]!)
  }

  /** The argument as a signed 64-bit integer, or undefined when it is none. */
  bigInteger(index: number): bigint | undefined {
    return parseBigInteger(this.buffer, this.starts[index]!, this.ends[index]!)
  }

  isInt64(index: number): boolean {
    return isInt64(this.buffer, this.starts[index]!, this.ends[index]!)
  }

  /** The argument as a float as Redis reads one: ±Infinity for `inf`, NaN when it is not a float or is `nan`. */
  float(index: number): number {
    return parseDouble(this.buffer, this.starts[index]!, this.ends[index]!)
  }

  /** A copy as text, for rare use. With `latin1` each byte is one character. Longer than any name can be, it is cut: V8 has no text of 512 MB. */
  string(index: number, encoding: 'utf8' | 'latin1' = 'utf8'): string {
    const start = this.starts[index]!
    return this.buffer.toString(encoding, start, Math.min(this.ends[index]!, start + textBytesMax))
  }

  /** A view, valid as long as the request: for rare use. */
  bytes(index: number): Buffer {
    return this.buffer.subarray(this.starts[index]!, this.ends[index]!)
  }

  /** Whether `bytes[start, end)` is the donated argument; if so, the caller owns its memory from now on, and it is donated no more. */
  take(bytes: Uint8Array, start: number, end: number): boolean {
    const index = this.donated
    if (index < 0 || bytes !== this.buffer || start !== this.starts[index] || end !== this.ends[index]) return false
    this.donated = -1
    return true
  }

  /** The arguments of a request that is kept while the connection goes on. They own their memory: they get this one's if it owns it, else a copy. */
  keep(): Arguments {
    const kept = new Arguments()
    if (this.ownsBuffer) {
      kept.buffer = this.buffer
      kept.ownsBuffer = true
      kept.donated = this.donated
      this.donated = -1
      for (let i = 0; i < this.count; i++) kept.push(this.starts[i]!, this.ends[i]!)
      return kept
    }
    let bytes = 0
    for (let i = 0; i < this.count; i++) bytes += this.length(i)
    kept.buffer = Buffer.allocUnsafe(bytes)
    let at = 0
    for (let i = 0; i < this.count; i++) {
      this.buffer.copy(kept.buffer, at, this.starts[i], this.ends[i])
      kept.push(at, at + this.length(i))
      at += this.length(i)
    }
    return kept
  }

  /** Forgets the arguments, and the room that an uncommonly long request needed. */
  clear(): void {
    this.count = 0
    if (this.starts.length > keptRoom) {
      this.starts = new Int32Array(16)
      this.ends = new Int32Array(16)
    }
  }

  push(start: number, end: number): void {
    const index = this.count
    if (index === this.starts.length) this.#grow()
    this.starts[index] = start
    this.ends[index] = end
    this.count = index + 1
  }

  /** The same bytes now lie in `buffer`, `by` places further on (or back, if negative). */
  move(buffer: Buffer, by: number): void {
    this.buffer = buffer
    if (by === 0) return
    for (let i = 0; i < this.count; i++) {
      this.starts[i]! += by
      this.ends[i]! += by
    }
  }

  #grow(): void {
    const starts = new Int32Array(this.starts.length * 2)
    const ends = new Int32Array(this.ends.length * 2)
    starts.set(this.starts)
    ends.set(this.ends)
    this.starts = starts
    this.ends = ends
  }
}
