/**
 * Setting fields, with the form that the hash is to have: packed while it is small (Redis's `hash-max-listpack-*`), one
 * leaf when it is a little too large for that, a tree when it is larger than a leaf; never back. Decided here, and recorded.
 */
import type { Execution } from '../execution.ts'
import { leafForm, treeForm } from '../keyspace/entries.ts'
import { packedHeaderBytes, usedBytes } from '../memory/packed-bytes.ts'
import type { FieldSource } from '../mutation/field-source.ts'
import type { HashForm } from '../mutation/hash-operations.ts'
import { expireFieldsEdit } from '../types/hash-type.ts'
import { pairBytes } from '../types/packed-fields.ts'
import { findPairOf } from './hash-fields.ts'
import { withoutExpired } from './live-fields.ts'

/** Sets fields of the hash under the key that is argument 1; `entry` is its entry, 0 for a missing one. Returns how many were new. */
export function setFields(x: Execution, entry: number, pairs: FieldSource): number {
  const { args } = x
  const form = formFor(x, withoutExpired(x, entry, pairs), pairs)
  const seed = form === treeForm ? x.random.nextUint32() : 0
  return x.mutator.hashSet(x.db, args.buffer, args.starts[1], args.ends[1], pairs, form, seed)
}

/** Sets when fields of the hash under the key that is argument 1 expire, in ms since the epoch, 0 for never. Refs of the key are stale afterwards. */
export function expireFields(x: Execution, fields: FieldSource, timeOf: (index: number) => number): void {
  const payload = x.mutator.payload()
  payload.varint(fields.count)
  for (let i = 0; i < fields.count; i++) {
    payload.u48(timeOf(i))
    payload.range(fields.buffer(i), fields.fieldStart(i), fields.fieldEnd(i))
  }
  x.edit(x.mutator.types.hashes, expireFieldsEdit, 1)
}

/** The form to take on before the fields are set; 0 for the one that the hash has, or for a new one that stays packed. */
function formFor(x: Execution, entry: number, pairs: FieldSource): HashForm {
  const { entries, trees } = x.keyspace
  if (entry !== 0 && entries.isTree(entry)) return 0
  const isLeaf = entry !== 0 && entries.encoding(entry) === leafForm
  if (!isLeaf && !isLong(x, pairs) && countAfter(x, entry, pairs) <= x.limits.hashMaxListpackEntries) return 0
  if (bytesAfter(x, entry, pairs) > trees.leafBytesMax) return treeForm
  return isLeaf ? 0 : leafForm
}

function isLong(x: Execution, pairs: FieldSource): boolean {
  const limit = x.limits.hashMaxListpackValue
  for (let i = 0; i < pairs.count; i++) {
    if (pairs.fieldEnd(i) - pairs.fieldStart(i) > limit || pairs.valueEnd(i) - pairs.valueStart(i) > limit) return true
  }
  return false
}

/** How many fields there will be; looks closely only where it matters. */
function countAfter(x: Execution, entry: number, pairs: FieldSource): number {
  const before = entry === 0 ? 0 : x.keyspace.entries.length(entry)
  if (before + pairs.count <= x.limits.hashMaxListpackEntries) return before + pairs.count
  const added = new Set<string>()
  for (let i = 0; i < pairs.count; i++) {
    const buffer = pairs.buffer(i)
    const start = pairs.fieldStart(i)
    const end = pairs.fieldEnd(i)
    if (entry === 0 || findPairOf(x, entry, buffer, start, end) === undefined) added.add(buffer.toString('latin1', start, end))
  }
  return before + added.size
}

/** How many bytes the fields will take at most, in one blob. */
function bytesAfter(x: Execution, entry: number, pairs: FieldSource): number {
  const { entries, values } = x.keyspace
  const value = entry === 0 ? 0 : entries.value(entry)
  let bytes = value === 0 ? packedHeaderBytes : usedBytes(values.bytes(value), values.start(value))
  for (let i = 0; i < pairs.count; i++) bytes += pairBytes(pairs.fieldEnd(i) - pairs.fieldStart(i), pairs.valueEnd(i) - pairs.valueStart(i))
  return bytes
}
