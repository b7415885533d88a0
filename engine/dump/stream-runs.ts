/**
 * What the groups of a stream have pending, as dumps have it: a run for each unit (`types/stream-separator.ts`), the ids pending in a group or
 * for a consumer. Units are told by separators, so that a long one is found, and the leaves of another passed over, unread.
 */
import { wantRow } from '../cold-wants.ts'
import type { Keyspace } from '../keyspace/keyspace.ts'
import { packedHeaderBytes, usedBytes } from '../memory/packed-bytes.ts'
import type { ColdWants } from '../need.ts'
import type { RdbOutput } from '../rdb/rdb-output.ts'
import { Separator } from '../tree/separator.ts'
import type { TreeLeaves } from '../tree/tree-leaves.ts'
import { LeafRow } from '../tree/tree-shape.ts'
import { ownBytes, PendingCursor, pendingBytes, pendingKind } from '../types/stream-group-leaf.ts'
import { idBytes } from '../types/stream-id.ts'
import { firstUnit } from '../types/stream-meta.ts'
import { firstOfUnit, groupBit } from '../types/stream-separator.ts'
import type { DumpedRuns, RankRange } from './dumped-type.ts'

/** Leaves that one call looks at. */
const looksMax = 256
const at = new LeafRow()
const separator = new Separator()
const timeRoom = Buffer.alloc(8)
const cursor = new PendingCursor()

export const streamRuns: DumpedRuns = {
  next({ trees }, root, after, leavesMin) {
    const { shape } = trees
    let unit = Math.max(after + 1, firstUnit)
    let leaves = 0
    if (!seek(trees, root, unit)) return 0
    for (let looks = 0; ; looks++) {
      const found = unitOf(trees, at)
      if (found !== unit) leaves = 0
      // One that has begun is not left in the middle.
      if (found !== unit && looks >= looksMax) return -unit
      unit = found
      if (++leaves >= leavesMin) return unit
      if (!shape.next(at)) return 0
    }
  },

  range({ trees }, root, run) {
    return { first: rankOf(trees, root, run), end: rankOf(trees, root, run + 1) }
  },

  leaf({ values, trees }, ref, run, out) {
    const node = values.owner(ref)
    if (unitOf(trees, at.set(node, trees.nodes.rowOf(node, ref))) === run) writeUnit(values.bytes(ref), values.start(ref), out)
  },

  want({ trees }, root, isWritten, wants) {
    const { shape } = trees
    shape.first(root, at)
    if (trees.ref(at) === 0) wantRow(trees, root, at, wants)
    if (seek(trees, root, 0)) wantUnits(trees, root, isWritten, wants)
  },
}

/** Writes all that a leaf has pending: in a group with time and number of deliveries, for a consumer ids only. */
function writeUnit(bytes: Buffer, start: number, out: RdbOutput): void {
  const end = start + usedBytes(bytes, start)
  const size = bytes[start + packedHeaderBytes] === pendingKind ? pendingBytes : ownBytes
  for (let position = start + packedHeaderBytes; position < end; position += size) {
    out.raw(bytes, position + 1, position + 1 + idBytes)
    if (size !== pendingBytes) continue
    cursor.bytes = bytes
    cursor.at = position
    timeRoom.writeBigInt64LE(BigInt(cursor.deliveredAt), 0)
    out.raw(timeRoom, 0, timeRoom.length)
    out.bigLength(cursor.deliveries)
  }
}

/** Wants leaves from the present one on, but those of written runs. */
function wantUnits(trees: TreeLeaves, root: number, isWritten: (run: number) => boolean, wants: ColdWants): void {
  for (let isThere = true; isThere; ) {
    const unit = unitOf(trees, at)
    if (unit >= firstUnit && isWritten(unit)) {
      isThere = seek(trees, root, unit + 1)
      continue
    }
    if (trees.ref(at) === 0) wantRow(trees, root, at, wants)
    isThere = trees.shape.next(at)
  }
}

/** Goes to the first leaf of a unit or of one behind it; false when there is none. */
function seek(trees: TreeLeaves, root: number, unit: number): boolean {
  trees.shape.locate(root, firstOfUnit(unit, separator), at)
  return (isUnit(trees) && unitOf(trees, at) >= unit) || trees.shape.next(at)
}

function isUnit(trees: TreeLeaves): boolean {
  return trees.shape.separator(at, separator).words[0] >= groupBit
}

function unitOf(trees: TreeLeaves, row: LeafRow): number {
  return trees.shape.separator(row, separator).words[0] & (groupBit - 1)
}

/** How many elements of the tree come before a unit. */
function rankOf(trees: TreeLeaves, root: number, unit: number): number {
  return seek(trees, root, unit) ? trees.shape.rankOf(at) : trees.roots.count(root)
}

/** The entries come first; the leaf before them has none. */
export function entryRange({ entries }: Keyspace, entry: number): RankRange {
  return { first: 0, end: entries.length(entry) }
}
