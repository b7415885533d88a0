/** How large a tree is, without reading its leaves: cold ones count like others. */
import type { TreeLeaves } from './tree-leaves.ts'
import { LeafRow } from './tree-shape.ts'

const at = new LeafRow()

/** About how many bytes a copy of a tree takes in memory. A cold leaf counts as if it was full. */
export function copyBytesOf({ roots, leafBytesMax }: TreeLeaves, root: number): number {
  return roots.residentBytes(root) + roots.coldLeaves(root) * leafBytesMax
}

/** Whether the leaves of a tree have about `bytes` together. Many leaves count as if each was as full as it may be; of few the bytes are known. */
export function isTreeOf({ roots, nodes, shape, leafBytesMax }: TreeLeaves, root: number, bytes: number): boolean {
  if (roots.leaves(root) * leafBytesMax >= bytes) return true
  shape.first(root, at)
  let held = 0
  do held += nodes.bytes(at.node, at.row)
  while (held < bytes && shape.next(at))
  return held >= bytes
}
