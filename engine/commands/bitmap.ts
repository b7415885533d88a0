/**
 * Strings as arrays of bits; bit 0 is the most significant bit of the first byte. Integers of any width in them are in
 * `bitfield.ts`, combining whole strings is in `bitop.ts`.
 */
import type { EngineCommand } from '../command.ts'
import { keyAt } from '../command.ts'
import type { Execution } from '../execution.ts'
import { wrongType } from '../execution.ts'
import { stringEvent } from '../messages.ts'
import { countBitsOf, findBitOf, stageBits } from './bit-blocks.ts'
import { countRange, readBitOffset, readCountRange, readSearchRange, searchRange, wholeRange } from './bit-range.ts'
import { bitfieldCommands } from './bitfield.ts'
import { bitopCommands } from './bitop.ts'
import { notAnInteger, syntaxError } from './errors.ts'
import { stageWrite } from './stage-write.ts'
import { createEmpty } from './string-ranges.ts'

const badBit = 'ERR bit is not an integer or out of range'
const badSearchedBit = 'ERR The bit argument must be 1 or 0.'
const oneByte = Buffer.alloc(1)

export const bitmapCommands = {
  SETBIT: {
    arity: 4,
    flags: ['write', 'denyoom'],
    keys: keyAt(1, 'RW', 'access', 'update'),
    categories: ['bitmap'],
    group: 'bitmap',
    since: '2.2.0',
    complexity: 'O(1)',
    syntax: 'key offset value',
    summary: 'Sets or clears a bit and returns what it was.',
    stages: (x) => stageWrite(x, () => Math.floor(x.args.integer(2) / 8), 1),
    handler: setbit,
  },
  GETBIT: {
    arity: 3,
    flags: ['readonly', 'fast'],
    keys: keyAt(1, 'RO', 'access'),
    categories: ['bitmap'],
    group: 'bitmap',
    since: '2.2.0',
    complexity: 'O(1)',
    syntax: 'key offset',
    summary: 'Returns a bit.',
    handler: getbit,
  },
  BITCOUNT: {
    arity: -2,
    flags: ['readonly'],
    keys: keyAt(1, 'RO', 'access'),
    categories: ['bitmap'],
    group: 'bitmap',
    since: '2.6.0',
    complexity: 'O(N) where N is the length of the range',
    syntax: 'key [start end [BYTE | BIT]]',
    summary: 'Counts the bits that are set.',
    stages: (x) => stageBits(x, (length) => countRange(x, length)),
    handler: bitcount,
  },
  BITPOS: {
    arity: -3,
    flags: ['readonly'],
    keys: keyAt(1, 'RO', 'access'),
    categories: ['bitmap'],
    group: 'bitmap',
    since: '2.8.7',
    complexity: 'O(N) where N is the length of the range',
    syntax: 'key bit [start [end [BYTE | BIT]]]',
    summary: 'Finds the first bit that is set, or clear.',
    stages: (x) => stageBits(x, (length) => searchRange(x, length), x.args.integer(2) === 1 ? 1 : 0),
    handler: bitpos,
  },
  ...bitopCommands,
  ...bitfieldCommands,
} as const satisfies Record<string, EngineCommand>

function setbit(x: Execution): void {
  const { reply, mutator, keyspace } = x
  const offset = readBitOffset(x, 2)
  if (offset < 0) return
  const bit = x.args.integer(3)
  if (bit !== 0 && bit !== 1) {
    reply.error(badBit)
    return
  }
  const entry = x.findString(1)
  if (entry === wrongType) return
  const at = Math.floor(offset / 8)
  const mask = 0x80 >> (offset % 8)
  const isInside = entry !== 0 && at < keyspace.entries.length(entry)
  const before = isInside ? x.stringBytes(entry)[x.stringStart(entry) + at] : 0
  const wasSet = (before & mask) !== 0
  if (!isInside || wasSet !== (bit === 1)) {
    oneByte[0] = bit === 1 ? before | mask : before & ~mask
    mutator.setRange(entry === 0 ? createEmpty(x, at + 1) : entry, at, oneByte, 0, 1)
    x.notify(stringEvent, 'setbit', 1)
  } else mutator.markRaw(entry)
  reply.integer(wasSet ? 1 : 0)
}

function getbit(x: Execution): void {
  const offset = readBitOffset(x, 2)
  if (offset < 0) return
  const entry = x.readString(1)
  if (entry === wrongType) return
  const at = Math.floor(offset / 8)
  const isInside = entry !== 0 && at < x.keyspace.entries.length(entry)
  x.reply.integer(isInside && (x.stringBytes(entry)[x.stringStart(entry) + at] & (0x80 >> (offset % 8))) !== 0 ? 1 : 0)
}

function bitcount(x: Execution): void {
  const { args, reply } = x
  const entry = x.readString(1)
  if (entry === wrongType) return
  if (entry === 0) {
    reply.integer(0)
    return
  }
  if (args.count === 3 || args.count > 5) {
    reply.error(syntaxError)
    return
  }
  const length = x.keyspace.entries.length(entry)
  const range = args.count === 2 ? wholeRange(length) : readCountRange(x, length)
  if (range === undefined) return
  reply.integer(range.from > range.to ? 0 : countBitsOf(x, entry, range.from, range.to))
}

function bitpos(x: Execution): void {
  const { args, reply } = x
  const bit = args.integer(2)
  if (bit !== 0 && bit !== 1) {
    reply.error(Number.isNaN(bit) && !args.isInt64(2) ? notAnInteger : badSearchedBit)
    return
  }
  const entry = x.readString(1)
  if (entry === wrongType) return
  if (entry === 0) {
    reply.integer(bit === 1 ? -1 : 0)
    return
  }
  if (args.count > 6) {
    reply.error(syntaxError)
    return
  }
  const length = x.keyspace.entries.length(entry)
  const range = args.count === 3 ? wholeRange(length) : readSearchRange(x, length)
  if (range === undefined) return
  const { from, to } = range
  if (from > to) {
    reply.integer(-1)
    return
  }
  const position = findBitOf(x, entry, from, to, bit)
  // Without an end the string counts as padded with clear bits for ever.
  reply.integer(position < 0 && bit === 0 && args.count < 5 ? to + 1 : position)
}
