/**
 * HalfSipHash-1-3 (Aumasson and Bernstein, "SipHash: a fast short-input PRF"; the 32-bit variant): a keyed 32-bit hash,
 * because clients choose the keys and could otherwise make them collide. One instance, one secret.
 */
import type { Random } from '../random.ts'

export class KeyHash {
  readonly #k0: number
  readonly #k1: number

  constructor(random: Random) {
    this.#k0 = random.nextUint32() | 0
    this.#k1 = random.nextUint32() | 0
  }

  /** Hash of `bytes[start, end)` as an unsigned 32-bit integer; `salt` tells databases apart. */
  of(bytes: Uint8Array, start: number, end: number, salt = 0): number {
    let v0 = this.#k0
    let v1 = this.#k1 ^ salt
    let v2 = this.#k0 ^ 0x6c796765
    let v3 = this.#k1 ^ 0x74656462
    const wordsEnd = start + ((end - start) & ~3)
    let at = start
    for (; at < wordsEnd; at += 4) {
      const word = bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24)
      v3 ^= word
      v0 = (v0 + v1) | 0
      v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0
      v0 = (v0 << 16) | (v0 >>> 16)
      v2 = (v2 + v3) | 0
      v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2
      v0 = (v0 + v3) | 0
      v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0
      v2 = (v2 + v1) | 0
      v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2
      v2 = (v2 << 16) | (v2 >>> 16)
      v0 ^= word
    }
    let tail = (end - start) << 24
    for (let shift = 0; at < end; at++, shift += 8) tail |= bytes[at] << shift
    v3 ^= tail
    for (let round = 0; round < 4; round++) {
      v0 = (v0 + v1) | 0
      v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0
      v0 = (v0 << 16) | (v0 >>> 16)
      v2 = (v2 + v3) | 0
      v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2
      v0 = (v0 + v3) | 0
      v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0
      v2 = (v2 + v1) | 0
      v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2
      v2 = (v2 << 16) | (v2 >>> 16)
      if (round === 0) {
        v0 ^= tail
        v2 ^= 0xff
      }
    }
    return (v1 ^ v3) >>> 0
  }
}
