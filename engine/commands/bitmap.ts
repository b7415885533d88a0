/**
 * Strings as arrays of bits; bit 0 is the most significant bit of the first byte. Integers of any width in them are in
 * `bitfield.ts`. Counting and combining go by words of 32 bits: values lie on word boundaries in the arena.
 */
import type { EngineCommand } from '../command.ts'
import { keyAt } from '../command.ts'
import type { Execution } from '../execution.ts'
import { wrongType } from '../execution.ts'
import { valueHeaderBytes } from '../keyspace/values.ts'
import { readBitOffset, readCountRange, readSearchRange, wholeRange } from './bit-range.ts'
import { bitfieldCommands } from './bitfield.ts'
import { notAnInteger, syntaxError } from './errors.ts'
import { createEmpty } from './string-ranges.ts'

const badBit = 'ERR bit is not an integer or out of range'
const badSearchedBit = 'ERR The bit argument must be 1 or 0.'
const notOfSeveral = 'ERR BITOP NOT must be called with a single source key.'
const headerWords = valueHeaderBytes / 4
const nothing = Buffer.alloc(0)
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
    handler: bitpos,
  },
  BITOP: {
    arity: -4,
    flags: ['write', 'denyoom'],
    keys: {
      first: 2,
      last: -1,
      step: 1,
      access: [
        { first: 2, last: 0, step: 1, flags: ['OW', 'update'] },
        { first: 3, last: -1, step: 1, flags: ['RO', 'access'] },
      ],
    },
    categories: ['bitmap'],
    group: 'bitmap',
    since: '2.6.0',
    complexity: 'O(N) where N is the length of all strings',
    syntax: '<AND | OR | XOR | NOT> destkey key [key ...]',
    summary: 'Combines strings bit by bit.',
    handler: bitop,
  },
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
  reply.integer(range.from > range.to ? 0 : countBits(x, entry, range.from, range.to))
}

/** Set bits from bit `from` to bit `to`, both included. */
function countBits(x: Execution, entry: number, from: number, to: number): number {
  const bytes = x.stringBytes(entry)
  const start = x.stringStart(entry)
  const first = Math.floor(from / 8)
  const last = Math.floor(to / 8)
  const firstMask = 0xff >> (from % 8)
  const lastMask = (0xff00 >> ((to % 8) + 1)) & 0xff
  if (first === last) return onesIn(bytes[start + first] & firstMask & lastMask)
  let count = onesIn(bytes[start + first] & firstMask) + onesIn(bytes[start + last] & lastMask)
  let at = first + 1
  for (; at < last && at % 4 !== 0; at++) count += onesIn(bytes[start + at])
  const { arena, entries } = x.keyspace
  const value = entries.value(entry)
  const words = arena.words(value)
  const wordsAt = arena.wordAt(value) + headerWords
  const wordEnd = wordsAt + Math.floor(last / 4)
  if (at < last) {
    for (let word = wordsAt + at / 4; word < wordEnd; word++) count += onesIn(words[word])
    at = Math.max(at, Math.floor(last / 4) * 4)
  }
  for (; at < last; at++) count += onesIn(bytes[start + at])
  return count
}

/** Set bits of a 32-bit word, by summing neighbours in parallel ("Hacker's Delight", 5-1). */
function onesIn(word: number): number {
  let sums = word - ((word >>> 1) & 0x55555555)
  sums = (sums & 0x33333333) + ((sums >>> 2) & 0x33333333)
  return Math.imul((sums + (sums >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24
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
  const position = findBit(x.stringBytes(entry), x.stringStart(entry), from, to, bit)
  // Without an end the string counts as padded with clear bits for ever.
  reply.integer(position < 0 && bit === 0 && args.count < 5 ? to + 1 : position)
}

/** The first bit from `from` to `to`, both included, that is `bit`; -1 for none. */
function findBit(bytes: Buffer, start: number, from: number, to: number, bit: 0 | 1): number {
  const last = start + Math.floor(to / 8)
  const passed = bit === 1 ? 0x00 : 0xff
  let at = start + Math.floor(from / 8)
  let candidates = (bytes[at] ^ passed) & (0xff >> (from % 8))
  while (candidates === 0 && at < last) {
    at++
    while (at < last && bytes[at] === passed) at++
    candidates = bytes[at] ^ passed
  }
  if (candidates === 0) return -1
  const position = (at - start) * 8 + Math.clz32(candidates) - 24
  return position <= to ? position : -1
}

type Operation = 'AND' | 'OR' | 'XOR' | 'NOT'

function bitop(x: Execution): void {
  const { args, reply } = x
  const operation = readOperation(x)
  if (operation === undefined) return
  const sources: number[] = []
  let length = 0
  for (let i = 3; i < args.count; i++) {
    const entry = x.readString(i)
    if (entry === wrongType) return
    sources.push(entry)
    if (entry !== 0) length = Math.max(length, x.keyspace.entries.length(entry))
  }
  if (length === 0) x.delete(2)
  else {
    const result = combine(x, operation, sources, length)
    // Nothing appended makes the result `raw`, as in Redis.
    x.mutator.append(x.putString(2, result, 0, length, 0), nothing, 0, 0)
  }
  reply.integer(length)
}

function readOperation(x: Execution): Operation | undefined {
  const { args, reply } = x
  if (args.is(1, 'AND')) return 'AND'
  if (args.is(1, 'OR')) return 'OR'
  if (args.is(1, 'XOR')) return 'XOR'
  if (!args.is(1, 'NOT')) reply.error(syntaxError)
  else if (args.count !== 4) reply.error(notOfSeveral)
  else return 'NOT'
  return undefined
}

/** The sources combined, shorter ones padded with clear bits to `length` bytes. A source of 0 is an empty string. */
function combine(x: Execution, operation: Operation, sources: readonly number[], length: number): Uint8Array {
  const { entries, arena } = x.keyspace
  const words = new Uint32Array(Math.ceil(length / 4))
  const bytes = new Uint8Array(words.buffer)
  for (let i = 0; i < sources.length; i++) {
    const source = sources[i]
    const sourceLength = source === 0 ? 0 : entries.length(source)
    if (i === 0) {
      if (source !== 0) bytes.set(x.stringBytes(source).subarray(x.stringStart(source), x.stringEnd(source)))
      continue
    }
    const whole = Math.floor(sourceLength / 4)
    if (whole > 0) {
      const value = entries.value(source)
      combineWords(operation, words, arena.words(value), arena.wordAt(value) + headerWords, whole)
    }
    for (let at = whole * 4; at < sourceLength; at++) {
      const byte = x.stringBytes(source)[x.stringStart(source) + at]
      bytes[at] = operation === 'AND' ? bytes[at] & byte : operation === 'OR' ? bytes[at] | byte : bytes[at] ^ byte
    }
    if (operation === 'AND') bytes.fill(0, sourceLength)
  }
  if (operation === 'NOT') for (let i = 0; i < words.length; i++) words[i] = ~words[i]
  return bytes
}

function combineWords(operation: Operation, into: Uint32Array, from: Uint32Array, start: number, count: number): void {
  if (operation === 'AND') for (let i = 0; i < count; i++) into[i] &= from[start + i]
  else if (operation === 'OR') for (let i = 0; i < count; i++) into[i] |= from[start + i]
  else for (let i = 0; i < count; i++) into[i] ^= from[start + i]
}
