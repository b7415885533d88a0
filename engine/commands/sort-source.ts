/** What SORT reads: elements of lists, sets and sorted sets, and the values that patterns name. All of it must be resident. */

import type { Execution } from '../execution.ts'
import { hashType, listType, setType, stringType } from '../keyspace/entries.ts'
import type { Keyspace } from '../keyspace/keyspace.ts'
import { HashOperations } from '../mutation/hash-operations.ts'
import { CollectionTypes } from '../types/collection-types.ts'
import { HashTrees } from '../types/hash-tree.ts'
import { visitBackwards, visitForwards } from '../types/list-walk.ts'
import { fieldFingerprint, findField, PackedCursor, readPair } from '../types/packed-fields.ts'
import { findPairOf, found as foundPair } from './hash-fields.ts'
import { MemberList } from './member-list.ts'
import type { SortPattern } from './sort-pattern.ts'

/** Where the bytes are that `SortSource.value` found. */
export const found = { start: 0, end: 0 }
const pair = new PackedCursor()
let known: SortSource | undefined

export class SortSource {
  readonly keyspace: Keyspace
  readonly #types: CollectionTypes
  readonly #hashes: HashTrees

  constructor(keyspace: Keyspace) {
    this.keyspace = keyspace
    this.#types = new CollectionTypes(keyspace, new HashOperations(keyspace))
    this.#hashes = new HashTrees(keyspace.trees)
  }

  /** Copies elements from number `first` up to `end` in the collection's order, or with `backwards` against it; of a set always all. */
  elements(entry: number, first: number, end: number, backwards: boolean): MemberList {
    const { keyspace } = this
    const { entries } = keyspace
    const list = new MemberList()
    const count = end - first
    if (entry === 0 || count <= 0) return list
    const type = entries.type(entry)
    const add = (bytes: Buffer, start: number, stop: number): true => {
      list.add(bytes, start, stop)
      return true
    }
    const rank = backwards ? entries.length(entry) - 1 - first : first
    if (type === setType) this.#types.sets.each(entry, add)
    else if (type !== listType) this.#types.sortedSets.visit(entry, rank, count, backwards, add)
    else if (backwards) visitBackwards(keyspace, entry, rank, count, add)
    else visitForwards(keyspace, entry, rank, count, add)
    return list
  }

  /**
   * The value of an entry that a pattern names, in the buffer that is returned, `found` saying where; undefined if it is of another type, or has no such field. `x`: the command
   * is executed; without, it is only asked what it will need.
   */
  value(entry: number, { field }: SortPattern, x?: Execution): Buffer | undefined {
    const { entries, values } = this.keyspace
    const type = entries.type(entry)
    const value = entries.value(entry)
    if (field === undefined) {
      if (type !== stringType) return undefined
      found.start = values.start(value)
      found.end = found.start + entries.length(entry)
      return values.bytes(value)
    }
    if (type !== hashType) return undefined
    const bytes = x === undefined ? this.#field(entry, field) : findPairOf(x, entry, field, 0, field.length)
    const { valueStart, valueEnd } = x === undefined ? pair : foundPair
    found.start = valueStart
    found.end = valueEnd
    return bytes
  }

  #field(entry: number, field: Buffer): Buffer | undefined {
    const { entries, values } = this.keyspace
    const value = entries.value(entry)
    if (entries.isTree(entry)) return this.#hashes.get(value, field, 0, field.length, pair)
    const bytes = values.bytes(value)
    const at = findField(bytes, values.start(value), field, 0, field.length, fieldFingerprint(field, 0, field.length))
    if (at < 0) return undefined
    readPair(bytes, at, pair)
    return bytes
  }
}

/** The source for a keyspace: there is one for all requests. */
export function sortSource(keyspace: Keyspace): SortSource {
  if (known?.keyspace !== keyspace) known = new SortSource(keyspace)
  return known
}
