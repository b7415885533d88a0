/** SMEMBERS. The reply of a large set is staged, in slices; what changed meanwhile is rendered anew in the command's own turn. */
import type { EngineCommand } from '../command.ts'
import { keyAt } from '../command.ts'
import type { Execution } from '../execution.ts'
import { wrongType } from '../execution.ts'
import { setType } from '../keyspace/entries.ts'
import { ReplyWriter } from '../reply-writer.ts'
import type { StagedWork } from '../staged-work.ts'
import { slicedValueBytes } from '../staged-work.ts'
import type { LeafRenderer } from '../tree/tree-image.ts'
import { TreeImage } from '../tree/tree-image.ts'
import type { SetTrees } from '../types/set-tree.ts'
import { slicedTree } from './sliced-tree.ts'

/** Bytes of leaves in one part of a staged reply. */
const partBytesMax = 64 * 1024

export const setWholeCommands = {
  SMEMBERS: {
    arity: 2,
    flags: ['readonly'],
    keys: keyAt(1, 'RO', 'access'),
    categories: ['set'],
    group: 'set',
    since: '1.0.0',
    complexity: 'O(N) where N is the number of members',
    syntax: 'key',
    summary: 'Returns all members of a set.',
    stages: stageMembers,
    handler: smembers,
  },
} as const satisfies Record<string, EngineCommand>

/** Writes leaves into a buffer of its own as they will be replied. */
export class MemberRenderer implements LeafRenderer {
  readonly #trees: SetTrees
  readonly #reply = new ReplyWriter()

  constructor(trees: SetTrees) {
    this.#trees = trees
  }

  leaf(ref: number): void {
    this.#trees.visitLeaf(ref, (bytes, start, end) => this.#reply.bulk(bytes, start, end))
  }

  take(): Buffer {
    return this.#reply.output.takeAll()
  }
}

function stageMembers(x: Execution): StagedWork | undefined {
  const entry = slicedTree(x)
  if (entry === 0 || x.keyspace.entries.type(entry) !== setType) return undefined
  const partBytes = Math.min(partBytesMax, x.limits.slicedValueBytes ?? slicedValueBytes)
  return new TreeImage(x.keyspace, entry, new MemberRenderer(x.mutator.types.sets.trees), partBytes)
}

function smembers(x: Execution): void {
  const { reply } = x
  const entry = x.readType(1, setType)
  if (entry === wrongType) return
  reply.set(entry === 0 ? 0 : x.keyspace.entries.length(entry))
  if (entry === 0) return
  const image = x.staged
  if (image instanceof TreeImage && image.shows(entry)) image.each((bytes) => reply.rawShared(bytes))
  else x.mutator.types.sets.each(entry, (bytes, start, end) => reply.bulk(bytes, start, end))
}
