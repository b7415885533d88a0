/**
 * What subscribers receive, as bytes: an array of bulk strings in RESP2, a push of bulk strings in RESP3. Messages of one kind lie one behind the other
 * in blocks, so that who receives several in a row refers to them as one range.
 */
import type { SharedRange } from '../../engine/output-buffer.ts'
import type { Protocol } from '../../engine/reply-writer.ts'

/** A block stays in memory as long as anyone has still to receive something of it. */
const blockBytes = 16 * 1024
/** Longer messages have memory of their own; words from this length on stay where they are, in a piece of their own. */
const blockMessageBytesMax = 4 * 1024
const ownPieceBytesMin = 32 * 1024
const headBytesMax = 16
const lineEnd = Buffer.from('\r\n')

export class MessageBlocks {
  readonly #protocol: Protocol
  #block = Buffer.alloc(0)
  #at = 0

  constructor(protocol: Protocol) {
    this.#protocol = protocol
  }

  /** The message in pieces, one but for large words. They never change. */
  encode(words: readonly Buffer[]): readonly SharedRange[] {
    let bytesMax = headBytesMax
    for (const word of words) bytesMax += word.length + headBytesMax
    if (bytesMax > blockMessageBytesMax) return piecesOf(words, this.#protocol)
    if (this.#block.length - this.#at < bytesMax) {
      this.#block = Buffer.allocUnsafeSlow(blockBytes)
      this.#at = 0
    }
    const block = this.#block
    const start = this.#at
    let at = start + block.write(head(this.#protocol, words.length), start, 'latin1')
    for (const word of words) {
      at += block.write(`$${word.length}\r\n`, at, 'latin1')
      at += word.copy(block, at)
      at += lineEnd.copy(block, at)
    }
    this.#at = at
    return [{ bytes: block, start, end: at }]
  }
}

function head(protocol: Protocol, count: number): string {
  return `${protocol === 3 ? '>' : '*'}${count}\r\n`
}

function piecesOf(words: readonly Buffer[], protocol: Protocol): readonly SharedRange[] {
  const pieces: Buffer[] = []
  let parts: Buffer[] = [Buffer.from(head(protocol, words.length), 'latin1')]
  for (const word of words) {
    parts.push(Buffer.from(`$${word.length}\r\n`, 'latin1'))
    if (word.length < ownPieceBytesMin) parts.push(word, lineEnd)
    else {
      pieces.push(Buffer.concat(parts), word)
      parts = [lineEnd]
    }
  }
  pieces.push(Buffer.concat(parts))
  return pieces.map((bytes) => ({ bytes, start: 0, end: bytes.length }))
}
