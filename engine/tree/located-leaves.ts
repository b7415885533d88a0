/**
 * Where leaves were found lately, by separator: a request looks for the same leaf several times, to decide and then to change it. What is known
 * is void as soon as any row or node moves; that is counted (`TreeNodes.moves`).
 */
import type { Separator } from './separator.ts'

/** Places, a power of two; each remembers the separator that came last. */
const placeCount = 128
/** Root, node, row, one that is not used, and the separator. */
const placeWords = 8

/** A leaf's row. */
export interface Located {
  node: number
  row: number
}

export class LocatedLeaves {
  readonly #words = new Uint32Array(placeCount * placeWords)
  readonly #moves = new Float64Array(placeCount)

  /** Whether the leaf is known whose range holds a separator; `into` then names it. */
  find(moves: number, root: number, { words: sought }: Separator, into: Located): boolean {
    const words = this.#words
    const place = placeOf(sought)
    const w = place * placeWords
    if (this.#moves[place] !== moves || words[w] !== root || words[w + 4] !== sought[0]) return false
    if (words[w + 5] !== sought[1] || words[w + 6] !== sought[2] || words[w + 7] !== sought[3]) return false
    into.node = words[w + 1]
    into.row = words[w + 2]
    return true
  }

  remember(moves: number, root: number, { words: sought }: Separator, node: number, row: number): void {
    const words = this.#words
    const place = placeOf(sought)
    const w = place * placeWords
    this.#moves[place] = moves
    words[w] = root
    words[w + 1] = node
    words[w + 2] = row
    words[w + 4] = sought[0]
    words[w + 5] = sought[1]
    words[w + 6] = sought[2]
    words[w + 7] = sought[3]
  }
}

function placeOf(words: Uint32Array): number {
  const mixed = words[0] ^ (words[0] >>> 11) ^ words[1] ^ (words[1] >>> 17) ^ words[3]
  return (mixed ^ (mixed >>> 7)) & (placeCount - 1)
}
