/**
 * DUMP and RESTORE: a value as Redis's RDB, with a checksum. What is large is staged (`dump/dump-work.ts`,
 * `dump/restore-work.ts`). Texts and the order of checks are Redis's; RESTORE also takes dumps of Redis 7.2 and 7.4.
 */
import type { EngineCommand } from '../command.ts'
import { keyAt } from '../command.ts'
import { footerBytes } from '../dump/dump-footer.ts'
import type { Dump, DumpWork } from '../dump/dump-pieces.ts'
import { dumpWork, writeDump } from '../dump/dump-work.ts'
import type { BuilderParts } from '../dump/dumped-type.ts'
import { RestoreWork } from '../dump/restore-work.ts'
import type { Execution } from '../execution.ts'
import { largeValueBytes } from '../keyspace/values.ts'
import { genericEvent, newKeyEvent } from '../messages.ts'
import type { ReplyWriter } from '../reply-writer.ts'
import { sharedBytesMin } from '../reply-writer.ts'
import type { StagedWork } from '../staged-work.ts'
import { slicedValueBytes } from '../staged-work.ts'
import { notAnInteger, syntaxError } from './errors.ts'

const restoring = {
  arity: -4,
  keys: keyAt(1, 'OW', 'update'),
  categories: ['keyspace', 'dangerous'],
  complexity: 'O(N) where N is the size of the value, O(N*log(N)) for a large collection',
  syntax: 'key ttl serialized-value [REPLACE] [ABSTTL] [IDLETIME seconds] [FREQ frequency]',
  summary: 'Sets a key to a value that DUMP has returned.',
  needs: 'none',
  stages: stageRestore,
  handler: restore,
} as const

export const dumpCommands = {
  DUMP: {
    arity: 2,
    flags: ['readonly'],
    keys: keyAt(1, 'RO', 'access'),
    categories: ['keyspace'],
    group: 'generic',
    since: '2.6.0',
    complexity: 'O(N) where N is the size of the value',
    syntax: 'key',
    summary: "Returns a value in the format of Redis's RDB files.",
    stages: stageDump,
    handler: dump,
  },
  RESTORE: { ...restoring, flags: ['write', 'denyoom'], group: 'generic', since: '2.6.0' },
  'RESTORE-ASKING': { ...restoring, flags: ['write', 'denyoom', 'asking'], group: 'server', since: '3.0.0' },
} as const satisfies Record<string, EngineCommand>

const busyKey = 'BUSYKEY Target key name already exists.'
const wrongChecksum = 'ERR DUMP payload version or checksum are wrong'
const badData = 'ERR Bad data format'
const expireAtMax = 2 ** 48 - 1

function stageDump({ args, keyspace, db, limits }: Execution): DumpWork | undefined {
  const entry = keyspace.find(db, args.buffer, args.starts[1], args.ends[1])
  return entry === 0 ? undefined : dumpWork(keyspace, entry, limits.slicedValueBytes)
}

function dump(x: Execution): void {
  const entry = x.read(1)
  if (entry === 0) {
    x.reply.nil()
    return
  }
  const staged = (x.staged as DumpWork | undefined)?.take(entry)
  if (staged !== undefined) replyPieces(x.reply, staged)
  else {
    const out = writeDump(x.keyspace, entry)
    const { end } = out
    if (end >= sharedBytesMin) x.reply.bulkShared(out.take(), 0, end)
    else x.reply.bulk(out.bytes, 0, end)
  }
}

function replyPieces(reply: ReplyWriter, { pieces, bytes }: Dump): void {
  const header = Buffer.from(`$${bytes}\r\n`)
  reply.raw(header, 0, header.length)
  for (const piece of pieces) reply.rawShared(piece)
  const end = Buffer.from('\r\n')
  reply.raw(end, 0, end.length)
}

function partsOf({ keyspace, mutator, limits, random }: Execution): BuilderParts {
  return { keyspace, mutator, limits, form: 0, seed: random.nextUint32() }
}

/** A compressed dump may be of a value that is many times as long. */
const unpackedShare = 16

function stageRestore(x: Execution): StagedWork | undefined {
  const { args, limits } = x
  const largeBytes = limits.slicedValueBytes ?? slicedValueBytes
  if (args.count < 4 || args.length(3) < largeBytes / unpackedShare) return undefined
  if (args.ownsBuffer) return new RestoreWork(partsOf(x), args.buffer, args.start(3), args.end(3), largeBytes)
  // It stays where it is while others have their turns.
  const dump = Buffer.from(args.bytes(3))
  return new RestoreWork(partsOf(x), dump, 0, dump.length, largeBytes)
}

/** The options of one RESTORE. */
class RestoreOptions {
  replaces = false
  isAbsolute = false
  idleSeconds = -1
  frequency = -1

  /** False when they are wrong; the error is written. */
  read({ args, reply }: Execution): boolean {
    for (let i = 4; i < args.count; i++) {
      const hasMore = i + 1 < args.count
      if (args.is(i, 'REPLACE')) this.replaces = true
      else if (args.is(i, 'ABSTTL')) this.isAbsolute = true
      else if (args.is(i, 'IDLETIME') && hasMore && this.frequency < 0) {
        const seconds = args.bigInteger(++i)
        if (seconds === undefined) return refused(reply, notAnInteger)
        if (seconds < 0n) return refused(reply, 'ERR Invalid IDLETIME value, must be >= 0')
        this.idleSeconds = Number(seconds)
      } else if (args.is(i, 'FREQ') && hasMore && this.idleSeconds < 0) {
        const frequency = args.bigInteger(++i)
        if (frequency === undefined) return refused(reply, notAnInteger)
        if (frequency < 0n || frequency > 255n) return refused(reply, 'ERR Invalid FREQ value, must be >= 0 and <= 255')
        this.frequency = Number(frequency)
      } else return refused(reply, syntaxError)
    }
    return true
  }
}

function refused(reply: ReplyWriter, text: string): false {
  reply.error(text)
  return false
}

function restore(x: Execution): void {
  const { args, reply } = x
  const options = new RestoreOptions()
  if (!options.read(x)) return
  const entry = x.find(1)
  if (entry !== 0 && !options.replaces) {
    reply.error(busyKey)
    return
  }
  const ttl = args.bigInteger(2)
  if (ttl === undefined || ttl < 0n) {
    reply.error(ttl === undefined ? notAnInteger : 'ERR Invalid TTL value, must be >= 0')
    return
  }
  const start = args.start(3)
  const staged = x.staged as RestoreWork | undefined
  const own =
    staged?.isOf(args.buffer, start, args.end(3)) === true ? undefined : new RestoreWork(partsOf(x), args.buffer, start, args.end(3))
  const work = own ?? (staged as RestoreWork)
  try {
    work.finishAll()
    if (work.state !== 'built') reply.error(work.state === 'bad data' ? badData : wrongChecksum)
    else place(x, work, options, ttl)
  } finally {
    own?.release()
  }
}

function place(x: Execution, work: RestoreWork, options: RestoreOptions, ttl: bigint): void {
  const { args, reply, mutator, keyspace } = x
  const key = args.buffer
  const ks = args.start(1)
  const ke = args.end(1)
  const distant = ttl > BigInt(expireAtMax) ? expireAtMax : Number(ttl)
  const expireAt = ttl === 0n ? 0 : Math.min(options.isAbsolute ? distant : distant + x.now, expireAtMax)
  if (ttl !== 0n && expireAt <= x.now) {
    if (mutator.delete(x.db, key, ks, ke)) x.notify(genericEvent, 'del', 1)
    reply.ok()
    return
  }
  const { string } = work
  let entry: number
  if (string !== undefined) {
    const adopts = string.end - string.start >= largeValueBytes
    const replaced = x.find(1) !== 0
    entry = mutator.putString(x.db, key, ks, ke, string.bytes, string.start, string.end, expireAt, adopts)
    // Redis deletes the key and adds it, also where a string takes the place of another value.
    if (replaced) x.notify(newKeyEvent, 'new', 1)
  } else {
    const dump = { bytes: args.buffer, start: args.start(3), end: args.end(3) - footerBytes }
    entry = mutator.restore(x.db, key, ks, ke, work.take(), expireAt, dump)
  }
  const { entries, access } = keyspace
  if (options.idleSeconds >= 0 && !access.lfu) entries.setAccess(entry, access.idleFor(options.idleSeconds))
  else if (options.frequency >= 0 && access.lfu) entries.setAccess(entry, access.usedOften(options.frequency))
  x.notify(genericEvent, 'restore', 1)
  reply.ok()
}
