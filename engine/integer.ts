/**
 * Decimal integers in bytes, read and written without allocating. The rules are Redis's string2ll: an optional minus, no
 * plus, no spaces, no leading zeros, no `-0`, and the range of a signed 64-bit integer. JavaScript's numbers hold only
 * ±(2^53 − 1) of that range; whoever needs the rest asks for a bigint.
 */

export const int64Min = -(2n ** 63n)
export const int64Max = 2n ** 63n - 1n
export const uint64Max = 2n ** 64n - 1n

const minus = 0x2d
const zero = 0x30
const int64MaxDigits = Buffer.from('9223372036854775807')
const int64MinDigits = Buffer.from('9223372036854775808')

/** The value of `buffer[start, end)`, or NaN when that is not an integer or lies outside ±(2^53 − 1): `isInt64` tells the two apart. */
export function parseInteger(buffer: Uint8Array, start: number, end: number): number {
  let at = start
  const negative = at < end && buffer[at] === minus
  if (negative) at++
  const digits = end - at
  if (digits <= 0 || digits > 16) return Number.NaN
  let value = buffer[at]! - zero
  if (value <= 0 || value > 9) return value === 0 && digits === 1 && !negative ? 0 : Number.NaN
  for (at++; at < end; at++) {
    const digit = buffer[at]! - zero
    if (digit < 0 || digit > 9) return Number.NaN
    value = value * 10 + digit
  }
  if (value > Number.MAX_SAFE_INTEGER) return Number.NaN
  return negative ? -value : value
}

/** Whether `buffer[start, end)` is an integer that fits in 64 bits, signed. */
export function isInt64(buffer: Uint8Array, start: number, end: number): boolean {
  let at = start
  const negative = at < end && buffer[at] === minus
  if (negative) at++
  const digits = end - at
  if (digits <= 0 || digits > 19) return false
  if (buffer[at] === zero) return digits === 1 && !negative
  for (let i = at; i < end; i++) {
    const digit = buffer[i]! - zero
    if (digit < 0 || digit > 9) return false
  }
  if (digits < 19) return true
  const limit = negative ? int64MinDigits : int64MaxDigits
  for (let i = 0; i < 19; i++) {
    const difference = buffer[at + i]! - limit[i]!
    if (difference !== 0) return difference < 0
  }
  return true
}

/** The value of `buffer[start, end)` over the whole range of a signed 64-bit integer, or undefined. */
export function parseBigInteger(buffer: Uint8Array, start: number, end: number): bigint | undefined {
  const value = parseInteger(buffer, start, end)
  if (!Number.isNaN(value)) return BigInt(value)
  if (!isInt64(buffer, start, end)) return undefined
  const negative = buffer[start] === minus
  let magnitude = 0n
  let at = negative ? start + 1 : start
  let part = 0
  for (const middle = at + 9; at < middle; at++) part = part * 10 + buffer[at]! - zero
  magnitude = BigInt(part)
  const rest = end - at
  part = 0
  for (; at < end; at++) part = part * 10 + buffer[at]! - zero
  magnitude = magnitude * 10n ** BigInt(rest) + BigInt(part)
  return negative ? -magnitude : magnitude
}

/** How many bytes `formatInteger` writes for `n`, a safe integer. */
export function integerLength(n: number): number {
  let magnitude = n
  let length = 1
  if (n < 0) {
    magnitude = -n
    length = 2
  }
  while (magnitude >= 10000) {
    magnitude /= 10000
    length += 4
  }
  return magnitude >= 1000 ? length + 3 : magnitude >= 100 ? length + 2 : magnitude >= 10 ? length + 1 : length
}

/** Writes the safe integer `n` in decimal at `at` (up to 17 bytes) and returns the end. */
export function formatInteger(into: Uint8Array, at: number, n: number): number {
  if (n >= 0 && n < 10) {
    into[at] = zero + n
    return at + 1
  }
  const end = at + integerLength(n)
  let magnitude = n
  if (n < 0) {
    into[at] = minus
    magnitude = -n
  }
  let place = end
  if (magnitude > 0x7fffffff) {
    const high = Math.floor(magnitude / 1e8)
    let low = magnitude - high * 1e8
    for (let i = 0; i < 8; i++) {
      const next = (low / 10) | 0
      into[--place] = zero + low - next * 10
      low = next
    }
    magnitude = high
  }
  let left = magnitude | 0
  do {
    const next = (left / 10) | 0
    into[--place] = zero + left - next * 10
    left = next
  } while (left > 0)
  return end
}
