/**
 * Appends records to a catalog. Records gather in a block in memory; full blocks wait until `flush` or `marker` writes
 * them. Methods that take records are synchronous and copy their bytes.
 *
 * Durability: a marker's block is written only after everything before it is durable, so a valid marker proves the
 * whole file before it, and damage found there later is damage, never the trace of a crash. That takes two syncs for a
 * checkpoint of several blocks. One sync at the end would be enough to recognise a torn checkpoint, but could not tell
 * it from a rotten one, and the log may already be trimmed up to a marker. A checkpoint that fits one block (most of
 * them) needs one sync: its checksum covers the records and the marker at once.
 *
 * Failures: a failed write may be tried again with the next call (the same bytes go to the same place). After a failed
 * sync nobody knows what is on disk: every later call rejects, and the owner begins a new generation.
 */

import type { CatalogEntry } from './catalog-entry.ts'
import type { CatalogChecksum, CatalogPosition, CatalogVisitor } from './catalog-format.ts'
import {
  BLOCK_BYTES_MAX,
  BLOCK_HEADER_BYTES,
  CATALOG_VERSION,
  catalogGenerations,
  catalogPath,
  ENTRY_EXPIRES,
  ENTRY_FIELDS_EXPIRE,
  ENTRY_INLINE,
  FILE_HEADER_BYTES,
  fileHeader,
  generationSeed,
  MARKER_BYTES,
  NO_CHECKSUM,
  RECORD_COLLECTION,
  RECORD_DATABASES,
  RECORD_ENTRY,
  RECORD_FREED,
  RECORD_LEAF,
  RECORD_MARKER,
  RECORD_TOMBSTONE,
  U48_LIMIT,
  writeBlockHeader,
} from './catalog-format.ts'
import type { File, FileSystem } from './file-system.ts'

/** The longest that the fixed fields and lengths of any record get, without keys, values and database lists. */
const RECORD_HEAD_BYTES_MAX = 64
/** Blocks kept for reuse. */
const SPARE_BLOCKS_MAX = 4

interface FinishedBlock {
  readonly buffer: Buffer
  readonly end: number
  readonly hasMarker: boolean
}

export class CatalogWriter implements CatalogVisitor {
  readonly generation: number
  /** Whether its format is the present one; markers cannot be written into another. */
  readonly isCurrent: boolean
  readonly #file: File
  readonly #seed: number
  #block: Buffer = Buffer.allocUnsafe(BLOCK_BYTES_MAX)
  #at = BLOCK_HEADER_BYTES
  #blockRecords = 0
  /** Where the record being taken begins. */
  #recordAt = BLOCK_HEADER_BYTES
  #sequence: number
  #records: number
  /** Sealed and not yet written, in order. */
  readonly #finished: FinishedBlock[] = []
  #finishedBytes = 0
  readonly #spare: Buffer[] = []
  /** Where the first finished block goes. */
  #offset: number
  #unsynced = false
  #failure: Error | undefined
  #work: Promise<void> = Promise.resolve()

  private constructor(file: File, position: CatalogPosition) {
    this.#file = file
    this.generation = position.generation
    this.isCurrent = position.version === CATALOG_VERSION
    this.#seed = generationSeed(position.generation)
    this.#offset = position.offset
    this.#sequence = position.sequence
    this.#records = position.records
  }

  /** Begins a generation. The file is durable when it resolves; older generations stay and count until this one has a marker. */
  static async create(files: FileSystem, directory: string, generation: number): Promise<CatalogWriter> {
    const file = await files.open(catalogPath(directory, generation), { write: true, create: true })
    await file.truncate(0)
    await file.write(fileHeader(generation), 0)
    await file.sync()
    await files.syncDirectory(directory)
    return new CatalogWriter(file, { version: CATALOG_VERSION, generation, offset: FILE_HEADER_BYTES, sequence: 1, records: 0 })
  }

  /** Goes on where a reader found the last marker; whatever stands behind it is cut off. */
  static async resume(files: FileSystem, directory: string, position: CatalogPosition): Promise<CatalogWriter> {
    const file = await files.open(catalogPath(directory, position.generation), { write: true })
    await file.truncate(position.offset)
    await file.sync()
    return new CatalogWriter(file, position)
  }

  /** Whether a sync has failed: no call can succeed any more. */
  get isBroken(): boolean {
    return this.#failure !== undefined
  }

  /** Records in this generation, markers included. */
  get records(): number {
    return this.#records
  }

  /** Size of the file once everything pending is written. */
  get bytes(): number {
    return this.#offset + this.pendingBytes
  }

  /** Bytes that wait in memory. */
  get pendingBytes(): number {
    return this.#finishedBytes + (this.#blockRecords === 0 ? 0 : this.#at)
  }

  entry(entry: CatalogEntry): void {
    const { expireAt, fieldsDue, valueId, keyStart, keyEnd } = entry
    const isInline = valueId === 0
    const inlineBytes = isInline ? entry.inlineEnd - entry.inlineStart : 0
    this.#begin(RECORD_HEAD_BYTES_MAX + (keyEnd - keyStart) + inlineBytes)
    const expiries = (expireAt === 0 ? 0 : ENTRY_EXPIRES) | (fieldsDue === 0 ? 0 : ENTRY_FIELDS_EXPIRE)
    this.#u8(RECORD_ENTRY | expiries | (isInline ? ENTRY_INLINE : 0))
    this.#u8(entry.db)
    this.#u8(entry.type)
    this.#u8(entry.encoding)
    this.#u8(entry.flags)
    this.#u48(entry.lsn)
    if (expireAt !== 0) this.#varint(expireAt)
    if (fieldsDue !== 0) this.#varint(fieldsDue)
    this.#varint(entry.length)
    if (!isInline) this.#u48(valueId)
    this.#range(entry.key, keyStart, keyEnd)
    if (isInline) this.#range(entry.inline, entry.inlineStart, entry.inlineEnd)
  }

  tombstone(db: number, lsn: number, key: Buffer, keyStart: number, keyEnd: number): void {
    this.#begin(RECORD_HEAD_BYTES_MAX + (keyEnd - keyStart))
    this.#u8(RECORD_TOMBSTONE)
    this.#u8(db)
    this.#u48(lsn)
    this.#range(key, keyStart, keyEnd)
  }

  collection(collectionId: number, leaves: number, seed: number): void {
    this.#begin(RECORD_HEAD_BYTES_MAX)
    this.#u8(RECORD_COLLECTION)
    this.#u48(collectionId)
    this.#varint(leaves)
    this.#varint(seed)
  }

  leaf(collectionId: number, separator: Uint32Array, valueId: number, lsn: number, count: number, bytes: number): void {
    this.#begin(RECORD_HEAD_BYTES_MAX)
    this.#u8(RECORD_LEAF)
    this.#u48(collectionId)
    this.#separator(separator)
    this.#u48(valueId)
    this.#u48(lsn)
    this.#varint(count)
    this.#varint(bytes)
  }

  databases(lsn: number, physical: ArrayLike<number>, flushedLsns: ArrayLike<number>): void {
    if (physical.length !== flushedLsns.length || physical.length > 255)
      throw new RangeError('databases: two lists of the same length, up to 255')
    this.#begin(RECORD_HEAD_BYTES_MAX + physical.length * 7)
    this.#u8(RECORD_DATABASES)
    this.#u48(lsn)
    this.#u8(physical.length)
    for (let i = 0; i < physical.length; i++) this.#u8(physical[i]!)
    for (let i = 0; i < flushedLsns.length; i++) this.#u48(flushedLsns[i]!)
  }

  freed(valueId: number): void {
    this.#begin(RECORD_HEAD_BYTES_MAX)
    this.#u8(RECORD_FREED)
    this.#u48(valueId)
  }

  /** Writes out the full blocks, not durably. Rejects if a write fails; they then stay pending. */
  flush(): Promise<void> {
    return this.#inTurn(() => this.#writeThrough(this.#sequence - 1))
  }

  /**
   * Ends the checkpoint. When it resolves, every record taken before the call, and the marker, are durable. Records may
   * be taken meanwhile: they belong to the next checkpoint. `logId` is eight bytes.
   */
  marker(
    checkpointLsn: number,
    nextValueId: number,
    nextCollectionId: number,
    entryCount: number,
    wallMs: number,
    logId: Uint8Array,
    checksum?: CatalogChecksum,
  ): Promise<void> {
    if (logId.length !== 8) throw new RangeError('marker: a log id has eight bytes')
    if (!this.isCurrent) throw new Error('marker: the catalog is of an earlier format')
    this.#begin(MARKER_BYTES)
    this.#u8(RECORD_MARKER)
    this.#u48(checkpointLsn)
    this.#u48(nextValueId)
    this.#u48(nextCollectionId)
    this.#u48(entryCount)
    this.#u48(wallMs)
    this.#block.set(logId, this.#at)
    this.#at += 8
    this.#u48(checksum?.since ?? NO_CHECKSUM)
    this.#at = this.#block.writeUInt32LE(checksum?.value ?? 0, this.#at)
    const sequence = this.#sequence
    this.#seal(true)
    return this.#inTurn(async () => {
      await this.#writeThrough(sequence)
      await this.#sync()
    })
  }

  /** Drops what is pending. */
  async close(): Promise<void> {
    await this.#work.catch(() => undefined)
    await this.#file.close()
  }

  /** One piece of work at a time, in the order of the calls. */
  #inTurn(work: () => Promise<void>): Promise<void> {
    const next = this.#work.then(work, work)
    this.#work = next
    // Whoever called learns of a failure; the chain must not report it a second time.
    next.catch(() => undefined)
    return next
  }

  /** Writes finished blocks in order, up to and including the one numbered `sequence`. */
  async #writeThrough(sequence: number): Promise<void> {
    while (this.#finished.length > 0 && this.#sequence - this.#finished.length <= sequence) {
      if (this.#failure !== undefined) throw this.#failure
      const block = this.#finished[0]!
      if (block.hasMarker && this.#unsynced) await this.#sync()
      await this.#file.write(block.buffer.subarray(0, block.end), this.#offset)
      this.#unsynced = true
      this.#offset += block.end
      this.#finishedBytes -= block.end
      this.#finished.shift()
      if (block.buffer.length === BLOCK_BYTES_MAX && this.#spare.length < SPARE_BLOCKS_MAX) this.#spare.push(block.buffer)
    }
  }

  async #sync(): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure
    try {
      await this.#file.sync()
    } catch (failure) {
      this.#failure = failure as Error
      this.#finished.length = 0
      this.#finishedBytes = 0
      throw failure
    }
    this.#unsynced = false
  }

  /** Makes room for a record of up to `bytesMax` bytes and counts it. */
  #begin(bytesMax: number): void {
    if (this.#at + bytesMax > this.#block.length) {
      if (this.#blockRecords > 0) this.#seal(false)
      if (BLOCK_HEADER_BYTES + bytesMax > this.#block.length) this.#block = Buffer.allocUnsafe(BLOCK_HEADER_BYTES + bytesMax)
    }
    this.#recordAt = this.#at
    this.#blockRecords++
    this.#records++
  }

  #seal(hasMarker: boolean): void {
    writeBlockHeader(this.#block, this.#at, this.#sequence++, this.#blockRecords, hasMarker, this.#seed)
    // Records for a broken catalog would only fill memory.
    if (this.#failure === undefined) {
      this.#finished.push({ buffer: this.#block, end: this.#at, hasMarker })
      this.#finishedBytes += this.#at
      this.#block = this.#spare.pop() ?? Buffer.allocUnsafe(BLOCK_BYTES_MAX)
    }
    this.#at = BLOCK_HEADER_BYTES
    this.#blockRecords = 0
  }

  #u8(value: number): void {
    this.#block[this.#at++] = value
  }

  #u48(value: number): void {
    if (!(value >= 0 && value < U48_LIMIT)) this.#refuse(`${value} does not fit in 48 bits`)
    const block = this.#block
    const at = this.#at
    const high = Math.floor(value / 0x100000000)
    block[at] = value
    block[at + 1] = value >>> 8
    block[at + 2] = value >>> 16
    block[at + 3] = value >>> 24
    block[at + 4] = high
    block[at + 5] = high >>> 8
    this.#at = at + 6
  }

  /** How many words there are up to the last that is not 0, then those. */
  #separator(words: Uint32Array): void {
    let given = words.length
    while (given > 0 && words[given - 1] === 0) given--
    this.#u8(given)
    for (let i = 0; i < given; i++) this.#at = this.#block.writeUInt32LE(words[i]!, this.#at)
  }

  #varint(value: number): void {
    if (!(value >= 0 && value <= Number.MAX_SAFE_INTEGER)) this.#refuse(`${value} is not a length`)
    let rest = value
    while (rest >= 128) {
      this.#block[this.#at++] = (rest % 128) | 128
      rest = Math.floor(rest / 128)
    }
    this.#block[this.#at++] = rest
  }

  /** Takes the half record back: a block must never hold one. */
  #refuse(reason: string): never {
    this.#at = this.#recordAt
    this.#blockRecords--
    this.#records--
    throw new RangeError(`catalog record: ${reason}`)
  }

  #range(bytes: Buffer, start: number, end: number): void {
    this.#varint(end - start)
    bytes.copy(this.#block, this.#at, start, end)
    this.#at += end - start
  }
}

/** Removes the generations below `generation`, durably. Only once that one has a marker. */
export async function removeOlderCatalogs(files: FileSystem, directory: string, generation: number): Promise<void> {
  for (const each of await catalogGenerations(files, directory)) {
    if (each < generation) await files.remove(catalogPath(directory, each))
  }
  await files.syncDirectory(directory)
}
