/** Reading lists in any form: one element by rank, or a run of them in either direction. What is read must be resident. */
import type { Keyspace } from '../keyspace/keyspace.ts'
import { packedHeaderBytes } from '../memory/packed-bytes.ts'
import { LeafRow } from '../tree/tree-shape.ts'
import type { VisitElement } from './list-leaf.ts'
import { positionOf } from './list-leaf.ts'
import { elementBytesBefore, ListpackElement } from './listpack-element.ts'

const at = new LeafRow()
const element = new ListpackElement()

/** Reads element `rank`, 0 ≤ rank < length. Returns the buffer in which `out` then says where it is, which may be one of its own. */
export function readElementAt(keyspace: Keyspace, entry: number, rank: number, out: ListpackElement): Buffer {
  const { entries, trees, values } = keyspace
  let ref = entries.value(entry)
  let within = rank
  let count = entries.length(entry)
  if (entries.isTree(entry)) {
    trees.shape.locateRank(ref, rank, at)
    ref = trees.used(at)
    within = trees.shape.rankWithin
    count = trees.nodes.count(at.node, at.row)
  }
  const bytes = values.bytes(ref)
  out.read(bytes, positionOf(bytes, values.start(ref), within, count))
  return out.bytes
}

/** The leaf or blob of element `rank`. */
export function slotOfElement({ entries, trees }: Keyspace, entry: number, rank: number): number {
  const value = entries.value(entry)
  if (!entries.isTree(entry)) return value
  trees.shape.locateRank(value, rank, at)
  return trees.used(at)
}

/** Visits elements that lie one behind the other: `count` of them, the first at `position`; false ends the walk. */
export type VisitRun = (bytes: Buffer, position: number, count: number) => boolean

/** Visits up to `count` elements from `rank` on, in runs. The visit must not change the list. */
export function visitRuns(keyspace: Keyspace, entry: number, rank: number, count: number, visit: VisitRun): void {
  const { entries, trees, values } = keyspace
  let left = Math.min(count, entries.length(entry) - rank)
  if (left <= 0) return
  const value = entries.value(entry)
  if (!entries.isTree(entry)) {
    const bytes = values.bytes(value)
    visit(bytes, positionOf(bytes, values.start(value), rank, entries.length(entry)), left)
    return
  }
  const row = new LeafRow()
  trees.shape.locateRank(value, rank, row)
  let within = trees.shape.rankWithin
  do {
    const held = trees.nodes.count(row.node, row.row)
    if (held === 0) continue
    const ref = trees.used(row)
    const run = Math.min(left, held - within)
    const bytes = values.bytes(ref)
    if (!visit(bytes, positionOf(bytes, values.start(ref), within, held), run)) return
    left -= run
    within = 0
  } while (left > 0 && trees.shape.next(row))
}

/** As `visitRuns`, one by one. */
export function visitForwards(keyspace: Keyspace, entry: number, rank: number, count: number, visit: VisitElement): void {
  visitRuns(keyspace, entry, rank, count, (bytes, from, run) => {
    let position = from
    for (let i = 0; i < run; i++) {
      element.read(bytes, position)
      position = element.next
      if (!visit(element.bytes, element.start, element.end)) return false
    }
    return true
  })
}

/** Visits up to `count` elements from `rank` on towards the head. */
export function visitBackwards(keyspace: Keyspace, entry: number, rank: number, count: number, visit: VisitElement): void {
  const { entries, trees, values } = keyspace
  let left = Math.min(count, rank + 1)
  if (left <= 0) return
  const value = entries.value(entry)
  if (!entries.isTree(entry)) {
    visitRunBackwards(values.bytes(value), values.start(value), rank + 1, entries.length(entry), left, visit)
    return
  }
  const row = new LeafRow()
  trees.shape.locateRank(value, rank, row)
  let behind = trees.shape.rankWithin + 1
  for (;;) {
    const held = trees.nodes.count(row.node, row.row)
    if (behind === 0) behind = held
    const run = Math.min(left, behind)
    if (run > 0) {
      const ref = trees.used(row)
      if (!visitRunBackwards(values.bytes(ref), values.start(ref), behind, held, run, visit)) return
    }
    left -= run
    behind = 0
    if (left <= 0 || !trees.shape.previous(row)) return
  }
}

/** Visits `count` elements, the first being the one before element number `behind`. */
function visitRunBackwards(bytes: Buffer, start: number, behind: number, held: number, count: number, visit: VisitElement): boolean {
  let end = positionOf(bytes, start, behind, held)
  for (let i = 0; i < count && end > start + packedHeaderBytes; i++) {
    end -= elementBytesBefore(bytes, end)
    element.read(bytes, end)
    if (!visit(element.bytes, element.start, element.end)) return false
  }
  return true
}
