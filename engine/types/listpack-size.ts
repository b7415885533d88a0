/**
 * How many bytes elements take in Redis's listpack (its listpack specification): Redis begins another node of a stream when the last one has come to a size, and
 * trims node by node, so that clients see where nodes begin. `listpack-element.ts` reads and writes them.
 */
import { isInt64, parseInteger } from '../integer.ts'

/** A listpack without elements. */
export const listpackEmptyBytes = 7
export const integerDigitsMax = 20
/** With fewer bytes an integer is a safe one. */
export const bigIntegerBytesMin = 16

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
  if (mayBeInteger(bytes, start, length)) {
    const value = parseInteger(bytes, start, end)
    if (!Number.isNaN(value)) return integerElementBytes(value)
    if (length >= bigIntegerBytesMin && isInt64(bytes, start, end)) return 10
  }
  return length < 64 ? length + 2 : withBackLength(length + (length < 4096 ? 2 : 5))
}

/** Whether a string can be an integer: it is short, and does not begin with a letter. */
export function mayBeInteger(bytes: Uint8Array, start: number, length: number): boolean {
  return length > 0 && length <= integerDigitsMax && bytes[start] < 0x3a
}

/** Bytes of an element's encoding and content, and of the back-length that says how many these are. */
export function withBackLength(body: number): number {
  return body + backLengthBytes(body)
}

export function backLengthBytes(body: number): number {
  if (body <= 127) return 1
  if (body < 16383) return 2
  if (body < 2097151) return 3
  return body < 268435455 ? 4 : 5
}
