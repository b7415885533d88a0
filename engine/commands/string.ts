/**
 * Commands on whole strings. Counters are in `string-counters.ts`, parts of strings in `string-ranges.ts`, bits in
 * `bitmap.ts`. Texts and rules as in Redis 7.0.
 */
import type { Arguments } from '../arguments.ts'
import { wantValue } from '../cold-wants.ts'
import type { EngineCommand } from '../command.ts'
import { keyAt, keysFrom } from '../command.ts'
import type { Execution } from '../execution.ts'
import { wrongType } from '../execution.ts'
import { stringType } from '../keyspace/entries.ts'
import { keyExpired } from '../keyspace/key-change.ts'
import type { Keyspace } from '../keyspace/keyspace.ts'
import { expiredEvent, genericEvent, stringEvent } from '../messages.ts'
import { keepTtl } from '../mutation/string-operations.ts'
import type { ColdWants } from '../need.ts'
import { syntaxError } from './errors.ts'
import { expireEntry } from './expire.ts'
import type { Unit } from './expiry-option.ts'
import { ExpiryOption, invalidExpiry, milliseconds, positiveExpireAt, seconds } from './expiry-option.ts'
import { lcsCommands } from './lcs.ts'
import { stringCounterCommands } from './string-counters.ts'
import { stringPairsCommands } from './string-pairs.ts'
import { stringRangeCommands } from './string-ranges.ts'

const expiry = new ExpiryOption()

export const stringCommands = {
  GET: {
    arity: 2,
    flags: ['readonly', 'fast'],
    keys: keyAt(1, 'RO', 'access'),
    categories: ['string'],
    group: 'string',
    since: '1.0.0',
    complexity: 'O(1)',
    syntax: 'key',
    summary: 'Returns the string value of a key.',
    handler: get,
  },
  SET: {
    arity: -3,
    flags: ['write', 'denyoom'],
    keys: keyAt(1, 'RW', 'access', 'update', 'variable_flags'),
    categories: ['string'],
    group: 'string',
    since: '1.0.0',
    complexity: 'O(1)',
    syntax:
      'key value [NX | XX | IFEQ comparison-value] [GET] [EX seconds | PX milliseconds | EXAT unix-time-seconds | PXAT unix-time-milliseconds | KEEPTTL]',
    summary: 'Sets a key to a string, whatever it held.',
    needs: setWants,
    handler: set,
  },
  SETNX: {
    arity: 3,
    flags: ['write', 'denyoom', 'fast'],
    keys: keyAt(1, 'OW', 'insert'),
    categories: ['string'],
    group: 'string',
    since: '1.0.0',
    complexity: 'O(1)',
    syntax: 'key value',
    summary: 'Sets a key that does not exist.',
    needs: 'none',
    handler: setnx,
  },
  SETEX: {
    arity: 4,
    flags: ['write', 'denyoom'],
    keys: keyAt(1, 'OW', 'update'),
    categories: ['string'],
    group: 'string',
    since: '2.0.0',
    complexity: 'O(1)',
    syntax: 'key seconds value',
    summary: 'Sets a key and its time to live in seconds.',
    needs: 'none',
    handler: setex,
  },
  PSETEX: {
    arity: 4,
    flags: ['write', 'denyoom'],
    keys: keyAt(1, 'OW', 'update'),
    categories: ['string'],
    group: 'string',
    since: '2.6.0',
    complexity: 'O(1)',
    syntax: 'key milliseconds value',
    summary: 'Sets a key and its time to live in milliseconds.',
    needs: 'none',
    handler: psetex,
  },
  GETSET: {
    arity: 3,
    flags: ['write', 'denyoom', 'fast'],
    keys: keyAt(1, 'RW', 'access', 'update'),
    categories: ['string'],
    group: 'string',
    since: '1.0.0',
    complexity: 'O(1)',
    syntax: 'key value',
    summary: 'Sets a key and returns its former value.',
    handler: getset,
  },
  GETDEL: {
    arity: 2,
    flags: ['write', 'fast'],
    keys: keyAt(1, 'RW', 'access', 'delete'),
    categories: ['string'],
    group: 'string',
    since: '6.2.0',
    complexity: 'O(1)',
    syntax: 'key',
    summary: 'Returns the string value of a key and deletes the key.',
    handler: getdel,
  },
  DELIFEQ: {
    arity: 3,
    flags: ['write', 'fast'],
    keys: keyAt(1, 'RW', 'access', 'delete'),
    categories: ['string'],
    group: 'string',
    since: '0.1.0',
    complexity: 'O(N) where N is the length of the value',
    syntax: 'key value',
    summary: 'Deletes a string if it has this value.',
    handler: delifeq,
  },
  GETEX: {
    arity: -2,
    flags: ['write', 'fast'],
    keys: keyAt(1, 'RW', 'access', 'update'),
    categories: ['string'],
    group: 'string',
    since: '6.2.0',
    complexity: 'O(1)',
    syntax: 'key [EX seconds | PX milliseconds | EXAT unix-time-seconds | PXAT unix-time-milliseconds | PERSIST]',
    summary: 'Returns the string value of a key and changes when it expires.',
    handler: getex,
  },
  MGET: {
    arity: -2,
    flags: ['readonly', 'fast'],
    keys: keysFrom(1, 1, 'RO', 'access'),
    categories: ['string'],
    group: 'string',
    since: '1.0.0',
    complexity: 'O(N) where N is the number of keys',
    syntax: 'key [key ...]',
    summary: 'Returns the string values of several keys.',
    handler: mget,
  },
  ...stringPairsCommands,
  ...stringCounterCommands,
  ...stringRangeCommands,
  ...lcsCommands,
} as const satisfies Record<string, EngineCommand>

function get(x: Execution): void {
  const entry = x.readString(1)
  if (entry === wrongType) return
  if (entry === 0) x.reply.nil()
  else x.replyString(entry)
}

/** The former value, if it is asked for, or compared. */
function setWants(keyspace: Keyspace, entry: number, args: Arguments, keyIndex: number, wants: ColdWants): void {
  for (let i = keyIndex + 2; i < args.count; i++) {
    if (!args.is(i, 'GET') && !args.is(i, 'IFEQ')) continue
    wantValue(keyspace, entry, wants)
    return
  }
}

function set(x: Execution): void {
  if (x.args.count === 3) {
    store(x, 2, 0)
    x.reply.ok()
  } else setWithOptions(x)
}

function setWithOptions(x: Execution): void {
  const { args, reply } = x
  let onlyNew = false
  let onlyOld = false
  let returnsOld = false
  /** The argument that the former value is to be equal to. */
  let compared = 0
  expiry.reset()
  for (let i = 3; i < args.count; ) {
    const taken = expiry.take(args, i, 'KEEPTTL')
    i += taken === 0 ? 1 : taken
    if (taken !== 0) continue
    if (args.is(i - 1, 'NX') && !onlyOld && compared === 0) onlyNew = true
    else if (args.is(i - 1, 'XX') && !onlyNew && compared === 0) onlyOld = true
    else if (args.is(i - 1, 'GET')) returnsOld = true
    else if (args.is(i - 1, 'IFEQ') && !onlyNew && !onlyOld && compared === 0 && i < args.count) compared = i++
    else {
      reply.error(syntaxError)
      return
    }
  }
  const expireAt = expiry.isTime ? expiry.expireAt(x, 'set') : expiry.isKeepTtl ? keepTtl : 0
  if (expireAt === invalidExpiry) return
  const entry = returnsOld ? x.readString(1) : compared !== 0 ? x.findString(1) : x.find(1)
  if (entry === wrongType) return
  if (returnsOld) {
    if (entry === 0) reply.nil()
    else x.replyString(entry)
  }
  if (entry === 0 ? onlyOld || compared !== 0 : onlyNew || (compared !== 0 && !isEqual(x, entry, compared))) {
    if (!returnsOld) reply.nil()
    return
  }
  if (!expiry.isTime || expireAt > x.now) store(x, 2, expireAt)
  else storeExpired(x, entry)
  if (!returnsOld) reply.ok()
}

/** Whether a resident string is the same as argument `index`. */
function isEqual(x: Execution, entry: number, index: number): boolean {
  const { args } = x
  if (args.length(index) !== x.keyspace.entries.length(entry)) return false
  return x.stringBytes(entry).compare(args.buffer, args.start(index), args.end(index), x.stringStart(entry), x.stringEnd(entry)) === 0
}

/** Sets the key to argument `value`. */
function store(x: Execution, value: number, expireAt: number): void {
  const { args } = x
  x.putString(1, args.buffer, args.starts[value], args.ends[value], expireAt)
  x.notify(stringEvent, 'set', 1)
  if (expireAt > 0) x.notify(genericEvent, 'expire', 1)
}

/** Sets the key to what has expired already. */
function storeExpired(x: Execution, entry: number): void {
  // The key is made and gone at once: to whoever watches it, that is a change. Its value does not matter.
  if (entry === 0) x.mutator.deleteEntry(x.putString(1, x.args.buffer, 0, 0, 0), keyExpired)
  else x.delete(1)
  x.notify(stringEvent, 'set', 1)
  x.notify(genericEvent, 'expire', 1)
  x.notify(expiredEvent, 'expired', 1)
}

function setnx(x: Execution): void {
  if (x.find(1) !== 0) {
    x.reply.integer(0)
    return
  }
  store(x, 2, 0)
  x.reply.integer(1)
}

function setex(x: Execution): void {
  setExpiring(x, seconds, 'setex')
}

function psetex(x: Execution): void {
  setExpiring(x, milliseconds, 'psetex')
}

function setExpiring(x: Execution, unit: Unit, command: string): void {
  const expireAt = positiveExpireAt(x, 2, unit, x.now, command)
  if (expireAt === invalidExpiry) return
  store(x, 3, expireAt)
  x.reply.ok()
}

function getset(x: Execution): void {
  const entry = x.readString(1)
  if (entry === wrongType) return
  if (entry === 0) x.reply.nil()
  else x.replyString(entry)
  store(x, 2, 0)
}

function getdel(x: Execution): void {
  const entry = x.readString(1)
  if (entry === wrongType) return
  if (entry === 0) {
    x.reply.nil()
    return
  }
  x.replyString(entry)
  x.mutator.deleteEntry(entry)
  x.notify(genericEvent, 'del', 1)
}

function delifeq(x: Execution): void {
  const entry = x.findString(1)
  if (entry === wrongType) return
  const isDeleted = entry !== 0 && isEqual(x, entry, 2)
  if (isDeleted) {
    x.mutator.deleteEntry(entry)
    x.notify(genericEvent, 'del', 1)
  }
  x.reply.integer(isDeleted ? 1 : 0)
}

function getex(x: Execution): void {
  const { args, reply } = x
  expiry.reset()
  for (let i = 2; i < args.count; ) {
    const taken = expiry.take(args, i, 'PERSIST')
    if (taken === 0) {
      reply.error(syntaxError)
      return
    }
    i += taken
  }
  const entry = x.readString(1)
  if (entry === wrongType) return
  if (entry === 0) {
    reply.nil()
    return
  }
  const expireAt = expiry.isTime ? expiry.expireAt(x, 'getex') : 0
  if (expireAt === invalidExpiry) return
  x.replyString(entry)
  if (expiry.isTime) expireEntry(x, entry, expireAt)
  else if (expiry.isPersist && x.keyspace.entries.expireAt(entry) !== 0) {
    x.mutator.expire(entry, 0)
    x.notify(genericEvent, 'persist', 1)
  }
}

function mget(x: Execution): void {
  const { args, reply } = x
  const { entries } = x.keyspace
  reply.array(args.count - 1)
  for (let i = 1; i < args.count; i++) {
    const entry = x.read(i)
    if (entry === 0 || entries.type(entry) !== stringType) reply.nil()
    else x.replyString(entry)
  }
}
