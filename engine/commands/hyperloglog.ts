/**
 * HyperLogLogs: how many different members were added, to within about a percent. They are strings with Redis's bytes, and what
 * is recorded is the bytes that change, not the members.
 */
import type { EngineCommand } from '../command.ts'
import { keyAt, keysFrom, noKeys } from '../command.ts'
import type { Execution } from '../execution.ts'
import { wrongType } from '../execution.ts'
import { stringEvent } from '../messages.ts'
import { keepTtl } from '../mutation/string-operations.ts'
import {
  cacheAt,
  cachedEstimate,
  cacheFlagAt,
  denseRegister,
  denseRegisterAt,
  estimate,
  hasCachedEstimate,
  headerBytes,
  invalidateEstimate,
  isHyperLogLog,
  isSparse,
  MemberRank,
  reachesNextByte,
  registerCount,
  setDenseRegister,
  writeEstimate,
} from '../types/hyperloglog.ts'
import { corrupt, eachRun, raiseTo, sparseBytesMax, unchanged, WorkingCopy } from '../types/hyperloglog-sparse.ts'
import { shownInC } from './errors.ts'
import { selfTest, stageSelfTest } from './hyperloglog-self-test.ts'
import type { RaisedBeforehand } from './hyperloglog-work.ts'
import { stageRaising } from './hyperloglog-work.ts'
import { RepeatedWork } from './repeated-work.ts'
import { createEmpty } from './string-ranges.ts'

const notHyperLogLog = 'WRONGTYPE Key is not a valid HyperLogLog string value.'
const corruptHyperLogLog = 'INVALIDOBJ Corrupted HLL object detected'
/** With more members than this a dense one is worked on as a whole. */
const singleMembersMax = 64

const about = { categories: ['hyperloglog'], group: 'hyperloglog', since: '2.8.9' } as const

export const hyperloglogCommands = {
  PFADD: {
    ...about,
    arity: -2,
    flags: ['write', 'denyoom', 'fast'],
    keys: keyAt(1, 'RW', 'insert'),
    complexity: 'O(N) where N is the number of members',
    syntax: 'key [element [element ...]]',
    summary: 'Adds members to a HyperLogLog.',
    handler: pfadd,
  },
  PFCOUNT: {
    ...about,
    arity: -2,
    flags: ['readonly'],
    keys: keysFrom(1, 1, 'RW', 'access'),
    complexity: 'O(N) where N is the number of keys',
    syntax: 'key [key ...]',
    summary: 'Estimates how many different members HyperLogLogs have together.',
    stages: stageRaising,
    handler: pfcount,
  },
  PFMERGE: {
    ...about,
    arity: -2,
    flags: ['write', 'denyoom'],
    keys: {
      first: 1,
      last: -1,
      step: 1,
      access: [
        { first: 1, last: 0, step: 1, flags: ['RW', 'access', 'insert'] },
        { first: 2, last: -1, step: 1, flags: ['RO', 'access'] },
      ],
    },
    complexity: 'O(N) where N is the number of keys',
    syntax: 'destkey [sourcekey [sourcekey ...]]',
    summary: 'Adds the members of HyperLogLogs to another one.',
    stages: stageRaising,
    handler: pfmerge,
  },
  PFDEBUG: {
    ...about,
    arity: 3,
    flags: ['write', 'denyoom', 'admin'],
    keys: keyAt(2, 'RW', 'access'),
    complexity: 'O(1)',
    syntax: '<GETREG | DECODE | ENCODING | TODENSE> key',
    summary: 'Shows the registers of a HyperLogLog, or how it is laid out.',
    handler: pfdebug,
  },
  PFSELFTEST: {
    ...about,
    arity: 1,
    flags: ['admin'],
    keys: noKeys,
    complexity: 'O(1)',
    syntax: '',
    summary: 'Tests HyperLogLogs.',
    stages: stageSelfTest,
    handler: selfTest,
  },
} as const satisfies Record<string, EngineCommand>

const member = new MemberRank()
const work = new WorkingCopy()
const ranks = new Uint8Array(registerCount)
const twoBytes = Buffer.alloc(denseRegisterAt(0, 4))
const cacheBytes = Buffer.alloc(8)

function pfadd(x: Execution): void {
  const { args, reply } = x
  const entry = x.findString(1)
  if (entry === wrongType) return
  if (entry === 0) {
    work.makeEmpty()
    addMembers(x)
    invalidateEstimate(work.bytes, 0)
    store(x, 1, 0)
    replyAdded(x, true)
    return
  }
  if (!holdsHyperLogLog(x, entry)) return
  x.mutator.markRaw(entry)
  if (args.count - 2 <= singleMembersMax && !isSparse(x.stringBytes(entry), x.stringStart(entry))) {
    replyAdded(x, addToDense(x, entry))
    return
  }
  if (args.count === 2) reply.integer(0)
  else if (!takeCopy(x, entry)) reply.error(corruptHyperLogLog)
  else {
    const outcome = addMembers(x)
    if (outcome !== unchanged) store(x, 1, entry)
    if (outcome === corrupt) reply.error(corruptHyperLogLog)
    else replyAdded(x, outcome === 1)
  }
}

function replyAdded(x: Execution, isChanged: boolean): void {
  if (isChanged) x.notify(stringEvent, 'pfadd', 1)
  x.reply.integer(isChanged ? 1 : 0)
}

/** Whether an entry's string is a HyperLogLog; otherwise the error is written. */
function holdsHyperLogLog(x: Execution, entry: number): boolean {
  if (isHyperLogLog(x.stringBytes(entry), x.stringStart(entry), x.keyspace.entries.length(entry))) return true
  x.reply.error(notHyperLogLog)
  return false
}

/** Takes an entry's string to work on; false when it is too long to be in order. */
function takeCopy(x: Execution, entry: number): boolean {
  const length = x.keyspace.entries.length(entry)
  if (length > sparseBytesMax) return false
  work.take(x.stringBytes(entry), x.stringStart(entry), length)
  return true
}

/** Adds the members among the arguments to the working copy, up to where it turns out to be corrupt. */
function addMembers({ args, limits }: Execution): typeof corrupt | 0 | 1 {
  let outcome: 0 | 1 = unchanged
  for (let i = 2; i < args.count; i++) {
    const { register, rank } = member.of(args.buffer, args.starts[i], args.ends[i])
    const raised = work.raise(register, rank, limits.hllSparseMaxBytes)
    if (raised === corrupt) return corrupt
    if (raised !== unchanged) outcome = raised
  }
  if (outcome !== unchanged) invalidateEstimate(work.bytes, 0)
  return outcome
}

/** Adds a few members to a dense one, register by register; true if that has changed it. */
function addToDense(x: Execution, entry: number): boolean {
  const { args, mutator } = x
  let isChanged = false
  for (let i = 2; i < args.count; i++) {
    const { register, rank } = member.of(args.buffer, args.starts[i], args.ends[i])
    const bytes = x.stringBytes(entry)
    const start = x.stringStart(entry)
    if (denseRegister(bytes, start, register) >= rank) continue
    isChanged = true
    const at = denseRegisterAt(0, register)
    const count = reachesNextByte(register) ? 2 : 1
    // A register with the same place within its byte, of a HyperLogLog that ends with it.
    const scratchAt = denseRegisterAt(0, register & 3)
    bytes.copy(twoBytes, scratchAt, start + at, start + at + count)
    setDenseRegister(twoBytes, 0, register & 3, rank)
    mutator.setRange(entry, at, twoBytes, scratchAt, scratchAt + count)
  }
  if (isChanged) invalidate(x, entry)
  return isChanged
}

/** Lets an entry's cached estimate be valid no longer. */
function invalidate(x: Execution, entry: number): void {
  const bytes = x.stringBytes(entry)
  const start = x.stringStart(entry)
  if (!hasCachedEstimate(bytes, start)) return
  cacheBytes[0] = bytes[start + cacheFlagAt] | 0x80
  x.mutator.setRange(entry, cacheFlagAt, cacheBytes, 0, 1)
}

/** Lets the key that is argument `index`, and has this entry (0: none), hold the working copy. */
function store(x: Execution, index: number, entry: number): void {
  const { mutator, keyspace, args } = x
  const { bytes, length } = work
  const before = entry === 0 ? 0 : keyspace.entries.length(entry)
  if (entry === 0) mutator.setRange(createEmpty(x, length), 0, bytes, 0, length)
  else if (length < before) {
    const { buffer, starts, ends } = args
    // Nothing appended makes it `raw`, as in Redis.
    mutator.append(mutator.putString(x.db, buffer, starts[index], ends[index], bytes, 0, length, keepTtl), bytes, 0, 0)
  } else {
    storeRange(x, entry, 0, headerBytes)
    storeRange(x, entry, headerBytes, length)
  }
}

/** Overwrites what differs between two offsets; behind the string's end, everything does. */
function storeRange(x: Execution, entry: number, from: number, to: number): void {
  const bytes = x.stringBytes(entry)
  const start = x.stringStart(entry)
  const length = x.keyspace.entries.length(entry)
  let first = from
  while (first < to && first < length && bytes[start + first] === work.bytes[first]) first++
  let end = to
  while (end > first && end <= length && bytes[start + end - 1] === work.bytes[end - 1]) end--
  if (end > first) x.mutator.setRange(entry, first, work.bytes, first, end)
}

function pfcount(x: Execution): void {
  if (x.args.count === 2) countOne(x)
  else if (raiseToKeys(x)) x.reply.bigInteger(estimate(ranks))
}

function countOne(x: Execution): void {
  const { reply, mutator } = x
  const entry = x.readString(1)
  if (entry === wrongType) return
  if (entry === 0) {
    reply.integer(0)
    return
  }
  if (!holdsHyperLogLog(x, entry)) return
  const bytes = x.stringBytes(entry)
  const start = x.stringStart(entry)
  const length = x.keyspace.entries.length(entry)
  mutator.markRaw(entry)
  if (hasCachedEstimate(bytes, start)) {
    reply.bigInteger(cachedEstimate(bytes, start))
    return
  }
  ranks.fill(0)
  if (!raiseTo(ranks, bytes, start, length)) {
    reply.error(corruptHyperLogLog)
    return
  }
  const count = estimate(ranks)
  // As when an expired key is met: what reads may leave something behind as long as the log takes it.
  if (x.deletesExpired) {
    writeEstimate(cacheBytes, count)
    mutator.setRange(entry, cacheAt, cacheBytes, 0, 8)
  }
  reply.bigInteger(count)
}

/** Lets `ranks` be the highest of those of all keys; 'dense' if one of them is. False if the error is written. */
function raiseToKeys(x: Execution): boolean | 'dense' {
  let outcome: true | 'dense' = true
  const staged = x.staged instanceof RepeatedWork ? (x.staged.settle() as RaisedBeforehand | undefined) : undefined
  ranks.fill(0)
  if (staged !== undefined) ranks.set(staged.ranks)
  if (staged?.isDense === true) outcome = 'dense'
  for (let i = 1; i < x.args.count; i++) {
    const entry = x.readString(i)
    if (entry === wrongType) return false
    if (entry === 0 || staged !== undefined) continue
    if (!holdsHyperLogLog(x, entry)) return false
    const bytes = x.stringBytes(entry)
    const start = x.stringStart(entry)
    if (!isSparse(bytes, start)) outcome = 'dense'
    if (raiseTo(ranks, bytes, start, x.keyspace.entries.length(entry))) continue
    x.reply.error(corruptHyperLogLog)
    return false
  }
  return outcome
}

function pfmerge(x: Execution): void {
  const { reply, limits } = x
  const raised = raiseToKeys(x)
  if (raised === false) return
  const entry = x.findString(1)
  if (entry === 0) work.makeEmpty()
  if ((entry !== 0 && !takeCopy(x, entry)) || (raised === 'dense' && !work.makeDense())) {
    reply.error(corruptHyperLogLog)
    return
  }
  for (let register = 0; register < registerCount; register++) {
    if (ranks[register] !== 0) work.raise(register, ranks[register], limits.hllSparseMaxBytes)
  }
  invalidateEstimate(work.bytes, 0)
  if (entry !== 0) x.mutator.markRaw(entry)
  store(x, 1, entry)
  x.notify(stringEvent, 'pfadd', 1)
  reply.ok()
}

function pfdebug(x: Execution): void {
  const { args, reply } = x
  const entry = x.findString(2)
  if (entry === wrongType) return
  if (entry === 0) {
    reply.error('ERR The specified key does not exist')
    return
  }
  if (!holdsHyperLogLog(x, entry)) return
  x.mutator.markRaw(entry)
  const wasSparse = isSparse(x.stringBytes(entry), x.stringStart(entry))
  if (args.is(1, 'GETREG')) replyRegisters(x, entry)
  else if (args.is(1, 'DECODE')) replyRuns(x, entry)
  else if (args.is(1, 'ENCODING')) reply.status(wasSparse ? 'sparse' : 'dense')
  else if (!args.is(1, 'TODENSE')) reply.error(`ERR Unknown PFDEBUG subcommand '${shownInC(args, 1)}'`)
  else if (makeDense(x, entry)) reply.integer(wasSparse ? 1 : 0)
}

/** Lets the key that is argument 2 be dense; false when it cannot be and the error is written. */
function makeDense(x: Execution, entry: number): boolean {
  if (!isSparse(x.stringBytes(entry), x.stringStart(entry))) return true
  if (takeCopy(x, entry) && work.makeDense()) {
    store(x, 2, entry)
    return true
  }
  x.reply.error(corruptHyperLogLog)
  return false
}

function replyRegisters(x: Execution, entry: number): void {
  if (!makeDense(x, entry)) return
  const bytes = x.stringBytes(entry)
  const start = x.stringStart(entry)
  x.reply.array(registerCount)
  for (let register = 0; register < registerCount; register++) x.reply.integer(denseRegister(bytes, start, register))
}

function replyRuns(x: Execution, entry: number): void {
  const bytes = x.stringBytes(entry)
  const start = x.stringStart(entry)
  const length = x.keyspace.entries.length(entry)
  if (!isSparse(bytes, start)) {
    x.reply.error('ERR HLL encoding is not sparse')
    return
  }
  if (length > sparseBytesMax) {
    x.reply.error(corruptHyperLogLog)
    return
  }
  const runs: string[] = []
  eachRun(bytes, start, length, (registers, rank, isLong) => {
    runs.push(rank === 0 ? `${isLong ? 'Z' : 'z'}:${registers}` : `v:${rank},${registers}`)
  })
  x.reply.text(runs.join(' '))
}
