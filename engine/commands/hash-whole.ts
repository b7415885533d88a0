/**
 * Whole hashes as replies: HGETALL, HKEYS and HVALS. The reply of a large one is prepared in slices; what changed meanwhile
 * is rendered anew in the command's own turn.
 */
import type { EngineCommand } from '../command.ts'
import { keyAt } from '../command.ts'
import type { Execution } from '../execution.ts'
import { wrongType } from '../execution.ts'
import { chunkedHash } from '../keyspace/entries.ts'
import type { Preparation } from '../preparation.ts'
import { slicedValueBytes } from '../preparation.ts'
import { ReplyWriter } from '../reply-writer.ts'
import { chunkBytesMax } from '../types/chunked-hash.ts'
import type { VisitPair } from '../types/field-hashes.ts'
import { visitAll } from '../types/field-hashes.ts'
import type { Renderer } from '../types/hash-image.ts'
import { HashImage } from '../types/hash-image.ts'
import { PackedCursor } from '../types/packed-fields.ts'
import { eachPair, largeHash } from './hash-fields.ts'

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
    prepares: (x) => prepareReply(x, pairs),
    handler: hgetall,
  },
  HKEYS: {
    ...whole,
    summary: 'Returns the names of all fields of a hash.',
    prepares: (x) => prepareReply(x, names),
    handler: hkeys,
  },
  HVALS: {
    ...whole,
    summary: 'Returns the values of all fields of a hash.',
    prepares: (x) => prepareReply(x, contents),
    handler: hvals,
  },
} as const satisfies Record<string, EngineCommand>

/** Where the visits below write. */
let reply: ReplyWriter
const prepared = new ReplyWriter()
const cursor = new PackedCursor()

const pairs = rendererOf((bytes, pair) => {
  reply.bulk(bytes, pair.fieldStart, pair.fieldEnd)
  reply.bulk(bytes, pair.valueStart, pair.valueEnd)
})
const names = rendererOf((bytes, pair) => reply.bulk(bytes, pair.fieldStart, pair.fieldEnd))
const contents = rendererOf((bytes, pair) => reply.bulk(bytes, pair.valueStart, pair.valueEnd))

interface ReplyRenderer extends Renderer {
  readonly visit: VisitPair
}

function rendererOf(visit: VisitPair): ReplyRenderer {
  return {
    visit,
    add(bytes, start) {
      reply = prepared
      visitAll(bytes, start, cursor, visit)
    },
    take: () => prepared.output.takeAll(),
  }
}

function prepareReply(x: Execution, renderer: Renderer): Preparation | undefined {
  const { args, keyspace, limits } = x
  const entry = keyspace.find(x.db, args.buffer, args.starts[1], args.ends[1])
  if (entry === 0 || keyspace.entries.encoding(entry) !== chunkedHash) return undefined
  const hash = largeHash(x, entry)
  const largeBytes = limits.slicedValueBytes ?? slicedValueBytes
  const isLarge = hash.chunkCount * (limits.hashChunkBytesMax ?? chunkBytesMax) >= largeBytes
  return isLarge ? new HashImage(keyspace, entry, renderer, largeBytes) : undefined
}

function hgetall(x: Execution): void {
  const entry = x.readHash(1)
  if (entry === wrongType) return
  x.reply.map(entry === 0 ? 0 : x.keyspace.entries.length(entry))
  if (entry !== 0) replyWhole(x, entry, pairs)
}

function hkeys(x: Execution): void {
  replyEach(x, names)
}

function hvals(x: Execution): void {
  replyEach(x, contents)
}

function replyEach(x: Execution, renderer: ReplyRenderer): void {
  const entry = x.readHash(1)
  if (entry === wrongType) return
  x.reply.array(entry === 0 ? 0 : x.keyspace.entries.length(entry))
  if (entry !== 0) replyWhole(x, entry, renderer)
}

function replyWhole(x: Execution, entry: number, renderer: ReplyRenderer): void {
  const image = x.prepared
  if (image instanceof HashImage && image.shows(entry)) image.each((bytes) => x.reply.rawShared(bytes))
  else {
    reply = x.reply
    eachPair(x, entry, renderer.visit)
  }
}
