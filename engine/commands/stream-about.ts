/** What XINFO tells of a stream, of its groups and of their consumers. The radix tree that it tells of is the one that Redis would have. */
import type { Execution } from '../execution.ts'
import type { ReplyWriter } from '../reply-writer.ts'
import { LeafRow } from '../tree/tree-shape.ts'
import { consumerSeenAt, groupEntriesRead, groupLastId, placeName } from '../types/stream-group-leaf.ts'
import { idBytes, StreamId } from '../types/stream-id.ts'
import { replyId, replyUint64, streamsOf } from './stream-arguments.ts'
import { distanceFromFirst, hasTombstones, unknownCount } from './stream-groups.ts'

export interface Group {
  readonly name: Buffer
  readonly unit: number
  readonly lastId: StreamId
  readonly entriesRead: bigint
}

/** All groups by name. */
export function groupsOf(x: Execution, entry: number): Group[] {
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

export interface Consumer {
  readonly name: Buffer
  readonly unit: number
  readonly seenAt: number
}

/** All consumers of a group by name. */
export function consumersOf(x: Execution, entry: number, group: number): Consumer[] {
  const streams = streamsOf(x)
  const found: Consumer[] = []
  streams.groups.eachConsumer(streams.rootOf(entry), group, (place) =>
    found.push({ name: placeName(place), unit: place.unit, seenAt: consumerSeenAt(place) }),
  )
  return found.sort((a, b) => a.name.compare(b.name))
}

/** Where a group has come to, and how far that is from the end. */
export function replyProgress(x: Execution, reply: ReplyWriter, entry: number, group: Group): void {
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

/** What both forms of XINFO STREAM begin with. */
export function replyAbout(x: Execution, reply: ReplyWriter, entry: number): void {
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
