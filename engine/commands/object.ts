/**
 * OBJECT: what a value is made of, where it is, and how often it is used. None of it counts as a use.
 *
 * ENCODING answers as Redis would for the same value; whether a short string is an integer only its bytes can tell. Of a
 * cold value it is known when it became cold, to a minute, or that it was so when the server started: IDLETIME counts from
 * there.
 */
import type { EngineCommand } from '../command.ts'
import { keyAt, noKeys } from '../command.ts'
import type { Execution } from '../execution.ts'
import { valueDirtyFlag } from '../keyspace/entries.ts'
import { encodingName, referenceCount, wantsDigits } from '../keyspace/redis-encoding.ts'
import { peekSilently } from './look-up.ts'

const noFrequency =
  'ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when switching between policies at runtime LRU and LFU data will take some time to adjust.'
const noIdleTime =
  'ERR An LFU maxmemory policy is selected, idle time not tracked. Please note that when switching between policies at runtime LRU and LFU data will take some time to adjust.'

const about = {
  arity: 3,
  flags: ['readonly'],
  keys: keyAt(2, 'RO'),
  categories: ['keyspace'],
  group: 'generic',
  complexity: 'O(1)',
  syntax: 'key',
  needs: 'none',
} as const

export const objectCommands = {
  OBJECT: {
    arity: -2,
    flags: [],
    keys: noKeys,
    categories: [],
    group: 'generic',
    since: '2.2.3',
    complexity: 'Depends on the subcommand',
    syntax: '',
    summary: 'Tells what the value of a key is made of.',
    handler: object,
  },
  'OBJECT ENCODING': {
    ...about,
    since: '2.2.3',
    summary: 'Returns how a value is represented.',
    needs: wantsDigits,
    handler: encoding,
  },
  'OBJECT FREQ': { ...about, since: '4.0.0', summary: 'Returns how often a key is used, on a logarithmic scale.', handler: freq },
  'OBJECT HELP': {
    arity: 2,
    flags: ['loading', 'stale'],
    keys: noKeys,
    categories: ['keyspace'],
    group: 'generic',
    since: '6.2.0',
    complexity: 'O(1)',
    syntax: '',
    summary: 'Describes the subcommands.',
    handler: help,
  },
  'OBJECT IDLETIME': { ...about, since: '2.2.3', summary: 'Returns for how many seconds a key was not used.', handler: idletime },
  'OBJECT REFCOUNT': {
    ...about,
    since: '2.2.3',
    summary: 'Returns how many references Redis would have to a value: 1, or very many for a small integer.',
    needs: wantsDigits,
    handler: refcount,
  },
  'OBJECT TIER': {
    ...about,
    since: '7.0.0',
    summary: 'Returns where a value is: hot (memory only), cool (memory and disk) or cold (disk only).',
    handler: tier,
  },
} as const satisfies Record<string, EngineCommand>

const helpLines = [
  'OBJECT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:',
  'ENCODING <key>',
  '    Return the kind of internal representation used in order to store the value',
  '    associated with a <key>.',
  'FREQ <key>',
  '    Return the access frequency index of the <key>. The returned integer is',
  '    proportional to the logarithm of the recent access frequency of the key.',
  'IDLETIME <key>',
  '    Return the idle time of the <key>, that is the approximated number of',
  '    seconds elapsed since the last access to the key.',
  'REFCOUNT <key>',
  '    Return the number of references of the value associated with the specified',
  '    <key>.',
  'TIER <key>',
  '    Return where the value is: hot (in memory, newer than on disk), cool (in',
  '    memory and on disk) or cold (on disk only).',
  'HELP',
  '    Prints this help.',
]

/** Reached only by subcommands that are in no row. */
function object(x: Execution): void {
  x.reply.error(`ERR unknown subcommand '${x.args.string(1, 'latin1').slice(0, 128)}'. Try OBJECT HELP.`)
}

function encoding(x: Execution): void {
  const entry = peekSilently(x, 2)
  if (entry === 0) x.reply.nil()
  else x.reply.text(encodingName(x.keyspace, entry))
}

function freq(x: Execution): void {
  const entry = peekSilently(x, 2)
  const { entries, access } = x.keyspace
  if (entry === 0) x.reply.nil()
  else if (!access.lfu) x.reply.error(noFrequency)
  else if (entries.isResident(entry)) x.reply.integer(access.frequency(entries.access(entry)))
  // The counter goes with the value, which will begin anew when it returns. So it counts as new when it left: a few minutes
  // later that is 0, as Redis's decay would make of nearly any counter.
  else x.reply.integer(access.frequencyAfter(x.keyspace.idleSeconds(entry)))
}

function help(x: Execution): void {
  x.reply.array(helpLines.length)
  for (const line of helpLines) x.reply.status(line)
}

function idletime(x: Execution): void {
  const entry = peekSilently(x, 2)
  if (entry === 0) x.reply.nil()
  else if (x.keyspace.access.lfu) x.reply.error(noIdleTime)
  else x.reply.integer(x.keyspace.idleSeconds(entry))
}

function refcount(x: Execution): void {
  const entry = peekSilently(x, 2)
  if (entry === 0) x.reply.nil()
  else x.reply.integer(referenceCount(x.keyspace, entry))
}

function tier(x: Execution): void {
  const entry = peekSilently(x, 2)
  if (entry === 0) x.reply.nil()
  else x.reply.text(tierName(x, entry))
}

/** A large collection is hot while a leaf of it is, and cold when all leaves are. */
function tierName(x: Execution, entry: number): string {
  const { entries, trees } = x.keyspace
  if (entries.isTree(entry)) {
    const { roots } = trees
    const root = entries.value(entry)
    if (roots.coldLeaves(root) === roots.leaves(root)) return 'cold'
    return roots.dirtyLeaves(root) > 0 ? 'hot' : 'cool'
  }
  if (!entries.isResident(entry)) return 'cold'
  return entries.flag(entry, valueDirtyFlag) ? 'hot' : 'cool'
}
