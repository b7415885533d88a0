/**
 * What elements of the leaves of groups look like, in the second range of a stream's tree. An element begins with its kind:
 *
 *   1 pending in a group: id (16) · unit of the consumer (u32) · delivered at (ms, u48) · deliveries (u64)
 *   2 pending for a consumer: id (16)
 *   3 group, 4 consumer: bytes of the element (u32) · unit of the consumer's group or 0 (u32) · hash of the name (u32) · unit (u32) ·
 *     of a group the last id delivered (16) and the entries read, -1 if unknown (i64) · of a consumer when it was seen (ms, u48) · name
 *
 * Integers are big-endian.
 */
import { readU32BE, readU48BE } from '../memory/byte-order.ts'
import { Separator } from '../tree/separator.ts'
import type { LeafLayout } from '../tree/tree-elements.ts'
import type { TreeLeaves } from '../tree/tree-leaves.ts'
import type { LeafRow } from '../tree/tree-shape.ts'
import { idBytes, StreamId } from './stream-id.ts'
import { consumersUnit, groupBit, groupsUnit, pendingSeparator } from './stream-separator.ts'

export const pendingKind = 1
export const ownKind = 2
export const groupKind = 3
export const consumerKind = 4
export const pendingBytes = 35
export const ownBytes = 17
/** Of each id in the payload of *deliver*: id · former consumer (u32) · time (u48), both little-endian · deliveries (u64). */
export const deliveryBytes = 34
export const groupNameOffset = 41
export const consumerNameOffset = 23
/** Where in a group's element the number of entries read is. */
export const readOffset = 33
const scratch = new StreamId()
const before = new Separator()

/** The unit of a leaf in the second range. Of a leaf with entries it is no unit's number. */
export function unitAt({ nodes }: TreeLeaves, { node, row }: LeafRow): number {
  return nodes.arena.words(node)[nodes.rowAt(node, row)] - groupBit
}

/** How the leaves of groups are laid out; those of entries are never cut. */
export function pendingLayout(leaves: TreeLeaves): LeafLayout {
  return {
    joinMask: 0xffffffff,
    sizeAt: (bytes, at) => (bytes[at] === pendingKind ? pendingBytes : bytes[at] === ownKind ? ownBytes : readU32BE(bytes, at + 1)),
    cutBetween(bytes, beforeAt, at, row, into) {
      if (bytes[at] >= groupKind) {
        const kind = bytes[at] === groupKind ? groupsUnit : consumersUnit
        into.set((groupBit | kind) >>> 0, readU32BE(bytes, at + 5), readU32BE(bytes, at + 9))
        return bytes.compare(bytes, beforeAt + 5, beforeAt + 13, at + 5, at + 13) !== 0
      }
      const unit = unitAt(leaves, row)
      pendingSeparator(unit, scratch.read(bytes, beforeAt + 1), before)
      pendingSeparator(unit, scratch.read(bytes, at + 1), into)
      return before.compare(into.words, 0) !== 0
    },
  }
}

/** Writes something pending in a group as a payload has it that delivers it to `consumer`. */
export function writeDelivered(into: Buffer, position: number, consumer: number, bytes: Buffer, at: number): void {
  into[position] = pendingKind
  for (let i = 0; i < idBytes; i++) into[position + 1 + i] = bytes[at + i]
  into[position + 17] = consumer >>> 24
  into[position + 18] = consumer >>> 16
  into[position + 19] = consumer >>> 8
  into[position + 20] = consumer
  for (let i = 0; i < 6; i++) into[position + 21 + i] = bytes[at + 25 - i]
  for (let i = 0; i < 8; i++) into[position + 27 + i] = bytes[at + 26 + i]
}

/** As `writeDelivered` among what the consumer has pending. */
export function writeOwn(into: Buffer, position: number, bytes: Buffer, at: number): void {
  into[position] = ownKind
  for (let i = 0; i < idBytes; i++) into[position + 1 + i] = bytes[at + i]
}

/** A group or a consumer, as it is found. */
export interface NamedPlace {
  bytes: Buffer
  at: number
  unit: number
}

export function placeName({ bytes, at }: NamedPlace): Buffer {
  const from = bytes[at] === groupKind ? groupNameOffset : consumerNameOffset
  return Buffer.from(bytes.subarray(at + from, at + readU32BE(bytes, at + 1)))
}

export function groupLastId({ bytes, at }: NamedPlace, into: StreamId): StreamId {
  return into.read(bytes, at + 17)
}

/** -1 if unknown. */
export function groupEntriesRead({ bytes, at }: NamedPlace): bigint {
  return bytes.readBigInt64BE(at + readOffset)
}

export function consumerSeenAt({ bytes, at }: NamedPlace): number {
  return readU48BE(bytes, at + 17)
}

/** Something pending in a group, where it is. */
export class PendingCursor {
  readonly id = new StreamId()
  bytes: Buffer = Buffer.alloc(0)
  at = 0

  get consumer(): number {
    return readU32BE(this.bytes, this.at + 17)
  }

  get deliveredAt(): number {
    return readU48BE(this.bytes, this.at + 21)
  }

  get deliveries(): bigint {
    return this.bytes.readBigUInt64BE(this.at + 27)
  }
}
