/**
 * Separators of leaves that the catalog knows and that are no more, kept per tree until a write-out tells. They lie in a
 * chain of small blocks of the arena, which the root block begins: 0 next block · 1 separators in it · then `perBlock` of
 * four words each. Blocks are of a kind that stays where it is.
 */
import type { Arena } from '../memory/arena.ts'
import { tableKind } from '../memory/arena.ts'
import type { Separator } from './separator.ts'
import type { TreeRoots } from './tree-roots.ts'

const perBlock = 6
const headerWords = 2

export class RemovedSeparators {
  readonly #arena: Arena
  readonly #roots: TreeRoots

  constructor(arena: Arena, roots: TreeRoots) {
    this.#arena = arena
    this.#roots = roots
  }

  add(root: number, words: Uint32Array, at: number): void {
    let block = this.#roots.removed(root)
    if (block === 0 || this.#length(block) === perBlock) {
      const next = block
      block = this.#arena.allocate((headerWords + perBlock * 4) * 4, tableKind)
      const w = this.#arena.wordAt(block)
      this.#arena.words(block)[w] = next
      this.#arena.words(block)[w + 1] = 0
      this.#roots.setRemoved(root, block)
    }
    const to = this.#arena.words(block)
    const w = this.#arena.wordAt(block)
    const length = to[w + 1]++
    for (let i = 0; i < 4; i++) to[w + headerWords + length * 4 + i] = words[at + i]
  }

  /** Takes the whole chain off a tree. */
  detach(root: number): number {
    const block = this.#roots.removed(root)
    this.#roots.setRemoved(root, 0)
    return block
  }

  /** Takes the separators of one block of a detached chain, and releases it. Returns the next block. */
  take(block: number, separator: Separator, visit: (separator: Separator) => void): number {
    const words = this.#arena.words(block)
    const w = this.#arena.wordAt(block)
    const next = words[w]
    for (let i = 0; i < words[w + 1]; i++) visit(separator.take(words, w + headerWords + i * 4))
    this.#arena.release(block)
    return next
  }

  /** Releases a chain without looking at it. */
  drop(first: number): void {
    for (let block = first; block !== 0; ) {
      const next = this.#arena.words(block)[this.#arena.wordAt(block)]
      this.#arena.release(block)
      block = next
    }
  }

  #length(block: number): number {
    return this.#arena.words(block)[this.#arena.wordAt(block) + 1]
  }
}
