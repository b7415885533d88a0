/**
 * Prefetching in trees, for operations to come on elements whose separators are known: the ways to their leaves are gone
 * level by level for all of them, so that their misses overlap, and of the leaves the bytes up to where the element is
 * expected are read. Like `CachePrefetch`, whose part it is, it changes nothing and decides nothing; where the ways end is remembered.
 */
import type { Values } from '../keyspace/values.ts'
import { RowSearch } from './row-search.ts'
import { Separator } from './separator.ts'
import type { TreeLeaves } from './tree-leaves.ts'
import type { TreeNodes } from './tree-nodes.ts'
import type { TreeRoots } from './tree-roots.ts'
import type { TreeShape } from './tree-shape.ts'

/** So many ways are gone at most. */
export const waysMax = 64
/** Of a leaf no more bytes than these are fetched. */
const leafBytesMax = 1024
const wordsPerLine = 16

/** One of the ways: the node that it has come to, or its end, the leaf (0: a cold one). */
class Way {
  type = 0
  request = 0
  root = 0
  node = 0
  leaf = 0
  leafWords = 0
  readonly separator = new Separator()
  readonly search = new RowSearch()
}

export class TreePrefetch {
  readonly #values: Values
  readonly #nodes: TreeNodes
  readonly #roots: TreeRoots
  readonly #shape: TreeShape
  readonly #ways: readonly Way[] = Array.from({ length: waysMax }, () => new Way())
  count = 0
  /** Ways that have been gone. */
  #gone = 0
  #type = 0
  /** Depends on what was read, so that the compiler does not leave the reads out. */
  #seen = 0

  constructor({ values, nodes, roots, shape }: TreeLeaves) {
    this.#values = values
    this.#shape = shape
    this.#nodes = nodes
    this.#roots = roots
  }

  /** Forgets all ways. */
  begin(): this {
    this.count = 0
    this.#gone = 0
    return this
  }

  /** The ways that are added next are in trees of this type. */
  of(type: number): this {
    this.#type = type
    return this
  }

  /** Adds a way for a request; the separator that is returned says to where, and is for the caller to set. */
  add(root: number, request: number): Separator {
    const way = this.#ways[this.count]
    // What is too much takes the last one's place.
    if (this.count < waysMax - 1) this.count++
    way.type = this.#type
    way.root = root
    way.request = request
    way.node = this.#roots.top(root)
    way.leaf = 0
    way.search.begin()
    return way.separator
  }

  type(way: number): number {
    return this.#ways[way].type
  }

  request(way: number): number {
    return this.#ways[way].request
  }

  root(way: number): number {
    return this.#ways[way].root
  }

  separator(way: number): Separator {
    return this.#ways[way].separator
  }

  /** Ref of the leaf at the end of a way that has been gone; 0 for a cold one. */
  leaf(way: number): number {
    return this.#ways[way].leaf
  }

  /** Goes the ways that were added since the last time. */
  fetch(): void {
    let isUnderWay = this.#gone < this.count
    while (isUnderWay) {
      this.#touchRows()
      isUnderWay = this.#descend()
    }
    this.#touchLeaves()
    this.#gone = this.count
  }

  /** Reads the row of each node that the way is expected to lead through. */
  #touchRows(): void {
    const nodes = this.#nodes
    for (let i = this.#gone; i < this.count; i++) {
      const { node, search, separator } = this.#ways[i]
      if (node === 0) continue
      const row = search.guess(nodes.length(node), separator.words[0])
      this.#seen ^= nodes.arena.words(node)[nodes.rowAt(node, row)]
    }
  }

  /** Goes one level down on each way; false when all have ended. */
  #descend(): boolean {
    const nodes = this.#nodes
    let isUnderWay = false
    for (let i = this.#gone; i < this.count; i++) {
      const way = this.#ways[i]
      const { node, search, separator } = way
      if (node === 0) continue
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

  #touchLeaves(): void {
    const { arena } = this.#values
    for (let i = this.#gone; i < this.count; i++) {
      const { leaf, leafWords } = this.#ways[i]
      if (leaf === 0) continue
      const words = arena.words(leaf)
      const w = arena.wordAt(leaf)
      const end = w + leafWords + wordsPerLine
      for (let at = w; at < end; at += wordsPerLine) this.#seen ^= words[at]
    }
  }
}
