/**
 * When fields of hashes expire, as in Redis 8. A field whose time has come counts as missing; one whose time is set to the past is deleted at
 * once. Commands that set a field as a whole take its time away, those that add to its value leave it.
 */
import type { EngineCommand } from '../command.ts'
import { keyAt } from '../command.ts'
import type { Execution } from '../execution.ts'
import { wrongType } from '../execution.ts'
import { genericEvent, hashEvent } from '../messages.ts'
import { PickedFields } from './argument-fields.ts'
import type { Unit } from './expiry-option.ts'
import { invalidExpiry, milliseconds, seconds } from './expiry-option.ts'
import { findPair, found } from './hash-fields.ts'
import { fieldExpireAt, readFieldsClause } from './hash-fields-clause.ts'
import { wantsFieldsClause } from './hash-needs.ts'
import { expireFields } from './hash-set.ts'

const badCount = 'ERR Parameter `numFields` should be greater than 0'

/** What is replied for each field. */
const noField = -2
const noExpiry = -1
const notMet = 0
const done = 1
const deleted = 2

const family = {
  categories: ['hash'],
  group: 'hash',
  since: '7.4.0',
  complexity: 'O(N) where N is the number of fields named',
  needs: wantsFieldsClause,
} as const

const setting = { ...family, arity: -6, flags: ['write', 'denyoom', 'fast'], keys: keyAt(1, 'RW', 'update') } as const
const asking = {
  ...family,
  arity: -5,
  flags: ['readonly', 'fast'],
  keys: keyAt(1, 'RO', 'access'),
  syntax: 'key FIELDS numfields field [field ...]',
} as const

export const hashExpiryCommands = {
  HEXPIRE: {
    ...setting,
    syntax: 'key seconds [NX | XX | GT | LT] FIELDS numfields field [field ...]',
    summary: 'Sets the time to live of fields in seconds.',
    handler: (x) => expireWhen(x, seconds, x.now, 'hexpire'),
  },
  HPEXPIRE: {
    ...setting,
    syntax: 'key milliseconds [NX | XX | GT | LT] FIELDS numfields field [field ...]',
    summary: 'Sets the time to live of fields in milliseconds.',
    handler: (x) => expireWhen(x, milliseconds, x.now, 'hpexpire'),
  },
  HEXPIREAT: {
    ...setting,
    syntax: 'key unix-time-seconds [NX | XX | GT | LT] FIELDS numfields field [field ...]',
    summary: 'Sets when fields expire, in seconds since the epoch.',
    handler: (x) => expireWhen(x, seconds, 0, 'hexpireat'),
  },
  HPEXPIREAT: {
    ...setting,
    syntax: 'key unix-time-milliseconds [NX | XX | GT | LT] FIELDS numfields field [field ...]',
    summary: 'Sets when fields expire, in milliseconds since the epoch.',
    handler: (x) => expireWhen(x, milliseconds, 0, 'hpexpireat'),
  },
  HTTL: { ...asking, summary: 'Returns the time to live of fields in seconds.', handler: (x) => replyExpiries(x, seconds, x.now) },
  HPTTL: {
    ...asking,
    summary: 'Returns the time to live of fields in milliseconds.',
    handler: (x) => replyExpiries(x, milliseconds, x.now),
  },
  HEXPIRETIME: {
    ...asking,
    summary: 'Returns when fields expire, in seconds since the epoch.',
    handler: (x) => replyExpiries(x, seconds, 0),
  },
  HPEXPIRETIME: {
    ...asking,
    summary: 'Returns when fields expire, in milliseconds since the epoch.',
    handler: (x) => replyExpiries(x, milliseconds, 0),
  },
  HPERSIST: {
    ...asking,
    flags: ['write', 'fast'],
    keys: keyAt(1, 'RW', 'update'),
    summary: 'Makes fields stay for ever.',
    handler: hpersist,
  },
} as const satisfies Record<string, EngineCommand>

function expireWhen(x: Execution, unit: Unit, base: number, command: string): void {
  const { args, reply } = x
  const entry = x.findHash(1)
  if (entry === wrongType) return
  const expireAt = fieldExpireAt(x, 2, unit, base, command)
  if (expireAt === invalidExpiry) return
  const isConditional = ['NX', 'XX', 'GT', 'LT'].some((word) => args.is(3, word))
  const clause = isConditional ? 4 : 3
  const count = readFieldsClause(x, clause, badCount)
  if (count === 0) return
  reply.array(count)
  if (entry === 0) {
    for (let i = 0; i < count; i++) reply.integer(noField)
    return
  }
  const picked = new PickedFields(args)
  for (let i = clause + 2; i < args.count; i++) reply.integer(expireOne(x, entry, i, isConditional, expireAt, picked))
  if (picked.count === 0) return
  if (expireAt > x.now) {
    expireFields(x, picked, () => expireAt)
    x.notify(hashEvent, 'hexpire', 1)
  } else deletePicked(x, entry, picked)
}

/** What becomes of a field; if it is to be expired or deleted, it is picked. One that is named again is as the first time leaves it. */
function expireOne(x: Execution, entry: number, index: number, isConditional: boolean, expireAt: number, picked: PickedFields): number {
  const isPast = expireAt <= x.now
  const wasPicked = picked.has(index)
  if (findPair(x, entry, index) === undefined || (wasPicked && isPast)) return noField
  if (isConditional && !isMet(x, wasPicked ? expireAt : found.expireAt, expireAt)) return notMet
  if (!wasPicked) picked.add(index)
  return isPast ? deleted : done
}

/** Whether the condition in argument 3 lets a field expire; without an expiry (`before` 0) it counts as never to expire. */
function isMet({ args }: Execution, before: number, after: number): boolean {
  if (args.is(3, 'NX')) return before === 0
  if (args.is(3, 'XX')) return before !== 0
  if (args.is(3, 'GT')) return before !== 0 && after > before
  return before === 0 || after < before
}

/** Deletes fields, all of which there are, because their time was set to the past. */
export function deletePicked(x: Execution, entry: number, picked: PickedFields): void {
  const isLast = x.keyspace.entries.length(entry) === picked.count
  x.mutator.hashDelete(entry, picked)
  x.notify(hashEvent, 'hdel', 1)
  if (isLast) x.notify(genericEvent, 'del', 1)
}

/** -2 without a field, -1 when it does not expire; seconds are rounded up. */
function replyExpiries(x: Execution, unit: Unit, base: number): void {
  const { args, reply } = x
  const entry = x.readHash(1)
  if (entry === wrongType) return
  const count = readFieldsClause(x, 2)
  if (count === 0) return
  reply.array(count)
  for (let i = 4; i < args.count; i++) {
    if (entry === 0 || findPair(x, entry, i) === undefined) reply.integer(noField)
    else if (found.expireAt === 0) reply.integer(noExpiry)
    else reply.integer(Math.ceil((found.expireAt - base) / unit))
  }
}

function hpersist(x: Execution): void {
  const { args, reply } = x
  const entry = x.findHash(1)
  if (entry === wrongType) return
  const count = readFieldsClause(x, 2)
  if (count === 0) return
  reply.array(count)
  const picked = new PickedFields(args)
  for (let i = 4; i < args.count; i++) {
    if (entry === 0 || findPair(x, entry, i) === undefined) reply.integer(noField)
    else if (found.expireAt === 0 || picked.has(i)) reply.integer(noExpiry)
    else {
      picked.add(i)
      reply.integer(done)
    }
  }
  if (picked.count === 0) return
  expireFields(x, picked, () => 0)
  x.notify(hashEvent, 'hpersist', 1)
}
