/**
 * Bits of strings; bit 0 is the most significant bit of the first byte. Counting and combining go by words of 32 bits: a string
 * begins on a word boundary, at `words[wordAt]`, which is the same memory as `bytes[start]`.
 */

export type BitOperation = 'AND' | 'OR' | 'XOR' | 'NOT'

/** Set bits from bit `from` to bit `to`, both included. */
export function countBits(bytes: Uint8Array, start: number, words: Uint32Array, wordAt: number, from: number, to: number): number {
  const first = Math.floor(from / 8)
  const last = Math.floor(to / 8)
  const firstMask = 0xff >> (from % 8)
  const lastMask = (0xff00 >> ((to % 8) + 1)) & 0xff
  if (first === last) return onesIn(bytes[start + first] & firstMask & lastMask)
  let count = onesIn(bytes[start + first] & firstMask) + onesIn(bytes[start + last] & lastMask)
  let at = first + 1
  for (; at < last && at % 4 !== 0; at++) count += onesIn(bytes[start + at])
  const wordEnd = wordAt + Math.floor(last / 4)
  if (at < last) {
    for (let word = wordAt + at / 4; word < wordEnd; word++) count += onesIn(words[word])
    at = Math.max(at, Math.floor(last / 4) * 4)
  }
  for (; at < last; at++) count += onesIn(bytes[start + at])
  return count
}

/** Set bits of a 32-bit word, by summing neighbours in parallel ("Hacker's Delight", 5-1). */
function onesIn(word: number): number {
  let sums = word - ((word >>> 1) & 0x55555555)
  sums = (sums & 0x33333333) + ((sums >>> 2) & 0x33333333)
  return Math.imul((sums + (sums >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24
}

/** The first bit from `from` to `to`, both included, that is `bit`; -1 for none. */
export function findBit(bytes: Uint8Array, start: number, from: number, to: number, bit: 0 | 1): number {
  const last = start + Math.floor(to / 8)
  const passed = bit === 1 ? 0x00 : 0xff
  let at = start + Math.floor(from / 8)
  let candidates = (bytes[at] ^ passed) & (0xff >> (from % 8))
  while (candidates === 0 && at < last) {
    at++
    while (at < last && bytes[at] === passed) at++
    candidates = bytes[at] ^ passed
  }
  if (candidates === 0) return -1
  const position = (at - start) * 8 + Math.clz32(candidates) - 24
  return position <= to ? position : -1
}

/** Combines `count` words of a string into others. NOT is not for two. */
export function combineWords(
  operation: BitOperation,
  into: Uint32Array,
  intoAt: number,
  from: Uint32Array,
  fromAt: number,
  count: number,
): void {
  if (operation === 'AND') for (let i = 0; i < count; i++) into[intoAt + i] &= from[fromAt + i]
  else if (operation === 'OR') for (let i = 0; i < count; i++) into[intoAt + i] |= from[fromAt + i]
  else for (let i = 0; i < count; i++) into[intoAt + i] ^= from[fromAt + i]
}
