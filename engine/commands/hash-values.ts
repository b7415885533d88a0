/** Values of fields as replies. */
import type { Execution } from '../execution.ts'
import { sharedBytesMin } from '../reply-writer.ts'
import { findPair, found } from './hash-fields.ts'

/** Replies with the value of the field that is argument `index`; `found` says where it is, if it is there. */
export function replyValue(x: Execution, entry: number, index: number): void {
  const bytes = entry === 0 ? undefined : findPair(x, entry, index)
  if (bytes === undefined) x.reply.nil()
  else if (found.valueEnd - found.valueStart >= sharedBytesMin && shareLeaf(x, entry, index)) {
    x.reply.bulkShared(bytes, found.valueStart, found.valueEnd)
  } else x.reply.bulk(bytes, found.valueStart, found.valueEnd)
}

/** Has the leaf that holds the field which is argument `index` stay as it is; false if it lies among others and cannot. */
function shareLeaf(x: Execution, entry: number, index: number): boolean {
  const { entries, values, arena } = x.keyspace
  const { args } = x
  if (!entries.isTree(entry)) return false
  const leaf = x.hashTrees.leafOf(entries.value(entry), args.buffer, args.starts[index], args.ends[index])
  if (!arena.isLarge(leaf)) return false
  values.share(leaf)
  return true
}
