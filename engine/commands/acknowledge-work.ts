/** XACK of very many ids, in slices. */
import type { Execution } from '../execution.ts'
import { RecordBuffer } from '../mutation/record-buffer.ts'
import type { StagedWork } from '../staged-work.ts'
import { acknowledgedBytes } from '../types/pending-changes.ts'
import type { PendingExchange } from '../types/pending-exchange.ts'
import { parseStreamId, StreamId } from '../types/stream-id.ts'
import { takenOff } from './pending-rows.ts'
import type { Slices } from './repeated-work.ts'
import type { StreamChange, StreamChanging } from './stream-change.ts'
import { changeInSlices, idsAtOnce, isLongChange } from './stream-change.ts'

/** Unit and count, in front of the ids. */
const headBytes = 16
const firstId = 3

export function stageAcknowledgement(x: Execution): StagedWork | undefined {
  if (!isLongChange(x, x.args.count - firstId)) return undefined
  return changeInSlices(x, 1, acknowledging)
}

function* acknowledging(changing: StreamChanging): Slices<StreamChange> {
  const { args, rows } = changing
  const group = yield* changing.group(2)
  if (group === 0) return yield* changing.givenUp()
  const id = new StreamId()
  for (let i = firstId; i < args.count; i++) {
    if (!parseStreamId(args.buffer, args.starts[i], args.ends[i], 'first', id, true)) return yield* changing.givenUp()
    rows.add(id, 0, takenOff, 0, 0n)
    if (i % idsAtOnce === 0) yield undefined
  }
  const exchange = yield* changing.exchange(group, 0)
  const taken = yield* takenPayload(changing, group, exchange)
  return { exchange, consumer: 0, taken, given: undefined, shownCount: 0, replies: [] }
}

/** What *acknowledge* has of the ids that the group loses; undefined for none. */
export function* takenPayload({ rows }: StreamChanging, group: number, { removed }: PendingExchange): Slices<RecordBuffer | undefined> {
  if (removed === 0) return undefined
  const payload = new RecordBuffer(Number.POSITIVE_INFINITY, headBytes + removed * acknowledgedBytes)
  payload.u32(group)
  yield* rows.write(payload, takenOff)
  return payload
}
