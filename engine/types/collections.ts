/**
 * What collections of all types do with the value of their entry: a blob of packed elements is made, gets room, gives room back, becomes a tree
 * (`keyspace/entries.ts` has the forms). What the elements are is the type's business.
 */
import { treeForm } from '../keyspace/entries.ts'
import type { Keyspace } from '../keyspace/keyspace.ts'
import { packedHeaderBytes, setUsedBytes, usedBytes, writeEmpty } from '../memory/packed-bytes.ts'
import { dropTree } from '../tree/drop-tree.ts'
import type { Rest } from '../tree/tree-rest.ts'
import { packedTrimmed, packedWithRoom } from './packed-hash.ts'

/** The encoding of an entry that has just been inserted: no form of a collection. */
const noForm = 0

export class Collections {
  readonly keyspace: Keyspace
  /** What the edit in hand makes of the value, if that was made beforehand. */
  #rest: Rest | undefined

  constructor(keyspace: Keyspace) {
    this.keyspace = keyspace
  }

  /** Whether an entry has a value: one that has just been inserted has none. */
  hasValue(entry: number): boolean {
    return this.keyspace.entries.encoding(entry) !== noForm
  }

  /** Gives an entry without a value an empty blob in a form. */
  createBlob(entry: number, form: number): void {
    const { entries, access, observer, values } = this.keyspace
    const value = values.create(entry, packedHeaderBytes, false)
    writeEmpty(values.bytes(value), values.start(value))
    entries.setTypeAndEncoding(entry, entries.type(entry), form)
    entries.setResident(entry, value, access.initial())
    observer.resident(value)
  }

  /** Says that the blob of an entry has another form; its bytes are as they were. */
  setForm(entry: number, form: number): void {
    const { entries } = this.keyspace
    entries.setTypeAndEncoding(entry, entries.type(entry), form)
  }

  /** Bytes of a resident blob, its header included. */
  blobBytes(entry: number): number {
    const { entries, values } = this.keyspace
    const value = entries.value(entry)
    return value === 0 ? packedHeaderBytes : usedBytes(values.bytes(value), values.start(value))
  }

  /**
   * Makes the `former` bytes at an offset of a blob `size` bytes, which are for the caller to write at the position that is returned, in the buffer
   * of the entry's value as it is afterwards.
   */
  resizeBlob(entry: number, offset: number, former: number, size: number): number {
    const { entries, values } = this.keyspace
    const from = entries.value(entry)
    const used = usedBytes(values.bytes(from), values.start(from))
    const needed = used - former + size
    const to = packedWithRoom(values, from, needed)
    this.#relocated(entry, from, to)
    const bytes = values.bytes(to)
    const start = values.start(to)
    if (former !== size && offset + former < used) bytes.copyWithin(start + offset + size, start + offset + former, start + used)
    setUsedBytes(bytes, start, needed)
    if (size < former) this.#relocated(entry, to, packedTrimmed(values, to))
    const now = entries.value(entry)
    return values.start(now) + offset
  }

  /**
   * Makes an entry's value a tree: `fill` puts into the new tree, whose root it is given, the elements of the former blob, which still
   * exists meanwhile (`blob` is its ref, 0 if there was none). Returns the root.
   */
  becomeTree(entry: number, seed: number, lsn: number, fill: (root: number, blob: number) => void): number {
    const keyspace = this.keyspace
    const { entries, access, trees } = keyspace
    const blob = this.hasValue(entry) ? entries.value(entry) : 0
    const used = blob === 0 ? access.initial() : entries.access(entry)
    const root = trees.createTree(entry, keyspace.nextCollectionId++, seed, packedHeaderBytes, lsn)
    fill(root, blob)
    keyspace.dropValue(entry)
    keyspace.giveTree(entry, root, used)
    return root
  }

  /** Makes an edit that has to put a tree in the place of the value: it asks `replaced`. */
  withRest(rest: Rest, edit: () => number): number {
    this.#rest = rest
    try {
      return edit()
    } finally {
      dropTree(this.keyspace, this.#rest?.root ?? 0)
      this.#rest = undefined
    }
  }

  /** Puts what the edit in hand makes of the value, if that was made beforehand, in its place. Returns how many elements less it has, undefined if nothing was made. */
  replaced(entry: number, lsn: number): number | undefined {
    const rest = this.#rest
    if (rest === undefined) return undefined
    this.#rest = undefined
    const { keyspace } = this
    const { entries } = keyspace
    const { root, removed } = rest
    if (removed > 0 && removed === entries.length(entry)) dropTree(keyspace, root)
    else {
      const hasValue = this.hasValue(entry)
      const access = hasValue ? entries.access(entry) : keyspace.access.initial()
      if (hasValue) keyspace.dropValue(entry)
      keyspace.giveTree(entry, root, access)
    }
    this.changed(entry, -removed, lsn)
    return removed
  }

  isTree(entry: number): boolean {
    return this.keyspace.entries.encoding(entry) === treeForm
  }

  /** The value of an entry has been changed by the mutation with this LSN, and has `by` elements more. */
  changed(entry: number, by: number, lsn: number): void {
    const keyspace = this.keyspace
    const { entries } = keyspace
    if (by !== 0) entries.setLength(entry, entries.length(entry) + by)
    if (entries.isTree(entry)) keyspace.changed(entry, lsn)
    else keyspace.valueChanged(entry, lsn)
    entries.setAccess(entry, keyspace.access.used(entries.access(entry)))
  }

  #relocated(entry: number, from: number, to: number): void {
    if (from === to) return
    this.keyspace.setValue(entry, to)
    this.keyspace.observer.relocated(from, to)
  }
}
