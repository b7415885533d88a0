/** What subscribers receive, as bytes: an array of bulk strings in RESP2, a push of bulk strings in RESP3. */
import type { Protocol } from '../../engine/reply-writer.ts'

/** Words from this length on stay where they are, in a piece of their own. */
const ownPieceBytesMin = 32 * 1024
const lineEnd = Buffer.from('\r\n')

/** The message in pieces, one but for large words. They never change. */
export function messageBytes(words: readonly Buffer[], protocol: Protocol): readonly Buffer[] {
  const pieces: Buffer[] = []
  let parts: Buffer[] = [Buffer.from(`${protocol === 3 ? '>' : '*'}${words.length}\r\n`, 'latin1')]
  for (const word of words) {
    parts.push(Buffer.from(`$${word.length}\r\n`, 'latin1'))
    if (word.length < ownPieceBytesMin) parts.push(word, lineEnd)
    else {
      pieces.push(Buffer.concat(parts), word)
      parts = [lineEnd]
    }
  }
  pieces.push(Buffer.concat(parts))
  return pieces
}
