/**
 * ZUNION, ZINTER, ZDIFF, their STORE forms and ZINTERCARD, on sorted sets and on sets, whose members count as having score 1. An intersection walks over
 * its smallest source and looks each member up in the others, a difference walks over the first, a union over all. The sources come in order
 * of size, as in Redis: it decides how sums are rounded. With many elements the work is staged (`combined-work.ts`).
 */
import type { EngineCommand } from '../command.ts'
import { keysCounted } from '../command.ts'
import type { Execution } from '../execution.ts'
import { wrongType } from '../execution.ts'
import { setType, sortedSetType } from '../keyspace/entries.ts'
import { genericEvent, sortedSetEvent } from '../messages.ts'
import type { StagedWork } from '../staged-work.ts'
import type { CombinationPlan, CombinationWork } from './combined-work.ts'
import { ScoreCombination } from './score-combination.ts'
import { ScoredList } from './scored-list.ts'
import { ScoredRenderer } from './scored-renderer.ts'
import type { AlgebraOptions, Takes } from './sorted-set-algebra-options.ts'
import { numberOr0, readAlgebraOptions, readKeysEnd } from './sorted-set-algebra-options.ts'
import { replaceWith } from './sorted-set-change.ts'
import { wantsStoredSources } from './sorted-set-needs.ts'
import type { SetOperation } from './stage-combination.ts'
import { isLongCombination, settledCombination, stageCombination } from './stage-combination.ts'
import { placeUnfinished } from './unfinished.ts'

const all = { categories: ['sortedset'], group: 'sorted-set', since: '6.2.0' } as const
const reads = { ...all, arity: -3, flags: ['readonly', 'movablekeys'], keys: keysCounted(1, ['RO', 'access']) } as const
const stores = {
  ...all,
  arity: -4,
  flags: ['write', 'denyoom', 'movablekeys'],
  keys: keysCounted(2, ['RO', 'access'], { first: 1, last: 0, step: 1, flags: ['OW', 'update'] }),
  needs: wantsStoredSources,
} as const
/** With more sources than these the command's own turn would take too long for a few members that have changed. */
const sourcesMax = 1024
const weighted = '[WEIGHTS weight [weight ...]] [AGGREGATE <SUM | MIN | MAX>]'
const sumComplexity = 'O(N)+O(M*log(M)) where N is the sum of the sizes of all sources and M the size of the result'
const interComplexity =
  'O(N*K)+O(M*log(M)) where N is the size of the smallest source, K the number of sources and M the size of the result'

export const sortedSetAlgebraCommands = {
  ZUNION: {
    ...reads,
    complexity: sumComplexity,
    syntax: `numkeys key [key ...] ${weighted} [WITHSCORES]`,
    summary: 'Returns the elements that any source has.',
    stages: (x) => stageReply(x, 'union'),
    handler: (x) => reply(x, 'union'),
  },
  ZINTER: {
    ...reads,
    complexity: interComplexity,
    syntax: `numkeys key [key ...] ${weighted} [WITHSCORES]`,
    summary: 'Returns the elements that all sources have.',
    stages: (x) => stageReply(x, 'inter'),
    handler: (x) => reply(x, 'inter'),
  },
  ZDIFF: {
    ...reads,
    complexity: sumComplexity,
    syntax: 'numkeys key [key ...] [WITHSCORES]',
    summary: 'Returns the elements of the first source that no other source has.',
    stages: (x) => stageReply(x, 'diff'),
    handler: (x) => reply(x, 'diff'),
  },
  ZINTERCARD: {
    ...reads,
    since: '7.0.0',
    complexity: 'O(N*K) where N is the size of the smallest source and K the number of sources',
    syntax: 'numkeys key [key ...] [LIMIT limit]',
    summary: 'Counts the elements that all sources have.',
    stages: stageCount,
    handler: zintercard,
  },
  ZUNIONSTORE: {
    ...stores,
    since: '2.0.0',
    complexity: sumComplexity,
    syntax: `destination numkeys key [key ...] ${weighted}`,
    summary: 'Stores the elements that any source has.',
    stages: (x) => stageStore(x, 'union'),
    handler: (x) => store(x, 'union'),
  },
  ZINTERSTORE: {
    ...stores,
    since: '2.0.0',
    complexity: interComplexity,
    syntax: `destination numkeys key [key ...] ${weighted}`,
    summary: 'Stores the elements that all sources have.',
    stages: (x) => stageStore(x, 'inter'),
    handler: (x) => store(x, 'inter'),
  },
  ZDIFFSTORE: {
    ...stores,
    complexity: sumComplexity,
    syntax: 'destination numkeys key [key ...]',
    summary: 'Stores the elements of the first source that no other source has.',
    stages: (x) => stageStore(x, 'diff'),
    handler: (x) => store(x, 'diff'),
  },
} as const satisfies Record<string, EngineCommand>

interface Source {
  /** 0 for a key that is missing. */
  readonly entry: number
  readonly isSet: boolean
  readonly length: number
  readonly weight: number
}

interface Request extends AlgebraOptions {
  readonly sources: readonly Source[]
}

function taken(operation: SetOperation, scores: boolean): Takes {
  return { weights: operation !== 'diff', scores, limit: false }
}

const takenByCount: Takes = { weights: false, scores: false, limit: true }

/** Reads a request whose number of keys is argument `numberAt`; undefined when the error is written already. */
function readRequest(x: Execution, numberAt: number, command: string, takes: Takes): Request | undefined {
  const { args, reply } = x
  const end = readKeysEnd(args, numberAt, command)
  if (typeof end === 'string') {
    reply.error(end)
    return undefined
  }
  const first = numberAt + 1
  const found: Omit<Source, 'weight'>[] = []
  for (let i = first; i < end; i++) {
    const source = sourceAt(x, i)
    if (source === undefined) return undefined
    found.push(source)
  }
  const options = readAlgebraOptions(args, end, end - first, takes)
  if (typeof options === 'string') {
    reply.error(options)
    return undefined
  }
  return { ...options, sources: found.map((source, i) => ({ ...source, weight: options.weights[i] as number })) }
}

function sourceAt(x: Execution, index: number): Omit<Source, 'weight'> | undefined {
  const { entries } = x.keyspace
  const entry = x.read(index)
  if (entry === 0) return { entry, isSet: false, length: 0 }
  const isSet = entries.type(entry) === setType
  if (!isSet && x.findType(index, sortedSetType) === wrongType) return undefined
  return { entry, isSet, length: entries.length(entry) }
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

function combine(x: Execution, operation: SetOperation, request: Request): ScoredList {
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

function reply(x: Execution, operation: SetOperation): void {
  const request = readRequest(x, 1, `z${operation}`, taken(operation, true))
  if (request === undefined) return
  const { withScores } = request
  const nests = withScores && x.reply.protocol === 3
  const staged = settledCombination(x)
  if (staged !== undefined) {
    x.reply.array(withScores && !nests ? 2 * staged.count : staged.count)
    staged.eachPart((bytes) => x.reply.rawShared(bytes))
    return
  }
  const list = combine(x, operation, request)
  const { members } = list
  x.reply.array(withScores && !nests ? 2 * list.count : list.count)
  for (const index of list.sorted()) {
    if (nests) x.reply.array(2)
    x.reply.bulk(members.buffer, members.start(index), members.end(index))
    if (withScores) x.reply.double(list.score(index))
  }
}

function store(x: Execution, operation: SetOperation): void {
  const command = `z${operation}store`
  const request = readRequest(x, 2, command, taken(operation, false))
  if (request === undefined) return
  const staged = settledCombination(x)
  let existed: boolean
  let count: number
  if (staged?.isTree === true) {
    count = staged.count
    existed = placeUnfinished(x, staged.entry, 1)
  } else {
    const list = staged === undefined ? combine(x, operation, request) : resultOf(x, staged)
    count = list.count
    existed = replaceWith(x, list, list.sorted())
  }
  if (count > 0) x.notify(sortedSetEvent, command, 1)
  else if (existed) x.notify(genericEvent, 'del', 1)
  x.reply.integer(count)
}

/** A small stored result. */
function resultOf(x: Execution, { entry }: CombinationWork): ScoredList {
  const list = new ScoredList()
  if (entry !== 0) x.mutator.types.sortedSets.each(entry, (bytes, start, end, score) => list.add(bytes, start, end, score))
  return list
}

function zintercard(x: Execution): void {
  const request = readRequest(x, 1, 'zintercard', takenByCount)
  if (request === undefined) return
  const staged = settledCombination(x)
  let count = 0
  if (staged === undefined) {
    try {
      intersect(x, request, () => {
        if (++count === request.limit) throw enough
      })
    } catch (error) {
      if (error !== enough) throw error
    }
  } else count = request.limit === 0 ? staged.count : Math.min(staged.count, request.limit)
  x.reply.integer(count)
}

/** `purposeOf` says what is to become of the result. */
function stage(
  x: Execution,
  numberAt: number,
  operation: SetOperation,
  takes: Takes,
  purposeOf: (options: AlgebraOptions) => Pick<CombinationPlan, 'isStored' | 'renderer' | 'countMax'>,
): StagedWork | undefined {
  const { args } = x
  const end = readKeysEnd(args, numberAt, '')
  if (typeof end === 'string') return undefined
  const first = numberAt + 1
  if (!isLongCombination(x, first, end, operation) || end - first > sourcesMax) return undefined
  const options = readAlgebraOptions(args, end, end - first, takes)
  if (typeof options === 'string') return undefined
  const combination = new ScoreCombination(operation, options)
  return stageCombination(x, first, end, true, { ...purposeOf(options), isSorted: true, combination })
}

function stageReply(x: Execution, operation: SetOperation): StagedWork | undefined {
  return stage(x, 1, operation, taken(operation, true), ({ withScores }) => ({
    isStored: false,
    renderer: new ScoredRenderer(x.keyspace.values, withScores, x.reply.protocol),
  }))
}

function stageStore(x: Execution, operation: SetOperation): StagedWork | undefined {
  return stage(x, 2, operation, taken(operation, false), () => ({ isStored: true }))
}

function stageCount(x: Execution): StagedWork | undefined {
  return stage(x, 1, 'inter', takenByCount, ({ limit }) => ({ isStored: false, countMax: limit }))
}
