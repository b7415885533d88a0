/** Collections so large that commands on all of one are staged. */
import type { Execution } from '../execution.ts'
import { slicedValueBytes } from '../staged-work.ts'
import { isTreeOf } from '../tree/tree-size.ts'

/** The entry of the key that is argument 1, if it holds a collection so large that it is worked on in slices; else 0. */
export function slicedTree(x: Execution): number {
  const { args, keyspace, limits } = x
  const { entries, trees } = keyspace
  const entry = keyspace.find(x.db, args.buffer, args.starts[1], args.ends[1])
  if (entry === 0 || !entries.isTree(entry)) return 0
  return isTreeOf(trees, entries.value(entry), limits.slicedValueBytes ?? slicedValueBytes) ? entry : 0
}
