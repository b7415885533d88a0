/**
 * ZUNION, ZINTER, ZDIFF, their STORE forms and ZINTERCARD, on sorted sets and on sets, whose members count as having score 1. An intersection walks over
 * its smallest source and looks each member up in the others, a difference walks over the first, a union over all. The sources come in order
 * of size, as in Redis: it decides how sums are rounded.
 */
import type { EngineCommand } from '../command.ts'
import { keysCounted } from '../command.ts'
import type { Execution } from '../execution.ts'
import { wrongType } from '../execution.ts'
import { setType, sortedSetType } from '../keyspace/entries.ts'
import { genericEvent, sortedSetEvent } from '../messages.ts'
import { notAnInteger, syntaxError } from './errors.ts'
import { scoreArgument } from './score-argument.ts'
import { ScoredList } from './scored-list.ts'
import { replaceWith } from './sorted-set-change.ts'
import { wantsStoredSources } from './sorted-set-needs.ts'

const all = { categories: ['sortedset'], group: 'sorted-set', since: '6.2.0' } as const
const reads = { ...all, arity: -3, flags: ['readonly', 'movablekeys'], keys: keysCounted(1, ['RO', 'access']) } as const
const stores = {
  ...all,
  arity: -4,
  flags: ['write', 'denyoom', 'movablekeys'],
  keys: keysCounted(2, ['RO', 'access'], { first: 1, last: 0, step: 1, flags: ['OW', 'update'] }),
  needs: wantsStoredSources,
} as const
const weighted = '[WEIGHTS weight [weight ...]] [AGGREGATE <SUM | MIN | MAX>]'
const sumComplexity = 'O(N)+O(M*log(M)) where N is the sum of the sizes of all sources and M the size of the result'
const interComplexity =
  'O(N*K)+O(M*log(M)) where N is the size of the smallest source, K the number of sources and M the size of the result'

type Operation = 'union' | 'inter' | 'diff'

export const sortedSetAlgebraCommands = {
  ZUNION: {
    ...reads,
    complexity: sumComplexity,
    syntax: `numkeys key [key ...] ${weighted} [WITHSCORES]`,
    summary: 'Returns the elements that any source has.',
    handler: (x) => reply(x, 'union'),
  },
  ZINTER: {
    ...reads,
    complexity: interComplexity,
    syntax: `numkeys key [key ...] ${weighted} [WITHSCORES]`,
    summary: 'Returns the elements that all sources have.',
    handler: (x) => reply(x, 'inter'),
  },
  ZDIFF: {
    ...reads,
    complexity: sumComplexity,
    syntax: 'numkeys key [key ...] [WITHSCORES]',
    summary: 'Returns the elements of the first source that no other source has.',
    handler: (x) => reply(x, 'diff'),
  },
  ZINTERCARD: {
    ...reads,
    since: '7.0.0',
    complexity: 'O(N*K) where N is the size of the smallest source and K the number of sources',
    syntax: 'numkeys key [key ...] [LIMIT limit]',
    summary: 'Counts the elements that all sources have.',
    handler: zintercard,
  },
  ZUNIONSTORE: {
    ...stores,
    since: '2.0.0',
    complexity: sumComplexity,
    syntax: `destination numkeys key [key ...] ${weighted}`,
    summary: 'Stores the elements that any source has.',
    handler: (x) => store(x, 'union'),
  },
  ZINTERSTORE: {
    ...stores,
    since: '2.0.0',
    complexity: interComplexity,
    syntax: `destination numkeys key [key ...] ${weighted}`,
    summary: 'Stores the elements that all sources have.',
    handler: (x) => store(x, 'inter'),
  },
  ZDIFFSTORE: {
    ...stores,
    complexity: sumComplexity,
    syntax: 'destination numkeys key [key ...]',
    summary: 'Stores the elements of the first source that no other source has.',
    handler: (x) => store(x, 'diff'),
  },
} as const satisfies Record<string, EngineCommand>

interface Source {
  /** 0 for a key that is missing. */
  readonly entry: number
  readonly isSet: boolean
  readonly length: number
  weight: number
}

interface Request {
  readonly sources: readonly Source[]
  readonly aggregate: (a: number, b: number) => number
  readonly withScores: boolean
  /** 0: none. */
  readonly limit: number
}

const sum = (a: number, b: number): number => numberOr0(a + b)
const min = (a: number, b: number): number => (b < a ? b : a)
const max = (a: number, b: number): number => (b > a ? b : a)

function numberOr0(score: number): number {
  return Number.isNaN(score) ? 0 : score
}

/** What of a request's options a command takes. */
interface Takes {
  readonly weights: boolean
  readonly scores: boolean
  readonly limit: boolean
}

/** Reads a request whose number of keys is argument `numberAt`; undefined when the error is written already. */
function readRequest(x: Execution, numberAt: number, command: string, takes: Takes): Request | undefined {
  const { args } = x
  const count = args.bigInteger(numberAt)
  if (count === undefined || count < 1n) {
    x.reply.error(count === undefined ? notAnInteger : `ERR at least 1 input key is needed for '${command}' command`)
    return undefined
  }
  const first = numberAt + 1
  if (count > BigInt(args.count - first)) {
    x.reply.error(syntaxError)
    return undefined
  }
  const end = first + Number(count)
  const sources: Source[] = []
  for (let i = first; i < end; i++) {
    const source = sourceAt(x, i)
    if (source === undefined) return undefined
    sources.push(source)
  }
  return readOptions(x, end, sources, takes)
}

function sourceAt(x: Execution, index: number): Source | undefined {
  const { entries } = x.keyspace
  const entry = x.read(index)
  if (entry === 0) return { entry, isSet: false, length: 0, weight: 1 }
  const isSet = entries.type(entry) === setType
  if (!isSet && x.findType(index, sortedSetType) === wrongType) return undefined
  return { entry, isSet, length: entries.length(entry), weight: 1 }
}

function readOptions(x: Execution, from: number, sources: readonly Source[], takes: Takes): Request | undefined {
  const { args, reply } = x
  let aggregate = sum
  let withScores = false
  let limit = 0
  for (let i = from; i < args.count; ) {
    const left = args.count - i
    if (takes.weights && left > sources.length && args.is(i, 'WEIGHTS')) {
      for (const [index, source] of sources.entries()) {
        source.weight = scoreArgument(args, i + 1 + index)
        if (!Number.isNaN(source.weight)) continue
        reply.error('ERR weight value is not a float')
        return undefined
      }
      i += 1 + sources.length
    } else if (takes.weights && left >= 2 && args.is(i, 'AGGREGATE')) {
      if (args.is(i + 1, 'SUM')) aggregate = sum
      else if (args.is(i + 1, 'MIN')) aggregate = min
      else if (args.is(i + 1, 'MAX')) aggregate = max
      else {
        reply.error(syntaxError)
        return undefined
      }
      i += 2
    } else if (takes.scores && args.is(i, 'WITHSCORES')) {
      withScores = true
      i++
    } else if (takes.limit && left >= 2 && args.is(i, 'LIMIT')) {
      const given = args.bigInteger(i + 1)
      if (given === undefined || given < 0n) {
        reply.error("ERR LIMIT can't be negative")
        return undefined
      }
      limit = Number(given)
      i += 2
    } else {
      reply.error(syntaxError)
      return undefined
    }
  }
  return { sources, aggregate, withScores, limit }
}

const enough = new Error('enough elements')

/** Visits all elements of a source. */
function each(x: Execution, { entry, isSet }: Source, visit: (bytes: Buffer, start: number, end: number, score: number) => void): void {
  if (entry === 0) return
  const { sets, sortedSets } = x.mutator.types
  if (isSet) sets.each(entry, (bytes, start, end) => visit(bytes, start, end, 1))
  else sortedSets.each(entry, visit)
}

/** The score of a member of a source, NaN when it is not there. */
function scoreIn(x: Execution, { entry, isSet }: Source, bytes: Buffer, start: number, end: number): number {
  if (entry === 0) return Number.NaN
  const { sets, sortedSets } = x.mutator.types
  if (!isSet) return sortedSets.score(entry, bytes, start, end)
  return sets.has(entry, bytes, start, end) ? 1 : Number.NaN
}

function bySize(sources: readonly Source[]): readonly [Source, ...Source[]] {
  return [...sources].sort((a, b) => a.length - b.length) as [Source, ...Source[]]
}

function combine(x: Execution, operation: Operation, request: Request): ScoredList {
  const list = new ScoredList()
  if (operation === 'union') unite(x, request, list)
  else if (operation === 'inter') intersect(x, request, (bytes, start, end, score) => list.add(bytes, start, end, score))
  else subtract(x, request, list)
  return list
}

function unite(x: Execution, { sources, aggregate }: Request, list: ScoredList): void {
  const known = new Map<string, number>()
  for (const source of bySize(sources)) {
    each(x, source, (bytes, start, end, score) => {
      const name = bytes.toString('latin1', start, end)
      const own = numberOr0(score * source.weight)
      const index = known.get(name)
      if (index !== undefined) {
        list.setScore(index, aggregate(list.score(index), own))
        return
      }
      known.set(name, list.count)
      list.add(bytes, start, end, own)
    })
  }
}

function intersect(
  x: Execution,
  { sources, aggregate }: Request,
  visit: (bytes: Buffer, start: number, end: number, score: number) => void,
): void {
  const [smallest, ...others] = bySize(sources)
  each(x, smallest, (bytes, start, end, score) => {
    let result = numberOr0(score * smallest.weight)
    for (const other of others) {
      const found = other.entry === smallest.entry ? score : scoreIn(x, other, bytes, start, end)
      if (Number.isNaN(found)) return
      result = aggregate(result, found * other.weight)
    }
    visit(bytes, start, end, result)
  })
}

function subtract(x: Execution, { sources }: Request, list: ScoredList): void {
  const [first, ...others] = sources as readonly [Source, ...Source[]]
  const present = others.filter((other) => other.entry !== 0)
  if (present.some((other) => other.entry === first.entry)) return
  each(x, first, (bytes, start, end, score) => {
    if (present.every((other) => Number.isNaN(scoreIn(x, other, bytes, start, end)))) list.add(bytes, start, end, score)
  })
}

function reply(x: Execution, operation: Operation): void {
  const request = readRequest(x, 1, `z${operation}`, { weights: operation !== 'diff', scores: true, limit: false })
  if (request === undefined) return
  const list = combine(x, operation, request)
  const { members } = list
  const nests = request.withScores && x.reply.protocol === 3
  x.reply.array(request.withScores && !nests ? 2 * list.count : list.count)
  for (const index of list.sorted()) {
    if (nests) x.reply.array(2)
    x.reply.bulk(members.buffer, members.start(index), members.end(index))
    if (request.withScores) x.reply.double(list.score(index))
  }
}

function store(x: Execution, operation: Operation): void {
  const command = `z${operation}store`
  const request = readRequest(x, 2, command, { weights: operation !== 'diff', scores: false, limit: false })
  if (request === undefined) return
  const list = combine(x, operation, request)
  const existed = replaceWith(x, list, list.sorted())
  if (list.count > 0) x.notify(sortedSetEvent, command, 1)
  else if (existed) x.notify(genericEvent, 'del', 1)
  x.reply.integer(list.count)
}

function zintercard(x: Execution): void {
  const request = readRequest(x, 1, 'zintercard', { weights: false, scores: false, limit: true })
  if (request === undefined) return
  let count = 0
  try {
    intersect(x, request, () => {
      if (++count === request.limit) throw enough
    })
  } catch (error) {
    if (error !== enough) throw error
  }
  x.reply.integer(count)
}
