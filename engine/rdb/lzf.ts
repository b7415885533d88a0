/**
 * LZF, the compression of strings in RDB. A compressed string is a row of runs:
 *
 *   000lllll · l + 1 bytes as they are
 *   lllooooo oooooooo · l + 2 bytes from o + 1 bytes back, 0 < l < 7
 *   111ooooo llllllll oooooooo · l + 9 bytes from o + 1 bytes back
 *
 * Which of the possible forms the compressor makes is free. It looks for three bytes in a table of 2^16 places, takes the first
 * match, and notes two places at the end of each, with the hash that Redis uses, so that most dumps come out as Redis's do.
 */

const literalMax = 32
const distanceMax = 1 << 13
const matchMax = (1 << 8) + (1 << 3)
/** Redis compares so many bytes of a match in a row when more may follow, and then one more, be that the end or not. */
const unrolled = 16
const tableBits = 16
const tableMask = (1 << tableBits) - 1
const tableValueMax = 2 ** 32 - 1

/** Where three bytes with a hash were seen last, plus `base`; what is below it is of an earlier string. */
const table = new Uint32Array(1 << tableBits)
let base = 1

/**
 * Compresses `from[start, end)` into `into` from `at` on, in at most `room` bytes. Returns how many it took, or 0 when they do
 * not suffice.
 */
export function compressLzf(from: Uint8Array, start: number, end: number, into: Uint8Array, at: number, room: number): number {
  const length = end - start
  if (length < 3 || room < 4) return 0
  if (base + length > tableValueMax) {
    table.fill(0)
    base = 1
  }
  const offset = base - start
  base += length
  const outEnd = at + room
  let out = at + 1
  let literals = 0
  let in_ = start
  const last = end - 2
  let three = (from[in_] << 8) | from[in_ + 1]
  while (in_ < last) {
    three = ((three << 8) | from[in_ + 2]) & 0xffffff
    const place = ((three >>> (24 - tableBits)) - Math.imul(three, 5)) & tableMask
    const found = table[place] - offset
    table[place] = in_ + offset
    const distance = in_ - found - 1
    if (
      found <= start ||
      distance >= distanceMax ||
      from[found + 2] !== from[in_ + 2] ||
      from[found + 1] !== from[in_ + 1] ||
      from[found] !== from[in_]
    ) {
      if (out >= outEnd) return 0
      literals++
      into[out++] = from[in_++]
      if (literals === literalMax) {
        into[out - literals - 1] = literals - 1
        literals = 0
        out++
      }
      continue
    }
    if (out - (literals === 0 ? 1 : 0) + 4 >= outEnd) return 0
    const longest = Math.min(end - in_ - 2, matchMax)
    const max = longest === unrolled + 1 || longest === unrolled + 2 ? unrolled + 3 : longest
    let matched = 2
    do matched++
    while (matched < max && from[found + matched] === from[in_ + matched])
    if (literals === 0) out--
    else into[out - literals - 1] = literals - 1
    const more = matched - 2
    if (more < 7) into[out++] = (distance >> 8) + (more << 5)
    else {
      into[out++] = (distance >> 8) + (7 << 5)
      into[out++] = more - 7
    }
    into[out++] = distance
    literals = 0
    out++
    in_ += matched
    if (in_ >= last) break
    for (let noted = in_ - 2; noted < in_; noted++) {
      three = (from[noted] << 16) | (from[noted + 1] << 8) | from[noted + 2]
      table[((three >>> (24 - tableBits)) - Math.imul(three, 5)) & tableMask] = noted + offset
    }
    three = (from[in_] << 8) | from[in_ + 1]
  }
  if (out + 3 > outEnd) return 0
  while (in_ < end) {
    literals++
    into[out++] = from[in_++]
    if (literals < literalMax) continue
    into[out - literals - 1] = literals - 1
    literals = 0
    out++
  }
  if (literals === 0) out--
  else into[out - literals - 1] = literals - 1
  return out - at
}

/** Decompresses `from[start, end)` to the whole of `into`; false when that is not what it is. */
export function decompressLzf(from: Uint8Array, start: number, end: number, into: Uint8Array): boolean {
  const unpacking = new LzfUnpacking(from, start, end, into, 0, into.length)
  return unpacking.step(Number.POSITIVE_INFINITY) && unpacking.isComplete
}

/** Decompresses `from[start, end)` to `into[at, outEnd)`, a part at a time. */
export class LzfUnpacking {
  readonly #from: Uint8Array
  readonly #end: number
  readonly #into: Uint8Array
  readonly #outStart: number
  readonly #outEnd: number
  #at: number
  #out: number

  constructor(from: Uint8Array, start: number, end: number, into: Uint8Array, at: number, outEnd: number) {
    this.#from = from
    this.#at = start
    this.#end = end
    this.#into = into
    this.#outStart = at
    this.#out = at
    this.#outEnd = outEnd
  }

  /** Whether all has been unpacked, and fills what it was to fill. */
  get isComplete(): boolean {
    return this.#at === this.#end && this.#out === this.#outEnd
  }

  get hasMore(): boolean {
    return this.#at < this.#end
  }

  /** Makes `bytes` more, or a few above. False when it is damaged. */
  step(bytes: number): boolean {
    const from = this.#from
    const into = this.#into
    const until = Math.min(this.#out + bytes, this.#outEnd)
    let at = this.#at
    let out = this.#out
    while (at < this.#end && (out < until || out === this.#outEnd)) {
      const control = from[at++]
      if (control < literalMax) {
        const count = control + 1
        if (at + count > this.#end || out + count > this.#outEnd) return false
        for (let i = 0; i < count; i++) into[out++] = from[at++]
        continue
      }
      const count = (control >>> 5) + 2 + (control >= 0xe0 ? from[at] : 0)
      if (control >= 0xe0) at++
      if (at >= this.#end) return false
      let source = out - (((control & 0x1f) << 8) | from[at++]) - 1
      if (source < this.#outStart || out + count > this.#outEnd) return false
      for (let i = 0; i < count; i++) into[out++] = into[source++]
    }
    this.#at = at
    this.#out = out
    return true
  }
}

/** No compressed string is longer than this when it is unpacked: three bytes make at most `matchMax`. */
export function unpackedBytesMax(packedBytes: number): number {
  return packedBytes * (matchMax / 3 + 1)
}
