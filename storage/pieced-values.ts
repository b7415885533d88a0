/**
 * Values too large to be handled at once: in the cold store they lie in pieces, each a row with a checksum and codec of its
 * own, so that nothing that holds the event loop ever handles more than a piece (docs/formats/cold-value.md).
 *
 * The value's id is a multiple of `pieceIdStep` and belongs to its head, which says how many pieces follow under the next
 * ids. Invariants: no other value gets such an id; the head is written after the pieces and deleted together with them, so
 * a head that is there has all of its pieces; pieces without a head are under ids that no checkpoint has vouched for.
 */
import { crc32 } from 'node:zlib'
import { valueHeaderBytes } from '../engine/keyspace/values.ts'
import type { ColdPut, ColdStore, ColdValues } from './cold-store.ts'
import type { ValueCodec } from './value-codec.ts'
import { ColdValueCorrupt, decodedLength, LARGE_VALUE_BYTES } from './value-codec.ts'

/** Ids of values in pieces are multiples of this, which also bounds the number of pieces. */
export const pieceIdStep = 1024
const codecPieces = 2
const headBytes = 15
const codecSeed = crc32(Buffer.of(codecPieces))

/** Bytes of each piece but the last: `pieceBytes`, or more if there would be too many. */
function bytesPerPiece(length: number, pieceBytes: number): number {
  return Math.max(pieceBytes, Math.ceil(length / (pieceIdStep - 1)))
}

function pieceCount(length: number, pieceBytes: number): number {
  return Math.ceil(length / bytesPerPiece(length, pieceBytes))
}

/** Gives out ids in rising order. */
export class ValueIds {
  /** No id from here on has been given out. */
  next: number
  readonly #pieceBytes: number

  constructor(next: number, pieceBytes: number) {
    this.next = next
    this.#pieceBytes = pieceBytes
  }

  /** Whether a value of this length is stored in pieces. */
  isPieced(length: number): boolean {
    return length > this.#pieceBytes
  }

  /** The ids of the pieces of a value of `length` bytes. */
  piecesOf(id: number, length: number): number[] {
    return Array.from({ length: pieceCount(length, this.#pieceBytes) }, (_, i) => id + 1 + i)
  }

  /** The id for a value of `length` bytes, with those behind it for its pieces. */
  take(length: number): number {
    if (this.isPieced(length)) {
      const id = Math.ceil(this.next / pieceIdStep) * pieceIdStep
      this.next = id + 1 + pieceCount(length, this.#pieceBytes)
      return id
    }
    if (this.next % pieceIdStep === 0) this.next++
    return this.next++
  }
}

/**
 * Writes the pieces of `bytes[start, end)`, which must not change meanwhile, one after the other. Resolves to the head,
 * for the caller to write. When it rejects, some of the pieces may be there.
 */
export async function writePieces(
  store: ColdStore,
  codec: ValueCodec,
  id: number,
  bytes: Buffer,
  start: number,
  end: number,
  pieceBytes: number,
): Promise<ColdPut> {
  const step = bytesPerPiece(end - start, pieceBytes)
  let pieces = 0
  for (let at = start; at < end; at += step) {
    pieces++
    const until = Math.min(end, at + step)
    const piece = until - at > LARGE_VALUE_BYTES ? await codec.encodeLarge(bytes, at, until) : codec.encode(bytes, at, until)
    await store.write({ puts: [{ id: id + pieces, bytes: piece }], deletes: [] })
  }
  const head = Buffer.alloc(headBytes)
  head[0] = codecPieces
  head.writeUInt32LE(pieces, 5)
  head.writeUIntLE(end - start, 9, 6)
  head.writeUInt32LE(crc32(head.subarray(5), codecSeed), 1)
  return { id, bytes: head }
}

/** Whether what is stored under an id is the head of a value in pieces. */
export function isHead(stored: Buffer): boolean {
  return stored[0] === codecPieces
}

/**
 * Reads the value whose head is `head`, piece by piece. The result lies so that the keyspace can adopt its memory
 * (`Values.adopt`). Rejects when a piece is missing or damaged.
 */
export async function readPieces(store: ColdValues, codec: ValueCodec, id: number, head: Buffer): Promise<Buffer> {
  const { pieces, length } = decodeHead(id, head)
  const memory = Buffer.allocUnsafeSlow(valueHeaderBytes + Math.ceil(length / 8) * 8)
  const value = memory.subarray(valueHeaderBytes, valueHeaderBytes + length)
  let at = 0
  for (let piece = 1; piece <= pieces; piece++) {
    const stored = await store.read(id + piece)
    if (stored === undefined) throw new ColdValueCorrupt(id, `piece ${piece} of ${pieces} is missing`)
    const bytes = decodedLength(stored) > LARGE_VALUE_BYTES ? await codec.decodeLarge(id, stored) : codec.decode(id, stored)
    if (at + bytes.length > length) throw new ColdValueCorrupt(id, `its pieces have more than ${length} bytes`)
    bytes.copy(value, at)
    at += bytes.length
  }
  if (at !== length) throw new ColdValueCorrupt(id, `its pieces have ${at} bytes instead of ${length}`)
  return value
}

/** As `readPieces`, while everybody waits. */
export function readPiecesAtOnce(store: ColdValues, codec: ValueCodec, id: number, head: Buffer): Buffer {
  const { pieces, length } = decodeHead(id, head)
  const parts: Buffer[] = []
  for (let piece = 1; piece <= pieces; piece++) {
    const stored = store.readAtOnce(id + piece)
    if (stored === undefined) throw new ColdValueCorrupt(id, `piece ${piece} of ${pieces} is missing`)
    parts.push(codec.decode(id, stored))
  }
  const value = Buffer.concat(parts)
  if (value.length !== length) throw new ColdValueCorrupt(id, `its pieces have ${value.length} bytes instead of ${length}`)
  return value
}

/** Deletes values with all their pieces, about `batchIds` ids at a time, each value's at once. Empty places are passed over. */
export async function deleteValues(store: ColdStore, ids: readonly number[], batchIds: number): Promise<void> {
  let deletes: number[] = []
  for (const id of ids) {
    deletes.push(id)
    if (id % pieceIdStep === 0) {
      const stored = await store.read(id)
      const pieces = stored === undefined || !isHead(stored) ? 0 : decodeHead(id, stored).pieces
      for (let piece = 1; piece <= pieces; piece++) deletes.push(id + piece)
    }
    if (deletes.length < batchIds) continue
    await store.write({ puts: [], deletes })
    deletes = []
  }
  if (deletes.length > 0) await store.write({ puts: [], deletes })
}

function decodeHead(id: number, head: Buffer): { pieces: number; length: number } {
  if (head.length !== headBytes || head.readUInt32LE(1) !== crc32(head.subarray(5), codecSeed)) {
    throw new ColdValueCorrupt(id, 'checksum mismatch')
  }
  const pieces = head.readUInt32LE(5)
  const length = head.readUIntLE(9, 6)
  if (pieces >= pieceIdStep) throw new ColdValueCorrupt(id, `${pieces} pieces are too many`)
  return { pieces, length }
}
