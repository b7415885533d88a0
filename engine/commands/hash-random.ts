/**
 * HRANDFIELD: fields at random, each as likely as any other, whatever the hash's form (`random-replies.ts`), of those that have not expired.
 */
import type { EngineCommand } from '../command.ts'
import { keyAt } from '../command.ts'
import type { Execution } from '../execution.ts'
import { wrongType } from '../execution.ts'
import { mayHoldExpired } from '../field-expiry.ts'
import { hashType } from '../keyspace/entries.ts'
import type { Protocol } from '../reply-writer.ts'
import { ReplyWriter } from '../reply-writer.ts'
import type { StagedWork } from '../staged-work.ts'
import type { HashTrees } from '../types/hash-tree.ts'
import type { PackedCursor, VisitPair } from '../types/packed-fields.ts'
import { readPairAtRank } from '../types/packed-fields.ts'
import type { ElementList } from './drawn-elements.ts'
import { DrawnElements } from './drawn-elements.ts'
import { outOfRange } from './errors.ts'
import { eachPair, found } from './hash-fields.ts'
import { livePairs } from './live-fields.ts'
import { MemberList } from './member-list.ts'
import { PairList } from './pair-list.ts'
import { refusalOfCount } from './random-count.ts'
import { repeatsMax, walksOver, wantsRandomFields } from './random-needs.ts'
import type { RepliedElements } from './random-replies.ts'
import { replyRandom } from './random-replies.ts'
import type { ElementRenderer } from './random-selection.ts'
import { selectionOf, stageRandom } from './random-selection.ts'

/** Tries to draw a field that has not expired before all are looked at. */
const triesMax = 32

export const hashRandomCommands = {
  HRANDFIELD: {
    arity: -2,
    flags: ['readonly'],
    keys: keyAt(1, 'RO', 'access'),
    categories: ['hash'],
    group: 'hash',
    since: '6.2.0',
    complexity: 'O(N) where N is the number of fields asked for',
    syntax: 'key [count [WITHVALUES]]',
    summary: 'Returns fields at random: distinct ones, or with a negative count independent ones.',
    needs: wantsRandomFields,
    stages: stageFields,
    handler: hrandfield,
  },
} as const satisfies Record<string, EngineCommand>

/** Writes pairs into a buffer of its own as they will be replied. */
class PairRenderer implements ElementRenderer {
  readonly #trees: HashTrees
  readonly #reply = new ReplyWriter()
  readonly #withValues: boolean

  constructor(trees: HashTrees, withValues: boolean, protocol: Protocol) {
    this.#trees = trees
    this.#withValues = withValues
    this.#reply.protocol = protocol
  }

  leaf(ref: number, isChosen: () => boolean): void {
    this.#trees.visitLeaf(ref, (bytes, pair) => {
      if (isChosen()) replyPair(this.#reply, bytes, pair, this.#withValues)
    })
  }

  one(ref: number, index: number): void {
    let left = index
    this.leaf(ref, () => left-- === 0)
  }

  take(): Buffer {
    return this.#reply.output.takeAll()
  }
}

/** Pairs of a hash that have not expired. */
class DrawablePairs implements ElementList {
  readonly #x: Execution
  readonly #withValues: boolean
  /** A field, then its value if that is shown. */
  readonly #parts = new MemberList()
  readonly #add: VisitPair

  constructor(x: Execution, withValues: boolean) {
    this.#x = x
    this.#withValues = withValues
    this.#add = livePairs(x, (bytes, pair) => {
      this.#parts.add(bytes, pair.fieldStart, pair.fieldEnd)
      if (withValues) this.#parts.add(bytes, pair.valueStart, pair.valueEnd)
    })
  }

  get count(): number {
    return this.#withValues ? this.#parts.count / 2 : this.#parts.count
  }

  get bytes(): number {
    return this.#parts.bytes
  }

  add(entry: number): void {
    eachPair(this.#x, entry, this.#add)
  }

  addLeaf(ref: number): void {
    this.#x.hashTrees.visitLeaf(ref, this.#add)
  }

  show(reply: ReplyWriter, index: number): void {
    if (!this.#withValues) this.#showPart(reply, index)
    else {
      if (reply.protocol === 3) reply.array(2)
      this.#showPart(reply, 2 * index)
      this.#showPart(reply, 2 * index + 1)
    }
  }

  #showPart(reply: ReplyWriter, part: number): void {
    reply.bulk(this.#parts.buffer, this.#parts.start(part), this.#parts.end(part))
  }
}

function stageFields(x: Execution): StagedWork | undefined {
  const { args, reply, hashTrees } = x
  if (args.count < 3) return undefined
  const count = args.bigInteger(2)
  const withValues = args.count === 4 && args.is(3, 'WITHVALUES')
  if (refusalOfCount(count, args.count > 3, withValues) !== undefined) return undefined
  return stageRandom(
    x,
    hashType,
    Number(count),
    () => new PairRenderer(hashTrees, withValues, reply.protocol),
    () => new DrawablePairs(x, withValues),
  )
}

function hrandfield(x: Execution): void {
  if (x.args.count > 2) {
    hrandfieldWithCount(x)
    return
  }
  const entry = x.readHash(1)
  if (entry === wrongType) return
  if (entry === 0) {
    x.reply.nil()
    return
  }
  const bytes = mayHoldExpired(x, entry) ? liveField(x, entry) : anyField(x, entry)
  if (bytes === undefined) x.reply.nil()
  else x.reply.bulk(bytes, found.fieldStart, found.fieldEnd)
}

/** The buffer in which `found` then says where the pair is that was drawn. */
function anyField(x: Execution, entry: number): Buffer {
  return pairAtRank(x, entry, x.keyspace.draws.takeOne(x.args, x.keyspace.entries.length(entry)))
}

/** As `anyField` among the fields that have not expired; undefined if there are none. */
function liveField(x: Execution, entry: number): Buffer | undefined {
  for (let tries = 0; tries < triesMax; tries++) {
    const bytes = anyField(x, entry)
    if (found.expireAt === 0 || found.expireAt >= x.now) return bytes
  }
  const live = liveFields(x, entry)
  if (live.count === 0) return undefined
  const drawn = x.keyspace.draws.below(live.count)
  live.read(drawn, found)
  return live.buffer(drawn)
}

function liveFields(x: Execution, entry: number): PairList {
  const live = new PairList()
  eachPair(
    x,
    entry,
    livePairs(x, (bytes, pair) => live.add(bytes, pair)),
  )
  return live
}

function hrandfieldWithCount(x: Execution): void {
  const { args, reply } = x
  const count = args.bigInteger(2)
  const withValues = args.count === 4 && args.is(3, 'WITHVALUES')
  const refusal = refusalOfCount(count, args.count > 3, withValues)
  if (refusal !== undefined) {
    reply.error(refusal)
    return
  }
  const entry = x.readHash(1)
  if (entry === wrongType) return
  const wanted = Number(count)
  if (entry === 0 || wanted === 0) reply.array(0)
  else if (mayHoldExpired(x, entry)) {
    const drawn = selectionOf(x, entry)
    if (drawn instanceof DrawnElements) {
      beginPairs(x, drawn.count, withValues)
      drawn.each((bytes) => reply.rawShared(bytes))
    } else if (!repliedLiveSample(x, entry, wanted, withValues)) replyLive(x, liveFields(x, entry), wanted, withValues)
  } else replyRandom(x, entry, wanted, repliedPairs(x, entry, withValues))
}

function repliedPairs(x: Execution, entry: number, withValues: boolean): RepliedElements {
  const { reply } = x
  return {
    begin: (count) => beginPairs(x, count, withValues),
    atRank: (rank) => replyPair(reply, pairAtRank(x, entry, rank), found, withValues),
    walk(isChosen) {
      eachPair(x, entry, (bytes, pair) => {
        if (isChosen()) replyPair(reply, bytes, pair, withValues)
      })
    },
    newList: () => new DrawablePairs(x, withValues),
  }
}

/**
 * Replies with few of many fields, drawn from all until enough of them have not expired: each set of those is as likely as any other. False, and
 * nothing written, where so many are wanted or have expired that looking at all of them is better.
 */
function repliedLiveSample(x: Execution, entry: number, wanted: number, withValues: boolean): boolean {
  const length = x.keyspace.entries.length(entry)
  const count = Math.abs(wanted)
  if (!x.keyspace.entries.isTree(entry) || walksOver(x.keyspace, entry, count)) return false
  const drawn = new Set<number>()
  const ranks: number[] = []
  for (let tries = count * 2 + triesMax; tries > 0 && ranks.length < count; tries--) {
    const rank = x.keyspace.draws.below(length)
    if (wanted > 0 && drawn.has(rank)) continue
    drawn.add(rank)
    pairAtRank(x, entry, rank)
    if (found.expireAt === 0 || found.expireAt >= x.now) ranks.push(rank)
  }
  if (ranks.length < count) return false
  beginPairs(x, count, withValues)
  for (const rank of ranks) replyPair(x.reply, pairAtRank(x, entry, rank), found, withValues)
  return true
}

/** As `replyRandom` of the fields that have not expired. */
function replyLive(x: Execution, live: PairList, wanted: number, withValues: boolean): void {
  if (-wanted > repeatsMax) {
    x.reply.error(outOfRange)
    return
  }
  const { count } = live
  const ranks = count === 0 ? [] : x.keyspace.draws.take(x.args, count, Math.min(wanted, count))
  beginPairs(x, ranks.length, withValues)
  for (const rank of ranks) {
    live.read(rank, found)
    replyPair(x.reply, live.buffer(rank), found, withValues)
  }
}

/** The buffer in which `found` then says where the pair is. */
function pairAtRank(x: Execution, entry: number, rank: number): Buffer {
  const { entries, values } = x.keyspace
  const value = entries.value(entry)
  if (entries.isTree(entry)) return x.hashTrees.atRank(value, rank, found)
  const bytes = values.bytes(value)
  if (readPairAtRank(bytes, values.start(value), rank, found)) return bytes
  throw new Error('hash: fewer fields than its length says')
}

/** Pairs are flat in RESP2 and nested in RESP3. */
function beginPairs(x: Execution, count: number, withValues: boolean): void {
  x.reply.array(withValues && x.reply.protocol === 2 ? 2 * count : count)
}

function replyPair(reply: ReplyWriter, bytes: Buffer, pair: PackedCursor, withValues: boolean): void {
  if (withValues && reply.protocol === 3) reply.array(2)
  reply.bulk(bytes, pair.fieldStart, pair.fieldEnd)
  if (withValues) reply.bulk(bytes, pair.valueStart, pair.valueEnd)
}
