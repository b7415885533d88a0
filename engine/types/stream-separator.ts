/**
 * The order of a large stream's tree. Separators whose first bit is clear are ids of entries, with ms clamped to 63 bits; the first leaf, at 0, has
 * the metadata and no entry. Those whose first bit is set belong to groups: the rest of the first word is a unit, and then
 * come 48 bits each of an id's ms and sequence number, clamped, or words of the unit's own. Leaves of different units are never joined.
 */
import type { Separator } from '../tree/separator.ts'
import type { StreamId } from './stream-id.ts'

export const groupBit = 0x80000000
/** Groups by hash of the name; consumers by the unit of the group and hash of the name. */
export const groupsUnit = 1
export const consumersUnit = 2

const two32 = 2 ** 32
const two16 = 2 ** 16
const wordMax = two32 - 1

/** Where the leaf with an entry's id begins, or a separator in its range. */
export function entrySeparator(id: StreamId, into: Separator): Separator {
  if (id.msHigh < groupBit - 1 || (id.msHigh === groupBit - 1 && id.msLow < wordMax)) {
    return into.set(id.msHigh, id.msLow, id.seqHigh, id.seqLow)
  }
  return into.set(groupBit - 1, wordMax, wordMax, wordMax)
}

export function firstOfUnit(unit: number, into: Separator): Separator {
  return into.set((groupBit | unit) >>> 0)
}

/** Of something pending under an id. */
export function pendingSeparator(unit: number, id: StreamId, into: Separator): Separator {
  const isLate = id.msHigh >= two16
  const isFar = id.seqHigh >= two16
  const msHigh = isLate ? two16 - 1 : id.msHigh
  const msLow = isLate ? wordMax : id.msLow
  const seqHigh = isFar ? two16 - 1 : id.seqHigh
  return into.set((groupBit | unit) >>> 0, msHigh * two16 + (msLow >>> 16), (msLow % two16) * two16 + seqHigh, isFar ? wordMax : id.seqLow)
}
