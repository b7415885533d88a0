/** All types that can be dumped and restored, but strings, which are in one piece whatever their size. */
import type { Keyspace } from '../keyspace/keyspace.ts'
import type { ValueKind } from '../rdb/value-sink.ts'
import type { DumpedType } from './dumped-type.ts'
import { dumpedExpiringHash, dumpedHash } from './hash-dump.ts'
import { dumpedList } from './list-dump.ts'
import { dumpedSet } from './set-dump.ts'
import { dumpedSortedSet } from './sorted-set-dump.ts'
import { dumpedStream } from './stream-dump.ts'

const dumpedTypes: readonly DumpedType[] = [dumpedHash, dumpedSet, dumpedList, dumpedSortedSet, dumpedStream]

/** The row by which the value of an entry is dumped. */
export function dumpedType(keyspace: Keyspace, entry: number): DumpedType {
  if (keyspace.expiring.fieldsDue(entry) !== 0) return dumpedExpiringHash
  const type = keyspace.entries.type(entry)
  const row = dumpedTypes.find((each) => each.type === type)
  if (row === undefined) throw new Error(`dump: type ${type} has no row`)
  return row
}

/** Undefined for a kind of value that there is not. */
export function dumpedKind(kind: ValueKind): DumpedType | undefined {
  return dumpedTypes.find((each) => each.kind === kind)
}
