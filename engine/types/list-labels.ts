/** Labels for the leaves of lists (`tree/order-label.ts`), which lie so that both ends may grow for as long as anybody pushes. */
import { labelBetween, labelOf } from '../tree/order-label.ts'
import { Separator } from '../tree/separator.ts'
import type { TreeShape } from '../tree/tree-shape.ts'
import { LeafRow } from '../tree/tree-shape.ts'

const labelWords = 4
/** Leaves in a row are so far apart that there is room for 2^40 between two of them, and for 2^63 in a row. */
const rowStepBits = 64n
const wordMax = 2 ** 32 - 1
const middle = 1n << 127n

export class ListLabels {
  readonly #shape: TreeShape
  readonly #next = new LeafRow()
  readonly #separator = new Separator()

  constructor(shape: TreeShape) {
    this.#shape = shape
  }

  /** A label between a leaf's and the next one's; false when there is none left. */
  behind(at: LeafRow, atEnd: boolean, into: Separator): boolean {
    const shape = this.#shape
    const left = labelOf(shape.separator(at, into), labelWords)
    const next = this.#next.set(at.node, at.row)
    const isLast = !shape.next(next)
    // The second leaf of all has as much room before it as behind it.
    if (isLast && left === 0n) return labelBetween(middle - 2n, middle, labelWords, atEnd, into)
    const right = isLast ? -1n : labelOf(shape.separator(next, into), labelWords)
    return labelBetween(left, right, labelWords, atEnd, into, isLast || left === 0n ? rowStepBits : undefined)
  }

  /** The label of another leaf in the row, behind that of the one that was put at the end, or with −1 in front. */
  step(label: Separator, by: 1 | -1): void {
    const { words } = label
    const high = words[1] + by
    words[1] = high
    if (high < 0 || high > wordMax) words[0] += by
  }

  /** Whether so many leaves, and one more, find labels at an end of a tree. */
  haveRoom(root: number, count: number, atTail: boolean): boolean {
    const shape = this.#shape
    const at = this.#next
    const needed = BigInt(count + 2) << rowStepBits
    if (atTail) {
      shape.last(root, at)
      return labelOf(shape.separator(at, this.#separator), labelWords) + needed < 1n << 128n
    }
    shape.first(root, at)
    return !shape.next(at) || labelOf(shape.separator(at, this.#separator), labelWords) > needed
  }
}
