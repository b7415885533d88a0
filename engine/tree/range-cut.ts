/**
 * Taking a range of leaves out of a tree without going over them: whole subtrees are taken off on both sides of the range, so that it costs
 * as much as the tree is deep, however many leaves go. What was taken off is handed over by its top nodes, each a tree of its own.
 */
import { Separator } from './separator.ts'
import type { TreeNodes } from './tree-nodes.ts'
import { rowWords } from './tree-nodes.ts'
import type { TreeShape } from './tree-shape.ts'
import { LeafRow } from './tree-shape.ts'

/** Takes the leaves from `first` to `last` out, not the tree's first one, and returns the nodes above them, which have no parent. Rows are void. */
export function cutRange(shape: TreeShape, root: number, first: LeafRow, last: LeafRow): number[] {
  const { nodes, roots } = shape
  const tops: number[] = []
  const seam = shape.separator(first, new Separator())
  let left = first.node
  let from = first.row
  let right = last.node
  let to = last.row
  // Level by level, until both sides are under one node.
  while (left !== right) {
    takeRows(nodes, left, from, nodes.length(left) - 1, tops)
    takeRows(nodes, right, 0, to, tops)
    const aboveLeft = nodes.parent(left)
    from = rowAfter(nodes, aboveLeft, left, 1)
    const aboveRight = nodes.parent(right)
    to = rowAfter(nodes, aboveRight, right, -1)
    left = aboveLeft
    right = aboveRight
  }
  takeRows(nodes, left, from, to, tops)
  let count = 0
  for (const top of tops) count += nodes.sum(top)
  for (let node = left; ; ) {
    const parent = nodes.parent(node)
    if (!nodes.isNode(parent)) break
    rowAfter(nodes, parent, node, 0)
    node = parent
  }
  roots.addCount(root, -count)
  mend(shape, root, seam)
  return tops
}

/**
 * A node has lost rows: the row that leads to it follows, or goes with it if it has none left. Returns its number, plus `step` if the node
 * stays; behind or before where it was otherwise.
 */
function rowAfter(nodes: TreeNodes, parent: number, node: number, step: number): number {
  const row = nodes.rowOf(parent, node)
  if (nodes.length(node) === 0) {
    nodes.release(node)
    nodes.closeRow(parent, row)
    return step < 0 ? row - 1 : row
  }
  nodes.addCount(parent, row, nodes.sum(node) - nodes.count(parent, row))
  nodes.copySeparator(node, 0, parent, row)
  return row + step
}

/** Moves rows of a node to a node without a parent. */
function takeRows(nodes: TreeNodes, node: number, from: number, to: number, tops: number[]): void {
  const taken = to - from + 1
  if (taken <= 0) return
  const top = nodes.create(0, nodes.level(node), taken)
  const fromWords = nodes.arena.words(node)
  const start = nodes.rowAt(node, from)
  const end = start + taken * rowWords
  nodes.arena.words(top).set(fromWords.subarray(start, end), nodes.rowAt(top, 0))
  fromWords.copyWithin(start, end, nodes.rowAt(node, nodes.length(node)))
  nodes.addRows(node, -taken)
  nodes.addRows(top, taken)
  nodes.adopt(top)
  tops.push(top)
}

/** Joins nodes with few rows along both sides of where leaves were taken out. */
function mend(shape: TreeShape, root: number, seam: Separator): void {
  const at = new LeafRow()
  for (const isRight of [false, true]) {
    for (let level = 0, isDone = false; !isDone; level++) {
      shape.locate(root, seam, at)
      if (isRight && !shape.next(at)) break
      isDone = !shape.joinAt(at, level)
    }
  }
}
