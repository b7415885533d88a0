/**
 * Finds the newest catalog that has a marker and reads it, as fast as the restart of a server with many millions of
 * keys needs it: read-ahead in pieces of several megabytes, no object per record.
 *
 * Opening looks at the blocks' headers alone, to find the last marker; reading then delivers what stands before it,
 * verified block by block, and nothing else. What follows the last marker is the remains of a checkpoint that did not
 * end. Since a marker is written only after everything before it is durable, a block that is missing or damaged
 * before a valid marker is `CatalogCorrupt`, and to know that, the bytes behind the last good block are searched for markers.
 *
 * A damaged *last* marker looks like one that a crash tore: the one before it counts. So recovery must still see that
 * the log goes on from the marker it got.
 */
import { crc32 } from 'node:zlib'
import type { BlockHeader, CatalogMarker, CatalogPosition, CatalogVisitor } from './catalog-format.ts'
import {
  BLOCK_HEADER_BYTES,
  BLOCK_MAGIC_BYTES,
  CATALOG_VERSION,
  CATALOG_VERSION_MIN,
  CatalogCorrupt,
  CatalogVersionUnsupported,
  catalogGenerations,
  catalogPath,
  FILE_HEADER_BYTES,
  fileHeaderVersion,
  generationSeed,
  readBlockHeader,
} from './catalog-format.ts'
import { readMarker, visitGathered, visitRecords } from './catalog-records.ts'
import type { File, FileSystem } from './file-system.ts'
import { GatheredRows } from './gathered-rows.ts'

const READ_AHEAD_BYTES = 8 << 20
/** Read per look at a header: small blocks come many to a look. */
const HEADER_WINDOW_BYTES = 16 << 10
const SEARCH_BYTES = 1 << 20

/** What is needed of a file to read it. */
export type CatalogFile = Pick<File, 'read' | 'size' | 'close'>

/** Called after each piece that was read, with bytes of the file. */
export type CatalogProgress = (bytesDone: number, bytesTotal: number) => void

/** Blocks from the file's beginning up to the last marker. */
interface Extent {
  readonly marker: CatalogMarker
  readonly end: CatalogPosition
  /** Offsets at which pieces of about `READ_AHEAD_BYTES` begin, and the end. */
  readonly pieces: readonly number[]
}

/** The newest generation that has a marker, or undefined if none has. Throws `CatalogCorrupt`, `CatalogVersionUnsupported`. */
export async function openCatalog(files: FileSystem, directory: string): Promise<CatalogReader | undefined> {
  for (const generation of (await catalogGenerations(files, directory)).reverse()) {
    const path = catalogPath(directory, generation)
    const file = await files.open(path, { write: false })
    try {
      const reader = await readCatalogFile(file, path, generation)
      if (reader !== undefined) return reader
    } catch (failure) {
      await file.close()
      throw failure
    }
    await file.close()
  }
  return undefined
}

/** As `openCatalog`, of one file that is open, and closed by who reads it. */
export async function readCatalogFile(file: CatalogFile, path: string, generation: number): Promise<CatalogReader | undefined> {
  const extent = await findExtent(file, path, generation)
  return extent === undefined ? undefined : new CatalogReader(file, path, extent)
}

export class CatalogReader {
  /** The last marker of the file. */
  readonly marker: CatalogMarker
  /** Where to go on appending. */
  readonly end: CatalogPosition
  readonly #file: CatalogFile
  readonly #path: string
  readonly #pieces: readonly number[]

  constructor(file: CatalogFile, path: string, extent: Extent) {
    this.#file = file
    this.#path = path
    this.marker = extent.marker
    this.end = extent.end
    this.#pieces = extent.pieces
  }

  /** Delivers the records before the last marker, of this checkpoint and all before it, in order as far as `CatalogVisitor` says. What `pause` answers is awaited between blocks. */
  async read(visitor: CatalogVisitor, progress?: CatalogProgress, pause?: () => Promise<void> | undefined): Promise<void> {
    const seed = generationSeed(this.end.generation)
    const pieces = this.#pieces
    const rows = new GatheredRows()
    let sequence = 1
    let next = this.#readPiece(0, Buffer.alloc(0))
    let idle: Buffer = Buffer.alloc(0)
    for (let i = 0; i + 1 < pieces.length; i++) {
      const piece = await next
      if (i + 2 < pieces.length) {
        next = this.#readPiece(i + 1, idle)
        // A visitor's failure below must not leave this one unheard.
        next.catch(() => undefined)
      }
      for (let at = 0; at < piece.length; sequence++) {
        at = this.#visitBlock(piece, at, pieces[i]!, sequence, seed, visitor, rows)
        if (pause === undefined) continue
        // The rows of a whole piece would take too long for a step.
        visitGathered(piece, visitor, rows)
        const waiting = pause()
        if (waiting !== undefined) await waiting
      }
      visitGathered(piece, visitor, rows)
      idle = piece
      progress?.(pieces[i + 1]!, this.end.offset)
    }
  }

  close(): Promise<void> {
    return this.#file.close()
  }

  /** Into `reuse` when that is long enough. */
  async #readPiece(index: number, reuse: Buffer): Promise<Buffer> {
    const from = this.#pieces[index]!
    const bytes = this.#pieces[index + 1]! - from
    const room =
      reuse.buffer.byteLength >= bytes
        ? Buffer.from(reuse.buffer, 0, bytes)
        : Buffer.from(new ArrayBuffer(Math.max(bytes, READ_AHEAD_BYTES)), 0, bytes)
    if ((await this.#file.read(room, from)) !== bytes) throw new CatalogCorrupt('the file became shorter', this.#path, from)
    return room
  }

  /** Delivers the records of the block that begins at `at` of a piece, which begins at `offset` of the file. Returns where it ends in the piece. */
  #visitBlock(
    piece: Buffer,
    at: number,
    offset: number,
    sequence: number,
    seed: number,
    visitor: CatalogVisitor,
    rows: GatheredRows,
  ): number {
    const header = readBlockHeader(piece, at, seed)
    const start = at + BLOCK_HEADER_BYTES
    if (header === undefined || header.sequence !== sequence || start + header.payloadBytes > piece.length) {
      throw new CatalogCorrupt('damaged block header', this.#path, offset + at)
    }
    const end = start + header.payloadBytes
    if (crc32(piece.subarray(start, end)) !== header.payloadCrc) throw new CatalogCorrupt('checksum mismatch', this.#path, offset + at)
    const stop = visitRecords(piece, start, end, visitor, rows)
    if (stop !== end) throw new CatalogCorrupt('unreadable record', this.#path, offset + stop)
    return end
  }
}

interface MarkerCandidate {
  readonly offset: number
  readonly header: BlockHeader
  readonly records: number
}

async function findExtent(file: CatalogFile, path: string, generation: number): Promise<Extent | undefined> {
  const size = await file.size()
  const seed = generationSeed(generation)
  const version = fileHeaderVersion(await readAt(file, 0, FILE_HEADER_BYTES), generation)
  if (version !== 0 && (version < CATALOG_VERSION_MIN || version > CATALOG_VERSION)) {
    throw new CatalogVersionUnsupported(`${path} has format ${version}, this program reads ${CATALOG_VERSION_MIN} to ${CATALOG_VERSION}`)
  }
  const offsets: number[] = []
  const markers: MarkerCandidate[] = []
  const damagedAt = version === 0 ? 0 : await walkHeaders(file, size, seed, offsets, markers)
  if (damagedAt < size && (await hasMarkerBehind(file, damagedAt, size, seed, offsets.length + 1))) {
    throw new CatalogCorrupt(damagedAt === 0 ? 'damaged file header' : 'damaged block header', path, damagedAt)
  }
  for (let candidate = markers.pop(); candidate !== undefined; candidate = markers.pop()) {
    const marker = await markerOf(file, candidate, version)
    if (marker === undefined) continue
    const offset = candidate.offset + BLOCK_HEADER_BYTES + candidate.header.payloadBytes
    const end = { version, generation, offset, sequence: candidate.header.sequence + 1, records: candidate.records }
    return { marker, end, pieces: piecesOf(offsets.slice(0, candidate.header.sequence), offset) }
  }
  return undefined
}

/** Follows the blocks' headers from the first on. Returns the offset at which none follows. */
async function walkHeaders(file: CatalogFile, size: number, seed: number, offsets: number[], markers: MarkerCandidate[]): Promise<number> {
  let at = FILE_HEADER_BYTES
  let window: Buffer = Buffer.alloc(0)
  let windowAt = 0
  let records = 0
  while (at + BLOCK_HEADER_BYTES <= size) {
    if (at < windowAt || at + BLOCK_HEADER_BYTES > windowAt + window.length) {
      window = await readAt(file, at, HEADER_WINDOW_BYTES)
      windowAt = at
    }
    const header = readBlockHeader(window, at - windowAt, seed)
    if (header === undefined || header.sequence !== offsets.length + 1) return at
    const end = at + BLOCK_HEADER_BYTES + header.payloadBytes
    if (end > size) return at
    records += header.records
    offsets.push(at)
    if (header.hasMarker) markers.push({ offset: at, header, records })
    at = end
  }
  return at
}

async function markerOf(file: CatalogFile, candidate: MarkerCandidate, version: number): Promise<CatalogMarker | undefined> {
  const { payloadBytes, payloadCrc } = candidate.header
  const payload = await readAt(file, candidate.offset + BLOCK_HEADER_BYTES, payloadBytes)
  return payload.length === payloadBytes && crc32(payload) === payloadCrc ? readMarker(payload, version) : undefined
}

/** Whether a whole block with a marker, numbered `sequence` or later, stands anywhere in `[from, size)`. */
async function hasMarkerBehind(file: CatalogFile, from: number, size: number, seed: number, sequence: number): Promise<boolean> {
  for (let windowAt = from; windowAt < size; windowAt += SEARCH_BYTES) {
    const window = await readAt(file, windowAt, SEARCH_BYTES + BLOCK_HEADER_BYTES)
    for (let at = window.indexOf(BLOCK_MAGIC_BYTES); at >= 0; at = window.indexOf(BLOCK_MAGIC_BYTES, at + 1)) {
      const header = readBlockHeader(window, at, seed)
      if (header === undefined || !header.hasMarker || header.sequence < sequence) continue
      const candidate = { offset: windowAt + at, header, records: 0 }
      for (let version = CATALOG_VERSION_MIN; version <= CATALOG_VERSION; version++) {
        if ((await markerOf(file, candidate, version)) !== undefined) return true
      }
    }
  }
  return false
}

/** Cuts blocks into pieces of about `READ_AHEAD_BYTES`: their beginnings, then `end`. */
function piecesOf(offsets: readonly number[], end: number): number[] {
  const pieces: number[] = []
  let from = Number.NEGATIVE_INFINITY
  for (let i = 0; i < offsets.length; i++) {
    const blockEnd = i + 1 < offsets.length ? offsets[i + 1]! : end
    if (blockEnd - from <= READ_AHEAD_BYTES) continue
    from = offsets[i]!
    pieces.push(from)
  }
  pieces.push(end)
  return pieces
}

async function readAt(file: CatalogFile, offset: number, bytes: number): Promise<Buffer> {
  const buffer = Buffer.allocUnsafe(bytes)
  return buffer.subarray(0, await file.read(buffer, offset))
}
