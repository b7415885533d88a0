/** Offsets and ranges of bits in arguments, with Redis's errors. */
import type { Execution } from '../execution.ts'
import { parseInteger } from '../integer.ts'
import { syntaxError } from './errors.ts'
import { readPosition } from './string-ranges.ts'

const badOffset = 'ERR bit offset is not an integer or out of range'

/** Bits from `from` to `to`, both included; empty when `from` is the larger. */
export interface BitRange {
  readonly from: number
  readonly to: number
}

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

/**
 * The arguments start, end and unit from `index` on as a range of a string of so many bytes; negative numbers count from
 * the end, an end that is not given is the string's. Undefined when they are wrong; the error is then written.
 */
export function readBitRange(x: Execution, index: number, bytes: number): BitRange | undefined {
  const { args, reply } = x
  const start = readPosition(x, index)
  if (Number.isNaN(start)) return undefined
  const end = index + 1 < args.count ? readPosition(x, index + 1) : -1
  if (Number.isNaN(end)) return undefined
  const isBits = index + 2 < args.count && args.is(index + 2, 'BIT')
  if (index + 2 < args.count && !isBits && !args.is(index + 2, 'BYTE')) {
    reply.error(syntaxError)
    return undefined
  }
  const length = isBits ? bytes * 8 : bytes
  const from = Math.max(0, start < 0 ? length + start : start)
  const to = Math.min(Math.max(0, end < 0 ? length + end : end), length - 1)
  return isBits ? { from, to } : { from: from * 8, to: to * 8 + 7 }
}
