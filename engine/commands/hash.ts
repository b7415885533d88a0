/**
 * Commands on fields of hashes. Counters are in `hash-counters.ts`, whole hashes in `hash-whole.ts`, parts of hashes (a random
 * one, one after the other) in `hash-random.ts` and `hash-scan.ts`. Texts and rules as in Redis 7.0.
 */
import type { EngineCommand } from '../command.ts'
import { keyAt } from '../command.ts'
import type { Execution } from '../execution.ts'
import { wrongType } from '../execution.ts'
import { hashType } from '../keyspace/entries.ts'
import { genericEvent, hashEvent } from '../messages.ts'
import { removeFieldsEdit, setFieldsEdit } from '../types/hash-type.ts'
import { ArgumentFields } from './argument-fields.ts'
import { wrongArgumentCount } from './errors.ts'
import { hashCounterCommands } from './hash-counters.ts'
import { hashExpiryCommands } from './hash-expire.ts'
import { findPair, found } from './hash-fields.ts'
import { readFieldsClause } from './hash-fields-clause.ts'
import { hashGetSetExpiringCommands } from './hash-get-set-expiring.ts'
import { wantsCountedFields, wantsField, wantsFields, wantsPairs } from './hash-needs.ts'
import { hashRandomCommands } from './hash-random.ts'
import { hashScanCommands } from './hash-scan.ts'
import { setFields } from './hash-set.ts'
import { replyValue } from './hash-values.ts'
import { wholeHashCommands } from './hash-whole.ts'
import { withoutExpired } from './live-fields.ts'
import { FieldAdditions, stageFields } from './many-additions.ts'
import { namedRemovalOf, removeNamed, stageNamed } from './named-removal.ts'
import { additionOf, addStaged } from './staged-addition.ts'

const fields = new ArgumentFields()

const field = {
  categories: ['hash'],
  group: 'hash',
  since: '2.0.0',
  complexity: 'O(1)',
  needs: wantsField,
} as const

export const hashCommands = {
  HSET: {
    ...field,
    arity: -4,
    flags: ['write', 'denyoom', 'fast'],
    keys: keyAt(1, 'RW', 'update'),
    complexity: 'O(N) where N is the number of fields being set',
    syntax: 'key field value [field value ...]',
    summary: 'Sets fields of a hash.',
    needs: wantsPairs,
    stages: stageFields,
    handler: hset,
  },
  HSETNX: {
    ...field,
    arity: 4,
    flags: ['write', 'denyoom', 'fast'],
    keys: keyAt(1, 'RW', 'insert'),
    syntax: 'key field value',
    summary: 'Sets a field of a hash that does not exist.',
    handler: hsetnx,
  },
  HMSET: {
    ...field,
    arity: -4,
    flags: ['write', 'denyoom', 'fast'],
    keys: keyAt(1, 'RW', 'update'),
    complexity: 'O(N) where N is the number of fields being set',
    syntax: 'key field value [field value ...]',
    summary: 'Sets fields of a hash; HSET says how many were new.',
    needs: wantsPairs,
    stages: stageFields,
    handler: hmset,
  },
  HGET: {
    ...field,
    arity: 3,
    flags: ['readonly', 'fast'],
    keys: keyAt(1, 'RO', 'access'),
    syntax: 'key field',
    summary: 'Returns the value of a field.',
    handler: hget,
  },
  HMGET: {
    ...field,
    arity: -3,
    flags: ['readonly', 'fast'],
    keys: keyAt(1, 'RO', 'access'),
    complexity: 'O(N) where N is the number of fields asked for',
    briefArguments: 8,
    syntax: 'key field [field ...]',
    summary: 'Returns the values of several fields.',
    needs: wantsFields,
    handler: hmget,
  },
  HDEL: {
    ...field,
    arity: -3,
    flags: ['write', 'fast'],
    keys: keyAt(1, 'RW', 'delete'),
    complexity: 'O(N) where N is the number of fields to be deleted',
    briefArguments: 4,
    syntax: 'key field [field ...]',
    summary: 'Deletes fields, and the hash with its last one.',
    needs: wantsFields,
    stages: (x) => stageNamed(x, hashType),
    handler: hdel,
  },
  HGETDEL: {
    ...field,
    arity: -5,
    flags: ['write', 'fast'],
    keys: keyAt(1, 'RW', 'access', 'delete'),
    since: '0.1.0',
    complexity: 'O(N) where N is the number of fields asked for',
    syntax: 'key FIELDS numfields field [field ...]',
    summary: 'Returns the values of fields and deletes them, and the hash with its last one.',
    needs: wantsCountedFields,
    handler: hgetdel,
  },
  HEXISTS: {
    ...field,
    arity: 3,
    flags: ['readonly', 'fast'],
    keys: keyAt(1, 'RO'),
    syntax: 'key field',
    summary: 'Tells whether a field exists.',
    handler: hexists,
  },
  HSTRLEN: {
    ...field,
    arity: 3,
    flags: ['readonly', 'fast'],
    keys: keyAt(1, 'RO'),
    since: '3.2.0',
    syntax: 'key field',
    summary: 'Returns the length of the value of a field in bytes.',
    handler: hstrlen,
  },
  HLEN: {
    ...field,
    arity: 2,
    flags: ['readonly', 'fast'],
    keys: keyAt(1, 'RO'),
    syntax: 'key',
    summary: 'Returns the number of fields in a hash.',
    needs: 'none',
    handler: hlen,
  },
  ...wholeHashCommands,
  ...hashCounterCommands,
  ...hashExpiryCommands,
  ...hashGetSetExpiringCommands,
  ...hashRandomCommands,
  ...hashScanCommands,
} as const satisfies Record<string, EngineCommand>

function hset(x: Execution): void {
  const added = setPairs(x, 'hset')
  if (added >= 0) x.reply.integer(added)
}

function hmset(x: Execution): void {
  if (setPairs(x, 'hmset') >= 0) x.reply.ok()
}

/** Returns how many fields were new, -1 when the error is written already. */
function setPairs(x: Execution, command: string): number {
  const { args } = x
  if (args.count % 2 === 1) {
    x.reply.error(wrongArgumentCount(command))
    return -1
  }
  const entry = x.findHash(1)
  if (entry === wrongType) return -1
  const staged = additionOf(x, entry, FieldAdditions)
  if (staged !== undefined) addStaged(x, staged, x.mutator.types.hashes, setFieldsEdit)
  const added = staged === undefined ? setFields(x, entry, fields.from(args, 2, 2)) : staged.plan.added
  x.notify(hashEvent, 'hset', 1)
  return added
}

function hsetnx(x: Execution): void {
  const { args } = x
  const entry = x.findHash(1)
  if (entry === wrongType) return
  if (entry !== 0 && findPair(x, entry, 2) !== undefined) {
    x.reply.integer(0)
    return
  }
  setFields(x, entry, fields.from(args, 2, 2))
  x.notify(hashEvent, 'hset', 1)
  x.reply.integer(1)
}

function hget(x: Execution): void {
  const entry = x.readHash(1)
  if (entry !== wrongType) replyValue(x, entry, 2)
}

function hmget(x: Execution): void {
  const entry = x.readHash(1)
  if (entry === wrongType) return
  const { count } = x.args
  x.reply.array(count - 2)
  for (let i = 2; i < count; i++) replyValue(x, entry, i)
}

function hdel(x: Execution): void {
  const entry = x.findHash(1)
  if (entry === wrongType) return
  const { args } = x
  const staged = namedRemovalOf(x, entry, hashType)
  if (staged !== undefined) {
    x.reply.integer(removeNamed(x, entry, staged, x.mutator.types.hashes, removeFieldsEdit, hashEvent, 'hdel'))
    return
  }
  let first = 2
  if (entry !== 0) while (first < args.count && findPair(x, entry, first) === undefined) first++
  if (entry === 0 || first === args.count) {
    x.reply.integer(0)
    return
  }
  withoutExpired(x, entry, fields.from(args, first, 1))
  x.reply.integer(deleteFields(x, entry, first))
}

/** Deletes the fields from argument `first` on; returns how many there were. */
function deleteFields(x: Execution, entry: number, first: number): number {
  const before = x.keyspace.entries.length(entry)
  const deleted = x.mutator.hashDelete(entry, fields.from(x.args, first, 1))
  x.notify(hashEvent, 'hdel', 1)
  if (deleted === before) x.notify(genericEvent, 'del', 1)
  return deleted
}

function hgetdel(x: Execution): void {
  const { reply } = x
  const entry = x.findHash(1)
  if (entry === wrongType) return
  const count = readFieldsClause(x, 2)
  if (count === 0) return
  reply.array(count)
  if (takeValues(x, entry)) deleteFields(x, entry, 4)
}

/** Replies with the values of the fields from argument 4 on, with one that is named again only the first time. False if there are none. */
function takeValues(x: Execution, entry: number): boolean {
  const { args } = x
  const seen = new Set<string>()
  let isAny = false
  for (let i = 4; i < args.count; i++) {
    const name = args.count === 5 ? '' : args.string(i, 'latin1')
    if (entry === 0 || seen.has(name) || findPair(x, entry, i) === undefined) x.reply.nil()
    else {
      isAny = true
      seen.add(name)
      replyValue(x, entry, i)
    }
  }
  return isAny
}

function hexists(x: Execution): void {
  const entry = x.readHash(1)
  if (entry !== wrongType) x.reply.integer(entry !== 0 && findPair(x, entry, 2) !== undefined ? 1 : 0)
}

function hstrlen(x: Execution): void {
  const entry = x.readHash(1)
  if (entry !== wrongType) x.reply.integer(entry !== 0 && findPair(x, entry, 2) !== undefined ? found.valueEnd - found.valueStart : 0)
}

function hlen(x: Execution): void {
  const entry = x.readHash(1)
  if (entry !== wrongType) x.reply.integer(entry === 0 ? 0 : x.keyspace.entries.length(entry))
}
