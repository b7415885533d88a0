/**
 * Elements in the leaves of trees: putting one in, taking some out, and cutting and joining leaves as these grow and shrink.
 * What an element looks like, and between which two a leaf may be cut, a collection's layout says.
 */
import { packedHeaderBytes, setUsedBytes } from '../memory/packed-bytes.ts'
import { Separator } from './separator.ts'
import type { LeafBounds, TreeLeaves } from './tree-leaves.ts'
import { LeafRow } from './tree-shape.ts'

export interface LeafLayout extends LeafBounds {
  /** Bytes of the element at an offset of the buffer. */
  sizeAt(bytes: Buffer, at: number): number
  /**
   * Sets where the range of a leaf begins whose first element is the one at `at`, with the one at `before` in front of it in the leaf that
   * is to be cut, whose row is `row`. False when the two have to stay together.
   */
  cutBetween(bytes: Buffer, before: number, at: number, row: LeafRow, into: Separator): boolean
}

export class TreeElements {
  readonly leaves: TreeLeaves
  readonly #layout: LeafLayout
  readonly #elementsMax: number
  readonly #separator = new Separator()
  readonly #probe = new Separator()
  readonly #next = new LeafRow()
  /** Whether what `resize` made room for last lies behind all else in its leaf. */
  #isBehindAll = false

  constructor(leaves: TreeLeaves, layout: LeafLayout) {
    this.leaves = leaves
    this.#layout = layout
    this.#elementsMax = layout.elementsMax ?? Number.POSITIVE_INFINITY
  }

  /**
   * Makes the `former` bytes at an offset of a resident leaf's blob `size` bytes; what they are to hold is for the caller to write, at the position
   * that is returned, in the buffer of the leaf's ref. Then comes `done`.
   */
  resize(at: LeafRow, offset: number, former: number, size: number): number {
    const { leaves } = this
    const { values } = leaves
    const used = leaves.nodes.bytes(at.node, at.row)
    const needed = used - former + size
    this.#isBehindAll = offset + size === needed
    const ref = leaves.slots.writable(at, needed)
    const bytes = values.bytes(ref)
    const start = values.start(ref)
    if (former !== size && offset + former < used) bytes.copyWithin(start + offset + size, start + offset + former, start + used)
    setUsedBytes(bytes, start, needed)
    return start + offset
  }

  /** Makes room for `size` bytes behind all others of a resident leaf that is likely to go on growing; as `resize`. */
  extend(at: LeafRow, size: number): number {
    const { leaves } = this
    const { values } = leaves
    const used = leaves.nodes.bytes(at.node, at.row)
    const ref = leaves.slots.growing(at, used + size)
    const start = values.start(ref)
    setUsedBytes(values.bytes(ref), start, used + size)
    return start + used
  }

  /** Notes the change that `resize` began, with `by` elements more, and cuts or joins the leaf if it has to be. The row is void afterwards. */
  done(at: LeafRow, by: number, lsn: number): void {
    const { leaves } = this
    leaves.changed(at, by, lsn)
    const used = leaves.nodes.bytes(at.node, at.row)
    if (used > leaves.leafBytesMax || leaves.nodes.count(at.node, at.row) > this.#elementsMax) {
      // What comes in order leaves full leaves behind, instead of halves.
      this.#split(at, lsn, this.#isBehindAll && this.#isLast(at))
    } else if (by <= 0 && (by === 0 || !this.#isSmall(at) || !leaves.join(at, lsn, this.#layout))) leaves.slots.trim(at)
  }

  #isLast({ node, row }: LeafRow): boolean {
    return !this.leaves.shape.next(this.#next.set(node, row))
  }

  /** Whether a leaf should be joined to a neighbour. */
  #isSmall({ node, row }: LeafRow): boolean {
    const { nodes, leafBytesMax } = this.leaves
    return nodes.bytes(node, row) < leafBytesMax / 4 && nodes.count(node, row) < this.#elementsMax / 4
  }

  /** Takes `count` elements, `size` bytes at an offset, out of a leaf. */
  remove(at: LeafRow, offset: number, size: number, count: number, lsn: number): void {
    this.resize(at, offset, size, 0)
    this.done(at, -count, lsn)
  }

  /** Cuts a leaf until no part is too large that can be cut: in the middle, or as near to its end as it may be. */
  #split(at: LeafRow, lsn: number, atEnd = false): void {
    const { leaves } = this
    const { nodes, values } = leaves
    const layout = this.#layout
    const used = nodes.bytes(at.node, at.row)
    const count = nodes.count(at.node, at.row)
    if (count < 2 || (used <= leaves.leafBytesMax && count <= this.#elementsMax)) return
    const ref = leaves.ref(at)
    const bytes = values.bytes(ref)
    const start = values.start(ref)
    const stays = atEnd ? used : packedHeaderBytes + (used - packedHeaderBytes) / 2
    const separator = new Separator()
    let cutAt = 0
    let cutBefore = 0
    let before = 0
    let previous = start + packedHeaderBytes
    for (let offset = previous; offset < start + used; before++) {
      const size = layout.sizeAt(bytes, offset)
      if (before > 0 && layout.cutBetween(bytes, previous, offset, at, this.#probe)) {
        cutAt = offset - start
        cutBefore = before
        separator.copy(this.#probe)
        if (offset + size - start > stays) break
      }
      previous = offset
      offset += size
    }
    if (cutAt === 0) return
    leaves.slots.writable(at, 0)
    leaves.cut(at, cutAt, count - cutBefore, separator, lsn)
    this.#split(at, lsn)
    leaves.shape.locate(this.#rootOf(at), separator, at)
    if (leaves.shape.previous(at)) this.#split(at, lsn)
  }

  #rootOf(at: LeafRow): number {
    return this.leaves.shape.rootOf(at.node)
  }

  /** Position in the buffer of element number `rank` of a resident leaf. */
  positionOf(ref: number, rank: number): number {
    const { values } = this.leaves
    const bytes = values.bytes(ref)
    let at = values.start(ref) + packedHeaderBytes
    for (let i = 0; i < rank; i++) at += this.#layout.sizeAt(bytes, at)
    return at
  }

  /** The leaf that begins at `separator`, made if there is none yet; `into` then names it. The leaf before it must be writable. */
  makeLeaf(root: number, separator: Separator, into: LeafRow, lsn: number): void {
    if (this.leaves.find(root, this.#separator.copy(separator), into)) return
    this.leaves.create(into, separator, packedHeaderBytes, lsn)
  }
}
