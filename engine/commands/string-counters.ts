/**
 * Strings as counters. Integers are signed and have 64 bits; a bigint is only made beyond ±(2^53 − 1). A counter keeps
 * its expiry.
 */
import type { EngineCommand } from '../command.ts'
import { keyAt } from '../command.ts'
import type { Execution } from '../execution.ts'
import { wrongType } from '../execution.ts'
import { formatInteger, int64Max, int64Min, isInt64, parseBigInteger, parseInteger } from '../integer.ts'
import type { LongDouble } from '../long-double.ts'
import { addLongDoubles, formatLongDouble, longDoubleZero, parseLongDouble } from '../long-double.ts'
import { stringEvent } from '../messages.ts'
import { keepTtl } from '../mutation/string-operations.ts'
import { notAFloat, notAnInteger, wouldBeInfinite, wouldOverflow } from './errors.ts'

const decrementWouldOverflow = 'ERR decrement would overflow'
/** Where a counter's new digits stand until the mutator has copied them. */
const digits = Buffer.alloc(24)
const nothing = Buffer.alloc(0)

const counter = {
  flags: ['write', 'denyoom', 'fast'],
  keys: keyAt(1, 'RW', 'access', 'update'),
  categories: ['string'],
  group: 'string',
  complexity: 'O(1)',
} as const

export const stringCounterCommands = {
  INCR: {
    ...counter,
    arity: 2,
    since: '1.0.0',
    syntax: 'key',
    summary: 'Adds one to an integer.',
    handler: incr,
  },
  DECR: {
    ...counter,
    arity: 2,
    since: '1.0.0',
    syntax: 'key',
    summary: 'Subtracts one from an integer.',
    handler: decr,
  },
  INCRBY: {
    ...counter,
    arity: 3,
    since: '1.0.0',
    syntax: 'key increment',
    summary: 'Adds to an integer.',
    handler: incrby,
  },
  DECRBY: {
    ...counter,
    arity: 3,
    since: '1.0.0',
    syntax: 'key decrement',
    summary: 'Subtracts from an integer.',
    handler: decrby,
  },
  INCRBYFLOAT: {
    ...counter,
    arity: 3,
    since: '2.6.0',
    syntax: 'key increment',
    summary: 'Adds to a decimal number.',
    handler: incrbyfloat,
  },
} as const satisfies Record<string, EngineCommand>

function incr(x: Execution): void {
  add(x, 1)
}

function decr(x: Execution): void {
  add(x, -1)
}

function incrby(x: Execution): void {
  const increment = x.args.integer(2)
  if (!Number.isNaN(increment)) {
    add(x, increment)
    return
  }
  const large = x.args.bigInteger(2)
  if (large === undefined) x.reply.error(notAnInteger)
  else addLarge(x, x.findString(1), large)
}

function decrby(x: Execution): void {
  const decrement = x.args.integer(2)
  if (!Number.isNaN(decrement)) {
    add(x, -decrement)
    return
  }
  const large = x.args.bigInteger(2)
  if (large === undefined) x.reply.error(notAnInteger)
  else if (large === int64Min) x.reply.error(decrementWouldOverflow)
  else addLarge(x, x.findString(1), -large)
}

function add(x: Execution, increment: number): void {
  const entry = x.findString(1)
  if (entry === wrongType) return
  let value = 0
  if (entry !== 0) {
    const start = x.stringStart(entry)
    value = parseInteger(x.stringBytes(entry), start, start + x.keyspace.entries.length(entry))
  }
  const sum = value + increment
  if (!Number.isSafeInteger(sum)) {
    addLarge(x, entry, BigInt(increment))
    return
  }
  x.putString(1, digits, 0, formatInteger(digits, 0, sum), keepTtl)
  x.notify(stringEvent, 'incrby', 1)
  x.reply.integer(sum)
}

function addLarge(x: Execution, entry: number, increment: bigint): void {
  if (entry === wrongType) return
  const value = entry === 0 ? 0n : parseBigInteger(x.stringBytes(entry), x.stringStart(entry), x.stringEnd(entry))
  if (value === undefined) {
    x.reply.error(notAnInteger)
    return
  }
  const sum = value + increment
  if (sum > int64Max || sum < int64Min) {
    x.reply.error(wouldOverflow)
    return
  }
  x.putString(1, digits, 0, digits.write(sum.toString(), 'latin1'), keepTtl)
  x.notify(stringEvent, 'incrby', 1)
  x.reply.bigInteger(sum)
}

function incrbyfloat(x: Execution): void {
  const entry = x.findString(1)
  if (entry === wrongType) return
  const { args } = x
  const value: LongDouble | undefined =
    entry === 0 ? longDoubleZero : parseLongDouble(x.stringBytes(entry), x.stringStart(entry), x.stringEnd(entry))
  const increment = value === undefined ? undefined : parseLongDouble(args.buffer, args.start(2), args.end(2))
  if (value === undefined || increment === undefined) {
    x.reply.error(notAFloat)
    return
  }
  const sum = addLongDoubles(value, increment)
  if (sum === undefined) {
    x.reply.error(wouldBeInfinite)
    return
  }
  const text = Buffer.from(formatLongDouble(sum), 'latin1')
  const to = x.putString(1, text, 0, text.length, keepTtl)
  // Redis looks for no integer in a decimal sum.
  if (isInt64(text, 0, text.length)) x.mutator.setRange(to, 0, nothing, 0, 0)
  x.notify(stringEvent, 'incrbyfloat', 1)
  x.reply.bulk(text, 0, text.length)
}
