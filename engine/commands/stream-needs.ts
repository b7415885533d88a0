/**
 * What commands on streams need of a cold stream: of a large one the leaves that they read or change, of a small one all of it. Who needs a group's pending
 * entries has to know its number: its name is asked for first, and the rest once that is there.
 */
import type { Arguments } from '../arguments.ts'
import { wantValue } from '../cold-wants.ts'
import type { EngineLimits } from '../engine-limits.ts'
import { streamType } from '../keyspace/entries.ts'
import type { Keyspace } from '../keyspace/keyspace.ts'
import type { ColdWants, WantsOf } from '../need.ts'
import { Collections } from '../types/collections.ts'
import { groupLastId } from '../types/stream-group-leaf.ts'
import { parseStreamId, StreamId } from '../types/stream-id.ts'
import { StreamType } from '../types/stream-type.ts'
import { defaultTrimLimit } from './stream-trim.ts'

type WantsLarge = (streams: StreamType, root: number, args: Arguments, keyIndex: number, wants: ColdWants) => void

const from = new StreamId()
const to = new StreamId()
const least = new StreamId().setMin()
const greatest = new StreamId().setMax()
const all = Number.POSITIVE_INFINITY
const parenthesis = 0x28

/** What looks into streams, by keyspace: it has no state of its own. */
const lookers = new WeakMap<Keyspace, StreamType>()

/** A function of this name, which the documentation knows it by. */
function ofLarge(name: string, wantsLarge: WantsLarge): WantsOf {
  const wantsOf: WantsOf = (keyspace: Keyspace, entry, args, keyIndex, wants) => {
    if (keyspace.entries.type(entry) !== streamType) return
    if (!keyspace.entries.isTree(entry)) {
      wantValue(keyspace, entry, wants)
      return
    }
    let streams = lookers.get(keyspace)
    if (streams === undefined) {
      streams = new StreamType(new Collections(keyspace))
      lookers.set(keyspace, streams)
    }
    const root = keyspace.entries.value(entry)
    streams.entries.wantMeta(root, wants)
    wantsLarge(streams, root, args, keyIndex, wants)
  }
  Object.defineProperty(wantsOf, 'name', { value: name })
  return wantsOf
}

/** The last node, and what a trim looks at. */
export const wantsLastNode: WantsOf = ofLarge('wantsLastNode', (streams, root, args, _key, wants) => {
  streams.entries.wantLast(root, wants)
  wantTrimmed(streams, root, args, 1, wants)
})

/** The last node, and the first and the last entry. */
export const wantsEdges: WantsOf = ofLarge('wantsEdges', (streams, root, args, _key, wants) => {
  streams.entries.wantLast(root, wants)
  const isFull = args.count > 3 && args.is(3, 'FULL')
  const count = isFull ? (args.count > 5 ? args.integer(5) : 10) : 1
  streams.entries.wantRange(root, least, greatest, count === 0 || Number.isNaN(count) ? all : count, false, wants)
  streams.groups.wantGroups(root, wants)
  if (!isFull) return
  if (!streams.groups.knowsGroups(root)) return
  const units: number[] = []
  streams.groups.eachGroup(root, ({ unit }) => units.push(unit))
  for (const unit of units) {
    streams.groups.wantConsumers(root, unit, wants)
    const shown = count === 0 || Number.isNaN(count) ? all : count + 1
    streams.pending.wantFrom(root, unit, least, shown, wants)
    if (!streams.groups.knowsConsumers(root, unit)) continue
    const consumers: number[] = []
    streams.groups.eachConsumer(root, unit, (consumer) => consumers.push(consumer.unit))
    for (const consumer of consumers) {
      streams.pending.wantFrom(root, consumer, least, shown, wants)
      streams.pending.eachResident(root, consumer, false, least, shown, (id) => streams.pending.want(root, unit, id, wants))
    }
  }
})

/** Where a trim ends. `added`: entries that come in before it. */
function wantTrimmed({ entries }: StreamType, root: number, args: Arguments, added: number, wants: ColdWants): void {
  const { keyspace } = entries.collections
  const length = keyspace.entries.length(keyspace.trees.roots.owner(root))
  for (let i = 2; i + 1 < args.count; i++) {
    const isLength = args.is(i, 'MAXLEN')
    if (!isLength && !args.is(i, 'MINID')) continue
    const at = args.is(i + 1, '~') || args.is(i + 1, '=') ? i + 2 : i + 1
    if (at >= args.count) return
    const limit = args.is(i + 1, '~') ? trimLimit(args, at + 1, keyspace.limits) : all
    if (isLength) entries.wantTrimmedTo(root, Math.max(args.integer(at) - added, length - limit), wants)
    else if (parseStreamId(args.buffer, args.starts[at], args.ends[at], 'first', from, true)) {
      entries.wantEntry(root, from, wants)
      if (limit < length) entries.wantTrimmedTo(root, length - limit, wants)
    }
    return
  }
}

/** Entries that a trim with `~` removes at most, as LIMIT says behind the threshold, or what stands for it. */
function trimLimit(args: Arguments, index: number, limits: Readonly<EngineLimits>): number {
  const limit = index + 1 < args.count && args.is(index, 'LIMIT') ? args.integer(index + 1) : defaultTrimLimit(limits)
  return limit > 0 ? limit : all
}

/** The entries between two ids, from the first or from the last on, as many as COUNT says. */
export const wantsEntryRange: WantsOf = ofLarge('wantsEntryRange', (streams, root, args, key, wants) =>
  wantRange(streams, root, args, key + 1, key + 2, false, wants),
)
export const wantsReversedRange: WantsOf = ofLarge('wantsReversedRange', (streams, root, args, key, wants) =>
  wantRange(streams, root, args, key + 2, key + 1, true, wants),
)

function wantRange(
  streams: StreamType,
  root: number,
  args: Arguments,
  first: number,
  last: number,
  backwards: boolean,
  wants: ColdWants,
): void {
  if (!bound(args, first, 'first', from) || !bound(args, last, 'last', to)) return
  const count = args.count > 5 ? args.integer(5) : -1
  streams.entries.wantRange(root, from, to, count < 0 || Number.isNaN(count) ? all : count, backwards, wants)
}

function bound(args: Arguments, index: number, missing: 'first' | 'last', into: StreamId): boolean {
  if (index >= args.count) return false
  const start = args.starts[index]
  const isExclusive = args.ends[index] - start > 1 && args.buffer[start] === parenthesis
  return parseStreamId(args.buffer, isExclusive ? start + 1 : start, args.ends[index], missing, into)
}

/** The nodes of the entries that the arguments behind the key name. */
export const wantsEntries: WantsOf = ofLarge('wantsEntries', (streams, root, args, key, wants) => {
  for (let i = key + 1; i < args.count; i++) {
    if (parseStreamId(args.buffer, args.starts[i], args.ends[i], 'first', from, true)) streams.entries.wantEntry(root, from, wants)
  }
})

/** Of XREAD: what is behind the id that belongs to the key. */
export const wantsRead: WantsOf = ofLarge('wantsRead', (streams, root, args, key, wants) => {
  const { idIndex, count } = readOptions(args, key)
  streams.entries.wantLast(root, wants)
  if (parseStreamId(args.buffer, args.starts[idIndex], args.ends[idIndex], 'first', from, true)) {
    streams.entries.wantRange(root, from, greatest, count + 1, false, wants)
  }
})

/** Where the id of a key stands behind STREAMS, the first key there and how many there are, and COUNT. */
export function readOptions(args: Arguments, key: number): { idIndex: number; count: number; firstKey: number; keys: number } {
  let streamsAt = 1
  let count = all
  for (; streamsAt < args.count && !args.is(streamsAt, 'STREAMS'); streamsAt++) {
    if (args.is(streamsAt, 'COUNT')) count = args.integer(streamsAt + 1)
  }
  const half = Math.floor((args.count - streamsAt - 1) / 2)
  return { idIndex: Math.min(key + half, args.count - 1), count: count > 0 ? count : all, firstKey: streamsAt + 1, keys: half }
}

/** Of XREADGROUP: what the group has not delivered, or what the consumer has pending, and where that goes. */
export const wantsGroupRead: WantsOf = ofLarge('wantsGroupRead', (streams, root, args, key, wants) => {
  const { groups, entries } = streams
  const { idIndex, count } = readOptions(args, key)
  let at = 1
  while (at < args.count && !args.is(at, 'GROUP')) at++
  if (at + 2 >= args.count || !knowsNames(streams, root, args, at + 1, at + 2, wants)) return
  const group = groups.group.unit
  const consumer = groups.consumer.unit
  entries.wantLast(root, wants)
  if (!args.is(idIndex, '>')) {
    if (!parseStreamId(args.buffer, args.starts[idIndex], args.ends[idIndex], 'first', from, true)) return
    if (consumer !== 0) wantHistory(streams, root, group, consumer, count + 1, wants)
    return
  }
  groupLastId(groups.group, from)
  entries.wantRange(root, from, greatest, count + 1, false, wants)
  wantReceiving(streams, root, group, consumer, wants)
})

/** As `wantsGroupRead` of a stream whose entries were rendered beforehand. */
export const wantsDelivered: WantsOf = ofLarge('wantsDelivered', (streams, root, args, _key, wants) => {
  const { groups } = streams
  let at = 1
  while (at < args.count && !args.is(at, 'GROUP')) at++
  if (!knowsNames(streams, root, args, at + 1, at + 2, wants)) return
  const group = groups.group.unit
  const consumer = groups.consumer.unit
  groupLastId(groups.group, from)
  wantReceiving(streams, root, group, consumer, wants)
})

/** Wants the first entry, and what a group and a consumer have pending behind the id `from`. */
function wantReceiving({ entries, pending }: StreamType, root: number, group: number, consumer: number, wants: ColdWants): void {
  entries.wantRange(root, least, greatest, 1, false, wants)
  pending.wantFrom(root, group, from, all, wants)
  // Of these some may be pending whose entries are gone: how many there are before the last that is delivered, nobody knows.
  pending.eachResident(root, group, true, from, all, (id, former) => pending.want(root, former, id, wants))
  if (consumer !== 0) pending.wantFrom(root, consumer, from, all, wants)
}

/** Wants what a consumer has pending from `from` on, with its entries. */
function wantHistory(streams: StreamType, root: number, group: number, consumer: number, count: number, wants: ColdWants): void {
  const { entries, pending } = streams
  pending.wantFrom(root, consumer, from, count, wants)
  pending.eachResident(root, consumer, false, from, count, (id) => {
    pending.want(root, group, id, wants)
    entries.wantEntry(root, id, wants)
  })
}

/** Wants the leaves of the names of a group and of a consumer (0: none); true when they are there and there is the group. Unit 0: no such consumer. */
function knowsNames(streams: StreamType, root: number, args: Arguments, group: number, consumer: number, wants: ColdWants): boolean {
  const { groups } = streams
  const { buffer, starts, ends } = args
  if (group >= args.count) return false
  groups.wantGroup(root, buffer, starts[group], ends[group], wants)
  if (!groups.knowsGroup(root, buffer, starts[group], ends[group])) return false
  if (!groups.findGroup(root, buffer, starts[group], ends[group])) return false
  if (consumer === 0) return true
  const { unit } = groups.group
  if (consumer >= args.count) return false
  groups.wantConsumer(root, unit, buffer, starts[consumer], ends[consumer], wants)
  if (!groups.knowsConsumer(root, unit, buffer, starts[consumer], ends[consumer])) return false
  if (!groups.findConsumer(root, unit, buffer, starts[consumer], ends[consumer])) groups.consumer.unit = 0
  return true
}

/** The names of all groups and their consumers; of one group and its consumers. */
export const wantsGroups: WantsOf = ofLarge('wantsGroups', (streams, root, _args, _key, wants) => {
  const { groups } = streams
  groups.wantGroups(root, wants)
  if (!groups.knowsGroups(root)) return
  const units: number[] = []
  groups.eachGroup(root, ({ unit }) => units.push(unit))
  for (const unit of units) groups.wantConsumers(root, unit, wants)
})
export const wantsConsumers: WantsOf = ofLarge('wantsConsumers', (streams, root, args, key, wants) => {
  if (knowsNames(streams, root, args, key + 1, 0, wants)) streams.groups.wantConsumers(root, streams.groups.group.unit, wants)
})

/** Of XGROUP DELCONSUMER and CREATECONSUMER: the consumer, and what it has pending. */
export const wantsConsumer: WantsOf = ofLarge('wantsConsumer', (streams, root, args, key, wants) => {
  if (!knowsNames(streams, root, args, key + 1, key + 2, wants)) return
  const { groups, pending } = streams
  const group = groups.group.unit
  const consumer = groups.consumer.unit
  if (consumer === 0) return
  pending.wantFrom(root, consumer, least, all, wants)
  pending.eachResident(root, consumer, false, least, all, (id) => pending.want(root, group, id, wants))
})

/** Of XACK: where the ids are pending. */
export const wantsAcknowledged: WantsOf = ofLarge('wantsAcknowledged', (streams, root, args, key, wants) => {
  if (knowsNames(streams, root, args, key + 1, 0, wants)) wantNamed(streams, root, args, key + 2, false, wants)
})

/** Of XCLAIM: where the ids are pending, and their entries. */
export const wantsClaimed: WantsOf = ofLarge('wantsClaimed', (streams, root, args, key, wants) => {
  if (!knowsNames(streams, root, args, key + 1, key + 2, wants)) return
  wantNamed(streams, root, args, key + 4, true, wants)
})

/** Wants where the ids from an argument on are pending: in the group that is known, for its consumer and for the one that is known. */
function wantNamed(streams: StreamType, root: number, args: Arguments, first: number, claims: boolean, wants: ColdWants): void {
  const { groups, entries, pending } = streams
  const group = groups.group.unit
  const consumer = groups.consumer.unit
  for (let i = first; i < args.count; i++) {
    if (!parseStreamId(args.buffer, args.starts[i], args.ends[i], 'first', from, true)) continue
    pending.want(root, group, from, wants)
    pending.eachResident(root, group, true, from, 1, (id, owner) => {
      if (id.compare(from) === 0) pending.want(root, owner, id, wants)
    })
    if (!claims) continue
    if (consumer !== 0) pending.want(root, consumer, from, wants)
    entries.wantEntry(root, from, wants)
  }
}

/** Of XAUTOCLAIM: what it may look at, with the entries. */
export const wantsAutoClaimed: WantsOf = ofLarge('wantsAutoClaimed', (streams, root, args, key, wants) => {
  if (!knowsNames(streams, root, args, key + 1, key + 2, wants) || !bound(args, key + 4, 'first', from)) return
  const { groups, entries, pending } = streams
  const group = groups.group.unit
  const consumer = groups.consumer.unit
  let count = 100
  for (let i = key + 5; i + 1 < args.count; i++) if (args.is(i, 'COUNT')) count = args.integer(i + 1)
  const attempts = count * 10 + 1
  pending.wantFrom(root, group, from, attempts, wants)
  pending.eachResident(root, group, true, from, attempts, (id, owner) => {
    pending.want(root, owner, id, wants)
    if (consumer !== 0) pending.want(root, consumer, id, wants)
    entries.wantEntry(root, id, wants)
  })
})

/** Of XPENDING: the edges; or a range, of the group or of a consumer. */
export const wantsPending: WantsOf = ofLarge('wantsPending', (streams, root, args, key, wants) => {
  if (!knowsNames(streams, root, args, key + 1, 0, wants)) return
  const { groups, pending } = streams
  const group = groups.group.unit
  groups.wantConsumers(root, group, wants)
  if (args.count === key + 2) {
    pending.wantEdges(root, group, wants)
    return
  }
  const hasIdle = args.is(key + 2, 'IDLE')
  const start = hasIdle ? key + 4 : key + 2
  if (!bound(args, start, 'first', from) || start + 2 >= args.count) return
  const count = hasIdle ? all : args.integer(start + 2) + 1
  const consumerAt = start + 3
  if (consumerAt >= args.count) pending.wantFrom(root, group, from, count, wants)
  else if (knowsNames(streams, root, args, key + 1, consumerAt, wants) && groups.consumer.unit !== 0) {
    const { unit } = groups.consumer
    pending.wantFrom(root, unit, from, count, wants)
    pending.eachResident(root, unit, false, from, count, (id) => pending.want(root, group, id, wants))
  }
})

/** Of XTRIM: the metadata, and where what stays begins. */
export const wantsTrimmedNodes: WantsOf = ofLarge('wantsTrimmedNodes', (streams, root, args, _key, wants) =>
  wantTrimmed(streams, root, args, 0, wants),
)
