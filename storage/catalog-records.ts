/**
 * Catalog records from bytes: a loop over a block's payload that calls a visitor and allocates nothing per record.
 * It trusts the checksums for the contents, but never reads outside the payload.
 */
import { CatalogEntry } from './catalog-entry.ts'
import type { CatalogMarker, CatalogVisitor } from './catalog-format.ts'
import {
  CATALOG_VERSION_MIN,
  ENTRY_EXPIRES,
  ENTRY_FIELDS_EXPIRE,
  ENTRY_INLINE,
  MARKER_BYTES,
  NO_CHECKSUM,
  PLAIN_MARKER_BYTES,
  RECORD_COLLECTION,
  RECORD_DATABASES,
  RECORD_ENTRY,
  RECORD_FREED,
  RECORD_LEAF,
  RECORD_MARKER,
  RECORD_PLAIN_MARKER,
  RECORD_TOMBSTONE,
} from './catalog-format.ts'

/** Where the next field is; shared by the functions below, which run one at a time. */
let cursor = 0

/** The row that was read last. */
const entry = new CatalogEntry()
/** So many entries are prefetched at one time; where the keys of the latest ones lie. */
const PREFETCH_MAX = 32
const prefetchStarts = new Int32Array(PREFETCH_MAX)
const prefetchEnds = new Int32Array(PREFETCH_MAX)

/**
 * Visits the records of `bytes[start, end)`; markers are passed over. Returns the offset of a record that it cannot
 * make sense of, or `end`.
 */
export function visitRecords(bytes: Buffer, start: number, end: number, visitor: CatalogVisitor): number {
  const stop = visitAll(bytes, start, end, visitor)
  visitor.endPrefetch?.()
  entry.clearBytes()
  return stop
}

function visitAll(bytes: Buffer, start: number, end: number, visitor: CatalogVisitor): number {
  /** Up to here the visitor has prefetched. */
  let prefetched = visitor.prefetch === undefined ? end : start
  cursor = start
  while (cursor < end) {
    const at = cursor
    if (at >= prefetched) {
      prefetched = prefetch(bytes, end, visitor)
      cursor = at
    }
    const kind = bytes[cursor++]!
    switch (kind & 0x0f) {
      case RECORD_ENTRY:
        if (!visitEntry(bytes, end, kind, visitor)) return at
        break
      case RECORD_TOMBSTONE:
        if (!visitTombstone(bytes, end, visitor)) return at
        break
      case RECORD_COLLECTION:
        visitor.collection(takeU48(bytes), takeVarint(bytes), takeVarint(bytes))
        break
      case RECORD_LEAF:
        visitor.leaf(takeU48(bytes), takeSeparator(bytes), takeU48(bytes), takeU48(bytes), takeVarint(bytes), takeVarint(bytes))
        break
      case RECORD_DATABASES:
        visitDatabases(bytes, visitor)
        break
      case RECORD_FREED:
        visitor.freed(takeU48(bytes))
        break
      case RECORD_MARKER:
        cursor = at + MARKER_BYTES
        break
      case RECORD_PLAIN_MARKER:
        cursor = at + PLAIN_MARKER_BYTES
        break
      default:
        return at
    }
    if (!(cursor <= end)) return at
  }
  return end
}

/** The marker that ends a payload of a file of this version, or undefined if it does not end in one. */
export function readMarker(payload: Buffer, version: number): CatalogMarker | undefined {
  const isPlain = version === CATALOG_VERSION_MIN
  const at = payload.length - (isPlain ? PLAIN_MARKER_BYTES : MARKER_BYTES)
  if (at < 0 || payload[at] !== (isPlain ? RECORD_PLAIN_MARKER : RECORD_MARKER)) return undefined
  const since = isPlain ? NO_CHECKSUM : payload.readUIntLE(at + 39, 6)
  return {
    checkpointLsn: payload.readUIntLE(at + 1, 6),
    nextValueId: payload.readUIntLE(at + 7, 6),
    nextCollectionId: payload.readUIntLE(at + 13, 6),
    entryCount: payload.readUIntLE(at + 19, 6),
    wallMs: payload.readUIntLE(at + 25, 6),
    logId: Buffer.from(payload.subarray(at + 31, at + 39)),
    checksum: since === NO_CHECKSUM ? undefined : { since, value: payload.readUInt32LE(at + 45) },
  }
}

function visitEntry(bytes: Buffer, end: number, kind: number, visitor: CatalogVisitor): boolean {
  entry.db = bytes[cursor]!
  entry.type = bytes[cursor + 1]!
  entry.encoding = bytes[cursor + 2]!
  entry.flags = bytes[cursor + 3]!
  cursor += 4
  entry.lsn = takeU48(bytes)
  entry.expireAt = (kind & ENTRY_EXPIRES) === 0 ? 0 : takeVarint(bytes)
  entry.fieldsDue = (kind & ENTRY_FIELDS_EXPIRE) === 0 ? 0 : takeVarint(bytes)
  entry.length = takeVarint(bytes)
  const isInline = (kind & ENTRY_INLINE) !== 0
  entry.valueId = isInline ? 0 : takeU48(bytes)
  const keyBytes = takeVarint(bytes)
  const keyStart = cursor
  cursor += keyBytes
  entry.setKey(bytes, keyStart, cursor)
  if (isInline) {
    const inlineBytes = takeVarint(bytes)
    const inlineStart = cursor
    cursor += inlineBytes
    entry.setInline(bytes, inlineStart, cursor)
  } else entry.clearInline()
  if (!(cursor <= end)) return false
  const next = cursor
  visitor.entry(entry)
  cursor = next
  return true
}

/** Lets the visitor prefetch for the entries that begin at the cursor, of one database. Returns where others follow. */
function prefetch(bytes: Buffer, end: number, visitor: CatalogVisitor): number {
  const db = bytes[cursor + 1]!
  let count = 0
  let next = cursor
  while (count < PREFETCH_MAX && next < end && (bytes[next]! & 0x0f) === RECORD_ENTRY && bytes[next + 1] === db) {
    const kind = bytes[next]!
    cursor = next + 11
    if ((kind & ENTRY_EXPIRES) !== 0) takeVarint(bytes)
    if ((kind & ENTRY_FIELDS_EXPIRE) !== 0) takeVarint(bytes)
    takeVarint(bytes)
    if ((kind & ENTRY_INLINE) === 0) cursor += 6
    const keyBytes = takeVarint(bytes)
    const keyStart = cursor
    cursor += keyBytes
    if ((kind & ENTRY_INLINE) !== 0) cursor += takeVarint(bytes)
    // What is damaged is found when it is visited.
    if (!(cursor <= end)) break
    prefetchStarts[count] = keyStart
    prefetchEnds[count] = keyStart + keyBytes
    count++
    next = cursor
  }
  if (count > 0) visitor.prefetch?.(db, bytes, prefetchStarts, prefetchEnds, count)
  return count > 0 ? next : next + 1
}

function visitTombstone(bytes: Buffer, end: number, visitor: CatalogVisitor): boolean {
  const db = bytes[cursor++]!
  const lsn = takeU48(bytes)
  const keyBytes = takeVarint(bytes)
  const keyStart = cursor
  cursor += keyBytes
  if (!(cursor <= end)) return false
  visitor.tombstone(db, lsn, bytes, keyStart, cursor)
  return true
}

function visitDatabases(bytes: Buffer, visitor: CatalogVisitor): void {
  const lsn = takeU48(bytes)
  const count = bytes[cursor++]!
  const physical = new Uint8Array(bytes.subarray(cursor, cursor + count))
  cursor += count
  const flushedLsns = new Float64Array(count)
  for (let i = 0; i < count; i++) flushedLsns[i] = takeU48(bytes)
  visitor.databases(lsn, physical, flushedLsns)
}

function takeU48(bytes: Buffer): number {
  const at = cursor
  cursor = at + 6
  const low = (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0
  return low + (bytes[at + 4]! | (bytes[at + 5]! << 8)) * 0x100000000
}

/** The words of the separator that was read last. */
const separator = new Uint32Array(4)

/** How many of its words are given, then those; the others are 0. */
function takeSeparator(bytes: Buffer): Uint32Array {
  const given = bytes[cursor++]!
  separator.fill(0)
  for (let i = 0; i < given && i < separator.length; i++, cursor += 4) {
    const at = cursor
    separator[i] = bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)
  }
  return separator
}

/** Little-endian base 128, up to 2^53 − 1. */
function takeVarint(bytes: Buffer): number {
  let byte = bytes[cursor++]!
  if (byte < 128) return byte
  let value = byte & 127
  let scale = 128
  do {
    byte = bytes[cursor++]!
    value += (byte & 127) * scale
    scale *= 128
  } while (byte >= 128)
  return value
}
