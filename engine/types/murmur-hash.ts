/**
 * MurmurHash64A by Austin Appleby (public domain), as Redis's HyperLogLog uses it: little endian on every machine. The 64 bits
 * come as two halves, because a big integer for every member would cost more than the rest of the work.
 */

const multiplierLow = 0x5bd1e995
const multiplierHigh = 0xc6a4a793 | 0
const shift = 47 - 32

/** The halves of the last hash, as signed 32-bit integers. */
export class MurmurHash {
  low = 0
  high = 0

  /** Hashes `bytes[start, end)`. */
  of(bytes: Uint8Array, start: number, end: number, seed: number): this {
    const length = end - start
    this.low = length | 0
    this.high = Math.floor(length / 2 ** 32)
    this.#multiply()
    let low = this.low ^ seed
    let high = this.high
    const wholeEnd = start + (length & ~7)
    for (let at = start; at < wholeEnd; at += 8) {
      this.low = bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24)
      this.high = bytes[at + 4] | (bytes[at + 5] << 8) | (bytes[at + 6] << 16) | (bytes[at + 7] << 24)
      this.#multiply()
      this.#fold()
      this.#multiply()
      this.low ^= low
      this.high ^= high
      this.#multiply()
      low = this.low
      high = this.high
    }
    for (let at = wholeEnd, bit = 0; at < end; at++, bit += 8) {
      if (bit < 32) low ^= bytes[at] << bit
      else high ^= bytes[at] << (bit - 32)
    }
    this.low = low
    this.high = high
    if (wholeEnd < end) this.#multiply()
    this.#fold()
    this.#multiply()
    this.#fold()
    return this
  }

  /** Folds the upper bits into the lower ones. */
  #fold(): void {
    this.low ^= this.high >>> shift
  }

  /** Times the multiplier, modulo 2^64. */
  #multiply(): void {
    const { low, high } = this
    const lowest = (low & 0xffff) * multiplierLow
    const carried = (low >>> 16) * multiplierLow + Math.floor(lowest / 0x10000)
    this.high = (Math.floor(carried / 0x10000) + Math.imul(high, multiplierLow) + Math.imul(low, multiplierHigh)) | 0
    this.low = Math.imul(low, multiplierLow)
  }
}
