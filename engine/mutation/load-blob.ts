/** Collections of any type as blobs and leaves from another keyspace: nothing here knows their elements. */
import type { TypeNumber } from '../keyspace/entries.ts'
import { treeForm } from '../keyspace/entries.ts'
import type { Keyspace } from '../keyspace/keyspace.ts'
import { setUsedBytes, usedBytes } from '../memory/packed-bytes.ts'
import type { Separator } from '../tree/separator.ts'
import { LeafRow } from '../tree/tree-shape.ts'

export interface LoadedKey {
  readonly db: number
  readonly key: Buffer
  readonly type: TypeNumber
  readonly form: number
  /** Elements in all. */
  readonly length: number
  readonly seed: number
}

/** Gives an entry a blob, or its tree (which the first leaf makes) one more leaf, behind the others. */
export function loadBlob(
  keyspace: Keyspace,
  entry: number,
  { type, form, length, seed }: LoadedKey,
  bytes: Buffer,
  start: number,
  leaf: { readonly separator: Separator; readonly count: number } | undefined,
  lsn: number,
): void {
  const { entries, values } = keyspace
  const used = usedBytes(bytes, start)
  entries.setLength(entry, length)
  if (leaf !== undefined) {
    loadLeaf(keyspace, entry, seed, bytes, start, used, leaf.separator, leaf.count, lsn)
    keyspace.changed(entry, lsn)
    return
  }
  const value = keyspace.makeValue(entry, used)
  bytes.copy(values.bytes(value), values.start(value), start, start + used)
  entries.setTypeAndEncoding(entry, type, form)
  keyspace.valueChanged(entry, lsn)
}

function loadLeaf(
  keyspace: Keyspace,
  entry: number,
  seed: number,
  bytes: Buffer,
  start: number,
  used: number,
  separator: Separator,
  count: number,
  lsn: number,
): void {
  const { entries, trees, values, access } = keyspace
  const at = new LeafRow()
  if (entries.encoding(entry) !== treeForm) {
    const root = trees.createTree(entry, keyspace.nextCollectionId++, seed, used, lsn)
    keyspace.giveTree(entry, root, access.initial())
    trees.shape.first(root, at)
  } else {
    trees.shape.last(entries.value(entry), at)
    trees.create(at, separator, used, lsn)
  }
  const ref = trees.slots.writable(at, used)
  const to = values.start(ref)
  bytes.copy(values.bytes(ref), to, start, start + used)
  setUsedBytes(values.bytes(ref), to, used)
  trees.changed(at, count, lsn)
}
