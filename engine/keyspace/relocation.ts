/**
 * Moves what lives in the arena to another slot of its size, so that the run it lies in may become free. Everybody who points at it
 * points at the new slot afterwards, and its meaning stays.
 */
import type { Keyspace } from './keyspace.ts'

/** Moves an entry. One whose database was flushed is about to be released, and stays. */
export function relocateEntry(keyspace: Keyspace, ref: number): void {
  const { entries } = keyspace
  if (keyspace.isDetached(ref)) return
  const copy = entries.copy(ref, entries.hasTtlRoom(ref))
  keyspace.redirect(ref, copy)
  // A write-out that is under way will not find the entry any more: it must be told again.
  keyspace.changed(copy, entries.lsn(copy))
}

/** Moves a resident value, or a leaf of a tree. */
export function relocateValue({ entries, values, trees, observer }: Keyspace, value: number): void {
  if (values.isLeaf(value)) {
    trees.relocate(value)
    return
  }
  const owner = values.owner(value)
  const room = values.room(value)
  const moved = values.relocate(value, room, room)
  entries.setResident(owner, moved, entries.access(owner))
  observer.relocated(value, moved)
}

/** Moves a node or the root block of a tree. What was dropped is about to be released, and stays. */
export function relocateNode({ entries, trees }: Keyspace, node: number): void {
  const { roots } = trees
  const owner = roots.isRoot(node) ? roots.owner(node) : 0
  if (owner === 0 && roots.isRoot(node)) return
  const root = trees.relocateNode(node)
  if (root !== 0) entries.setResident(owner, root, entries.access(owner))
}
