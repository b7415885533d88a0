/**
 * What groups and consumers of streams have pending: a list of ids for each unit, in the second range of the tree (`stream-separator.ts` has the order,
 * `stream-group-leaf.ts` the elements). A unit's ids have leaves of their own, so that their number is a difference of ranks, and a
 * list goes leaf by leaf, unread. Here it is looked into; `pending-changes.ts` changes it.
 */

import { wantLeaf, wantRow } from '../cold-wants.ts'
import { readU32BE } from '../memory/byte-order.ts'
import { packedHeaderBytes, usedBytes } from '../memory/packed-bytes.ts'
import type { ColdWants } from '../need.ts'
import { LeafFinger } from '../tree/leaf-finger.ts'
import { Separator } from '../tree/separator.ts'
import type { TreeLeaves } from '../tree/tree-leaves.ts'
import { LeafRow } from '../tree/tree-shape.ts'
import { ownBytes, PendingCursor, pendingBytes, unitAt } from './stream-group-leaf.ts'
import { idBytes, StreamId } from './stream-id.ts'
import { firstOfUnit, pendingSeparator } from './stream-separator.ts'

const scratch = new StreamId()

export class StreamPending {
  readonly leaves: TreeLeaves
  /** What was found last: valid until something changes. */
  readonly found = new PendingCursor()
  readonly #at = new LeafRow()
  readonly #next = new LeafRow()
  readonly #separator = new Separator()
  readonly #ofGroups: LeafFinger
  readonly #ofConsumers: LeafFinger

  constructor(leaves: TreeLeaves) {
    this.leaves = leaves
    this.#ofGroups = new LeafFinger(leaves)
    this.#ofConsumers = new LeafFinger(leaves)
  }

  /** How many ids a unit has pending. */
  count(root: number, unit: number): number {
    return this.#rankBefore(root, unit + 1) - this.#rankBefore(root, unit)
  }

  #rankBefore(root: number, unit: number): number {
    const { shape, nodes } = this.leaves
    const at = this.#at
    shape.locate(root, firstOfUnit(unit, this.#separator), at)
    const rank = shape.rankOf(at)
    return unitAt(this.leaves, at) === unit ? rank : rank + nodes.count(at.node, at.row)
  }

  /** Finds what is pending in a group under an id: `found` tells where it is. */
  find(root: number, group: number, id: StreamId): boolean {
    const offset = this.search(root, group, id, pendingBytes, this.#at)
    if (offset < 0) return false
    const ref = this.leaves.ref(this.#at)
    this.found.bytes = this.leaves.values.bytes(ref)
    this.found.at = this.leaves.values.start(ref) + offset
    this.found.id.copy(id)
    return true
  }

  /**
   * Offset in its leaf of an id pending in a unit, whose elements have `size` bytes, or the complement of where it would be. `at` then names the leaf, of
   * another unit if there is none.
   */
  search(root: number, unit: number, id: StreamId, size: number, at: LeafRow): number {
    const { leaves } = this
    const finger = size === pendingBytes ? this.#ofGroups : this.#ofConsumers
    finger.locate(root, pendingSeparator(unit, id, this.#separator), at)
    if (unitAt(leaves, at) !== unit) return -1
    const ref = leaves.used(at)
    const bytes = leaves.values.bytes(ref)
    const first = leaves.values.start(ref) + packedHeaderBytes
    let low = 0
    let high = (leaves.nodes.bytes(at.node, at.row) - packedHeaderBytes) / size
    // What is delivered comes last, most of the time.
    if (high > 0 && id.compareAt(bytes, first + (high - 1) * size + 1) > 0) return ~(packedHeaderBytes + high * size)
    while (low < high) {
      const middle = (low + high) >>> 1
      const order = id.compareAt(bytes, first + middle * size + 1)
      if (order === 0) return packedHeaderBytes + middle * size
      if (order > 0) low = middle + 1
      else high = middle
    }
    return ~(packedHeaderBytes + low * size)
  }

  /** Whether a group has nothing pending from an id on; or a consumer, whose elements have another size. */
  endsBefore(root: number, unit: number, id: StreamId, size = pendingBytes): boolean {
    const { leaves } = this
    const at = this.#at
    const found = this.search(root, unit, id, size, at)
    if (unitAt(leaves, at) === unit && (found >= 0 || ~found !== leaves.nodes.bytes(at.node, at.row))) return false
    const next = this.#next.set(at.node, at.row)
    return !leaves.shape.next(next) || unitAt(leaves, next) !== unit
  }

  /** Visits what is pending in a group from an id on, in order, until told that it is enough. */
  each(root: number, group: number, from: StreamId, visit: (pending: PendingCursor) => boolean): void {
    const { found } = this
    this.#eachIn(root, group, from, pendingBytes, (bytes, at) => {
      found.bytes = bytes
      found.at = at - 1
      found.id.read(bytes, at)
      return visit(found)
    })
  }

  /** Visits the ids pending for a consumer from one on, in order, until told that it is enough. */
  eachOwn(root: number, consumer: number, from: StreamId, visit: (bytes: Buffer, at: number) => boolean): void {
    this.#eachIn(root, consumer, from, ownBytes, visit)
  }

  #eachIn(
    root: number,
    unit: number,
    from: StreamId,
    size: number,
    visit: (bytes: Buffer, at: number) => boolean,
    stopsAtCold = false,
  ): void {
    const { leaves } = this
    const at = new LeafRow()
    leaves.shape.locate(root, pendingSeparator(unit, from, this.#separator), at)
    if (stopsAtCold && leaves.ref(at) === 0) return
    const found = this.search(root, unit, from, size, at)
    if (unitAt(this.leaves, at) !== unit) return
    let offset = found < 0 ? ~found : found
    for (;;) {
      if (stopsAtCold && leaves.ref(at) === 0) return
      const ref = leaves.used(at)
      const bytes = leaves.values.bytes(ref)
      const start = leaves.values.start(ref)
      const end = start + usedBytes(bytes, start)
      for (let position = start + offset; position < end; position += size) if (!visit(bytes, position + 1)) return
      offset = packedHeaderBytes
      if (!leaves.shape.next(at) || unitAt(this.leaves, at) !== unit) return
    }
  }

  /** Wants the leaf of an id among what a unit has pending. */
  want(root: number, unit: number, id: StreamId, wants: ColdWants): void {
    wantLeaf(this.leaves, root, pendingSeparator(unit, id, this.#separator), wants)
  }

  /** Wants what a unit has pending from an id on, up to `count`. */
  wantFrom(root: number, unit: number, from: StreamId, count: number, wants: ColdWants): void {
    const { leaves } = this
    const at = new LeafRow()
    leaves.shape.locate(root, pendingSeparator(unit, from, this.#separator), at)
    this.#wantUnit(root, unit, at, count, wants)
  }

  #wantUnit(root: number, unit: number, at: LeafRow, count: number, wants: ColdWants): void {
    const { leaves } = this
    let left = count
    for (let isFirst = true; unitAt(this.leaves, at) === unit && left > 0; isFirst = false) {
      if (leaves.ref(at) === 0) wantRow(leaves, root, at, wants)
      if (!isFirst) left -= leaves.nodes.count(at.node, at.row)
      if (!leaves.shape.next(at)) return
    }
  }

  /** Wants the first and the last that a unit has pending. */
  wantEdges(root: number, unit: number, wants: ColdWants): void {
    this.wantFrom(root, unit, scratch.setMin(), 1, wants)
    const at = new LeafRow()
    if (this.#locateLast(root, unit, at) && this.leaves.ref(at) === 0) wantRow(this.leaves, root, at, wants)
  }

  /** Puts `at` on the last leaf of a unit that has something in it: those behind it may be empty. False if there is none. */
  #locateLast(root: number, unit: number, at: LeafRow): boolean {
    const { nodes, shape } = this.leaves
    shape.locate(root, pendingSeparator(unit, scratch.setMax(), this.#separator), at)
    while (unitAt(this.leaves, at) === unit) {
      if (nodes.count(at.node, at.row) > 0) return true
      if (!shape.previous(at)) return false
    }
    return false
  }

  /** As `each` and `eachOwn`, up to what is cold; ids only, up to `count`. Of a group each with the unit of its consumer, else 0. */
  eachResident(
    root: number,
    unit: number,
    isGroup: boolean,
    from: StreamId,
    count: number,
    visit: (id: StreamId, consumer: number) => void,
  ): void {
    const id = new StreamId()
    let left = count
    this.#eachIn(
      root,
      unit,
      from,
      isGroup ? pendingBytes : ownBytes,
      (bytes, at) => {
        if (left-- <= 0) return false
        visit(id.read(bytes, at), isGroup ? readU32BE(bytes, at + idBytes) : 0)
        return true
      },
      true,
    )
  }

  /** The last id that a unit has pending; false if there is none. */
  last(root: number, unit: number, isGroup: boolean, into: StreamId): boolean {
    const { leaves } = this
    const at = this.#at
    if (!this.#locateLast(root, unit, at)) return false
    const ref = leaves.used(at)
    const bytes = leaves.values.bytes(ref)
    const start = leaves.values.start(ref)
    const used = usedBytes(bytes, start)
    into.read(bytes, start + used - (isGroup ? pendingBytes : ownBytes) + 1)
    return true
  }
}
