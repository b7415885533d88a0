/** What SORT reads: elements of lists, sets and sorted sets, and the values that patterns name. All of it must be resident. */

import { wantLeaves, wantValue } from '../cold-wants.ts'
import type { Execution } from '../execution.ts'
import { hashType, listType, setType, stringType } from '../keyspace/entries.ts'
import type { Keyspace } from '../keyspace/keyspace.ts'
import { HashOperations } from '../mutation/hash-operations.ts'
import type { ColdWants } from '../need.ts'
import { Separator } from '../tree/separator.ts'
import { CollectionTypes } from '../types/collection-types.ts'
import { HashTrees } from '../types/hash-tree.ts'
import { wantElements } from '../types/list-type.ts'
import { visitBackwards, visitForwards } from '../types/list-walk.ts'
import { fieldFingerprint, findField, PackedCursor, readPair } from '../types/packed-fields.ts'
import { wantRanks } from '../types/sorted-set-wants.ts'
import { findPairOf, found as foundPair } from './hash-fields.ts'
import type { MemberList } from './member-list.ts'
import type { SortPattern } from './sort-pattern.ts'

/** Where the bytes are that `SortSource.value` found. */
export const found = { start: 0, end: 0 }
const pair = new PackedCursor()
const separator = new Separator()
/** What is made room for at most. */
const reservedMax = 2 ** 30
/** Of a set, about. */
const membersPerLeaf = 16
let known: SortSource | undefined

export interface SortCursor {
  readonly isAtEnd: boolean
  /** Names what `read` needs. */
  want(entry: number, count: number, wants: ColdWants): void
  /** Copies about `count` elements. */
  read(entry: number, count: number, into: MemberList): void
}

function adding(list: MemberList): (bytes: Buffer, start: number, end: number) => true {
  return (bytes, start, end) => {
    list.add(bytes, start, end)
    return true
  }
}

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
  elements(entry: number, first: number, end: number, backwards: boolean, into: MemberList): void {
    if (entry === 0 || first >= end) return
    const add = adding(into)
    if (this.keyspace.entries.type(entry) === setType) this.#types.sets.each(entry, add)
    else this.#visit(entry, first, end - first, backwards, add)
  }

  #visit(entry: number, first: number, count: number, backwards: boolean, add: (bytes: Buffer, start: number, end: number) => true): void {
    const { keyspace } = this
    const { entries } = keyspace
    const rank = backwards ? entries.length(entry) - 1 - first : first
    if (entries.type(entry) !== listType) this.#types.sortedSets.visit(entry, rank, count, backwards, add)
    else if (backwards) visitBackwards(keyspace, entry, rank, count, add)
    else visitForwards(keyspace, entry, rank, count, add)
  }

  /** Bytes that all elements of a collection take at most, unless some are larger than a leaf. */
  bytesMax(entry: number): number {
    const { entries, trees } = this.keyspace
    if (entry === 0 || !entries.isTree(entry)) return 0
    const root = entries.value(entry)
    return Math.min(reservedMax, trees.roots.residentBytes(root) + trees.roots.coldLeaves(root) * trees.leafBytesMax)
  }

  /** A walk over elements as `elements` has them, of a collection that does not change meanwhile. */
  cursor(first: number, end: number, backwards: boolean): SortCursor {
    const { keyspace } = this
    const { entries, trees } = keyspace
    const types = this.#types
    const visit = (entry: number, from: number, count: number, add: ReturnType<typeof adding>): void =>
      this.#visit(entry, from, count, backwards, add)
    let at = first
    let hash = 0
    let isAtEnd = first >= end
    return {
      get isAtEnd() {
        return isAtEnd
      },
      want(entry, count, wants) {
        if (!entries.isTree(entry)) {
          if (!entries.isResident(entry)) wantValue(keyspace, entry, wants)
          return
        }
        const root = entries.value(entry)
        const wanted = Math.min(count, end - at)
        const rank = backwards ? entries.length(entry) - 1 - at : at
        if (trees.roots.coldLeaves(root) === 0) return
        if (entries.type(entry) === setType) wantLeaves(trees, root, wants, separator.set(hash), 1 + Math.ceil(wanted / membersPerLeaf))
        else if (entries.type(entry) === listType) {
          wantElements(keyspace, entry, backwards ? rank + 1 - wanted : rank, wanted, wants)
        } else wantRanks(types.sortedSets.trees, root, rank, wanted, backwards, wants)
      },
      read(entry, count, into) {
        const add = adding(into)
        if (entries.type(entry) === setType) {
          hash = types.sets.scan(entry, hash, count, add)
          isAtEnd = hash === 0
          return
        }
        const read = entries.isTree(entry) ? Math.min(count, end - at) : end - at
        visit(entry, at, read, add)
        at += read
        isAtEnd = at >= end
      },
    }
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

  /** As `value`, of a field only if it has not expired. */
  liveValue(entry: number, pattern: SortPattern, now: number): Buffer | undefined {
    const bytes = this.value(entry, pattern)
    return pattern.field !== undefined && bytes !== undefined && pair.expireAt !== 0 && pair.expireAt < now ? undefined : bytes
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
