/**
 * The entries of streams: in the one node of a small stream's blob, or in nodes of their own that are the leaves of a large one's tree. A leaf is never cut nor
 * joined with another: it is what Redis's node is. What is touched must be resident; whole nodes are trimmed unread.
 */
import { wantLeaf, wantRow } from '../cold-wants.ts'
import { packedForm } from '../keyspace/entries.ts'
import { packedHeaderBytes, setUsedBytes, usedBytes } from '../memory/packed-bytes.ts'
import type { ColdWants } from '../need.ts'
import { Separator } from '../tree/separator.ts'
import { TreeElements } from '../tree/tree-elements.ts'
import type { TreeLeaves } from '../tree/tree-leaves.ts'
import { LeafRow } from '../tree/tree-shape.ts'
import type { Collections } from './collections.ts'
import { pendingLayout } from './stream-group-leaf.ts'
import { StreamId } from './stream-id.ts'
import { blobNodeOffset, metaBytes, metaOffset, StreamMeta } from './stream-meta.ts'
import type { EntryFields } from './stream-node.ts'
import {
  EntryCursor,
  EntryWriter,
  entriesAt,
  hasMasterFields,
  headerBytesFor,
  nodeLive,
  nodeLost,
  nodeMaster,
  seekEntry,
  writeHeader,
} from './stream-node.ts'
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
  readonly #elements: TreeElements
  readonly #meta = new StreamMeta()
  readonly #writer = new EntryWriter()
  readonly #cursor = new EntryCursor()
  readonly #at = new LeafRow()
  readonly #next = new LeafRow()
  readonly #separator = new Separator()
  readonly #id = new StreamId()

  constructor(collections: Collections) {
    this.collections = collections
    this.leaves = collections.keyspace.trees
    this.#elements = new TreeElements(this.leaves, pendingLayout(this.leaves))
  }

  /** The metadata of a stream, to read: valid until something changes. */
  meta(entry: number): StreamMeta {
    const { entries, values } = this.collections.keyspace
    let value = entries.value(entry)
    if (entries.isTree(entry)) {
      this.leaves.shape.first(value, this.#at)
      value = this.leaves.used(this.#at)
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
    const at = this.#at
    leaves.shape.first(root, at)
    leaves.used(at)
    const ref = leaves.writable(at, 0)
    leaves.changed(at, 0, lsn)
    return this.#meta.open(values.bytes(ref), values.start(ref) + metaOffset)
  }

  /** Makes an empty tree a stream without entries. */
  beginTree(root: number, lsn: number): void {
    const { leaves } = this
    const { values } = leaves
    const at = this.#at
    leaves.shape.first(root, at)
    const position = this.#elements.resize(at, packedHeaderBytes, 0, metaBytes)
    this.#meta.open(values.bytes(leaves.ref(at)), position).clear()
    leaves.changed(at, 0, lsn)
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
      this.#fill(leaves.writable(at, blobNodeOffset), from, start + metaOffset, start + blobNodeOffset)
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
    const at = this.#at
    return this.#lastLeaf(entries.value(entry), at) && this.#open(at, into)
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

  /** The last leaf with entries; false, and `at` the first of all, when there is none. */
  #lastLeaf(root: number, at: LeafRow): boolean {
    const { shape } = this.leaves
    shape.locate(root, this.#separator.set(groupBit - 1, 0xffffffff, 0xffffffff, 0xffffffff), at)
    return this.#isEntries(at)
  }

  /** Whether a leaf has entries: not the metadata, nor what belongs to groups. */
  #isEntries(at: LeafRow): boolean {
    const { words } = this.leaves.shape.separator(at, this.#separator)
    return words[0] < groupBit && (words[0] | words[1] | words[2] | words[3]) !== 0
  }

  /** Opens the node in whose range an id lies: the first where there is none before; false when there is none behind either. `at` names its leaf. */
  nodeOf(entry: number, id: StreamId, into: NodePlace, at: LeafRow): boolean {
    const { entries } = this.collections.keyspace
    if (!entries.isTree(entry)) return this.#blobNode(entry, into)
    const { shape } = this.leaves
    shape.locate(entries.value(entry), entrySeparator(id, this.#separator), at)
    if (!this.#isEntries(at) && !(shape.next(at) && this.#isEntries(at))) return false
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
    return this.leaves.shape.next(at) && this.#isEntries(at)
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

  /** Goes on to the next (or previous) leaf with entries. */
  nextNode(at: LeafRow, into: NodePlace, backwards: boolean): boolean {
    const { shape } = this.leaves
    return (backwards ? shape.previous(at) : shape.next(at)) && this.#isEntries(at) && this.#open(at, into)
  }

  /** Appends an entry, which is behind all others; in a node of its own if `begins`, and where there is none. */
  append(entry: number, id: StreamId, fields: EntryFields, begins: boolean, lsn: number): void {
    const { collections } = this
    const { entries } = collections.keyspace
    const isNew = entries.isTree(entry)
      ? this.appendToTree(entries.value(entry), id, fields, begins, lsn)
      : this.#appendToBlob(entry, id, fields)
    const meta = this.writableMeta(entry, lsn)
    meta.setLastId(id)
    meta.countAdded()
    if (entries.length(entry) === 0) meta.setFirstId(id)
    if (isNew) meta.setNodes(meta.nodes + 1)
    collections.changed(entry, 1, lsn)
  }

  #appendToBlob(entry: number, id: StreamId, fields: EntryFields): boolean {
    const { collections } = this
    const { entries, values } = collections.keyspace
    const value = entries.value(entry)
    const start = values.start(value)
    const used = usedBytes(values.bytes(value), start)
    const isNew = used === blobNodeOffset
    const header = isNew ? headerBytesFor(fields) : 0
    const size = this.#measure(values.bytes(value), start + blobNodeOffset, id, fields, isNew)
    const at = collections.resizeBlob(entry, used, 0, header + size)
    this.#write(values.bytes(entries.value(entry)), at - used + blobNodeOffset, at, header, id, fields)
    return isNew
  }

  /** Puts an entry behind all others of a tree, without its metadata. Whether a node has begun. */
  appendToTree(root: number, id: StreamId, fields: EntryFields, begins: boolean, lsn: number): boolean {
    const { leaves } = this
    const { values } = leaves
    const at = this.#at
    const isFirst = !this.#lastLeaf(root, at)
    const order = entrySeparator(id, this.#separator).compare(values.arena.words(at.node), leaves.nodes.rowAt(at.node, at.row))
    const isNew = isFirst || (begins && order > 0)
    const header = isNew ? headerBytesFor(fields) : 0
    if (isNew) {
      if (!isFirst && leaves.ref(at) !== 0) {
        leaves.writable(at, 0)
        leaves.fit(at)
      }
      const size = this.#measure(Buffer.alloc(0), 0, id, fields, true)
      leaves.create(at, entrySeparator(id, this.#separator), packedHeaderBytes + header + size, lsn)
      const position = this.#elements.resize(at, packedHeaderBytes, 0, header + size)
      this.#write(values.bytes(leaves.ref(at)), position, position, header, id, fields)
    } else {
      const ref = leaves.used(at)
      const size = this.#measure(values.bytes(ref), values.start(ref) + packedHeaderBytes, id, fields, false)
      const used = leaves.nodes.bytes(at.node, at.row)
      const position = this.#elements.resize(at, used, 0, size)
      this.#write(values.bytes(leaves.ref(at)), position - used + packedHeaderBytes, position, 0, id, fields)
    }
    leaves.changed(at, 1, lsn)
    return isNew
  }

  #measure(bytes: Buffer, node: number, id: StreamId, fields: EntryFields, isNew: boolean): number {
    if (isNew) return this.#writer.measure(id, id, fields, true)
    const isSame = hasMasterFields(bytes, node, fields)
    return this.#writer.measure(nodeMaster(bytes, node, this.#id), id, fields, isSame)
  }

  #write(bytes: Buffer, node: number, at: number, header: number, id: StreamId, fields: EntryFields): void {
    if (header > 0) writeHeader(bytes, node, id, fields)
    this.#writer.write(bytes, node, at + header, id, fields)
  }

  /** Whether there is an entry. */
  has(entry: number, id: StreamId): boolean {
    return this.#find(entry, id)
  }

  readonly #place = new NodePlace()
  #found = 0

  /** Finds an entry: `#place` and `#at` tell its node, `#found` where it begins. */
  #find(entry: number, id: StreamId): boolean {
    const place = this.#place
    if (!this.nodeOf(entry, id, place, this.#at)) return false
    this.#found = seekEntry(place.bytes, place.start, place.end, id)
    if (this.#found === place.end) return false
    this.#cursor.enter(place.bytes, place.start)
    this.#cursor.read(this.#found)
    return this.#cursor.id.compare(id) === 0
  }

  /** Deletes an entry; false when there is none. */
  delete(entry: number, id: StreamId, lsn: number): boolean {
    if (!this.#find(entry, id)) return false
    this.#cut(entry, this.#found, this.#cursor.end, 1, lsn)
    const meta = this.writableMeta(entry, lsn)
    if (id.compare(meta.maxDeletedId(this.#id)) > 0) meta.setMaxDeletedId(id)
    this.collections.changed(entry, -1, lsn)
    if (id.compare(meta.firstId(this.#id)) === 0) this.#tellFirst(entry, lsn)
    return true
  }

  /** Takes `count` entries out of the node that `#place` and `#at` tell; it goes with its last one. */
  #cut(entry: number, from: number, to: number, count: number, lsn: number): void {
    const { collections, leaves } = this
    const { entries, values } = collections.keyspace
    const { bytes, start, end } = this.#place
    const isLast = nodeLive(bytes, start) === count
    if (!entries.isTree(entry)) {
      const first = isLast ? start : from
      collections.resizeBlob(entry, blobNodeOffset + first - start, (isLast ? end : to) - first, 0)
      const value = entries.value(entry)
      if (isLast) this.#lostNodes(entry, 1, lsn)
      else nodeLost(values.bytes(value), values.start(value) + blobNodeOffset, count)
    } else if (isLast) {
      leaves.remove(this.#at)
      this.#lostNodes(entry, 1, lsn)
    } else {
      const at = this.#at
      this.#elements.resize(at, packedHeaderBytes + from - start, to - from, 0)
      const ref = leaves.ref(at)
      nodeLost(values.bytes(ref), values.start(ref) + packedHeaderBytes, count)
      leaves.changed(at, -count, lsn)
      leaves.trim(at)
    }
  }

  #lostNodes(entry: number, count: number, lsn: number): void {
    const meta = this.writableMeta(entry, lsn)
    meta.setNodes(Math.max(0, meta.nodes - count))
  }

  /** Notes which entry is the first now. */
  #tellFirst(entry: number, lsn: number): void {
    const first = new StreamId()
    const place = this.#place
    if (this.nodeOf(entry, first, place, this.#at)) {
      this.#cursor.enter(place.bytes, place.start)
      this.#cursor.read(entriesAt(place.bytes, place.start))
      first.copy(this.#cursor.id)
    }
    this.writableMeta(entry, lsn).setFirstId(first)
  }

  /** Removes all entries before `bound`, or all there are without one. Returns how many. */
  trim(entry: number, bound: StreamId | undefined, lsn: number): number {
    const { entries } = this.collections.keyspace
    let removed = entries.isTree(entry) ? this.#trimLeaves(entry, bound, lsn) : 0
    const place = this.#place
    if (this.nodeOf(entry, this.#id.setMin(), place, this.#at)) {
      const { bytes, start, end } = place
      const stop = bound === undefined ? end : seekEntry(bytes, start, end, bound)
      const from = entriesAt(bytes, start)
      let count = 0
      this.#cursor.enter(bytes, start)
      for (let at = from; at < stop; at = this.#cursor.end, count++) this.#cursor.read(at)
      if (count > 0) this.#cut(entry, from, stop, count, lsn)
      removed += count
    }
    if (removed === 0) return 0
    this.collections.changed(entry, -removed, lsn)
    this.#tellFirst(entry, lsn)
    return removed
  }

  /** Removes the leaves that are wholly before `bound`. */
  #trimLeaves(entry: number, bound: StreamId | undefined, lsn: number): number {
    const { leaves } = this
    const { shape, nodes } = leaves
    const root = this.collections.keyspace.entries.value(entry)
    const first = this.#at
    shape.first(root, first)
    const last = this.#next
    if (bound === undefined) this.#lastLeaf(root, last)
    else shape.locate(root, entrySeparator(bound, this.#separator), last)
    // The node in whose range the bound lies stays.
    if (!this.moveOn(first) || (bound !== undefined && this.#isEntries(last) && !shape.previous(last)) || !this.#isEntries(last)) return 0
    const removed = shape.rankOf(last) + nodes.count(last.node, last.row) - shape.rankOf(first)
    const before = leaves.roots.leaves(root)
    if (first.node === last.node && first.row === last.row) leaves.remove(first)
    else leaves.removeRange(first, last)
    const gone = before - leaves.roots.leaves(root)
    if (gone > 0) this.#lostNodes(entry, gone, lsn)
    return removed
  }

  /** Wants the metadata of a large stream. */
  wantMeta(root: number, wants: ColdWants): void {
    wantLeaf(this.leaves, root, this.#separator.set(0), wants)
  }

  /** Wants the last node of a large stream. */
  wantLast(root: number, wants: ColdWants): void {
    const at = this.#at
    if (this.#lastLeaf(root, at) && this.leaves.ref(at) === 0) wantRow(this.leaves, root, at, wants)
  }

  /** Wants the nodes with the entries from an id on that come to `count`, up to the id `to`; backwards those before it. */
  wantRange(root: number, from: StreamId, to: StreamId, count: number, backwards: boolean, wants: ColdWants): void {
    const { leaves } = this
    const { shape, nodes } = leaves
    const at = new LeafRow()
    const limit = entrySeparator(backwards ? from : to, new Separator())
    shape.locate(root, entrySeparator(backwards ? to : from, this.#separator), at)
    if (!this.#isEntries(at) && !shape.next(at)) return
    // The node in which the range begins may show nothing of it.
    let left = count
    for (let isFirst = true; this.#isEntries(at) && left > 0; isFirst = false) {
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
    if (length > 0) shape.locateRank(root, goes, at)
    else this.#lastLeaf(root, at)
    if (length > 0 && leaves.ref(at) === 0) wantRow(leaves, root, at, wants)
    if (shape.rankWithin === 0 && shape.previous(at) && this.#isEntries(at) && leaves.ref(at) === 0) wantRow(leaves, root, at, wants)
  }

  /** Wants the node of an entry, and the one behind it, which may have the first entry when that one goes. */
  wantEntry(root: number, id: StreamId, wants: ColdWants): void {
    const { leaves } = this
    const at = new LeafRow()
    leaves.shape.locate(root, entrySeparator(id, this.#separator), at)
    for (let i = 0; i < 3; i++) {
      if (this.#isEntries(at) && leaves.ref(at) === 0) wantRow(leaves, root, at, wants)
      if (!leaves.shape.next(at)) return
    }
  }
}
