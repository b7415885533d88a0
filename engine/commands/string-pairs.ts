/** MSET and MSETNX: several strings at once. Large ones are copied in slices beforehand. */
import type { EngineCommand } from '../command.ts'
import { keysFrom } from '../command.ts'
import type { Execution } from '../execution.ts'
import { valueHeaderBytes } from '../keyspace/values.ts'
import { stringEvent } from '../messages.ts'
import { CopiedArguments, stageValues } from './copied-arguments.ts'
import { wrongArgumentCount } from './errors.ts'

export const stringPairsCommands = {
  MSET: {
    arity: -3,
    flags: ['write', 'denyoom'],
    keys: keysFrom(1, 2, 'OW', 'update'),
    categories: ['string'],
    group: 'string',
    since: '1.0.1',
    complexity: 'O(N) where N is the number of keys',
    syntax: 'key value [key value ...]',
    summary: 'Sets several keys at once.',
    needs: 'none',
    stages: (x) => stageValues(x, 2, 2),
    handler: mset,
  },
  MSETNX: {
    arity: -3,
    flags: ['write', 'denyoom'],
    keys: keysFrom(1, 2, 'OW', 'insert'),
    categories: ['string'],
    group: 'string',
    since: '1.0.1',
    complexity: 'O(N) where N is the number of keys',
    syntax: 'key value [key value ...]',
    summary: 'Sets several keys at once, unless one of them exists.',
    needs: 'none',
    stages: (x) => stageValues(x, 2, 2),
    handler: msetnx,
  },
} as const satisfies Record<string, EngineCommand>

function mset(x: Execution): void {
  if (!hasPairs(x, 'mset')) return
  storePairs(x)
  x.reply.ok()
}

function msetnx(x: Execution): void {
  if (!hasPairs(x, 'msetnx')) return
  for (let i = 1; i < x.args.count; i += 2) {
    if (x.find(i) !== 0) {
      x.reply.integer(0)
      return
    }
  }
  storePairs(x)
  x.reply.integer(1)
}

function hasPairs(x: Execution, command: string): boolean {
  if (x.args.count % 2 === 1) return true
  x.reply.error(wrongArgumentCount(command))
  return false
}

function storePairs(x: Execution): void {
  const { args, mutator } = x
  const staged = x.staged instanceof CopiedArguments ? x.staged : undefined
  // All keys change or none: memory that the system may refuse is reserved before the first one does.
  for (let i = 2; i < args.count; i += 2) {
    if (i !== args.donated && staged?.has(i) !== true) mutator.reserveNewString(args.length(i))
  }
  for (let i = 1; i < args.count; i += 2) {
    const copy = staged?.take(i + 1)
    if (copy === undefined) x.putString(i, args.buffer, args.starts[i + 1], args.ends[i + 1], 0)
    else {
      x.replaces(i)
      const end = valueHeaderBytes + args.length(i + 1)
      mutator.putString(x.db, args.buffer, args.starts[i], args.ends[i], copy, valueHeaderBytes, end, 0, true)
    }
    x.notify(stringEvent, 'set', i)
  }
}
