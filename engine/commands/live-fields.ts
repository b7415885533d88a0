/** Fields whose time has not come: what commands show, and what they change. */
import type { Execution } from '../execution.ts'
import { deleteExpired, ExpiredFields, mayHoldExpired } from '../field-expiry.ts'
import type { FieldSource } from '../mutation/field-source.ts'
import type { VisitPair } from '../types/packed-fields.ts'
import { findPairOf, findStored } from './hash-fields.ts'

/** A visit that passes over the pairs whose time has come. */
export function livePairs({ now }: Execution, visit: VisitPair): VisitPair {
  return (bytes, pair) => {
    if (pair.expireAt === 0 || pair.expireAt >= now) visit(bytes, pair)
  }
}

/**
 * Deletes those of some fields that have expired, before a command changes them: for it they are missing. Their leaves must be resident. Returns
 * the entry, 0 if the key has gone with the last field.
 */
export function withoutExpired(x: Execution, entry: number, fields: FieldSource): number {
  if (entry === 0 || !x.deletesExpired || !mayHoldExpired(x, entry)) return entry
  const { entries } = x.keyspace
  for (let i = 0; i < fields.count; i++) {
    const buffer = fields.buffer(i)
    const start = fields.fieldStart(i)
    const end = fields.fieldEnd(i)
    if (findPairOf(x, entry, buffer, start, end) !== undefined || entries.length(entry) > 1) continue
    if (findStored(x, entry, buffer, start, end) === undefined) continue
    deleteExpired(x, entry, new ExpiredFields(x.now).add(buffer, start, end))
    return 0
  }
  return entry
}
