/** XACK and XPENDING: what a group has delivered and nobody has acknowledged. */
import type { EngineCommand } from '../command.ts'
import { keyAt } from '../command.ts'
import type { Execution } from '../execution.ts'
import { wrongType } from '../execution.ts'
import { streamType } from '../keyspace/entries.ts'
import type { PendingCursor } from '../types/stream-group-leaf.ts'
import { placeName } from '../types/stream-group-leaf.ts'
import { StreamId } from '../types/stream-id.ts'
import { acknowledgeEdit } from '../types/stream-type.ts'
import { stageAcknowledgement } from './acknowledge-work.ts'
import { shownInC, syntaxError } from './errors.ts'
import { PendingImage, replyPendingItem, stagePending } from './pending-image.ts'
import { firstId, putId, readBound, readCount, readStrictId, replyId, streamsOf } from './stream-arguments.ts'
import { madeChange, makeChange } from './stream-change.ts'
import { findConsumer, findGroup } from './stream-groups.ts'
import { wantsAcknowledged, wantsPending } from './stream-needs.ts'

const about = { categories: ['stream'], group: 'stream', since: '5.0.0' } as const

export const streamPendingCommands = {
  XACK: {
    ...about,
    arity: -4,
    flags: ['write', 'fast'],
    keys: keyAt(1, 'RW', 'update'),
    complexity: 'O(log(N)) for each id, where N is the number of pending entries',
    syntax: 'key group id [id ...]',
    summary: 'Acknowledges entries that a group has delivered, and returns how many were pending.',
    needs: wantsAcknowledged,
    stages: stageAcknowledgement,
    handler: xack,
  },
  XPENDING: {
    ...about,
    arity: -3,
    flags: ['readonly'],
    keys: keyAt(1, 'RO', 'access'),
    complexity: 'O(log(N)+M) where N is the number of pending entries and M is the number of entries looked at',
    syntax: 'key group [[IDLE min-idle-time] start end count [consumer]]',
    summary: 'Tells what a group has delivered that is not acknowledged.',
    needs: wantsPending,
    stages: stagePending,
    handler: xpending,
  },
} as const satisfies Record<string, EngineCommand>

function xack(x: Execution): void {
  const { args, reply } = x
  const entry = x.readType(1, streamType)
  if (entry === wrongType) return
  const group = entry === 0 ? undefined : findGroup(x, entry, 2)
  if (group === undefined) {
    reply.integer(0)
    return
  }
  const change = madeChange(x)
  if (change !== undefined) {
    reply.integer(makeChange(x, 1, change))
    return
  }
  const { pending } = streamsOf(x)
  const { unit } = group
  const root = streamsOf(x).rootOf(entry)
  const ids: StreamId[] = []
  const owners: number[] = []
  for (let i = 3; i < args.count; i++) {
    const id = new StreamId()
    if (!readStrictId(x, i, id)) return
    if (!pending.find(root, unit, id)) continue
    ids.push(id)
    owners.push(pending.found.consumer)
  }
  reply.integer(acknowledge(x, unit, ids, owners))
}

/** Takes ids off a group of the stream under the key that is argument 1, each with its consumer. Returns how many were pending. */
export function acknowledge(x: Execution, group: number, ids: readonly StreamId[], owners: readonly number[]): number {
  if (ids.length === 0) return 0
  const payload = x.mutator.payload()
  payload.u32(group)
  payload.varint(ids.length)
  for (let i = 0; i < ids.length; i++) {
    putId(payload, ids[i] as StreamId)
    payload.u32(owners[i] as number)
  }
  return x.edit(streamsOf(x), acknowledgeEdit, 1)
}

const from = new StreamId()
const to = new StreamId()

function xpending(x: Execution): void {
  const { args, reply } = x
  const isSummary = args.count === 3
  let start = 3
  let minIdle = 0
  let count = 0
  if (!isSummary) {
    if (args.count < 6 || args.count > 9) {
      reply.error(syntaxError)
      return
    }
    if (args.is(3, 'IDLE')) {
      minIdle = readCount(x, 4)
      if (Number.isNaN(minIdle)) return
      if (args.count < 8) {
        reply.error(syntaxError)
        return
      }
      start = 5
    }
    count = readCount(x, start + 2)
    if (Number.isNaN(count)) return
    if (count < 0) count = 0
    if (!readBound(x, start, 'first', from) || !readBound(x, start + 1, 'last', to)) return
  }
  const entry = x.readType(1, streamType)
  if (entry === wrongType) return
  const group = entry === 0 ? undefined : findGroup(x, entry, 2)
  if (group === undefined) {
    reply.error(`NOGROUP No such key '${shownInC(args, 1)}' or consumer group '${shownInC(args, 2)}'`)
    return
  }
  if (isSummary) replySummary(x, entry, group.unit)
  else if (x.staged instanceof PendingImage && x.staged.shows(entry, group.unit)) x.staged.replyTo(reply, count)
  else replyPending(x, entry, group.unit, count, minIdle, args.count > start + 3 ? start + 3 : 0)
}

/** The consumers of a group by name, each with what it has pending. */
export function consumersOf(x: Execution, entry: number, group: number): { name: Buffer; unit: number; pending: number }[] {
  const { groups, pending } = streamsOf(x)
  const root = streamsOf(x).rootOf(entry)
  const consumers: { name: Buffer; unit: number; pending: number }[] = []
  groups.eachConsumer(root, group, (place) => consumers.push({ name: placeName(place), unit: place.unit, pending: 0 }))
  for (const consumer of consumers) consumer.pending = pending.count(root, consumer.unit)
  return consumers.sort((a, b) => a.name.compare(b.name))
}

function replySummary(x: Execution, entry: number, group: number): void {
  const { reply } = x
  const { pending } = streamsOf(x)
  const root = streamsOf(x).rootOf(entry)
  const count = pending.count(root, group)
  reply.array(4)
  reply.integer(count)
  if (count === 0) {
    reply.nil()
    reply.nil()
    reply.nilArray()
    return
  }
  pending.each(root, group, firstId, ({ id }) => {
    replyId(reply, id)
    return false
  })
  pending.last(root, group, true, to)
  replyId(reply, to)
  const consumers = consumersOf(x, entry, group).filter((consumer) => consumer.pending > 0)
  reply.array(consumers.length)
  for (const consumer of consumers) {
    reply.array(2)
    reply.bulk(consumer.name, 0, consumer.name.length)
    reply.text(String(consumer.pending))
  }
}

function replyPending(x: Execution, entry: number, group: number, count: number, minIdle: number, consumerAt: number): void {
  const { args, reply } = x
  const { groups, pending } = streamsOf(x)
  const root = streamsOf(x).rootOf(entry)
  const consumer = consumerAt === 0 ? 0 : findConsumer(x, entry, group, consumerAt)
  if (consumerAt !== 0 && consumer === 0) {
    reply.array(0)
    return
  }
  const names = new Map<number, Buffer>()
  if (consumer === 0) groups.eachConsumer(root, group, (place) => names.set(place.unit, placeName(place)))
  else names.set(consumer, Buffer.from(args.bytes(consumerAt)))
  const token = reply.arrayDeferred()
  let shown = 0
  const show = (found: PendingCursor): void => {
    const idle = Math.max(0, x.now - found.deliveredAt)
    if (minIdle > 0 && idle < minIdle) return
    const name = names.get(found.consumer) ?? Buffer.alloc(0)
    replyPendingItem(reply, found, idle, name)
    shown++
  }
  if (consumer === 0) {
    pending.each(root, group, from, (found) => {
      if (shown >= count || found.id.compare(to) > 0) return false
      show(found)
      return true
    })
  } else {
    const id = new StreamId()
    pending.eachOwn(root, consumer, from, (bytes, at) => {
      if (shown >= count || id.read(bytes, at).compare(to) > 0) return false
      if (pending.find(root, group, id)) show(pending.found)
      return true
    })
  }
  reply.resolve(token, shown)
}
