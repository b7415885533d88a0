/** Taking entries out of streams: single ones, or all up to an id. Whole nodes are trimmed unread; anything else that is touched must be resident. */
import { packedHeaderBytes } from '../memory/packed-bytes.ts'
import { Separator } from '../tree/separator.ts'
import { TreeElements } from '../tree/tree-elements.ts'
import type { TreeLeaves } from '../tree/tree-leaves.ts'
import { LeafRow } from '../tree/tree-shape.ts'
import type { Collections } from './collections.ts'
import type { StreamEntries } from './stream-entries.ts'
import { pendingLayout } from './stream-group-leaf.ts'
import { idBytes, StreamId } from './stream-id.ts'
import { blobNodeOffset } from './stream-meta.ts'
import { entriesAt, nodeLive, nodeLost, seekEntry } from './stream-node.ts'
import { entrySeparator } from './stream-separator.ts'

export class StreamRemoval {
  readonly #collections: Collections
  readonly #entries: StreamEntries
  readonly #leaves: TreeLeaves
  readonly #elements: TreeElements
  readonly #at = new LeafRow()
  readonly #next = new LeafRow()
  readonly #separator = new Separator()
  readonly #id = new StreamId()
  readonly #deleted = new StreamId()

  constructor(entries: StreamEntries) {
    this.#entries = entries
    this.#collections = entries.collections
    this.#leaves = entries.leaves
    this.#elements = new TreeElements(entries.leaves, pendingLayout(entries.leaves))
  }

  /** Deletes the entries with `count` ids, from `from` on in `bytes`; those that follow each other are cut out together. Returns how many there were. */
  delete(entry: number, bytes: Buffer, from: number, count: number, lsn: number): number {
    const { place, found } = this.#entries
    const end = from + count * idBytes
    const id = this.#deleted
    let deleted = 0
    let hasLostFirst = false
    for (let at = from; at < end; ) {
      const first = this.#entries.find(entry, id.read(bytes, at))
      at += idBytes
      if (first < 0) continue
      hasLostFirst ||= id.compare(this.#entries.meta(entry).firstId(this.#id)) === 0
      let to = found.end
      let run = 1
      for (; at < end && to < place.end; at += idBytes, run++) {
        found.read(to)
        if (found.id.compareAt(bytes, at) !== 0) break
        id.copy(found.id)
        to = found.end
      }
      this.#cut(entry, first, to, run, lsn)
      const meta = this.#entries.writableMeta(entry, lsn)
      if (id.compare(meta.maxDeletedId(this.#id)) > 0) meta.setMaxDeletedId(id)
      this.#collections.changed(entry, -run, lsn)
      deleted += run
    }
    if (hasLostFirst) this.#tellFirst(entry, lsn)
    return deleted
  }

  /** Takes `count` entries out of the node that `entries.place` and `entries.placeRow` tell; it goes with its last one. */
  #cut(entry: number, from: number, to: number, count: number, lsn: number): void {
    const collections = this.#collections
    const leaves = this.#leaves
    const { entries, values } = collections.keyspace
    const { bytes, start, end } = this.#entries.place
    const isLast = nodeLive(bytes, start) === count
    if (!entries.isTree(entry)) {
      const first = isLast ? start : from
      collections.resizeBlob(entry, blobNodeOffset + first - start, (isLast ? end : to) - first, 0)
      const value = entries.value(entry)
      if (isLast) this.#lostNodes(entry, 1, lsn)
      else nodeLost(values.bytes(value), values.start(value) + blobNodeOffset, count)
    } else if (isLast) {
      leaves.removal.one(this.#entries.placeRow)
      this.#lostNodes(entry, 1, lsn)
    } else {
      const at = this.#entries.placeRow
      this.#elements.resize(at, packedHeaderBytes + from - start, to - from, 0)
      const ref = leaves.ref(at)
      nodeLost(values.bytes(ref), values.start(ref) + packedHeaderBytes, count)
      leaves.changed(at, -count, lsn)
      leaves.slots.trim(at)
    }
  }

  #lostNodes(entry: number, count: number, lsn: number): void {
    const meta = this.#entries.writableMeta(entry, lsn)
    meta.setNodes(Math.max(0, meta.nodes - count))
  }

  /** Notes which entry is the first now. */
  #tellFirst(entry: number, lsn: number): void {
    const first = new StreamId()
    const { place, placeRow, found } = this.#entries
    if (this.#entries.nodeOf(entry, first, place, placeRow)) {
      found.enter(place.bytes, place.start)
      found.read(entriesAt(place.bytes, place.start))
      first.copy(found.id)
    }
    this.#entries.writableMeta(entry, lsn).setFirstId(first)
  }

  /** Removes all entries before `bound`, or all there are without one. Returns how many. */
  trim(entry: number, bound: StreamId | undefined, lsn: number): number {
    const { entries } = this.#collections.keyspace
    let removed = entries.isTree(entry) ? this.#trimLeaves(entry, bound, lsn) : 0
    const { place, placeRow, found } = this.#entries
    if (this.#entries.nodeOf(entry, this.#id.setMin(), place, placeRow)) {
      const { bytes, start, end } = place
      const stop = bound === undefined ? end : seekEntry(bytes, start, end, bound)
      const from = entriesAt(bytes, start)
      let count = 0
      found.enter(bytes, start)
      for (let at = from; at < stop; at = found.end, count++) found.read(at)
      if (count > 0) this.#cut(entry, from, stop, count, lsn)
      removed += count
    }
    if (removed === 0) return 0
    this.#collections.changed(entry, -removed, lsn)
    this.#tellFirst(entry, lsn)
    return removed
  }

  /** Removes the leaves that are wholly before `bound`. */
  #trimLeaves(entry: number, bound: StreamId | undefined, lsn: number): number {
    const leaves = this.#leaves
    const entries = this.#entries
    const { shape, nodes } = leaves
    const root = this.#collections.keyspace.entries.value(entry)
    const first = this.#at
    shape.first(root, first)
    const last = this.#next
    if (bound === undefined) entries.locateLast(root, last)
    else shape.locate(root, entrySeparator(bound, this.#separator), last)
    // The node in whose range the bound lies stays.
    if (!entries.moveOn(first) || (bound !== undefined && entries.isEntries(last) && !shape.previous(last)) || !entries.isEntries(last))
      return 0
    const removed = shape.rankOf(last) + nodes.count(last.node, last.row) - shape.rankOf(first)
    const before = leaves.roots.leaves(root)
    if (first.node === last.node && first.row === last.row) leaves.removal.one(first)
    else leaves.removal.range(first, last)
    const gone = before - leaves.roots.leaves(root)
    if (gone > 0) this.#lostNodes(entry, gone, lsn)
    return removed
  }
}
