/** What a command that writes into a string stages: a large one that has to move is copied beforehand. */
import type { Execution } from '../execution.ts'
import { stringType } from '../keyspace/entries.ts'
import { GrowingCopy } from '../keyspace/value-copy.ts'
import { roomToGrow } from '../memory/growth.ts'
import type { StagedWork } from '../staged-work.ts'
import { slicedValueBytes } from '../staged-work.ts'

/**
 * For the string that is argument 1, in which `written` bytes from `startIn(length)` on will be written, given its present length;
 * a wrong argument may make either of them NaN.
 */
export function stageWrite(x: Execution, startIn: (length: number) => number, written: number): StagedWork | undefined {
  const { args, keyspace, limits } = x
  const { entries, values } = keyspace
  const entry = keyspace.find(x.db, args.buffer, args.starts[1], args.ends[1])
  if (entry === 0 || entries.type(entry) !== stringType || !entries.isResident(entry)) return undefined
  const length = entries.length(entry)
  const sliceBytes = limits.slicedValueBytes ?? slicedValueBytes
  const start = startIn(length)
  const needed = Math.max(length, start + written)
  if (!(Math.max(length, written) >= sliceBytes && needed <= limits.protoMaxBulkBytes)) return undefined
  const grows = needed > values.room(entries.value(entry))
  if (!grows && !keyspace.isReferred(entry)) return undefined
  return new GrowingCopy(keyspace, entry, grows ? roomToGrow(needed) : length, start, start + written, sliceBytes)
}
