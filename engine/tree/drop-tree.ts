/** Giving up a tree that was made for a key and never became its. */
import type { Keyspace } from '../keyspace/keyspace.ts'

/** Releases a tree that no key has; 0 is none. */
export function dropTree(keyspace: Keyspace, root: number): void {
  if (root === 0) return
  keyspace.trees.removal.dropped(root)
  keyspace.observer.treeDropped(root)
}
