/**
 * Decompression of short LZ4 blocks (the format: https://github.com/lz4/lz4/blob/dev/doc/lz4_Block_format.md). For some
 * hundreds of bytes this takes a third of the time of a call into the native library, most of which goes into making a Buffer.
 *
 * It never reads or writes outside the given ranges, whatever the block holds.
 */

const minMatch = 4
/** From so many bytes on a native copy is faster than a loop. */
const nativeCopyMin = 48

/** Decompresses `from[at, end)` into `into[0, length)`. Returns whether the block was a whole one of exactly that length. */
export function decompressBlock(from: Buffer, at: number, end: number, into: Buffer, length: number): boolean {
  let next = at
  let filled = 0
  while (next < end) {
    const token = from[next++]!
    let literals = token >>> 4
    if (literals === 15) {
      for (let more = 255; more === 255 && next < end; literals += more) more = from[next++]!
    }
    if (literals > end - next || literals > length - filled) return false
    if (literals >= nativeCopyMin) {
      from.copy(into, filled, next, next + literals)
      next += literals
      filled += literals
    } else for (const stop = next + literals; next < stop; ) into[filled++] = from[next++]!
    // The last sequence has no match.
    if (next === end) return filled === length
    if (end - next < 2) return false
    const offset = from[next]! | (from[next + 1]! << 8)
    next += 2
    let matched = (token & 15) + minMatch
    if (matched === 15 + minMatch) {
      for (let more = 255; more === 255 && next < end; matched += more) more = from[next++]!
    }
    if (offset === 0 || offset > filled || matched > length - filled) return false
    if (offset === 1 && matched >= nativeCopyMin) {
      into.fill(into[filled - 1]!, filled, filled + matched)
      filled += matched
    } else for (const stop = filled + matched; filled < stop; filled++) into[filled] = into[filled - offset]!
  }
  return false
}
