/** XCLAIM and XAUTOCLAIM: pending entries change their consumer. Those whose entry is deleted go. */
import type { EngineCommand } from '../command.ts'
import { keyAt } from '../command.ts'
import type { Execution } from '../execution.ts'
import { wrongType } from '../execution.ts'
import { streamType } from '../keyspace/entries.ts'
import { groupEntriesRead, groupLastId } from '../types/stream-group-leaf.ts'
import { idBytes, opensSequence, parseStreamId, StreamId } from '../types/stream-id.ts'
import type { EntryCursor } from '../types/stream-node.ts'
import { deliverEdit, putGroupEdit } from '../types/stream-type.ts'
import type { StreamWalk } from '../types/stream-walk.ts'
import { shownInC, syntaxError } from './errors.ts'
import {
  firstId,
  greatestId,
  putId,
  putUint64,
  readBound,
  readStrictId,
  replyEntry,
  replyId,
  streamsOf,
  walkOf,
} from './stream-arguments.ts'
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
    handler: xautoclaim,
  },
} as const satisfies Record<string, EngineCommand>

/** An integer with a text of its own for what is none; NaN when the error is written. */
function readInteger(x: Execution, index: number, text: string): number {
  const value = x.args.bigInteger(index)
  if (value !== undefined) return Number(value)
  x.reply.error(text)
  return Number.NaN
}

interface Claimed {
  readonly id: StreamId
  readonly former: number
  readonly deliveries: bigint
}

interface ClaimOptions {
  minIdle: number
  /** When the entries count as delivered; -1: now. */
  deliveredAt: number
  retryCount: bigint
  force: boolean
  justId: boolean
  hasLastId: boolean
}

const options: ClaimOptions = { minIdle: 0, deliveredAt: -1, retryCount: -1n, force: false, justId: false, hasLastId: false }
const lastId = new StreamId()
const id = new StreamId()

function noGroup(x: Execution): void {
  x.reply.error(`NOGROUP No such key '${shownInC(x.args, 1)}' or consumer group '${shownInC(x.args, 2)}'`)
}

function xclaim(x: Execution): void {
  const { args } = x
  const entry = x.readType(1, streamType)
  if (entry === wrongType) return
  if (entry === 0 || findGroup(x, entry, 2) === undefined) {
    noGroup(x)
    return
  }
  options.minIdle = readInteger(x, 4, 'ERR Invalid min-idle-time argument for XCLAIM')
  if (Number.isNaN(options.minIdle)) return
  options.minIdle = Math.max(0, options.minIdle)
  const ids: StreamId[] = []
  let i = 5
  for (; i < args.count && parseStreamId(args.buffer, args.starts[i], args.ends[i], 'first', id, true) && !opensSequence(); i++) {
    ids.push(new StreamId().copy(id))
  }
  if (!readClaimOptions(x, i)) return
  const group = findGroup(x, entry, 2)
  if (group === undefined) return
  groupLastId(group, id)
  options.hasLastId = options.hasLastId && lastId.compare(id) > 0
  if (!options.hasLastId) lastId.copy(id)
  const { unit } = group
  claim(x, entry, unit, ids)
}

function readClaimOptions(x: Execution, first: number): boolean {
  const { args, reply } = x
  options.deliveredAt = -1
  options.retryCount = -1n
  options.force = options.justId = options.hasLastId = false
  for (let i = first; i < args.count; i++) {
    const more = args.count - 1 - i
    if (args.is(i, 'FORCE')) options.force = true
    else if (args.is(i, 'JUSTID')) options.justId = true
    else if (more > 0 && args.is(i, 'IDLE')) {
      const idle = readInteger(x, ++i, 'ERR Invalid IDLE option argument for XCLAIM')
      if (Number.isNaN(idle)) return false
      options.deliveredAt = x.now - idle
    } else if (more > 0 && args.is(i, 'TIME')) {
      options.deliveredAt = readInteger(x, ++i, 'ERR Invalid TIME option argument for XCLAIM')
      if (Number.isNaN(options.deliveredAt)) return false
    } else if (more > 0 && args.is(i, 'RETRYCOUNT')) {
      const count = args.bigInteger(++i)
      if (count === undefined) {
        reply.error('ERR Invalid RETRYCOUNT option argument for XCLAIM')
        return false
      }
      options.retryCount = count
    } else if (more > 0 && args.is(i, 'LASTID')) {
      if (!readStrictId(x, ++i, lastId)) return false
      options.hasLastId = true
    } else {
      reply.error(`ERR Unrecognized XCLAIM option '${args.string(i, 'latin1')}'`)
      return false
    }
  }
  if (options.deliveredAt < 0 || options.deliveredAt > x.now) options.deliveredAt = x.now
  return true
}

/** Looks for entries whose ids come in order, mostly: one is often the next one. Nothing changes meanwhile. */
class EntrySearch {
  readonly #entry: number
  readonly #walk: StreamWalk
  #isThere = false

  constructor(x: Execution, entry: number) {
    this.#entry = entry
    this.#walk = walkOf(x)
  }

  /** The entry with an id, undefined without. */
  find(id: StreamId): EntryCursor | undefined {
    const walk = this.#walk
    if (this.#isThere && walk.entry.id.compare(id) < 0) this.#isThere = walk.next()
    const order = this.#isThere ? walk.entry.id.compare(id) : 1
    if (order !== 0) this.#isThere = walk.begin(this.#entry, id, greatestId).next()
    return this.#isThere && walk.entry.id.compare(id) === 0 ? walk.entry : undefined
  }
}

function claim(x: Execution, entry: number, group: number, ids: readonly StreamId[]): void {
  const { reply } = x
  const streams = streamsOf(x)
  const root = streams.rootOf(entry)
  const search = new EntrySearch(x, entry)
  const claimed: Claimed[] = []
  const gone: StreamId[] = []
  const owners: number[] = []
  /** What was done with ids that are named again. */
  const goneIds = new Set<string>()
  const claimedIds = new Map<string, Claimed>()
  const token = reply.arrayDeferred()
  for (const each of ids) {
    const name = nameOf(each)
    const isPending = streams.pending.find(root, group, each) && !goneIds.has(name)
    const found = search.find(each)
    const earlier = claimedIds.get(name)
    if (!isPending && earlier === undefined) {
      if (!options.force || found === undefined) continue
    } else if (found === undefined) {
      gone.push(each)
      goneIds.add(name)
      owners.push(streams.pending.found.consumer)
      continue
    }
    const pending = streams.pending.found
    const deliveredAt = earlier !== undefined ? options.deliveredAt : isPending ? pending.deliveredAt : x.now
    if (isPending && options.minIdle > 0 && x.now - deliveredAt < options.minIdle) continue
    const before = earlier !== undefined ? earlier.deliveries : isPending ? pending.deliveries : 1n
    const deliveries = options.retryCount >= 0n ? options.retryCount : options.justId ? before : before + 1n
    const made = { id: each, former: isPending ? pending.consumer : 0, deliveries }
    claimed.push(made)
    if (earlier === undefined) claimedIds.set(name, made)
    if (options.justId) replyId(reply, each)
    else replyEntry(reply, found)
  }
  reply.resolve(token, claimed.length)
  acknowledge(x, group, gone, owners)
  if (options.hasLastId) setLastId(x, entry)
  give(x, entry, group, claimed)
}

const nameBytes = Buffer.alloc(idBytes)

function nameOf(each: StreamId): string {
  each.write(nameBytes, 0)
  return nameBytes.toString('latin1')
}

/** Notes that a group has delivered up to `lastId`. */
function setLastId(x: Execution, entry: number): void {
  const { args } = x
  const found = findGroup(x, entry, 2)
  if (found === undefined) return
  const payload = x.mutator.payload()
  payload.u32(0)
  payload.u32(found.unit)
  putId(payload, lastId)
  putUint64(payload, groupEntriesRead(found))
  payload.range(args.buffer, args.starts[2], args.ends[2])
  x.edit(streamsOf(x), putGroupEdit, 1)
}

/** Gives pending entries to the consumer that is argument 3, which may be new. */
function give(x: Execution, entry: number, group: number, claimed: readonly Claimed[]): void {
  if (claimed.length === 0) return
  const { args } = x
  const consumer = findConsumer(x, entry, group, 3) || createConsumer(x, entry, group, 3, 1)
  const payload = x.mutator.payload()
  payload.byte(0)
  payload.u32(group)
  payload.u32(consumer)
  payload.u48(x.now)
  payload.range(args.buffer, args.starts[3], args.ends[3])
  payload.varint(claimed.length)
  for (const each of claimed) {
    putId(payload, each.id)
    payload.u32(each.former)
    payload.u48(options.deliveredAt)
    putUint64(payload, each.deliveries)
  }
  x.edit(streamsOf(x), deliverEdit, 1)
}

/** Entries that XAUTOCLAIM looks at for each that it may claim. */
const attemptsFactor = 10
const countMax = Number.MAX_SAFE_INTEGER

function xautoclaim(x: Execution): void {
  const { args, reply } = x
  // Redis looks the key up before it reads the arguments, and tells of a wrong type after that.
  const found = x.read(1)
  options.minIdle = readInteger(x, 4, 'ERR Invalid min-idle-time argument for XAUTOCLAIM')
  if (Number.isNaN(options.minIdle)) return
  options.minIdle = Math.max(0, options.minIdle)
  const start = new StreamId()
  if (!readBound(x, 5, 'first', start)) return
  options.justId = false
  options.deliveredAt = x.now
  options.retryCount = -1n
  let count = 100
  for (let i = 6; i < args.count; i++) {
    const more = args.count - 1 - i
    if (more > 0 && args.is(i, 'COUNT')) {
      const value = args.bigInteger(++i)
      if (value === undefined || value < 1n || value > (1n << 63n) / 16n) {
        reply.error('ERR COUNT must be > 0')
        return
      }
      count = Math.min(Number(value), countMax)
    } else if (args.is(i, 'JUSTID')) options.justId = true
    else {
      reply.error(syntaxError)
      return
    }
  }
  const entry = found === 0 || x.keyspace.entries.type(found) === streamType ? found : x.refuseType()
  if (entry === wrongType) return
  const group = entry === 0 ? undefined : findGroup(x, entry, 2)
  if (group === undefined) {
    noGroup(x)
    return
  }
  const { unit } = group
  claimIdle(x, entry, unit, start, count)
}

function claimIdle(x: Execution, entry: number, group: number, start: StreamId, count: number): void {
  const { reply } = x
  const streams = streamsOf(x)
  const root = streams.rootOf(entry)
  const search = new EntrySearch(x, entry)
  const claimed: Claimed[] = []
  const gone: StreamId[] = []
  const owners: number[] = []
  let attempts = count * attemptsFactor
  let left = count
  const next = new StreamId()
  reply.array(3)
  streams.pending.each(root, group, start, (pending) => {
    if (attempts-- <= 0 || left <= 0) {
      next.copy(pending.id)
      return false
    }
    if (search.find(pending.id) === undefined) {
      gone.push(new StreamId().copy(pending.id))
      owners.push(pending.consumer)
      left--
      return true
    }
    if (options.minIdle > 0 && x.now - pending.deliveredAt < options.minIdle) return true
    const each = new StreamId().copy(pending.id)
    claimed.push({ id: each, former: pending.consumer, deliveries: pending.deliveries + (options.justId ? 0n : 1n) })
    left--
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
  give(x, entry, group, claimed)
}
