/** What COPY prepares of a large value: a copy of it, or what the log is going to get. */
import type { Execution } from '../execution.ts'
import { stringType } from '../keyspace/entries.ts'
import { StringCopy } from '../keyspace/value-copy.ts'
import { largeValueBytes } from '../keyspace/values.ts'
import type { Preparation } from '../preparation.ts'
import { slicedValueBytes } from '../preparation.ts'
import { HashImage } from '../types/hash-image.ts'
import { makePiece } from '../types/hash-pieces.ts'
import { largeHash, slicedHash } from './hash-fields.ts'

/** For the large hash that is argument 1, if it is in memory. */
function prepareRecord(x: Execution): Preparation | undefined {
  const entry = slicedHash(x)
  if (entry === 0 || largeHash(x, entry).coldChunks > 0) return undefined
  return new HashImage(x.keyspace, entry, makePiece, x.limits.largeValueBytes ?? largeValueBytes, false)
}

/** As `prepareRecord`, and for large strings. */
export function prepareCopy(x: Execution): Preparation | undefined {
  const { args, keyspace, limits } = x
  const { entries } = keyspace
  const entry = keyspace.find(x.db, args.buffer, args.starts[1], args.ends[1])
  if (entry === 0 || entries.type(entry) !== stringType) return prepareRecord(x)
  const length = entries.length(entry)
  const largeBytes = limits.slicedValueBytes ?? slicedValueBytes
  return entries.isResident(entry) && length >= largeBytes ? new StringCopy(keyspace, entry, length, largeBytes) : undefined
}

/** The large hash of `entry` as the log takes it, as far as it has been prepared; undefined if not at all. */
export function preparedPieces({ prepared }: Execution, entry: number): Buffer[] | undefined {
  if (!(prepared instanceof HashImage) || !prepared.shows(entry)) return undefined
  const pieces: Buffer[] = []
  prepared.each((bytes) => pieces.push(bytes))
  return pieces
}
