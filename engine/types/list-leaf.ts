/**
 * The elements of a list, in order: those of a small list in its blob, those of a large one in its leaves. After the header of
 * `memory/packed-bytes.ts`, per element:
 *
 *   varint length · bytes · back-length: how many bytes the two take, 7 bits a byte, the last byte lowest, all but the first with the high bit
 *
 * So elements are met from either end. The layout may not change: it is the same in the cold store.
 */
import { packedHeaderBytes, putBytes, readVarint, usedBytes, varintBytes, writeVarint } from '../memory/packed-bytes.ts'

/** Up to this length an element takes two bytes more than it has, one before and one behind. */
export const shortLengthMax = 0x7e

/** Bytes that an element takes. */
export function elementBytes(length: number): number {
  if (length <= shortLengthMax) return length + 2
  const body = varintBytes(length) + length
  return body + varintBytes(body)
}

/** Bytes of the element at an offset. */
export function elementBytesAt(bytes: Uint8Array, at: number): number {
  const first = bytes[at]
  return first <= shortLengthMax ? first + 2 : elementBytes(readVarint(bytes, at))
}

/** Bytes of the element that ends at an offset. */
export function elementBytesBefore(bytes: Uint8Array, end: number): number {
  let at = end - 1
  let byte = bytes[at]
  if (byte < 0x80) return byte + 1
  let body = byte & 0x7f
  for (let shift = 7; byte >= 0x80; shift += 7) {
    byte = bytes[--at]
    body += (byte & 0x7f) * 2 ** shift
  }
  return body + end - at
}

/** Writes an element, for which there is room. Returns the offset behind it. */
export function writeElement(bytes: Buffer, at: number, from: Uint8Array, start: number, end: number): number {
  const length = end - start
  const behind = putBytes(bytes, writeVarint(bytes, at, length), from, start, end)
  let body = behind - at
  const size = varintBytes(body)
  for (let i = size - 1; i > 0; i--) {
    bytes[behind + i] = (body & 0x7f) | 0x80
    body >>>= 7
  }
  bytes[behind] = body
  return behind + size
}

/** An element that was read: its bytes are `[start, end)`, the next element begins at `next`. */
export class ListElement {
  start = 0
  end = 0
  next = 0

  read(bytes: Uint8Array, at: number): void {
    const length = readVarint(bytes, at)
    this.start = at + (length < 0x80 ? 1 : varintBytes(length))
    this.end = this.start + length
    this.next = this.end + varintBytes(this.end - at)
  }
}

/** Offset of element number `rank` among `count`, in the buffer; that of the end for `count`. */
export function positionOf(bytes: Uint8Array, start: number, rank: number, count: number): number {
  if (rank <= count >> 1) {
    let at = start + packedHeaderBytes
    for (let i = 0; i < rank; i++) at += elementBytesAt(bytes, at)
    return at
  }
  let at = start + usedBytes(bytes, start)
  for (let i = count; i > rank; i--) at -= elementBytesBefore(bytes, at)
  return at
}

/** Offset behind `count` elements from an offset on. */
export function positionBehind(bytes: Uint8Array, from: number, count: number): number {
  let at = from
  for (let i = 0; i < count; i++) at += elementBytesAt(bytes, at)
  return at
}

/** Visits an element, `bytes[start, end)`; false ends the walk. */
export type VisitElement = (bytes: Buffer, start: number, end: number) => boolean

/** Visits all elements of a blob or a leaf in order. */
export function visitElements(bytes: Buffer, start: number, visit: VisitElement): void {
  visitSome(bytes, start, 0, Number.POSITIVE_INFINITY, visit)
}

/** Visits up to `count` elements from number `from` on. */
export function visitSome(bytes: Buffer, start: number, from: number, count: number, visit: VisitElement): void {
  const element = new ListElement()
  const end = start + usedBytes(bytes, start)
  let left = count
  for (let at = positionBehind(bytes, start + packedHeaderBytes, from); at < end && left > 0; at = element.next, left--) {
    element.read(bytes, at)
    if (!visit(bytes, element.start, element.end)) return
  }
}
