/**
 * SPOP and SRANDMEMBER: members at random, each as likely as any other, whatever the set's form. Few out of many are looked up by rank; many, or some
 * of a small set, are taken in one walk (Knuth, The Art of Computer Programming 2, 3.4.2, algorithm S).
 */
import type { EngineCommand } from '../command.ts'
import { keyAt } from '../command.ts'
import type { Execution } from '../execution.ts'
import { wrongType } from '../execution.ts'
import { setType } from '../keyspace/entries.ts'
import { genericEvent, setEvent } from '../messages.ts'
import type { VisitMember } from '../types/set-leaf.ts'
import { notAnInteger, notPositive, syntaxError } from './errors.ts'
import { MemberList } from './member-list.ts'
import { below, distinctBelow } from './random-ranks.ts'
import { removeMembers } from './set-change.ts'

const countOutOfRange = 'ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807'
const outOfRange = 'ERR value is out of range'
const int64Min = -(2n ** 63n)
/** As many members as one reply repeats at most: Redis goes on until memory ends. */
const repeatsMax = 2 ** 24
/** A walk over the set is worth it from one member wanted of so many. */
const walkRatio = 8

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
    handler: srandmember,
  },
} as const satisfies Record<string, EngineCommand>

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
  const popped = new MemberList()
  eachDistinct(x, entry, wanted, (bytes, start, end) => popped.add(bytes, start, end))
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
  if (count === undefined || count === int64Min) {
    reply.error(count === undefined ? notAnInteger : countOutOfRange)
    return
  }
  const entry = x.readType(1, setType)
  if (entry === wrongType) return
  const wanted = Number(count)
  if (args.count === 2) {
    if (entry === 0) reply.nil()
    else x.mutator.types.sets.atRank(entry, below(x, x.keyspace.entries.length(entry)), replyTo(x))
  } else if (entry === 0 || wanted === 0) reply.array(0)
  else if (wanted < 0) replyRepeatable(x, entry, -wanted)
  else {
    const distinct = Math.min(wanted, x.keyspace.entries.length(entry))
    reply.array(distinct)
    eachDistinct(x, entry, distinct, replyTo(x))
  }
}

function replyTo({ reply }: Execution): VisitMember {
  return (bytes, start, end) => reply.bulk(bytes, start, end)
}

/** Each member drawn from all of them. */
function replyRepeatable(x: Execution, entry: number, wanted: number): void {
  const { reply } = x
  if (wanted > repeatsMax) {
    reply.error(outOfRange)
    return
  }
  const length = x.keyspace.entries.length(entry)
  const { sets } = x.mutator.types
  reply.array(wanted)
  if (!walks(x, entry, wanted)) {
    for (let i = 0; i < wanted; i++) sets.atRank(entry, below(x, length), replyTo(x))
    return
  }
  const all = new MemberList()
  sets.each(entry, (bytes, start, end) => all.add(bytes, start, end))
  for (let i = 0; i < wanted; i++) {
    const drawn = below(x, length)
    reply.bulk(all.buffer, all.start(drawn), all.end(drawn))
  }
}

/** Visits `wanted` members, at most as many as there are, none twice. */
function eachDistinct(x: Execution, entry: number, wanted: number, visit: VisitMember): void {
  const length = x.keyspace.entries.length(entry)
  const { sets } = x.mutator.types
  if (!walks(x, entry, wanted)) {
    for (const rank of distinctBelow(x, length, wanted)) sets.atRank(entry, rank, visit)
    return
  }
  let ahead = length
  let missing = wanted
  sets.each(entry, (bytes, start, end) => {
    if (below(x, ahead--) >= missing) return
    missing--
    visit(bytes, start, end)
  })
}

function walks(x: Execution, entry: number, wanted: number): boolean {
  const { entries } = x.keyspace
  return wanted * walkRatio >= entries.length(entry) || (wanted > 1 && !entries.isTree(entry))
}
