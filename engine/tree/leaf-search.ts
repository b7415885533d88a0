/**
 * Finding the leaf in whose range a separator lies: where it was found lately, by the tree's directory if it has one, or by the way from its top.
 */
import type { Arena } from '../memory/arena.ts'
import type { Located } from './located-leaves.ts'
import { LocatedLeaves } from './located-leaves.ts'
import { RowSearch, rowNear } from './row-search.ts'
import type { Separator } from './separator.ts'
import { TreeDirectories } from './tree-directories.ts'
import type { TreeNodes } from './tree-nodes.ts'
import { rowWords } from './tree-nodes.ts'
import type { TreeRoots } from './tree-roots.ts'

export class LeafSearch {
  readonly directories: TreeDirectories
  readonly #arena: Arena
  readonly #nodes: TreeNodes
  readonly #roots: TreeRoots
  readonly #search = new RowSearch()
  readonly #located = new LocatedLeaves()
  /** Of the way that was gone last: for all separators with a first word above `#least` and below `#end` it ends in the same node. */
  #least = 0
  #end = 0

  constructor(nodes: TreeNodes, roots: TreeRoots) {
    this.#arena = nodes.arena
    this.#nodes = nodes
    this.#roots = roots
    this.directories = new TreeDirectories(nodes, roots)
  }

  /** The last leaf that does not begin behind a separator. */
  locate(root: number, sought: Separator, into: Located): void {
    const { moves } = this.#nodes
    if (this.#located.find(moves, root, sought, into)) return
    if (!this.#byDirectory(root, sought, into)) this.#byWay(root, sought, into)
    this.#located.remember(moves, root, sought, into.node, into.row)
  }

  /** As `locate` in a tree whose separators' first words are spread evenly: what the way tells is noted in its directory. */
  locateSpread(root: number, sought: Separator, into: Located): void {
    const { moves } = this.#nodes
    if (this.#located.find(moves, root, sought, into)) return
    if (!this.#byDirectory(root, sought, into)) {
      this.#byWay(root, sought, into)
      this.directories.learn(root, sought.words[0], into.node, into.row, this.#least, this.#end)
    }
    this.#located.remember(moves, root, sought, into.node, into.row)
  }

  #byDirectory(root: number, sought: Separator, into: Located): boolean {
    const { directories } = this
    const node = directories.nodeOf(root, sought.words[0])
    if (node === 0) return false
    into.node = node
    into.row = this.rowIn(root, node, sought, directories.row)
    return true
  }

  /** The row that leads to a separator's leaf in the node that has it, by the tree's directory, which has told that it is about `guess`. */
  rowIn(root: number, node: number, sought: Separator, guess: number): number {
    const nodes = this.#nodes
    const row = rowNear(this.#arena.words(node), nodes.rowAt(node, 0), nodes.length(node), sought, guess)
    if (row !== guess) this.directories.correct(root, sought.words[0], row)
    return row
  }

  #byWay(root: number, sought: Separator, into: Located): void {
    const nodes = this.#nodes
    const search = this.#search.begin()
    let node = this.#roots.top(root)
    for (;;) {
      const words = this.#arena.words(node)
      const base = nodes.rowAt(node, 0)
      const head = words[this.#arena.wordAt(node) + 1]
      this.#least = search.least
      this.#end = search.end
      const row = search.row(words, base, head & 0xffff, sought)
      if (head >>> 16 === 0) {
        into.node = node
        into.row = row
        return
      }
      node = words[base + row * rowWords + 4]
    }
  }
}
