/** What COPY, RENAME and MOVE stage of a large value: a copy of it, or what the log is going to get. */
import type { Execution } from '../execution.ts'
import { stringType } from '../keyspace/entries.ts'
import { StringCopy } from '../keyspace/value-copy.ts'
import { largeValueBytes } from '../keyspace/values.ts'
import type { StagedWork } from '../staged-work.ts'
import { slicedValueBytes } from '../staged-work.ts'
import { HashImage } from '../types/hash-image.ts'
import { makePiece } from '../types/hash-pieces.ts'
import { largeHash, slicedHash } from './hash-fields.ts'

/** For the large hash that is argument 1, if it is in memory. */
export function stageRecord(x: Execution): StagedWork | undefined {
  const entry = slicedHash(x)
  if (entry === 0 || largeHash(x, entry).coldChunks > 0) return undefined
  return new HashImage(x.keyspace, entry, makePiece, x.limits.largeValueBytes ?? largeValueBytes, false)
}

/** As `stageRecord`, and for large strings. */
export function stageCopy(x: Execution): StagedWork | undefined {
  const { args, keyspace, limits } = x
  const { entries } = keyspace
  const entry = keyspace.find(x.db, args.buffer, args.starts[1], args.ends[1])
  if (entry === 0 || entries.type(entry) !== stringType) return stageRecord(x)
  const length = entries.length(entry)
  const largeBytes = limits.slicedValueBytes ?? slicedValueBytes
  return entries.isResident(entry) && length >= largeBytes ? new StringCopy(keyspace, entry, length, largeBytes) : undefined
}

/** The large hash of `entry` as the log takes it, as far as it has been staged; undefined if not at all. */
export function stagedPieces({ staged }: Execution, entry: number): Buffer[] | undefined {
  if (!(staged instanceof HashImage) || !staged.shows(entry)) return undefined
  const pieces: Buffer[] = []
  staged.each((bytes) => pieces.push(bytes))
  return pieces
}
