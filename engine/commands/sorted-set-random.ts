/**
 * ZRANDMEMBER: elements at random, each as likely as any other, whatever the form. Few out of many are looked up by rank; many, or some of a small sorted
 * set, are taken in one walk (Knuth, The Art of Computer Programming 2, 3.4.2, algorithm S).
 */
import type { EngineCommand } from '../command.ts'
import { keyAt } from '../command.ts'
import type { Execution } from '../execution.ts'
import { wrongType } from '../execution.ts'
import { sortedSetType } from '../keyspace/entries.ts'
import type { VisitScored } from '../types/sorted-set-leaf.ts'
import { notAnInteger, syntaxError } from './errors.ts'
import { below, distinctBelow } from './random-ranks.ts'
import { ScoredList } from './scored-list.ts'

const countOutOfRange = 'ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807'
const outOfRange = 'ERR value is out of range'
const int64Min = -(2n ** 63n)
const scoredMax = 2n ** 62n - 1n
/** As many elements as one reply repeats at most: Redis goes on until memory ends. */
const repeatsMax = 2 ** 24
/** A walk over the sorted set is worth it from one element wanted of so many. */
const walkRatio = 8

export const sortedSetRandomCommands = {
  ZRANDMEMBER: {
    arity: -2,
    flags: ['readonly'],
    keys: keyAt(1, 'RO', 'access'),
    categories: ['sortedset'],
    group: 'sorted-set',
    since: '6.2.0',
    complexity: 'O(N) where N is the number of elements asked for',
    syntax: 'key [count [WITHSCORES]]',
    summary: 'Returns members at random: distinct ones, or with a negative count independent ones.',
    handler: zrandmember,
  },
} as const satisfies Record<string, EngineCommand>

function zrandmember(x: Execution): void {
  if (x.args.count > 2) {
    zrandmemberWithCount(x)
    return
  }
  const entry = x.readType(1, sortedSetType)
  if (entry === wrongType) return
  if (entry === 0) x.reply.nil()
  else {
    const drawn = below(x, x.keyspace.entries.length(entry))
    x.mutator.types.sortedSets.visit(entry, drawn, 1, false, (bytes, start, end) => x.reply.bulk(bytes, start, end))
  }
}

function zrandmemberWithCount(x: Execution): void {
  const { args, reply } = x
  const count = args.bigInteger(2)
  const withScores = args.count === 4 && args.is(3, 'WITHSCORES')
  const refusal = refusalOf(count, args.count > 3, withScores)
  if (refusal !== undefined) {
    reply.error(refusal)
    return
  }
  const entry = x.readType(1, sortedSetType)
  if (entry === wrongType) return
  const wanted = Number(count)
  if (entry === 0 || wanted === 0) reply.array(0)
  else if (wanted < 0) replyRepeatable(x, entry, -wanted, withScores)
  else replyDistinct(x, entry, Math.min(wanted, x.keyspace.entries.length(entry)), withScores)
}

function refusalOf(count: bigint | undefined, hasOptions: boolean, withScores: boolean): string | undefined {
  if (count === undefined) return notAnInteger
  if (count === int64Min) return countOutOfRange
  if (hasOptions && !withScores) return syntaxError
  return withScores && (count > scoredMax || count < -scoredMax) ? outOfRange : undefined
}

/** Each element drawn from all of them. */
function replyRepeatable(x: Execution, entry: number, wanted: number, withScores: boolean): void {
  if (wanted > repeatsMax) {
    x.reply.error(outOfRange)
    return
  }
  const { length, walks } = extent(x, entry, wanted)
  const { sortedSets } = x.mutator.types
  const show = begin(x, wanted, withScores)
  if (!walks) {
    for (let i = 0; i < wanted; i++) sortedSets.visit(entry, below(x, length), 1, false, show)
    return
  }
  const all = new ScoredList()
  sortedSets.each(entry, (bytes, start, end, score) => all.add(bytes, start, end, score))
  for (let i = 0; i < wanted; i++) {
    const drawn = below(x, length)
    show(all.members.buffer, all.members.start(drawn), all.members.end(drawn), all.score(drawn))
  }
}

/** No element twice; `wanted` is at most how many there are. */
function replyDistinct(x: Execution, entry: number, wanted: number, withScores: boolean): void {
  const { length, walks } = extent(x, entry, wanted)
  const { sortedSets } = x.mutator.types
  const show = begin(x, wanted, withScores)
  if (!walks) {
    for (const rank of distinctBelow(x, length, wanted)) sortedSets.visit(entry, rank, 1, false, show)
    return
  }
  let ahead = length
  let missing = wanted
  sortedSets.each(entry, (bytes, start, end, score) => {
    if (below(x, ahead--) >= missing) return
    missing--
    show(bytes, start, end, score)
  })
}

function extent(x: Execution, entry: number, wanted: number): { length: number; walks: boolean } {
  const { entries } = x.keyspace
  const length = entries.length(entry)
  return { length, walks: wanted * walkRatio >= length || (wanted > 1 && !entries.isTree(entry)) }
}

/** Begins the reply; elements with scores are flat in RESP2 and nested in RESP3. */
function begin({ reply }: Execution, count: number, withScores: boolean): VisitScored {
  const nests = withScores && reply.protocol === 3
  reply.array(withScores && !nests ? 2 * count : count)
  return (bytes, start, end, score) => {
    if (nests) reply.array(2)
    reply.bulk(bytes, start, end)
    if (withScores) reply.double(score)
  }
}
