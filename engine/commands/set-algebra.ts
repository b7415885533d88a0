/**
 * SINTER, SUNION, SDIFF, their STORE forms and SINTERCARD. An intersection walks over its smallest set and looks each member up in the others;
 * a union walks over all of them; a difference walks over the first. With many members that is staged (`combined-work.ts`).
 */
import type { Arguments } from '../arguments.ts'
import type { EngineCommand } from '../command.ts'
import { keysCounted, keysFrom } from '../command.ts'
import type { Execution } from '../execution.ts'
import { wrongType } from '../execution.ts'
import { setType } from '../keyspace/entries.ts'
import { genericEvent, setEvent } from '../messages.ts'
import type { StagedWork } from '../staged-work.ts'
import type { VisitMember } from '../types/set-leaf.ts'
import type { CombinationPlan } from './combined-work.ts'
import { syntaxError } from './errors.ts'
import { longOf } from './long-argument.ts'
import { MemberList } from './member-list.ts'
import { storeMembers } from './set-change.ts'
import { wantsSources } from './set-needs.ts'
import { MemberRenderer } from './set-whole.ts'
import type { SetOperation } from './stage-combination.ts'
import { isLongCombination, SetCombination, settledCombination, stageCombination } from './stage-combination.ts'
import { placeUnfinished } from './unfinished.ts'

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
  SINTER: {
    ...reads,
    complexity: interComplexity,
    summary: 'Returns the members that all sets have.',
    stages: (x) => stageReply(x, 'inter'),
    handler: (x) => reply(x, inter),
  },
  SINTERSTORE: {
    ...stores,
    keys: { ...stores.keys, access: [{ ...stores.keys.access[0], flags: ['RW', 'update'] }, stores.keys.access[1]] },
    complexity: interComplexity,
    summary: 'Stores the members that all sets have.',
    stages: (x) => stageStore(x, 'inter'),
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
    stages: stageCardinality,
    handler: sintercard,
  },
  SUNION: {
    ...reads,
    complexity: sumComplexity,
    summary: 'Returns the members that any set has.',
    stages: (x) => stageReply(x, 'union'),
    handler: (x) => reply(x, union),
  },
  SUNIONSTORE: {
    ...stores,
    complexity: sumComplexity,
    summary: 'Stores the members that any set has.',
    stages: (x) => stageStore(x, 'union'),
    handler: (x) => store(x, union, 'sunionstore'),
  },
  SDIFF: {
    ...reads,
    complexity: sumComplexity,
    summary: 'Returns the members of the first set that no other set has.',
    stages: (x) => stageReply(x, 'diff'),
    handler: (x) => reply(x, diff),
  },
  SDIFFSTORE: {
    ...stores,
    complexity: sumComplexity,
    summary: 'Stores the members of the first set that no other set has.',
    stages: (x) => stageStore(x, 'diff'),
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
  const staged = settledCombination(x)
  if (staged !== undefined) {
    x.reply.set(staged.count)
    staged.eachPart((bytes) => x.reply.rawShared(bytes))
    return
  }
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
  const staged = settledCombination(x)
  let existed: boolean
  let count: number
  if (staged?.isTree === true) {
    count = staged.count
    existed = placeUnfinished(x, staged.entry, 1)
  } else {
    const members = new MemberList()
    const add = (bytes: Buffer, start: number, end: number): true => {
      members.add(bytes, start, end)
      return true
    }
    if (staged === undefined) combine(x, sources, add)
    else if (staged.entry !== 0) x.mutator.types.sets.each(staged.entry, add)
    const put = (): void => storeMembers(x, args.buffer, args.starts[1], args.ends[1], members)
    existed = x.replace(1, members.count > 0 ? put : undefined)
    count = members.count
  }
  if (count > 0) x.notify(setEvent, event, 1)
  else if (existed) x.notify(genericEvent, 'del', 1)
  x.reply.integer(count)
}

/** What SINTERCARD asks for, or the text of an error. */
function cardinalityAsked(args: Arguments): { readonly end: number; readonly limit: number } | string {
  const keys = longOf(args, 1)
  if (!(keys >= 1)) return 'ERR numkeys should be greater than 0'
  if (keys > args.count - 2) return "ERR Number of keys can't be greater than number of args"
  let limit = 0
  for (let i = keys + 2; i < args.count; i += 2) {
    if (!args.is(i, 'LIMIT') || i + 1 >= args.count) return syntaxError
    limit = longOf(args, i + 1)
    if (!(limit >= 0)) return "ERR LIMIT can't be negative"
  }
  return { end: keys + 2, limit }
}

function sintercard(x: Execution): void {
  const asked = cardinalityAsked(x.args)
  if (typeof asked === 'string') {
    x.reply.error(asked)
    return
  }
  const { end, limit } = asked
  const sources = sourcesOf(x, 2, end)
  if (sources === undefined) return
  const staged = settledCombination(x)
  let count = 0
  if (staged === undefined) inter(x, sources, () => ++count !== limit)
  else count = limit === 0 ? staged.count : Math.min(staged.count, limit)
  x.reply.integer(count)
}

function stageReply(x: Execution, operation: SetOperation): StagedWork | undefined {
  return stageSets(x, 1, x.args.count, operation, { isStored: false, renderer: new MemberRenderer(x.mutator.types.sets.trees) })
}

function stageStore(x: Execution, operation: SetOperation): StagedWork | undefined {
  return stageSets(x, 2, x.args.count, operation, { isStored: true })
}

function stageCardinality(x: Execution): StagedWork | undefined {
  const asked = cardinalityAsked(x.args)
  if (typeof asked === 'string') return undefined
  return stageSets(x, 2, asked.end, 'inter', { isStored: false, countMax: asked.limit })
}

/** What of a plan is the command's own. */
type Purpose = Pick<CombinationPlan, 'isStored' | 'renderer' | 'countMax'>

function stageSets(x: Execution, first: number, end: number, operation: SetOperation, purpose: Purpose): StagedWork | undefined {
  if (!isLongCombination(x, first, end, operation)) return undefined
  return stageCombination(x, first, end, false, { ...purpose, isSorted: false, combination: new SetCombination(operation) })
}
