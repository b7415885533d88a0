/**
 * Commands on members of sets. What takes some of them at random is in `set-random.ts`, what combines sets in `set-algebra.ts`, SSCAN in
 * `set-scan.ts`. Texts and rules as in Redis 7.0.
 */
import type { Arguments } from '../arguments.ts'
import type { EngineCommand } from '../command.ts'
import { keyAt, keysEach } from '../command.ts'
import type { Execution } from '../execution.ts'
import { wrongType } from '../execution.ts'
import { setType } from '../keyspace/entries.ts'
import { genericEvent, setEvent } from '../messages.ts'
import { addEdit, removeEdit } from '../types/set-type.ts'
import { MemberAdditions, stageMembers } from './many-additions.ts'
import { namedRemovalOf, removeNamed, stageNamed } from './named-removal.ts'
import { setAlgebraCommands } from './set-algebra.ts'
import type { MemberSource } from './set-change.ts'
import { addMembers, removeMembers } from './set-change.ts'
import { wantsLastMember, wantsMember, wantsMembers } from './set-needs.ts'
import { setRandomCommands } from './set-random.ts'
import { setScanCommands } from './set-scan.ts'
import { setWholeCommands } from './set-whole.ts'
import { additionOf, addStaged } from './staged-addition.ts'

const about = { categories: ['set'], group: 'set', since: '1.0.0', complexity: 'O(1)' } as const

export const setCommands = {
  SADD: {
    ...about,
    arity: -3,
    flags: ['write', 'denyoom', 'fast'],
    keys: keyAt(1, 'RW', 'insert'),
    complexity: 'O(N) where N is the number of members being added',
    briefArguments: 4,
    syntax: 'key member [member ...]',
    summary: 'Adds members to a set.',
    needs: wantsMembers,
    stages: stageMembers,
    handler: sadd,
  },
  SREM: {
    ...about,
    arity: -3,
    flags: ['write', 'fast'],
    keys: keyAt(1, 'RW', 'delete'),
    complexity: 'O(N) where N is the number of members to be removed',
    briefArguments: 4,
    syntax: 'key member [member ...]',
    summary: 'Removes members, and the set with its last one.',
    needs: wantsMembers,
    stages: (x) => stageNamed(x, setType),
    handler: srem,
  },
  SISMEMBER: {
    ...about,
    arity: 3,
    flags: ['readonly', 'fast'],
    keys: keyAt(1, 'RO'),
    syntax: 'key member',
    summary: 'Tells whether a member is in a set.',
    needs: wantsMember,
    handler: sismember,
  },
  SMISMEMBER: {
    ...about,
    arity: -3,
    flags: ['readonly', 'fast'],
    keys: keyAt(1, 'RO', 'access'),
    since: '6.2.0',
    complexity: 'O(N) where N is the number of members asked for',
    briefArguments: 8,
    syntax: 'key member [member ...]',
    summary: 'Tells of each of several members whether it is in a set.',
    needs: wantsMembers,
    handler: smismember,
  },
  SCARD: {
    ...about,
    arity: 2,
    flags: ['readonly', 'fast'],
    keys: keyAt(1, 'RO'),
    syntax: 'key',
    summary: 'Returns the number of members of a set.',
    needs: 'none',
    handler: scard,
  },
  SMOVE: {
    ...about,
    arity: 4,
    flags: ['write', 'fast'],
    keys: keysEach(
      { first: 1, last: 0, step: 1, flags: ['RW', 'access', 'delete'] },
      { first: 2, last: 0, step: 1, flags: ['RW', 'insert'] },
    ),
    syntax: 'source destination member',
    summary: 'Moves a member from one set to another.',
    needs: wantsLastMember,
    handler: smove,
  },
  ...setWholeCommands,
  ...setRandomCommands,
  ...setAlgebraCommands,
  ...setScanCommands,
} as const satisfies Record<string, EngineCommand>

/** The members that are arguments, of which the first may be passed over: no object per request. */
class ArgumentMembers implements MemberSource {
  #args!: Arguments

  of(args: Arguments): this {
    this.#args = args
    return this
  }

  get count(): number {
    return this.#args.count
  }

  get buffer(): Buffer {
    return this.#args.buffer
  }

  start(index: number): number {
    return this.#args.starts[index]
  }

  end(index: number): number {
    return this.#args.ends[index]
  }
}

const members = new ArgumentMembers()

function sadd(x: Execution): void {
  const { args, reply } = x
  const entry = x.findType(1, setType)
  if (entry === wrongType) return
  const staged = additionOf(x, entry, MemberAdditions)
  if (staged !== undefined) {
    const { added } = staged.plan
    if (added > 0) {
      addStaged(x, staged, x.mutator.types.sets, addEdit)
      x.notify(setEvent, 'sadd', 1)
    }
    reply.integer(added)
    return
  }
  const first = entry === 0 ? 2 : firstThat(x, entry, false)
  const added = first === args.count ? 0 : addMembers(x, entry, args.buffer, args.starts[1], args.ends[1], members.of(args), first)
  if (added > 0) x.notify(setEvent, 'sadd', 1)
  reply.integer(added)
}

function srem(x: Execution): void {
  const { args, reply } = x
  const entry = x.findType(1, setType)
  if (entry === wrongType) return
  const staged = namedRemovalOf(x, entry, setType)
  if (staged !== undefined) {
    reply.integer(removeNamed(x, entry, staged, x.mutator.types.sets, removeEdit, setEvent, 'srem'))
    return
  }
  const first = entry === 0 ? args.count : firstThat(x, entry, true)
  if (first === args.count) {
    reply.integer(0)
    return
  }
  const before = x.keyspace.entries.length(entry)
  const removed = removeMembers(x, args.buffer, args.starts[1], args.ends[1], members.of(args), first)
  x.notify(setEvent, 'srem', 1)
  if (removed === before) x.notify(genericEvent, 'del', 1)
  reply.integer(removed)
}

/** The first argument that is in the set, or that is not: what comes before changes nothing and is not recorded. */
function firstThat(x: Execution, entry: number, isMember: boolean): number {
  const { args } = x
  const { sets } = x.mutator.types
  let i = 2
  while (i < args.count && sets.has(entry, args.buffer, args.starts[i], args.ends[i]) !== isMember) i++
  return i
}

function sismember(x: Execution): void {
  const { args, reply } = x
  const entry = x.readType(1, setType)
  if (entry === wrongType) return
  reply.integer(entry !== 0 && x.mutator.types.sets.has(entry, args.buffer, args.starts[2], args.ends[2]) ? 1 : 0)
}

function smismember(x: Execution): void {
  const { args, reply } = x
  const entry = x.readType(1, setType)
  if (entry === wrongType) return
  reply.array(args.count - 2)
  for (let i = 2; i < args.count; i++) {
    reply.integer(entry !== 0 && x.mutator.types.sets.has(entry, args.buffer, args.starts[i], args.ends[i]) ? 1 : 0)
  }
}

function scard(x: Execution): void {
  const entry = x.readType(1, setType)
  if (entry !== wrongType) x.reply.integer(entry === 0 ? 0 : x.keyspace.entries.length(entry))
}

function smove(x: Execution): void {
  const { args, reply } = x
  const { buffer, starts, ends } = args
  const { entries } = x.keyspace
  const { sets } = x.mutator.types
  if (x.find(1) === 0) {
    reply.integer(0)
    return
  }
  const source = x.findType(1, setType)
  if (source === wrongType) return
  const target = x.findType(2, setType)
  if (target === wrongType) return
  if (!sets.has(source, buffer, starts[3], ends[3])) {
    reply.integer(0)
    return
  }
  if (source === target) {
    reply.integer(1)
    return
  }
  const isLast = entries.length(source) === 1
  const isNew = target === 0 || !sets.has(target, buffer, starts[3], ends[3])
  removeMembers(x, buffer, starts[1], ends[1], members.of(args), 3)
  x.notify(setEvent, 'srem', 1)
  if (isLast) x.notify(genericEvent, 'del', 1)
  if (isNew) {
    addMembers(x, target, buffer, starts[2], ends[2], members.of(args), 3)
    x.notify(setEvent, 'sadd', 2)
  }
  reply.integer(1)
}
