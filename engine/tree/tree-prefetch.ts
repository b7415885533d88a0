/**
 * Prefetching in trees, for operations to come on elements whose separators are known: the ways to their leaves are gone
 * step by step for all of them, so that their misses overlap, and of the leaves the bytes up to where the element is
 * expected are read. Like `CachePrefetch`, whose part it is, it changes nothing and decides nothing; where a way
 * ends is remembered with the element, so that it is gone once.
 */
import type { Values } from '../keyspace/values.ts'
import type { LeafSearch } from './leaf-search.ts'
import type { PrefetchedElements } from './prefetched-elements.ts'
import { RowSearch } from './row-search.ts'
import type { Separator } from './separator.ts'
import type { TreeLeaves } from './tree-leaves.ts'
import type { TreeNodes } from './tree-nodes.ts'
import { rowsMax, rowWords } from './tree-nodes.ts'
import type { TreeRoots } from './tree-roots.ts'

/** Of a leaf no more bytes than these are fetched. */
const leafBytesMax = 1024
const wordsPerLine = 16

/** One of the ways: the node that it has come to, or its end, the leaf. */
class Way {
  node = 0
  /** Where the node is the last one, by the tree's directory: which row is expected to lead to the leaf. Otherwise −1. */
  guess = -1
  leaf = 0
  leafWords = 0
  readonly search = new RowSearch()
}

export class TreePrefetch {
  readonly #values: Values
  readonly #nodes: TreeNodes
  readonly #roots: TreeRoots
  readonly #search: LeafSearch
  readonly #ways: readonly Way[]
  /** Depends on what was read, so that the compiler does not leave the reads out. */
  #seen = 0

  constructor({ values, nodes, roots, shape }: TreeLeaves, max: number) {
    this.#values = values
    this.#nodes = nodes
    this.#roots = roots
    this.#search = shape.search
    this.#ways = Array.from({ length: max }, () => new Way())
  }

  /** Fetches what operations on some elements need, behind whose hashes lie `separators`, and notes where their leaves are. */
  fetch(elements: PrefetchedElements, separators: readonly Separator[]): void {
    const { count } = elements
    const { directories } = this.#search
    for (let i = 0; i < count; i++) {
      const way = this.#ways[i]
      const root = elements.roots[i]
      const known = directories.nodeOf(root, separators[i].words[0])
      way.node = known !== 0 ? known : this.#roots.top(root)
      way.guess = known !== 0 ? Math.max(0, Math.min(directories.row, rowsMax - 1)) : -1
      way.leaf = 0
      way.search.begin()
    }
    let isUnderWay = true
    while (isUnderWay) {
      this.#touchRows(separators, count)
      isUnderWay = this.#descend(elements, separators)
    }
    this.#touchLeaves(count)
    elements.moves = this.#nodes.moves
  }

  /** Reads the head of each node, and the row that the way is expected to lead through. */
  #touchRows(separators: readonly Separator[], count: number): void {
    const nodes = this.#nodes
    for (let i = 0; i < count; i++) {
      const { node, search, guess } = this.#ways[i]
      if (node === 0) continue
      const words = nodes.arena.words(node)
      const row = guess >= 0 ? guess : search.guess(nodes.length(node), separators[i].words[0])
      const w = nodes.rowAt(node, row)
      // It may lie on two lines, and may not be the right one; a node that is not full may end before.
      this.#seen ^= words[nodes.arena.wordAt(node) + 1] ^ words[w] ^ words[Math.min(w + rowWords * 2, words.length) - 1]
    }
  }

  /** Goes one level down on each way; false when all have ended. */
  #descend(elements: PrefetchedElements, separators: readonly Separator[]): boolean {
    const nodes = this.#nodes
    let isUnderWay = false
    for (let i = 0; i < elements.count; i++) {
      const way = this.#ways[i]
      const { node, search } = way
      if (node === 0) continue
      const separator = separators[i]
      if (way.guess >= 0) {
        this.#arrive(elements, i, node, this.#search.rowIn(elements.roots[i], node, separator, way.guess), separator)
        continue
      }
      const { least, end } = search
      const row = search.row(nodes.arena.words(node), nodes.rowAt(node, 0), nodes.length(node), separator)
      if (nodes.level(node) > 0) {
        way.node = nodes.ref(node, row)
        isUnderWay = true
        continue
      }
      this.#search.directories.learn(elements.roots[i], separator.words[0], node, row, least, end)
      this.#arrive(elements, i, node, row, separator)
    }
    return isUnderWay
  }

  /** A way has come to the row of its leaf. */
  #arrive(elements: PrefetchedElements, i: number, node: number, row: number, separator: Separator): void {
    const nodes = this.#nodes
    const way = this.#ways[i]
    elements.nodes[i] = node
    elements.rows[i] = row
    way.node = 0
    way.leaf = nodes.ref(node, row)
    const lines = Math.min(nodes.bytes(node, row), leafBytesMax) >>> 2
    way.leafWords = this.#expected(node, row, lines, separator)
  }

  /** At which of the words of a leaf an element is expected, whose place in the leaf's range is that among its bytes. */
  #expected(node: number, row: number, leafWords: number, { words: sought }: Separator): number {
    const nodes = this.#nodes
    if (row + 1 >= nodes.length(node)) return leafWords
    const words = nodes.arena.words(node)
    const w = nodes.rowAt(node, row)
    const begin = words[w]
    const end = words[w + rowWords]
    return sought[0] >= begin && sought[0] < end ? Math.floor(((sought[0] - begin) / (end - begin)) * leafWords) : leafWords
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
