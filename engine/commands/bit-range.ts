/** Offsets and ranges of bits in arguments, with Redis's errors. */
import type { Execution } from '../execution.ts'
import { parseInteger } from '../integer.ts'
import { syntaxError } from './errors.ts'
import { isBackward, readPosition } from './string-ranges.ts'

const badOffset = 'ERR bit offset is not an integer or out of range'

/** Bits from `from` to `to`, both included; empty when `from` is the larger. */
export interface BitRange {
  readonly from: number
  readonly to: number
}

const emptyRange: BitRange = { from: 0, to: -1 }

export function wholeRange(bytes: number): BitRange {
  return { from: 0, to: bytes * 8 - 1 }
}

/** Argument `index` as an offset in bits; -1 when it is none, the error being written. */
export function readBitOffset(x: Execution, index: number): number {
  return checkedOffset(x, x.args.integer(index))
}

/** As `readBitOffset`; `#3` is the offset of the fourth of many fields of so many bits. */
export function readFieldOffset(x: Execution, index: number, bits: number): number {
  const { args } = x
  const start = args.start(index)
  const isRank = args.length(index) > 0 && args.buffer[start] === 0x23
  return checkedOffset(x, isRank ? parseInteger(args.buffer, start + 1, args.end(index)) * bits : args.integer(index))
}

function checkedOffset(x: Execution, offset: number): number {
  if (offset >= 0 && Math.floor(offset / 8) < x.limits.protoMaxBulkBytes) return offset
  x.reply.error(badOffset)
  return -1
}

/** BITCOUNT's arguments start, end and unit, from 2 on, as a range of a string of so many bytes. Undefined when they are wrong; the error is then written. */
export function readCountRange(x: Execution, bytes: number): BitRange | undefined {
  const start = readPosition(x, 2)
  if (Number.isNaN(start)) return undefined
  const end = readPosition(x, 3)
  if (Number.isNaN(end)) return undefined
  if (isBackward(x, 2, start, end)) return emptyRange
  return isUnit(x, 4) ? rangeOf(start, end, x.args.count > 4 && x.args.is(4, 'BIT'), bytes) : undefined
}

/** BITPOS's arguments start, end and unit, from 3 on; without an end the string's counts. The unit is checked before the end. */
export function readSearchRange(x: Execution, bytes: number): BitRange | undefined {
  const { args } = x
  const start = readPosition(x, 3)
  if (Number.isNaN(start) || !isUnit(x, 5)) return undefined
  const end = args.count > 4 ? readPosition(x, 4) : -1
  return Number.isNaN(end) ? undefined : rangeOf(start, end, args.count > 5 && args.is(5, 'BIT'), bytes)
}

/** BITCOUNT's range without a word about wrong arguments: it may be none of numbers. */
export function countRange({ args }: Execution, bytes: number): BitRange {
  return args.count < 4 ? wholeRange(bytes) : rangeOf(args.integer(2), args.integer(3), args.count > 4 && args.is(4, 'BIT'), bytes)
}

/** As `countRange` for BITPOS. */
export function searchRange({ args }: Execution, bytes: number): BitRange {
  const start = args.count > 3 ? args.integer(3) : 0
  return rangeOf(start, args.count > 4 ? args.integer(4) : -1, args.count > 5 && args.is(5, 'BIT'), bytes)
}

/** Whether argument `index` is a unit or is not given; if not, the error is written. */
function isUnit(x: Execution, index: number): boolean {
  const { args } = x
  if (index >= args.count || args.is(index, 'BIT') || args.is(index, 'BYTE')) return true
  x.reply.error(syntaxError)
  return false
}

/** Negative numbers count from the string's end. */
function rangeOf(start: number, end: number, isBits: boolean, bytes: number): BitRange {
  const length = isBits ? bytes * 8 : bytes
  const from = Math.max(0, start < 0 ? length + start : start)
  const to = Math.min(Math.max(0, end < 0 ? length + end : end), length - 1)
  return isBits ? { from, to } : { from: from * 8, to: to * 8 + 7 }
}
