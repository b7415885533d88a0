/** ZADD and ZINCRBY. What they decide is which members get which scores; that alone is recorded. */
import type { EngineCommand } from '../command.ts'
import { keyAt } from '../command.ts'
import type { Execution } from '../execution.ts'
import { wrongType } from '../execution.ts'
import { sortedSetType } from '../keyspace/entries.ts'
import { sortedSetEvent } from '../messages.ts'
import { setEdit, writePayloadElement } from '../types/sorted-set-type.ts'
import { notAFloat, syntaxError } from './errors.ts'
import { ScoredAdditions, stageScored } from './many-additions.ts'
import { scoreArgument } from './score-argument.ts'
import { beginSetting, finishSetting, Growth } from './sorted-set-change.ts'
import { wantsIncrement, wantsScoredMembers } from './sorted-set-needs.ts'
import type { AddFlags } from './sorted-set-options.ts'
import { readAddFlags } from './sorted-set-options.ts'
import { additionOf, addStaged } from './staged-addition.ts'

const notANumber = 'ERR resulting score is not a number (NaN)'
const about = {
  flags: ['write', 'denyoom', 'fast'],
  categories: ['sortedset'],
  group: 'sorted-set',
  since: '1.2.0',
  complexity: 'O(log(N)) for each element, where N is the number of elements',
  needs: wantsScoredMembers,
} as const

export const sortedSetAddCommands = {
  ZADD: {
    ...about,
    arity: -4,
    keys: keyAt(1, 'RW', 'update'),
    syntax: 'key [NX | XX] [GT | LT] [CH] [INCR] score member [score member ...]',
    summary: 'Adds members with scores, or gives them others.',
    stages: (x) => {
      const flags = readAddFlags(x.args)
      return flags.incr || optionsRefusal(x, flags) !== undefined ? undefined : stageScored(x, flags)
    },
    handler: (x) => zadd(x, false),
  },
  ZINCRBY: {
    ...about,
    arity: 4,
    keys: keyAt(1, 'RW', 'access', 'update'),
    syntax: 'key increment member',
    needs: wantsIncrement,
    summary: 'Adds a number to the score of a member.',
    handler: (x) => zadd(x, true),
  },
} as const satisfies Record<string, EngineCommand>

/** The changes that a request comes to: arguments that are members, and their scores. Reused. */
class Changes {
  count = 0
  added = 0
  /** INCR's result, NaN when the flags forbid it. */
  score = Number.NaN
  readonly growth = new Growth()
  #members = new Int32Array(16)
  #scores = new Float64Array(16)

  clear(): void {
    this.count = 0
    this.added = 0
    this.score = Number.NaN
    this.growth.clear()
  }

  add(member: number, score: number): void {
    if (this.count === this.#members.length) {
      const members = new Int32Array(this.count * 2)
      const scores = new Float64Array(this.count * 2)
      members.set(this.#members)
      scores.set(this.#scores)
      this.#members = members
      this.#scores = scores
    }
    this.#members[this.count] = member
    this.#scores[this.count++] = score
  }

  member(index: number): number {
    return this.#members[index]
  }

  scoreAt(index: number): number {
    return this.#scores[index]
  }
}

const changes = new Changes()

export function zadd(x: Execution, increments: boolean): void {
  const { args, reply } = x
  const flags = readAddFlags(args)
  if (increments) flags.incr = true
  const staged = x.staged === undefined ? undefined : additionOf(x, x.find(1), ScoredAdditions)
  if (staged !== undefined) {
    const { added, count } = staged.plan
    if (count > 0) {
      addStaged(x, staged, x.mutator.types.sortedSets, setEdit)
      x.notify(sortedSetEvent, 'zadd', 1)
    }
    reply.integer(flags.ch ? count : added)
    return
  }
  const refusal = optionsRefusal(x, flags) ?? scoreRefusal(x, flags)
  if (refusal !== undefined) {
    reply.error(refusal)
    return
  }
  const entry = x.findType(1, sortedSetType)
  if (entry === wrongType) return
  changes.clear()
  const error = decide(x, entry, flags)
  const { count, added } = changes
  if (count > 0) {
    const payload = beginSetting(x, entry, changes.growth, count)
    for (let i = 0; i < count; i++) {
      const member = changes.member(i)
      writePayloadElement(payload, changes.scoreAt(i), args.buffer, args.starts[member], args.ends[member])
    }
    finishSetting(x, args.buffer, args.starts[1], args.ends[1])
    x.notify(sortedSetEvent, flags.incr ? 'zincr' : 'zadd', 1)
  }
  if (error !== undefined) reply.error(error)
  else if (!flags.incr) reply.integer(flags.ch ? count : added)
  else if (Number.isNaN(changes.score)) reply.nil()
  else reply.double(changes.score)
}

/** What is wrong with the options. */
function optionsRefusal({ args }: Execution, { nx, xx, gt, lt, incr, first }: AddFlags): string | undefined {
  const rest = args.count - first
  if (rest === 0 || rest % 2 === 1) return syntaxError
  if (nx && xx) return 'ERR XX and NX options at the same time are not compatible'
  if ((gt && nx) || (lt && nx) || (gt && lt)) return 'ERR GT, LT, and/or NX options at the same time are not compatible'
  return incr && rest > 2 ? 'ERR INCR option supports a single increment-element pair' : undefined
}

function scoreRefusal({ args }: Execution, { first }: AddFlags): string | undefined {
  for (let i = first; i < args.count; i += 2) if (Number.isNaN(scoreArgument(args, i))) return notAFloat
  return undefined
}

/** Finds out what is to be changed, up to an error, whose text is returned. */
function decide(x: Execution, entry: number, flags: AddFlags): string | undefined {
  const { args } = x
  const { sortedSets } = x.mutator.types
  const { growth } = changes
  // A member that stands there twice meets its own score the second time.
  const given = args.count - flags.first > 2 ? new Map<string, number>() : undefined
  for (let i = flags.first; i < args.count; i += 2) {
    const start = args.starts[i + 1]
    const end = args.ends[i + 1]
    const name = given === undefined ? '' : args.buffer.toString('latin1', start, end)
    let former = given?.get(name) ?? Number.NaN
    if (Number.isNaN(former) && entry !== 0) former = sortedSets.score(entry, args.buffer, start, end)
    const isNew = Number.isNaN(former)
    let score = scoreArgument(args, i)
    if (isNew ? flags.xx : flags.nx) continue
    if (!isNew) {
      if (flags.incr) score += former
      if (Number.isNaN(score)) return notANumber
      if ((flags.lt && score >= former) || (flags.gt && score <= former)) continue
    }
    changes.score = score
    if (score === former) continue
    if (isNew) {
      growth.add(end - start)
      changes.added++
    }
    // A listpack keeps no −0, and Redis changes the encoding only with the element that does not fit.
    if (score === 0 && Object.is(score, -0) && growth.staysPacked(x, entry)) score = 0
    changes.add(i + 1, score)
    given?.set(name, score)
  }
  return undefined
}
