/** Commands that add entries to streams and take them out: XADD, XDEL, XTRIM, XSETID, XLEN. Texts and rules as in Redis 7.0. */
import type { EngineCommand } from '../command.ts'
import { keyAt } from '../command.ts'
import type { Execution } from '../execution.ts'
import { wrongType } from '../execution.ts'
import { streamType } from '../keyspace/entries.ts'
import { streamEvent } from '../messages.ts'
import { NodePlace } from '../types/stream-entries.ts'
import { StreamId } from '../types/stream-id.ts'
import { nodeCount, nodeListpackBytes } from '../types/stream-node.ts'
import { appendEdit, beginsNode, deleteEdit, hasSeed, setEdit } from '../types/stream-type.ts'
import { noSuchKey, notAnInteger, syntaxError, wrongArgumentCount } from './errors.ts'
import { lastEntryId, putId, putUint64, readStrictId, replyId, streamsOf } from './stream-arguments.ts'
import { streamClaimCommands } from './stream-claim.ts'
import { streamGroupCommands } from './stream-group.ts'
import { streamInfoCommands } from './stream-info.ts'
import { wantsEntries, wantsLastNode, wantsTrimmedNodes } from './stream-needs.ts'
import { streamPendingCommands } from './stream-pending.ts'
import { streamRangeCommands } from './stream-range.ts'
import { streamReadCommands } from './stream-read.ts'
import { noTrimOptions, readTrimOptions, trimStream } from './stream-trim.ts'

const about = { categories: ['stream'], group: 'stream', since: '5.0.0' } as const

export const streamCommands = {
  XADD: {
    ...about,
    arity: -5,
    flags: ['write', 'denyoom', 'fast'],
    keys: keyAt(1, 'RW', 'update'),
    complexity: 'O(1) when adding an entry, O(N) when trimming where N is the number of entries that go',
    syntax: 'key [NOMKSTREAM] [<MAXLEN | MINID> [= | ~] threshold [LIMIT count]] <* | id> field value [field value ...]',
    summary: 'Appends an entry to a stream.',
    needs: wantsLastNode,
    handler: xadd,
  },
  XDEL: {
    ...about,
    arity: -3,
    flags: ['write', 'fast'],
    keys: keyAt(1, 'RW', 'delete'),
    complexity: 'O(1) for each entry',
    syntax: 'key id [id ...]',
    summary: 'Deletes entries of a stream, and returns how many there were.',
    needs: wantsEntries,
    handler: xdel,
  },
  XTRIM: {
    ...about,
    arity: -4,
    flags: ['write'],
    keys: keyAt(1, 'RW', 'delete'),
    complexity: 'O(N) where N is the number of entries that go',
    syntax: 'key <MAXLEN | MINID> [= | ~] threshold [LIMIT count]',
    summary: 'Removes the oldest entries of a stream.',
    needs: wantsTrimmedNodes,
    handler: xtrim,
  },
  XSETID: {
    ...about,
    arity: -3,
    flags: ['write', 'denyoom', 'fast'],
    keys: keyAt(1, 'RW', 'update'),
    complexity: 'O(1)',
    syntax: 'key last-id [ENTRIESADDED entries-added] [MAXDELETEDID max-deleted-id]',
    summary: 'Sets the last id of a stream, for who restores one.',
    needs: wantsLastNode,
    handler: xsetid,
  },
  XLEN: {
    ...about,
    arity: 2,
    flags: ['readonly', 'fast'],
    keys: keyAt(1, 'RO'),
    complexity: 'O(1)',
    syntax: 'key',
    summary: 'Returns the number of entries of a stream.',
    needs: 'none',
    handler: xlen,
  },
  ...streamRangeCommands,
  ...streamReadCommands,
  ...streamGroupCommands,
  ...streamPendingCommands,
  ...streamClaimCommands,
  ...streamInfoCommands,
} as const satisfies Record<string, EngineCommand>

/** A node is not larger, whatever `stream-node-max-bytes` allows: it is read and written as one leaf. */
const nodeBytesMax = 64 * 1024
const elementsBytesMax = 2 ** 30

const options = noTrimOptions()
const id = new StreamId()
const last = new StreamId()
const other = new StreamId()
const place = new NodePlace()

function xadd(x: Execution): void {
  const { args, reply } = x
  const idAt = readTrimOptions(x, options, true)
  if (idAt < 0) return
  const first = idAt + 1
  if (args.count - first < 2 || (args.count - first) % 2 === 1) {
    reply.error(wrongArgumentCount('xadd'))
    return
  }
  if (options.hasId && !options.opensSequence && options.id.isZero) {
    reply.error('ERR The ID specified in XADD must be greater than 0-0')
    return
  }
  const entry = x.findType(1, streamType)
  if (entry === wrongType) return
  if (entry === 0 && options.makesNone) {
    reply.nil()
    return
  }
  if (entry === 0) last.setMin()
  else streamsOf(x).entries.meta(entry).lastId(last)
  if (!chooseId(x)) return
  const bytes = elementsBytes(x, first)
  if (bytes > elementsBytesMax) {
    reply.error('ERR Elements are too large to be stored')
    return
  }
  append(x, entry, first, bytes)
  replyId(reply, id)
  x.notify(streamEvent, 'xadd', 1)
  if (options.strategy !== 'none') trimStream(x, x.findType(1, streamType), options)
}

/** Sets `id` to the new entry's, behind `last`; false when the error is written. */
function chooseId(x: Execution): boolean {
  const { reply } = x
  if (last.seqLow === 0xffffffff && last.compare(other.setMax()) === 0) {
    reply.error('ERR The stream has exhausted the last possible ID, unable to add more items')
    return false
  }
  if (!options.hasId) {
    id.setNumbers(x.now, 0)
    if (id.compare(last) <= 0) id.copy(last).increment()
    return true
  }
  id.copy(options.id)
  if (options.opensSequence && id.msLow === last.msLow && id.msHigh === last.msHigh) {
    if (last.seqLow === 0xffffffff && last.seqHigh === 0xffffffff) id.copy(last)
    else id.copy(last).increment()
  }
  if (id.compare(last) > 0) return true
  reply.error('ERR The ID specified in XADD is equal or smaller than the target stream top item')
  return false
}

function elementsBytes({ args }: Execution, first: number): number {
  let bytes = 0
  for (let i = first; i < args.count; i++) bytes += args.ends[i] - args.starts[i]
  return bytes
}

function append(x: Execution, entry: number, first: number, bytes: number): void {
  const { args } = x
  const begins = entry !== 0 && beginsOne(x, entry, bytes)
  const grows = begins && !x.keyspace.entries.isTree(entry)
  const payload = x.mutator.payload()
  payload.byte((begins ? beginsNode : 0) | (grows ? hasSeed : 0))
  if (grows) payload.u32(x.random.nextUint32())
  putId(payload, id)
  payload.varint((args.count - first) / 2)
  for (let i = first; i < args.count; i++) payload.range(args.buffer, args.starts[i], args.ends[i])
  x.edit(streamsOf(x), appendEdit, 1)
}

/** Whether Redis would begin a node for an entry with so many bytes in fields and values. */
function beginsOne(x: Execution, entry: number, bytes: number): boolean {
  if (!streamsOf(x).entries.lastNode(entry, place)) return false
  const { streamNodeMaxBytes, streamNodeMaxEntries } = x.limits
  const limit = streamNodeMaxBytes === 0 ? nodeBytesMax : Math.min(streamNodeMaxBytes, nodeBytesMax)
  if (nodeListpackBytes(place.bytes, place.start) + bytes >= limit) return true
  return streamNodeMaxEntries > 0 && nodeCount(place.bytes, place.start) >= streamNodeMaxEntries
}

function xdel(x: Execution): void {
  const { args, reply } = x
  const entry = x.findType(1, streamType)
  if (entry === wrongType) return
  if (entry === 0) {
    reply.integer(0)
    return
  }
  const { entries } = streamsOf(x)
  const found: StreamId[] = []
  for (let i = 2; i < args.count; i++) {
    const each = new StreamId()
    if (!readStrictId(x, i, each)) return
    if (i === 2 ? entries.has(entry, each) : entries.hasNext(entry, each)) found.push(each)
  }
  if (found.length === 0) {
    reply.integer(0)
    return
  }
  const payload = x.mutator.payload()
  payload.varint(found.length)
  for (const each of found) putId(payload, each)
  const deleted = x.edit(streamsOf(x), deleteEdit, 1)
  x.notify(streamEvent, 'xdel', 1)
  reply.integer(deleted)
}

function xtrim(x: Execution): void {
  if (readTrimOptions(x, options, false) < 0) return
  const entry = x.findType(1, streamType)
  if (entry === wrongType) return
  x.reply.integer(entry === 0 ? 0 : trimStream(x, entry, options))
}

const unsetCount = -1n

function xsetid(x: Execution): void {
  const { args, reply } = x
  let added = unsetCount
  let hasDeleted = false
  if (!readStrictId(x, 2, id)) return
  for (let i = 3; i < args.count; i += 2) {
    if (i + 1 < args.count && args.is(i, 'ENTRIESADDED')) {
      const value = args.bigInteger(i + 1)
      if (value === undefined) {
        reply.error(notAnInteger)
        return
      }
      if (value < 0n) {
        reply.error('ERR entries_added must be positive')
        return
      }
      added = value
    } else if (i + 1 < args.count && args.is(i, 'MAXDELETEDID')) {
      if (!readStrictId(x, i + 1, other)) return
      hasDeleted = true
      if (id.compare(other) < 0) {
        reply.error('ERR The ID specified in XSETID is smaller than the provided max_deleted_entry_id')
        return
      }
    } else {
      reply.error(syntaxError)
      return
    }
  }
  const entry = x.findType(1, streamType)
  if (entry === wrongType) return
  if (entry === 0) {
    reply.error(noSuchKey)
    return
  }
  const { entries } = streamsOf(x)
  const length = x.keyspace.entries.length(entry)
  const meta = entries.meta(entry)
  if (!hasDeleted) meta.maxDeletedId(other)
  const hadAdded = meta.entriesAdded
  if (length > 0 && lastEntryId(x, entry, last) && id.compare(last) < 0) {
    reply.error('ERR The ID specified in XSETID is smaller than the target stream top item')
    return
  }
  if (added === unsetCount) added = hadAdded
  else if (length > 0 && added < BigInt(length)) {
    reply.error('ERR The entries_added specified in XSETID is smaller than the target stream length')
    return
  }
  const payload = x.mutator.payload()
  putId(payload, id)
  putId(payload, other)
  putUint64(payload, added)
  x.edit(streamsOf(x), setEdit, 1)
  reply.ok()
  x.notify(streamEvent, 'xsetid', 1)
}

function xlen(x: Execution): void {
  const entry = x.readType(1, streamType)
  if (entry !== wrongType) x.reply.integer(entry === 0 ? 0 : x.keyspace.entries.length(entry))
}
