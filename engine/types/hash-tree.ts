/**
 * Large hashes: fields in a tree, ordered by a keyed 32-bit hash of the field. A field operation touches one leaf and its
 * row. A leaf that it needs must be resident: whoever calls asks for cold leaves first (`commands/hash-needs.ts`).
 *
 * The order of fields depends on the seed and on what was done to the hash, not on how its leaves were cut, cooled and
 * joined: a replica and a replay have the same.
 */

import { wantLeaf } from '../cold-wants.ts'
import type { Keyspace } from '../keyspace/keyspace.ts'
import { packedHeaderBytes, putBytes, sameBytes, setUsedBytes, usedBytes } from '../memory/packed-bytes.ts'
import type { ColdWants } from '../need.ts'
import { Separator } from '../tree/separator.ts'
import type { TreeLeaves } from '../tree/tree-leaves.ts'
import { LeafRow } from '../tree/tree-shape.ts'
import { elementBytes, fieldHash, findElement, hashAt, hashEnd, readElement, skipBelow, visitElements, writeElement } from './hash-leaf.ts'
import type { VisitPair } from './packed-fields.ts'
import { PackedCursor, visitPairs } from './packed-fields.ts'

/**
 * A leaf with more fields is cut in two, however few bytes it has: passing over its fields, moving them and copying what a
 * write-out holds take most of the time of an operation on short ones.
 */
const leafFieldsMax = 32
const leafBounds = { elementsMax: leafFieldsMax }

export class HashTrees {
  readonly leaves: TreeLeaves
  readonly #at = new LeafRow()
  readonly #separator = new Separator()
  readonly #pair = new PackedCursor()
  #hash = 0
  /** The field that `get` found last: a command that looks for one and then changes it searches once. */
  readonly #found = { root: 0, ref: 0, at: 0, row: new LeafRow(), changes: 0, moves: 0 }

  constructor(leaves: TreeLeaves) {
    this.leaves = leaves
  }

  /** A tree with the fields of a packed hash (0: with none), which is left as it is. */
  create(entry: number, id: number, seed: number, packed: number, lsn: number): number {
    const { values } = this.leaves
    const root = this.leaves.createTree(entry, id, seed, packedHeaderBytes, lsn)
    if (packed === 0) return root
    const bytes = values.bytes(packed)
    const start = values.start(packed)
    visitPairs(bytes, start, new PackedCursor(), (_, pair) => {
      this.set(root, bytes, pair.fieldStart, pair.fieldEnd, bytes, pair.valueStart, pair.valueEnd, lsn, pair.expireAt)
    })
    return root
  }

  /** Finds the leaf of a field; returns the field's hash. What was prefetched for the request in hand is neither hashed nor looked for again. */
  locate(root: number, field: Uint8Array, fieldStart: number, fieldEnd: number, into: LeafRow): number {
    const { prefetched, shape, nodes, roots } = this.leaves
    const seed = roots.seed(root)
    const known = prefetched.find(seed, field, fieldStart, fieldEnd)
    const hash = known < 0 ? fieldHash(field, fieldStart, fieldEnd, seed) : prefetched.hashes[known]
    if (known < 0 || !prefetched.leafOf(known, root, nodes.moves, into)) shape.search.locateSpread(root, this.#separator.set(hash), into)
    return hash
  }

  /** The buffer in which `out` then says where the field and its value are; undefined without such a field. Counts a use of the leaf. */
  get(root: number, field: Uint8Array, fieldStart: number, fieldEnd: number, out: PackedCursor): Buffer | undefined {
    const { values, slots, nodes } = this.leaves
    const at = this.#at
    const hash = this.locate(root, field, fieldStart, fieldEnd, at)
    const ref = this.leaves.used(at)
    const bytes = values.bytes(ref)
    const found = findElement(bytes, values.start(ref), hash, field, fieldStart, fieldEnd)
    if (found < 0) return undefined
    readElement(bytes, found, out)
    const last = this.#found
    last.root = root
    last.ref = ref
    last.at = found
    last.row.set(at.node, at.row)
    last.changes = slots.changes
    last.moves = nodes.moves
    return bytes
  }

  /** As `findElement` in the leaf of a field, which `#at` then names, `#hash` being the field's hash. Looks first whether `get` has found the field, and nothing has changed. */
  #find(root: number, field: Uint8Array, fieldStart: number, fieldEnd: number): number {
    const { values, slots, nodes } = this.leaves
    const last = this.#found
    if (last.root === root && last.changes === slots.changes && last.moves === nodes.moves) {
      const bytes = values.bytes(last.ref)
      readElement(bytes, last.at, this.#pair)
      const length = fieldEnd - fieldStart
      const start = this.#pair.fieldStart
      if (this.#pair.fieldEnd - start === length && sameBytes(bytes, start, field, fieldStart, length)) {
        this.#at.set(last.row.node, last.row.row)
        this.#hash = hashAt(bytes, last.at)
        return last.at
      }
    }
    this.#hash = this.locate(root, field, fieldStart, fieldEnd, this.#at)
    const ref = this.leaves.used(this.#at)
    return findElement(values.bytes(ref), values.start(ref), this.#hash, field, fieldStart, fieldEnd)
  }

  /** The slot of a field's leaf. */
  leafOf(root: number, field: Uint8Array, fieldStart: number, fieldEnd: number): number {
    this.locate(root, field, fieldStart, fieldEnd, this.#at)
    return this.leaves.used(this.#at)
  }

  /** Sets a field, and when it expires (0: never); true if it is new. Neither range may lie in this hash itself, whose bytes move. */
  set(
    root: number,
    field: Uint8Array,
    fieldStart: number,
    fieldEnd: number,
    value: Uint8Array,
    valueStart: number,
    valueEnd: number,
    lsn: number,
    expireAt = 0,
  ): boolean {
    const { leaves } = this
    const { values, nodes } = leaves
    const at = this.#at
    const size = elementBytes(fieldEnd - fieldStart, valueEnd - valueStart, expireAt)
    let found = this.#find(root, field, fieldStart, fieldEnd)
    const hash = this.#hash
    let from = leaves.ref(at)
    let fromStart = values.start(from)
    const isNew = found < 0
    if (!isNew && this.#overwrites(at, from, found, value, valueStart, valueEnd, expireAt, lsn)) return false
    if (size > leaves.leafBytesMax && nodes.count(at.node, at.row) > (isNew ? 0 : 1)) {
      if (!isNew) this.#removeElement(at, found - fromStart, lsn)
      this.#isolate(at, hash, lsn)
      from = leaves.ref(at)
      fromStart = values.start(from)
      found = findElement(values.bytes(from), fromStart, hash, field, fieldStart, fieldEnd)
    }
    const offset = (found < 0 ? ~found : found) - fromStart
    const former = found < 0 ? 0 : this.#sizeAt(values.bytes(from), found)
    const used = nodes.bytes(at.node, at.row)
    const needed = used - former + size
    const replacesAll = former !== 0 && used - former === packedHeaderBytes && values.arena.isLarge(from)
    const ref = replacesAll ? leaves.slots.emptied(at, needed) : leaves.slots.writable(at, needed)
    const bytes = values.bytes(ref)
    const start = values.start(ref)
    if (!replacesAll && former !== size && offset + former < used)
      bytes.copyWithin(start + offset + size, start + offset + former, start + used)
    writeElement(bytes, start + offset, hash, field, fieldStart, fieldEnd, value, valueStart, valueEnd, expireAt)
    setUsedBytes(bytes, start, needed)
    leaves.changed(at, found < 0 ? 1 : 0, lsn)
    if (this.#isTooLarge(at)) this.#split(at, lsn)
    else if (former !== 0) leaves.slots.trim(at)
    return isNew
  }

  /** Writes a value over one of the same length, with the same expiry, in a leaf that is no block of its own; false, and nothing done, if it is not so. */
  #overwrites(
    at: LeafRow,
    from: number,
    found: number,
    value: Uint8Array,
    valueStart: number,
    valueEnd: number,
    expireAt: number,
    lsn: number,
  ): boolean {
    const { leaves } = this
    const { values } = leaves
    const pair = this.#pair
    readElement(values.bytes(from), found, pair)
    if (pair.valueEnd - pair.valueStart !== valueEnd - valueStart || pair.expireAt !== expireAt || values.arena.isLarge(from)) return false
    const offset = pair.valueStart - values.start(from)
    const ref = leaves.slots.writable(at, 0)
    putBytes(values.bytes(ref), values.start(ref) + offset, value, valueStart, valueEnd)
    leaves.changed(at, 0, lsn)
    return true
  }

  /** Deletes a field; true if it was there. */
  delete(root: number, field: Uint8Array, fieldStart: number, fieldEnd: number, lsn: number): boolean {
    const { leaves } = this
    const { values, nodes } = leaves
    const at = this.#at
    const found = this.#find(root, field, fieldStart, fieldEnd)
    if (found < 0) return false
    this.#removeElement(at, found - values.start(leaves.ref(at)), lsn)
    const isSmall = nodes.bytes(at.node, at.row) < leaves.leafBytesMax / 4 && nodes.count(at.node, at.row) < leafFieldsMax / 4
    if (!isSmall || !leaves.join(at, lsn, leafBounds)) leaves.slots.trim(at)
    return true
  }

  #isTooLarge({ node, row }: LeafRow): boolean {
    const { leafBytesMax, nodes } = this.leaves
    return nodes.bytes(node, row) > leafBytesMax || nodes.count(node, row) > leafFieldsMax
  }

  /**
   * Visits about `count` fields (at least 1) in order of hash, those with one hash together, from a cursor on (0: the start).
   * Returns the cursor to go on with, 0 at the end. A field that stays throughout is visited once or more, whatever else changes
   * between the calls. The leaf of the cursor must be resident; a cold leaf behind it ends the call early.
   */
  scan(root: number, cursor: number, count: number, visit: VisitPair): number {
    if (cursor >= hashEnd) return 0
    const { values, shape } = this.leaves
    const at = new LeafRow()
    const pair = this.#pair
    shape.locate(root, this.#separator.set(cursor), at)
    let ref = this.leaves.used(at)
    let left = Math.max(count, 1)
    let last = -1
    for (;;) {
      const bytes = values.bytes(ref)
      const start = values.start(ref)
      const end = start + usedBytes(bytes, start)
      for (let offset = skipBelow(bytes, start, start + packedHeaderBytes, cursor, pair); offset < end; offset = pair.next) {
        const hash = hashAt(bytes, offset)
        if (left <= 0 && hash !== last) return hash
        readElement(bytes, offset, pair)
        const { next } = pair
        visit(bytes, pair)
        pair.next = next
        last = hash
        left--
      }
      if (!shape.next(at)) return 0
      ref = this.leaves.ref(at)
      if (ref === 0 || left <= 0) return shape.separator(at, this.#separator).words[0]
    }
  }

  /** Visits all fields of one resident leaf in order. */
  visitLeaf(ref: number, visit: VisitPair): void {
    const { values } = this.leaves
    visitElements(values.bytes(ref), values.start(ref), this.#pair, visit)
  }

  /** Field number `rank`, 0 ≤ rank < length, in order of hash. */
  atRank(root: number, rank: number, out: PackedCursor): Buffer {
    const { values, shape } = this.leaves
    shape.locateRank(root, rank, this.#at)
    const ref = this.leaves.used(this.#at)
    const bytes = values.bytes(ref)
    let at = values.start(ref) + packedHeaderBytes
    for (let i = shape.rankWithin; i >= 0; i--, at = out.next) readElement(bytes, at, out)
    return bytes
  }

  /** Takes the element at an offset out of a leaf. */
  #removeElement(at: LeafRow, offset: number, lsn: number): void {
    const { leaves } = this
    const { values } = leaves
    const used = leaves.nodes.bytes(at.node, at.row)
    const from = leaves.ref(at)
    const size = this.#sizeAt(values.bytes(from), values.start(from) + offset)
    if (size + packedHeaderBytes === used && values.arena.isLarge(from)) leaves.slots.emptied(at, packedHeaderBytes)
    else {
      const ref = leaves.slots.writable(at, 0)
      const bytes = values.bytes(ref)
      const start = values.start(ref)
      bytes.copyWithin(start + offset, start + offset + size, start + used)
      setUsedBytes(bytes, start, used - size)
    }
    leaves.changed(at, -1, lsn)
  }

  #sizeAt(bytes: Buffer, at: number): number {
    readElement(bytes, at, this.#pair)
    return this.#pair.next - at
  }

  /** Cuts a leaf until no part is too large that can be cut. */
  #split(at: LeafRow, lsn: number): void {
    const { leaves } = this
    const { nodes, values } = leaves
    const used = nodes.bytes(at.node, at.row)
    const count = nodes.count(at.node, at.row)
    if (!this.#isTooLarge(at) || count < 2) return
    const ref = leaves.ref(at)
    const bytes = values.bytes(ref)
    const start = values.start(ref)
    const pair = this.#pair
    const half = packedHeaderBytes + (used - packedHeaderBytes) / 2
    let cutAt = 0
    let cutBefore = 0
    let last = -1
    let before = 0
    for (let offset = start + packedHeaderBytes; offset < start + used; offset = pair.next, before++) {
      const hash = hashAt(bytes, offset)
      readElement(bytes, offset, pair)
      if (hash !== last && before > 0) {
        cutAt = offset - start
        cutBefore = before
        if (pair.next - start > half) break
      }
      last = hash
    }
    if (cutAt === 0) return
    const separator = new Separator().set(hashAt(bytes, start + cutAt))
    leaves.cut(at, cutAt, count - cutBefore, separator, lsn)
    this.#split(at, lsn)
    leaves.shape.locate(leaves.shape.rootOf(at.node), separator, at)
    if (leaves.shape.previous(at)) this.#split(at, lsn)
  }

  /** Leaves the fields with one hash, if any, in a leaf of their own, so that a large value is not copied about; `at` then names it. */
  #isolate(at: LeafRow, hash: number, lsn: number): void {
    const { leaves } = this
    const { values, nodes, shape } = leaves
    const root = shape.rootOf(at.node)
    for (const boundary of [hash + 1, hash]) {
      const ref = leaves.slots.writable(at, 0)
      const bytes = values.bytes(ref)
      const start = values.start(ref)
      const offset = skipBelow(bytes, start, start + packedHeaderBytes, boundary, this.#pair) - start
      if (boundary > hash ? offset === nodes.bytes(at.node, at.row) : offset === packedHeaderBytes) continue
      leaves.cut(at, offset, this.#countFrom(bytes, start, offset), this.#separator.set(boundary), lsn)
      shape.locate(root, this.#separator.set(hash), at)
    }
  }

  #countFrom(bytes: Buffer, start: number, offset: number): number {
    const end = start + usedBytes(bytes, start)
    let count = 0
    for (let at = start + offset; at < end; at = this.#pair.next, count++) readElement(bytes, at, this.#pair)
    return count
  }
}

/** Wants the leaf of a field, `bytes[start, end)`, of an entry whose hash is a tree. */
export function wantField(keyspace: Keyspace, entry: number, bytes: Uint8Array, start: number, end: number, wants: ColdWants): void {
  const { entries, trees } = keyspace
  const root = entries.value(entry)
  wantLeaf(trees, root, new Separator().set(fieldHash(bytes, start, end, trees.roots.seed(root))), wants)
}
