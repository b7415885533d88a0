/** What Redis's newer commands on fields have in common: the words `FIELDS numfields` before the fields, and times at which fields expire. */
import type { Execution } from '../execution.ts'
import { invalidExpireTime, notAnInteger } from './errors.ts'
import type { Unit } from './expiry-option.ts'
import { invalidExpiry } from './expiry-option.ts'

const noFieldsWord = 'ERR Mandatory argument FIELDS is missing or not at the right position'
const notPositive = 'ERR Number of fields must be a positive integer'
const countsDiffer = 'ERR The `numfields` parameter must match the number of arguments'
const negativeTime = 'ERR invalid expire time, must be >= 0'
/** The latest time at which Redis lets a field expire, in ms since the epoch. */
const fieldExpireAtMax = 2 ** 46 - 1

/** Reads `FIELDS numfields` at an argument; the rest must be that many fields. Returns how many there are, 0 when the error is written already. */
export function readFieldsClause(x: Execution, index: number, badCount = notPositive): number {
  const { args, reply } = x
  const count = args.is(index, 'FIELDS') ? args.integer(index + 1) : 0
  if (count > 0 && count === args.count - index - 2) return count
  reply.error(!args.is(index, 'FIELDS') ? noFieldsWord : count > 0 ? countsDiffer : badCount)
  return 0
}

/** Reads argument `index` as a time from `base` on. Returns ms since the epoch, or `invalidExpiry` when the error is written already. */
export function fieldExpireAt(x: Execution, index: number, unit: Unit, base: number, command: string): number {
  const time = x.args.bigInteger(index)
  if (time === undefined) x.reply.error(notAnInteger)
  else if (time < 0n) x.reply.error(negativeTime)
  else if (Number(time) * unit + base > fieldExpireAtMax) x.reply.error(invalidExpireTime(command))
  else return Number(time) * unit + base
  return invalidExpiry
}
