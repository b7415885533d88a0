/**
 * Where ids lie among the elements of a large stream's tree, by rank in the whole tree: entries come first, then what is pending, unit by unit. Each function
 * returns -1 when the leaf that tells is cold; `wants`, if there is one, is told of it.
 */
import { wantRow } from '../cold-wants.ts'
import { packedHeaderBytes, usedBytes } from '../memory/packed-bytes.ts'
import type { ColdWants } from '../need.ts'
import { Separator } from '../tree/separator.ts'
import type { TreeLeaves } from '../tree/tree-leaves.ts'
import { LeafRow } from '../tree/tree-shape.ts'
import { StreamId } from './stream-id.ts'
import { EntryCursor } from './stream-node.ts'
import { entrySeparator, firstOfUnit, groupBit, pendingSeparator } from './stream-separator.ts'

const at = new LeafRow()
const other = new LeafRow()
const separator = new Separator()
const cursor = new EntryCursor()
const scratch = new StreamId()

/** How many entries lie before an id. */
export function entriesBefore(leaves: TreeLeaves, root: number, id: StreamId, wants?: ColdWants): number {
  const { shape, nodes, values } = leaves
  shape.locate(root, entrySeparator(id, separator), at)
  const words = shape.arena.words(at.node)
  const w = nodes.rowAt(at.node, at.row)
  // Up to the first leaf with entries there is none. A leaf begins with the id that is its separator, unless that is clamped.
  if (nodes.count(at.node, at.row) === 0) return shape.rankOf(at)
  if (separator.compare(words, w) === 0 && words[w] < groupBit - 1) return shape.rankOf(at)
  const ref = residentRef(leaves, root, at, wants)
  if (ref === 0) return -1
  const bytes = values.bytes(ref)
  const start = values.start(ref)
  const end = start + usedBytes(bytes, start)
  let before = shape.rankOf(at)
  cursor.enter(bytes, start + packedHeaderBytes)
  while (cursor.end < end) {
    cursor.read(cursor.end)
    if (cursor.id.compare(id) >= 0) break
    before++
  }
  return before
}

/** How many entries lie before an id or have it. */
export function entriesUpTo(leaves: TreeLeaves, root: number, id: StreamId, wants?: ColdWants): number {
  return scratch.copy(id).increment() ? entriesBefore(leaves, root, scratch, wants) : entriesIn(leaves, root)
}

/** Entries of a large stream. */
export function entriesIn({ shape, nodes }: TreeLeaves, root: number): number {
  shape.locate(root, separator.set(groupBit - 1, 0xffffffff, 0xffffffff, 0xffffffff), at)
  return shape.rankOf(at) + nodes.count(at.node, at.row)
}

/** Where what a unit has pending begins. */
export function beginOfUnit({ shape, nodes }: TreeLeaves, root: number, unit: number): number {
  shape.locate(root, firstOfUnit(unit, separator), at)
  const rank = shape.rankOf(at)
  return isOfUnit(shape.arena.words(at.node), nodes.rowAt(at.node, at.row), unit) ? rank : rank + nodes.count(at.node, at.row)
}

/** The rank of the first that a unit has pending with an id from `id` on; `size`: bytes of each. */
export function pendingBefore(leaves: TreeLeaves, root: number, unit: number, id: StreamId, size: number, wants?: ColdWants): number {
  const { shape, nodes, values } = leaves
  shape.locate(root, pendingSeparator(unit, id, separator), at)
  const rank = shape.rankOf(at)
  const count = nodes.count(at.node, at.row)
  if (!isOfUnit(shape.arena.words(at.node), nodes.rowAt(at.node, at.row), unit)) return rank + count
  const ref = residentRef(leaves, root, at, wants)
  if (ref === 0) return -1
  const first = values.start(ref) + packedHeaderBytes + 1
  let low = 0
  let high = count
  while (low < high) {
    const middle = (low + high) >>> 1
    if (id.compareAt(values.bytes(ref), first + middle * size) > 0) low = middle + 1
    else high = middle
  }
  return rank + low
}

/** Behind the last that a unit has pending with an id up to `id`. */
export function pendingUpTo(leaves: TreeLeaves, root: number, unit: number, id: StreamId, size: number, wants?: ColdWants): number {
  return scratch.copy(id).increment() ? pendingBefore(leaves, root, unit, scratch, size, wants) : beginOfUnit(leaves, root, unit + 1)
}

/** Whether two entries' ids lie so near to each other that what is between is little, as the tree's nodes tell. */
export function areNear({ shape }: TreeLeaves, root: number, from: StreamId, to: StreamId): boolean {
  shape.locate(root, entrySeparator(from, separator), at)
  shape.locate(root, entrySeparator(to, separator), other)
  return at.node === other.node
}

function isOfUnit(words: Uint32Array, w: number, unit: number): boolean {
  return words[w] === (groupBit | unit) >>> 0
}

function residentRef(leaves: TreeLeaves, root: number, row: LeafRow, wants: ColdWants | undefined): number {
  const ref = leaves.ref(row)
  if (ref === 0 && wants !== undefined) wantRow(leaves, root, row, wants)
  return ref
}
