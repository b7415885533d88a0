/**
 * A large hash as a few long runs of bytes, for the log: a piece holds the pairs of neighbouring chunks, one after the
 * other as they lie in the chunks (`packed-fields.ts`), without the chunks' headers. Making one copies chunks and looks at
 * no pair.
 *
 * A piece is memory of its own and never changed: a record refers to it. It is as of the LSNs of its chunks. The chunks
 * must be resident.
 */
import type { Values } from '../keyspace/values.ts'
import type { ChunkDirectory } from './chunk-directory.ts'
import { packedHeaderBytes } from './packed-fields.ts'

/** Position of the chunk behind a piece that begins with the chunk at `from` and has at least `bytesMin`; -1 when it is the last piece. */
export function pieceEnd(directory: ChunkDirectory, from: number, bytesMin: number): number {
  let bytes = 0
  let at = from
  do {
    bytes += directory.bytes(at) - packedHeaderBytes
    at = directory.after(at)
  } while (at >= 0 && bytes < bytesMin)
  return at
}

/** The pairs of the chunks from the position `from` up to the one before `to` (-1: of all that follow). */
export function makePiece(values: Values, directory: ChunkDirectory, from: number, to: number): Buffer {
  let length = 0
  for (let at = from; at !== to; at = directory.after(at)) length += directory.bytes(at) - packedHeaderBytes
  const piece = Buffer.allocUnsafeSlow(length)
  let end = 0
  for (let at = from; at !== to; at = directory.after(at)) {
    const ref = directory.ref(at)
    if (ref === 0) throw new Error('hash pieces: a chunk is not resident')
    const start = values.start(ref)
    end += values.bytes(ref).copy(piece, end, start + packedHeaderBytes, start + directory.bytes(at))
  }
  return piece
}

/** All pieces of a hash, in order; each but the last has at least `bytesMin`, so that a record refers to it. */
export function makePieces(values: Values, directory: ChunkDirectory, bytesMin: number): Buffer[] {
  const pieces: Buffer[] = []
  for (let from = directory.first(); from >= 0; ) {
    const to = pieceEnd(directory, from, bytesMin)
    pieces.push(makePiece(values, directory, from, to))
    from = to
  }
  return pieces
}
