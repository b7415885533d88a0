/** XCLAIM and XAUTOCLAIM: pending entries change their consumer. Those whose entry is deleted go. Very many are made to in slices (`claim-work.ts`). */
import type { EngineCommand } from '../command.ts'
import { keyAt } from '../command.ts'
import type { Execution } from '../execution.ts'
import { wrongType } from '../execution.ts'
import { streamType } from '../keyspace/entries.ts'
import { groupEntriesRead, groupLastId } from '../types/stream-group-leaf.ts'
import { parseStreamId, StreamId } from '../types/stream-id.ts'
import { deliverEdit, putGroupEdit } from '../types/stream-type.ts'
import type { AutoClaim, Claim } from './claim-options.ts'
import { attemptsFactor, endOfClaimed, firstClaimed, readAutoClaim, readClaim } from './claim-options.ts'
import { stageAutoClaim, stageClaim } from './claim-work.ts'
import { areAscending, autoClaimOutcome, EntrySearch, NamedClaims } from './claimed-entries.ts'
import { shownInC } from './errors.ts'
import { firstId, putId, putUint64, replyEntry, replyId, streamsOf } from './stream-arguments.ts'
import type { StreamChange } from './stream-change.ts'
import { madeChange, makeChange } from './stream-change.ts'
import { createConsumer, findConsumer, findGroup } from './stream-groups.ts'
import { wantsAutoClaimed, wantsClaimed } from './stream-needs.ts'
import { acknowledge } from './stream-pending.ts'

const about = { categories: ['stream'], group: 'stream', flags: ['write', 'fast'], arity: -6 } as const

export const streamClaimCommands = {
  XCLAIM: {
    ...about,
    keys: keyAt(1, 'RW', 'update'),
    since: '5.0.0',
    complexity: 'O(log(N)) for each id, where N is the number of pending entries',
    syntax:
      'key group consumer min-idle-time id [id ...] [IDLE ms] [TIME unix-time-milliseconds] [RETRYCOUNT count] [FORCE] [JUSTID] [LASTID last-id]',
    summary: 'Gives pending entries to a consumer.',
    needs: wantsClaimed,
    stages: stageClaim,
    handler: xclaim,
  },
  XAUTOCLAIM: {
    ...about,
    keys: keyAt(1, 'RW', 'delete'),
    since: '6.2.0',
    complexity: 'O(log(N)+M) where N is the number of pending entries and M is the number of entries looked at',
    syntax: 'key group consumer min-idle-time start [COUNT count] [JUSTID]',
    summary: 'Gives entries that have been pending for long to a consumer.',
    needs: wantsAutoClaimed,
    stages: stageAutoClaim,
    handler: xautoclaim,
  },
} as const satisfies Record<string, EngineCommand>

interface Claimed {
  readonly id: StreamId
  readonly former: number
  readonly deliveries: bigint
}

const groupAt = 2
const consumerAt = 3

function noGroup(x: Execution): void {
  x.reply.error(`NOGROUP No such key '${shownInC(x.args, 1)}' or consumer group '${shownInC(x.args, groupAt)}'`)
}

function xclaim(x: Execution): void {
  const { args } = x
  const entry = x.readType(1, streamType)
  if (entry === wrongType) return
  const group = entry === 0 ? undefined : findGroup(x, entry, groupAt)
  if (group === undefined) {
    noGroup(x)
    return
  }
  const { unit } = group
  const change = madeChange(x)
  if (change !== undefined) {
    x.reply.array(change.shownCount)
    replyMade(x, change)
    give(x, entry, unit, change, () => passOn(x, entry, change))
    return
  }
  const options = readClaim(args, endOfClaimed(args), x.now)
  if (typeof options === 'string') x.reply.error(options)
  else claim(x, entry, unit, options)
}

function claim(x: Execution, entry: number, group: number, options: Claim): void {
  const { reply, args } = x
  const streams = streamsOf(x)
  const root = streams.rootOf(entry)
  const search = new EntrySearch(x, entry)
  const ids: StreamId[] = []
  for (let i = firstClaimed; i < options.idsEnd; i++) {
    const id = new StreamId()
    parseStreamId(args.buffer, args.starts[i], args.ends[i], 'first', id, true)
    ids.push(id)
  }
  const claims = new NamedClaims(x, options, !areAscending(ids))
  const claimed: Claimed[] = []
  const gone: StreamId[] = []
  const owners: number[] = []
  const token = reply.arrayDeferred()
  for (const id of ids) {
    const outcome = claims.look(root, group, id, search)
    if (outcome === 'gone') {
      gone.push(id)
      owners.push(claims.former)
    }
    if (outcome !== 'claimed' || claims.entry === undefined) continue
    claimed.push({ id, former: claims.former, deliveries: claims.deliveries })
    if (options.justId) replyId(reply, id)
    else replyEntry(reply, claims.entry)
  }
  reply.resolve(token, claimed.length)
  acknowledge(x, group, gone, owners)
  passOn(x, entry, options)
  giveEach(x, entry, group, claimed, options.deliveredAt)
}

const formerLast = new StreamId()

/** Notes that the group has delivered up to the id that was told, if it has not come so far. */
function passOn(x: Execution, entry: number, { lastId }: Pick<StreamChange, 'lastId'>): void {
  const { args } = x
  const found = lastId === undefined ? undefined : findGroup(x, entry, groupAt)
  if (lastId === undefined || found === undefined || lastId.compare(groupLastId(found, formerLast)) <= 0) return
  const payload = x.mutator.payload()
  payload.u32(0)
  payload.u32(found.unit)
  putId(payload, lastId)
  putUint64(payload, groupEntriesRead(found))
  payload.range(args.buffer, args.starts[groupAt], args.ends[groupAt])
  x.edit(streamsOf(x), putGroupEdit, 1)
}

/** Gives pending entries to the consumer that is argument 3, which may be new. */
function giveEach(x: Execution, entry: number, group: number, claimed: readonly Claimed[], deliveredAt: number): void {
  if (claimed.length === 0) return
  const { args } = x
  const consumer = findConsumer(x, entry, group, consumerAt) || createConsumer(x, entry, group, consumerAt, 1)
  const payload = x.mutator.payload()
  payload.byte(0)
  payload.u32(group)
  payload.u32(consumer)
  payload.u48(x.now)
  payload.range(args.buffer, args.starts[consumerAt], args.ends[consumerAt])
  payload.varint(claimed.length)
  for (const each of claimed) {
    putId(payload, each.id)
    payload.u32(each.former)
    payload.u48(deliveredAt)
    putUint64(payload, each.deliveries)
  }
  x.edit(streamsOf(x), deliverEdit, 1)
}

/** Makes a change that was made beforehand. */
function give(x: Execution, entry: number, group: number, change: StreamChange, passesOn?: () => void): void {
  makeChange(x, 1, change, () => {
    passesOn?.()
    if (change.given !== undefined && findConsumer(x, entry, group, consumerAt) === 0) createConsumer(x, entry, group, consumerAt, 1)
  })
}

function replyMade({ reply }: Execution, { replies }: StreamChange): void {
  for (const part of replies) reply.rawShared(part)
}

function xautoclaim(x: Execution): void {
  const { args, reply } = x
  // Redis looks the key up before it reads the arguments, and tells of a wrong type after that.
  const found = x.read(1)
  const options = readAutoClaim(args, x.now)
  if (typeof options === 'string') {
    reply.error(options)
    return
  }
  const entry = found === 0 || x.keyspace.entries.type(found) === streamType ? found : x.refuseType()
  if (entry === wrongType) return
  const group = entry === 0 ? undefined : findGroup(x, entry, groupAt)
  if (group === undefined) {
    noGroup(x)
    return
  }
  const { unit } = group
  const change = madeChange(x)
  if (change !== undefined) {
    reply.array(3)
    replyMade(x, change)
    give(x, entry, unit, change)
  } else claimIdle(x, entry, unit, options)
}

function claimIdle(x: Execution, entry: number, group: number, options: AutoClaim): void {
  const { reply } = x
  const streams = streamsOf(x)
  const root = streams.rootOf(entry)
  const search = new EntrySearch(x, entry)
  const claimed: Claimed[] = []
  const gone: StreamId[] = []
  const owners: number[] = []
  let left = options.count
  let attempts = left * attemptsFactor
  const next = new StreamId()
  reply.array(3)
  streams.pending.each(root, group, options.start, (pending) => {
    if (attempts-- <= 0 || left <= 0) {
      next.copy(pending.id)
      return false
    }
    const outcome = autoClaimOutcome(pending, options, x.now, search.find(pending.id))
    if (outcome === 'none') return true
    left--
    const id = new StreamId().copy(pending.id)
    if (outcome === 'gone') {
      gone.push(id)
      owners.push(pending.consumer)
    } else claimed.push({ id, former: pending.consumer, deliveries: pending.deliveries + (options.justId ? 0n : 1n) })
    return true
  })
  replyId(reply, next.isZero ? firstId : next)
  reply.array(claimed.length)
  for (const each of claimed) {
    const shown = options.justId ? undefined : search.find(each.id)
    if (shown !== undefined) replyEntry(reply, shown)
    else replyId(reply, each.id)
  }
  reply.array(gone.length)
  for (const each of gone) replyId(reply, each)
  acknowledge(x, group, gone, owners)
  giveEach(x, entry, group, claimed, options.deliveredAt)
}
