/**
 * Fields of hashes as counters, by the rules of `string-counters.ts`. The texts differ in part, and an increment is
 * read before the key is looked at.
 */
import type { EngineCommand } from '../command.ts'
import { keyAt } from '../command.ts'
import type { Execution } from '../execution.ts'
import { wrongType } from '../execution.ts'
import { formatInteger, int64Max, int64Min, parseBigInteger, parseInteger } from '../integer.ts'
import { addLongDoubles, formatLongDouble, longDoubleZero, parseLongDouble } from '../long-double.ts'
import { hashEvent } from '../messages.ts'
import type { FieldSource } from '../mutation/field-source.ts'
import { notAFloat, notAnInteger, wouldBeInfinite, wouldOverflow } from './errors.ts'
import { findPair, found } from './hash-fields.ts'
import { wantsField } from './hash-needs.ts'
import { expireFields, setFields } from './hash-set.ts'

const notAnIntegerThere = 'ERR hash value is not an integer'
const notAFloatThere = 'ERR hash value is not a float'
const infiniteIncrement = 'ERR value is NaN or Infinity'
const digitsMax = 24

const counter = {
  arity: 4,
  flags: ['write', 'denyoom', 'fast'],
  keys: keyAt(1, 'RW', 'access', 'update'),
  categories: ['hash'],
  group: 'hash',
  complexity: 'O(1)',
  syntax: 'key field increment',
  needs: wantsField,
} as const

export const hashCounterCommands = {
  HINCRBY: {
    ...counter,
    since: '2.0.0',
    summary: 'Adds to the integer in a field.',
    handler: hincrby,
  },
  HINCRBYFLOAT: {
    ...counter,
    since: '2.6.0',
    summary: 'Adds to the decimal number in a field.',
    handler: hincrbyfloat,
  },
} as const satisfies Record<string, EngineCommand>

/** One field and its new value, in a buffer of their own: the value's digits, then the field. */
class CounterField implements FieldSource {
  readonly count = 1
  readonly #kept = Buffer.alloc(256)
  #buffer = this.#kept
  #valueEnd = 0
  #fieldEnd = 0

  /** Takes the field; returns the buffer for the value's digits, up to `digitsMax`. */
  begin(field: Buffer, start: number, end: number): Buffer {
    const length = end - start
    this.#buffer = digitsMax + length <= this.#kept.length ? this.#kept : Buffer.allocUnsafe(digitsMax + length)
    field.copy(this.#buffer, digitsMax, start, end)
    this.#fieldEnd = digitsMax + length
    return this.#buffer
  }

  /** So many bytes are the value. */
  end(valueEnd: number): this {
    this.#valueEnd = valueEnd
    return this
  }

  buffer(): Buffer {
    return this.#buffer
  }

  fieldStart(): number {
    return digitsMax
  }

  fieldEnd(): number {
    return this.#fieldEnd
  }

  valueStart(): number {
    return 0
  }

  valueEnd(): number {
    return this.#valueEnd
  }
}

/** One field and its new value, which lies behind it in one buffer: for values of any length. */
class FieldAndText implements FieldSource {
  readonly count = 1
  readonly #bytes: Buffer
  readonly #split: number

  constructor(field: Buffer, text: string) {
    this.#bytes = Buffer.concat([field, Buffer.from(text, 'latin1')])
    this.#split = field.length
  }

  buffer(): Buffer {
    return this.#bytes
  }

  fieldStart(): number {
    return 0
  }

  fieldEnd(): number {
    return this.#split
  }

  valueStart(): number {
    return this.#split
  }

  valueEnd(): number {
    return this.#bytes.length
  }
}

const sumField = new CounterField()

function hincrby(x: Execution): void {
  const { args } = x
  const increment = args.integer(3)
  if (Number.isNaN(increment) && !args.isInt64(3)) {
    x.reply.error(notAnInteger)
    return
  }
  const entry = x.findHash(1)
  if (entry === wrongType) return
  const bytes = entry === 0 ? undefined : findPair(x, entry, 2)
  const value = bytes === undefined ? 0 : parseInteger(bytes, found.valueStart, found.valueEnd)
  const sum = value + increment
  if (!Number.isSafeInteger(sum)) {
    addLarge(x, entry, bytes)
    return
  }
  const digits = sumField.begin(args.buffer, args.starts[2], args.ends[2])
  setSum(x, entry, bytes, sumField.end(formatInteger(digits, 0, sum)))
  x.notify(hashEvent, 'hincrby', 1)
  x.reply.integer(sum)
}

/** Sets the field, which keeps its expiry; `bytes` holds it as it was found, and is undefined for a new one. */
function setSum(x: Execution, entry: number, bytes: Buffer | undefined, sum: FieldSource): void {
  const expireAt = bytes === undefined ? 0 : found.expireAt
  setFields(x, entry, sum)
  if (expireAt !== 0) expireFields(x, sum, () => expireAt)
}

/** `bytes` holds the field that was found; undefined for a new one. */
function addLarge(x: Execution, entry: number, bytes: Buffer | undefined): void {
  const { args } = x
  const value = bytes === undefined ? 0n : parseBigInteger(bytes, found.valueStart, found.valueEnd)
  if (value === undefined) {
    x.reply.error(notAnIntegerThere)
    return
  }
  const sum = value + (args.bigInteger(3) as bigint)
  if (sum > int64Max || sum < int64Min) {
    x.reply.error(wouldOverflow)
    return
  }
  const digits = sumField.begin(args.buffer, args.starts[2], args.ends[2])
  setSum(x, entry, bytes, sumField.end(digits.write(sum.toString(), 'latin1')))
  x.notify(hashEvent, 'hincrby', 1)
  x.reply.bigInteger(sum)
}

function hincrbyfloat(x: Execution): void {
  const { args } = x
  const increment = parseLongDouble(args.buffer, args.start(3), args.end(3))
  if (increment === undefined || !Number.isFinite(increment.exponent)) {
    x.reply.error(increment === undefined ? notAFloat : infiniteIncrement)
    return
  }
  const entry = x.findHash(1)
  if (entry === wrongType) return
  const bytes = entry === 0 ? undefined : findPair(x, entry, 2)
  const value = bytes === undefined ? longDoubleZero : parseLongDouble(bytes, found.valueStart, found.valueEnd)
  if (value === undefined) {
    x.reply.error(notAFloatThere)
    return
  }
  const sum = addLongDoubles(value, increment)
  if (sum === undefined) {
    x.reply.error(wouldBeInfinite)
    return
  }
  const text = formatLongDouble(sum)
  setSum(x, entry, bytes, new FieldAndText(args.bytes(2), text))
  x.notify(hashEvent, 'hincrbyfloat', 1)
  x.reply.text(text)
}
