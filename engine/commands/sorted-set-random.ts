/**
 * ZRANDMEMBER: elements at random, each as likely as any other, whatever the form (`random-replies.ts`).
 */
import type { EngineCommand } from '../command.ts'
import { keyAt } from '../command.ts'
import type { Execution } from '../execution.ts'
import { wrongType } from '../execution.ts'
import { sortedSetType } from '../keyspace/entries.ts'
import type { Values } from '../keyspace/values.ts'
import { packedHeaderBytes } from '../memory/packed-bytes.ts'
import type { Protocol } from '../reply-writer.ts'
import { ReplyWriter } from '../reply-writer.ts'
import type { StagedWork } from '../staged-work.ts'
import type { VisitScored } from '../types/sorted-set-leaf.ts'
import { placeMemberAt, placeSizeAt, readScore, visitPlaces } from '../types/sorted-set-leaf.ts'
import type { ElementList } from './drawn-elements.ts'
import { refusalOfCount } from './random-count.ts'
import { wantsRandomElements } from './random-needs.ts'
import type { RepliedElements } from './random-replies.ts'
import { replyRandom } from './random-replies.ts'
import type { ElementRenderer } from './random-selection.ts'
import { stageRandom } from './random-selection.ts'
import { ScoredList } from './scored-list.ts'
import { replyScored } from './sorted-set-image.ts'

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
    needs: wantsRandomElements,
    stages: stageElements,
    handler: zrandmember,
  },
} as const satisfies Record<string, EngineCommand>

/** Writes elements into a buffer of its own as they will be replied. */
class ScoredRenderer implements ElementRenderer {
  readonly #values: Values
  readonly #reply = new ReplyWriter()
  readonly #visit: VisitScored

  constructor(values: Values, withScores: boolean, protocol: Protocol) {
    this.#values = values
    this.#reply.protocol = protocol
    this.#visit = replyScored(this.#reply, withScores)
  }

  leaf(ref: number, isChosen: () => boolean): void {
    visitPlaces(this.#values.bytes(ref), this.#values.start(ref), (bytes, start, end, score) => {
      if (isChosen()) this.#visit(bytes, start, end, score)
    })
  }

  one(ref: number, index: number): void {
    const bytes = this.#values.bytes(ref)
    let at = this.#values.start(ref) + packedHeaderBytes
    for (let i = 0; i < index; i++) at += placeSizeAt(bytes, at)
    this.#visit(bytes, placeMemberAt(bytes, at), at + placeSizeAt(bytes, at), readScore(bytes, at))
  }

  take(): Buffer {
    return this.#reply.output.takeAll()
  }
}

/** Elements of a small sorted set. */
class DrawableElements implements ElementList {
  readonly #x: Execution
  readonly #withScores: boolean
  readonly #list = new ScoredList()

  constructor(x: Execution, withScores: boolean) {
    this.#x = x
    this.#withScores = withScores
  }

  get count(): number {
    return this.#list.count
  }

  get bytes(): number {
    return this.#list.members.bytes
  }

  add(entry: number): void {
    this.#x.mutator.types.sortedSets.each(entry, (bytes, start, end, score) => this.#list.add(bytes, start, end, score))
  }

  show(reply: ReplyWriter, index: number): void {
    const { members } = this.#list
    replyScored(reply, this.#withScores)(members.buffer, members.start(index), members.end(index), this.#list.score(index))
  }
}

function stageElements(x: Execution): StagedWork | undefined {
  const { args, reply, keyspace } = x
  if (args.count < 3) return undefined
  const count = args.bigInteger(2)
  const withScores = args.count === 4 && args.is(3, 'WITHSCORES')
  if (refusalOfCount(count, args.count > 3, withScores) !== undefined) return undefined
  return stageRandom(
    x,
    sortedSetType,
    Number(count),
    () => new ScoredRenderer(keyspace.values, withScores, reply.protocol),
    () => new DrawableElements(x, withScores),
  )
}

function zrandmember(x: Execution): void {
  if (x.args.count > 2) {
    zrandmemberWithCount(x)
    return
  }
  const entry = x.readType(1, sortedSetType)
  if (entry === wrongType) return
  if (entry === 0) x.reply.nil()
  else {
    const drawn = x.keyspace.draws.takeOne(x.args, x.keyspace.entries.length(entry))
    x.mutator.types.sortedSets.visit(entry, drawn, 1, false, (bytes, start, end) => x.reply.bulk(bytes, start, end))
  }
}

function zrandmemberWithCount(x: Execution): void {
  const { args, reply } = x
  const count = args.bigInteger(2)
  const withScores = args.count === 4 && args.is(3, 'WITHSCORES')
  const refusal = refusalOfCount(count, args.count > 3, withScores)
  if (refusal !== undefined) {
    reply.error(refusal)
    return
  }
  const entry = x.readType(1, sortedSetType)
  if (entry === wrongType) return
  const wanted = Number(count)
  if (entry === 0 || wanted === 0) reply.array(0)
  else replyRandom(x, entry, wanted, repliedElements(x, entry, withScores))
}

/** Elements with scores are flat in RESP2 and nested in RESP3. */
function repliedElements(x: Execution, entry: number, withScores: boolean): RepliedElements {
  const { reply } = x
  const { sortedSets } = x.mutator.types
  const show = replyScored(reply, withScores)
  return {
    begin: (count) => reply.array(withScores && reply.protocol === 2 ? 2 * count : count),
    atRank: (rank) => sortedSets.visit(entry, rank, 1, false, show),
    walk(isChosen) {
      sortedSets.each(entry, (bytes, start, end, score) => {
        if (isChosen()) show(bytes, start, end, score)
      })
    },
    newList: () => new DrawableElements(x, withScores),
  }
}
