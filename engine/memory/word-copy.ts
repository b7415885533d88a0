/**
 * Copies of short values by 32-bit words between the arena, whose values are aligned, and buffers in which they lie
 * anywhere: for 64 bytes a third of the time of a loop over bytes, and half of TypedArray.set with the view it needs.
 * Between two such buffers it takes half of what Buffer.copy does.
 */

/** Up to this length a loop over words beats TypedArray.set. */
export const wordCopyBytesMax = 160

const littleEndian = new Uint8Array(Uint32Array.of(1).buffer)[0] === 1

/** A view of the same bytes for copies by words. */
export function wordView(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

/** Writes `length` bytes from `words[w]` on into `view` at `at`. Up to three bytes behind them are overwritten. */
export function copyFromWords(words: Uint32Array, w: number, view: DataView, at: number, length: number): void {
  const end = at + length
  let from = w
  for (let to = at; to < end; to += 4) view.setInt32(to, words[from++] | 0, littleEndian)
}

/** Writes `length` bytes of `view` from `at` on into `words[w…]`; the bytes behind them in the last word become zero. */
export function copyToWords(view: DataView, at: number, words: Uint32Array, w: number, length: number): void {
  const wordsEnd = at + (length & ~3)
  let to = w
  let from = at
  for (; from < wordsEnd; from += 4) words[to++] = view.getInt32(from, littleEndian)
  const rest = length & 3
  if (rest === 0) return
  let last = 0
  for (let i = 0; i < rest; i++) last |= view.getUint8(from + i) << (littleEndian ? 8 * i : 24 - 8 * i)
  words[to] = last
}

/** Copies `length` bytes of `from` from `at` on into `view` at `to`. */
export function copyBetweenViews(from: DataView, at: number, view: DataView, to: number, length: number): void {
  const end = at + length
  const wordsEnd = at + (length & ~3)
  let read = at
  let write = to
  for (; read < wordsEnd; read += 4, write += 4) view.setInt32(write, from.getInt32(read, littleEndian), littleEndian)
  while (read < end) view.setUint8(write++, from.getUint8(read++))
}

/** Up to this length `copyBytes` beats TypedArray.set with the view that it needs. */
export const byteCopyBytesMax = 64

/** Copies `from[start, end)`, which is short, into `into` at `at`. Returns the offset behind. */
export function copyBytes(from: Uint8Array, start: number, end: number, into: Uint8Array, at: number): number {
  let read = start
  let write = at
  for (const stop = end - 7; read < stop; read += 8, write += 8) {
    into[write] = from[read]
    into[write + 1] = from[read + 1]
    into[write + 2] = from[read + 2]
    into[write + 3] = from[read + 3]
    into[write + 4] = from[read + 4]
    into[write + 5] = from[read + 5]
    into[write + 6] = from[read + 6]
    into[write + 7] = from[read + 7]
  }
  while (read < end) into[write++] = from[read++]
  return write
}
