/**
 * Prefetching in trees, for operations to come on elements whose separators are known: the ways to their leaves are gone
 * level by level for all of them, so that their misses overlap, and of the leaves the bytes up to where the element is
 * expected are read. Like `CachePrefetch`, whose part it is, it changes nothing and decides nothing; where a way
 * ends is remembered, so that it is gone once.
 */
import type { Values } from '../keyspace/values.ts'
import { RowSearch } from './row-search.ts'
import type { Separator } from './separator.ts'
import type { TreeLeaves } from './tree-leaves.ts'
import type { TreeNodes } from './tree-nodes.ts'
import type { TreeRoots } from './tree-roots.ts'
import type { TreeShape } from './tree-shape.ts'

/** Of a leaf no more bytes than these are fetched. */
const leafBytesMax = 1024
const wordsPerLine = 16

/** One of the ways: the node that it has come to, or its end, the leaf. */
class Way {
  root = 0
  node = 0
  leaf = 0
  leafWords = 0
  readonly search = new RowSearch()
}

export class TreePrefetch {
  readonly #values: Values
  readonly #nodes: TreeNodes
  readonly #roots: TreeRoots
  readonly #shape: TreeShape
  readonly #ways: readonly Way[]
  /** Depends on what was read, so that the compiler does not leave the reads out. */
  #seen = 0

  constructor({ values, nodes, roots, shape }: TreeLeaves, max: number) {
    this.#values = values
    this.#nodes = nodes
    this.#roots = roots
    this.#shape = shape
    this.#ways = Array.from({ length: max }, () => new Way())
  }

  /** Fetches what the first `count` elements need; `roots[i]` is the tree of the one behind `separators[i]`. */
  fetch(roots: Uint32Array, separators: readonly Separator[], count: number): void {
    for (let i = 0; i < count; i++) {
      const way = this.#ways[i]
      way.root = roots[i]
      way.node = this.#roots.top(way.root)
      way.leaf = 0
      way.search.begin()
    }
    let isUnderWay = true
    while (isUnderWay) {
      this.#touchRows(separators, count)
      isUnderWay = this.#descend(separators, count)
    }
    this.#touchLeaves(count)
  }

  /** Reads the row of each node that the way is expected to lead through. */
  #touchRows(separators: readonly Separator[], count: number): void {
    const nodes = this.#nodes
    for (let i = 0; i < count; i++) {
      const { node, search } = this.#ways[i]
      if (node === 0) continue
      const row = search.guess(nodes.length(node), separators[i].words[0])
      this.#seen ^= nodes.arena.words(node)[nodes.rowAt(node, row)]
    }
  }

  /** Goes one level down on each way; false when all have ended. */
  #descend(separators: readonly Separator[], count: number): boolean {
    const nodes = this.#nodes
    let isUnderWay = false
    for (let i = 0; i < count; i++) {
      const way = this.#ways[i]
      const { node, search } = way
      if (node === 0) continue
      const separator = separators[i]
      const words = nodes.arena.words(node)
      const row = search.row(words, nodes.rowAt(node, 0), nodes.length(node), separator)
      const child = nodes.ref(node, row)
      if (nodes.level(node) > 0) {
        way.node = child
        isUnderWay = true
        continue
      }
      this.#shape.located(way.root, separator, node, row)
      way.node = 0
      way.leaf = child
      way.leafWords = search.guess(Math.min(nodes.bytes(node, row), leafBytesMax) >>> 2, separator.words[0])
    }
    return isUnderWay
  }

  #touchLeaves(count: number): void {
    const { arena } = this.#values
    for (let i = 0; i < count; i++) {
      const { leaf, leafWords } = this.#ways[i]
      if (leaf === 0) continue
      const words = arena.words(leaf)
      const w = arena.wordAt(leaf)
      const end = w + leafWords + wordsPerLine
      for (let at = w; at < end; at += wordsPerLine) this.#seen ^= words[at]
    }
  }
}
