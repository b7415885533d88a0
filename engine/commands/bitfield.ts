/**
 * BITFIELD: a string as integers of 1 to 64 bits at any bit offset, the most significant bit first. All operations of a
 * request are checked before the first is done.
 *
 * Up to 52 bits everything fits a number exactly, sums included; only beyond that a bigint is made.
 */
import type { EngineCommand } from '../command.ts'
import { keyAt } from '../command.ts'
import type { Execution } from '../execution.ts'
import { wrongType } from '../execution.ts'
import { parseInteger } from '../integer.ts'
import { stringEvent } from '../messages.ts'
import { readFieldOffset } from './bit-range.ts'
import { notAnInteger, syntaxError } from './errors.ts'
import { stageWrite } from './stage-write.ts'
import { createEmpty } from './string-ranges.ts'

const badType = 'ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.'
const badOverflow = 'ERR Invalid OVERFLOW type specified'
const onlyGet = 'ERR BITFIELD_RO only supports the GET subcommand'
/** Fields up to this, and changes up to 2 to this, add up to exact numbers. */
const numberBitsMax = 52
const numberChangeMax = 2 ** numberBitsMax
const lowBits = 32
const lowBitsBig = 32n
const nothing = Buffer.alloc(0)
/** The bytes that a field touches: 64 bits may lie in nine. */
const touched = Buffer.alloc(9)

const wrap = 0
const saturate = 1
const fail = 2

const get = 0
const set = 1
const incrby = 2
const overflow = 3
const badOperation = -1

export const bitfieldCommands = {
  BITFIELD: {
    arity: -2,
    flags: ['write', 'denyoom'],
    keys: keyAt(1, 'RW', 'access', 'update', 'variable_flags'),
    categories: ['bitmap'],
    group: 'bitmap',
    since: '3.2.0',
    complexity: 'O(1) for each operation',
    syntax:
      'key [GET encoding offset | [OVERFLOW WRAP | SAT | FAIL] SET encoding offset value | INCRBY encoding offset increment [GET encoding offset | [OVERFLOW WRAP | SAT | FAIL] SET encoding offset value | INCRBY encoding offset increment ...]]',
    summary: 'Reads and changes integers of any width within a string.',
    stages: (x) => stageWrite(x, () => 0, 0),
    handler: bitfield,
  },
  BITFIELD_RO: {
    arity: -2,
    flags: ['readonly', 'fast'],
    keys: keyAt(1, 'RO', 'access'),
    categories: ['bitmap'],
    group: 'bitmap',
    since: '6.0.0',
    complexity: 'O(1) for each operation',
    syntax: 'key [GET encoding offset [GET encoding offset ...]]',
    summary: 'Reads integers of any width within a string.',
    handler: bitfieldRo,
  },
} as const satisfies Record<string, EngineCommand>

/** What the checks found in a request. */
interface Plan {
  /** Operations that are answered. */
  count: number
  writes: boolean
  /** Bytes that the string must have for what is written. */
  bytes: number
}

/** What became of an operation: it failed or only read, it wrote what was there, or something else. */
const unwritten = 0
const written = 1
const changed = 2
type Outcome = typeof unwritten | typeof written | typeof changed

/** The field of the operation in hand. */
const field = { signed: false, bits: 0, offset: 0 }

function bitfield(x: Execution): void {
  const plan = check(x)
  if (plan === undefined) return
  const found = plan.writes ? x.findString(1) : x.readString(1)
  if (found === wrongType) return
  const length = found === 0 ? 0 : x.keyspace.entries.length(found)
  const entry = plan.writes ? withRoom(x, found, plan.bytes) : found
  if (plan.writes && entry !== 0) x.mutator.markRaw(entry)
  const outcome = perform(x, entry, plan.count)
  // As in Redis: a string that has grown counts as changed if something was written, be it what was there.
  if (plan.writes && (outcome === changed || (outcome === written && plan.bytes > length))) x.notify(stringEvent, 'setbit', 1)
}

function bitfieldRo(x: Execution): void {
  const plan = check(x)
  if (plan === undefined) return
  if (plan.writes) {
    x.reply.error(onlyGet)
    return
  }
  const entry = x.readString(1)
  if (entry !== wrongType) perform(x, entry, plan.count)
}

function check(x: Execution): Plan | undefined {
  const { args, reply } = x
  const plan: Plan = { count: 0, writes: false, bytes: 0 }
  for (let i = 2; i < args.count; ) {
    const operation = readOperation(x, i)
    if (operation === badOperation) {
      reply.error(syntaxError)
      return undefined
    }
    if (operation === overflow) {
      if (readOverflow(x, i + 1) < 0) {
        reply.error(badOverflow)
        return undefined
      }
      i += 2
      continue
    }
    if (!readField(x, i + 1)) return undefined
    plan.count++
    i += 3
    if (operation === get) continue
    if (!args.isInt64(i++)) {
      reply.error(notAnInteger)
      return undefined
    }
    plan.writes = true
    plan.bytes = Math.max(plan.bytes, Math.ceil((field.offset + field.bits) / 8))
  }
  return plan
}

/** The operation at argument `index`, if all its arguments are there. */
function readOperation(x: Execution, index: number): number {
  const { args } = x
  const left = args.count - index - 1
  if (left >= 2 && args.is(index, 'GET')) return get
  if (left >= 3 && args.is(index, 'SET')) return set
  if (left >= 3 && args.is(index, 'INCRBY')) return incrby
  return left >= 1 && args.is(index, 'OVERFLOW') ? overflow : badOperation
}

function readOverflow(x: Execution, index: number): number {
  const { args } = x
  if (args.is(index, 'WRAP')) return wrap
  if (args.is(index, 'SAT')) return saturate
  return args.is(index, 'FAIL') ? fail : -1
}

/** Reads type and offset, at `index` and behind it, into `field`; false when they are wrong, the error being written. */
function readField(x: Execution, index: number): boolean {
  const { args } = x
  const start = args.start(index)
  const letter = args.length(index) === 0 ? 0 : args.buffer[start]
  const bits = parseInteger(args.buffer, start + 1, args.end(index))
  field.signed = letter === 0x69
  field.bits = bits
  if (!(field.signed || letter === 0x75) || !(bits >= 1 && bits <= (field.signed ? 64 : 63))) {
    x.reply.error(badType)
    return false
  }
  field.offset = readFieldOffset(x, index + 1, bits)
  return field.offset >= 0
}

/** The entry of the string to write to, made if it is missing, with at least so many bytes. */
function withRoom(x: Execution, found: number, bytes: number): number {
  const entry = found === 0 ? createEmpty(x, bytes) : found
  if (x.keyspace.entries.length(entry) < bytes) x.mutator.setRange(entry, bytes, nothing, 0, 0)
  return entry
}

/** Returns the furthest that any of the operations got. */
function perform(x: Execution, entry: number, count: number): Outcome {
  const { args, reply } = x
  reply.array(count)
  let mode = wrap
  let furthest: Outcome = unwritten
  for (let i = 2; i < args.count; ) {
    const operation = readOperation(x, i)
    if (operation === overflow) {
      mode = readOverflow(x, i + 1)
      i += 2
      continue
    }
    readField(x, i + 1)
    if (operation === get) {
      if (field.bits <= numberBitsMax) reply.integer(readNumber(x, entry))
      else reply.bigInteger(readBigInteger(x, entry))
      i += 3
      continue
    }
    const operand = args.integer(i + 3)
    const outcome =
      field.bits <= numberBitsMax && Math.abs(operand) <= numberChangeMax
        ? changeNumber(x, entry, operation === set, operand, mode)
        : changeBigInteger(x, entry, operation === set, args.bigInteger(i + 3) as bigint, mode)
    if (outcome > furthest) furthest = outcome
    i += 4
  }
  return furthest
}

/** SET answers the old value, INCRBY the new one, both nil when the operation fails by overflow. */
function changeNumber(x: Execution, entry: number, isSet: boolean, operand: number, mode: number): Outcome {
  const { signed, bits } = field
  const span = 2 ** bits
  const min = signed ? -span / 2 : 0
  const max = min + span - 1
  const before = readNumber(x, entry)
  let after = isSet ? operand : before + operand
  if (after > max || after < min) {
    if (mode === fail) {
      x.reply.nil()
      return unwritten
    }
    // A negative number that is set into an unsigned field is a very large one.
    if (mode === saturate) after = after > max || (isSet && !signed) ? max : min
    else {
      after = ((after % span) + span) % span
      if (after > max) after -= span
    }
  }
  if (after !== before) {
    loadTouched(x, entry)
    patch(0, bits, after < 0 ? after + span : after)
    storeTouched(x, entry)
  }
  x.reply.integer(isSet ? before : after)
  return after === before ? written : changed
}

function changeBigInteger(x: Execution, entry: number, isSet: boolean, operand: bigint, mode: number): Outcome {
  const { signed, bits } = field
  const span = 1n << BigInt(bits)
  const min = signed ? -span / 2n : 0n
  const max = min + span - 1n
  const before = bits <= numberBitsMax ? BigInt(readNumber(x, entry)) : readBigInteger(x, entry)
  let after = isSet ? operand : before + operand
  if (after > max || after < min) {
    if (mode === fail) {
      x.reply.nil()
      return unwritten
    }
    if (mode === saturate) after = after > max || (isSet && (!signed || wrapsRound(max, operand))) ? max : min
    else after = signed ? BigInt.asIntN(bits, after) : BigInt.asUintN(bits, after)
  }
  if (after !== before) {
    const unsigned = BigInt.asUintN(bits, after)
    loadTouched(x, entry)
    if (bits > lowBits) patch(0, bits - lowBits, Number(unsigned >> lowBitsBig))
    patch(Math.max(0, bits - lowBits), Math.min(bits, lowBits), Number(BigInt.asUintN(lowBits, unsigned)))
    storeTouched(x, entry)
  }
  x.reply.bigInteger(isSet ? before : after)
  return after === before ? written : changed
}

/** Redis finds a number too large by its distance from `max`; for the most negative ones that does not fit 64 bits, and they pass for too large. */
function wrapsRound(max: bigint, operand: bigint): boolean {
  return max - operand >= 1n << 63n
}

/** The value of `field`; the bits behind the string's end are clear. */
function readNumber(x: Execution, entry: number): number {
  const { signed, bits, offset } = field
  const value = readBits(x, entry, offset, bits)
  return signed && value >= 2 ** (bits - 1) ? value - 2 ** bits : value
}

function readBigInteger(x: Execution, entry: number): bigint {
  const { signed, bits, offset } = field
  const high = readBits(x, entry, offset, bits - lowBits)
  const low = readBits(x, entry, offset + bits - lowBits, lowBits)
  const value = (BigInt(high) << lowBitsBig) | BigInt(low)
  return signed ? BigInt.asIntN(bits, value) : value
}

function readBits(x: Execution, entry: number, offset: number, bits: number): number {
  if (entry === 0) return 0
  const bytes = x.stringBytes(entry)
  const start = x.stringStart(entry)
  const length = x.keyspace.entries.length(entry)
  let at = Math.floor(offset / 8)
  let skip = offset % 8
  let value = 0
  for (let left = bits; left > 0 && at < length; at++, skip = 0) {
    const take = Math.min(8 - skip, left)
    value = value * (1 << take) + ((bytes[start + at] >> (8 - skip - take)) & ((1 << take) - 1))
    left -= take
    if (left > 0 && at + 1 === length) value *= 2 ** left
  }
  return value
}

/** Copies the bytes that `field` lies in. They are within the string. */
function loadTouched(x: Execution, entry: number): void {
  const from = x.stringStart(entry) + Math.floor(field.offset / 8)
  x.stringBytes(entry).copy(touched, 0, from, from + touchedBytes())
}

function storeTouched(x: Execution, entry: number): void {
  x.mutator.setRange(entry, Math.floor(field.offset / 8), touched, 0, touchedBytes())
}

function touchedBytes(): number {
  return Math.floor((field.offset + field.bits - 1) / 8) - Math.floor(field.offset / 8) + 1
}

/** Writes `value` into the bits of `field` from bit `from` of it on. */
function patch(from: number, bits: number, value: number): void {
  const end = (field.offset % 8) + from + bits
  let at = Math.floor((end - 1) / 8)
  let shift = at * 8 + 8 - end
  let rest = value
  for (let left = bits; left > 0; at--, shift = 0) {
    const take = Math.min(8 - shift, left)
    const next = Math.floor(rest / (1 << take))
    const mask = ((1 << take) - 1) << shift
    touched[at] = (touched[at] & ~mask) | ((rest - next * (1 << take)) << shift)
    rest = next
    left -= take
  }
}
