/**
 * A finger into trees: the leaf in which something was looked for last. What is looked for next often lies in the same one, which two comparisons
 * tell, instead of a way from the top. It holds while no row of any tree moves (`TreeNodes.moves`).
 */
import { Separator } from './separator.ts'
import type { TreeLeaves } from './tree-leaves.ts'
import { LeafRow } from './tree-shape.ts'

export class LeafFinger {
  readonly #leaves: TreeLeaves
  #root = 0
  #moves = -1
  readonly #at = new LeafRow()
  readonly #next = new LeafRow()
  /** Where the range of the leaf ends, unless it is the last one. */
  readonly #end = new Separator()
  #isLast = false

  constructor(leaves: TreeLeaves) {
    this.#leaves = leaves
  }

  /** The leaf whose range holds a separator, as `TreeShape.locate`. */
  locate(root: number, sought: Separator, into: LeafRow): void {
    const { shape, nodes } = this.#leaves
    const at = this.#at
    if (root === this.#root && nodes.moves === this.#moves && this.#holds(sought)) {
      into.set(at.node, at.row)
      return
    }
    shape.locate(root, sought, at)
    into.set(at.node, at.row)
    this.#root = root
    this.#moves = nodes.moves
    const next = this.#next.set(at.node, at.row)
    this.#isLast = !shape.next(next)
    if (!this.#isLast) shape.separator(next, this.#end)
  }

  #holds(sought: Separator): boolean {
    const { nodes } = this.#leaves
    const { node, row } = this.#at
    return sought.compare(nodes.arena.words(node), nodes.rowAt(node, row)) >= 0 && (this.#isLast || sought.compare(this.#end.words, 0) < 0)
  }
}
