/** Dumps in pieces, as they are replied and sent. */
import type { Crc64 } from '../rdb/crc64.ts'
import type { StagedWork } from '../staged-work.ts'
import { footerAfter } from './dump-footer.ts'

/** A dump in pieces, which do not change any more, one behind the other. */
export interface Dump {
  readonly pieces: readonly Buffer[]
  readonly bytes: number
}

/** The dump of a large value, being made. */
export interface DumpWork extends StagedWork {
  /** The dump of the value of `entry`; undefined if this is of something else. */
  take(entry: number): Dump | undefined
}

/** The dump that some pieces are, whose checksum is known. */
export function dumpOf(pieces: readonly Buffer[], crc: Crc64): Dump {
  const all = [...pieces.filter((piece) => piece.length > 0), footerAfter(crc)]
  return { pieces: all, bytes: all.reduce((sum, piece) => sum + piece.length, 0) }
}
