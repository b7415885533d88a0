/**
 * The entries of streams: in the one node of a small stream's blob, or in nodes of their own that are the leaves of a large one's tree. A leaf is never cut nor
 * joined with another: it is what Redis's node is. What is touched must be resident. `stream-append.ts` and `stream-removal.ts` change them.
 */
import { wantLeaf, wantRow } from '../cold-wants.ts'
import { packedForm } from '../keyspace/entries.ts'
import { packedHeaderBytes, setUsedBytes, usedBytes } from '../memory/packed-bytes.ts'
import type { ColdWants } from '../need.ts'
import { LeafFinger } from '../tree/leaf-finger.ts'
import { Separator } from '../tree/separator.ts'
import type { TreeLeaves } from '../tree/tree-leaves.ts'
import { LeafRow } from '../tree/tree-shape.ts'
import type { Collections } from './collections.ts'
import { StreamId } from './stream-id.ts'
import { blobNodeOffset, metaBytes, metaOffset, StreamMeta } from './stream-meta.ts'
import { EntryCursor, nodeLive, nodeMaster, seekEntry } from './stream-node.ts'
import { entrySeparator, groupBit } from './stream-separator.ts'

/** A node, where it is now. */
export class NodePlace {
  bytes: Buffer = Buffer.alloc(0)
  start = 0
  end = 0
}

/** Visits the entries of a small stream's blob, or of a large one's leaf that begins at `separator`; other leaves have none. */
export function visitEntries(bytes: Buffer, start: number, separator: Separator | undefined, visit: (entry: EntryCursor) => void): void {
  const words = separator?.words
  if (words !== undefined && (words[0] >= groupBit || (words[0] | words[1] | words[2] | words[3]) === 0)) return
  const node = start + (words === undefined ? blobNodeOffset : packedHeaderBytes)
  const end = start + usedBytes(bytes, start)
  if (node >= end) return
  const cursor = new EntryCursor()
  cursor.enter(bytes, node)
  while (cursor.end < end) {
    cursor.read(cursor.end)
    visit(cursor)
  }
}

export class StreamEntries {
  readonly collections: Collections
  readonly leaves: TreeLeaves
  /** The entry that `find` has found: its node, that node's leaf, and the entry itself. */
  readonly place = new NodePlace()
  readonly placeRow = new LeafRow()
  readonly found = new EntryCursor()
  #hasFound = false
  readonly #meta = new StreamMeta()
  readonly #at = new LeafRow()
  readonly #finger: LeafFinger
  readonly #next = new LeafRow()
  readonly #separator = new Separator()
  readonly #id = new StreamId()
  /** The large stream whose ends were asked for last, and where they are while no row of any tree moves. */
  #root = 0
  #moves = -1
  readonly #metaRow = new LeafRow()
  readonly #lastRow = new LeafRow()
  #hasLast = false

  constructor(collections: Collections) {
    this.collections = collections
    this.leaves = collections.keyspace.trees
    this.#finger = new LeafFinger(this.leaves)
  }

  /** Finds the ends of a large stream, unless they are known. */
  #findEnds(root: number): void {
    const { shape, nodes } = this.leaves
    if (root === this.#root && nodes.moves === this.#moves) return
    this.#root = root
    this.#moves = nodes.moves
    shape.first(root, this.#metaRow)
    const last = this.#lastRow
    shape.last(root, last)
    this.#hasLast = this.isEntries(last)
    if (this.#hasLast || this.leaves.roots.leaves(root) === 1) return
    // Groups lie behind the entries.
    shape.locate(root, this.#separator.set(groupBit - 1, 0xffffffff, 0xffffffff, 0xffffffff), last)
    this.#hasLast = this.isEntries(last)
  }

  /** The metadata of a stream, to read: valid until something changes. */
  meta(entry: number): StreamMeta {
    const { entries, values } = this.collections.keyspace
    let value = entries.value(entry)
    if (entries.isTree(entry)) {
      this.#findEnds(value)
      value = this.leaves.used(this.#metaRow)
    }
    return this.#meta.open(values.bytes(value), values.start(value) + metaOffset)
  }

  /** The metadata, to be changed by the mutation with this LSN. */
  writableMeta(entry: number, lsn: number): StreamMeta {
    const { entries, values } = this.collections.keyspace
    if (!entries.isTree(entry)) {
      const at = this.collections.resizeBlob(entry, metaOffset, 0, 0)
      return this.#meta.open(values.bytes(entries.value(entry)), at)
    }
    return this.metaOfTree(entries.value(entry), lsn)
  }

  /** As `writableMeta` of a tree, which may belong to nobody yet. */
  metaOfTree(root: number, lsn: number): StreamMeta {
    const { leaves } = this
    const { values } = leaves
    const at = this.#metaRow
    this.#findEnds(root)
    leaves.used(at)
    const ref = leaves.slots.writable(at, 0)
    leaves.changed(at, 0, lsn)
    return this.#meta.open(values.bytes(ref), values.start(ref) + metaOffset)
  }

  /** Gives an entry without a value an empty stream. */
  create(entry: number): void {
    const { collections } = this
    const { entries, values } = collections.keyspace
    if (collections.hasValue(entry)) return
    collections.createBlob(entry, packedForm)
    const at = collections.resizeBlob(entry, metaOffset, 0, metaBytes)
    this.#meta.open(values.bytes(entries.value(entry)), at).clear()
  }

  /** Makes a small stream a large one. */
  toTree(entry: number, seed: number, lsn: number): void {
    const { collections, leaves } = this
    const { entries, values } = collections.keyspace
    if (entries.isTree(entry)) return
    collections.becomeTree(entry, seed, lsn, (root, blob) => {
      const at = this.#at
      const from = values.bytes(blob)
      const start = values.start(blob)
      const used = usedBytes(from, start)
      leaves.shape.first(root, at)
      this.#fill(leaves.slots.writable(at, blobNodeOffset), from, start + metaOffset, start + blobNodeOffset)
      leaves.changed(at, 0, lsn)
      if (used === blobNodeOffset) return
      const node = start + blobNodeOffset
      leaves.create(at, entrySeparator(nodeMaster(from, node, this.#id), this.#separator), packedHeaderBytes + used - blobNodeOffset, lsn)
      this.#fill(leaves.ref(at), from, node, start + used)
      leaves.changed(at, nodeLive(from, node), lsn)
    })
  }

  #fill(ref: number, from: Buffer, start: number, end: number): void {
    const { values } = this.leaves
    const bytes = values.bytes(ref)
    const to = values.start(ref)
    from.copy(bytes, to + packedHeaderBytes, start, end)
    setUsedBytes(bytes, to, packedHeaderBytes + end - start)
  }

  /** The last node; false when there is none. */
  lastNode(entry: number, into: NodePlace): boolean {
    const { entries } = this.collections.keyspace
    if (!entries.isTree(entry)) return this.#blobNode(entry, into)
    this.#findEnds(entries.value(entry))
    return this.#hasLast && this.#open(this.#lastRow, into)
  }

  /** The last leaf with entries of a large stream; false, and `into` the first of all, when there is none. */
  locateLast(root: number, into: LeafRow): boolean {
    this.#findEnds(root)
    into.set(this.#lastRow.node, this.#lastRow.row)
    return this.#hasLast
  }

  #blobNode(entry: number, into: NodePlace): boolean {
    const { entries, values } = this.collections.keyspace
    const value = entries.value(entry)
    into.bytes = values.bytes(value)
    const start = values.start(value)
    into.start = start + blobNodeOffset
    into.end = start + usedBytes(into.bytes, start)
    return into.end > into.start
  }

  #open(at: LeafRow, into: NodePlace): boolean {
    const { values } = this.leaves
    const ref = this.leaves.used(at)
    into.bytes = values.bytes(ref)
    const start = values.start(ref)
    into.start = start + packedHeaderBytes
    into.end = start + usedBytes(into.bytes, start)
    return true
  }

  /** Whether a leaf has entries: not the metadata, nor what belongs to groups. */
  isEntries({ node, row }: LeafRow): boolean {
    const { nodes } = this.leaves
    const words = nodes.arena.words(node)
    const w = nodes.rowAt(node, row)
    return words[w] < groupBit && (words[w] | words[w + 1] | words[w + 2] | words[w + 3]) !== 0
  }

  /** Opens the node in whose range an id lies: the first where there is none before; false when there is none behind either. `at` names its leaf. */
  nodeOf(entry: number, id: StreamId, into: NodePlace, at: LeafRow): boolean {
    const { entries } = this.collections.keyspace
    if (!entries.isTree(entry)) return this.#blobNode(entry, into)
    const { shape } = this.leaves
    this.#finger.locate(entries.value(entry), entrySeparator(id, this.#separator), at)
    if (!this.isEntries(at) && !(shape.next(at) && this.isEntries(at))) return false
    return this.#open(at, into)
  }

  /** The row of the first leaf with entries, of a small stream none; false when there are no entries. */
  locateFirst(entry: number, at: LeafRow): boolean {
    const { entries } = this.collections.keyspace
    if (!entries.isTree(entry)) return entries.length(entry) > 0
    this.leaves.shape.first(entries.value(entry), at)
    return this.moveOn(at)
  }

  /** Goes on to the next leaf with entries, unread; false when there is none. */
  moveOn(at: LeafRow): boolean {
    return this.leaves.shape.next(at) && this.isEntries(at)
  }

  /** Opens the node at a row, or that of a small stream. */
  openRow(entry: number, at: LeafRow, into: NodePlace): boolean {
    return this.collections.keyspace.entries.isTree(entry) ? this.#open(at, into) : this.#blobNode(entry, into)
  }

  /** The id that a leaf with entries begins at. */
  separatorId(at: LeafRow, into: StreamId): void {
    const { words } = this.leaves.shape.separator(at, this.#separator)
    into.set(words[0], words[1], words[2], words[3])
  }

  /** Whether all entries of a leaf are before an id, as far as the next leaf tells. */
  isBefore(at: LeafRow, id: StreamId): boolean {
    const next = this.#next.set(at.node, at.row)
    if (!this.moveOn(next)) return false
    const order = entrySeparator(id, this.#separator)
    return order.compare(this.leaves.values.arena.words(next.node), this.leaves.nodes.rowAt(next.node, next.row)) >= 0
  }

  /** Goes on to the next (or previous) leaf with entries, unless all of these are behind an id (or before). */
  nextNode(at: LeafRow, into: NodePlace, backwards: boolean, limit: StreamId): boolean {
    const { shape } = this.leaves
    if (backwards && this.#order(limit, at) >= 0) return false
    if (!(backwards ? shape.previous(at) : shape.next(at)) || !this.isEntries(at)) return false
    return (backwards || this.#order(limit, at) >= 0) && this.#open(at, into)
  }

  /** Negative if an id lies before a leaf with entries. */
  #order(id: StreamId, at: LeafRow): number {
    const { shape, nodes } = this.leaves
    return entrySeparator(id, this.#separator).compare(shape.arena.words(at.node), nodes.rowAt(at.node, at.row))
  }

  /** Whether there is an entry. */
  has(entry: number, id: StreamId): boolean {
    return this.find(entry, id) >= 0
  }

  /** As `has`, which was asked for another entry before, that is likely to be the one in front, and nothing has changed since. */
  hasNext(entry: number, id: StreamId): boolean {
    const { place, found } = this
    if (this.#hasFound && found.end < place.end) {
      found.read(found.end)
      if (found.id.compare(id) === 0) return true
    }
    return this.has(entry, id)
  }

  /** Finds an entry: `place`, `placeRow` and `found` tell where it is. Returns where it begins, -1 when there is none. */
  find(entry: number, id: StreamId): number {
    const { place, found } = this
    this.#hasFound = false
    if (!this.nodeOf(entry, id, place, this.placeRow)) return -1
    const at = seekEntry(place.bytes, place.start, place.end, id)
    if (at === place.end) return -1
    found.enter(place.bytes, place.start)
    found.read(at)
    this.#hasFound = found.id.compare(id) === 0
    return this.#hasFound ? at : -1
  }

  /** Wants the metadata of a large stream. */
  wantMeta(root: number, wants: ColdWants): void {
    wantLeaf(this.leaves, root, this.#separator.set(0), wants)
  }

  /** Wants the last node of a large stream. */
  wantLast(root: number, wants: ColdWants): void {
    this.#findEnds(root)
    if (this.#hasLast && this.leaves.ref(this.#lastRow) === 0) wantRow(this.leaves, root, this.#lastRow, wants)
  }

  /** Wants the nodes with the entries from an id on that come to `count`, up to the id `to`; backwards those before it. */
  wantRange(root: number, from: StreamId, to: StreamId, count: number, backwards: boolean, wants: ColdWants): void {
    const { leaves } = this
    const { shape, nodes } = leaves
    const at = new LeafRow()
    const limit = entrySeparator(backwards ? from : to, new Separator())
    shape.locate(root, entrySeparator(backwards ? to : from, this.#separator), at)
    if (!this.isEntries(at) && !shape.next(at)) return
    // The node in which the range begins may show nothing of it.
    let left = count
    for (let isFirst = true; this.isEntries(at) && left > 0; isFirst = false) {
      const order = limit.compare(leaves.values.arena.words(at.node), nodes.rowAt(at.node, at.row))
      if (!backwards && !isFirst && order < 0) return
      if (leaves.ref(at) === 0) wantRow(leaves, root, at, wants)
      if (!isFirst) left -= nodes.count(at.node, at.row)
      if (backwards && order >= 0) return
      if (!(backwards ? shape.previous(at) : shape.next(at))) return
    }
  }

  /** Wants the nodes in which the entries begin that stay when all but `length` go. */
  wantTrimmedTo(root: number, length: number, wants: ColdWants): void {
    const { leaves } = this
    const { shape } = leaves
    const entry = leaves.roots.owner(root)
    const goes = this.collections.keyspace.entries.length(entry) - length
    if (!(goes > 0)) return
    const at = new LeafRow()
    shape.rankWithin = 0
    if (length > 0) shape.locateRank(root, goes, at)
    else this.locateLast(root, at)
    if (length > 0 && leaves.ref(at) === 0) wantRow(leaves, root, at, wants)
    if (shape.rankWithin === 0 && shape.previous(at) && this.isEntries(at) && leaves.ref(at) === 0) wantRow(leaves, root, at, wants)
  }

  /** Wants the node of an entry, and the one behind it, which may have the first entry when that one goes. */
  wantEntry(root: number, id: StreamId, wants: ColdWants): void {
    const { leaves } = this
    const at = new LeafRow()
    leaves.shape.locate(root, entrySeparator(id, this.#separator), at)
    for (let i = 0; i < 3; i++) {
      if (this.isEntries(at) && leaves.ref(at) === 0) wantRow(leaves, root, at, wants)
      if (!leaves.shape.next(at)) return
    }
  }
}
