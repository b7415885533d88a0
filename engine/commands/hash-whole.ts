/**
 * Whole hashes as replies: HGETALL, HKEYS and HVALS. The reply of a large one is staged, in slices; what changed meanwhile
 * is rendered anew in the command's own turn.
 */
import type { EngineCommand } from '../command.ts'
import { keyAt } from '../command.ts'
import type { Execution } from '../execution.ts'
import { wrongType } from '../execution.ts'
import { mayHoldExpired } from '../field-expiry.ts'
import { ReplyWriter } from '../reply-writer.ts'
import type { StagedWork } from '../staged-work.ts'
import { slicedValueBytes } from '../staged-work.ts'
import type { LeafRenderer } from '../tree/tree-image.ts'
import { TreeImage } from '../tree/tree-image.ts'
import type { HashTrees } from '../types/hash-tree.ts'
import type { VisitPair } from '../types/packed-fields.ts'
import { eachPair } from './hash-fields.ts'
import { livePairs } from './live-fields.ts'
import { slicedTree } from './sliced-tree.ts'

const whole = {
  arity: 2,
  flags: ['readonly'],
  keys: keyAt(1, 'RO', 'access'),
  categories: ['hash'],
  group: 'hash',
  since: '2.0.0',
  complexity: 'O(N) where N is the number of fields in the hash',
  syntax: 'key',
} as const

export const wholeHashCommands = {
  HGETALL: {
    ...whole,
    summary: 'Returns all fields of a hash and their values.',
    stages: (x) => stageReply(x, fieldsAndValues),
    handler: hgetall,
  },
  HKEYS: {
    ...whole,
    summary: 'Returns the names of all fields of a hash.',
    stages: (x) => stageReply(x, fields),
    handler: hkeys,
  },
  HVALS: {
    ...whole,
    summary: 'Returns the values of all fields of a hash.',
    stages: (x) => stageReply(x, values),
    handler: hvals,
  },
} as const satisfies Record<string, EngineCommand>

/** Bytes of leaves in one part of a staged reply. */
const partBytesMax = 64 * 1024

/** What is replied of each pair. */
type Shape = (reply: ReplyWriter) => VisitPair

const fieldsAndValues: Shape = (reply) => (bytes, pair) => {
  reply.bulk(bytes, pair.fieldStart, pair.fieldEnd)
  reply.bulk(bytes, pair.valueStart, pair.valueEnd)
}
const fields: Shape = (reply) => (bytes, pair) => reply.bulk(bytes, pair.fieldStart, pair.fieldEnd)
const values: Shape = (reply) => (bytes, pair) => reply.bulk(bytes, pair.valueStart, pair.valueEnd)

/** Writes leaves into a buffer of its own as they will be replied. */
class ShapeRenderer implements LeafRenderer {
  readonly #trees: HashTrees
  readonly #reply = new ReplyWriter()
  readonly #visit: VisitPair

  constructor(trees: HashTrees, shape: Shape) {
    this.#trees = trees
    this.#visit = shape(this.#reply)
  }

  leaf(ref: number): void {
    this.#trees.visitLeaf(ref, this.#visit)
  }

  take(): Buffer {
    return this.#reply.output.takeAll()
  }
}

function stageReply(x: Execution, shape: Shape): StagedWork | undefined {
  const entry = slicedTree(x)
  // Which fields have expired shows in the command's turn.
  if (entry === 0 || mayHoldExpired(x, entry)) return undefined
  const partBytes = Math.min(partBytesMax, x.limits.slicedValueBytes ?? slicedValueBytes)
  return new TreeImage(x.keyspace, entry, new ShapeRenderer(x.hashTrees, shape), partBytes)
}

function hgetall(x: Execution): void {
  const entry = x.readHash(1)
  if (entry === wrongType) return
  x.reply.map(entry === 0 ? 0 : shownLength(x, entry))
  if (entry !== 0) replyWhole(x, entry, fieldsAndValues)
}

function hkeys(x: Execution): void {
  replyEach(x, fields)
}

function hvals(x: Execution): void {
  replyEach(x, values)
}

function replyEach(x: Execution, shape: Shape): void {
  const entry = x.readHash(1)
  if (entry === wrongType) return
  x.reply.array(entry === 0 ? 0 : shownLength(x, entry))
  if (entry !== 0) replyWhole(x, entry, shape)
}

/** What was rendered of the hash beforehand. */
function imageOf({ staged }: Execution, entry: number): TreeImage | undefined {
  return staged instanceof TreeImage && staged.shows(entry) ? staged : undefined
}

/** How many pairs are shown: all of those that were rendered beforehand, else those that have not expired. */
function shownLength(x: Execution, entry: number): number {
  const length = x.keyspace.entries.length(entry)
  if (imageOf(x, entry) !== undefined || !mayHoldExpired(x, entry)) return length
  let live = 0
  const count = livePairs(x, () => live++)
  eachPair(x, entry, count)
  return live
}

function replyWhole(x: Execution, entry: number, shape: Shape): void {
  const image = imageOf(x, entry)
  if (image !== undefined) image.each((bytes) => x.reply.rawShared(bytes))
  else eachPair(x, entry, livePairs(x, shape(x.reply)))
}
