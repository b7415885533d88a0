/** HGETEX and HSETEX: values of fields, and when the fields expire, in one request. As in Redis 8. */
import type { EngineCommand } from '../command.ts'
import { keyAt } from '../command.ts'
import type { Execution } from '../execution.ts'
import { wrongType } from '../execution.ts'
import { genericEvent, hashEvent } from '../messages.ts'
import { ArgumentFields, PickedFields } from './argument-fields.ts'
import { wrongArgumentCount } from './errors.ts'
import { invalidExpiry, milliseconds, seconds } from './expiry-option.ts'
import { deletePicked } from './hash-expire.ts'
import { findPair, found } from './hash-fields.ts'
import { fieldExpireAt, readFieldsClause } from './hash-fields-clause.ts'
import { wantsFieldsClause, wantsPairsClause } from './hash-needs.ts'
import { expireFields, setFields } from './hash-set.ts'
import { replyValue } from './hash-values.ts'

const twoTimes = 'ERR Only one of EX, PX, EXAT, PXAT or KEEPTTL arguments can be specified'
const twoConditions = 'ERR Only one of FXX or FNX arguments can be specified'
const noTime = 'ERR missing expire time'
const badCount = 'ERR invalid number of fields'
const fieldsMax = 2 ** 31 - 1

const family = { categories: ['hash'], group: 'hash', since: '8.0.0', complexity: 'O(N) where N is the number of fields named' } as const

export const hashGetSetExpiringCommands = {
  HGETEX: {
    ...family,
    arity: -5,
    flags: ['write', 'fast'],
    keys: keyAt(1, 'RW', 'access', 'update'),
    syntax:
      'key [EX seconds | PX milliseconds | EXAT unix-time-seconds | PXAT unix-time-milliseconds | PERSIST] FIELDS numfields field [field ...]',
    summary: 'Returns the values of fields and sets when they expire.',
    needs: wantsFieldsClause,
    handler: hgetex,
  },
  HSETEX: {
    ...family,
    arity: -6,
    flags: ['write', 'denyoom', 'fast'],
    keys: keyAt(1, 'RW', 'update'),
    syntax:
      'key [FNX | FXX] [EX seconds | PX milliseconds | EXAT unix-time-seconds | PXAT unix-time-milliseconds | KEEPTTL] FIELDS numfields field value [field value ...]',
    summary: 'Sets fields of a hash, and when they expire.',
    needs: wantsPairsClause,
    handler: hsetex,
  },
} as const satisfies Record<string, EngineCommand>

const pairs = new ArgumentFields()

/** Whether argument `index` is EX, PX, EXAT or PXAT. */
function isTimeWord({ args }: Execution, index: number): boolean {
  return args.is(index, 'EX') || args.is(index, 'PX') || args.is(index, 'EXAT') || args.is(index, 'PXAT')
}

/** The time behind such a word, or `invalidExpiry`. */
function timeBehind(x: Execution, index: number, command: string): number {
  const { args } = x
  const unit = args.is(index, 'EX') || args.is(index, 'EXAT') ? seconds : milliseconds
  return fieldExpireAt(x, index + 1, unit, args.is(index, 'EX') || args.is(index, 'PX') ? x.now : 0, command)
}

function hgetex(x: Execution): void {
  const { args, reply } = x
  const entry = x.findHash(1)
  if (entry === wrongType) return
  const isTimed = isTimeWord(x, 2)
  const persists = args.is(2, 'PERSIST')
  const expireAt = isTimed ? timeBehind(x, 2, 'hgetex') : 0
  if (expireAt === invalidExpiry) return
  const clause = isTimed ? 4 : persists ? 3 : 2
  if (clause + 2 >= args.count) {
    reply.error(wrongArgumentCount('hgetex'))
    return
  }
  const count = readFieldsClause(x, clause)
  if (count === 0) return
  reply.array(count)
  const picked = new PickedFields(args)
  const deletes = isTimed && expireAt <= x.now
  for (let i = clause + 2; i < args.count; i++) {
    const isGone = deletes && picked.has(i)
    if (entry === 0 || isGone || findPair(x, entry, i) === undefined) {
      reply.nil()
      continue
    }
    const changes = isTimed || (persists && found.expireAt !== 0)
    replyValue(x, entry, i)
    if (changes && !picked.has(i)) picked.add(i)
  }
  if (picked.count === 0) return
  if (deletes) {
    deletePicked(x, entry, picked)
    return
  }
  expireFields(x, picked, () => expireAt)
  x.notify(hashEvent, persists ? 'hpersist' : 'hexpire', 1)
}

/** The options of one HSETEX. */
interface SetOptions {
  /** Where the fields begin. */
  readonly first: number
  /** 0 for no time. */
  readonly expireAt: number
  readonly isTimed: boolean
  readonly keepsTtl: boolean
  readonly ifAll: boolean
  readonly ifNone: boolean
}

/** Undefined when the error is written already. */
function readSetOptions(x: Execution): SetOptions | undefined {
  const { args, reply } = x
  const options = { first: 0, expireAt: 0, isTimed: false, keepsTtl: false, ifAll: false, ifNone: false }
  for (let i = 2; i < args.count; i++) {
    const isTime = isTimeWord(x, i)
    if (args.is(i, 'FIELDS')) return readPairsClause(x, i) ? { ...options, first: i + 2 } : undefined
    if (isTime || args.is(i, 'KEEPTTL')) {
      if (options.isTimed || options.keepsTtl) return refuse(x, twoTimes)
      options.isTimed = isTime
      options.keepsTtl = !isTime
      if (!isTime) continue
      if (i + 1 >= args.count) return refuse(x, noTime)
      options.expireAt = timeBehind(x, i, 'hsetex')
      if (options.expireAt === invalidExpiry) return undefined
      i++
    } else if (args.is(i, 'FXX') || args.is(i, 'FNX')) {
      if (options.ifAll || options.ifNone) return refuse(x, twoConditions)
      options.ifAll = args.is(i, 'FXX')
      options.ifNone = !options.ifAll
    } else {
      // Redis prints the argument as C does: up to its first NUL.
      return refuse(x, `ERR unknown argument: ${args.string(i, 'latin1').split('\0', 1)[0]}`)
    }
  }
  reply.error(wrongArgumentCount('hsetex'))
  return undefined
}

/** Reads `FIELDS numfields` at an argument; the rest must be that many fields with values. */
function readPairsClause(x: Execution, index: number): boolean {
  const { args, reply } = x
  const rest = args.count - index - 2
  const count = rest < 1 ? 0 : args.integer(index + 1)
  const isCount = count > 0 && count <= fieldsMax
  if (rest >= 2 && isCount && rest === 2 * count) return true
  reply.error(rest < 2 || isCount ? wrongArgumentCount('hsetex') : badCount)
  return false
}

function refuse(x: Execution, error: string): undefined {
  x.reply.error(error)
  return undefined
}

function hsetex(x: Execution): void {
  const { args, reply } = x
  const options = readSetOptions(x)
  if (options === undefined) return
  const entry = x.findHash(1)
  if (entry === wrongType) return
  const { first, expireAt, isTimed, keepsTtl } = options
  /** Fields that there are, and their expiries. */
  const present = new PickedFields(args)
  const expiries: number[] = []
  let missing = 0
  for (let i = first; i < args.count; i += 2) {
    if (entry === 0 || findPair(x, entry, i) === undefined) missing++
    else if (!present.has(i)) {
      present.add(i)
      expiries.push(found.expireAt)
    }
  }
  if ((options.ifAll && missing > 0) || (options.ifNone && present.count > 0)) {
    reply.integer(0)
    return
  }
  reply.integer(1)
  if (isTimed && expireAt <= x.now) {
    deleteSet(x, entry, present)
    return
  }
  setFields(x, entry, pairs.from(args, first, 2))
  x.notify(hashEvent, 'hset', 1)
  if (isTimed) {
    expireFields(x, pairs.from(args, first, 2), () => expireAt)
    x.notify(hashEvent, 'hexpire', 1)
  } else if (keepsTtl && expiries.some((each) => each !== 0)) expireFields(x, present, (i) => expiries[i])
}

/** Fields that were set with a time of the past have been there for listeners only. */
function deleteSet(x: Execution, entry: number, present: PickedFields): void {
  const isLast = entry === 0 || x.keyspace.entries.length(entry) === present.count
  x.notify(hashEvent, 'hset', 1)
  if (present.count > 0) {
    deletePicked(x, entry, present)
    return
  }
  x.notify(hashEvent, 'hdel', 1)
  if (isLast) x.notify(genericEvent, 'del', 1)
}
