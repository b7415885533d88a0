/**
 * Lists: one blob of packed elements in order (`list-leaf.ts`) while that fits in a leaf, then a tree by rank (`list-tree.ts`); never back. Redis calls
 * all of them quicklists. Elements are named by their ranks from the head.
 */
import { wantRow } from '../cold-wants.ts'
import { listType, packedForm } from '../keyspace/entries.ts'
import type { Keyspace } from '../keyspace/keyspace.ts'
import { packedHeaderBytes, sameBytes } from '../memory/packed-bytes.ts'
import type { RecordReader } from '../mutation/record-reader.ts'
import type { ColdWants } from '../need.ts'
import { dropTree } from '../tree/drop-tree.ts'
import { leafBytesDefault } from '../tree/tree-leaves.ts'
import { LeafRow } from '../tree/tree-shape.ts'
import type { CollectionEdit, CollectionType } from './collection-type.ts'
import type { Collections } from './collections.ts'
import { positionBehind, positionOf } from './list-leaf.ts'
import { ListTrees } from './list-tree.ts'
import { visitForwards } from './list-walk.ts'
import { elementBytesAt, writeElement } from './listpack-element.ts'
import { stringElementBytes } from './listpack-size.ts'

/** Edits, by their numbers in records. */
export const pushEdit = 1
export const popEdit = 2
export const setEdit = 3
export const insertEdit = 4
export const removeRangeEdit = 5
export const removeEachEdit = 6
export const keepRangeEdit = 7
export const removeMatchesEdit = 8

/** Of the elements that are the same: how many stay in front, and how many then go; 0 for all. */
export interface Matches {
  readonly skip: number
  readonly count: number
}

/** Flags of edits. `atTail`: at the end of the list, of *insert* behind the element; `becomesTree`: before anything else. */
export const atTail = 1
export const becomesTree = 2

export class ListType implements CollectionType {
  readonly number = listType
  readonly trees: ListTrees
  readonly edits: readonly (CollectionEdit | undefined)[]
  readonly #collections: Collections
  /** Root block of the tree with what is about to be pushed; 0 if none was made. */
  #made = 0

  constructor(collections: Collections) {
    const { keyspace } = collections
    this.#collections = collections
    this.trees = new ListTrees(keyspace.trees)
    const edits: CollectionEdit[] = []
    edits[pushEdit] = { creates: true, apply: (e, p, lsn) => this.#push(e, p, lsn), wants: (...on) => wantsPush(keyspace, ...on) }
    edits[popEdit] = { creates: false, apply: (e, p, lsn) => this.#pop(e, p, lsn), wants: (...on) => wantsPop(keyspace, ...on) }
    edits[setEdit] = { creates: false, apply: (e, p, lsn) => this.#set(e, p, lsn), wants: (...on) => wantsElement(keyspace, ...on) }
    edits[insertEdit] = { creates: false, apply: (e, p, lsn) => this.#insert(e, p, lsn), wants: (...on) => wantsElement(keyspace, ...on) }
    edits[removeRangeEdit] = {
      creates: false,
      apply: (e, p, lsn) => this.#removeRange(e, p, lsn),
      wants: (...on) => wantsRange(keyspace, ...on),
    }
    edits[removeEachEdit] = {
      creates: false,
      apply: (e, p, lsn) => this.#removeEach(e, p, lsn),
      wants: (...on) => wantsEach(keyspace, ...on),
    }
    edits[keepRangeEdit] = {
      creates: false,
      apply: (e, p, lsn) => this.#keepRange(e, p, lsn),
      wants: (...on) => wantsKept(keyspace, ...on),
    }
    edits[removeMatchesEdit] = { creates: false, apply: (e, p, lsn) => this.#removeMatches(e, p, lsn) }
    this.edits = edits
  }

  /** Pushes elements of which leaves were made beforehand, in a tree that nobody has seen; the payload of the edit says which they are. */
  withLeaves(made: number, push: () => number): number {
    this.#made = made
    try {
      return push()
    } finally {
      dropTree(this.#collections.keyspace, this.#made)
      this.#made = 0
    }
  }

  /** flags u8, count varint, count × element range. Returns how many. */
  #push(entry: number, payload: RecordReader, lsn: number): number {
    const collections = this.#collections
    const flags = payload.byte()
    const count = payload.varint()
    if (!collections.hasValue(entry) && (flags & becomesTree) === 0) collections.createBlob(entry, packedForm)
    this.#formed(entry, flags, lsn)
    const { entries } = collections.keyspace
    const isTree = entries.isTree(entry)
    const made = this.#made
    this.#made = 0
    if (!isTree) this.#pushInBlob(entry, (flags & atTail) !== 0, payload, count)
    else if (made !== 0 && this.trees.join(entries.value(entry), made, (flags & atTail) !== 0, lsn)) dropTree(collections.keyspace, made)
    else if ((flags & atTail) !== 0) this.trees.append(entries.value(entry), payload, count, lsn)
    else this.trees.prepend(entries.value(entry), payload, count, lsn)
    collections.changed(entry, count, lsn)
    return count
  }

  #pushInBlob(entry: number, toTail: boolean, payload: RecordReader, count: number): void {
    const collections = this.#collections
    const { at } = payload
    let size = 0
    for (let i = 0; i < count; i++) {
      payload.range()
      size += stringElementBytes(payload.bytes, payload.start, payload.stop)
    }
    payload.at = at
    const offset = toTail ? collections.blobBytes(entry) : packedHeaderBytes
    let position = collections.resizeBlob(entry, offset, 0, size)
    const bytes = this.#blobBuffer(entry)
    if (!toTail) position += size
    for (let i = 0; i < count; i++) {
      payload.range()
      if (!toTail) position -= stringElementBytes(payload.bytes, payload.start, payload.stop)
      const behind = writeElement(bytes, position, payload.bytes, payload.start, payload.stop)
      if (toTail) position = behind
    }
  }

  /** flags u8, count varint. Returns how many. */
  #pop(entry: number, payload: RecordReader, lsn: number): number {
    const flags = payload.byte()
    const length = this.#collections.keyspace.entries.length(entry)
    const count = Math.min(payload.varint(), length)
    return this.#remove(entry, (flags & atTail) !== 0 ? length - count : 0, count, lsn)
  }

  /** flags u8, rank varint, element range. */
  #set(entry: number, payload: RecordReader, lsn: number): number {
    const { entries } = this.#collections.keyspace
    const flags = payload.byte()
    const rank = payload.varint()
    payload.range()
    if (rank >= entries.length(entry)) return 0
    this.#formed(entry, flags, lsn)
    if (entries.isTree(entry)) this.trees.set(entries.value(entry), rank, payload.bytes, payload.start, payload.stop, lsn)
    else {
      const at = this.#offsetOf(entry, rank)
      this.#writeInBlob(entry, at, elementBytesAt(this.#blobBuffer(entry), this.#blobStart(entry) + at), payload)
    }
    this.#collections.changed(entry, 0, lsn)
    return 1
  }

  /** flags u8, rank varint, element range: before the element of that rank, or behind it. */
  #insert(entry: number, payload: RecordReader, lsn: number): number {
    const { entries } = this.#collections.keyspace
    const flags = payload.byte()
    const rank = payload.varint()
    payload.range()
    if (rank >= entries.length(entry)) return 0
    const behind = (flags & atTail) !== 0
    this.#formed(entry, flags, lsn)
    if (entries.isTree(entry)) this.trees.insert(entries.value(entry), rank, behind, payload.bytes, payload.start, payload.stop, lsn)
    else this.#writeInBlob(entry, this.#offsetOf(entry, behind ? rank + 1 : rank), 0, payload)
    this.#collections.changed(entry, 1, lsn)
    return 1
  }

  #writeInBlob(entry: number, offset: number, former: number, payload: RecordReader): void {
    const position = this.#collections.resizeBlob(entry, offset, former, stringElementBytes(payload.bytes, payload.start, payload.stop))
    writeElement(this.#blobBuffer(entry), position, payload.bytes, payload.start, payload.stop)
  }

  /** rank varint, count varint. Returns how many. */
  #removeRange(entry: number, payload: RecordReader, lsn: number): number {
    const rank = payload.varint()
    const left = this.#collections.keyspace.entries.length(entry) - rank
    return this.#remove(entry, rank, Math.min(payload.varint(), left), lsn)
  }

  #remove(entry: number, rank: number, count: number, lsn: number): number {
    if (count <= 0) return 0
    const { entries } = this.#collections.keyspace
    // What loses everything goes as a whole, with its key.
    if (count < entries.length(entry)) {
      if (entries.isTree(entry)) this.trees.remove(entries.value(entry), rank, count, lsn)
      else {
        const at = this.#offsetOf(entry, rank)
        const start = this.#blobStart(entry)
        this.#collections.resizeBlob(entry, at, positionBehind(this.#blobBuffer(entry), start + at, count) - start - at, 0)
      }
    }
    this.#collections.changed(entry, -count, lsn)
    return count
  }

  /** rank varint, count varint: all others go. Returns how many. Takes as long as it keeps elements: the former tree is given up as a whole. */
  #keepRange(entry: number, payload: RecordReader, lsn: number): number {
    const collections = this.#collections
    const { entries } = collections.keyspace
    const length = entries.length(entry)
    const rank = payload.varint()
    const count = Math.min(payload.varint(), length - rank)
    if (!entries.isTree(entry) || count <= 0) return 0
    collections.becomeTree(entry, 0, lsn, (root, former) => this.trees.fillFrom(root, former, rank, count, lsn))
    collections.changed(entry, count - length, lsn)
    return length - count
  }

  /** count varint, the first rank varint, count − 1 × how much further the next one is. Returns how many. */
  #removeEach(entry: number, payload: RecordReader, lsn: number): number {
    return this.#removeRanks(entry, readRanks(payload, this.#collections.keyspace.entries.length(entry)), lsn)
  }

  #removeRanks(entry: number, ranks: readonly number[], lsn: number): number {
    const { entries } = this.#collections.keyspace
    const length = entries.length(entry)
    const count = ranks.length
    if (count === 0) return 0
    if (count < length) {
      if (entries.isTree(entry)) this.trees.removeEach(entries.value(entry), ranks, lsn)
      else this.#removeEachInBlob(entry, ranks)
    }
    this.#collections.changed(entry, -count, lsn)
    return count
  }

  /** skip varint, count varint (0: all), element range: of the elements with these bytes, so many go behind the first `skip`. Returns how many. */
  #removeMatches(entry: number, payload: RecordReader, lsn: number): number {
    const replaced = this.#collections.replaced(entry, lsn)
    if (replaced !== undefined) return replaced
    const skip = payload.varint()
    const max = payload.varint() || Number.POSITIVE_INFINITY
    payload.range()
    const { bytes: wanted, start, stop } = payload
    const ranks: number[] = []
    let met = 0
    let rank = 0
    const { keyspace } = this.#collections
    visitForwards(keyspace, entry, 0, keyspace.entries.length(entry), (bytes, from, to) => {
      if (to - from === stop - start && sameBytes(bytes, from, wanted, start, stop - start) && met++ >= skip) ranks.push(rank)
      rank++
      return ranks.length < max
    })
    return this.#removeRanks(entry, ranks, lsn)
  }

  #removeEachInBlob(entry: number, ranks: readonly number[]): void {
    let count = this.#collections.keyspace.entries.length(entry)
    for (let i = ranks.length - 1; i >= 0; i--, count--) {
      const at = this.#offsetOf(entry, ranks[i], count)
      this.#collections.resizeBlob(entry, at, elementBytesAt(this.#blobBuffer(entry), this.#blobStart(entry) + at), 0)
    }
  }

  /** Makes the list a tree if an edit says so. */
  #formed(entry: number, flags: number, lsn: number): void {
    const collections = this.#collections
    const { entries } = collections.keyspace
    if ((flags & becomesTree) === 0 || entries.isTree(entry)) return
    const count = entries.length(entry)
    collections.becomeTree(entry, 0, lsn, (root, blob) => {
      if (blob !== 0) this.trees.fill(root, blob, count, lsn)
    })
  }

  #blobBuffer(entry: number): Buffer {
    const { entries, values } = this.#collections.keyspace
    return values.bytes(entries.value(entry))
  }

  #blobStart(entry: number): number {
    const { entries, values } = this.#collections.keyspace
    return values.start(entries.value(entry))
  }

  /** Where in its blob an element begins. */
  #offsetOf(entry: number, rank: number, count = this.#collections.keyspace.entries.length(entry)): number {
    const start = this.#blobStart(entry)
    return positionOf(this.#blobBuffer(entry), start, rank, count) - start
  }
}

function readRanks(payload: RecordReader, length: number): number[] {
  const count = payload.varint()
  const ranks: number[] = []
  for (let i = 0, rank = 0; i < count; i++) {
    rank += payload.varint()
    if (rank >= length) break
    ranks.push(rank)
  }
  return ranks
}

/** A megabyte's worth. */
const keptLeavesMax = 256
const at = new LeafRow()

/** Wants the leaf at one end of a tree, if it is cold. */
export function wantEnd({ entries, trees }: Keyspace, entry: number, tail: boolean, wants: ColdWants): void {
  const root = entries.value(entry)
  if (tail) trees.shape.last(root, at)
  else trees.shape.first(root, at)
  if (trees.ref(at) === 0) wantRow(trees, root, at, wants)
}

/** Wants the leaf of an element of a tree, if it is cold. */
export function wantElement({ entries, trees }: Keyspace, entry: number, rank: number, wants: ColdWants): void {
  if (!(rank >= 0 && rank < entries.length(entry))) return
  const root = entries.value(entry)
  trees.shape.locateRank(root, rank, at)
  if (trees.ref(at) === 0) wantRow(trees, root, at, wants)
}

/** Wants the leaves of `count` elements of a tree, from one on. */
export function wantElements(keyspace: Keyspace, entry: number, rank: number, count: number, wants: ColdWants): void {
  const { entries, trees } = keyspace
  const from = Math.max(rank, 0)
  let left = Math.min(rank + count, entries.length(entry)) - from
  if (left <= 0) return
  const root = entries.value(entry)
  trees.shape.locateRank(root, from, at)
  left += trees.shape.rankWithin
  do {
    if (trees.ref(at) === 0) wantRow(trees, root, at, wants)
    left -= trees.nodes.count(at.node, at.row)
  } while (left > 0 && trees.shape.next(at))
}

/** Wants what must be in memory where `count` elements of a tree are taken out: leaves that keep some, and the first one of all. */
export function wantRemoval(keyspace: Keyspace, entry: number, rank: number, count: number, wants: ColdWants): void {
  const length = keyspace.entries.length(entry)
  const last = Math.min(rank + count, length) - 1
  if (rank > last || (rank === 0 && last === length - 1)) return
  wantElement(keyspace, entry, rank, wants)
  wantElement(keyspace, entry, last, wants)
  if (rank === 0) wantEnd(keyspace, entry, false, wants)
}

function wantsPush(keyspace: Keyspace, entry: number, payload: RecordReader, wants: ColdWants): void {
  wantEnd(keyspace, entry, (payload.byte() & atTail) !== 0, wants)
}

function wantsPop(keyspace: Keyspace, entry: number, payload: RecordReader, wants: ColdWants): void {
  const flags = payload.byte()
  const length = keyspace.entries.length(entry)
  const count = Math.min(payload.varint(), length)
  wantRemoval(keyspace, entry, (flags & atTail) !== 0 ? length - count : 0, count, wants)
}

function wantsElement(keyspace: Keyspace, entry: number, payload: RecordReader, wants: ColdWants): void {
  payload.byte()
  wantElement(keyspace, entry, payload.varint(), wants)
}

function wantsRange(keyspace: Keyspace, entry: number, payload: RecordReader, wants: ColdWants): void {
  const rank = payload.varint()
  wantRemoval(keyspace, entry, rank, payload.varint(), wants)
}

function wantsKept(keyspace: Keyspace, entry: number, payload: RecordReader, wants: ColdWants): void {
  const rank = payload.varint()
  wantElements(keyspace, entry, rank, payload.varint(), wants)
}

/** Whether a tree keeps so little of so much that the rest is better given up as a whole. */
export function keepsLittle({ entries, trees }: Keyspace, entry: number, rank: number, count: number): boolean {
  if (!entries.isTree(entry) || count <= 0 || rank + count > entries.length(entry)) return false
  const root = entries.value(entry)
  let leavesMax = Math.min(keptLeavesMax, trees.roots.leaves(root) >> 3)
  trees.shape.locateRank(root, rank, at)
  let left = count + trees.shape.rankWithin
  let bytes = 0
  do {
    bytes += trees.nodes.bytes(at.node, at.row)
    left -= trees.nodes.count(at.node, at.row)
  } while (left > 0 && --leavesMax > 0 && trees.shape.next(at))
  return left <= 0 && bytes <= keptLeavesMax * leafBytesDefault
}

function wantsEach(keyspace: Keyspace, entry: number, payload: RecordReader, wants: ColdWants): void {
  const { entries, trees } = keyspace
  const ranks = readRanks(payload, entries.length(entry))
  if (ranks.length === entries.length(entry)) return
  const root = entries.value(entry)
  // Many ranks come leaf by leaf.
  for (let i = 0, end = 0; i < ranks.length; i++) {
    if (ranks[i] < end) continue
    trees.shape.locateRank(root, ranks[i], at)
    end = ranks[i] - trees.shape.rankWithin + trees.nodes.count(at.node, at.row)
    if (trees.ref(at) === 0) wantRow(trees, root, at, wants)
  }
}
