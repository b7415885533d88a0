/**
 * The inner nodes of counted B+trees: slots of the arena with a row per child, ordered by separator. All trees share this
 * one object; no JavaScript object belongs to a node or to a tree.
 *
 * A node, in 32-bit words: 0 parent (a node, or the root block for the top) · 1 rows (16 bits), level (16 bits; 0: the
 * children are leaves) · 2 the parent's row that led here last, a hint (16 bits), slots of the tree's directory that name the node (16
 * bits) · 3 `nodeTag`, 0 once released. Then the rows, of `rowWords` each:
 *   0–3  separator: the least key of the child's range, most significant word first. It never changes while the row lives
 *   4    ref of the child; 0 for a leaf that is cold
 *   5    elements below
 * and for leaves only:
 *   6    bytes of the leaf
 *   7    id of the identical copy in the cold store, lower 32 bits; 0 when there is none
 *   8    the id's upper 16 bits, flags
 *   9    LSN of the last change, lower 32 bits
 *   10   upper 16 bits
 * A row's child knows its node: a node by word 0, a resident leaf by its owner word. The range of the first row of a node
 * begins where the node's does, whatever its separator says.
 */
import type { Values } from '../keyspace/values.ts'
import type { Arena } from '../memory/arena.ts'
import { nodeKind } from '../memory/arena.ts'

export const separatorWords = 4
export const rowWords = 11
const headerWords = 4
export const nodeTag = 1
const rowsMin = 2
/** A full node takes 2832 bytes. */
export const rowsMax = 64
const two32 = 2 ** 32

/** Flags of a leaf's row: the resident bytes have no identical copy in the cold store; the catalog has a row under this separator. */
export const dirtyLeaf = 1 << 16
export const catalogedLeaf = 1 << 17
/** Changed by the record of its LSN after the tree was frozen in the middle of that record. Means nothing to who froze it at another time. */
export const laterLeaf = 1 << 18

export class TreeNodes {
  readonly arena: Arena
  /** Counts, from 1 on, changes of where rows of any tree are: while it stays as it is, a row that was found is still there. */
  moves = 1
  /** Set by the directories. Told of a node that some of their slots name, before it loses rows at its front or to another node, or goes. */
  forget: (node: number) => void = () => undefined
  readonly #values: Values

  constructor(values: Values) {
    this.arena = values.arena
    this.#values = values
  }

  /** An empty node with room for `rows`. */
  create(parent: number, level: number, rows = rowsMin): number {
    // A tree begins with one, and its root may lie where another's did.
    this.moves++
    const node = this.arena.allocate((headerWords + Math.min(Math.max(rows, rowsMin), rowsMax) * rowWords) * 4, nodeKind)
    const words = this.arena.words(node)
    const w = this.arena.wordAt(node)
    words[w] = parent
    words[w + 1] = level << 16
    words[w + 2] = 0
    words[w + 3] = nodeTag
    return node
  }

  release(node: number): void {
    this.moves++
    if (this.named(node) > 0) this.forget(node)
    this.arena.words(node)[this.arena.wordAt(node) + 3] = 0
    this.arena.release(node)
  }

  isNode(ref: number): boolean {
    return this.arena.words(ref)[this.arena.wordAt(ref) + 3] === nodeTag
  }

  parent(node: number): number {
    return this.arena.words(node)[this.arena.wordAt(node)]
  }

  setParent(node: number, parent: number): void {
    this.arena.words(node)[this.arena.wordAt(node)] = parent
  }

  /** The root block above a node. */
  rootOf(node: number): number {
    let at = node
    while (this.isNode(at)) at = this.parent(at)
    return at
  }

  /** Slots of the tree's directory that name the node. */
  named(node: number): number {
    return this.arena.words(node)[this.arena.wordAt(node) + 2] >>> 16
  }

  setNamed(node: number, slots: number): void {
    const words = this.arena.words(node)
    const w = this.arena.wordAt(node) + 2
    words[w] = (slots << 16) | (words[w] & 0xffff)
  }

  level(node: number): number {
    return this.arena.words(node)[this.arena.wordAt(node) + 1] >>> 16
  }

  length(node: number): number {
    return this.arena.words(node)[this.arena.wordAt(node) + 1] & 0xffff
  }

  /** Rows that fit without the node moving. */
  room(node: number): number {
    return Math.min(rowsMax, Math.floor((this.arena.capacity(node) / 4 - headerWords) / rowWords))
  }

  /** Where in `arena.words(node)` a row begins. */
  rowAt(node: number, row: number): number {
    return this.arena.wordAt(node) + headerWords + row * rowWords
  }

  ref(node: number, row: number): number {
    return this.arena.words(node)[this.rowAt(node, row) + 4]
  }

  setRef(node: number, row: number, ref: number): void {
    this.arena.words(node)[this.rowAt(node, row) + 4] = ref
  }

  count(node: number, row: number): number {
    return this.arena.words(node)[this.rowAt(node, row) + 5]
  }

  addCount(node: number, row: number, by: number): void {
    this.arena.words(node)[this.rowAt(node, row) + 5] += by
  }

  bytes(node: number, row: number): number {
    return this.arena.words(node)[this.rowAt(node, row) + 6]
  }

  setBytes(node: number, row: number, bytes: number): void {
    this.arena.words(node)[this.rowAt(node, row) + 6] = bytes
  }

  valueId(node: number, row: number): number {
    const words = this.arena.words(node)
    const w = this.rowAt(node, row)
    return words[w + 7] + (words[w + 8] & 0xffff) * two32
  }

  setValueId(node: number, row: number, id: number): void {
    const words = this.arena.words(node)
    const w = this.rowAt(node, row)
    words[w + 7] = id % two32
    words[w + 8] = (words[w + 8] & 0xffff0000) | (id / two32)
  }

  flag(node: number, row: number, flag: number): boolean {
    return (this.arena.words(node)[this.rowAt(node, row) + 8] & flag) !== 0
  }

  setFlag(node: number, row: number, flag: number): void {
    this.arena.words(node)[this.rowAt(node, row) + 8] |= flag
  }

  clearFlag(node: number, row: number, flag: number): void {
    this.arena.words(node)[this.rowAt(node, row) + 8] &= ~flag
  }

  lsn(node: number, row: number): number {
    const words = this.arena.words(node)
    const w = this.rowAt(node, row)
    return words[w + 9] + (words[w + 10] & 0xffff) * two32
  }

  setLsn(node: number, row: number, lsn: number): void {
    const words = this.arena.words(node)
    const w = this.rowAt(node, row)
    // Stored modulo 2^32.
    words[w + 9] = lsn
    words[w + 10] = lsn / two32
  }

  /** The row that leads to a node below. Looks where it was last, for rows move much less often than counts above a leaf change. */
  rowOfNode(node: number, child: number): number {
    const words = this.arena.words(child)
    const w = this.arena.wordAt(child) + 2
    const hint = words[w] & 0xffff
    if (hint < this.length(node) && this.ref(node, hint) === child) return hint
    const row = this.rowOf(node, child)
    words[w] = (words[w] & 0xffff0000) | row
    return row
  }

  /** The row that leads to a child, node or leaf; throws when there is none. */
  rowOf(node: number, child: number): number {
    const words = this.arena.words(node)
    const length = this.length(node)
    let w = this.rowAt(node, 0) + 4
    for (let row = 0; row < length; row++, w += rowWords) if (words[w] === child) return row
    throw new Error('tree: a node does not know its child')
  }

  /** Sum of the rows' counts. */
  sum(node: number): number {
    const words = this.arena.words(node)
    const length = this.length(node)
    let w = this.rowAt(node, 0) + 5
    let sum = 0
    for (let row = 0; row < length; row++, w += rowWords) sum += words[w]
    return sum
  }

  /** Makes room for a row at `row`, all zero; the node has room. */
  openRow(node: number, row: number): void {
    this.moves++
    const words = this.arena.words(node)
    const w = this.rowAt(node, row)
    const end = this.rowAt(node, this.length(node))
    words.copyWithin(w + rowWords, w, end)
    words.fill(0, w, w + rowWords)
    words[this.arena.wordAt(node) + 1]++
  }

  closeRow(node: number, row: number): void {
    this.moves++
    if (row === 0 && this.named(node) > 0) this.forget(node)
    const words = this.arena.words(node)
    const w = this.rowAt(node, row)
    words.copyWithin(w, w + rowWords, this.rowAt(node, this.length(node)))
    words[this.arena.wordAt(node) + 1]--
  }

  /** Moves the rows from `row` on behind those of another node of the same level, which has room for them. */
  moveRows(from: number, row: number, to: number): void {
    this.moves++
    if (this.named(from) > 0) this.forget(from)
    const moved = this.length(from) - row
    const at = this.length(to)
    const fromWords = this.arena.words(from)
    const toWords = this.arena.words(to)
    const f = this.rowAt(from, row)
    toWords.set(fromWords.subarray(f, f + moved * rowWords), this.rowAt(to, at))
    fromWords[this.arena.wordAt(from) + 1] -= moved
    toWords[this.arena.wordAt(to) + 1] += moved
    this.adopt(to, at)
  }

  /** Says that a node has so many rows more, which are there, or less. */
  addRows(node: number, by: number): void {
    this.moves++
    this.arena.words(node)[this.arena.wordAt(node) + 1] += by
  }

  /** Tells the children from `row` on that this is their node. */
  adopt(node: number, row = 0): void {
    const isBottom = this.level(node) === 0
    const length = this.length(node)
    for (let i = row; i < length; i++) {
      const child = this.ref(node, i)
      if (!isBottom) this.setParent(child, node)
      else if (child !== 0) this.#values.setOwner(child, node)
    }
  }

  /** A copy of the node with room for `rows`, in its place below the parent's row; the old one is released. The caller tells the parent. */
  resized(node: number, rows: number): number {
    const to = this.create(this.parent(node), this.level(node), rows)
    this.moveRows(node, 0, to)
    this.release(node)
    return to
  }

  copySeparator(fromNode: number, fromRow: number, toNode: number, toRow: number): void {
    const from = this.arena.words(fromNode)
    const to = this.arena.words(toNode)
    const f = this.rowAt(fromNode, fromRow)
    const t = this.rowAt(toNode, toRow)
    for (let i = 0; i < separatorWords; i++) to[t + i] = from[f + i]
  }
}
