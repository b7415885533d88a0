/**
 * SINTER, SUNION, SDIFF, their STORE forms and SINTERCARD. An intersection walks over its smallest set and looks each member up in the others;
 * a union walks over all of them; a difference walks over the first.
 */
import type { EngineCommand } from '../command.ts'
import { keysCounted, keysFrom } from '../command.ts'
import type { Execution } from '../execution.ts'
import { wrongType } from '../execution.ts'
import { setType } from '../keyspace/entries.ts'
import { genericEvent, setEvent } from '../messages.ts'
import type { VisitMember } from '../types/set-leaf.ts'
import { syntaxError } from './errors.ts'
import { readLongFrom } from './long-argument.ts'
import { MemberList } from './member-list.ts'
import { storeMembers } from './set-change.ts'
import { wantsSources } from './set-needs.ts'

const all = { categories: ['set'], group: 'set', since: '1.0.0', syntax: 'key [key ...]' } as const
const reads = { ...all, arity: -2, flags: ['readonly'], keys: keysFrom(1, 1, 'RO', 'access') } as const
const stores = {
  ...all,
  arity: -3,
  flags: ['write', 'denyoom'],
  keys: {
    first: 1,
    last: -1,
    step: 1,
    access: [
      { first: 1, last: 0, step: 1, flags: ['OW', 'update'] },
      { first: 2, last: -1, step: 1, flags: ['RO', 'access'] },
    ],
  },
  syntax: 'destination key [key ...]',
  needs: wantsSources,
} as const
const interComplexity = 'O(N*M) where N is the size of the smallest set and M the number of sets'
const sumComplexity = 'O(N) where N is the sum of the sizes of all sets'

export const setAlgebraCommands = {
  SINTER: { ...reads, complexity: interComplexity, summary: 'Returns the members that all sets have.', handler: (x) => reply(x, inter) },
  SINTERSTORE: {
    ...stores,
    keys: { ...stores.keys, access: [{ ...stores.keys.access[0], flags: ['RW', 'update'] }, stores.keys.access[1]] },
    complexity: interComplexity,
    summary: 'Stores the members that all sets have.',
    handler: (x) => store(x, inter, 'sinterstore'),
  },
  SINTERCARD: {
    ...all,
    arity: -3,
    flags: ['readonly', 'movablekeys'],
    keys: keysCounted(1, ['RO', 'access']),
    since: '7.0.0',
    complexity: interComplexity,
    syntax: 'numkeys key [key ...] [LIMIT limit]',
    summary: 'Counts the members that all sets have.',
    handler: sintercard,
  },
  SUNION: { ...reads, complexity: sumComplexity, summary: 'Returns the members that any set has.', handler: (x) => reply(x, union) },
  SUNIONSTORE: {
    ...stores,
    complexity: sumComplexity,
    summary: 'Stores the members that any set has.',
    handler: (x) => store(x, union, 'sunionstore'),
  },
  SDIFF: {
    ...reads,
    complexity: sumComplexity,
    summary: 'Returns the members of the first set that no other set has.',
    handler: (x) => reply(x, diff),
  },
  SDIFFSTORE: {
    ...stores,
    complexity: sumComplexity,
    summary: 'Stores the members of the first set that no other set has.',
    handler: (x) => store(x, diff, 'sdiffstore'),
  },
} as const satisfies Record<string, EngineCommand>

/** Visits the members of a combination of sets, given by their entries (0: a missing key), each once; the visit returns false to end it. */
type Combine = (x: Execution, sources: readonly number[], visit: (bytes: Buffer, start: number, end: number) => boolean) => void

const enough = new Error('enough members')

/** A walk that a visit may end. */
function walk(x: Execution, entry: number, visit: (bytes: Buffer, start: number, end: number) => boolean): void {
  const each: VisitMember = (bytes, start, end) => {
    if (!visit(bytes, start, end)) throw enough
  }
  try {
    x.mutator.types.sets.each(entry, each)
  } catch (error) {
    if (error !== enough) throw error
  }
}

const inter: Combine = (x, sources, visit) => {
  if (sources.includes(0)) return
  const { entries } = x.keyspace
  const { sets } = x.mutator.types
  const [smallest, ...others] = [...new Set(sources)].sort((a, b) => entries.length(a) - entries.length(b)) as [number, ...number[]]
  walk(x, smallest, (bytes, start, end) => !others.every((other) => sets.has(other, bytes, start, end)) || visit(bytes, start, end))
}

const union: Combine = (x, sources, visit) => {
  const { sets } = x.mutator.types
  const present = [...new Set(sources)].filter((entry) => entry !== 0)
  let goesOn = true
  for (const [i, entry] of present.entries()) {
    const before = present.slice(0, i)
    walk(x, entry, (bytes, start, end) => {
      if (!before.some((other) => sets.has(other, bytes, start, end))) goesOn = visit(bytes, start, end)
      return goesOn
    })
    if (!goesOn) return
  }
}

const diff: Combine = (x, [first = 0, ...others], visit) => {
  if (first === 0) return
  const { sets } = x.mutator.types
  const present = others.filter((entry) => entry !== 0)
  if (present.includes(first)) return
  walk(x, first, (bytes, start, end) => present.some((other) => sets.has(other, bytes, start, end)) || visit(bytes, start, end))
}

/** The entries of the sets that are arguments `from` to `to`; undefined when one is something else, and the error is written. */
function sourcesOf(x: Execution, from: number, to: number): number[] | undefined {
  const found: number[] = []
  for (let i = from; i < to; i++) {
    const entry = x.readType(i, setType)
    if (entry === wrongType) return undefined
    found.push(entry)
  }
  return found
}

function reply(x: Execution, combine: Combine): void {
  const sources = sourcesOf(x, 1, x.args.count)
  if (sources === undefined) return
  const token = x.reply.setDeferred()
  let count = 0
  combine(x, sources, (bytes, start, end) => {
    x.reply.bulk(bytes, start, end)
    count++
    return true
  })
  x.reply.resolve(token, count)
}

function store(x: Execution, combine: Combine, event: string): void {
  const { args } = x
  const sources = sourcesOf(x, 2, args.count)
  if (sources === undefined) return
  const members = new MemberList()
  combine(x, sources, (bytes, start, end) => {
    members.add(bytes, start, end)
    return true
  })
  const put = (): void => storeMembers(x, args.buffer, args.starts[1], args.ends[1], members)
  const existed = x.replace(1, members.count > 0 ? put : undefined)
  if (members.count > 0) x.notify(setEvent, event, 1)
  else if (existed) x.notify(genericEvent, 'del', 1)
  x.reply.integer(members.count)
}

function sintercard(x: Execution): void {
  const { args } = x
  const keys = args.integer(1)
  if (!(keys >= 1 && keys <= 0x7fffffff)) {
    x.reply.error('ERR numkeys should be greater than 0')
    return
  }
  if (keys > args.count - 2) {
    x.reply.error("ERR Number of keys can't be greater than number of args")
    return
  }
  const limit = limitOf(x, keys + 2)
  if (limit < 0) return
  const sources = sourcesOf(x, 2, keys + 2)
  if (sources === undefined) return
  let count = 0
  inter(x, sources, () => ++count !== limit)
  x.reply.integer(count)
}

/** What stands behind LIMIT from argument `from` on, 0 without; -1 when the error is written already. */
function limitOf(x: Execution, from: number): number {
  const { args } = x
  let limit = 0
  for (let i = from; i < args.count; i += 2) {
    if (!args.is(i, 'LIMIT') || i + 1 >= args.count) {
      x.reply.error(syntaxError)
      return -1
    }
    limit = readLongFrom(x, i + 1, 0, "ERR LIMIT can't be negative")
    if (Number.isNaN(limit)) return -1
  }
  return limit
}
