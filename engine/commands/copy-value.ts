/**
 * A value under another key as well: what COPY does. The log gets mutations that carry the whole value, since a mutation
 * may not look at another key.
 *
 * The source's bytes are read in place while the destination is written: making or releasing the destination's slots
 * moves no other slot, and the two are different keys.
 */
import type { Execution } from '../execution.ts'
import { chunkedHash, rawString, stringType, textString } from '../keyspace/entries.ts'
import { keyReplaced } from '../keyspace/key-change.ts'
import { StringCopy } from '../keyspace/value-copy.ts'
import { valueHeaderBytes } from '../keyspace/values.ts'
import { PackedCursor, packedHeaderBytes, readPair, usedBytes } from '../types/packed-fields.ts'
import { PairList } from './pair-list.ts'
import { stagedPieces } from './stage-transfer.ts'

const nothing = Buffer.alloc(0)

/**
 * Sets `key[ks, ke)` of the physical database `toDb` to the value and expiry of the entry `from`, whatever it held. The
 * source's value is resident, and is not the destination. Refs of the destination are stale afterwards.
 */
export function copyValue(x: Execution, from: number, toDb: number, key: Buffer, ks: number, ke: number): void {
  const { mutator, keyspace } = x
  const { entries } = keyspace
  const expireAt = entries.expireAt(from)
  if (entries.type(from) === stringType) {
    const to = putCopy(x, from, toDb, key, ks, ke, expireAt)
    // Nothing appended makes the copy `raw`, as the source is.
    if (entries.encoding(from) === rawString) mutator.append(to, nothing, 0, 0)
    else if (entries.encoding(from) === textString) mutator.setRange(to, 0, nothing, 0, 0)
    return
  }
  mutator.delete(toDb, key, ks, ke, keyReplaced)
  if (entries.encoding(from) === chunkedHash) mutator.copyLargeHash(from, toDb, key, ks, ke, stagedPieces(x, from))
  else copyPackedHash(x, from, toDb, key, ks, ke)
  if (expireAt !== 0) mutator.expire(keyspace.find(toDb, key, ks, ke), expireAt)
}

function putCopy(x: Execution, from: number, toDb: number, key: Buffer, ks: number, ke: number, expireAt: number): number {
  const { mutator } = x
  const copy = x.staged instanceof StringCopy ? x.staged.take(from) : undefined
  if (copy === undefined) return mutator.putString(toDb, key, ks, ke, x.stringBytes(from), x.stringStart(from), x.stringEnd(from), expireAt)
  const end = valueHeaderBytes + x.keyspace.entries.length(from)
  return mutator.putString(toDb, key, ks, ke, copy, valueHeaderBytes, end, expireAt, true)
}

function copyPackedHash(x: Execution, from: number, toDb: number, key: Buffer, ks: number, ke: number): void {
  const { values, entries } = x.keyspace
  const value = entries.value(from)
  const bytes = values.bytes(value)
  const start = values.start(value)
  const end = start + usedBytes(bytes, start)
  const pairs = new PairList()
  const pair = new PackedCursor()
  for (let at = start + packedHeaderBytes; at < end; at = pair.next) {
    readPair(bytes, at, pair)
    pairs.add(bytes, pair)
  }
  x.mutator.hashSet(toDb, key, ks, ke, pairs)
}
