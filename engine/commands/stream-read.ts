/** XREAD and XREADGROUP: what has come behind an id, of several streams; or what a consumer has pending. */
import type { EngineCommand, KeySpec } from '../command.ts'
import type { Execution } from '../execution.ts'
import { wrongType } from '../execution.ts'
import { streamType } from '../keyspace/entries.ts'
import type { ReplyWriter } from '../reply-writer.ts'
import type { TreeImage } from '../tree/tree-image.ts'
import { groupLastId } from '../types/stream-group-leaf.ts'
import { StreamId } from '../types/stream-id.ts'
import { deliverEdit } from '../types/stream-type.ts'
import { block, tries } from './blocking.ts'
import { GroupRead, stageGroupRead } from './delivery-work.ts'
import { shownInC, syntaxError } from './errors.ts'
import { imageOf } from './sliced-tree.ts'
import { greatestId, putId, putUint64, readCount, readStrictId, replyEntry, replyId, streamsOf, walkOf } from './stream-arguments.ts'
import type { StreamChange } from './stream-change.ts'
import { makeChange } from './stream-change.ts'
import { beginDelivery, deliverImage, deliverWalked } from './stream-delivery.ts'
import { createConsumer, findConsumer, findGroup } from './stream-groups.ts'
import { stageRead } from './stream-image.ts'
import { wantsGroupRead, wantsRead } from './stream-needs.ts'

function behindStreams(startsAt: number): KeySpec {
  const access = { first: 0, last: -1, step: 1, keyword: 'STREAMS', searchFrom: startsAt, limit: 2, flags: ['RO', 'access'] }
  return { first: 0, last: 0, step: 0, movable: true, access: [access] }
}

const read = { categories: ['stream'], group: 'stream', since: '5.0.0' } as const

export const streamReadCommands = {
  XREAD: {
    ...read,
    arity: -4,
    flags: ['readonly', 'blocking', 'movablekeys'],
    keys: behindStreams(1),
    complexity: 'O(log(N)+M) for each stream, where N is the number of its entries and M is the number of entries returned',
    syntax: '[COUNT count] [BLOCK milliseconds] STREAMS key [key ...] id [id ...]',
    summary: 'Returns entries of several streams behind ids, or waits for some.',
    needs: wantsRead,
    stages: stageRead,
    handler: xread,
  },
  XREADGROUP: {
    ...read,
    arity: -7,
    flags: ['write', 'blocking', 'movablekeys'],
    keys: behindStreams(4),
    complexity: 'O(log(N)+M) for each stream, where N is the number of its entries and M is the number of entries returned',
    syntax: 'GROUP group consumer [COUNT count] [BLOCK milliseconds] [NOACK] STREAMS key [key ...] id [id ...]',
    summary: 'Delivers entries of several streams to a consumer of a group, or waits for some.',
    needs: wantsGroupRead,
    stages: stageGroupRead,
    handler: xreadgroup,
  },
} as const satisfies Record<string, EngineCommand>

/** What a request says in front of its keys. */
interface ReadRequest {
  count: number
  /** -1: it does not block. */
  timeoutMs: number
  /** The argument that is the group's name; 0 without. */
  group: number
  noAck: boolean
  /** The first key, and how many there are. */
  keysAt: number
  keys: number
}

const request: ReadRequest = { count: 0, timeoutMs: -1, group: 0, noAck: false, keysAt: 0, keys: 0 }

function readRequest(x: Execution, isGroup: boolean): boolean {
  const { args, reply } = x
  request.count = request.group = request.keysAt = 0
  request.timeoutMs = -1
  request.noAck = false
  for (let i = 1; i < args.count && request.keysAt === 0; i++) {
    const more = args.count - i - 1
    if (more > 0 && args.is(i, 'BLOCK')) {
      if (x.inScript) {
        reply.error(`ERR ${shownInC(args, 0)} command is not allowed with BLOCK option from scripts`)
        return false
      }
      request.timeoutMs = readTimeoutMs(x, ++i)
      if (Number.isNaN(request.timeoutMs)) return false
    } else if (more > 0 && args.is(i, 'COUNT')) {
      request.count = readCount(x, ++i)
      if (Number.isNaN(request.count)) return false
      if (request.count < 0) request.count = 0
    } else if (more > 0 && args.is(i, 'STREAMS')) {
      request.keysAt = i + 1
      if (more % 2 !== 0) {
        reply.error("ERR Unbalanced XREAD list of streams: for each stream key an ID or '$' must be specified.")
        return false
      }
      request.keys = more / 2
    } else if (more >= 2 && args.is(i, 'GROUP')) {
      if (!isGroup) {
        reply.error('ERR The GROUP option is only supported by XREADGROUP. You called XREAD instead.')
        return false
      }
      request.group = i + 1
      i += 2
    } else if (args.is(i, 'NOACK')) {
      if (!isGroup) {
        reply.error('ERR The NOACK option is only supported by XREADGROUP. You called XREAD instead.')
        return false
      }
      request.noAck = true
    } else {
      reply.error(syntaxError)
      return false
    }
  }
  if (request.keysAt === 0) reply.error(syntaxError)
  else if (isGroup && request.group === 0) reply.error('ERR Missing GROUP option for XREADGROUP')
  else return true
  return false
}

function readTimeoutMs({ args, reply }: Execution, index: number): number {
  const value = args.bigInteger(index)
  if (value !== undefined && value >= 0n) return Number(value)
  reply.error(value === undefined ? 'ERR timeout is not an integer or out of range' : 'ERR timeout is negative')
  return Number.NaN
}

const after = new StreamId()
const id = new StreamId()

/** Sets `after` to the id of a key that is argument `keyAt`; false when an error is written. Groups are checked, too. */
function readPosition(x: Execution, keyAt: number, entry: number): boolean {
  const { args, reply } = x
  const idAt = keyAt + request.keys
  if (request.group !== 0 && (entry === 0 || findGroup(x, entry, request.group) === undefined)) {
    const key = shownInC(args, keyAt)
    reply.error(`NOGROUP No such key '${key}' or consumer group '${shownInC(args, request.group)}' in XREADGROUP with GROUP option`)
    return false
  }
  if (args.is(idAt, '$')) {
    if (request.group !== 0) {
      reply.error(
        'ERR The $ ID is meaningless in the context of XREADGROUP: you want to read the history of this consumer by specifying a proper ID, or use the > ID to get new messages. The $ ID would just return an empty result set.',
      )
      return false
    }
    if (entry === 0) after.setMin()
    else streamsOf(x).entries.meta(entry).lastId(after)
    return true
  }
  if (!args.is(idAt, '>')) return readStrictId(x, idAt, after)
  if (request.group !== 0) {
    after.copy(greatestId)
    return true
  }
  reply.error('ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> <consumer> option.')
  return false
}

/** Looks all keys and ids up; undefined when an error is written. A request that was blocked goes on from where it stood then. */
function readPositions(x: Execution): readonly StreamId[] | undefined {
  if (x.wokenFor !== undefined) return x.remembered as readonly StreamId[]
  const positions: StreamId[] = []
  for (let i = 0; i < request.keys; i++) {
    const keyAt = request.keysAt + i
    const entry = x.readType(keyAt, streamType)
    if (entry === wrongType || !readPosition(x, keyAt, entry)) return undefined
    positions.push(new StreamId().copy(after))
  }
  return positions
}

function xread(x: Execution): void {
  if (!readRequest(x, false)) return
  const positions = readPositions(x)
  if (positions === undefined) return
  serve(x, positions, (keyAt, entry, position) => {
    const image = imageOf(x, entry)
    if (image !== undefined) return servesImage(x, keyAt, image)
    if (!walksBehind(x, entry, position)) return false
    beginStream(x, keyAt)
    replyWalked(x)
    return true
  })
}

function servesImage(x: Execution, keyAt: number, image: TreeImage): boolean {
  const count = image.count()
  if (count === 0) return false
  beginStream(x, keyAt)
  x.reply.array(count)
  image.each((bytes) => x.reply.rawShared(bytes))
  return true
}

/** Serves a stream; false, and nothing replied, when there is nothing for it. */
type Serve = (keyAt: number, entry: number, position: StreamId) => boolean

/** Has each stream served; if none was, the request blocks or has its reply. */
function serve(x: Execution, positions: readonly StreamId[], serves: Serve): void {
  const { reply } = x
  const begin = reply.position
  const token = reply.protocol === 3 ? reply.mapDeferred() : reply.arrayDeferred()
  let served = 0
  for (let i = 0; i < request.keys; i++) {
    const keyAt = request.keysAt + i
    if (!tries(x, keyAt)) continue
    // As Redis does: a key that is missing is told, and counted, for the second time.
    const entry = x.wokenFor === undefined ? x.readType(keyAt, streamType) : awaited(x, keyAt, begin)
    if (entry === wrongType) return
    if (entry !== 0 && serves(keyAt, entry, positions[i] as StreamId)) served++
  }
  if (served > 0) {
    reply.resolve(token, served)
    return
  }
  reply.rewindTo(begin)
  if (request.timeoutMs < 0) {
    reply.nilArray()
    return
  }
  const keys = Array.from({ length: request.keys }, (_, i) => request.keysAt + i)
  block(x, { keys, timeoutMs: request.timeoutMs, timedOut, hearsOfLoss: request.group !== 0, remembers: positions })
}

const timedOut = (reply: ReplyWriter): void => reply.nilArray()

/** The entry of a stream that a blocked request has been woken for; whoever waits as a consumer hears of its end. */
function awaited(x: Execution, keyAt: number, begin: number): number {
  const { reply, keyspace } = x
  const found = x.find(keyAt)
  const entry = found !== 0 && keyspace.entries.type(found) === streamType ? found : 0
  if (request.group === 0 || (entry !== 0 && findGroup(x, entry, request.group) !== undefined)) return entry
  reply.rewindTo(begin)
  reply.error(
    entry === 0 ? 'UNBLOCKED the stream key no longer exists' : 'NOGROUP the consumer group this client was blocked on no longer exists',
  )
  return wrongType
}

function beginStream(x: Execution, keyAt: number): void {
  const { args, reply } = x
  if (reply.protocol === 2) reply.array(2)
  reply.bulk(args.buffer, args.starts[keyAt], args.ends[keyAt])
}

/** Begins the walk over what is behind an id, and comes to its first entry; false when there is none. */
function walksBehind(x: Execution, entry: number, position: StreamId): boolean {
  return id.copy(position).increment() && walkOf(x).begin(entry, id, greatestId).next()
}

/** Replies with the entry that the walk has come to, and those behind it. */
function replyWalked(x: Execution): void {
  const { reply } = x
  const walk = walkOf(x)
  const token = reply.arrayDeferred()
  let shown = 0
  do {
    replyEntry(reply, walk.entry)
    shown++
  } while (shown !== request.count && walk.next())
  reply.resolve(token, shown)
}

function xreadgroup(x: Execution): void {
  if (!readRequest(x, true)) return
  const positions = readPositions(x)
  if (positions === undefined) return
  const staged = x.staged instanceof GroupRead ? x.staged : undefined
  serve(x, positions, (keyAt, entry, position) => {
    const group = findGroup(x, entry, request.group)
    if (group === undefined) return false
    const { unit } = group
    beginDelivery(x, entry, group)
    if (position.compare(greatestId) !== 0) {
      const again = staged?.changeAt(keyAt)
      beginStream(x, keyAt)
      if (again !== undefined) {
        consumerFor(x, keyAt, entry, unit)
        replyChange(x, keyAt, again)
        return true
      }
      replyHistory(x, keyAt, entry, unit, consumerFor(x, keyAt, entry, unit), position)
      return true
    }
    groupLastId(group, after)
    const change = staged?.changeAt(keyAt)
    const image = change === undefined ? staged?.images.of(entry) : undefined
    const count = change?.shownCount ?? image?.count()
    if (count === undefined ? !walksBehind(x, entry, after) : count === 0) return false
    beginStream(x, keyAt)
    const found = findConsumer(x, entry, unit, request.group + 1)
    const consumer = found === 0 ? consumerFor(x, keyAt, entry, unit) : found
    const to = { keyAt, groupAt: request.group, entry, group: unit, consumer, noAck: request.noAck }
    if (change !== undefined) {
      replyChange(x, keyAt, change)
      return true
    }
    if (image !== undefined) {
      deliverImage(x, to, image)
      return true
    }
    // What comes to be moves others.
    if (found === 0) walksBehind(x, entry, after)
    deliverWalked(x, to, request.count)
    return true
  })
}

/** Replies with entries that were delivered beforehand, and makes them pending. */
function replyChange(x: Execution, keyAt: number, change: StreamChange): void {
  x.reply.array(change.shownCount)
  for (const part of change.replies) x.reply.rawShared(part)
  makeChange(x, keyAt, change)
}

/** The unit of the consumer that the request names, made if there is none. */
function consumerFor(x: Execution, keyAt: number, entry: number, group: number): number {
  const found = findConsumer(x, entry, group, request.group + 1)
  if (found === 0) return createConsumer(x, entry, group, request.group + 1, keyAt)
  streamsOf(x).groups.sawConsumer(x.now)
  return found
}

/** Replies with what is pending for a consumer behind an id, which counts as delivered once more. */
function replyHistory(x: Execution, keyAt: number, entry: number, group: number, consumer: number, position: StreamId): void {
  const { args, reply, mutator } = x
  const streams = streamsOf(x)
  const root = streams.rootOf(entry)
  const ids: StreamId[] = []
  id.copy(position)
  if (id.increment()) {
    streams.pending.eachOwn(root, consumer, id, (bytes, at) => {
      if (request.count > 0 && ids.length === request.count) return false
      ids.push(new StreamId().read(bytes, at))
      return true
    })
  }
  reply.array(ids.length)
  const walk = walkOf(x)
  const again: { id: StreamId; deliveries: bigint }[] = []
  for (const each of ids) {
    if (walk.begin(entry, each, each).next()) {
      replyEntry(reply, walk.entry)
      const found = streams.pending.find(root, group, each)
      if (found) again.push({ id: each, deliveries: streams.pending.found.deliveries + 1n })
    } else {
      reply.array(2)
      replyId(reply, each)
      reply.nilArray()
    }
  }
  if (again.length === 0) return
  const payload = mutator.payload()
  payload.byte(0)
  payload.u32(group)
  payload.u32(consumer)
  payload.u48(x.now)
  payload.range(args.buffer, args.starts[request.group + 1], args.ends[request.group + 1])
  payload.varint(again.length)
  for (const each of again) {
    putId(payload, each.id)
    payload.u32(consumer)
    payload.u48(x.now)
    putUint64(payload, each.deliveries)
  }
  x.edit(streams, deliverEdit, keyAt)
}
