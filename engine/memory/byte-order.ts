/**
 * Unsigned integers of 32 and 48 bits in bytes; writing returns the offset behind. Buffer's own methods do the same, but check their arguments in a way that V8 inlines nowhere but in small functions: where
 * requests pass they cost several times as much. Whoever calls knows that the bytes are there.
 */

const two32 = 2 ** 32

export function readU32BE(bytes: Uint8Array, at: number): number {
  return ((bytes[at] << 24) | (bytes[at + 1] << 16) | (bytes[at + 2] << 8) | bytes[at + 3]) >>> 0
}

export function writeU32BE(bytes: Uint8Array, at: number, value: number): number {
  bytes[at] = value >>> 24
  bytes[at + 1] = value >>> 16
  bytes[at + 2] = value >>> 8
  bytes[at + 3] = value
  return at + 4
}

/** An integer below 2^48. */
export function readU48BE(bytes: Uint8Array, at: number): number {
  return ((bytes[at] << 8) | bytes[at + 1]) * two32 + readU32BE(bytes, at + 2)
}

export function writeU48BE(bytes: Uint8Array, at: number, value: number): number {
  const high = Math.floor(value / two32)
  bytes[at] = high >>> 8
  bytes[at + 1] = high
  return writeU32BE(bytes, at + 2, value)
}

export function readU32LE(bytes: Uint8Array, at: number): number {
  return (bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24)) >>> 0
}

export function writeU32LE(bytes: Uint8Array, at: number, value: number): number {
  bytes[at] = value
  bytes[at + 1] = value >>> 8
  bytes[at + 2] = value >>> 16
  bytes[at + 3] = value >>> 24
  return at + 4
}

/** An integer below 2^48. */
export function readU48LE(bytes: Uint8Array, at: number): number {
  return (bytes[at + 4] | (bytes[at + 5] << 8)) * two32 + readU32LE(bytes, at)
}

export function writeU48LE(bytes: Uint8Array, at: number, value: number): number {
  const high = Math.floor(value / two32)
  writeU32LE(bytes, at, value)
  bytes[at + 4] = high
  bytes[at + 5] = high >>> 8
  return at + 6
}
