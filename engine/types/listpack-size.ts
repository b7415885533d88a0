/**
 * How many bytes elements take in Redis's listpack (its listpack specification): Redis begins another node of a stream when the last one has come to a size, and
 * trims node by node, so that clients see where nodes begin.
 */
import { isInt64, parseBigInteger, parseInteger } from '../integer.ts'

/** A listpack without elements. */
export const listpackEmptyBytes = 7

/** Of an integer. */
export function integerElementBytes(value: number): number {
  if (value >= 0 && value <= 127) return 2
  if (value >= -4096 && value <= 4095) return 3
  if (value >= -0x8000 && value <= 0x7fff) return 4
  if (value >= -0x800000 && value <= 0x7fffff) return 5
  return value >= -0x80000000 && value <= 0x7fffffff ? 6 : 10
}

/** Of a string, which may read as an integer. */
export function stringElementBytes(bytes: Uint8Array, start: number, end: number): number {
  const length = end - start
  if (length > 0 && length <= 20 && bytes[start] < 0x3a && isInt64(bytes, start, end)) {
    const value = parseInteger(bytes, start, end)
    return Number.isNaN(value) ? integerElementBytes(Number(parseBigInteger(bytes, start, end))) : integerElementBytes(value)
  }
  const encoded = length + (length < 64 ? 1 : length < 4096 ? 2 : 5)
  return encoded + backLengthBytes(encoded)
}

function backLengthBytes(encoded: number): number {
  if (encoded <= 127) return 1
  if (encoded < 16383) return 2
  if (encoded < 2097151) return 3
  return encoded < 268435455 ? 4 : 5
}
