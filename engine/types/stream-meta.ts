/**
 * What a stream keeps besides entries and groups, in a fixed place: behind the header of a small stream's blob, and all there is in the first leaf of
 * a large one. Big-endian, 64 bytes: last id (16) · greatest id that was deleted (16) · id of the first entry, 0 without entries (16) · entries
 * added ever (8) · number of the next unit (4) · nodes (4).
 *
 * A unit is a list of pending entries, of a group or of a consumer; numbers are given once.
 */
import { readU32BE, writeU32BE } from '../memory/byte-order.ts'
import { packedHeaderBytes } from '../memory/packed-bytes.ts'
import type { StreamId } from './stream-id.ts'

export const metaBytes = 64
/** Offset of the metadata in the blob or the leaf. */
export const metaOffset = packedHeaderBytes
/** Offset of the node in the blob of a small stream. */
export const blobNodeOffset = metaOffset + metaBytes

const deletedOffset = 16
const firstOffset = 32
const addedOffset = 48
const unitOffset = 56
const nodesOffset = 60

/** Units below have a meaning of their own: see `stream-groups.ts`. */
export const firstUnit = 16

/** A stream's metadata, where it is now; nothing is copied. */
export class StreamMeta {
  bytes: Buffer = Buffer.alloc(0)
  at = 0

  open(bytes: Buffer, at: number): this {
    this.bytes = bytes
    this.at = at
    return this
  }

  clear(): void {
    this.bytes.fill(0, this.at, this.at + metaBytes)
    writeU32BE(this.bytes, this.at + unitOffset, firstUnit)
  }

  lastId(into: StreamId): StreamId {
    return into.read(this.bytes, this.at)
  }

  setLastId(id: StreamId): void {
    id.write(this.bytes, this.at)
  }

  maxDeletedId(into: StreamId): StreamId {
    return into.read(this.bytes, this.at + deletedOffset)
  }

  setMaxDeletedId(id: StreamId): void {
    id.write(this.bytes, this.at + deletedOffset)
  }

  firstId(into: StreamId): StreamId {
    return into.read(this.bytes, this.at + firstOffset)
  }

  setFirstId(id: StreamId): void {
    id.write(this.bytes, this.at + firstOffset)
  }

  get entriesAdded(): bigint {
    return this.bytes.readBigUInt64BE(this.at + addedOffset)
  }

  setEntriesAdded(count: bigint): void {
    this.bytes.writeBigUInt64BE(count, this.at + addedOffset)
  }

  countAdded(): void {
    for (let i = this.at + addedOffset + 7; i >= this.at + addedOffset; i--) {
      const byte = this.bytes[i] + 1
      this.bytes[i] = byte
      if (byte < 256) return
    }
  }

  get nextUnit(): number {
    return readU32BE(this.bytes, this.at + unitOffset)
  }

  setNextUnit(unit: number): void {
    writeU32BE(this.bytes, this.at + unitOffset, unit)
  }

  get nodes(): number {
    return readU32BE(this.bytes, this.at + nodesOffset)
  }

  setNodes(count: number): void {
    writeU32BE(this.bytes, this.at + nodesOffset, count)
  }
}
