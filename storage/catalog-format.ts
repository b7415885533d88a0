/**
 * The catalog: the checkpoint's journal of metadata, an append-only file of checksummed blocks of records. This file
 * holds its layout (docs/formats/catalog.md), its names on disk, and the shape in which records pass in and out.
 *
 * Invariants: a block's checksums are seeded with the file's generation and hold its sequence number, so a block of
 * another file, or one left over from before, is never taken for this one's; a marker is the last record of its block.
 */
import { crc32 } from 'node:zlib'
import type { CatalogEntry } from './catalog-entry.ts'
import type { FileSystem } from './file-system.ts'

export const CATALOG_VERSION = 3
/** The oldest that can still be read: it has no running checksums. It is not written on: the next checkpoint begins a new catalog. */
export const CATALOG_VERSION_MIN = 2
export const FILE_HEADER_BYTES = 24
export const BLOCK_HEADER_BYTES = 28
/** A block is no longer than this, headers included, unless a single record is. */
export const BLOCK_BYTES_MAX = 256 * 1024
export const U48_LIMIT = 2 ** 48
export const MARKER_BYTES = 49
/** Of a marker of version 2. */
export const PLAIN_MARKER_BYTES = 39

export const RECORD_ENTRY = 1
export const RECORD_TOMBSTONE = 2
export const RECORD_COLLECTION = 3
export const RECORD_LEAF = 4
export const RECORD_DATABASES = 5
export const RECORD_FREED = 6
export const RECORD_PLAIN_MARKER = 7
export const RECORD_MARKER = 8
/** In the place of a running checksum's beginning: there is none. */
export const NO_CHECKSUM = U48_LIMIT - 1
/** Set in an entry's kind byte: an expiry follows; the value's bytes follow instead of its id. */
export const ENTRY_EXPIRES = 0x10
export const ENTRY_INLINE = 0x20
/** The time follows, behind the expiry, at which fields of a hash are due. */
export const ENTRY_FIELDS_EXPIRE = 0x40
/** In an entry's flags: it is as of the middle of the record of its LSN, just before that record moves the value to another key. */
export const ENTRY_BEFORE_MOVE = 1

const FILE_MAGIC = 'MORACATL'
const BLOCK_MAGIC = 0x4b4c424d
/** `BLOCK_MAGIC` as it stands in a file, for searching. */
export const BLOCK_MAGIC_BYTES = Buffer.from('MBLK', 'latin1')
const BLOCK_HAS_MARKER = 1

/**
 * Receives records in the order in which they were written, but for what `hashOf` says. Bytes are ranges of buffers that are valid only during the
 * call. LSNs and ids are integers below 2^48; `expireAt` is in milliseconds since the Unix epoch, 0 for none.
 */
export interface CatalogVisitor {
  /**
   * The hash of a key, an unsigned integer of 32 bits. Given, many entries come together, each with its `hash`, in the order of the hashes' upper
   * halves; but those of one key in the order in which they were written, and none on another side of a tombstone or of `databases`.
   */
  hashOf?(bytes: Buffer, start: number, end: number): number
  /** Hints that an entry with this hash is about to come. */
  prefetch?(db: number, hash: number): void
  entry(entry: CatalogEntry): void
  /** The key was deleted at `lsn`. */
  tombstone(db: number, lsn: number, key: Buffer, keyStart: number, keyEnd: number): void
  /** A large collection, kept as a tree whose order has this seed. Its leaves follow. */
  collection(collectionId: number, leaves: number, seed: number): void
  /**
   * The leaf of a collection whose range begins at `separator`, four words; with `valueId` 0 there is none any more. `count`: its
   * elements; `bytes`: its length.
   */
  leaf(collectionId: number, separator: Uint32Array, valueId: number, lsn: number, count: number, bytes: number): void
  /** Which physical database each logical one is as of `lsn`, and at which LSN each physical one was last flushed. */
  databases(lsn: number, physical: ArrayLike<number>, flushedLsns: ArrayLike<number>): void
  /** A cold value to be deleted once the marker after it is durable. */
  freed(valueId: number): void
}

/** Ends a checkpoint: what stands before it counts. */
export interface CatalogMarker {
  readonly checkpointLsn: number
  readonly nextValueId: number
  readonly nextCollectionId: number
  readonly entryCount: number
  readonly wallMs: number
  /** Eight bytes that name the log whose LSNs these are. */
  readonly logId: Buffer
  /** The running checksum of the log's records up to `checkpointLsn`; undefined when it is not known. */
  readonly checksum: CatalogChecksum | undefined
}

export interface CatalogChecksum {
  /** It covers the records above this LSN. */
  readonly since: number
  readonly value: number
}

/** Where a catalog ends, for going on with it. */
export interface CatalogPosition {
  /** Of the format. */
  readonly version: number
  readonly generation: number
  /** Offset of the next block. */
  readonly offset: number
  /** Sequence number of the next block. */
  readonly sequence: number
  /** Records so far, markers included. */
  readonly records: number
}

/** Bytes before a marker are damaged: refuse to start, and say where. */
export class CatalogCorrupt extends Error {
  override readonly name = 'CatalogCorrupt'
  readonly file: string
  readonly offset: number
  constructor(message: string, file: string, offset: number) {
    super(`${message} (${file}, offset ${offset})`)
    this.file = file
    this.offset = offset
  }
}

/** The catalog was written by a newer program. */
export class CatalogVersionUnsupported extends Error {
  override readonly name = 'CatalogVersionUnsupported'
}

export function catalogPath(directory: string, generation: number): string {
  return `${directory}/catalog-${String(generation).padStart(10, '0')}.log`
}

/** Generations that have a file in the directory, ascending. */
export async function catalogGenerations(files: FileSystem, directory: string): Promise<number[]> {
  const generations: number[] = []
  for (const name of await files.list(directory)) {
    const match = /^catalog-(\d{10,})\.log$/.exec(name)
    if (match !== null) generations.push(Number(match[1]))
  }
  return generations.sort((a, b) => a - b)
}

/** Seed of the checksums of a generation. */
export function generationSeed(generation: number): number {
  const bytes = Buffer.alloc(6)
  bytes.writeUIntLE(generation, 0, 6)
  return crc32(bytes)
}

export function fileHeader(generation: number): Buffer {
  const header = Buffer.alloc(FILE_HEADER_BYTES)
  header.write(FILE_MAGIC, 'latin1')
  header.writeUInt32LE(CATALOG_VERSION, 8)
  header.writeUIntLE(generation, 12, 6)
  header.writeUInt32LE(crc32(header.subarray(0, 20)), 20)
  return header
}

/** The version in a file's header, or 0 if the header is not that of this generation. */
export function fileHeaderVersion(header: Buffer, generation: number): number {
  if (header.length < FILE_HEADER_BYTES || header.toString('latin1', 0, 8) !== FILE_MAGIC) return 0
  if (crc32(header.subarray(0, 20)) !== header.readUInt32LE(20)) return 0
  return header.readUIntLE(12, 6) === generation ? header.readUInt32LE(8) : 0
}

export interface BlockHeader {
  readonly payloadBytes: number
  readonly sequence: number
  readonly records: number
  readonly hasMarker: boolean
  readonly payloadCrc: number
}

/** Writes the header of the block whose payload already stands in `block[BLOCK_HEADER_BYTES, end)`. */
export function writeBlockHeader(block: Buffer, end: number, sequence: number, records: number, hasMarker: boolean, seed: number): void {
  block.writeUInt32LE(BLOCK_MAGIC, 0)
  block.writeUInt32LE(end - BLOCK_HEADER_BYTES, 4)
  block.writeUInt32LE(sequence, 8)
  block.writeUInt32LE(records, 12)
  block.writeUInt32LE(hasMarker ? BLOCK_HAS_MARKER : 0, 16)
  block.writeUInt32LE(crc32(block.subarray(BLOCK_HEADER_BYTES, end)), 20)
  block.writeUInt32LE(crc32(block.subarray(0, 24), seed), 24)
}

/** The header at `at`, or undefined if none of this generation stands there. */
export function readBlockHeader(bytes: Buffer, at: number, seed: number): BlockHeader | undefined {
  if (at + BLOCK_HEADER_BYTES > bytes.length || bytes.readUInt32LE(at) !== BLOCK_MAGIC) return undefined
  if (crc32(bytes.subarray(at, at + 24), seed) !== bytes.readUInt32LE(at + 24)) return undefined
  return {
    payloadBytes: bytes.readUInt32LE(at + 4),
    sequence: bytes.readUInt32LE(at + 8),
    records: bytes.readUInt32LE(at + 12),
    hasMarker: (bytes.readUInt32LE(at + 16) & BLOCK_HAS_MARKER) !== 0,
    payloadCrc: bytes.readUInt32LE(at + 20),
  }
}
