/**
 * What COPY stages of a large value: a copy of it, which becomes the other key's. A copy cannot leave memory before it is that key's, so one that has no
 * place there is refused before anything is read for it.
 */
import type { Arguments } from '../arguments.ts'
import { wantValue } from '../cold-wants.ts'
import type { Execution } from '../execution.ts'
import { stringType } from '../keyspace/entries.ts'
import type { Keyspace } from '../keyspace/keyspace.ts'
import { StringCopy } from '../keyspace/value-copy.ts'
import { memoryRefusal } from '../memory/refusal.ts'
import type { ColdWants } from '../need.ts'
import type { StagedWork } from '../staged-work.ts'
import { slicedValueBytes } from '../staged-work.ts'
import { TreeCopy } from '../tree/tree-copy.ts'
import { copyBytesOf } from '../tree/tree-size.ts'
import { slicedTree } from './sliced-tree.ts'

/** A copy that has no place: nothing is read for it. */
class RefusedCopy implements StagedWork {
  readonly memoryBytes = 0

  step(): boolean {
    return false
  }

  eachCold(): boolean {
    return true
  }
}

/** For the value of the key that is argument 1. */
export function stageCopy(x: Execution): StagedWork | undefined {
  const { args, keyspace, limits } = x
  const { entries, trees } = keyspace
  const entry = keyspace.find(x.db, args.buffer, args.starts[1], args.ends[1])
  if (entry === 0) return undefined
  if (entries.isTree(entry)) {
    if (slicedTree(x) === 0) return undefined
    return hasPlaceForCopy(keyspace, entry) ? new TreeCopy(keyspace, entry, copyBytesOf(trees, entries.value(entry))) : new RefusedCopy()
  }
  if (entries.type(entry) !== stringType || !entries.isResident(entry)) return undefined
  const length = entries.length(entry)
  const largeBytes = limits.slicedValueBytes ?? slicedValueBytes
  if (length < largeBytes) return undefined
  return hasPlaceForCopy(keyspace, entry) ? new StringCopy(keyspace, entry, length, largeBytes) : new RefusedCopy()
}

/** What COPY wants of its source where nothing is staged: in transactions and scripts. */
export function wantsCopied(keyspace: Keyspace, entry: number, _args: Arguments, keyIndex: number, wants: ColdWants): void {
  if (keyIndex === 1 && hasPlaceForCopy(keyspace, entry)) wantValue(keyspace, entry, wants)
}

/** Whether a copy of the value of an entry has a place in memory. */
function hasPlaceForCopy(keyspace: Keyspace, entry: number): boolean {
  const { entries, trees } = keyspace
  const isTree = entries.isTree(entry)
  if (!isTree && entries.type(entry) !== stringType) return true
  const bytes = isTree ? copyBytesOf(trees, entries.value(entry)) : entries.length(entry)
  return bytes < (keyspace.limits.slicedValueBytes ?? slicedValueBytes) || keyspace.hasPlaceFor(bytes, true)
}

/** What has been staged of a copy of the value of `entry`, as `Mutator.copy` takes it. Throws where a copy has no place. */
export function stagedCopy({ staged, keyspace }: Execution, entry: number): Buffer | number | undefined {
  if (staged instanceof RefusedCopy) throw memoryRefusal()
  if (staged instanceof StringCopy) return staged.take(entry)
  const root = staged instanceof TreeCopy ? staged.take(entry) : 0
  if (root !== 0) return root
  if (!hasPlaceForCopy(keyspace, entry)) throw memoryRefusal()
  return undefined
}
