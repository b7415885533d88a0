/** Whole databases: their size, emptying and exchanging them. Emptying hands the contents over to be released in slices, ASYNC or not. */
import type { EngineCommand } from '../command.ts'
import { noKeys } from '../command.ts'
import type { Execution } from '../execution.ts'
import { databaseCount } from '../keyspace/keyspace.ts'
import { readDatabase } from './database-number.ts'
import { syntaxError } from './errors.ts'

const database = {
  keys: noKeys,
  group: 'server',
} as const

export const databaseCommands = {
  DBSIZE: {
    ...database,
    arity: 1,
    flags: ['readonly', 'fast'],
    categories: ['keyspace'],
    since: '1.0.0',
    complexity: 'O(1)',
    syntax: '',
    summary: 'Returns the number of keys in the database.',
    handler: dbsize,
  },
  FLUSHDB: {
    ...database,
    arity: -1,
    flags: ['write'],
    categories: ['keyspace', 'dangerous'],
    since: '1.0.0',
    complexity: 'O(1), and O(N) in small steps afterwards, where N is the number of keys',
    syntax: '[ASYNC | SYNC]',
    summary: 'Removes all keys of the database.',
    handler: flushdb,
  },
  FLUSHALL: {
    ...database,
    arity: -1,
    flags: ['write'],
    categories: ['keyspace', 'dangerous'],
    since: '1.0.0',
    complexity: 'O(1), and O(N) in small steps afterwards, where N is the number of keys',
    syntax: '[ASYNC | SYNC]',
    summary: 'Removes all keys of all databases.',
    handler: flushall,
  },
  SWAPDB: {
    ...database,
    arity: 3,
    flags: ['write', 'fast'],
    categories: ['keyspace', 'dangerous'],
    since: '4.0.0',
    complexity: 'O(1)',
    syntax: 'index1 index2',
    summary: 'Exchanges two databases.',
    handler: swapdb,
  },
} as const satisfies Record<string, EngineCommand>

function dbsize(x: Execution): void {
  x.revealAll()
  x.reply.integer(x.keyspace.databases[x.db].index.size)
}

function flushdb(x: Execution): void {
  if (!hasFlushMode(x)) return
  flush(x, x.db)
  x.reply.ok()
}

function flushall(x: Execution): void {
  if (!hasFlushMode(x)) return
  for (let db = 0; db < databaseCount; db++) flush(x, db)
  x.reply.ok()
}

/** A database that is empty already may be so by changes that are not committed: the reply waits for them. Who keeps copies is told, as by Redis. */
function flush(x: Execution, db: number): void {
  const { mutator } = x
  if (x.keyspace.databases[db].index.size > 0) mutator.flush(db)
  else {
    x.revealAll()
    if (mutator.interest.active !== 0) mutator.interest.flushed(db)
  }
}

function hasFlushMode(x: Execution): boolean {
  const { args } = x
  if (args.count === 1 || (args.count === 2 && (args.is(1, 'ASYNC') || args.is(1, 'SYNC')))) return true
  x.reply.error(syntaxError)
  return false
}

function swapdb(x: Execution): void {
  // What is no number at all is told first, for either argument; then what is no database.
  const { reply } = x
  if (x.limits.hasSlots === true) {
    reply.error('ERR SWAPDB is not allowed in cluster mode')
    return
  }
  if (!isInt(x, 1) || !isInt(x, 2)) {
    reply.error(isInt(x, 1) ? 'ERR invalid second DB index' : 'ERR invalid first DB index')
    return
  }
  const a = readDatabase(x, 1)
  if (a < 0) return
  const b = readDatabase(x, 2)
  if (b < 0) return
  if (a !== b) x.mutator.swap(a, b)
  x.db = x.keyspace.logical[x.database]
  reply.ok()
}

function isInt(x: Execution, index: number): boolean {
  const number = x.args.integer(index)
  return number >= -(2 ** 31) && number < 2 ** 31
}
