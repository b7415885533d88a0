/** XGROUP DELCONSUMER of a consumer for which very many entries are pending, in slices. */
import type { Execution } from '../execution.ts'
import { streamType } from '../keyspace/entries.ts'
import type { StagedWork } from '../staged-work.ts'
import { StreamId } from '../types/stream-id.ts'
import { takenOff } from './pending-rows.ts'
import type { Slices } from './repeated-work.ts'
import { streamsOf } from './stream-arguments.ts'
import type { StreamChange, StreamChanging } from './stream-change.ts'
import { changeInSlices, idsAtOnce, isLongChange } from './stream-change.ts'

const keyAt = 2
const groupAt = 3
const consumerAt = 4

export function stageConsumerRemoval(x: Execution): StagedWork | undefined {
  const { args, keyspace, db } = x
  const entry = keyspace.find(db, args.buffer, args.starts[keyAt], args.ends[keyAt])
  if (entry === 0 || keyspace.entries.type(entry) !== streamType || !keyspace.entries.isTree(entry)) return undefined
  // In all groups together so many may be pending.
  const root = keyspace.entries.value(entry)
  if (!isLongChange(x, keyspace.trees.roots.count(root) - keyspace.entries.length(entry))) return undefined
  return changeInSlices(x, keyAt, removing)
}

function* removing(changing: StreamChanging): Slices<StreamChange> {
  const { rows, x } = changing
  const { pending } = streamsOf(x)
  const group = yield* changing.group(groupAt)
  if (group === 0) return yield* changing.givenUp()
  const consumer = yield* changing.consumer(group, consumerAt)
  const from = new StreamId().setMin()
  for (let hasMore = isLongChange(x, pending.count(changing.root, consumer)); hasMore; ) {
    yield* changing.wanting((root, wants) => pending.wantFrom(root, consumer, from, idsAtOnce + 1, wants))
    let looked = 0
    hasMore = false
    pending.eachOwn(changing.root, consumer, from, (bytes, at) => {
      from.read(bytes, at)
      hasMore = looked++ === idsAtOnce
      if (!hasMore) rows.add(from, consumer, takenOff, 0, 0n)
      return !hasMore
    })
  }
  if (rows.count === 0) return yield* changing.givenUp()
  const exchange = yield* changing.exchange(group, 0)
  return { exchange, consumer, taken: undefined, given: undefined, shownCount: 0, replies: [] }
}
