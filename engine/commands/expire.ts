/**
 * When keys expire. A key whose time has come counts as missing, and is deleted when somebody meets it; setting a time
 * of the past deletes it at once. All of this is metadata: no value is read.
 */
import type { EngineCommand } from '../command.ts'
import { keyAt } from '../command.ts'
import type { Execution } from '../execution.ts'
import { genericEvent } from '../messages.ts'
import type { Unit } from './expiry-option.ts'
import { anyExpireAt, invalidExpiry, milliseconds, seconds } from './expiry-option.ts'
import { peek } from './look-up.ts'

const newAndOther = 'ERR NX and XX, GT or LT options at the same time are not compatible'
const greaterAndLess = 'ERR GT and LT options at the same time are not compatible'

/** Conditions of EXPIRE and its like, as bits. */
const onlyWithout = 1
const onlyWith = 2
const onlyLater = 4
const onlySooner = 8
const badConditions = -1

const setting = {
  arity: -3,
  flags: ['write', 'fast'],
  keys: keyAt(1, 'RW', 'update'),
  categories: ['keyspace'],
  group: 'generic',
  complexity: 'O(1)',
  needs: 'none',
} as const

const asking = {
  arity: 2,
  flags: ['readonly', 'fast'],
  keys: keyAt(1, 'RO', 'access'),
  categories: ['keyspace'],
  group: 'generic',
  complexity: 'O(1)',
  syntax: 'key',
  needs: 'none',
} as const

export const expireCommands = {
  EXPIRE: {
    ...setting,
    since: '1.0.0',
    syntax: 'key seconds [NX | XX | GT | LT]',
    summary: 'Sets the time to live of a key in seconds.',
    handler: expire,
  },
  PEXPIRE: {
    ...setting,
    since: '2.6.0',
    syntax: 'key milliseconds [NX | XX | GT | LT]',
    summary: 'Sets the time to live of a key in milliseconds.',
    handler: pexpire,
  },
  EXPIREAT: {
    ...setting,
    since: '1.2.0',
    syntax: 'key unix-time-seconds [NX | XX | GT | LT]',
    summary: 'Sets when a key expires, in seconds since the epoch.',
    handler: expireat,
  },
  PEXPIREAT: {
    ...setting,
    since: '2.6.0',
    syntax: 'key unix-time-milliseconds [NX | XX | GT | LT]',
    summary: 'Sets when a key expires, in milliseconds since the epoch.',
    handler: pexpireat,
  },
  TTL: { ...asking, since: '1.0.0', summary: 'Returns the time to live of a key in seconds.', handler: ttl },
  PTTL: { ...asking, since: '2.6.0', summary: 'Returns the time to live of a key in milliseconds.', handler: pttl },
  EXPIRETIME: { ...asking, since: '7.0.0', summary: 'Returns when a key expires, in seconds since the epoch.', handler: expiretime },
  PEXPIRETIME: { ...asking, since: '7.0.0', summary: 'Returns when a key expires, in milliseconds since the epoch.', handler: pexpiretime },
  PERSIST: { ...setting, arity: 2, since: '2.2.0', syntax: 'key', summary: 'Makes a key stay for ever.', handler: persist },
} as const satisfies Record<string, EngineCommand>

function expire(x: Execution): void {
  expireWhen(x, seconds, x.now, 'expire')
}

function pexpire(x: Execution): void {
  expireWhen(x, milliseconds, x.now, 'pexpire')
}

function expireat(x: Execution): void {
  expireWhen(x, seconds, 0, 'expireat')
}

function pexpireat(x: Execution): void {
  expireWhen(x, milliseconds, 0, 'pexpireat')
}

function expireWhen(x: Execution, unit: Unit, base: number, command: string): void {
  const { reply } = x
  const conditions = x.args.count === 3 ? 0 : readConditions(x)
  if (conditions === badConditions) return
  const expireAt = anyExpireAt(x, 2, unit, base, command)
  if (expireAt === invalidExpiry) return
  const entry = x.find(1)
  if (entry === 0 || (conditions !== 0 && !isMet(conditions, x.keyspace.entries.expireAt(entry), expireAt))) {
    reply.integer(0)
    return
  }
  expireEntry(x, entry, expireAt)
  reply.integer(1)
}

/** The key that is argument 1 expires then; now, if that has passed. */
export function expireEntry(x: Execution, entry: number, expireAt: number): void {
  if (expireAt <= x.now) x.mutator.deleteEntry(entry)
  else x.mutator.expire(entry, expireAt)
  x.notify(genericEvent, expireAt <= x.now ? 'del' : 'expire', 1)
}

function readConditions(x: Execution): number {
  const { args, reply } = x
  let conditions = 0
  for (let i = 3; i < args.count; i++) {
    if (args.is(i, 'NX')) conditions |= onlyWithout
    else if (args.is(i, 'XX')) conditions |= onlyWith
    else if (args.is(i, 'GT')) conditions |= onlyLater
    else if (args.is(i, 'LT')) conditions |= onlySooner
    else {
      // Redis prints the option as C does: up to its first NUL.
      reply.error(`ERR Unsupported option ${args.string(i, 'latin1').split('\0', 1)[0]}`)
      return badConditions
    }
  }
  const contradicts = (conditions & onlyWithout) !== 0 && conditions !== onlyWithout
  if (!contradicts && (conditions & (onlyLater | onlySooner)) !== (onlyLater | onlySooner)) return conditions
  reply.error(contradicts ? newAndOther : greaterAndLess)
  return badConditions
}

/** `before`: 0 stands for never, which is later than any time. */
function isMet(conditions: number, before: number, after: number): boolean {
  if ((conditions & onlyWithout) !== 0 && before !== 0) return false
  if ((conditions & onlyWith) !== 0 && before === 0) return false
  if ((conditions & onlyLater) !== 0 && (before === 0 || after <= before)) return false
  return (conditions & onlySooner) === 0 || before === 0 || after < before
}

function ttl(x: Execution): void {
  replyExpiry(x, seconds, x.now)
}

function pttl(x: Execution): void {
  replyExpiry(x, milliseconds, x.now)
}

function expiretime(x: Execution): void {
  replyExpiry(x, seconds, 0)
}

function pexpiretime(x: Execution): void {
  replyExpiry(x, milliseconds, 0)
}

/** -2 without a key, -1 when it does not expire; seconds are rounded to the nearest. */
function replyExpiry(x: Execution, unit: Unit, base: number): void {
  const entry = peek(x, 1)
  if (entry === 0) {
    x.reply.integer(-2)
    return
  }
  const expireAt = x.keyspace.entries.expireAt(entry)
  if (expireAt === 0) x.reply.integer(-1)
  else if (unit === milliseconds) x.reply.integer(expireAt - base)
  else x.reply.integer(Math.floor((expireAt - base + 500) / 1000))
}

function persist(x: Execution): void {
  const entry = x.find(1)
  if (entry === 0 || x.keyspace.entries.expireAt(entry) === 0) {
    x.reply.integer(0)
    return
  }
  x.mutator.expire(entry, 0)
  x.notify(genericEvent, 'persist', 1)
  x.reply.integer(1)
}
