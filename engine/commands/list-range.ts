/** Ranges of lists by index: returned, or kept while the rest goes. */
import type { EngineCommand } from '../command.ts'
import { keyAt } from '../command.ts'
import type { Execution } from '../execution.ts'
import { wrongType } from '../execution.ts'
import { listType } from '../keyspace/entries.ts'
import { genericEvent, listEvent } from '../messages.ts'
import type { StagedWork } from '../staged-work.ts'
import type { SpanOf } from '../tree/tree-image.ts'
import { TreeImage } from '../tree/tree-image.ts'
import { keepElements } from './list-edits.ts'
import { replyElements } from './list-elements.ts'
import { ElementRenderer } from './list-image.ts'
import { wantsElements, wantsTrimmed } from './list-needs.ts'
import { readLong } from './long-argument.ts'
import { isSliced, partBytesOf, slicedTree } from './sliced-tree.ts'

export const listRangeCommands = {
  LRANGE: {
    arity: 4,
    flags: ['readonly'],
    keys: keyAt(1, 'RO', 'access'),
    categories: ['list'],
    group: 'list',
    since: '1.0.0',
    complexity: 'O(log N + M) where M is the number of elements returned',
    syntax: 'key start stop',
    summary: 'Returns a range of elements of a list.',
    needs: wantsElements,
    stages: stageRange,
    handler: lrange,
  },
  LTRIM: {
    arity: 4,
    flags: ['write'],
    keys: keyAt(1, 'RW', 'delete'),
    categories: ['list'],
    group: 'list',
    since: '1.0.0',
    complexity: 'O(N) where N is the number of elements removed',
    syntax: 'key start stop',
    summary: 'Keeps a range of elements of a list and removes the others.',
    needs: wantsTrimmed,
    handler: ltrim,
  },
} as const satisfies Record<string, EngineCommand>

function lrange(x: Execution): void {
  const start = readLong(x, 2)
  if (Number.isNaN(start)) return
  const stop = readLong(x, 3)
  if (Number.isNaN(stop)) return
  const entry = x.readType(1, listType)
  if (entry === wrongType) return
  const length = entry === 0 ? 0 : x.keyspace.entries.length(entry)
  const from = startOf(start, length)
  const count = Math.max(0, stopOf(stop, length) - from + 1)
  x.reply.array(count)
  const image = x.staged
  if (count === 0) return
  if (image instanceof TreeImage && image.shows(entry)) image.each((bytes) => x.reply.rawShared(bytes))
  else replyElements(x, entry, from, count, false)
}

/** A long range of a large list is rendered in slices. */
function stageRange(x: Execution): StagedWork | undefined {
  const { keyspace, args } = x
  const entry = slicedTree(x)
  if (entry === 0 || keyspace.entries.type(entry) !== listType) return undefined
  const start = Number(args.bigInteger(2) ?? Number.NaN)
  const stop = Number(args.bigInteger(3) ?? Number.NaN)
  const { roots } = keyspace.trees
  const spanOf: SpanOf = (root) => ({ first: startOf(start, roots.count(root)), end: stopOf(stop, roots.count(root)) + 1 })
  const root = keyspace.entries.value(entry)
  const span = spanOf(root)
  if (span === undefined || !isSliced(x, root, span.end - span.first)) return undefined
  return new TreeImage(keyspace, entry, new ElementRenderer(keyspace.values, false), partBytesOf(x), spanOf)
}

function ltrim(x: Execution): void {
  const { reply, keyspace } = x
  const start = readLong(x, 2)
  if (Number.isNaN(start)) return
  const stop = readLong(x, 3)
  if (Number.isNaN(stop)) return
  const entry = x.findType(1, listType)
  if (entry === wrongType) return
  if (entry !== 0) {
    const length = keyspace.entries.length(entry)
    const from = startOf(start, length)
    const to = stopOf(stop, length)
    keepElements(x, entry, from, to - from + 1)
    x.notify(listEvent, 'ltrim', 1)
    if (from > to) x.notify(genericEvent, 'del', 1)
  }
  reply.ok()
}

/** Where a range begins, and its last element, by rank. Empty if the end comes first. */
export function startOf(index: number, length: number): number {
  return Math.max(0, index < 0 ? index + length : index)
}

export function stopOf(index: number, length: number): number {
  return Math.min(length - 1, index < 0 ? index + length : index)
}
