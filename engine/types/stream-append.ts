/** Appending to streams: an entry goes behind all others, into the last node or one of its own. */
import { packedHeaderBytes, usedBytes } from '../memory/packed-bytes.ts'
import { Separator } from '../tree/separator.ts'
import { TreeElements } from '../tree/tree-elements.ts'
import type { TreeLeaves } from '../tree/tree-leaves.ts'
import { LeafRow } from '../tree/tree-shape.ts'
import type { Collections } from './collections.ts'
import type { StreamEntries } from './stream-entries.ts'
import { pendingLayout } from './stream-group-leaf.ts'
import { StreamId } from './stream-id.ts'
import { blobNodeOffset, metaBytes, StreamMeta } from './stream-meta.ts'
import type { EntryFields } from './stream-node.ts'
import { EntryWriter, hasMasterFields, headerBytesFor, nodeMaster, writeHeader } from './stream-node.ts'
import { entrySeparator } from './stream-separator.ts'

const nothing = Buffer.alloc(0)

export class StreamAppend {
  readonly #collections: Collections
  readonly #entries: StreamEntries
  readonly #leaves: TreeLeaves
  readonly #elements: TreeElements
  readonly #writer = new EntryWriter()
  readonly #meta = new StreamMeta()
  readonly #at = new LeafRow()
  readonly #separator = new Separator()
  readonly #id = new StreamId()

  constructor(entries: StreamEntries) {
    this.#entries = entries
    this.#collections = entries.collections
    this.#leaves = entries.leaves
    this.#elements = new TreeElements(entries.leaves, pendingLayout(entries.leaves))
  }

  /** Appends an entry, which is behind all others; in a node of its own if `begins`, and where there is none. */
  append(entry: number, id: StreamId, fields: EntryFields, begins: boolean, lsn: number): void {
    const { entries } = this.#collections.keyspace
    const isNew = entries.isTree(entry)
      ? this.appendToTree(entries.value(entry), id, fields, begins, lsn)
      : this.#appendToBlob(entry, id, fields)
    const meta = this.#entries.writableMeta(entry, lsn)
    meta.setLastId(id)
    meta.countAdded()
    if (entries.length(entry) === 0) meta.setFirstId(id)
    if (isNew) meta.setNodes(meta.nodes + 1)
    this.#collections.changed(entry, 1, lsn)
  }

  #appendToBlob(entry: number, id: StreamId, fields: EntryFields): boolean {
    const { entries, values } = this.#collections.keyspace
    const value = entries.value(entry)
    const start = values.start(value)
    const used = usedBytes(values.bytes(value), start)
    const isNew = used === blobNodeOffset
    const header = isNew ? headerBytesFor(fields) : 0
    const size = this.#measure(values.bytes(value), start + blobNodeOffset, id, fields, isNew)
    const at = this.#collections.resizeBlob(entry, used, 0, header + size)
    this.#write(values.bytes(entries.value(entry)), at - used + blobNodeOffset, at, header, id, fields)
    return isNew
  }

  /** Makes an empty tree a stream without entries. */
  beginTree(root: number, lsn: number): void {
    const leaves = this.#leaves
    const at = this.#at
    leaves.shape.first(root, at)
    const position = this.#elements.resize(at, packedHeaderBytes, 0, metaBytes)
    this.#meta.open(leaves.values.bytes(leaves.ref(at)), position).clear()
    leaves.changed(at, 0, lsn)
  }

  /** Puts an entry behind all others of a tree, without its metadata. Whether a node has begun. */
  appendToTree(root: number, id: StreamId, fields: EntryFields, begins: boolean, lsn: number): boolean {
    const leaves = this.#leaves
    const { values } = leaves
    const at = this.#at
    const isFirst = !this.#entries.locateLast(root, at)
    if (isFirst || (begins && this.#isBehind(id, at))) {
      this.#beginNode(at, isFirst, id, fields, lsn)
      return true
    }
    const ref = leaves.used(at)
    const size = this.#measure(values.bytes(ref), values.start(ref) + packedHeaderBytes, id, fields, false)
    const used = leaves.nodes.bytes(at.node, at.row)
    const position = this.#elements.extend(at, size)
    this.#write(values.bytes(leaves.ref(at)), position - used + packedHeaderBytes, position, 0, id, fields)
    leaves.changed(at, 1, lsn)
    return false
  }

  /** Whether a node that begins with an id lies behind a leaf. */
  #isBehind(id: StreamId, at: LeafRow): boolean {
    const { values, nodes } = this.#leaves
    return entrySeparator(id, this.#separator).compare(values.arena.words(at.node), nodes.rowAt(at.node, at.row)) > 0
  }

  #beginNode(at: LeafRow, isFirst: boolean, id: StreamId, fields: EntryFields, lsn: number): void {
    const leaves = this.#leaves
    const header = headerBytesFor(fields)
    const size = header + this.#measure(nothing, 0, id, fields, true)
    let room = packedHeaderBytes + size
    if (!isFirst) {
      // It is likely to become as large as the one before, which has done growing.
      room = Math.max(room, Math.min(leaves.nodes.bytes(at.node, at.row), leaves.leafBytesMax))
      if (leaves.ref(at) !== 0) {
        leaves.slots.writable(at, 0)
        leaves.slots.fit(at)
      }
    }
    leaves.create(at, entrySeparator(id, this.#separator), room, lsn)
    const position = this.#elements.extend(at, size)
    this.#write(leaves.values.bytes(leaves.ref(at)), position, position, header, id, fields)
    leaves.changed(at, 1, lsn)
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
}
