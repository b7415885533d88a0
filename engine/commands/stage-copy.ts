/** What COPY stages of a large value: a copy of it, which becomes the other key's. */
import type { Execution } from '../execution.ts'
import { stringType } from '../keyspace/entries.ts'
import { StringCopy } from '../keyspace/value-copy.ts'
import type { StagedWork } from '../staged-work.ts'
import { slicedValueBytes } from '../staged-work.ts'
import { TreeCopy } from '../tree/tree-copy.ts'
import { slicedTree } from './sliced-tree.ts'

/** For the value of the key that is argument 1. */
export function stageCopy(x: Execution): StagedWork | undefined {
  const { args, keyspace, limits } = x
  const { entries } = keyspace
  const entry = keyspace.find(x.db, args.buffer, args.starts[1], args.ends[1])
  if (entry === 0) return undefined
  if (entries.isTree(entry)) return slicedTree(x) === 0 ? undefined : new TreeCopy(keyspace, entry)
  if (entries.type(entry) !== stringType || !entries.isResident(entry)) return undefined
  const length = entries.length(entry)
  const largeBytes = limits.slicedValueBytes ?? slicedValueBytes
  return length >= largeBytes ? new StringCopy(keyspace, entry, length, largeBytes) : undefined
}

/** What has been staged of a copy of the value of `entry`, as `Mutator.copy` takes it. */
export function stagedCopy({ staged }: Execution, entry: number): Buffer | number | undefined {
  if (staged instanceof StringCopy) return staged.take(entry)
  if (!(staged instanceof TreeCopy)) return undefined
  const root = staged.take(entry)
  return root === 0 ? undefined : root
}
