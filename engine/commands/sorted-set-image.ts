/** Long ranges of sorted sets as replies, rendered in slices. */
import type { Execution } from '../execution.ts'
import { sortedSetType } from '../keyspace/entries.ts'
import type { Values } from '../keyspace/values.ts'
import { packedHeaderBytes, usedBytes } from '../memory/packed-bytes.ts'
import type { Protocol } from '../reply-writer.ts'
import { ReplyWriter } from '../reply-writer.ts'
import type { StagedWork } from '../staged-work.ts'
import type { LeafRenderer, SpanOf } from '../tree/tree-image.ts'
import { TreeImage } from '../tree/tree-image.ts'
import type { VisitScored } from '../types/sorted-set-leaf.ts'
import { placeMemberAt, placeSizeAt, readScore, visitBackwards } from '../types/sorted-set-leaf.ts'
import { isSliced, partBytesOf, slicedTree } from './sliced-tree.ts'
import { finderIn, treesOf } from './sorted-set-needs.ts'
import type { FixedOptions, RangeOptions } from './sorted-set-options.ts'
import { rankSpan, readRangeOptions, slice } from './sorted-set-options.ts'

/** How an element is replied: with its score flat in RESP2 and nested in RESP3. */
export function replyScored(reply: ReplyWriter, withScores: boolean, nests = withScores && reply.protocol === 3): VisitScored {
  return (bytes, start, end, score) => {
    if (nests) reply.array(2)
    reply.bulk(bytes, start, end)
    if (withScores) reply.double(score)
  }
}

/** Writes leaves in order of score into a buffer of its own as they will be replied. */
export class ScoredRenderer implements LeafRenderer {
  readonly #values: Values
  readonly #backwards: boolean
  readonly #reply = new ReplyWriter()
  readonly #visit: VisitScored

  constructor(values: Values, backwards: boolean, withScores: boolean, protocol: Protocol, nests = withScores && protocol === 3) {
    this.#values = values
    this.#backwards = backwards
    this.#reply.protocol = protocol
    this.#visit = replyScored(this.#reply, withScores, nests)
  }

  leaf(ref: number, from = 0, count = Number.POSITIVE_INFINITY): void {
    const bytes = this.#values.bytes(ref)
    const start = this.#values.start(ref)
    const end = start + usedBytes(bytes, start)
    let at = start + packedHeaderBytes
    for (let i = 0; i < from; i++) at += placeSizeAt(bytes, at)
    if (this.#backwards) {
      let stop = at
      for (let i = 0; i < count && stop < end; i++) stop += placeSizeAt(bytes, stop)
      visitBackwards(bytes, start, stop, count, this.#visit)
      return
    }
    for (let i = 0; i < count && at < end; i++) {
      const next = at + placeSizeAt(bytes, at)
      this.#visit(bytes, placeMemberAt(bytes, at), next, readScore(bytes, at))
      at = next
    }
  }

  take(): Buffer {
    return this.#reply.output.takeAll()
  }
}

/** The elements that options show, by rank in the whole tree. */
function spanOf(x: Execution, options: RangeOptions): SpanOf {
  const trees = treesOf(x.keyspace)
  const { bounds, reverse } = options
  return (root, wants) => {
    const length = trees.leaves.roots.count(root) / 2
    const span = bounds === undefined ? rankSpan(options, length) : bounds(finderIn(trees, root, wants))
    if (span === undefined) return undefined
    const { first, count } = slice(span, options)
    const from = length + (reverse ? first - count + 1 : first)
    return { first: from, end: from + count }
  }
}

/** What is staged of a long range of a large sorted set. `fixed`: what the command's name says already. */
export function stageRange(x: Execution, fixed: FixedOptions): StagedWork | undefined {
  const { keyspace, args } = x
  const entry = slicedTree(x)
  if (entry === 0 || keyspace.entries.type(entry) !== sortedSetType) return undefined
  const options = readRangeOptions(args, 1, fixed)
  const root = keyspace.entries.value(entry)
  if (typeof options === 'string' || (options.limit >= 0 && !isSliced(x, root, 2 * options.limit))) return undefined
  const span = spanOf(x, options)(root)
  // Where a cold leaf has to tell, it is staged for that alone.
  if (span !== undefined && !isSliced(x, root, 2 * (span.end - span.first))) return undefined
  const kept = readRangeOptions(args.keep(), 1, fixed) as RangeOptions
  const { reverse, withScores } = kept
  const renderer = new ScoredRenderer(keyspace.values, reverse, withScores, x.reply.protocol)
  return new TreeImage(keyspace, entry, renderer, partBytesOf(x), spanOf(x, kept), reverse)
}
