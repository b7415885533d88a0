/**
 * Trimming: options of XADD and XTRIM, and up to where a stream goes. An exact trim goes entry by entry, one with `~` node by node,
 * where nodes are what Redis would have (`types/stream-node.ts`).
 */
import type { EngineLimits } from '../engine-limits.ts'
import type { Execution } from '../execution.ts'
import { streamEvent } from '../messages.ts'
import { LeafRow } from '../tree/tree-shape.ts'
import { NodePlace } from '../types/stream-entries.ts'
import { opensSequence, StreamId } from '../types/stream-id.ts'
import { EntryCursor, entriesAt, nodeLive, nodeTail } from '../types/stream-node.ts'
import { trimEdit } from '../types/stream-type.ts'
import { syntaxError } from './errors.ts'
import { greatestId, putId, readCount, readStrictId, streamsOf } from './stream-arguments.ts'

export interface TrimOptions {
  strategy: 'none' | 'length' | 'id'
  approximate: boolean
  lengthMax: number
  readonly least: StreamId
  /** 0: none. */
  limit: number
  makesNone: boolean
  /** Of XADD: whether there is an id, and whether its sequence number is left open. */
  hasId: boolean
  opensSequence: boolean
  readonly id: StreamId
}

export function noTrimOptions(): TrimOptions {
  return {
    strategy: 'none',
    approximate: false,
    lengthMax: 0,
    least: new StreamId(),
    limit: 0,
    makesNone: false,
    hasId: false,
    opensSequence: false,
    id: new StreamId(),
  }
}

const incompatible = 'ERR syntax error, MAXLEN and MINID options at the same time are not compatible'

/** Options from argument 2 on. Returns the argument behind them, -1 when the error is written. */
export function readTrimOptions(x: Execution, into: TrimOptions, isAdd: boolean): number {
  const { args, reply } = x
  into.strategy = 'none'
  into.approximate = into.makesNone = into.hasId = false
  into.limit = 0
  let limitGiven = false
  let i = 2
  for (; i < args.count; i++) {
    const more = args.count - 1 - i
    if (isAdd && args.is(i, '*')) break
    const isLength = more > 0 && args.is(i, 'MAXLEN')
    if (isLength || (more > 0 && args.is(i, 'MINID'))) {
      if (into.strategy !== 'none') return refused(x, incompatible)
      into.approximate = more >= 2 && args.is(i + 1, '~')
      if (into.approximate || (more >= 2 && args.is(i + 1, '='))) i++
      i++
      if (isLength) {
        into.lengthMax = readCount(x, i)
        if (Number.isNaN(into.lengthMax)) return -1
        if (into.lengthMax < 0) return refused(x, 'ERR The MAXLEN argument must be >= 0.')
      } else if (!readStrictId(x, i, into.least)) return -1
      into.strategy = isLength ? 'length' : 'id'
    } else if (more > 0 && args.is(i, 'LIMIT')) {
      i++
      into.limit = readCount(x, i)
      if (Number.isNaN(into.limit)) return -1
      if (into.limit < 0) return refused(x, 'ERR The LIMIT argument must be >= 0.')
      limitGiven = true
    } else if (isAdd && args.is(i, 'NOMKSTREAM')) into.makesNone = true
    else if (isAdd) {
      if (!readStrictId(x, i, into.id, 'first', true)) return -1
      into.hasId = true
      into.opensSequence = opensSequence()
      break
    } else {
      reply.error(syntaxError)
      return -1
    }
  }
  return checkLimit(x, into, isAdd, limitGiven) ? i : -1
}

function refused(x: Execution, text: string): number {
  x.reply.error(text)
  return -1
}

/** What the options say together; false when the error is written. */
function checkLimit(x: Execution, options: TrimOptions, isAdd: boolean, limitGiven: boolean): boolean {
  const { reply, limits } = x
  if (options.limit > 0 && options.strategy === 'none') {
    reply.error('ERR syntax error, LIMIT cannot be used without specifying a trimming strategy')
    return false
  }
  if (!isAdd && options.strategy === 'none') {
    reply.error('ERR syntax error, XTRIM must be called with either MAXLEN or MINID')
    return false
  }
  if (limitGiven && !options.approximate) {
    reply.error('ERR syntax error, LIMIT cannot be used without the special ~ option')
    return false
  }
  if (!limitGiven && options.approximate) options.limit = defaultTrimLimit(limits)
  return true
}

/** What a trim with `~` removes at most if nobody says. */
export function defaultTrimLimit({ streamNodeMaxEntries }: Readonly<EngineLimits>): number {
  const limit = 100 * streamNodeMaxEntries
  return limit <= 0 ? 10_000 : Math.min(limit, 1_000_000)
}

const place = new NodePlace()
const row = new LeafRow()
const bound = new StreamId()
const tail = new StreamId()
const cursor = new EntryCursor()

/** Trims the stream under the key that is argument 1. Returns how many entries have gone. */
export function trimStream(x: Execution, entry: number, options: TrimOptions): number {
  if (options.strategy === 'none' || !findBound(x, entry, options)) return 0
  const payload = x.mutator.payload()
  payload.byte(bound.compare(greatestId) === 0 ? 1 : 0)
  putId(payload, bound)
  const trimmed = x.edit(streamsOf(x), trimEdit, 1)
  if (trimmed > 0) x.notify(streamEvent, 'xtrim', 1)
  return trimmed
}

/** Sets `bound` to the id before which everything goes, the greatest for all; false when nothing goes. */
function findBound(x: Execution, entry: number, options: TrimOptions): boolean {
  const { entries } = streamsOf(x)
  const { keyspace } = x
  const isTree = keyspace.entries.isTree(entry)
  const { trees } = keyspace
  const length = keyspace.entries.length(entry)
  let left = length
  let removed = 0
  if (!entries.locateFirst(entry, row)) return false
  for (;;) {
    if (options.strategy === 'length' && left <= options.lengthMax) break
    const count = isTree ? trees.nodes.count(row.node, row.row) : length
    if (options.limit > 0 && removed + count > options.limit) break
    if (!takesNode(x, entry, options, left - count)) {
      if (options.approximate) break
      return takesPart(options, left) || removed > 0
    }
    left -= count
    removed += count
    if (!isTree || !entries.moveOn(row)) {
      bound.copy(greatestId)
      return true
    }
  }
  if (removed === 0) return false
  entries.separatorId(row, bound)
  return true
}

/** Whether the node at `row` goes as a whole, which would leave so many entries. */
function takesNode(x: Execution, entry: number, options: TrimOptions, leaves: number): boolean {
  const { entries } = streamsOf(x)
  const isTree = x.keyspace.entries.isTree(entry)
  if (options.strategy === 'length') {
    if (leaves >= options.lengthMax) return true
    if (!options.approximate) entries.openRow(entry, row, place)
    return false
  }
  if (isTree && entries.isBefore(row, options.least)) return true
  entries.openRow(entry, row, place)
  return nodeTail(place.bytes, place.start, tail).compare(options.least) < 0
}

/** Sets `bound` to the first entry that stays of the node at `place`; false if that is its first. */
function takesPart(options: TrimOptions, left: number): boolean {
  const { bytes, start } = place
  cursor.enter(bytes, start)
  let rest = left
  let live = nodeLive(bytes, start)
  let at = entriesAt(bytes, start)
  for (; live > 0; live--, at = cursor.end) {
    cursor.read(at)
    const goes = options.strategy === 'length' ? rest > options.lengthMax : cursor.id.compare(options.least) < 0
    if (!goes) break
    rest--
  }
  if (live > 0) bound.copy(cursor.id)
  else bound.copy(cursor.id).increment()
  return rest < left
}
