/**
 * Consumer groups of streams, in the second range of the tree (`stream-separator.ts` has the order). An element begins with its kind:
 *
 *   1 pending in a group: id (16) · unit of the consumer (u32) · delivered at (ms, u48) · deliveries (u64)
 *   2 pending for a consumer: id (16)
 *   3 group, 4 consumer: bytes of the element (u32) · unit of the consumer's group or 0 (u32) · hash of the name (u32) · unit (u32) ·
 *     of a group the last id delivered (16) and the entries read, -1 if unknown (i64) · of a consumer when it was seen (ms, u48) · name
 *
 * Integers are big-endian. A unit's pending ids have leaves of their own, so that their number is a difference of ranks, and a list goes leaf by
 * leaf, unread. What is missing, in a replay, is passed over.
 */
import { wantLeaf, wantRow } from '../cold-wants.ts'
import { packedHeaderBytes, sameBytes, usedBytes } from '../memory/packed-bytes.ts'
import type { ColdWants } from '../need.ts'
import { Separator } from '../tree/separator.ts'
import type { LeafLayout } from '../tree/tree-elements.ts'
import { TreeElements } from '../tree/tree-elements.ts'
import type { TreeLeaves } from '../tree/tree-leaves.ts'
import { LeafRow } from '../tree/tree-shape.ts'
import { fieldHash } from './hash-leaf.ts'
import { idBytes, StreamId } from './stream-id.ts'
import { consumersUnit, firstOfUnit, groupBit, groupsUnit, pendingSeparator } from './stream-separator.ts'

const pendingKind = 1
const ownKind = 2
const groupKind = 3
const consumerKind = 4
const pendingBytes = 35
const ownBytes = 17
const groupNameOffset = 41
const consumerNameOffset = 23
const scratch = new StreamId()
const before = new Separator()

/** How the leaves of groups are laid out; those of entries are never cut. */
export function pendingLayout(leaves: TreeLeaves): LeafLayout {
  return {
    joinMask: 0xffffffff,
    sizeAt: (bytes, at) => (bytes[at] === pendingKind ? pendingBytes : bytes[at] === ownKind ? ownBytes : bytes.readUInt32BE(at + 1)),
    cutBetween(bytes, beforeAt, at, row, into) {
      if (bytes[at] >= groupKind) {
        const kind = bytes[at] === groupKind ? groupsUnit : consumersUnit
        into.set((groupBit | kind) >>> 0, bytes.readUInt32BE(at + 5), bytes.readUInt32BE(at + 9))
        return bytes.compare(bytes, beforeAt + 5, beforeAt + 13, at + 5, at + 13) !== 0
      }
      const unit = (leaves.values.arena.words(row.node)[leaves.nodes.rowAt(row.node, row.row)] & (groupBit - 1)) >>> 0
      pendingSeparator(unit, scratch.read(bytes, beforeAt + 1), before)
      pendingSeparator(unit, scratch.read(bytes, at + 1), into)
      return before.compare(into.words, 0) !== 0
    },
  }
}

/** A group or a consumer, as it is found. */
export interface NamedPlace {
  bytes: Buffer
  at: number
  unit: number
}

export function placeName({ bytes, at }: NamedPlace): Buffer {
  const from = bytes[at] === groupKind ? groupNameOffset : consumerNameOffset
  return Buffer.from(bytes.subarray(at + from, at + bytes.readUInt32BE(at + 1)))
}

export function groupLastId({ bytes, at }: NamedPlace, into: StreamId): StreamId {
  return into.read(bytes, at + 17)
}

/** -1 if unknown. */
export function groupEntriesRead({ bytes, at }: NamedPlace): bigint {
  return bytes.readBigInt64BE(at + 33)
}

export function consumerSeenAt({ bytes, at }: NamedPlace): number {
  return bytes.readUIntBE(at + 17, 6)
}

/** Something pending in a group, where it is. */
export class PendingCursor {
  readonly id = new StreamId()
  bytes: Buffer = Buffer.alloc(0)
  at = 0

  get consumer(): number {
    return this.bytes.readUInt32BE(this.at + 17)
  }

  get deliveredAt(): number {
    return this.bytes.readUIntBE(this.at + 21, 6)
  }

  get deliveries(): bigint {
    return this.bytes.readBigUInt64BE(this.at + 27)
  }
}

export class StreamGroups {
  readonly leaves: TreeLeaves
  /** The group and the consumer that were found last: valid until something changes. */
  readonly group: NamedPlace = { bytes: Buffer.alloc(0), at: 0, unit: 0 }
  readonly consumer: NamedPlace = { bytes: Buffer.alloc(0), at: 0, unit: 0 }
  readonly pending = new PendingCursor()
  readonly #elements: TreeElements
  readonly #at = new LeafRow()
  readonly #separator = new Separator()

  constructor(leaves: TreeLeaves) {
    this.leaves = leaves
    this.#elements = new TreeElements(leaves, pendingLayout(leaves))
  }

  /** Finds a group: `group` tells where it is. */
  findGroup(root: number, name: Buffer, start: number, end: number): boolean {
    return this.#findNamed(root, groupsUnit, 0, name, start, end, this.group) >= 0
  }

  findConsumer(root: number, group: number, name: Buffer, start: number, end: number): boolean {
    return this.#findNamed(root, consumersUnit, group, name, start, end, this.consumer) >= 0
  }

  /** Offset in the leaf of the one with a name, or the complement of where it would be; -1 with `#at` in another unit if there is no leaf yet. */
  #findNamed(root: number, kind: number, owner: number, name: Buffer, start: number, end: number, into: NamedPlace): number {
    const { leaves } = this
    const { values } = leaves
    const hash = fieldHash(name, start, end, leaves.roots.seed(root))
    const at = this.#at
    leaves.shape.locate(root, this.#separator.set((groupBit | kind) >>> 0, owner, hash), at)
    if (this.#firstWord(at) !== (groupBit | kind) >>> 0) return -1
    const ref = leaves.used(at)
    const bytes = values.bytes(ref)
    const leaf = values.start(ref)
    const stop = leaf + usedBytes(bytes, leaf)
    const nameOffset = kind === groupsUnit ? groupNameOffset : consumerNameOffset
    let position = leaf + packedHeaderBytes
    while (position < stop) {
      const size = bytes.readUInt32BE(position + 1)
      const ownerThere = bytes.readUInt32BE(position + 5)
      const hashThere = bytes.readUInt32BE(position + 9)
      if (ownerThere > owner || (ownerThere === owner && hashThere > hash)) break
      const isIt = ownerThere === owner && hashThere === hash && size - nameOffset === end - start
      if (isIt && sameBytes(bytes, position + nameOffset, name, start, end - start)) {
        into.bytes = bytes
        into.at = position
        into.unit = bytes.readUInt32BE(position + 13)
        return position - leaf
      }
      position += size
    }
    return ~(position - leaf)
  }

  #firstWord(at: LeafRow): number {
    return this.leaves.values.arena.words(at.node)[this.leaves.nodes.rowAt(at.node, at.row)]
  }

  /** Puts a group, or sets where it has come to. */
  putGroup(root: number, unit: number, last: StreamId, read: bigint, name: Buffer, start: number, end: number, lsn: number): void {
    const at = this.#putNamed(root, groupsUnit, 0, unit, name, start, end, this.group, lsn)
    const { bytes } = this.group
    last.write(bytes, at + 17)
    bytes.writeBigInt64BE(read, at + 33)
    this.#done(0, lsn)
  }

  /** Puts a consumer, or notes when it was seen. */
  putConsumer(root: number, group: number, unit: number, seenAt: number, name: Buffer, start: number, end: number, lsn: number): void {
    const at = this.#putNamed(root, consumersUnit, group, unit, name, start, end, this.consumer, lsn)
    this.consumer.bytes.writeUIntBE(seenAt, at + 17, 6)
    this.#done(0, lsn)
  }

  /** Notes when a consumer was seen, and only in memory: nothing else has happened. */
  sawConsumer(seenAt: number): void {
    this.consumer.bytes.writeUIntBE(seenAt, this.consumer.at + 17, 6)
  }

  #isNew = 0

  /** Returns where the element is, in the buffer of `into`; then comes `#done`. */
  #putNamed(
    root: number,
    kind: number,
    owner: number,
    unit: number,
    name: Buffer,
    start: number,
    end: number,
    into: NamedPlace,
    lsn: number,
  ): number {
    const { leaves } = this
    const { values } = leaves
    const at = this.#at
    let found = this.#findNamed(root, kind, owner, name, start, end, into)
    if (this.#firstWord(at) !== (groupBit | kind) >>> 0) {
      this.#elements.makeLeaf(root, firstOfUnit(kind, this.#separator), at, lsn)
      found = ~packedHeaderBytes
    }
    const nameOffset = kind === groupsUnit ? groupNameOffset : consumerNameOffset
    const size = nameOffset + end - start
    this.#isNew = found < 0 ? 1 : 0
    const position = this.#elements.resize(at, found < 0 ? ~found : found, found < 0 ? 0 : size, size)
    const bytes = values.bytes(leaves.ref(at))
    into.bytes = bytes
    into.at = position
    into.unit = unit
    if (found >= 0) return position
    bytes[position] = kind === groupsUnit ? groupKind : consumerKind
    bytes.writeUInt32BE(size, position + 1)
    bytes.writeUInt32BE(owner, position + 5)
    bytes.writeUInt32BE(fieldHash(name, start, end, leaves.roots.seed(root)), position + 9)
    bytes.writeUInt32BE(unit, position + 13)
    name.copy(bytes, position + nameOffset, start, end)
    return position
  }

  #done(by: number, lsn: number): void {
    this.#elements.done(this.#at, by + this.#isNew, lsn)
    this.#isNew = 0
  }

  /** Removes a group with its consumers and all that is pending. */
  removeGroup(root: number, name: Buffer, start: number, end: number, lsn: number): boolean {
    const found = this.#findNamed(root, groupsUnit, 0, name, start, end, this.group)
    if (found < 0) return false
    const { unit } = this.group
    this.#removeAt(found, groupNameOffset + end - start, lsn)
    this.#dropUnit(root, unit)
    const consumers: { name: Buffer; unit: number }[] = []
    this.eachConsumer(root, unit, (place) => consumers.push({ name: placeName(place), unit: place.unit }))
    for (const consumer of consumers) {
      const at = this.#findNamed(root, consumersUnit, unit, consumer.name, 0, consumer.name.length, this.consumer)
      if (at >= 0) this.#removeAt(at, consumerNameOffset + consumer.name.length, lsn)
      this.#dropUnit(root, consumer.unit)
    }
    return true
  }

  /** Removes a consumer with all that is pending for it. Returns how much that is, -1 without the consumer. */
  removeConsumer(root: number, group: number, name: Buffer, start: number, end: number, lsn: number): number {
    if (this.#findNamed(root, consumersUnit, group, name, start, end, this.consumer) < 0) return -1
    const { unit } = this.consumer
    const ids: Buffer[] = []
    this.eachOwn(root, unit, scratch.setMin(), (bytes, at) => {
      ids.push(Buffer.from(bytes.subarray(at, at + idBytes)))
      return true
    })
    const id = new StreamId()
    for (const each of ids) this.#removePending(root, group, id.read(each, 0), pendingBytes, lsn)
    this.#dropUnit(root, unit)
    const found = this.#findNamed(root, consumersUnit, group, name, start, end, this.consumer)
    this.#removeAt(found, consumerNameOffset + end - start, lsn)
    return ids.length
  }

  #removeAt(offset: number, size: number, lsn: number): void {
    this.#elements.remove(this.#at, offset, size, 1, lsn)
  }

  /** Removes the leaves of a unit, unread. */
  #dropUnit(root: number, unit: number): void {
    const at = this.#at
    while (this.#firstOf(root, unit, at)) this.leaves.remove(at)
  }

  /** The first leaf of a unit; false when there is none. */
  #firstOf(root: number, unit: number, at: LeafRow): boolean {
    const word = (groupBit | unit) >>> 0
    this.leaves.shape.locate(root, firstOfUnit(unit, this.#separator), at)
    return this.#firstWord(at) === word || (this.leaves.shape.next(at) && this.#firstWord(at) === word)
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
    return this.#firstWord(at) === (groupBit | unit) >>> 0 ? rank : rank + nodes.count(at.node, at.row)
  }

  /** Finds what is pending in a group under an id: `pending` tells where it is. */
  findPending(root: number, group: number, id: StreamId): boolean {
    const offset = this.#search(root, group, id, pendingBytes)
    if (offset < 0) return false
    const ref = this.leaves.ref(this.#at)
    this.pending.bytes = this.leaves.values.bytes(ref)
    this.pending.at = this.leaves.values.start(ref) + offset
    this.pending.id.copy(id)
    return true
  }

  /** Offset in its leaf of an id pending in a unit, or the complement of where it would be. `#at` names the leaf, of another unit if there is none. */
  #search(root: number, unit: number, id: StreamId, size: number): number {
    const { leaves } = this
    const at = this.#at
    leaves.shape.locate(root, pendingSeparator(unit, id, this.#separator), at)
    if (this.#firstWord(at) !== (groupBit | unit) >>> 0) return -1
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

  /** Makes something pending in a group for a consumer, taking it from the consumer that has it. */
  putPending(root: number, group: number, consumer: number, id: StreamId, deliveredAt: number, deliveries: bigint, lsn: number): void {
    const found = this.#search(root, group, id, pendingBytes)
    let former = 0
    const { values } = this.leaves
    let position: number
    if (found >= 0) {
      position = this.#elements.resize(this.#at, found, pendingBytes, pendingBytes)
      former = values.bytes(this.leaves.ref(this.#at)).readUInt32BE(position + 17)
    } else position = this.#insert(root, group, found, id, pendingKind, pendingBytes, lsn)
    const bytes = values.bytes(this.leaves.ref(this.#at))
    bytes.writeUInt32BE(consumer, position + 17)
    bytes.writeUIntBE(deliveredAt, position + 21, 6)
    bytes.writeBigUInt64BE(deliveries, position + 27)
    this.#done(0, lsn)
    if (former === consumer) return
    if (former !== 0) this.#removePending(root, former, id, ownBytes, lsn)
    const own = this.#search(root, consumer, id, ownBytes)
    if (own >= 0) return
    this.#insert(root, consumer, own, id, ownKind, ownBytes, lsn)
    this.#done(0, lsn)
  }

  /** Makes room where `#search` has not found an id, and writes kind and id; then comes `#done`. */
  #insert(root: number, unit: number, found: number, id: StreamId, kind: number, size: number, lsn: number): number {
    const { leaves } = this
    const at = this.#at
    let offset = ~found
    if (this.#firstWord(at) !== (groupBit | unit) >>> 0) {
      this.#elements.makeLeaf(root, firstOfUnit(unit, this.#separator), at, lsn)
      offset = packedHeaderBytes
    } else if (offset + size > leaves.leafBytesMax && offset === leaves.nodes.bytes(at.node, at.row)) {
      // What comes in order begins another leaf, instead of leaving halves.
      const separator = pendingSeparator(unit, id, this.#separator)
      if (separator.compare(leaves.values.arena.words(at.node), leaves.nodes.rowAt(at.node, at.row)) > 0) {
        leaves.create(at, separator, packedHeaderBytes + size, lsn)
        offset = packedHeaderBytes
      }
    }
    const position = this.#elements.resize(at, offset, 0, size)
    const bytes = leaves.values.bytes(leaves.ref(at))
    bytes[position] = kind
    id.write(bytes, position + 1)
    this.#isNew = 1
    return position
  }

  /** Takes an id off what is pending in a group and for its consumer; false if it is not pending. */
  acknowledge(root: number, group: number, consumer: number, id: StreamId, lsn: number): boolean {
    const isPending = this.#removePending(root, group, id, pendingBytes, lsn)
    this.#removePending(root, consumer, id, ownBytes, lsn)
    return isPending
  }

  #removePending(root: number, unit: number, id: StreamId, size: number, lsn: number): boolean {
    const found = this.#search(root, unit, id, size)
    if (found < 0) return false
    this.#removeAt(found, size, lsn)
    return true
  }

  /** Visits what is pending in a group from an id on, in order, until told that it is enough. */
  eachPending(root: number, group: number, from: StreamId, visit: (pending: PendingCursor) => boolean): void {
    const { pending } = this
    this.#eachIn(root, group, from, pendingBytes, (bytes, at) => {
      pending.bytes = bytes
      pending.at = at - 1
      pending.id.read(bytes, at)
      return visit(pending)
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
    const word = (groupBit | unit) >>> 0
    const at = new LeafRow()
    leaves.shape.locate(root, pendingSeparator(unit, from, this.#separator), at)
    if (stopsAtCold && leaves.ref(at) === 0) return
    const found = this.#search(root, unit, from, size)
    at.set(this.#at.node, this.#at.row)
    if (this.#firstWord(at) !== word) return
    let offset = found < 0 ? ~found : found
    for (;;) {
      if (stopsAtCold && leaves.ref(at) === 0) return
      const ref = leaves.used(at)
      const bytes = leaves.values.bytes(ref)
      const start = leaves.values.start(ref)
      const end = start + usedBytes(bytes, start)
      for (let position = start + offset; position < end; position += size) if (!visit(bytes, position + 1)) return
      offset = packedHeaderBytes
      if (!leaves.shape.next(at) || this.#firstWord(at) !== word) return
    }
  }

  /** Visits all groups, in no order that means anything. */
  eachGroup(root: number, visit: (place: NamedPlace) => void): void {
    this.#eachNamed(root, groupsUnit, 0, visit)
  }

  eachConsumer(root: number, group: number, visit: (place: NamedPlace) => void): void {
    this.#eachNamed(root, consumersUnit, group, visit)
  }

  #eachNamed(root: number, kind: number, owner: number, visit: (place: NamedPlace) => void): void {
    const { leaves } = this
    const word = (groupBit | kind) >>> 0
    const at = new LeafRow()
    leaves.shape.locate(root, this.#separator.set(word, owner), at)
    for (let isThere = this.#firstWord(at) === word; isThere; isThere = leaves.shape.next(at) && this.#firstWord(at) === word) {
      const ref = leaves.used(at)
      const bytes = leaves.values.bytes(ref)
      const start = leaves.values.start(ref)
      const end = start + usedBytes(bytes, start)
      for (let position = start + packedHeaderBytes; position < end; position += bytes.readUInt32BE(position + 1)) {
        const found = bytes.readUInt32BE(position + 5)
        if (found > owner) return
        if (found === owner) visit({ bytes, at: position, unit: bytes.readUInt32BE(position + 13) })
      }
    }
  }

  /** Wants the leaf that a group's name is in; a consumer's; an id's among what a unit has pending. */
  wantGroup(root: number, name: Buffer, start: number, end: number, wants: ColdWants): void {
    const hash = fieldHash(name, start, end, this.leaves.roots.seed(root))
    wantLeaf(this.leaves, root, this.#separator.set((groupBit | groupsUnit) >>> 0, 0, hash), wants)
  }

  wantConsumer(root: number, group: number, name: Buffer, start: number, end: number, wants: ColdWants): void {
    const hash = fieldHash(name, start, end, this.leaves.roots.seed(root))
    wantLeaf(this.leaves, root, this.#separator.set((groupBit | consumersUnit) >>> 0, group, hash), wants)
  }

  wantPending(root: number, unit: number, id: StreamId, wants: ColdWants): void {
    wantLeaf(this.leaves, root, pendingSeparator(unit, id, this.#separator), wants)
  }

  /** Wants what a unit has pending from an id on, up to `count`. */
  wantPendingFrom(root: number, unit: number, from: StreamId, count: number, wants: ColdWants): void {
    const { leaves } = this
    const at = new LeafRow()
    leaves.shape.locate(root, pendingSeparator(unit, from, this.#separator), at)
    this.#wantUnit(root, unit, at, count, wants)
  }

  /** Wants all groups; all consumers of a group. */
  wantGroups(root: number, wants: ColdWants): void {
    const at = new LeafRow()
    if (this.#firstOf(root, groupsUnit, at)) this.#wantUnit(root, groupsUnit, at, Number.POSITIVE_INFINITY, wants)
  }

  wantConsumers(root: number, group: number, wants: ColdWants): void {
    const { leaves } = this
    const word = (groupBit | consumersUnit) >>> 0
    const at = new LeafRow()
    leaves.shape.locate(root, this.#separator.set(word, group), at)
    for (let isThere = true; isThere; isThere = leaves.shape.next(at)) {
      const { words } = leaves.shape.separator(at, this.#separator)
      if (words[0] > word || (words[0] === word && words[1] > group)) return
      if (words[0] === word && leaves.ref(at) === 0) wantRow(leaves, root, at, wants)
    }
  }

  #wantUnit(root: number, unit: number, at: LeafRow, count: number, wants: ColdWants): void {
    const { leaves } = this
    const word = (groupBit | unit) >>> 0
    let left = count
    for (let isFirst = true; this.#firstWord(at) === word && left > 0; isFirst = false) {
      if (leaves.ref(at) === 0) wantRow(leaves, root, at, wants)
      if (!isFirst) left -= leaves.nodes.count(at.node, at.row)
      if (!leaves.shape.next(at)) return
    }
  }

  /** Wants the first and the last that a unit has pending. */
  wantPendingEdges(root: number, unit: number, wants: ColdWants): void {
    this.wantPendingFrom(root, unit, scratch.setMin(), 1, wants)
    this.wantPending(root, unit, scratch.setMax(), wants)
  }

  /** Whether what is needed to find a group is there, be it that there is none; of a consumer of the group with the number `owner`. */
  knowsGroup(root: number, name: Buffer, start: number, end: number): boolean {
    return this.#knowsNamed(root, groupsUnit, 0, name, start, end)
  }

  knowsConsumer(root: number, owner: number, name: Buffer, start: number, end: number): boolean {
    return this.#knowsNamed(root, consumersUnit, owner, name, start, end)
  }

  #knowsNamed(root: number, kind: number, owner: number, name: Buffer, start: number, end: number): boolean {
    const hash = fieldHash(name, start, end, this.leaves.roots.seed(root))
    this.leaves.shape.locate(root, this.#separator.set((groupBit | kind) >>> 0, owner, hash), this.#at)
    return this.#firstWord(this.#at) !== (groupBit | kind) >>> 0 || this.leaves.ref(this.#at) !== 0
  }

  /** As `eachPending` and `eachOwn`, up to what is cold; ids only, up to `count`. Of a group each with the unit of its consumer, else 0. */
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
        visit(id.read(bytes, at), isGroup ? bytes.readUInt32BE(at + idBytes) : 0)
        return true
      },
      true,
    )
  }

  /** Whether all names of a group's consumers are there. */
  knowsConsumers(root: number, group: number): boolean {
    let isCold = false
    this.wantConsumers(root, group, {
      value: () => undefined,
      leaf: () => {
        isCold = true
      },
    })
    return !isCold
  }

  /** Whether all names of groups are there. */
  knowsGroups(root: number): boolean {
    let isCold = false
    this.wantGroups(root, {
      value: () => undefined,
      leaf: () => {
        isCold = true
      },
    })
    return !isCold
  }

  /** The last id that a unit has pending; false if there is none. */
  lastPending(root: number, unit: number, isGroup: boolean, into: StreamId): boolean {
    const { leaves } = this
    const at = this.#at
    leaves.shape.locate(root, pendingSeparator(unit, scratch.setMax(), this.#separator), at)
    do {
      if (this.#firstWord(at) !== (groupBit | unit) >>> 0) return false
    } while (leaves.nodes.count(at.node, at.row) === 0 && leaves.shape.previous(at))
    const ref = leaves.used(at)
    const bytes = leaves.values.bytes(ref)
    const start = leaves.values.start(ref)
    const used = usedBytes(bytes, start)
    if (used === packedHeaderBytes) return false
    into.read(bytes, start + used - (isGroup ? pendingBytes : ownBytes) + 1)
    return true
  }
}
