/**
 * Fields of hashes as commands meet them: found in any form of a hash, walked over. Nothing here
 * allocates; `found` and the sources are overwritten by the next use.
 *
 * Only leaves that the command's row asked for are resident: a walk needs all of them, a look-up the field's own.
 */
import type { Execution } from '../execution.ts'
import { deleteExpired, ExpiredFields } from '../field-expiry.ts'
import type { VisitPair } from '../types/packed-fields.ts'
import { fieldFingerprint, findField, PackedCursor, readPair, visitPairs } from '../types/packed-fields.ts'

/** Where the pair is that `findPair` found, in the buffer that it returned. */
export const found = new PackedCursor()

/** The buffer that holds the field which is argument `index`, `found` saying where; undefined without such a field. */
export function findPair(x: Execution, entry: number, index: number): Buffer | undefined {
  const { args } = x
  return findPairOf(x, entry, args.buffer, args.starts[index], args.ends[index])
}

/** As `findPair` for the field `field[start, end)`. */
export function findPairOf(x: Execution, entry: number, field: Buffer, start: number, end: number): Buffer | undefined {
  const bytes = findStored(x, entry, field, start, end)
  if (bytes === undefined || found.expireAt === 0 || found.expireAt >= x.now) return bytes
  // The last field stays: the caller goes on with the entry.
  const { entries } = x.keyspace
  if (x.deletesExpired && entries.length(entry) > 1) deleteExpired(x, entry, new ExpiredFields(x.now).add(field, start, end))
  return undefined
}

/** As `findPairOf`, expired or not. */
export function findStored(x: Execution, entry: number, field: Buffer, start: number, end: number): Buffer | undefined {
  const { entries, values } = x.keyspace
  const value = entries.value(entry)
  if (entries.isTree(entry)) return x.hashTrees.get(value, field, start, end, found)
  const bytes = values.bytes(value)
  const at = findField(bytes, values.start(value), field, start, end, fieldFingerprint(field, start, end))
  if (at < 0) return undefined
  readPair(bytes, at, found)
  return bytes
}

/** Walks over all pairs, expired ones included, all of them being resident. The visit must not change the hash. */
export function eachPair(x: Execution, entry: number, visit: VisitPair): void {
  const { entries, values } = x.keyspace
  const value = entries.value(entry)
  if (entries.isTree(entry)) {
    let cursor = 0
    do cursor = x.hashTrees.scan(value, cursor, Number.MAX_SAFE_INTEGER, visit)
    while (cursor !== 0)
    return
  }
  visitPairs(values.bytes(value), values.start(value), new PackedCursor(), visit)
}
