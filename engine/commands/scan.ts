/**
 * Walks over a database's keys: SCAN, KEYS, RANDOMKEY. Expired keys are passed over. What they show depends on every
 * key, so their replies wait for everything that is not committed yet.
 */
import type { EngineCommand } from '../command.ts'
import { noKeys } from '../command.ts'
import type { Execution } from '../execution.ts'
import { keyExpired } from '../keyspace/key-change.ts'
import { typeName } from '../keyspace/type-name.ts'
import { KeysImage, matchesKey, stageKeys } from './keys-image.ts'
import type { ScanOptions } from './scan-arguments.ts'
import { invalidCursor, readCursor, readScanOptions } from './scan-arguments.ts'

/** Cursors are hashes. */
const cursorEnd = 2 ** 32

export const scanCommands = {
  SCAN: {
    arity: -2,
    flags: ['readonly'],
    keys: noKeys,
    categories: ['keyspace'],
    group: 'generic',
    since: '2.8.0',
    complexity: 'O(COUNT) for every call, O(N) for the whole walk, where N is the number of keys',
    syntax: 'cursor [MATCH pattern] [COUNT count] [TYPE type]',
    summary: 'Walks over the keys of the database in steps.',
    handler: scan,
  },
  KEYS: {
    arity: 2,
    flags: ['readonly'],
    keys: noKeys,
    categories: ['keyspace', 'dangerous'],
    group: 'generic',
    since: '1.0.0',
    complexity: 'O(N) where N is the number of keys',
    syntax: 'pattern',
    summary: 'Returns all keys that match a pattern.',
    stages: stageKeys,
    handler: keys,
  },
  RANDOMKEY: {
    arity: 1,
    flags: ['readonly'],
    keys: noKeys,
    categories: ['keyspace'],
    group: 'generic',
    since: '1.0.0',
    complexity: 'O(1)',
    syntax: '',
    summary: 'Returns some key of the database.',
    handler: randomkey,
  },
} as const satisfies Record<string, EngineCommand>

function scan(x: Execution): void {
  const cursor = readCursor(x.args, 1)
  if (cursor < 0) {
    x.reply.error(invalidCursor)
    return
  }
  const options = readScanOptions(x, 2, true)
  if (options === undefined) return
  x.revealAll()
  const { index } = x.keyspace.databases[x.db]
  const found: number[] = []
  let visited = 0
  let next = cursor
  // The index ends a call early where it finds nothing; here a call goes on for as long as it has met no key.
  if (cursor < cursorEnd && index.size > 0) {
    do {
      next = index.scan(next, options.count - visited, (entry) => {
        visited++
        if (passes(x, entry, options)) found.push(entry)
      })
    } while (next !== 0 && visited < options.count)
  } else next = 0
  x.reply.array(2)
  x.reply.text(String(next))
  x.reply.array(found.length)
  for (const entry of found) replyKey(x, entry)
}

function passes(x: Execution, entry: number, options: ScanOptions): boolean {
  const { entries } = x.keyspace
  if (options.type !== 0 && !x.args.is(options.type, typeName(entries.type(entry)))) return false
  return (options.pattern === 0 || matches(x, entry, options.pattern)) && !isExpired(x, entry)
}

function matches(x: Execution, entry: number, pattern: number): boolean {
  return matchesKey(x, entry, x.args.buffer, x.args.start(pattern), x.args.end(pattern))
}

function isExpired(x: Execution, entry: number): boolean {
  const expireAt = x.keyspace.entries.expireAt(entry)
  return expireAt !== 0 && expireAt < x.now
}

function replyKey(x: Execution, entry: number): void {
  const { entries, arena } = x.keyspace
  const start = entries.keyStart(entry)
  x.reply.bulk(arena.bytes(entry), start, start + entries.keyLength(entry))
}

function keys(x: Execution): void {
  x.revealAll()
  if (x.staged instanceof KeysImage) {
    x.staged.replyTo(x.reply)
    return
  }
  const { index } = x.keyspace.databases[x.db]
  const { reply } = x
  const header = reply.arrayDeferred()
  let count = 0
  index.scan(0, Number.MAX_SAFE_INTEGER, (entry) => {
    if (isExpired(x, entry) || !matches(x, entry, 1)) return
    replyKey(x, entry)
    count++
  })
  reply.resolve(header, count)
}

function randomkey(x: Execution): void {
  x.revealAll()
  for (;;) {
    const entry = x.keyspace.randomEntry(x.db)
    if (entry === 0) {
      x.reply.nil()
      return
    }
    if (!isExpired(x, entry)) {
      replyKey(x, entry)
      return
    }
    x.expired++
    x.mutator.deleteEntry(entry, keyExpired)
  }
}
