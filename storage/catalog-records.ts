/**
 * Catalog records from bytes: a loop over a block's payload that calls a visitor and allocates nothing per record.
 * It trusts the checksums for the contents, but never reads outside the payload.
 *
 * For a visitor that tells the hashes of keys it only notes where the entries' rows are, and visits them together, in the order of
 * those hashes: when a record comes that must not overtake them, and when whoever owns the bytes says so (`visitGathered`).
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
import type { GatheredRows } from './gathered-rows.ts'

/** Where the next field is; shared by the functions below, which run one at a time. */
let cursor = 0

/** The row that was read last. */
const entry = new CatalogEntry()
/** So many entries are prefetched at one time. */
const prefetchMax = 64

/**
 * Visits the records of `bytes[start, end)`; markers are passed over. Returns the offset of a record that it cannot
 * make sense of, or `end`. Entries may stay in `rows`, for a visitor that tells hashes: their bytes are needed until they are visited.
 */
export function visitRecords(bytes: Buffer, start: number, end: number, visitor: CatalogVisitor, rows: GatheredRows): number {
  cursor = start
  while (cursor < end) {
    const at = cursor
    const kind = bytes[cursor++]!
    switch (kind & 0x0f) {
      case RECORD_ENTRY:
        if (!takeEntry(bytes, end, kind, visitor, rows)) return at
        break
      case RECORD_TOMBSTONE:
        if (!visitTombstone(bytes, end, visitor, rows)) return at
        break
      case RECORD_COLLECTION:
        visitor.collection(takeU48(bytes), takeVarint(bytes), takeVarint(bytes))
        break
      case RECORD_LEAF:
        visitor.leaf(takeU48(bytes), takeSeparator(bytes), takeU48(bytes), takeU48(bytes), takeVarint(bytes), takeVarint(bytes))
        break
      case RECORD_DATABASES:
        visitDatabases(bytes, visitor, rows)
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

/** Visits the entries that `rows` has of these bytes. */
export function visitGathered(bytes: Buffer, visitor: CatalogVisitor, rows: GatheredRows): void {
  const former = cursor
  const { count } = rows
  rows.sort()
  for (let from = 0; from < count; from += prefetchMax) {
    const to = Math.min(count, from + prefetchMax)
    rows.prefetch(bytes, from, to)
    for (let i = from; i < to; i++) visitor.prefetch?.(bytes[rows.position(i) + 1]!, rows.hash(i))
    for (let i = from; i < to; i++) {
      cursor = rows.position(i)
      entry.hash = rows.hash(i)
      readEntry(bytes, bytes[cursor++]!)
      visitor.entry(entry)
    }
  }
  rows.clear()
  entry.clearBytes()
  entry.hash = -1
  cursor = former
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

/** Visits an entry, or notes it for later. The cursor is behind the first byte. False when the row does not end before `end`. */
function takeEntry(bytes: Buffer, end: number, kind: number, visitor: CatalogVisitor, rows: GatheredRows): boolean {
  const start = cursor
  skipToKey(bytes, kind)
  const keyBytes = takeVarint(bytes)
  const keyStart = cursor
  cursor += keyBytes
  if ((kind & ENTRY_INLINE) !== 0) {
    const inlineBytes = takeVarint(bytes)
    cursor += inlineBytes
  }
  if (!(cursor <= end)) return false
  if (visitor.hashOf !== undefined) {
    rows.add(start - 1, visitor.hashOf(bytes, keyStart, keyStart + keyBytes))
    return true
  }
  const next = cursor
  cursor = start
  readEntry(bytes, kind)
  visitor.entry(entry)
  entry.clearBytes()
  cursor = next
  return true
}

function skipToKey(bytes: Buffer, kind: number): void {
  cursor += 10
  if ((kind & ENTRY_EXPIRES) !== 0) takeVarint(bytes)
  if ((kind & ENTRY_FIELDS_EXPIRE) !== 0) takeVarint(bytes)
  takeVarint(bytes)
  if ((kind & ENTRY_INLINE) === 0) cursor += 6
}

/** The row behind whose first byte the cursor is, which is whole, into `entry`. */
function readEntry(bytes: Buffer, kind: number): void {
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
  entry.setKey(bytes, cursor, cursor + keyBytes)
  cursor += keyBytes
  if (!isInline) {
    entry.clearInline()
    return
  }
  const inlineBytes = takeVarint(bytes)
  entry.setInline(bytes, cursor, cursor + inlineBytes)
  cursor += inlineBytes
}

function visitTombstone(bytes: Buffer, end: number, visitor: CatalogVisitor, rows: GatheredRows): boolean {
  const db = bytes[cursor++]!
  const lsn = takeU48(bytes)
  const keyBytes = takeVarint(bytes)
  const keyStart = cursor
  cursor += keyBytes
  if (!(cursor <= end)) return false
  visitGathered(bytes, visitor, rows)
  visitor.tombstone(db, lsn, bytes, keyStart, cursor)
  return true
}

function visitDatabases(bytes: Buffer, visitor: CatalogVisitor, rows: GatheredRows): void {
  const lsn = takeU48(bytes)
  const count = bytes[cursor++]!
  const physical = new Uint8Array(bytes.subarray(cursor, cursor + count))
  cursor += count
  const flushedLsns = new Float64Array(count)
  for (let i = 0; i < count; i++) flushedLsns[i] = takeU48(bytes)
  visitGathered(bytes, visitor, rows)
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
