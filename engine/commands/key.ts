/**
 * Commands on keys of any type: whether they exist, and under which name. Expiry is in `expire.ts`, walks over keys in
 * `scan.ts`, whole databases in `database.ts`, OBJECT in `object.ts`.
 */
import type { EngineCommand } from '../command.ts'
import { keyAt, keysEach, keysFrom } from '../command.ts'
import type { Execution } from '../execution.ts'
import { typeName } from '../keyspace/type-name.ts'
import { genericEvent } from '../messages.ts'
import { databaseCommands } from './database.ts'
import { readDatabase } from './database-number.ts'
import { noSuchKey, sameObject, syntaxError } from './errors.ts'
import { expireCommands } from './expire.ts'
import { peek } from './look-up.ts'
import { objectCommands } from './object.ts'
import { scanCommands } from './scan.ts'
import { stageCopy, stagedCopy, wantsCopied } from './stage-copy.ts'

const deletes = {
  arity: -2,
  keys: keysFrom(1, 1, 'RM', 'delete'),
  categories: ['keyspace'],
  group: 'generic',
  complexity: 'O(N) where N is the number of keys',
  syntax: 'key [key ...]',
  needs: 'none',
  handler: del,
} as const

const renames = {
  arity: 3,
  categories: ['keyspace'],
  group: 'generic',
  since: '1.0.0',
  complexity: 'O(1)',
  syntax: 'key newkey',
  needs: 'none',
  moves: true,
} as const
const source = { first: 1, last: 0, step: 1, flags: ['RW', 'access', 'delete'] } as const

export const keyCommands = {
  DEL: { ...deletes, flags: ['write'], since: '1.0.0', summary: 'Deletes keys.' },
  UNLINK: {
    ...deletes,
    flags: ['write', 'fast'],
    since: '4.0.0',
    summary: 'Deletes keys; the same as DEL here, which never takes long.',
  },
  EXISTS: {
    arity: -2,
    flags: ['readonly', 'fast'],
    keys: keysFrom(1, 1, 'RO'),
    categories: ['keyspace'],
    group: 'generic',
    since: '1.0.0',
    complexity: 'O(N) where N is the number of keys',
    syntax: 'key [key ...]',
    summary: 'Counts the keys that exist.',
    needs: 'none',
    handler: exists,
  },
  TYPE: {
    arity: 2,
    flags: ['readonly', 'fast'],
    keys: keyAt(1, 'RO'),
    categories: ['keyspace'],
    group: 'generic',
    since: '1.0.0',
    complexity: 'O(1)',
    syntax: 'key',
    summary: 'Returns the type of a key.',
    needs: 'none',
    handler: type,
  },
  TOUCH: {
    arity: -2,
    flags: ['readonly', 'fast'],
    keys: keysFrom(1, 1, 'RO'),
    categories: ['keyspace'],
    group: 'generic',
    since: '3.2.1',
    complexity: 'O(N) where N is the number of keys',
    syntax: 'key [key ...]',
    summary: 'Counts the keys that exist, and a use of each.',
    needs: 'none',
    handler: touch,
  },
  RENAME: {
    ...renames,
    flags: ['write'],
    keys: keysEach(source, { first: 2, last: 0, step: 1, flags: ['OW', 'update'] }),
    summary: 'Gives a key another name.',
    handler: rename,
  },
  RENAMENX: {
    ...renames,
    flags: ['write', 'fast'],
    keys: keysEach(source, { first: 2, last: 0, step: 1, flags: ['OW', 'insert'] }),
    summary: 'Gives a key another name, unless that exists.',
    handler: renamenx,
  },
  COPY: {
    arity: -3,
    flags: ['write', 'denyoom'],
    keys: keysEach({ first: 1, last: 0, step: 1, flags: ['RO', 'access'] }, { first: 2, last: 0, step: 1, flags: ['OW', 'update'] }),
    categories: ['keyspace'],
    group: 'generic',
    since: '6.2.0',
    complexity: 'O(N) where N is the size of the value',
    syntax: 'source destination [DB destination-db] [REPLACE]',
    summary: 'Copies a value to another key.',
    needs: wantsCopied,
    stages: stageCopy,
    handler: copy,
  },
  MOVE: {
    arity: 3,
    flags: ['write', 'fast'],
    keys: keyAt(1, 'RW', 'access', 'update'),
    categories: ['keyspace'],
    group: 'generic',
    since: '1.0.0',
    complexity: 'O(1)',
    syntax: 'key db',
    summary: 'Moves a key to another database.',
    needs: 'none',
    moves: true,
    handler: move,
  },
  ...expireCommands,
  ...scanCommands,
  ...databaseCommands,
  ...objectCommands,
} as const satisfies Record<string, EngineCommand>

function del(x: Execution): void {
  const { count } = x.args
  let deleted = 0
  for (let i = 1; i < count; i++) {
    if (!x.delete(i)) continue
    x.notify(genericEvent, 'del', i)
    deleted++
  }
  x.reply.integer(deleted)
}

function exists(x: Execution): void {
  const { count } = x.args
  let existing = 0
  for (let i = 1; i < count; i++) if (peek(x, i) !== 0) existing++
  x.reply.integer(existing)
}

function type(x: Execution): void {
  const entry = peek(x, 1)
  x.reply.status(entry === 0 ? 'none' : typeName(x.keyspace.entries.type(entry)))
}

function touch(x: Execution): void {
  const { count } = x.args
  let existing = 0
  for (let i = 1; i < count; i++) if (x.read(i) !== 0) existing++
  x.reply.integer(existing)
}

function rename(x: Execution): void {
  const { args, reply } = x
  const entry = x.find(1)
  if (entry === 0) {
    reply.error(noSuchKey)
    return
  }
  if (!args.same(1, 2)) giveName(x, entry)
  reply.ok()
}

function renamenx(x: Execution): void {
  const { args, reply } = x
  const entry = x.find(1)
  if (entry === 0) {
    reply.error(noSuchKey)
    return
  }
  if (args.same(1, 2) || x.find(2) !== 0) {
    reply.integer(0)
    return
  }
  giveName(x, entry)
  reply.integer(1)
}

/** Moves a value to the key that is argument 2. */
function giveName(x: Execution, entry: number): void {
  x.replaces(2)
  transfer(x, entry, x.db, 2)
  x.notify(genericEvent, 'rename_from', 1)
  x.notify(genericEvent, 'rename_to', 2)
}

/** Moves a value to the key that is argument `index`, in a physical database. */
function transfer(x: Execution, entry: number, db: number, index: number): void {
  const { args } = x
  x.mutator.move(entry, db, args.buffer, args.start(index), args.end(index))
}

function copy(x: Execution): void {
  const { args, reply, keyspace } = x
  let database = x.database
  let replaces = false
  for (let i = 3; i < args.count; i++) {
    if (args.is(i, 'REPLACE')) replaces = true
    else if (args.is(i, 'DB') && i + 1 < args.count) {
      database = readDatabase(x, ++i)
      if (database < 0) return
    } else {
      reply.error(syntaxError)
      return
    }
  }
  if (database !== 0 && x.limits.hasSlots === true) {
    reply.error('ERR Copying to another database is not allowed in cluster mode')
    return
  }
  const db = keyspace.logical[database]
  if (db === x.db && args.same(1, 2)) {
    reply.error(sameObject)
    return
  }
  const entry = x.read(1)
  if (entry === 0 || (x.findKey(db, args.buffer, args.start(2), args.end(2)) !== 0 && !replaces)) {
    reply.integer(0)
    return
  }
  const staged = stagedCopy(x, entry)
  if (staged === undefined) keyspace.arena.reserveSlots(slotBytes(x, entry))
  x.mutator.copy(entry, db, args.buffer, args.start(2), args.end(2), staged)
  x.notifyKey(genericEvent, 'copy_to', db, args.buffer, args.start(2), args.end(2))
  reply.integer(1)
}

/** What a copy of a resident value takes in slots of the arena. A value in a large block gets another such block, or none. */
function slotBytes({ keyspace }: Execution, entry: number): number {
  const { entries, trees, arena } = keyspace
  const value = entries.value(entry)
  if (entries.isTree(entry)) return trees.memoryBytes(value)
  return arena.isLarge(value) ? 0 : arena.capacity(value)
}

function move(x: Execution): void {
  const { args, reply } = x
  if (x.limits.hasSlots === true) {
    reply.error('ERR MOVE is not allowed in cluster mode')
    return
  }
  const database = readDatabase(x, 2)
  if (database < 0) return
  const db = x.keyspace.logical[database]
  if (db === x.db) {
    reply.error(sameObject)
    return
  }
  const entry = x.find(1)
  if (entry === 0 || x.findKey(db, args.buffer, args.start(1), args.end(1)) !== 0) {
    reply.integer(0)
    return
  }
  transfer(x, entry, db, 1)
  x.notify(genericEvent, 'move_from', 1)
  x.notifyKey(genericEvent, 'move_to', db, args.buffer, args.start(1), args.end(1))
  reply.integer(1)
}
