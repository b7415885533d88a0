/** Streams as dumps: entries in listpacks as redis-server's, then what the stream and its groups know. */

import { streamType } from '../keyspace/entries.ts'
import type { Keyspace } from '../keyspace/keyspace.ts'
import { packedHeaderBytes, usedBytes } from '../memory/packed-bytes.ts'
import { HashOperations } from '../mutation/hash-operations.ts'
import { ListpackWriter } from '../rdb/listpack-writer.ts'
import { stream2Value } from '../rdb/rdb-format.ts'
import type { RdbOutput } from '../rdb/rdb-output.ts'
import { CollectionTypes } from '../types/collection-types.ts'
import type { NamedPlace } from '../types/stream-group-leaf.ts'
import { consumerSeenAt, groupEntriesRead, groupLastId, placeName } from '../types/stream-group-leaf.ts'
import { idBytes, StreamId } from '../types/stream-id.ts'
import { blobNodeOffset } from '../types/stream-meta.ts'
import { EntryCursor, masterFields, nodeLive, nodeMaster, sameFieldsFlag } from '../types/stream-node.ts'
import { groupBit } from '../types/stream-separator.ts'
import type { StreamType } from '../types/stream-type.ts'
import type { DumpedType } from './dumped-type.ts'
import { StreamBuilder } from './stream-builder.ts'
import { entryRange, streamRuns } from './stream-runs.ts'

const listpack = new ListpackWriter()
const cursor = new EntryCursor()
const id = new StreamId()
const idRoom = Buffer.alloc(idBytes)
const wordRoom = Buffer.alloc(8)
/** Elements of an entry beside its fields and values: flags and two parts of the id; and how many fields there are. */
const entryElements = 3
let known: { readonly keyspace: Keyspace; readonly streams: StreamType } | undefined

export const dumpedStream: DumpedType = {
  type: streamType,
  kind: 'stream',
  head(keyspace, entry, out) {
    out.byte(stream2Value)
    out.length(streamsOf(keyspace).entries.meta(entry).nodes)
  },
  leaf({ values, trees }, ref, out) {
    const { arena } = trees.shape
    const node = values.owner(ref)
    const words = arena.words(node)
    const w = trees.nodes.rowAt(node, trees.nodes.rowOf(node, ref))
    // The first leaf has no entries, and those of groups come later.
    if (words[w] >= groupBit || (words[w] | words[w + 1] | words[w + 2] | words[w + 3]) === 0) return
    writeNode(values.bytes(ref), values.start(ref), packedHeaderBytes, out)
  },
  elements: entryRange,
  tail: writeTail,
  runs: streamRuns,
  packed(keyspace, entry, out) {
    const { entries, values } = keyspace
    const value = entries.value(entry)
    const bytes = values.bytes(value)
    const start = values.start(value)
    dumpedStream.head(keyspace, entry, out)
    if (usedBytes(bytes, start) > blobNodeOffset) writeNode(bytes, start, blobNodeOffset, out)
    writeTail(keyspace, entry, out, () => false)
  },
  builder: (parts) => new StreamBuilder(parts),
}

function streamsOf(keyspace: Keyspace): StreamType {
  if (known?.keyspace !== keyspace) known = { keyspace, streams: new CollectionTypes(keyspace, new HashOperations(keyspace)).streams }
  return known.streams
}

/** Writes the node that lies `offset` bytes behind the start of a blob or a leaf, up to the end of that. */
function writeNode(bytes: Buffer, start: number, offset: number, out: RdbOutput): void {
  const node = start + offset
  const end = start + usedBytes(bytes, start)
  const master = idRoom
  nodeMaster(bytes, node, id).write(master, 0)
  const ms = master.readBigUInt64BE(0)
  const seq = master.readBigUInt64BE(8)
  out.string(master, 0, idBytes)
  listpack.clear()
  listpack.addInteger(nodeLive(bytes, node))
  listpack.addInteger(0)
  const fields = masterFields(bytes, node)
  listpack.addInteger(fields.length)
  for (const field of fields) listpack.add(field, 0, field.length)
  listpack.addInteger(0)
  cursor.enter(bytes, node)
  while (cursor.end < end) {
    cursor.read(cursor.end)
    writeEntry(cursor, ms, seq)
  }
  listpack.finish()
  out.string(listpack.bytes, 0, listpack.end)
}

function writeEntry(entry: EntryCursor, ms: bigint, seq: bigint): void {
  const { isSame, count } = entry
  entry.id.write(wordsOfId, 0)
  listpack.addInteger(isSame ? sameFieldsFlag << 1 : 0)
  listpack.addBigInteger(BigInt.asIntN(64, wordsOfId.readBigUInt64BE(0) - ms))
  listpack.addBigInteger(BigInt.asIntN(64, wordsOfId.readBigUInt64BE(8) - seq))
  if (!isSame) listpack.addInteger(count)
  let isField = true
  for (entry.toFirstPart(); entry.nextPart(); isField = !isField) {
    if (!isField || !isSame) listpack.add(entry.bytes, entry.partStart, entry.partEnd)
  }
  listpack.addInteger(entryElements + (isSame ? count : 2 * count + 1))
}

const wordsOfId = Buffer.alloc(idBytes)

/** Writes what a stream knows of itself and its groups; what is pending in a unit only if `run` says that it has not been written. */
function writeTail(keyspace: Keyspace, entry: number, out: RdbOutput, run: WriteRun): void {
  const streams = streamsOf(keyspace)
  const meta = streams.entries.meta(entry)
  out.length(keyspace.entries.length(entry))
  writeId(out, meta.lastId(id))
  writeId(out, meta.firstId(id))
  writeId(out, meta.maxDeletedId(id))
  out.bigLength(meta.entriesAdded)
  const root = streams.rootOf(entry)
  const groups = root === 0 ? [] : placesOf((visit) => streams.groups.eachGroup(root, visit))
  out.length(groups.length)
  for (const group of groups) writeGroup(streams, root, group, out, run)
}

type WriteRun = (unit: number) => boolean

interface Named {
  readonly name: Buffer
  readonly unit: number
  readonly last: StreamId
  readonly read: bigint
  readonly seenAt: number
}

/** Copies what is known of groups, or of consumers. */
function placesOf(each: (visit: (place: NamedPlace) => void) => void, areGroups = true): Named[] {
  const found: Named[] = []
  each((place) =>
    found.push({
      name: placeName(place),
      unit: place.unit,
      last: areGroups ? groupLastId(place, new StreamId()) : new StreamId(),
      read: areGroups ? groupEntriesRead(place) : 0n,
      seenAt: areGroups ? 0 : consumerSeenAt(place),
    }),
  )
  return found
}

function writeGroup({ groups, pending }: StreamType, root: number, { name, unit, last, read }: Named, out: RdbOutput, run: WriteRun): void {
  out.string(name, 0, name.length)
  writeId(out, last)
  out.bigLength(BigInt.asUintN(64, read))
  const count = pending.count(root, unit)
  out.length(count)
  if (count > 0 && !run(unit)) {
    pending.each(root, unit, new StreamId().setMin(), (each) => {
      each.id.write(idRoom, 0)
      out.raw(idRoom, 0, idBytes)
      writeMs(out, each.deliveredAt)
      out.bigLength(each.deliveries)
      return true
    })
  }
  const consumers = placesOf((visit) => groups.eachConsumer(root, unit, visit), false)
  out.length(consumers.length)
  for (const consumer of consumers) {
    out.string(consumer.name, 0, consumer.name.length)
    writeMs(out, consumer.seenAt)
    const own = pending.count(root, consumer.unit)
    out.length(own)
    if (own === 0 || run(consumer.unit)) continue
    pending.eachOwn(root, consumer.unit, new StreamId().setMin(), (bytes, at) => {
      out.raw(bytes, at, at + idBytes)
      return true
    })
  }
}

function writeId(out: RdbOutput, from: StreamId): void {
  from.write(idRoom, 0)
  out.bigLength(idRoom.readBigUInt64BE(0))
  out.bigLength(idRoom.readBigUInt64BE(8))
}

function writeMs(out: RdbOutput, ms: number): void {
  wordRoom.writeBigInt64LE(BigInt(ms), 0)
  out.raw(wordRoom, 0, wordRoom.length)
}
