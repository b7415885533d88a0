/** Collections so large that commands on all of one, or on a long range, are staged. */
import type { Execution } from '../execution.ts'
import { slicedValueBytes } from '../staged-work.ts'
import { ImageSet } from '../tree/image-set.ts'
import { TreeImage } from '../tree/tree-image.ts'
import { isTreeOf } from '../tree/tree-size.ts'

/** Bytes of leaves in one part of a staged reply. */
const partBytesMax = 64 * 1024

/** The entry of the key that is argument `index`, if it holds a collection so large that it is worked on in slices; else 0. */
export function slicedTree(x: Execution, index = 1): number {
  const { args, keyspace, limits } = x
  const { entries, trees } = keyspace
  const entry = keyspace.find(x.db, args.buffer, args.starts[index], args.ends[index])
  if (entry === 0 || !entries.isTree(entry)) return 0
  return isTreeOf(trees, entries.value(entry), limits.slicedValueBytes ?? slicedValueBytes) ? entry : 0
}

/** Whether so many elements of a tree are so much that they are worked on in slices. */
export function isSliced({ keyspace, limits }: Execution, root: number, count: number): boolean {
  const { roots, leafBytesMax } = keyspace.trees
  return (count / roots.count(root)) * roots.leaves(root) * leafBytesMax >= (limits.slicedValueBytes ?? slicedValueBytes)
}

/** Bytes of leaves that one slice of an image shows. */
export function partBytesOf({ limits }: Execution): number {
  return Math.min(partBytesMax, limits.slicedValueBytes ?? slicedValueBytes)
}

/** What was rendered of the value of `entry` beforehand. */
export function imageOf({ staged }: Execution, entry: number): TreeImage | undefined {
  if (staged === undefined) return undefined
  if (staged instanceof ImageSet) return staged.of(entry)
  return staged instanceof TreeImage && staged.shows(entry) ? staged : undefined
}
