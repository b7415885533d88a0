/** The leaves of a tree for tests to look at, and to store as a write-out would. */
import { expect } from 'vitest'
import { Separator } from '../../engine/tree/separator.ts'
import type { TreeLeaves } from '../../engine/tree/tree-leaves.ts'
import { LeafRow } from '../../engine/tree/tree-shape.ts'

export interface LeafState {
  readonly separator: Separator
  /** 0 for a cold one. */
  readonly ref: number
  readonly valueId: number
  readonly lsn: number
  readonly count: number
  readonly isDirty: boolean
}

/** In the order of their separators. */
export function leavesOf(trees: TreeLeaves, root: number): LeafState[] {
  const { shape, nodes } = trees
  const leaves: LeafState[] = []
  const at = new LeafRow()
  shape.first(root, at)
  do {
    leaves.push({
      separator: shape.separator(at, new Separator()),
      ref: trees.ref(at),
      valueId: nodes.valueId(at.node, at.row),
      lsn: nodes.lsn(at.node, at.row),
      count: nodes.count(at.node, at.row),
      isDirty: trees.isDirty(at),
    })
  } while (shape.next(at))
  return leaves
}

/** Makes all dirty leaves clean, under the value ids from `id` on; returns those. */
export function storeLeaves(trees: TreeLeaves, root: number, id: number): number[] {
  const ids: number[] = []
  for (const { separator, lsn } of leavesOf(trees, root).filter(({ isDirty }) => isDirty)) {
    const next = id + ids.length
    expect(trees.stored(root, separator, lsn, next)).toBe(true)
    ids.push(next)
  }
  return ids
}
