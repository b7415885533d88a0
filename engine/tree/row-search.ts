/**
 * The way from a tree's top to the leaf of a separator, by interpolation on the first words of separators. Those of hashes
 * are spread evenly, so a row lies a few places from where it is expected, and a node of 64 rows costs two cache lines
 * instead of six. Any others cost a second bisection at most.
 */
import type { Separator } from './separator.ts'
import { rowWords } from './tree-nodes.ts'

const two32 = 2 ** 32

export class RowSearch {
  /** What is known of the first words of the separators below the node to come: `least` ≤ each < `end`. −1 at the front of a tree. */
  least = -1
  end = two32

  /** Starts at a top. */
  begin(): this {
    this.least = -1
    this.end = two32
    return this
  }

  /** Which of a node's `length` rows a separator with the first word `a` is expected in. */
  guess(length: number, a: number): number {
    const { least, end } = this
    if (a < least) return 0
    if (a >= end) return length - 1
    return Math.floor(((a - least) / (end - least)) * length)
  }

  /** The last of a node's rows that does not begin behind a separator, the first if all do. `base`: where in `words` the rows begin. */
  row(words: Uint32Array, base: number, length: number, sought: Separator): number {
    const row = rowNear(words, base, length, sought, this.guess(length, sought.words[0]))
    const w = base + row * rowWords
    if (row > 0) this.least = words[w]
    if (row + 1 < length) this.end = words[w + rowWords]
    return row
  }
}

/** As `RowSearch.row`, where the row is expected to be `guess`, which may be any number. */
export function rowNear(words: Uint32Array, base: number, length: number, sought: Separator, guess: number): number {
  // The first row that begins behind it is one from `low` to `high`.
  let low = 1
  let high = length
  for (let at = Math.max(1, Math.min(guess, length - 1)), step = 1; at >= low && at < high; step *= 2) {
    if (begins(words, base + at * rowWords, sought)) {
      low = at + 1
      at += step
    } else {
      high = at
      at -= step
    }
  }
  while (low < high) {
    const middle = (low + high) >>> 1
    if (begins(words, base + middle * rowWords, sought)) low = middle + 1
    else high = middle
  }
  return low - 1
}

/** Whether the separator in `words` at `w` lies before the one sought or is the same. */
function begins(words: Uint32Array, w: number, sought: Separator): boolean {
  const first = words[w]
  const a = sought.words[0]
  return first !== a ? first < a : sought.compare(words, w) >= 0
}
