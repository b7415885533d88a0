/**
 * Whole hashes as replies: HGETALL, HKEYS and HVALS. The reply of a large one is staged, in slices; what changed meanwhile
 * is rendered anew in the command's own turn.
 */
import type { EngineCommand } from '../command.ts'
import { keyAt } from '../command.ts'
import type { Execution } from '../execution.ts'
import { wrongType } from '../execution.ts'
import { mayHoldExpired } from '../field-expiry.ts'
import { hashType } from '../keyspace/entries.ts'
import type { StagedWork } from '../staged-work.ts'
import { slicedValueBytes } from '../staged-work.ts'
import { TreeImage } from '../tree/tree-image.ts'
import { eachPair } from './hash-fields.ts'
import { livePairs } from './live-fields.ts'
import type { LivePart, Shape } from './live-image.ts'
import { LiveRenderer, livePart } from './live-image.ts'
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

const fieldsAndValues: Shape = (reply) => (bytes, pair) => {
  reply.bulk(bytes, pair.fieldStart, pair.fieldEnd)
  reply.bulk(bytes, pair.valueStart, pair.valueEnd)
}
const fields: Shape = (reply) => (bytes, pair) => reply.bulk(bytes, pair.fieldStart, pair.fieldEnd)
const values: Shape = (reply) => (bytes, pair) => reply.bulk(bytes, pair.valueStart, pair.valueEnd)

function stageReply(x: Execution, shape: Shape): StagedWork | undefined {
  const entry = slicedTree(x)
  if (entry === 0 || x.keyspace.entries.type(entry) !== hashType) return undefined
  const partBytes = Math.min(partBytesMax, x.limits.slicedValueBytes ?? slicedValueBytes)
  return new TreeImage(x.keyspace, entry, new LiveRenderer(x, shape), partBytes)
}

function hgetall(x: Execution): void {
  replyWhole(x, fieldsAndValues, (pairs) => x.reply.map(pairs))
}

function hkeys(x: Execution): void {
  replyWhole(x, fields, (pairs) => x.reply.array(pairs))
}

function hvals(x: Execution): void {
  replyWhole(x, values, (pairs) => x.reply.array(pairs))
}

/** Replies with what `shape` shows of the pairs that have not expired; `begin` is told first how many there are. */
function replyWhole(x: Execution, shape: Shape, begin: (pairs: number) => void): void {
  const entry = x.readHash(1)
  if (entry === wrongType) return
  const { staged } = x
  if (entry === 0) begin(0)
  else if (staged instanceof TreeImage && staged.shows(entry)) replyImage(x, staged, begin)
  else {
    begin(liveLength(x, entry))
    eachPair(x, entry, livePairs(x, shape(x.reply)))
  }
}

/** As `replyWhole` with what was rendered beforehand. */
function replyImage(x: Execution, image: TreeImage, begin: (pairs: number) => void): void {
  const parts: LivePart[] = []
  let pairs = 0
  image.each((bytes) => {
    const part = livePart(bytes, x.now)
    parts.push(part)
    pairs += part.pairs
  })
  begin(pairs)
  for (const { reply } of parts) x.reply.rawShared(reply)
}

/** How many pairs have not expired. */
function liveLength(x: Execution, entry: number): number {
  if (!mayHoldExpired(x, entry)) return x.keyspace.entries.length(entry)
  let live = 0
  eachPair(
    x,
    entry,
    livePairs(x, () => live++),
  )
  return live
}
