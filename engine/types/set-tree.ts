/**
 * Large sets: members in a tree, ordered by a keyed 32-bit hash. An operation on a member touches one leaf, which must be resident: whoever calls
 * asks for cold leaves first (`commands/set-needs.ts`).
 */
import { packedHeaderBytes, usedBytes } from '../memory/packed-bytes.ts'
import { LeafFinger } from '../tree/leaf-finger.ts'
import { Separator } from '../tree/separator.ts'
import type { LeafLayout } from '../tree/tree-elements.ts'
import { TreeElements } from '../tree/tree-elements.ts'
import type { TreeLeaves } from '../tree/tree-leaves.ts'
import { LeafRow } from '../tree/tree-shape.ts'
import { fieldHash, hashAt, hashEnd } from './hash-leaf.ts'
import type { VisitMember } from './set-leaf.ts'
import { findMember, memberBytes, memberSizeAt, memberStartAt, visitMembers, writeMember } from './set-leaf.ts'

const layout: LeafLayout = {
  elementsMax: 32,
  sizeAt: memberSizeAt,
  cutBetween(bytes, before, at, _row, into) {
    const hash = hashAt(bytes, at)
    if (hashAt(bytes, before) === hash) return false
    into.set(hash)
    return true
  },
}

export class SetTrees {
  readonly leaves: TreeLeaves
  readonly #elements: TreeElements
  /** Set while what is looked for comes in order of hash, mostly: then the leaf of the last look-up is tried first. */
  comesInOrder = false
  readonly #finger: LeafFinger
  readonly #at = new LeafRow()
  readonly #separator = new Separator()

  constructor(leaves: TreeLeaves) {
    this.leaves = leaves
    this.#finger = new LeafFinger(leaves)
    this.#elements = new TreeElements(leaves, layout)
  }

  /** Where a member's leaf begins, or a separator in its range. */
  separatorOf(root: number, member: Uint8Array, start: number, end: number): Separator {
    return this.#separator.set(fieldHash(member, start, end, this.leaves.roots.seed(root)))
  }

  has(root: number, member: Uint8Array, start: number, end: number): boolean {
    return this.#find(root, member, start, end) >= 0
  }

  /** Adds a member, which may not lie in this set itself; true if it is new. */
  add(root: number, member: Uint8Array, start: number, end: number, lsn: number): boolean {
    const found = this.#find(root, member, start, end)
    if (found >= 0) return false
    const { values } = this.leaves
    const at = this.#at
    const offset = ~found - values.start(this.leaves.ref(at))
    const hash = this.#separator.words[0]
    const position = this.#elements.resize(at, offset, 0, memberBytes(end - start))
    writeMember(values.bytes(this.leaves.ref(at)), position, hash, member, start, end)
    this.#elements.done(at, 1, lsn)
    return true
  }

  /** Removes a member; true if it was there. */
  remove(root: number, member: Uint8Array, start: number, end: number, lsn: number): boolean {
    const found = this.#find(root, member, start, end)
    if (found < 0) return false
    const { values } = this.leaves
    const ref = this.leaves.ref(this.#at)
    this.#elements.remove(this.#at, found - values.start(ref), memberSizeAt(values.bytes(ref), found), 1, lsn)
    return true
  }

  /** Visits member number `rank`, 0 ≤ rank < length, in order of hash. */
  atRank(root: number, rank: number, visit: VisitMember): void {
    const { values, shape } = this.leaves
    shape.locateRank(root, rank, this.#at)
    const ref = this.leaves.used(this.#at)
    const bytes = values.bytes(ref)
    const at = this.#elements.positionOf(ref, shape.rankWithin)
    visit(bytes, memberStartAt(bytes, at), at + memberSizeAt(bytes, at))
  }

  /**
   * Visits about `count` members (at least 1) in order of hash, those with one hash together, from a cursor on (0: the start). Returns the cursor to go
   * on with, 0 at the end. A member that stays throughout is visited, whatever else changes between the calls. The leaf of the cursor
   * must be resident; a cold leaf behind it ends the call early.
   */
  scan(root: number, cursor: number, count: number, visit: VisitMember): number {
    if (cursor >= hashEnd) return 0
    const { values, shape } = this.leaves
    const at = new LeafRow()
    shape.locate(root, this.#separator.set(cursor), at)
    let ref = this.leaves.used(at)
    let left = Math.max(count, 1)
    let last = -1
    for (;;) {
      const bytes = values.bytes(ref)
      const start = values.start(ref)
      const end = start + usedBytes(bytes, start)
      for (let position = start + packedHeaderBytes; position < end; ) {
        const hash = hashAt(bytes, position)
        const next = position + memberSizeAt(bytes, position)
        if (hash >= cursor) {
          if (left <= 0 && hash !== last) return hash
          visit(bytes, memberStartAt(bytes, position), next)
          last = hash
          left--
        }
        position = next
      }
      if (!shape.next(at)) return 0
      ref = this.leaves.ref(at)
      if (ref === 0 || left <= 0) return shape.separator(at, this.#separator).words[0]
    }
  }

  /** Visits all members of one resident leaf in order. */
  visitLeaf(ref: number, visit: VisitMember): void {
    const { values } = this.leaves
    visitMembers(values.bytes(ref), values.start(ref), visit)
  }

  /** Makes `#at` name a member's leaf; returns the member's position in it, or the complement of where it would be. */
  #find(root: number, member: Uint8Array, start: number, end: number): number {
    const { values, shape } = this.leaves
    const separator = this.separatorOf(root, member, start, end)
    if (this.comesInOrder) this.#finger.locate(root, separator, this.#at)
    else shape.search.locateSpread(root, separator, this.#at)
    const ref = this.leaves.used(this.#at)
    return findMember(values.bytes(ref), values.start(ref), separator.words[0], member, start, end)
  }
}
