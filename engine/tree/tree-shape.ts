/**
 * The shape of counted B+trees: finding a leaf's row by separator or by rank, walking from row to row, and putting rows in
 * and out with the splits, merges and sums that go with it. Knows no leaf's bytes.
 *
 * Invariants: a tree has a row at least, the first with the least separator of all; all leaves are equally deep; the count
 * of an inner row is the sum of its child's rows, that of the root block the sum of the top's.
 * (Bayer and McCreight, "Organization and maintenance of large ordered indices", 1972; the counts as in Knuth, The Art of
 * Computer Programming 3, 6.2.4.)
 */
import type { Arena } from '../memory/arena.ts'
import { LeafSearch } from './leaf-search.ts'
import { Separator } from './separator.ts'
import type { TreeNodes } from './tree-nodes.ts'
import { rowsMax, rowWords } from './tree-nodes.ts'
import type { TreeRoots } from './tree-roots.ts'

/** A leaf's row: its node and its number there. Void once rows were put in or out, unless told otherwise. */
export class LeafRow {
  node = 0
  row = 0

  set(node: number, row: number): this {
    this.node = node
    this.row = row
    return this
  }
}

export class TreeShape {
  readonly arena: Arena
  readonly nodes: TreeNodes
  readonly roots: TreeRoots
  readonly search: LeafSearch
  /** Elements before the one that `locateRank` was asked for in its leaf. */
  rankWithin = 0

  constructor(arena: Arena, nodes: TreeNodes, roots: TreeRoots) {
    this.arena = arena
    this.nodes = nodes
    this.roots = roots
    this.search = new LeafSearch(nodes, roots)
  }

  /** The leaf whose range holds a separator: the last that does not begin behind it. */
  locate(root: number, sought: Separator, into: LeafRow): void {
    this.search.locate(root, sought, into)
  }

  /** The leaf with element number `rank` in all, 0 ≤ rank < count; `rankWithin` then tells its number in the leaf. */
  locateRank(root: number, rank: number, into: LeafRow): void {
    const { arena, nodes } = this
    let total = this.roots.count(root)
    if (!(rank >= 0 && rank < total)) throw new Error(`tree: there is no element ${rank}`)
    let left = rank
    for (let node = this.roots.top(root); ; ) {
      const words = arena.words(node)
      const head = words[arena.wordAt(node) + 1]
      const counts = nodes.rowAt(node, 0) + 5
      const length = head & 0xffff
      let row = 0
      if (left <= total >>> 1) for (let at = counts; left >= words[at]; at += rowWords, row++) left -= words[at]
      else {
        // Nearer to the end of the node: `left` becomes negative while the rows that are passed over lie behind the element.
        row = length
        left -= total
        while (left < 0) left += words[counts + --row * rowWords]
      }
      if (head >>> 16 === 0) {
        into.set(node, row)
        this.rankWithin = left
        return
      }
      total = words[counts + row * rowWords]
      node = words[counts + row * rowWords - 1]
    }
  }

  /** Elements in all the leaves before one. */
  rankOf(at: LeafRow): number {
    const { nodes } = this
    let rank = 0
    let { node, row } = at
    for (;;) {
      const parent = nodes.parent(node)
      if (!nodes.isNode(parent)) return rank + this.#countBefore(node, row, this.roots.count(parent))
      const parentRow = nodes.rowOfNode(parent, node)
      rank += this.#countBefore(node, row, nodes.count(parent, parentRow))
      row = parentRow
      node = parent
    }
  }

  /** Elements below the rows of a node before one; below all there are `total`. The fewer rows are summed up. */
  #countBefore(node: number, row: number, total: number): number {
    const { arena, nodes } = this
    const words = arena.words(node)
    const counts = nodes.rowAt(node, 0) + 5
    const length = words[arena.wordAt(node) + 1] & 0xffff
    let sum = 0
    const isNearStart = row * 2 <= length
    const end = isNearStart ? row : length
    for (let i = isNearStart ? 0 : row; i < end; i++) sum += words[counts + i * rowWords]
    return isNearStart ? sum : total - sum
  }

  first(root: number, into: LeafRow): void {
    let node = this.roots.top(root)
    while (this.nodes.level(node) > 0) node = this.nodes.ref(node, 0)
    into.set(node, 0)
  }

  last(root: number, into: LeafRow): void {
    const { nodes } = this
    let node = this.roots.top(root)
    while (nodes.level(node) > 0) node = nodes.ref(node, nodes.length(node) - 1)
    into.set(node, nodes.length(node) - 1)
  }

  /** Goes on to the next leaf; false, and nothing changed, at the end. */
  next(at: LeafRow): boolean {
    const { nodes } = this
    if (at.row + 1 < nodes.length(at.node)) {
      at.row++
      return true
    }
    let node = at.node
    for (;;) {
      const parent = nodes.parent(node)
      if (!nodes.isNode(parent)) return false
      const row = nodes.rowOfNode(parent, node) + 1
      node = parent
      if (row === nodes.length(parent)) continue
      node = nodes.ref(parent, row)
      while (nodes.level(node) > 0) node = nodes.ref(node, 0)
      at.set(node, 0)
      return true
    }
  }

  previous(at: LeafRow): boolean {
    const { nodes } = this
    if (at.row > 0) {
      at.row--
      return true
    }
    let node = at.node
    for (;;) {
      const parent = nodes.parent(node)
      if (!nodes.isNode(parent)) return false
      const row = nodes.rowOfNode(parent, node)
      node = parent
      if (row === 0) continue
      node = nodes.ref(parent, row - 1)
      while (nodes.level(node) > 0) node = nodes.ref(node, nodes.length(node) - 1)
      at.set(node, nodes.length(node) - 1)
      return true
    }
  }

  /** The root block above a node. */
  rootOf(node: number): number {
    return this.nodes.rootOf(node)
  }

  /** Where the range of a leaf begins. */
  separator(at: LeafRow, into: Separator): Separator {
    return into.take(this.arena.words(at.node), this.nodes.rowAt(at.node, at.row))
  }

  /** A leaf's elements have become more or fewer. */
  addCount(at: LeafRow, by: number): void {
    if (by === 0) return
    const { nodes } = this
    nodes.addCount(at.node, at.row, by)
    this.#addAbove(at.node, by)
  }

  #addAbove(from: number, by: number): void {
    const { nodes } = this
    let node = from
    let parent = nodes.parent(node)
    while (nodes.isNode(parent)) {
      nodes.addCount(parent, nodes.rowOfNode(parent, node), by)
      node = parent
      parent = nodes.parent(node)
    }
    this.roots.addCount(parent, by)
  }

  /** Puts a row without a leaf behind `at`, which then names it. */
  insertBehind(at: LeafRow, separator: Separator): void {
    at.row++
    this.#insert(at, separator)
  }

  /** Puts the first row into a tree that has none. */
  insertFirst(root: number, into: LeafRow): void {
    const node = this.nodes.create(root, 0)
    this.roots.setTop(root, node)
    this.nodes.openRow(node, 0)
    into.set(node, 0)
  }

  /** Takes a row out; its leaf's elements are no longer counted. */
  remove(at: LeafRow): void {
    const { nodes } = this
    const count = nodes.count(at.node, at.row)
    if (count !== 0) this.addCount(at, -count)
    this.#close(at.node, at.row)
  }

  /** Moves a node to another slot of its size. */
  relocate(node: number): void {
    this.#redirect(node, this.nodes.resized(node, this.nodes.room(node)))
  }

  #insert(at: LeafRow, separator: Separator): void {
    const { nodes } = this
    let { node, row } = at
    const length = nodes.length(node)
    if (length === rowsMax) {
      const right = this.#split(node, row)
      const stayed = nodes.length(node)
      if (row > stayed || (row === stayed && nodes.length(right) === 0)) {
        row -= stayed
        node = right
      }
    } else if (length === nodes.room(node)) {
      const to = nodes.resized(node, Math.min(rowsMax, length + Math.max(length >>> 1, 1)))
      this.#redirect(node, to)
      node = to
    }
    nodes.openRow(node, row)
    this.arena.words(node).set(separator.words, nodes.rowAt(node, row))
    at.set(node, row)
    // An empty right part has got its first row only now.
    if (row === 0) this.#tellFirst(node)
  }

  /** Cuts a full node in two and returns the right part. Rows that arrive in order fill nodes instead of leaving halves. */
  #split(full: number, row: number): number {
    const { nodes } = this
    const stay = row === rowsMax && this.#isLast(full) ? rowsMax : rowsMax / 2
    const right = nodes.create(0, nodes.level(full), stay === rowsMax ? 0 : rowsMax)
    nodes.moveRows(full, stay, right)
    this.#insertChild(full, right)
    return right
  }

  #isLast(node: number): boolean {
    const { nodes } = this
    let at = node
    for (let parent = nodes.parent(at); nodes.isNode(parent); parent = nodes.parent(at)) {
      if (nodes.ref(parent, nodes.length(parent) - 1) !== at) return false
      at = parent
    }
    return true
  }

  /** Puts a node behind its left neighbour, from which its rows came. */
  #insertChild(left: number, right: number): void {
    const { nodes } = this
    let parent = nodes.parent(left)
    if (!nodes.isNode(parent)) {
      const top = nodes.create(parent, nodes.level(left) + 1)
      this.roots.setTop(parent, top)
      nodes.openRow(top, 0)
      nodes.copySeparator(left, 0, top, 0)
      nodes.setRef(top, 0, left)
      nodes.addCount(top, 0, nodes.sum(left) + nodes.sum(right))
      nodes.setParent(left, top)
      parent = top
    }
    const moved = nodes.sum(right)
    const leftRow = nodes.rowOfNode(parent, left)
    const at = new LeafRow().set(parent, leftRow + 1)
    // An empty right part is told its separator with its first row.
    const first = nodes.length(right) > 0 ? right : left
    const separator = new Separator().take(this.arena.words(first), nodes.rowAt(first, 0))
    this.#insert(at, separator)
    nodes.setRef(at.node, at.row, right)
    nodes.addCount(at.node, at.row, moved)
    nodes.setParent(right, at.node)
    const above = nodes.parent(left)
    nodes.addCount(above, nodes.rowOfNode(above, left), -moved)
    if (moved !== 0 && above !== at.node) this.#moveSum(above, at.node, moved)
  }

  /** Elements have gone from below one node to below its neighbour: the sums above follow, up to where both meet. */
  #moveSum(from: number, to: number, count: number): void {
    const { nodes } = this
    let left = from
    let right = to
    while (left !== right) {
      const leftParent = nodes.parent(left)
      const rightParent = nodes.parent(right)
      nodes.addCount(leftParent, nodes.rowOfNode(leftParent, left), -count)
      nodes.addCount(rightParent, nodes.rowOfNode(rightParent, right), count)
      left = leftParent
      right = rightParent
    }
  }

  /** The first row of a node has another separator: so have the rows above that lead to it. */
  #tellFirst(node: number): void {
    const { nodes } = this
    let at = node
    for (let parent = nodes.parent(at); nodes.isNode(parent); parent = nodes.parent(at)) {
      const row = nodes.rowOfNode(parent, at)
      nodes.copySeparator(at, 0, parent, row)
      if (row > 0) return
      at = parent
    }
  }

  #close(node: number, row: number): void {
    const { nodes } = this
    nodes.closeRow(node, row)
    const parent = nodes.parent(node)
    const length = nodes.length(node)
    if (!nodes.isNode(parent)) {
      this.#lowerTop(parent, node)
      return
    }
    if (length === 0) {
      const at = nodes.rowOfNode(parent, node)
      nodes.release(node)
      this.#close(parent, at)
      return
    }
    if (row === 0) this.#tellFirst(node)
    if (length <= rowsMax / 4) this.#join(parent, node)
  }

  /** Joins the node that is `level` above a leaf's to a neighbour if it has few rows; of the top nothing is left that is of no use. False above the top. */
  joinAt(at: LeafRow, level: number): boolean {
    const { nodes } = this
    let node = at.node
    for (let i = 0; i < level; i++) node = nodes.parent(node)
    if (!nodes.isNode(node)) return false
    const parent = nodes.parent(node)
    if (!nodes.isNode(parent)) this.#lowerTop(parent, node)
    else if (nodes.length(node) <= rowsMax / 4) this.#join(parent, node)
    return true
  }

  /** A top with a single node below is of no use. */
  #lowerTop(root: number, top: number): void {
    const { nodes } = this
    if (nodes.level(top) === 0 || nodes.length(top) !== 1) return
    const child = nodes.ref(top, 0)
    nodes.setParent(child, root)
    this.roots.setTop(root, child)
    nodes.release(top)
    this.#lowerTop(root, child)
  }

  /** Joins a node that has few rows to a neighbour, if all of them leave half of a node free. */
  #join(parent: number, node: number): void {
    const { nodes } = this
    const row = nodes.rowOfNode(parent, node)
    for (const left of [row - 1, row]) {
      if (left < 0 || left + 1 >= nodes.length(parent)) continue
      const into = nodes.ref(parent, left)
      const from = nodes.ref(parent, left + 1)
      const together = nodes.length(into) + nodes.length(from)
      if (together > rowsMax / 2) continue
      nodes.addCount(parent, left, nodes.count(parent, left + 1))
      let to = into
      if (nodes.room(into) < together) {
        to = nodes.resized(into, together)
        this.#redirect(into, to)
      }
      nodes.moveRows(from, 0, to)
      nodes.release(from)
      this.#close(parent, left + 1)
      return
    }
  }

  /** Whoever leads to a node that has moved leads to its new place. */
  #redirect(from: number, to: number): void {
    const { nodes } = this
    const parent = nodes.parent(to)
    if (nodes.isNode(parent)) nodes.setRef(parent, nodes.rowOf(parent, from), to)
    else this.roots.setTop(parent, to)
  }
}
