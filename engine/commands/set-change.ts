/**
 * Adding and removing members, with the form that the set is to have: integers while there are no others and few of them (Redis's
 * `set-max-intset-entries`), one blob up to a leaf's size, then a tree; never back. Decided here, and recorded.
 */
import type { Execution } from '../execution.ts'
import { isInt64 } from '../integer.ts'
import { integersForm, leafForm, treeForm } from '../keyspace/entries.ts'
import { packedHeaderBytes, usedBytes } from '../memory/packed-bytes.ts'
import { memberBytes } from '../types/set-leaf.ts'
import { addEdit, removeEdit } from '../types/set-type.ts'

/** Members that a command gives: of its arguments, or of a list. */
export interface MemberSource {
  readonly count: number
  readonly buffer: Buffer
  start(index: number): number
  end(index: number): number
}

/** As Redis, which would not hold more integers in one piece, whatever the setting. */
const integersMax = 2 ** 30
/** Decimal digits and a sign that an integer of the packed form may have come from. */
const integerBytesMax = 20

/** Adds members to the set `key[start, end)`, whose entry is `entry`, 0 if it is missing. Returns how many were new. */
export function addMembers(
  x: Execution,
  entry: number,
  key: Uint8Array,
  start: number,
  end: number,
  members: MemberSource,
  first = 0,
): number {
  const form = setFormFor(x, entry, members, first)
  const payload = x.mutator.payload()
  payload.byte(form)
  if (form === treeForm) payload.u32(x.random.nextUint32())
  payload.varint(members.count - first)
  for (let i = first; i < members.count; i++) payload.range(members.buffer, members.start(i), members.end(i))
  return x.mutator.edit(x.mutator.types.sets, addEdit, x.db, key, start, end)
}

/** Removes members, some of which are there; the key goes with the last one. Returns how many there were. */
export function removeMembers(x: Execution, key: Uint8Array, start: number, end: number, members: MemberSource, first = 0): number {
  const payload = x.mutator.payload()
  payload.varint(members.count - first)
  for (let i = first; i < members.count; i++) payload.range(members.buffer, members.start(i), members.end(i))
  return x.mutator.edit(x.mutator.types.sets, removeEdit, x.db, key, start, end)
}

/** The form to take on before members are added; 0 for the one that the set has. */
export function setFormFor(x: Execution, entry: number, members: MemberSource, first: number): number {
  const { entries, trees } = x.keyspace
  const former = entry === 0 ? 0 : entries.encoding(entry)
  if (former === treeForm) return 0
  if (former !== leafForm && areIntegers(members, first) && countAfter(x, entry, members, first) <= integersLimit(x)) {
    return former === integersForm ? 0 : integersForm
  }
  if (bytesAfter(x, entry, members, first) > trees.leafBytesMax) return treeForm
  return former === leafForm ? 0 : leafForm
}

function integersLimit({ limits }: Execution): number {
  return Math.min(limits.setMaxIntsetEntries, integersMax)
}

function areIntegers(members: MemberSource, first: number): boolean {
  for (let i = first; i < members.count; i++) if (!isInt64(members.buffer, members.start(i), members.end(i))) return false
  return true
}

/** How many members there will be; looks closely only where it matters. */
function countAfter(x: Execution, entry: number, members: MemberSource, first: number): number {
  const before = entry === 0 ? 0 : x.keyspace.entries.length(entry)
  if (before + members.count - first <= integersLimit(x)) return before + members.count - first
  const added = new Set<string>()
  const { sets } = x.mutator.types
  for (let i = first; i < members.count; i++) {
    const { buffer } = members
    if (entry === 0 || !sets.has(entry, buffer, members.start(i), members.end(i))) {
      added.add(buffer.toString('latin1', members.start(i), members.end(i)))
    }
  }
  return before + added.size
}

/** How many bytes the members will take at most, in one blob. */
function bytesAfter(x: Execution, entry: number, members: MemberSource, first: number): number {
  const { entries, values } = x.keyspace
  let bytes = packedHeaderBytes
  if (entry !== 0) {
    const value = entries.value(entry)
    if (entries.encoding(entry) === integersForm) bytes += entries.length(entry) * memberBytes(integerBytesMax)
    else bytes = usedBytes(values.bytes(value), values.start(value))
  }
  for (let i = first; i < members.count; i++) bytes += memberBytes(members.end(i) - members.start(i))
  return bytes
}

/** Members that one edit adds at most: what it does takes as long as it takes, but its payload stays small. */
const storedAtOnce = 16 * 1024

/** Makes a set of distinct members under a key that is missing. */
export function storeMembers(x: Execution, key: Uint8Array, start: number, end: number, members: MemberSource): void {
  for (let first = 0; first < members.count; first += storedAtOnce) {
    x.keyspace.forgetLookUp()
    addMembers(x, x.keyspace.find(x.db, key, start, end), key, start, end, new PartOf(members, first + storedAtOnce), first)
  }
}

/** The first members of another source. */
class PartOf implements MemberSource {
  readonly count: number
  readonly #whole: MemberSource

  constructor(whole: MemberSource, count: number) {
    this.#whole = whole
    this.count = Math.min(count, whole.count)
  }

  get buffer(): Buffer {
    return this.#whole.buffer
  }

  start(index: number): number {
    return this.#whole.start(index)
  }

  end(index: number): number {
    return this.#whole.end(index)
  }
}
