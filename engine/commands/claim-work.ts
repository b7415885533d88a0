/** XCLAIM of very many ids, and XAUTOCLAIM that may claim very many, in slices. */
import type { Execution } from '../execution.ts'
import { RecordBuffer } from '../mutation/record-buffer.ts'
import type { StagedWork } from '../staged-work.ts'
import { deliveryBytes } from '../types/stream-group-leaf.ts'
import { parseStreamId, StreamId } from '../types/stream-id.ts'
import { takenPayload } from './acknowledge-work.ts'
import type { AutoClaim, Claim } from './claim-options.ts'
import { attemptsFactor, firstClaimed, isClaimed, readAutoClaim, readClaim } from './claim-options.ts'
import { autoClaimOutcome, EntrySearch, NamedClaims } from './claimed-entries.ts'
import { putDelivered } from './delivery-work.ts'
import { given, takenOff } from './pending-rows.ts'
import type { Slices } from './repeated-work.ts'
import { ReplyParts } from './reply-parts.ts'
import { firstId, replyEntry, replyId, streamsOf } from './stream-arguments.ts'
import type { StreamChange, StreamChanging } from './stream-change.ts'
import { changeInSlices, endFullPart, idsAtOnce, isLongChange } from './stream-change.ts'

const groupAt = 2
const consumerAt = 3
/** Units, times and counts, beside the consumer's name and the ids. */
const headBytes = 64

export function stageClaim(x: Execution): StagedWork | undefined {
  return isLongChange(x, x.args.count - firstClaimed) ? changeInSlices(x, 1, claiming) : undefined
}

export function stageAutoClaim(x: Execution): StagedWork | undefined {
  const { args, now } = x
  const options = readAutoClaim(args, now)
  if (typeof options === 'string' || !isLongChange(x, options.count)) return undefined
  return changeInSlices(x, 1, (changing) => autoClaiming(changing, options))
}

/** What XCLAIM says, and whether each of the ids comes behind the one before; undefined where it is wrong. */
function* readInSlices({ args, now }: StreamChanging): Slices<{ options: Claim; isInOrder: boolean } | undefined> {
  const id = new StreamId()
  const last = new StreamId()
  let isInOrder = true
  let end = firstClaimed
  for (; end < args.count && isClaimed(args, end, id); end++) {
    if (end > firstClaimed && last.compare(id) >= 0) isInOrder = false
    last.copy(id)
    if (end % (idsAtOnce * 8) === 0) yield undefined
  }
  const options = readClaim(args, end, now)
  return typeof options === 'string' ? undefined : { options, isInOrder }
}

function* claiming(changing: StreamChanging): Slices<StreamChange> {
  const { args, x, rows, parts } = changing
  const { pending, entries } = streamsOf(x)
  const group = yield* changing.group(groupAt)
  const read = yield* readInSlices(changing)
  if (group === 0 || read === undefined) return yield* changing.givenUp()
  const { options, isInOrder } = read
  const consumer = yield* changing.consumer(group, consumerAt)
  const claims = new NamedClaims(x, options, !isInOrder)
  const id = new StreamId()
  const wanted = new StreamId()
  let claimed = 0
  for (let from = firstClaimed; from < options.idsEnd; from += idsAtOnce) {
    const end = Math.min(options.idsEnd, from + idsAtOnce)
    yield* changing.wanting((root, wants) => {
      for (let i = from; i < end; i++) {
        parseStreamId(args.buffer, args.starts[i], args.ends[i], 'first', wanted, true)
        pending.want(root, group, wanted, wants)
        entries.wantEntry(root, wanted, wants)
      }
    })
    const { root } = changing
    const search = new EntrySearch(x, changing.find())
    for (let i = from; i < end; i++) {
      parseStreamId(args.buffer, args.starts[i], args.ends[i], 'first', id, true)
      const outcome = claims.look(root, group, id, search)
      if (outcome === 'gone') rows.add(id, claims.former, takenOff, 0, 0n)
      if (outcome !== 'claimed' || claims.entry === undefined) continue
      claimed++
      rows.add(id, claims.former, given, options.deliveredAt, claims.deliveries)
      if (options.justId) replyId(parts.writer, id)
      else replyEntry(parts.writer, claims.entry)
    }
    endFullPart(x, parts)
  }
  parts.endPart()
  parts.each((part) => changing.replies.push(part))
  return { ...(yield* settled(changing, group, consumer, claimed)), lastId: options.lastId }
}

function* autoClaiming(changing: StreamChanging, options: AutoClaim): Slices<StreamChange> {
  const { x, rows, parts, now } = changing
  const { pending, entries } = streamsOf(x)
  const group = yield* changing.group(groupAt)
  if (group === 0) return yield* changing.givenUp()
  const consumer = yield* changing.consumer(group, consumerAt)
  const from = new StreamId().copy(options.start)
  const gone = new ReplyParts(parts.writer)
  let claimed = 0
  let goneCount = 0
  let attempts = options.count * attemptsFactor
  const next = new StreamId()
  for (let hasMore = true; hasMore; ) {
    yield* changing.wanting((root, wants) => {
      pending.wantFrom(root, group, from, idsAtOnce + 1, wants)
      pending.eachResident(root, group, true, from, idsAtOnce, (id) => entries.wantEntry(root, id, wants))
    })
    hasMore = false
    let looked = 0
    const search = new EntrySearch(x, changing.find())
    pending.each(changing.root, group, from, (found) => {
      if (attempts <= 0 || claimed + goneCount === options.count) {
        next.copy(found.id)
        return false
      }
      if (looked++ === idsAtOnce) {
        from.copy(found.id)
        hasMore = true
        return false
      }
      attempts--
      const entry = search.find(found.id)
      const outcome = autoClaimOutcome(found, options, now, entry)
      if (outcome === 'gone') {
        goneCount++
        rows.add(found.id, found.consumer, takenOff, 0, 0n)
        replyId(gone.writer, found.id)
      }
      if (outcome !== 'claimed' || entry === undefined) return true
      claimed++
      rows.add(found.id, found.consumer, given, now, found.deliveries + (options.justId ? 0n : 1n))
      if (options.justId) replyId(parts.writer, found.id)
      else replyEntry(parts.writer, entry)
      return true
    })
    endFullPart(x, parts)
    endFullPart(x, gone)
  }
  parts.endPart()
  gone.endPart()
  const { replies } = changing
  const head = new ReplyParts(parts.writer)
  replyId(head.writer, next.isZero ? firstId : next)
  head.writer.array(claimed)
  head.endPart()
  const goneHead = new ReplyParts(parts.writer)
  goneHead.writer.array(goneCount)
  goneHead.endPart()
  for (const each of [head, parts, goneHead, gone]) each.each((part) => replies.push(part))
  return yield* settled(changing, group, consumer, claimed)
}

/** The change that the rows come to. */
function* settled(changing: StreamChanging, group: number, consumer: number, shownCount: number): Slices<StreamChange> {
  const { rows, replies } = changing
  const exchange = yield* changing.exchange(group, shownCount === 0 ? 0 : consumer)
  const taken = yield* takenPayload(changing, group, exchange)
  const payload = yield* givenPayload(changing, group, consumer, rows.count - exchange.removed)
  return { exchange, consumer, taken, given: payload, shownCount, replies }
}

function* givenPayload(changing: StreamChanging, group: number, consumer: number, count: number): Slices<RecordBuffer | undefined> {
  if (count === 0) return undefined
  const { args } = changing
  const payload = new RecordBuffer(Number.POSITIVE_INFINITY, headBytes + args.length(consumerAt) + count * deliveryBytes)
  payload.byte(0)
  yield* putDelivered(changing, payload, group, consumer, consumerAt)
  return payload
}
