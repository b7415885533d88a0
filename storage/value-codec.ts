/**
 * Stored form of a cold value: one codec byte, a checksum, and the bytes, LZ4-compressed when that pays
 * (docs/formats/cold-value.md). LevelDB does not verify its blocks on reads, so this checksum is what stands between a
 * rotten disk and a client.
 *
 * Invariants: an encoded value is never longer than `RAW_HEADER_BYTES` + the value; whatever `decode` returns had the
 * right checksum. Compression takes about 5 ns a byte, so values above `LARGE_VALUE_BYTES` go through `encodeLarge` and
 * `decodeLarge`, which compress in the thread pool and never hold the event loop.
 */
import { crc32 } from 'node:zlib'
import { compress, compressSync, uncompress, uncompressSync } from 'lz4-napi'
import { decompressBlock } from './lz4-block.ts'

const CODEC_RAW = 0
const CODEC_LZ4 = 1

/** Codec byte and checksum. */
export const RAW_HEADER_BYTES = 5
/** The compressor puts the raw length (u32, little-endian) in front of its block: the third field of the header. */
const LENGTH_BYTES = 4
/** Above this many bytes use `encodeLarge` and `decodeLarge`. */
export const LARGE_VALUE_BYTES = 64 * 1024
/** Up to so many bytes are decompressed in JavaScript, which is faster for them. */
const SHORT_VALUE_BYTES = 1024
/** Compressed bytes are kept only if they are at most this share of the raw ones: less is not worth inflating at every read. */
const WORTHWHILE_SHARE = 0.88

/** Checksums start from the codec byte, so a flip there is found too. */
const RAW_SEED = crc32(Buffer.of(CODEC_RAW))
const LZ4_SEED = crc32(Buffer.of(CODEC_LZ4))

export interface ValueCodecOptions {
  /** Values shorter than this stay raw. 256 unless told; Infinity turns compression off. */
  readonly compressMinBytes?: number
}

/** The stored bytes of a cold value are damaged, or were never a cold value. */
export class ColdValueCorrupt extends Error {
  override readonly name = 'ColdValueCorrupt'
  readonly id: number
  constructor(id: number, reason: string) {
    super(`cold value ${id} is corrupt: ${reason}`)
    this.id = id
  }
}

export class ValueCodec {
  readonly #compressMinBytes: number

  constructor(options: ValueCodecOptions = {}) {
    this.#compressMinBytes = options.compressMinBytes ?? 256
  }

  /**
   * Stored form of `bytes[start, end)`. Written into `into` at `at` when it fits there (the result is then a view of
   * `into`), else into a fresh Buffer. `into` must not overlap `bytes`.
   */
  encode(bytes: Buffer, start: number, end: number, into?: Buffer, at = 0): Buffer {
    if (end - start < this.#compressMinBytes) return storeRaw(bytes, start, end, into, at)
    return storeSmaller(compressSync(bytes.subarray(start, end)), bytes, start, end, into, at)
  }

  /** As `encode`, compressing in the thread pool. `bytes` must stay unchanged until it resolves. */
  async encodeLarge(bytes: Buffer, start: number, end: number): Promise<Buffer> {
    if (end - start < this.#compressMinBytes) return storeRaw(bytes, start, end, undefined, 0)
    return storeSmaller(await compress(bytes.subarray(start, end)), bytes, start, end, undefined, 0)
  }

  /** The value's bytes: a view of `stored` when it was raw. `id` is only for the error. Throws `ColdValueCorrupt`. */
  decode(id: number, stored: Buffer): Buffer {
    if (checkedCodec(id, stored) === CODEC_RAW) return stored.subarray(RAW_HEADER_BYTES)
    const length = decodedLength(stored)
    if (length <= SHORT_VALUE_BYTES) return decodeShort(id, stored, length)
    let raw: Buffer
    try {
      raw = uncompressSync(stored.subarray(RAW_HEADER_BYTES))
    } catch (cause) {
      throw new ColdValueCorrupt(id, (cause as Error).message)
    }
    return checkedLength(id, stored, raw)
  }

  /** As `decode`, decompressing in the thread pool. `stored` must stay unchanged until it resolves. */
  async decodeLarge(id: number, stored: Buffer): Promise<Buffer> {
    if (checkedCodec(id, stored) === CODEC_RAW) return stored.subarray(RAW_HEADER_BYTES)
    let raw: Buffer
    try {
      raw = await uncompress(stored.subarray(RAW_HEADER_BYTES))
    } catch (cause) {
      throw new ColdValueCorrupt(id, (cause as Error).message)
    }
    return checkedLength(id, stored, raw)
  }
}

/** Bytes that the value will have once decoded, without decoding or verifying it: chooses between `decode` and `decodeLarge`. */
export function decodedLength(stored: Buffer): number {
  if (stored[0] === CODEC_LZ4 && stored.length >= RAW_HEADER_BYTES + LENGTH_BYTES) return stored.readUInt32LE(RAW_HEADER_BYTES)
  return Math.max(0, stored.length - RAW_HEADER_BYTES)
}

function decodeShort(id: number, stored: Buffer, length: number): Buffer {
  const raw = Buffer.allocUnsafe(length)
  if (!decompressBlock(stored, RAW_HEADER_BYTES + LENGTH_BYTES, stored.length, raw, length)) {
    throw new ColdValueCorrupt(id, 'not an LZ4 block')
  }
  return raw
}

function storeRaw(bytes: Buffer, start: number, end: number, into: Buffer | undefined, at: number): Buffer {
  const stored = room(RAW_HEADER_BYTES + end - start, into, at)
  bytes.copy(stored, RAW_HEADER_BYTES, start, end)
  stored[0] = CODEC_RAW
  stored.writeUInt32LE(crc32(stored.subarray(RAW_HEADER_BYTES), RAW_SEED), 1)
  return stored
}

function storeSmaller(compressed: Buffer, bytes: Buffer, start: number, end: number, into: Buffer | undefined, at: number): Buffer {
  if (compressed.length > (end - start) * WORTHWHILE_SHARE) return storeRaw(bytes, start, end, into, at)
  const stored = room(RAW_HEADER_BYTES + compressed.length, into, at)
  compressed.copy(stored, RAW_HEADER_BYTES)
  stored[0] = CODEC_LZ4
  stored.writeUInt32LE(crc32(compressed, LZ4_SEED), 1)
  return stored
}

function room(length: number, into: Buffer | undefined, at: number): Buffer {
  if (into !== undefined && at + length <= into.length) return into.subarray(at, at + length)
  return Buffer.allocUnsafe(length)
}

function checkedCodec(id: number, stored: Buffer): number {
  if (stored.length < RAW_HEADER_BYTES) throw new ColdValueCorrupt(id, `${stored.length} bytes are too few`)
  const codec = stored[0]
  if (codec !== CODEC_RAW && codec !== CODEC_LZ4) throw new ColdValueCorrupt(id, `unknown codec ${codec}`)
  const seed = codec === CODEC_RAW ? RAW_SEED : LZ4_SEED
  if (crc32(stored.subarray(RAW_HEADER_BYTES), seed) !== stored.readUInt32LE(1)) throw new ColdValueCorrupt(id, 'checksum mismatch')
  return codec
}

function checkedLength(id: number, stored: Buffer, raw: Buffer): Buffer {
  const expected = stored.readUInt32LE(RAW_HEADER_BYTES)
  if (raw.length !== expected) throw new ColdValueCorrupt(id, `${raw.length} bytes instead of ${expected}`)
  return raw
}
