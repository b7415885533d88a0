/**
 * The elements of a list, in order: those of a small list in its blob, those of a large one in its leaves. After the header of
 * `memory/packed-bytes.ts` they lie as in Redis's listpack (`listpack-element.ts`), so a small list is dumped as it is.
 * The layout may not change: it is the same in the cold store.
 */
import { packedHeaderBytes, usedBytes } from '../memory/packed-bytes.ts'
import { elementBytesAt, elementBytesBefore, ListpackElement } from './listpack-element.ts'

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

/** Visits an element, `bytes[start, end)`, which is valid during the call; false ends the walk. */
export type VisitElement = (bytes: Buffer, start: number, end: number) => boolean

/** Visits all elements of a blob or a leaf in order. */
export function visitElements(bytes: Buffer, start: number, visit: VisitElement): void {
  visitSome(bytes, start, 0, Number.POSITIVE_INFINITY, visit)
}

/** Visits up to `count` elements from number `from` on. */
export function visitSome(bytes: Buffer, start: number, from: number, count: number, visit: VisitElement): void {
  const element = new ListpackElement()
  const end = start + usedBytes(bytes, start)
  let left = count
  for (let at = positionBehind(bytes, start + packedHeaderBytes, from); at < end && left > 0; at = element.next, left--) {
    element.read(bytes, at)
    if (!visit(element.bytes, element.start, element.end)) return
  }
}
