/**
 * Changes of what groups and consumers of streams have pending (`stream-pending.ts` says how it lies): ids come, change their consumer, and go, one by one or, where they
 * are in order, a leaf at a time. What is missing, in a replay, is passed over.
 */
import { readU32BE, writeU32BE, writeU48BE } from '../memory/byte-order.ts'
import { packedHeaderBytes } from '../memory/packed-bytes.ts'
import { Separator } from '../tree/separator.ts'
import { TreeElements } from '../tree/tree-elements.ts'
import type { TreeLeaves } from '../tree/tree-leaves.ts'
import { LeafRow } from '../tree/tree-shape.ts'
import {
  deliveryBytes,
  ownBytes,
  ownKind,
  pendingBytes,
  pendingKind,
  pendingLayout,
  unitAt,
  writeDelivered,
  writeOwn,
} from './stream-group-leaf.ts'
import { idBytes, StreamId } from './stream-id.ts'
import type { StreamPending } from './stream-pending.ts'
import { firstOfUnit, pendingSeparator } from './stream-separator.ts'

/** In the payload of *acknowledge*, for each id. */
export const acknowledgedBytes = idBytes + 4
const scratch = new StreamId()

export class PendingChanges {
  readonly leaves: TreeLeaves
  readonly #pending: StreamPending
  readonly #elements: TreeElements
  readonly #at = new LeafRow()
  readonly #next = new LeafRow()
  readonly #separator = new Separator()
  readonly #former = new Separator()
  readonly #last = new StreamId()

  constructor(pending: StreamPending) {
    const { leaves } = pending
    this.leaves = leaves
    this.#pending = pending
    this.#elements = new TreeElements(leaves, pendingLayout(leaves))
  }

  /** Removes the leaves of a unit, unread. */
  drop(root: number, unit: number): void {
    const { shape, removal } = this.leaves
    const at = this.#at
    const last = this.#next
    if (!this.#firstOf(root, unit, at)) return
    shape.locate(root, firstOfUnit(unit + 1, this.#separator), last)
    if (unitAt(this.leaves, last) !== unit && !shape.previous(last)) throw new Error('stream: a unit ends before it begins')
    if (at.node === last.node && at.row === last.row) removal.one(at)
    else removal.range(at, last)
  }

  /** The first leaf of a unit; false when there is none. */
  #firstOf(root: number, unit: number, at: LeafRow): boolean {
    this.leaves.shape.locate(root, firstOfUnit(unit, this.#separator), at)
    return unitAt(this.leaves, at) === unit || (this.leaves.shape.next(at) && unitAt(this.leaves, at) === unit)
  }

  /**
   * Makes something pending in a group for a consumer, taking it from the consumer that has it. `from` tells at `at` how often it was
   * delivered.
   */
  put(root: number, group: number, consumer: number, id: StreamId, deliveredAt: number, from: Buffer, at: number, lsn: number): void {
    const found = this.#search(root, group, id, pendingBytes)
    const { leaves } = this
    const { values } = leaves
    const isNew = found < 0
    const position = isNew
      ? this.#insert(root, group, found, id, pendingKind, pendingBytes, lsn)
      : this.#elements.resize(this.#at, found, pendingBytes, pendingBytes)
    const bytes = values.bytes(leaves.ref(this.#at))
    const former = isNew ? 0 : readU32BE(bytes, position + 17)
    writeU32BE(bytes, position + 17, consumer)
    writeU48BE(bytes, position + 21, deliveredAt)
    for (let i = 0; i < 8; i++) bytes[position + 27 + i] = from[at + i]
    if (isNew) this.#elements.done(this.#at, 1, lsn)
    else leaves.changed(this.#at, 0, lsn)
    if (former === consumer) return
    if (former !== 0) this.#remove(root, former, id, ownBytes, lsn)
    const own = this.#search(root, consumer, id, ownBytes)
    if (own >= 0) return
    this.#insert(root, consumer, own, id, ownKind, ownBytes, lsn)
    this.#elements.done(this.#at, 1, lsn)
  }

  /**
   * As `put` for many that a payload has, as *deliver* says: `count` from `from` on. What lies behind all that the group and the consumer have is
   * written a leaf at a time.
   */
  putAll(root: number, group: number, consumer: number, bytes: Buffer, from: number, count: number, lsn: number): void {
    const id = scratch
    if (!this.#comesBehind(root, group, consumer, bytes, from, count)) {
      for (let i = 0, at = from; i < count; i++, at += deliveryBytes) {
        id.read(bytes, at)
        this.put(root, group, consumer, id, bytes.readUIntLE(at + 20, 6), bytes, at + 26, lsn)
      }
      return
    }
    this.#append(root, group, pendingBytes, bytes, from, count, lsn, (into, position, at) =>
      writeDelivered(into, position, consumer, bytes, at),
    )
    this.#append(root, consumer, ownBytes, bytes, from, count, lsn, (into, position, at) => writeOwn(into, position, bytes, at))
  }

  /** Whether ids follow each other in order, behind all that a group and a consumer have pending. */
  #comesBehind(root: number, group: number, consumer: number, bytes: Buffer, from: number, count: number): boolean {
    if (count < 2 || !areInOrder(bytes, from, deliveryBytes, count)) return false
    const first = scratch.read(bytes, from)
    return this.#pending.endsBefore(root, group, first) && this.#pending.endsBefore(root, consumer, first, ownBytes)
  }

  /** Puts elements, which `write` writes at a position, behind all others of a unit. `bytes[from, …)` has their ids. */
  #append(
    root: number,
    unit: number,
    size: number,
    bytes: Buffer,
    from: number,
    count: number,
    lsn: number,
    write: (into: Buffer, position: number, at: number) => void,
  ): void {
    const { leaves } = this
    const { values, nodes } = leaves
    const at = this.#at
    const id = scratch
    for (let done = 0; done < count; ) {
      const first = from + done * deliveryBytes
      this.#search(root, unit, id.read(bytes, first), size)
      if (unitAt(leaves, at) !== unit) this.#elements.makeLeaf(root, firstOfUnit(unit, this.#separator), at, lsn)
      let room = Math.floor((leaves.leafBytesMax - nodes.bytes(at.node, at.row)) / size)
      if (room < 1) room = this.#beginLeaf(unit, id, size, count - done, lsn)
      const held = Math.min(room, count - done)
      let position = this.#elements.extend(at, held * size)
      const into = values.bytes(leaves.ref(at))
      for (let i = 0; i < held; i++, position += size) write(into, position, first + i * deliveryBytes)
      this.#elements.done(at, held, lsn)
      done += held
    }
  }

  /** Has `#at`, a full leaf, followed by another one for up to `count` elements from an id on. Returns how many fit; one, and no other leaf, if the id has to stay with those before. */
  #beginLeaf(unit: number, id: StreamId, size: number, count: number, lsn: number): number {
    if (!this.#mayBegin(unit, id, size)) return 1
    const fitting = Math.max(1, Math.floor((this.leaves.leafBytesMax - packedHeaderBytes) / size))
    const needed = packedHeaderBytes + Math.min(count, fitting) * size
    this.leaves.follow(this.#at, pendingSeparator(unit, id, this.#separator), needed, lsn)
    return fitting
  }

  /** Whether a leaf may begin with an id behind the last one of `#at`: separators do not tell very late ones from each other. */
  #mayBegin(unit: number, id: StreamId, size: number): boolean {
    const { values, nodes } = this.leaves
    const { node, row } = this.#at
    const separator = pendingSeparator(unit, id, this.#separator)
    if (separator.compare(values.arena.words(node), nodes.rowAt(node, row)) <= 0) return false
    const ref = this.leaves.ref(this.#at)
    const end = values.start(ref) + nodes.bytes(node, row)
    this.#last.read(values.bytes(ref), end - size + 1)
    return separator.compare(pendingSeparator(unit, this.#last, this.#former).words, 0) > 0
  }

  /** Makes room where `#search` has not found an id, and writes kind and id; then `done` is due. */
  #insert(root: number, unit: number, found: number, id: StreamId, kind: number, size: number, lsn: number): number {
    const { leaves } = this
    const at = this.#at
    let offset = ~found
    if (unitAt(leaves, at) !== unit) {
      this.#elements.makeLeaf(root, firstOfUnit(unit, this.#separator), at, lsn)
      offset = packedHeaderBytes
    }
    const used = leaves.nodes.bytes(at.node, at.row)
    let isLast = offset === used
    if (isLast && offset + size > leaves.leafBytesMax && this.#mayBegin(unit, id, size)) {
      // What comes in order begins another leaf, instead of leaving halves.
      leaves.follow(at, this.#separator, packedHeaderBytes + size, lsn)
      offset = packedHeaderBytes
      isLast = true
    }
    const position = isLast ? this.#elements.extend(at, size) : this.#elements.resize(at, offset, 0, size)
    const bytes = leaves.values.bytes(leaves.ref(at))
    bytes[position] = kind
    id.write(bytes, position + 1)
    return position
  }

  /** Takes an id off what is pending in a group and for its consumer; false if it is not pending. */
  acknowledge(root: number, group: number, consumer: number, id: StreamId, lsn: number): boolean {
    const isPending = this.#remove(root, group, id, pendingBytes, lsn)
    this.#remove(root, consumer, id, ownBytes, lsn)
    return isPending
  }

  /**
   * As `acknowledge` for `count` ids, each with the unit of its consumer, as *acknowledge* has them in a payload from `from` on. If they are in order they go a
   * leaf at a time. Returns how many were pending.
   */
  acknowledgeAll(root: number, group: number, bytes: Buffer, from: number, count: number, lsn: number): number {
    const positions = new Uint32Array(count)
    for (let i = 0; i < count; i++) positions[i] = from + i * acknowledgedBytes
    const id = scratch
    if (!areInOrder(bytes, from, acknowledgedBytes, count)) {
      let acknowledged = 0
      for (const at of positions) {
        if (this.acknowledge(root, group, bytes.readUInt32LE(at + idBytes), id.read(bytes, at), lsn)) acknowledged++
      }
      return acknowledged
    }
    const byConsumer = new Map<number, number[]>()
    for (let i = 0; i < count; i++) {
      const consumer = bytes.readUInt32LE(positions[i] + idBytes)
      const own = byConsumer.get(consumer)
      if (own === undefined) byConsumer.set(consumer, [positions[i]])
      else own.push(positions[i])
    }
    for (const [unit, ids] of byConsumer) this.#removeAll(root, unit, ownBytes, bytes, ids, lsn)
    return this.#removeAll(root, group, pendingBytes, bytes, positions, lsn)
  }

  /** Removes the ids at some positions of `bytes`, which are in order. Returns how many there were. */
  #removeAll(root: number, unit: number, size: number, bytes: Buffer, positions: ArrayLike<number>, lsn: number): number {
    const { nodes, values } = this.leaves
    const at = this.#at
    const id = scratch
    let removed = 0
    for (let i = 0; i < positions.length; ) {
      const found = this.#search(root, unit, id.read(bytes, positions[i]), size)
      if (found < 0) {
        i++
        continue
      }
      const used = nodes.bytes(at.node, at.row)
      const position = this.#elements.resize(at, found, size, size)
      const into = values.bytes(this.leaves.ref(at))
      const end = position - found + used
      let to = position
      for (let element = position; element < end; element += size) {
        let order = -1
        for (; i < positions.length; i++) {
          order = id.read(bytes, positions[i]).compareAt(into, element + 1)
          if (order >= 0) break
        }
        if (order === 0) {
          i++
          continue
        }
        if (to !== element) into.copyWithin(to, element, element + size)
        to += size
      }
      this.#shorten(end - to, size, lsn)
      removed += (end - to) / size
    }
    return removed
  }

  /** Takes the last bytes off the leaf `#at`. Ids go one after the other: a leaf is joined to its neighbour as it becomes small, or empty, and not tried each time. */
  #shorten(by: number, size: number, lsn: number): void {
    const { leaves } = this
    const at = this.#at
    const left = leaves.nodes.bytes(at.node, at.row) - by
    this.#elements.resize(at, left, by, 0)
    if (left === packedHeaderBytes || (left < leaves.leafBytesMax / 4 && left + by >= leaves.leafBytesMax / 4))
      this.#elements.done(at, -by / size, lsn)
    else leaves.changed(at, -by / size, lsn)
  }

  /** Takes all that is pending for a consumer off its group, and gives its list up. Returns how much that is. */
  dropConsumer(root: number, group: number, consumer: number, lsn: number): number {
    const ids: Buffer[] = []
    this.#pending.eachOwn(root, consumer, scratch.setMin(), (bytes, at) => {
      ids.push(Buffer.from(bytes.subarray(at, at + idBytes)))
      return true
    })
    const id = new StreamId()
    for (const each of ids) this.#remove(root, group, id.read(each, 0), pendingBytes, lsn)
    this.drop(root, consumer)
    return ids.length
  }

  #remove(root: number, unit: number, id: StreamId, size: number, lsn: number): boolean {
    const found = this.#search(root, unit, id, size)
    if (found < 0) return false
    const { leaves } = this
    const at = this.#at
    const used = leaves.nodes.bytes(at.node, at.row)
    const position = this.#elements.resize(at, found, size, size)
    leaves.values.bytes(leaves.ref(at)).copyWithin(position, position + size, position - found + used)
    this.#shorten(size, size, lsn)
    return true
  }

  #search(root: number, unit: number, id: StreamId, size: number): number {
    return this.#pending.search(root, unit, id, size, this.#at)
  }
}

/** Whether `count` ids, so many bytes from each other, follow each other in order. */
function areInOrder(bytes: Buffer, from: number, stride: number, count: number): boolean {
  for (let i = 1, at = from; i < count; i++, at += stride) if (scratch.read(bytes, at).compareAt(bytes, at + stride) >= 0) return false
  return true
}
