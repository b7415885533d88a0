/** Numbers of databases in arguments, with Redis's errors. */
import type { Execution } from '../execution.ts'
import { databaseCount } from '../keyspace/keyspace.ts'
import { databaseOutOfRange, notAnInt, notAnInteger } from './errors.ts'

const intMax = 2 ** 31 - 1

/**
 * Argument `index` as the number of a database as clients count them; -1 when it is none, the error being written.
 */
export function readDatabase(x: Execution, index: number): number {
  const { args, reply } = x
  const number = args.integer(index)
  if (number >= 0 && number < databaseCount) return number
  if (Number.isNaN(number) && !args.isInt64(index)) reply.error(notAnInteger)
  else if (!(number >= -intMax - 1 && number <= intMax)) reply.error(notAnInt)
  else reply.error(databaseOutOfRange)
  return -1
}
