/**
 * Writes replies in RESP2 or RESP3 into a connection's output. A handler says what it answers (a map, a set, a double) and
 * this class knows what that looks like in the client's protocol. Nothing here allocates for common replies.
 *
 * An aggregate's header says how many elements follow: `array(n)` before them, or `arrayDeferred()` before and
 * `resolve(token, n)` after them, the innermost first. `rewindTo` takes back what a failed handler had begun.
 */

import { chunkBytes } from './chunk-pool.ts'
import { formatDouble } from './double.ts'
import { formatInteger, integerLength } from './integer.ts'
import { byteCopyBytesMax, copyBytes, copyFromWords } from './memory/word-copy.ts'
import { OutputBuffer } from './output-buffer.ts'

export type Protocol = 2 | 3

/** Values of at least this many bytes are worth a reference rather than a copy, where the caller can promise that they do not change. */
export const sharedBytesMin = 32 * 1024
/** Up to this length a loop over characters beats Buffer.write. */
const loopCharactersMax = 40

const dollar = 0x24
const star = 0x2a
const colon = 0x3a
const plus = 0x2b
const dash = 0x2d
const percent = 0x25
const tilde = 0x7e
const greater = 0x3e
const comma = 0x2c
const hash = 0x23
const equals = 0x3d
const parenthesis = 0x28
const cr = 0x0d
const lf = 0x0a

const okReply = Buffer.from('+OK\r\n')
const queuedReply = Buffer.from('+QUEUED\r\n')
const nilReply = Buffer.from('_\r\n')
const nilBulk = Buffer.from('$-1\r\n')
const nilArrayReply = Buffer.from('*-1\r\n')
const emptyBulk = Buffer.from('$0\r\n\r\n')
/** A type, a minus, sixteen digits, CR, LF. */
const headerBytesMax = 20

export class ReplyWriter {
  /** Set by the session: what HELLO agreed on. */
  protocol: Protocol = 2
  /** Called with the text of each error reply, for statistics. */
  onError: ((text: string) => void) | undefined
  readonly output: OutputBuffer

  constructor(output: OutputBuffer = new OutputBuffer()) {
    this.output = output
  }

  /** Bytes written since the connection began. */
  get position(): number {
    return this.output.position
  }

  /** Takes back everything written after `position`. */
  rewindTo(position: number): void {
    this.output.rewindTo(position)
  }

  /** While set, replies leave no trace: the client asked for none. */
  get discarding(): boolean {
    return this.output.discarding
  }

  set discarding(on: boolean) {
    this.output.discarding = on
  }

  ok(): void {
    this.#short(okReply)
  }

  queued(): void {
    this.#short(queuedReply)
  }

  /** A simple string: `+text`. */
  status(text: string): void {
    this.#line(plus, text)
  }

  /**
   * An error: `-text`. The text begins with its code (`ERR …`, `WRONGTYPE …`); line ends in it become spaces, those around it nothing. It is sent as
   * Latin-1, so that bytes of a request that it quotes (`args.string(i, 'latin1')`) come back as they were.
   */
  error(text: string): void {
    this.onError?.(text)
    const line = /[\r\n]/.test(text) ? text.replace(/^[\r\n]+|[\r\n]+$/g, '').replace(/[\r\n]/g, ' ') : text
    const output = this.output
    output.room(1)
    output.chunk[output.at++] = dash
    if (line.length + 2 > chunkBytes) {
      this.#long(Buffer.from(line, 'latin1'))
      return
    }
    output.room(line.length + 2)
    output.at += output.chunk.write(line, output.at, 'latin1')
    this.#lineEnd()
  }

  /** An integer that is safe in a JS number. */
  integer(n: number): void {
    this.#header(colon, n)
  }

  bigInteger(n: bigint): void {
    this.#line(colon, n.toString())
  }

  /** The bytes `buffer[start, end)` as a bulk string, copied. */
  bulk(buffer: Uint8Array, start: number, end: number): void {
    const length = end - start
    if (length > byteCopyBytesMax) {
      this.#header(dollar, length)
      this.#large(buffer, start, end)
      return
    }
    const output = this.output
    if (output.chunk.length - output.at < length + 8) output.room(length + 8)
    const chunk = output.chunk
    let at = output.at
    chunk[at++] = dollar
    if (length < 10) {
      chunk[at++] = 0x30 + length
    } else {
      const tens = (length / 10) | 0
      chunk[at++] = 0x30 + tens
      chunk[at++] = 0x30 + length - tens * 10
    }
    chunk[at++] = cr
    chunk[at++] = lf
    at = copyBytes(buffer, start, end, chunk, at)
    chunk[at++] = cr
    chunk[at++] = lf
    output.at = at
  }

  /** Like `bulk` for bytes that begin with the word `words[w]`. */
  bulkWords(words: Uint32Array, w: number, length: number): void {
    const output = this.output
    const needed = headerBytesMax + length + 4
    if (output.chunk.length - output.at < needed) output.room(needed)
    this.#header(dollar, length)
    const { at, chunk } = output
    copyFromWords(words, w, output.view, at, length)
    const end = at + length
    chunk[end] = cr
    chunk[end + 1] = lf
    output.at = end + 2
  }

  /** Like `bulk`, without a copy if the value is large: the caller promises that the bytes do not change until they are sent. */
  bulkShared(buffer: Buffer, start: number, end: number): void {
    if (end - start < sharedBytesMin) {
      this.bulk(buffer, start, end)
      return
    }
    this.#header(dollar, end - start)
    this.output.share(buffer, start, end)
    this.#lineEnd()
  }

  /** A bulk string made of text, as UTF-8. */
  text(text: string): void {
    if (text.length === 0) {
      this.#short(emptyBulk)
      return
    }
    this.#textBulk(dollar, '', text)
  }

  nil(): void {
    this.#short(this.protocol === 3 ? nilReply : nilBulk)
  }

  /** Where RESP2 answers a null array (a blocked command that ran out of time, an aborted EXEC). */
  nilArray(): void {
    this.#short(this.protocol === 3 ? nilReply : nilArrayReply)
  }

  /** The header of an array: `n` elements follow. */
  array(n: number): void {
    this.#header(star, n)
  }

  /** The header of a map: `n` pairs follow. */
  map(n: number): void {
    if (this.protocol === 3) this.#header(percent, n)
    else this.#header(star, 2 * n)
  }

  set(n: number): void {
    this.#header(this.protocol === 3 ? tilde : star, n)
  }

  /** The header of a message that answers no request. */
  push(n: number): void {
    this.#header(this.protocol === 3 ? greater : star, n)
  }

  double(n: number): void {
    if (!Number.isSafeInteger(n) || Object.is(n, -0)) this.doubleText(formatDouble(n))
    else if (this.protocol === 3) this.#header(comma, n)
    else this.#integerBulk(n)
  }

  /** A double in the digits that the caller wants. */
  doubleText(text: string): void {
    if (this.protocol === 3) this.#line(comma, text)
    else this.text(text)
  }

  boolean(value: boolean): void {
    if (this.protocol === 3) this.#line(hash, value ? 't' : 'f')
    else this.#header(colon, value ? 1 : 0)
  }

  /** Text for people; `format` has three letters: `txt` or `mkd`. */
  verbatim(format: string, text: string): void {
    if (this.protocol === 3) this.#textBulk(equals, `${format}:`, text)
    else this.text(text)
  }

  /** An integer of any size, in decimal. */
  bigNumber(n: bigint): void {
    if (this.protocol === 3) this.#line(parenthesis, n.toString())
    else this.text(n.toString())
  }

  /** An array whose length comes later: pass the token to `resolve`. */
  arrayDeferred(): number {
    return this.output.reserve(star, 1)
  }

  mapDeferred(): number {
    return this.protocol === 3 ? this.output.reserve(percent, 1) : this.output.reserve(star, 2)
  }

  setDeferred(): number {
    return this.output.reserve(this.protocol === 3 ? tilde : star, 1)
  }

  /** `n` elements (pairs, for a map) were written since the token was given. */
  resolve(token: number, n: number): void {
    this.output.fill(token, n)
  }

  /** Bytes that are a reply already. */
  raw(buffer: Uint8Array, start: number, end: number): void {
    this.output.copy(buffer, start, end)
  }

  /** As `raw` without a copy: the bytes never change again. */
  rawShared(buffer: Buffer): void {
    this.output.share(buffer, 0, buffer.length)
  }

  #short(reply: Uint8Array): void {
    const output = this.output
    const length = reply.length
    if (output.chunk.length - output.at < length) output.room(length)
    const { chunk, at } = output
    for (let i = 0; i < length; i++) chunk[at + i] = reply[i]!
    output.at = at + length
  }

  #header(type: number, n: number): void {
    const output = this.output
    if (output.chunk.length - output.at < headerBytesMax) output.room(headerBytesMax)
    const chunk = output.chunk
    let at = output.at
    chunk[at] = type
    at = formatInteger(chunk, at + 1, n)
    chunk[at] = cr
    chunk[at + 1] = lf
    output.at = at + 2
  }

  /** A safe integer as a bulk string. */
  #integerBulk(n: number): void {
    this.#header(dollar, integerLength(n))
    const output = this.output
    if (output.chunk.length - output.at < headerBytesMax) output.room(headerBytesMax)
    const chunk = output.chunk
    const at = formatInteger(chunk, output.at, n)
    chunk[at] = cr
    chunk[at + 1] = lf
    output.at = at + 2
  }

  #lineEnd(): void {
    const output = this.output
    output.room(2)
    output.chunk[output.at++] = cr
    output.chunk[output.at++] = lf
  }

  /** A short text between a type and a line end. */
  #line(type: number, text: string): void {
    const output = this.output
    const bytesMax = 3 * text.length + 3
    if (bytesMax > chunkBytes) {
      output.room(1)
      output.chunk[output.at++] = type
      this.#long(Buffer.from(text))
      return
    }
    output.room(bytesMax)
    output.chunk[output.at++] = type
    this.#plain(text)
    this.#lineEnd()
  }

  /** Text, for which there is room. */
  #plain(text: string): void {
    const { output } = this
    const { chunk, at } = output
    const { length } = text
    if (length <= loopCharactersMax) {
      let i = 0
      for (; i < length; i++) {
        const code = text.charCodeAt(i)
        if (code >= 0x80) break
        chunk[at + i] = code
      }
      if (i === length) {
        output.at = at + length
        return
      }
    }
    output.at = at + chunk.write(text, at)
  }

  #textBulk(type: number, prefix: string, text: string): void {
    const output = this.output
    const length = prefix.length + Buffer.byteLength(text)
    this.#header(type, length)
    if (length + 2 > chunkBytes) {
      this.#long(Buffer.from(prefix + text))
      return
    }
    output.room(length + 2)
    this.#plain(prefix + text)
    this.#lineEnd()
  }

  #long(bytes: Uint8Array): void {
    this.#large(bytes, 0, bytes.length)
  }

  #large(bytes: Uint8Array, start: number, end: number): void {
    this.output.copy(bytes, start, end)
    this.#lineEnd()
  }
}
