/** XINFO: what a stream, its groups and their consumers are. The radix tree that it tells of is the one that Redis would have. */
import type { EngineCommand } from '../command.ts'
import { keyAt, noKeys } from '../command.ts'
import type { Execution } from '../execution.ts'
import { wrongType } from '../execution.ts'
import { streamType } from '../keyspace/entries.ts'
import { LeafRow } from '../tree/tree-shape.ts'
import { consumerSeenAt, groupEntriesRead, groupLastId, placeName } from '../types/stream-group-leaf.ts'
import { idBytes, StreamId } from '../types/stream-id.ts'
import { noSuchKey } from './errors.ts'
import { firstId, greatestId, readCount, replyEntry, replyId, replyUint64, streamsOf, walkOf } from './stream-arguments.ts'
import { distanceFromFirst, findGroup, hasTombstones, unknownCount } from './stream-groups.ts'
import { wantsConsumers, wantsEdges, wantsGroups } from './stream-needs.ts'

const about = { flags: ['readonly'], categories: ['stream'], group: 'stream', since: '5.0.0', complexity: 'O(1)' } as const

export const streamInfoCommands = {
  XINFO: {
    ...about,
    arity: -2,
    flags: [],
    keys: noKeys,
    categories: [],
    complexity: 'Depends on the subcommand',
    syntax: '',
    summary: 'Tells about streams, groups and consumers.',
    handler: xinfo,
  },
  'XINFO CONSUMERS': {
    ...about,
    arity: 4,
    keys: keyAt(2, 'RO', 'access'),
    complexity: 'O(N) where N is the number of consumers',
    syntax: 'key group',
    summary: 'Returns the consumers of a group.',
    needs: wantsConsumers,
    handler: infoConsumers,
  },
  'XINFO GROUPS': {
    ...about,
    arity: 3,
    keys: keyAt(2, 'RO', 'access'),
    complexity: 'O(N) where N is the number of groups',
    syntax: 'key',
    summary: 'Returns the groups of a stream.',
    needs: wantsGroups,
    handler: infoGroups,
  },
  'XINFO HELP': {
    ...about,
    arity: 2,
    flags: ['loading', 'stale'],
    keys: noKeys,
    syntax: '',
    summary: 'Describes the subcommands.',
    handler: help,
  },
  'XINFO STREAM': {
    ...about,
    arity: -3,
    keys: keyAt(2, 'RO', 'access'),
    syntax: 'key [FULL [COUNT count]]',
    summary: 'Tells about a stream; FULL shows entries, groups and what is pending.',
    needs: wantsEdges,
    handler: infoStream,
  },
} as const satisfies Record<string, EngineCommand>

const helpLines = [
  'XINFO <subcommand> [<arg> [value] [opt] ...]. Subcommands are:',
  'CONSUMERS <key> <groupname>',
  '    Show consumers of <groupname>.',
  'GROUPS <key>',
  '    Show the stream consumer groups.',
  'STREAM <key> [FULL [COUNT <count>]',
  '    Show information about the stream.',
  'HELP',
  '    Prints this help.',
]

function xinfo(x: Execution): void {
  x.reply.error(`ERR unknown subcommand '${x.args.string(1, 'latin1').slice(0, 128)}'. Try XINFO HELP.`)
}

function help(x: Execution): void {
  x.reply.array(helpLines.length)
  for (const line of helpLines) x.reply.status(line)
}

/** The entry of the stream, which has to exist; `wrongType` when an error is written. */
function existing(x: Execution): number {
  const entry = x.readType(2, streamType)
  if (entry !== 0) return entry
  x.reply.error(noSuchKey)
  return wrongType
}

interface Group {
  readonly name: Buffer
  readonly unit: number
  readonly lastId: StreamId
  readonly entriesRead: bigint
}

/** All groups by name. */
function groupsOf(x: Execution, entry: number): Group[] {
  const streams = streamsOf(x)
  const root = streams.rootOf(entry)
  const found: Group[] = []
  if (root === 0) return found
  streams.groups.eachGroup(root, (place) =>
    found.push({
      name: placeName(place),
      unit: place.unit,
      lastId: groupLastId(place, new StreamId()),
      entriesRead: groupEntriesRead(place),
    }),
  )
  return found.sort((a, b) => a.name.compare(b.name))
}

interface Consumer {
  readonly name: Buffer
  readonly unit: number
  readonly seenAt: number
}

/** All consumers of a group by name. */
function consumersOf(x: Execution, entry: number, group: number): Consumer[] {
  const streams = streamsOf(x)
  const found: Consumer[] = []
  streams.groups.eachConsumer(streams.rootOf(entry), group, (place) =>
    found.push({ name: placeName(place), unit: place.unit, seenAt: consumerSeenAt(place) }),
  )
  return found.sort((a, b) => a.name.compare(b.name))
}

function infoConsumers(x: Execution): void {
  const { args, reply } = x
  const entry = existing(x)
  if (entry === wrongType) return
  const group = findGroup(x, entry, 3)
  if (group === undefined) {
    reply.error(`NOGROUP No such consumer group '${args.string(3, 'latin1')}' for key name '${args.string(2, 'latin1')}'`)
    return
  }
  const consumers = consumersOf(x, entry, group.unit)
  const root = streamsOf(x).rootOf(entry)
  reply.array(consumers.length)
  for (const { name, unit, seenAt } of consumers) {
    reply.map(3)
    reply.text('name')
    reply.bulk(name, 0, name.length)
    reply.text('pending')
    reply.integer(streamsOf(x).pending.count(root, unit))
    reply.text('idle')
    reply.integer(Math.max(0, x.now - seenAt))
  }
}

function infoGroups(x: Execution): void {
  const { reply } = x
  const entry = existing(x)
  if (entry === wrongType) return
  const groups = groupsOf(x, entry)
  const root = streamsOf(x).rootOf(entry)
  reply.array(groups.length)
  for (const group of groups) {
    let consumers = 0
    streamsOf(x).groups.eachConsumer(root, group.unit, () => consumers++)
    reply.map(6)
    reply.text('name')
    reply.bulk(group.name, 0, group.name.length)
    reply.text('consumers')
    reply.integer(consumers)
    reply.text('pending')
    reply.integer(streamsOf(x).pending.count(root, group.unit))
    replyProgress(x, entry, group)
  }
}

/** Where a group has come to, and how far that is from the end. */
function replyProgress(x: Execution, entry: number, group: Group): void {
  const { reply } = x
  reply.text('last-delivered-id')
  replyId(reply, group.lastId)
  reply.text('entries-read')
  if (group.entriesRead === unknownCount) reply.nil()
  else replyUint64(reply, group.entriesRead)
  reply.text('lag')
  const added = streamsOf(x).entries.meta(entry).entriesAdded
  let read = group.entriesRead
  if (added !== 0n && (read === unknownCount || hasTombstones(x, entry, group.lastId, undefined))) {
    read = distanceFromFirst(x, entry, group.lastId)
  }
  if (added === 0n) reply.integer(0)
  else if (read === unknownCount) reply.nil()
  else reply.bigInteger(added - read)
}

const shownByDefault = 10

function unknownSubcommand(x: Execution): void {
  const name = x.args.string(1, 'latin1').slice(0, 128)
  x.reply.error(`ERR unknown subcommand or wrong number of arguments for '${name}'. Try XINFO HELP.`)
}

function infoStream(x: Execution): void {
  const { args, reply } = x
  let count = shownByDefault
  const isFull = args.count > 3
  if (args.count !== 3 && args.count !== 4 && args.count !== 6) {
    unknownSubcommand(x)
    return
  }
  const entry = existing(x)
  if (entry === wrongType) return
  if (isFull) {
    if (!args.is(3, 'FULL') || (args.count === 6 && !args.is(4, 'COUNT'))) {
      unknownSubcommand(x)
      return
    }
    if (args.count === 6) {
      count = readCount(x, 5)
      if (Number.isNaN(count)) return
      if (count < 0) count = shownByDefault
    }
  }
  reply.map(isFull ? 9 : 10)
  replyAbout(x, entry)
  if (isFull) {
    reply.text('entries')
    replyEntries(x, entry, count)
    replyGroups(x, entry, count)
    return
  }
  reply.text('groups')
  reply.integer(groupsOf(x, entry).length)
  reply.text('first-entry')
  replyEdge(x, entry, false)
  reply.text('last-entry')
  replyEdge(x, entry, true)
}

function replyAbout(x: Execution, entry: number): void {
  const { reply } = x
  const meta = streamsOf(x).entries.meta(entry)
  const { nodes, entriesAdded } = meta
  const id = new StreamId()
  reply.text('length')
  reply.integer(x.keyspace.entries.length(entry))
  reply.text('radix-tree-keys')
  reply.integer(nodes)
  reply.text('radix-tree-nodes')
  reply.integer(radixNodes(x, entry, nodes))
  reply.text('last-generated-id')
  replyId(reply, streamsOf(x).entries.meta(entry).lastId(id))
  reply.text('max-deleted-entry-id')
  replyId(reply, streamsOf(x).entries.meta(entry).maxDeletedId(id))
  reply.text('entries-added')
  replyUint64(reply, entriesAdded)
  reply.text('recorded-first-entry-id')
  replyId(reply, streamsOf(x).entries.meta(entry).firstId(id))
}

/** Nodes whose keys are looked at; there are about as many for each key if there are more. */
const countedNodesMax = 10_000

/** How many nodes a radix tree has whose keys are the ids at which the nodes of a stream begin. */
function radixNodes(x: Execution, entry: number, nodes: number): number {
  if (nodes < 2) return nodes === 0 ? 1 : 2
  const { entries } = streamsOf(x)
  const keys: Buffer[] = []
  const at = new LeafRow()
  const id = new StreamId()
  for (let isThere = entries.locateFirst(entry, at); isThere && keys.length < countedNodesMax; isThere = entries.moveOn(at)) {
    entries.separatorId(at, id)
    const key = Buffer.alloc(idBytes)
    id.write(key, 0)
    keys.push(key)
  }
  const counted = nodesBelow(keys, 0, keys.length, 0)
  return nodes === keys.length ? counted : Math.round((counted * nodes) / keys.length)
}

/** Nodes below one at a depth, itself included, that leads to the keys from `first` to before `end`. */
function nodesBelow(keys: readonly Buffer[], first: number, end: number, depth: number): number {
  if (end - first === 1) return depth < idBytes ? 2 : 1
  const least = keys[first] as Buffer
  const greatest = keys[end - 1] as Buffer
  let common = depth
  while (common < idBytes && least[common] === greatest[common]) common++
  let nodes = common > depth ? 2 : 1
  for (let begin = first; begin < end; ) {
    let next = begin + 1
    while (next < end && (keys[next] as Buffer)[common] === (keys[begin] as Buffer)[common]) next++
    nodes += nodesBelow(keys, begin, next, common + 1)
    begin = next
  }
  return nodes
}

function replyEdge(x: Execution, entry: number, isLast: boolean): void {
  const walk = walkOf(x).begin(entry, firstId, greatestId, isLast)
  if (walk.next()) replyEntry(x.reply, walk.entry)
  else x.reply.nil()
}

function replyEntries(x: Execution, entry: number, count: number): void {
  const { reply } = x
  const walk = walkOf(x).begin(entry, firstId, greatestId)
  const token = reply.arrayDeferred()
  let shown = 0
  while ((count === 0 || shown < count) && walk.next()) {
    replyEntry(reply, walk.entry)
    shown++
  }
  reply.resolve(token, shown)
}

function replyGroups(x: Execution, entry: number, count: number): void {
  const { reply } = x
  const streams = streamsOf(x)
  const root = streams.rootOf(entry)
  const groups = groupsOf(x, entry)
  reply.text('groups')
  reply.array(groups.length)
  for (const group of groups) {
    const consumers = consumersOf(x, entry, group.unit)
    const names = new Map(consumers.map(({ unit, name }) => [unit, name]))
    reply.map(7)
    reply.text('name')
    reply.bulk(group.name, 0, group.name.length)
    replyProgress(x, entry, group)
    reply.text('pel-count')
    reply.integer(streams.pending.count(root, group.unit))
    reply.text('pending')
    const token = reply.arrayDeferred()
    let shown = 0
    streams.pending.each(root, group.unit, firstId, (pending) => {
      if (count > 0 && shown === count) return false
      const name = names.get(pending.consumer) ?? Buffer.alloc(0)
      reply.array(4)
      replyId(reply, pending.id)
      reply.bulk(name, 0, name.length)
      reply.integer(pending.deliveredAt)
      replyUint64(reply, pending.deliveries)
      shown++
      return true
    })
    reply.resolve(token, shown)
    reply.text('consumers')
    reply.array(consumers.length)
    for (const consumer of consumers) replyConsumer(x, root, group.unit, consumer, count)
  }
}

function replyConsumer(x: Execution, root: number, group: number, consumer: Consumer, count: number): void {
  const { reply } = x
  const { pending } = streamsOf(x)
  reply.map(4)
  reply.text('name')
  reply.bulk(consumer.name, 0, consumer.name.length)
  reply.text('seen-time')
  reply.integer(consumer.seenAt)
  reply.text('pel-count')
  reply.integer(pending.count(root, consumer.unit))
  reply.text('pending')
  const token = reply.arrayDeferred()
  const id = new StreamId()
  let shown = 0
  pending.eachOwn(root, consumer.unit, firstId, (bytes, at) => {
    if (count > 0 && shown === count) return false
    pending.find(root, group, id.read(bytes, at))
    reply.array(3)
    replyId(reply, id)
    reply.integer(pending.found.deliveredAt)
    replyUint64(reply, pending.found.deliveries)
    shown++
    return true
  })
  reply.resolve(token, shown)
}
