/** Parts of strings: appending, overwriting, cutting out. What was changed in place is `raw` to OBJECT ENCODING, as in Redis. */
import type { EngineCommand } from '../command.ts'
import { keyAt } from '../command.ts'
import type { Execution } from '../execution.ts'
import { wrongType } from '../execution.ts'
import { stringEvent } from '../messages.ts'
import { keepTtl } from '../mutation/string-operations.ts'
import { notAnInteger, stringTooLong } from './errors.ts'
import { stageWrite } from './stage-write.ts'

const offsetOutOfRange = 'ERR offset is out of range'
const nothing = Buffer.alloc(0)
/** As in Execution: replies at least this long refer to the value instead of copying it. */
const sharedBytesMin = 32 * 1024

const range = {
  arity: 4,
  flags: ['readonly'],
  keys: keyAt(1, 'RO', 'access'),
  categories: ['string'],
  group: 'string',
  complexity: 'O(N) where N is the length of the part',
  syntax: 'key start end',
  handler: getrange,
} as const

export const stringRangeCommands = {
  APPEND: {
    arity: 3,
    flags: ['write', 'denyoom', 'fast'],
    keys: keyAt(1, 'RW', 'insert'),
    categories: ['string'],
    group: 'string',
    since: '2.0.0',
    complexity: 'O(1) amortized, for small appended values',
    syntax: 'key value',
    summary: 'Appends to a string.',
    stages: (x) => stageWrite(x, (length) => length, x.args.length(2)),
    handler: append,
  },
  STRLEN: {
    arity: 2,
    flags: ['readonly', 'fast'],
    keys: keyAt(1, 'RO'),
    categories: ['string'],
    group: 'string',
    since: '2.2.0',
    complexity: 'O(1)',
    syntax: 'key',
    summary: 'Returns the length of a string.',
    needs: 'none',
    handler: strlen,
  },
  SETRANGE: {
    arity: 4,
    flags: ['write', 'denyoom'],
    keys: keyAt(1, 'RW', 'update'),
    categories: ['string'],
    group: 'string',
    since: '2.2.0',
    complexity: 'O(M) where M is the length of the value',
    syntax: 'key offset value',
    summary: 'Overwrites a part of a string.',
    stages: (x) => stageWrite(x, () => x.args.integer(2), x.args.length(3)),
    handler: setrange,
  },
  GETRANGE: { ...range, since: '2.4.0', summary: 'Returns a part of a string.' },
  SUBSTR: { ...range, since: '1.0.0', summary: 'Returns a part of a string: the old name of GETRANGE.' },
} as const satisfies Record<string, EngineCommand>

function append(x: Execution): void {
  const entry = x.findString(1)
  if (entry === wrongType) return
  const { args, reply } = x
  const added = args.length(2)
  const length = entry === 0 ? 0 : x.keyspace.entries.length(entry)
  if (length + added > x.limits.protoMaxBulkBytes) {
    reply.error(stringTooLong)
    return
  }
  if (entry === 0) x.putString(1, args.buffer, args.start(2), args.end(2), 0)
  else x.mutator.append(entry, args.buffer, args.start(2), args.end(2))
  x.notify(stringEvent, 'append', 1)
  reply.integer(length + added)
}

function strlen(x: Execution): void {
  const entry = x.readString(1)
  if (entry !== wrongType) x.reply.integer(entry === 0 ? 0 : x.keyspace.entries.length(entry))
}

function setrange(x: Execution): void {
  const { args, reply } = x
  const offset = readPosition(x, 2)
  if (Number.isNaN(offset)) return
  if (offset < 0) {
    reply.error(offsetOutOfRange)
    return
  }
  const entry = x.findString(1)
  if (entry === wrongType) return
  const length = entry === 0 ? 0 : x.keyspace.entries.length(entry)
  const added = args.length(3)
  if (added === 0) {
    reply.integer(length)
    return
  }
  if (offset + added > x.limits.protoMaxBulkBytes) {
    reply.error(stringTooLong)
    return
  }
  x.mutator.setRange(entry === 0 ? createEmpty(x, offset + added) : entry, offset, args.buffer, args.start(3), args.end(3))
  x.notify(stringEvent, 'setrange', 1)
  reply.integer(Math.max(length, offset + added))
}

/** Makes the missing key that is argument 1 an empty string, to be written into up to `length` bytes. Returns the entry. */
export function createEmpty(x: Execution, length: number): number {
  x.mutator.reserveString(0, length)
  return x.putString(1, nothing, 0, 0, keepTtl)
}

function getrange(x: Execution): void {
  const start = readPosition(x, 2)
  if (Number.isNaN(start)) return
  const end = readPosition(x, 3)
  if (Number.isNaN(end)) return
  const entry = x.readString(1)
  if (entry === wrongType) return
  const length = entry === 0 ? 0 : x.keyspace.entries.length(entry)
  const from = Math.max(0, start < 0 ? length + start : start)
  const to = Math.min(Math.max(0, end < 0 ? length + end : end), length - 1)
  if (from > to || isBackward(x, 2, start, end)) x.reply.text('')
  else replyPart(x, entry, from, to + 1)
}

function replyPart(x: Execution, entry: number, from: number, to: number): void {
  const { entries, values, arena } = x.keyspace
  const value = entries.value(entry)
  const start = values.start(value)
  if (to - from >= sharedBytesMin && arena.isLarge(value)) {
    values.share(value)
    x.reply.bulkShared(values.bytes(value), start + from, start + to)
  } else x.reply.bulk(values.bytes(value), start + from, start + to)
}

/**
 * Argument `index` as a position in a string, which is a 64-bit integer: beyond ±(2^53 − 1) it is as good as infinite.
 * NaN when it is none; the error is then written.
 */
export function readPosition(x: Execution, index: number): number {
  const position = x.args.integer(index)
  if (!Number.isNaN(position)) return position
  if (x.args.isInt64(index)) return x.args.buffer[x.args.start(index)] === 0x2d ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY
  x.reply.error(notAnInteger)
  return Number.NaN
}

/** Whether both positions, of argument `index` and the next, count from the end and the first is the later: an empty range wherever they lie. */
export function isBackward(x: Execution, index: number, start: number, end: number): boolean {
  if (start >= 0 || end >= 0) return false
  if (start !== end || start !== Number.NEGATIVE_INFINITY) return start > end
  return (x.args.bigInteger(index) as bigint) > (x.args.bigInteger(index + 1) as bigint)
}
