/** XRANGE and XREVRANGE. */
import type { EngineCommand } from '../command.ts'
import { keyAt } from '../command.ts'
import type { Execution } from '../execution.ts'
import { wrongType } from '../execution.ts'
import { streamType } from '../keyspace/entries.ts'
import { StreamId } from '../types/stream-id.ts'
import { syntaxError } from './errors.ts'
import { imageOf } from './sliced-tree.ts'
import { readBound, readCount, replyEntry, walkOf } from './stream-arguments.ts'
import { stageEntryRange } from './stream-image.ts'
import { wantsEntryRange, wantsReversedRange } from './stream-needs.ts'

const range = {
  arity: -4,
  flags: ['readonly'],
  keys: keyAt(1, 'RO', 'access'),
  categories: ['stream'],
  group: 'stream',
  since: '5.0.0',
  complexity: 'O(log(N)+M) where N is the number of entries and M is the number of entries returned',
} as const

export const streamRangeCommands = {
  XRANGE: {
    ...range,
    syntax: 'key start end [COUNT count]',
    summary: 'Returns entries between two ids.',
    needs: wantsEntryRange,
    stages: (x) => stageEntryRange(x, 2, 3, false),
    handler: xrange,
  },
  XREVRANGE: {
    ...range,
    syntax: 'key end start [COUNT count]',
    summary: 'Returns entries between two ids, the last first.',
    needs: wantsReversedRange,
    stages: (x) => stageEntryRange(x, 3, 2, true),
    handler: xrevrange,
  },
} as const satisfies Record<string, EngineCommand>

const from = new StreamId()
const to = new StreamId()

function xrange(x: Execution): void {
  replyRange(x, 2, 3, false)
}

function xrevrange(x: Execution): void {
  replyRange(x, 3, 2, true)
}

function replyRange(x: Execution, first: number, last: number, backwards: boolean): void {
  const { args, reply } = x
  if (!readBound(x, first, 'first', from) || !readBound(x, last, 'last', to)) return
  let count = -1
  for (let i = 4; i < args.count; i += 2) {
    if (i + 1 === args.count || !args.is(i, 'COUNT')) {
      reply.error(syntaxError)
      return
    }
    count = readCount(x, i + 1)
    if (Number.isNaN(count)) return
    if (count < 0) count = 0
  }
  const entry = x.readType(1, streamType)
  if (entry === wrongType) return
  if (entry === 0) {
    reply.array(0)
    return
  }
  if (count === 0) {
    reply.nilArray()
    return
  }
  const image = imageOf(x, entry)
  if (image !== undefined) {
    reply.array(image.count())
    image.each((bytes) => reply.rawShared(bytes))
    return
  }
  const walk = walkOf(x).begin(entry, from, to, backwards)
  const token = reply.arrayDeferred()
  let shown = 0
  while (shown !== count && walk.next()) {
    replyEntry(reply, walk.entry)
    shown++
  }
  reply.resolve(token, shown)
}
