/**
 * SPOP and SRANDMEMBER: members at random, each as likely as any other, whatever the set's form (`random-replies.ts`).
 */
import type { EngineCommand } from '../command.ts'
import { keyAt } from '../command.ts'
import type { Execution } from '../execution.ts'
import { wrongType } from '../execution.ts'
import { setType } from '../keyspace/entries.ts'
import type { Values } from '../keyspace/values.ts'
import { packedHeaderBytes } from '../memory/packed-bytes.ts'
import { genericEvent, setEvent } from '../messages.ts'
import { ReplyWriter } from '../reply-writer.ts'
import type { StagedWork } from '../staged-work.ts'
import type { VisitMember } from '../types/set-leaf.ts'
import { memberSizeAt, memberStartAt, visitMembers } from '../types/set-leaf.ts'
import { removeEdit } from '../types/set-type.ts'
import type { ElementList } from './drawn-elements.ts'
import { notPositive, syntaxError } from './errors.ts'
import { MemberList } from './member-list.ts'
import { refusalOfCount } from './random-count.ts'
import { wantsRandomMembers } from './random-needs.ts'
import { RandomRemoval, stageRandomRemoval } from './random-removal.ts'
import type { RepliedElements, ShownElements } from './random-replies.ts'
import { replyRandom, showDistinct } from './random-replies.ts'
import type { ElementRenderer } from './random-selection.ts'
import { selectionOf, stageRandom } from './random-selection.ts'
import { removeMembers } from './set-change.ts'
import { slicedTree } from './sliced-tree.ts'
import { removalOf, removeStaged } from './staged-removal.ts'

export const setRandomCommands = {
  SPOP: {
    arity: -2,
    flags: ['write', 'fast'],
    keys: keyAt(1, 'RW', 'access', 'delete'),
    categories: ['set'],
    group: 'set',
    since: '1.0.0',
    complexity: 'Without a count O(1), else O(N) where N is the count',
    syntax: 'key [count]',
    briefArguments: 2,
    summary: 'Removes members at random and returns them.',
    needs: wantsRandomMembers,
    stages: stagePop,
    handler: spop,
  },
  SRANDMEMBER: {
    arity: -2,
    flags: ['readonly'],
    keys: keyAt(1, 'RO', 'access'),
    categories: ['set'],
    group: 'set',
    since: '1.0.0',
    complexity: 'Without a count O(1), else O(N) where N is the count',
    syntax: 'key [count]',
    briefArguments: 2,
    summary: 'Returns members at random: distinct ones, or with a negative count independent ones.',
    needs: wantsRandomMembers,
    stages: (x) => stageMembers(x, countOf(x)),
    handler: srandmember,
  },
} as const satisfies Record<string, EngineCommand>

/** Writes members into a buffer of its own as they will be replied. */
class MemberRenderer implements ElementRenderer {
  readonly #values: Values
  readonly #reply = new ReplyWriter()

  constructor(values: Values) {
    this.#values = values
  }

  leaf(ref: number, isChosen: () => boolean): void {
    visitMembers(this.#values.bytes(ref), this.#values.start(ref), (bytes, start, end) => {
      if (isChosen()) this.#reply.bulk(bytes, start, end)
    })
  }

  one(ref: number, index: number): void {
    const bytes = this.#values.bytes(ref)
    let at = this.#values.start(ref) + packedHeaderBytes
    for (let i = 0; i < index; i++) at += memberSizeAt(bytes, at)
    this.#reply.bulk(bytes, memberStartAt(bytes, at), at + memberSizeAt(bytes, at))
  }

  take(): Buffer {
    return this.#reply.output.takeAll()
  }
}

/** Members of a small set. */
class DrawableMembers implements ElementList {
  readonly #x: Execution
  readonly #members = new MemberList()

  constructor(x: Execution) {
    this.#x = x
  }

  get count(): number {
    return this.#members.count
  }

  get bytes(): number {
    return this.#members.bytes
  }

  add(entry: number): void {
    this.#x.mutator.types.sets.each(entry, (bytes, start, end) => this.#members.add(bytes, start, end))
  }

  show(reply: ReplyWriter, index: number): void {
    const members = this.#members
    reply.bulk(members.buffer, members.start(index), members.end(index))
  }
}

/** The count, 0 if there is none that is right. */
function countOf({ args }: Execution): number {
  return args.count === 3 ? Number(args.bigInteger(2) ?? 0n) : 0
}

function stageMembers(x: Execution, wanted: number): StagedWork | undefined {
  return stageRandom(
    x,
    setType,
    wanted,
    () => new MemberRenderer(x.keyspace.values),
    () => new DrawableMembers(x),
  )
}

/** Of SPOP of many members; of all of them, when the set goes as a whole, only the reply. */
function stagePop(x: Execution): StagedWork | undefined {
  const wanted = countOf(x)
  const entry = wanted > 0 ? slicedTree(x) : 0
  if (entry !== 0 && wanted >= x.keyspace.entries.length(entry)) return stageMembers(x, wanted)
  return wanted > 0 ? stageRandomRemoval(x, wanted) : undefined
}

function spop(x: Execution): void {
  const { args, reply } = x
  if (args.count > 3) {
    reply.error(syntaxError)
    return
  }
  const count = args.count === 3 ? args.bigInteger(2) : 1n
  if (count === undefined || count < 0n) {
    reply.error(notPositive)
    return
  }
  const entry = x.findType(1, setType)
  if (entry === wrongType) return
  const wanted = entry === 0 ? 0 : Math.min(Number(count), x.keyspace.entries.length(entry))
  if (args.count === 2) {
    if (entry === 0) {
      reply.nil()
      return
    }
  } else {
    reply.set(wanted)
    if (wanted === 0) return
  }
  pop(x, entry, wanted)
}

/** Removes `wanted` members, and replies each. */
function pop(x: Execution, entry: number, wanted: number): void {
  const { args, reply } = x
  const isAll = wanted === x.keyspace.entries.length(entry)
  const staged = removalOf(x, entry, RandomRemoval)
  if (staged !== undefined && staged.plan.wanted === wanted) {
    staged.plan.eachPart((bytes) => reply.rawShared(bytes))
    removeStaged(x, staged, x.mutator.types.sets, removeEdit, 1, staged.plan.payload)
    x.notify(setEvent, 'spop', 1)
    return
  }
  const selection = isAll ? selectionOf(x, entry) : undefined
  if (selection !== undefined) selection.each((bytes) => reply.rawShared(bytes))
  const popped = new MemberList()
  if (selection === undefined) {
    const add: VisitMember = (bytes, start, end) => popped.add(bytes, start, end)
    showDistinct(x, entry, wanted, shownMembers(x, entry, add))
  }
  for (let i = 0; i < popped.count; i++) reply.bulk(popped.buffer, popped.start(i), popped.end(i))
  if (isAll) x.mutator.deleteEntry(entry)
  else removeMembers(x, args.buffer, args.starts[1], args.ends[1], popped)
  x.notify(setEvent, 'spop', 1)
  if (isAll) x.notify(genericEvent, 'del', 1)
}

function srandmember(x: Execution): void {
  const { args, reply } = x
  if (args.count > 3) {
    reply.error(syntaxError)
    return
  }
  const count = args.count === 3 ? args.bigInteger(2) : 1n
  const refusal = refusalOfCount(count)
  if (refusal !== undefined) {
    reply.error(refusal)
    return
  }
  const entry = x.readType(1, setType)
  if (entry === wrongType) return
  const wanted = Number(count)
  if (args.count === 2) {
    if (entry === 0) reply.nil()
    else x.mutator.types.sets.atRank(entry, x.keyspace.draws.takeOne(args, x.keyspace.entries.length(entry)), replyTo(x))
  } else if (entry === 0 || wanted === 0) reply.array(0)
  else replyRandom(x, entry, wanted, repliedMembers(x, entry))
}

function replyTo({ reply }: Execution): VisitMember {
  return (bytes, start, end) => reply.bulk(bytes, start, end)
}

/** The members of a set, visited. */
function shownMembers(x: Execution, entry: number, visit: VisitMember): ShownElements {
  const { sets } = x.mutator.types
  return {
    atRank: (rank) => sets.atRank(entry, rank, visit),
    walk(isChosen) {
      sets.each(entry, (bytes, start, end) => {
        if (isChosen()) visit(bytes, start, end)
      })
    },
  }
}

function repliedMembers(x: Execution, entry: number): RepliedElements {
  return {
    ...shownMembers(x, entry, replyTo(x)),
    begin: (count) => x.reply.array(count),
    newList: () => new DrawableMembers(x),
  }
}
