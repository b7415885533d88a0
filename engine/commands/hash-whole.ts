/**
 * Whole hashes as replies: HGETALL, HKEYS and HVALS. The reply of a large one is staged, in slices; what changed meanwhile
 * is rendered anew in the command's own turn.
 */
import type { EngineCommand } from '../command.ts'
import { keyAt } from '../command.ts'
import type { Execution } from '../execution.ts'
import { wrongType } from '../execution.ts'
import { ReplyWriter } from '../reply-writer.ts'
import type { StagedWork } from '../staged-work.ts'
import { slicedValueBytes } from '../staged-work.ts'
import type { VisitPair } from '../types/field-hashes.ts'
import { visitAll } from '../types/field-hashes.ts'
import type { RenderChunks } from '../types/hash-image.ts'
import { HashImage } from '../types/hash-image.ts'
import { PackedCursor } from '../types/packed-fields.ts'
import { eachPair, slicedHash } from './hash-fields.ts'

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

/** Bytes of chunks in one staged part. */
const partBytesMax = 64 * 1024
/** Where the visits below write. */
let reply: ReplyWriter
const scratch = new ReplyWriter()
const cursor = new PackedCursor()

const fieldsAndValues = shapeOf((bytes, pair) => {
  reply.bulk(bytes, pair.fieldStart, pair.fieldEnd)
  reply.bulk(bytes, pair.valueStart, pair.valueEnd)
})
const fields = shapeOf((bytes, pair) => reply.bulk(bytes, pair.fieldStart, pair.fieldEnd))
const values = shapeOf((bytes, pair) => reply.bulk(bytes, pair.valueStart, pair.valueEnd))

/** What is replied of each pair, and of a run of chunks. */
interface Shape {
  readonly visit: VisitPair
  readonly render: RenderChunks
}

function shapeOf(visit: VisitPair): Shape {
  return {
    visit,
    render(slots, directory, from, to) {
      reply = scratch
      for (let at = from; at !== to; at = directory.after(at)) {
        const chunk = directory.ref(at)
        if (chunk === 0) throw new Error('hash: a chunk to reply with is not resident')
        visitAll(slots.bytes(chunk), slots.start(chunk), cursor, visit)
      }
      return scratch.output.takeAll()
    },
  }
}

function stageReply(x: Execution, { render }: Shape): StagedWork | undefined {
  const entry = slicedHash(x)
  if (entry === 0) return undefined
  return new HashImage(x.keyspace, entry, render, Math.min(partBytesMax, x.limits.slicedValueBytes ?? slicedValueBytes), true)
}

function hgetall(x: Execution): void {
  const entry = x.readHash(1)
  if (entry === wrongType) return
  x.reply.map(entry === 0 ? 0 : x.keyspace.entries.length(entry))
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
  x.reply.array(entry === 0 ? 0 : x.keyspace.entries.length(entry))
  if (entry !== 0) replyWhole(x, entry, shape)
}

function replyWhole(x: Execution, entry: number, shape: Shape): void {
  const image = x.staged
  if (image instanceof HashImage && image.shows(entry)) image.each((bytes) => x.reply.rawShared(bytes))
  else {
    reply = x.reply
    eachPair(x, entry, shape.visit)
  }
}
