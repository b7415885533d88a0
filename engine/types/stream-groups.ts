/**
 * Groups of streams and their consumers, by name, in the second range of the tree (`stream-separator.ts` has the order, `stream-group-leaf.ts`
 * the elements); what they have pending is in `stream-pending.ts`. What is missing, in a replay, is passed over.
 */

import { wantLeaf, wantRow } from '../cold-wants.ts'
import { readU32BE, writeU32BE, writeU48BE } from '../memory/byte-order.ts'
import { packedHeaderBytes, sameBytes, usedBytes } from '../memory/packed-bytes.ts'
import type { ColdWants } from '../need.ts'
import { LeafFinger } from '../tree/leaf-finger.ts'
import { Separator } from '../tree/separator.ts'
import { TreeElements } from '../tree/tree-elements.ts'
import type { TreeLeaves } from '../tree/tree-leaves.ts'
import { LeafRow } from '../tree/tree-shape.ts'
import { fieldHash } from './hash-leaf.ts'
import type { PendingChanges } from './pending-changes.ts'
import type { NamedPlace } from './stream-group-leaf.ts'
import { consumerKind, consumerNameOffset, groupKind, groupNameOffset, pendingLayout, placeName, unitAt } from './stream-group-leaf.ts'
import type { StreamId } from './stream-id.ts'
import { idBytes } from './stream-id.ts'
import { consumersUnit, firstOfUnit, groupBit, groupsUnit } from './stream-separator.ts'

export class StreamGroups {
  readonly leaves: TreeLeaves
  /** The group and the consumer that were found last: valid until something changes. */
  readonly group: NamedPlace = { bytes: Buffer.alloc(0), at: 0, unit: 0 }
  readonly consumer: NamedPlace = { bytes: Buffer.alloc(0), at: 0, unit: 0 }
  readonly #pending: PendingChanges
  readonly #elements: TreeElements
  readonly #ofGroups: LeafFinger
  readonly #ofConsumers: LeafFinger
  readonly #at = new LeafRow()
  readonly #separator = new Separator()

  constructor(leaves: TreeLeaves, pending: PendingChanges) {
    this.leaves = leaves
    this.#pending = pending
    this.#ofGroups = new LeafFinger(leaves)
    this.#ofConsumers = new LeafFinger(leaves)
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
    const finger = kind === groupsUnit ? this.#ofGroups : this.#ofConsumers
    finger.locate(root, this.#separator.set((groupBit | kind) >>> 0, owner, hash), at)
    if (unitAt(leaves, at) !== kind) return -1
    const ref = leaves.used(at)
    const bytes = values.bytes(ref)
    const leaf = values.start(ref)
    const stop = leaf + usedBytes(bytes, leaf)
    const nameOffset = kind === groupsUnit ? groupNameOffset : consumerNameOffset
    let position = leaf + packedHeaderBytes
    while (position < stop) {
      const size = readU32BE(bytes, position + 1)
      const ownerThere = readU32BE(bytes, position + 5)
      const hashThere = readU32BE(bytes, position + 9)
      if (ownerThere > owner || (ownerThere === owner && hashThere > hash)) break
      const isIt = ownerThere === owner && hashThere === hash && size - nameOffset === end - start
      if (isIt && sameBytes(bytes, position + nameOffset, name, start, end - start)) {
        into.bytes = bytes
        into.at = position
        into.unit = readU32BE(bytes, position + 13)
        return position - leaf
      }
      position += size
    }
    return ~(position - leaf)
  }

  /** Puts a group, or sets where it has come to. */
  putGroup(root: number, unit: number, last: StreamId, read: bigint, name: Buffer, start: number, end: number, lsn: number): void {
    const at = this.#putNamed(root, groupsUnit, 0, unit, name, start, end, this.group, lsn)
    const { bytes } = this.group
    last.write(bytes, at + 17)
    bytes.writeBigInt64BE(read, at + 33)
    this.#done(lsn)
  }

  /** Sets where a group has come to, as `bytes` say at `at`: the last id and the entries read. */
  moveGroup(root: number, bytes: Buffer, at: number, name: Buffer, start: number, end: number, lsn: number): void {
    const found = this.#findNamed(root, groupsUnit, 0, name, start, end, this.group)
    if (found < 0) return
    const ref = this.leaves.slots.writable(this.#at, 0)
    const into = this.leaves.values.bytes(ref)
    let to = this.leaves.values.start(ref) + found + 17
    for (let i = at; i < at + idBytes + 8; i++) into[to++] = bytes[i]
    this.leaves.changed(this.#at, 0, lsn)
  }

  /** Puts a consumer, or notes when it was seen. */
  putConsumer(root: number, group: number, unit: number, seenAt: number, name: Buffer, start: number, end: number, lsn: number): void {
    const at = this.#putNamed(root, consumersUnit, group, unit, name, start, end, this.consumer, lsn)
    writeU48BE(this.consumer.bytes, at + 17, seenAt)
    this.#done(lsn)
  }

  /** Notes when a consumer was seen, and only in memory: nothing else has happened. */
  sawConsumer(seenAt: number): void {
    writeU48BE(this.consumer.bytes, this.consumer.at + 17, seenAt)
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
    if (unitAt(leaves, at) !== kind) {
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
    writeU32BE(bytes, position + 1, size)
    writeU32BE(bytes, position + 5, owner)
    writeU32BE(bytes, position + 9, fieldHash(name, start, end, leaves.roots.seed(root)))
    writeU32BE(bytes, position + 13, unit)
    name.copy(bytes, position + nameOffset, start, end)
    return position
  }

  #done(lsn: number): void {
    if (this.#isNew === 0) this.leaves.changed(this.#at, 0, lsn)
    else this.#elements.done(this.#at, 1, lsn)
    this.#isNew = 0
  }

  /** Removes a group with its consumers and all that is pending. */
  removeGroup(root: number, name: Buffer, start: number, end: number, lsn: number): boolean {
    const found = this.#findNamed(root, groupsUnit, 0, name, start, end, this.group)
    if (found < 0) return false
    const { unit } = this.group
    this.#removeAt(found, groupNameOffset + end - start, lsn)
    this.#pending.drop(root, unit)
    const consumers: { name: Buffer; unit: number }[] = []
    this.eachConsumer(root, unit, (place) => consumers.push({ name: placeName(place), unit: place.unit }))
    for (const consumer of consumers) {
      const at = this.#findNamed(root, consumersUnit, unit, consumer.name, 0, consumer.name.length, this.consumer)
      if (at >= 0) this.#removeAt(at, consumerNameOffset + consumer.name.length, lsn)
      this.#pending.drop(root, consumer.unit)
    }
    return true
  }

  /** Removes a consumer with all that is pending for it. Returns how much that is, -1 without the consumer. */
  removeConsumer(root: number, group: number, name: Buffer, start: number, end: number, lsn: number): number {
    if (this.#findNamed(root, consumersUnit, group, name, start, end, this.consumer) < 0) return -1
    const { unit } = this.consumer
    const pending = this.#pending.dropConsumer(root, group, unit, lsn)
    const found = this.#findNamed(root, consumersUnit, group, name, start, end, this.consumer)
    this.#removeAt(found, consumerNameOffset + end - start, lsn)
    return pending
  }

  #removeAt(offset: number, size: number, lsn: number): void {
    this.#elements.remove(this.#at, offset, size, 1, lsn)
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
    const at = new LeafRow()
    leaves.shape.locate(root, this.#separator.set((groupBit | kind) >>> 0, owner), at)
    for (let isThere = true; isThere && unitAt(leaves, at) === kind; isThere = leaves.shape.next(at)) {
      const ref = leaves.used(at)
      const bytes = leaves.values.bytes(ref)
      const start = leaves.values.start(ref)
      const end = start + usedBytes(bytes, start)
      for (let position = start + packedHeaderBytes; position < end; position += readU32BE(bytes, position + 1)) {
        const found = readU32BE(bytes, position + 5)
        if (found > owner) return
        if (found === owner) visit({ bytes, at: position, unit: readU32BE(bytes, position + 13) })
      }
    }
  }

  /** Wants the leaf that a group's name is in; a consumer's. */
  wantGroup(root: number, name: Buffer, start: number, end: number, wants: ColdWants): void {
    const hash = fieldHash(name, start, end, this.leaves.roots.seed(root))
    wantLeaf(this.leaves, root, this.#separator.set((groupBit | groupsUnit) >>> 0, 0, hash), wants)
  }

  wantConsumer(root: number, group: number, name: Buffer, start: number, end: number, wants: ColdWants): void {
    const hash = fieldHash(name, start, end, this.leaves.roots.seed(root))
    wantLeaf(this.leaves, root, this.#separator.set((groupBit | consumersUnit) >>> 0, group, hash), wants)
  }

  /** Wants all groups; all consumers of a group. */
  wantGroups(root: number, wants: ColdWants): void {
    const at = new LeafRow()
    const { leaves } = this
    leaves.shape.locate(root, firstOfUnit(groupsUnit, this.#separator), at)
    for (let isThere = true; isThere && unitAt(leaves, at) === groupsUnit; isThere = leaves.shape.next(at)) {
      if (leaves.ref(at) === 0) wantRow(leaves, root, at, wants)
    }
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
    return unitAt(this.leaves, this.#at) !== kind || this.leaves.ref(this.#at) !== 0
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
}
