/** What commands on fields need of a cold hash: of a large one the leaves of the fields they name, of any other the whole. */
import type { Arguments } from '../arguments.ts'
import { wantValue } from '../cold-wants.ts'
import type { Keyspace } from '../keyspace/keyspace.ts'
import type { ColdWants, WantsOf } from '../need.ts'
import { wantField } from '../types/hash-tree.ts'

/** The field behind the key; all arguments behind the key; those behind the word FIELDS and a count; every second one. */
export const wantsField: WantsOf = (keyspace, entry, args, keyIndex, wants) =>
  wantFields(keyspace, entry, args, keyIndex + 1, keyIndex + 1, 1, wants)
export const wantsFields: WantsOf = (keyspace, entry, args, keyIndex, wants) =>
  wantFields(keyspace, entry, args, keyIndex + 1, args.count - 1, 1, wants)
export const wantsCountedFields: WantsOf = (keyspace, entry, args, keyIndex, wants) =>
  wantFields(keyspace, entry, args, keyIndex + 3, args.count - 1, 1, wants)
export const wantsPairs: WantsOf = (keyspace, entry, args, keyIndex, wants) =>
  wantFields(keyspace, entry, args, keyIndex + 1, args.count - 1, 2, wants)

/** The fields behind the word FIELDS, wherever that stands, and a count; every second one of them. */
export const wantsFieldsClause: WantsOf = (keyspace, entry, args, keyIndex, wants) => wantClause(keyspace, entry, args, keyIndex, 1, wants)
export const wantsPairsClause: WantsOf = (keyspace, entry, args, keyIndex, wants) => wantClause(keyspace, entry, args, keyIndex, 2, wants)

function wantClause(keyspace: Keyspace, entry: number, args: Arguments, keyIndex: number, step: number, wants: ColdWants): void {
  let first = keyIndex + 1
  while (first < args.count && !args.is(first, 'FIELDS')) first++
  wantFields(keyspace, entry, args, first + 2, args.count - 1, step, wants)
}

function wantFields(keyspace: Keyspace, entry: number, args: Arguments, first: number, last: number, step: number, wants: ColdWants): void {
  if (!keyspace.entries.isTree(entry)) wantValue(keyspace, entry, wants)
  else for (let i = first; i <= last; i += step) wantField(keyspace, entry, args.buffer, args.starts[i], args.ends[i], wants)
}
