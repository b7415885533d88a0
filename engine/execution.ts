/**
 * What a handler works with: the request's arguments, the keyspace to look into, the mutator to change it through, and
 * the writer for its reply. One instance serves every request, so that none allocates; a handler may have commands executed
 * within its own (`Primary.run`), and finds everything as it was afterwards.
 *
 * A handler never sees a cold value: the values that its command's row asks for were fetched before. It sees no socket,
 * no log, no RESP version, and no clock but `now`, which stands still during a request.
 */
import type { Arguments } from './arguments.ts'
import type { EngineLimits } from './engine-limits.ts'
import { shrunkHash } from './field-expiry.ts'
import type { KeyWait } from './key-wait.ts'
import type { TypeNumber } from './keyspace/entries.ts'
import { hashType, stringType } from './keyspace/entries.ts'
import type { KeyOfInterest } from './keyspace/interested-party.ts'
import { keyExpired } from './keyspace/key-change.ts'
import type { Keyspace } from './keyspace/keyspace.ts'
import { wordCopyBytesMax } from './memory/word-copy.ts'
import type { Messages } from './messages.ts'
import { expiredEvent, keyMissEvent, newKeyEvent } from './messages.ts'
import type { Mutator } from './mutation/mutator.ts'
import type { Random } from './random.ts'
import type { ReplyWriter } from './reply-writer.ts'
import type { StagedWork } from './staged-work.ts'
import type { CollectionType } from './types/collection-type.ts'
import type { HashTrees } from './types/hash-tree.ts'

/** What `readString` and its like return when the key holds another type; the error is written already. */
export const wrongType = -1
const wrongTypeText = 'WRONGTYPE Operation against a key holding the wrong kind of value'
/** Replies at least this long refer to the value instead of copying it. */
const sharedBytesMin = 32 * 1024

/** What belongs to one request. */
export interface Frame {
  readonly args: Arguments
  readonly reply: ReplyWriter
  readonly staged: StagedWork | undefined
  readonly database: number
  readonly db: number
  readonly revealed: number
  readonly touches: boolean
}

export class Execution implements Frame {
  readonly keyspace: Keyspace
  readonly mutator: Mutator
  readonly random: Random
  readonly limits: EngineLimits
  readonly hashTrees: HashTrees
  readonly messages: Messages
  args!: Arguments
  reply!: ReplyWriter
  /** What was staged for the request. */
  staged: StagedWork | undefined
  /** Milliseconds since the epoch. */
  now = 0
  /** The session's database as clients number it, and the physical one behind it. */
  database = 0
  db = 0
  /** LSN of the newest change that the reply may reveal. */
  revealed = 0
  /** Whether uses count: not for CLIENT NO-TOUCH. */
  touches = true
  /** Whether an expired key that is met is deleted: not once the log has failed. It is missing either way. */
  deletesExpired = true
  /** Whether the request may be blocked: not in a transaction or a script. */
  mayBlock = false
  /** Whether a script has the command executed. */
  inScript = false
  /** The key for which a blocked request is tried again. */
  wokenFor: KeyOfInterest | undefined
  /** What a request that is tried again has left for that: `KeyWait.remembers`. */
  remembered: unknown
  /** What the request waits for (`blocking.ts`). */
  keyWait: KeyWait | undefined
  hits = 0
  misses = 0
  expired = 0
  /** Fields that have been deleted because their time had come, and deletions of such fields: one deletes several. */
  expiredFields = 0
  fieldExpiries = 0

  constructor(keyspace: Keyspace, mutator: Mutator, random: Random, limits: EngineLimits) {
    this.keyspace = keyspace
    this.mutator = mutator
    this.random = random
    this.limits = limits
    keyspace.limits = limits
    this.hashTrees = mutator.hashes.trees
    this.messages = keyspace.messages
  }

  /** Begins a request. */
  enter(args: Arguments, reply: ReplyWriter, database: number, staged: StagedWork | undefined): void {
    const { keyspace } = this
    this.args = args
    this.reply = reply
    this.staged = staged
    this.database = database
    this.db = keyspace.logical[database]
    this.revealed = keyspace.logicalLsn
  }

  /** The request in hand, to be gone on with by `resume` when another one has been executed within it. */
  frame(): Frame {
    const { args, reply, staged, database, db, revealed, touches } = this
    return { args, reply, staged, database, db, revealed, touches }
  }

  resume({ args, reply, staged, database, db, revealed, touches }: Frame): void {
    this.args = args
    this.reply = reply
    this.staged = staged
    this.database = database
    this.db = db
    this.revealed = revealed
    this.touches = touches
    this.keyspace.forgetLookUp()
  }

  /** The entry of the key that is argument `index`, 0 when there is none; for commands that change it. An expired key is deleted on the way. */
  find(index: number): number {
    const { args } = this
    return this.findKey(this.db, args.buffer, args.starts[index], args.ends[index])
  }

  /** As `find` for any bytes and any physical database. */
  findKey(db: number, key: Buffer, start: number, end: number): number {
    const { keyspace } = this
    const ref = keyspace.find(db, key, start, end)
    if (ref === 0) {
      const lsn = keyspace.lastMissLsn()
      if (lsn > this.revealed) this.revealed = lsn
      return 0
    }
    const { entries } = keyspace
    if (entries.hasTtlRoom(ref) && this.#expire(ref)) return 0
    const lsn = entries.lsn(ref)
    if (lsn > this.revealed) this.revealed = lsn
    return ref
  }

  /** As `find`, for commands that read: counts a hit or a miss, and the use. */
  read(index: number): number {
    const ref = this.find(index)
    if (ref === 0) {
      this.misses++
      this.notify(keyMissEvent, 'keymiss', index)
    } else {
      this.hits++
      this.touch(ref)
    }
    return ref
  }

  /** The entry of a string to read; 0 when missing, `wrongType` when it is something else (and the error is written). */
  readString(index: number): number {
    return this.readType(index, stringType)
  }

  /** The entry of a string to change. */
  findString(index: number): number {
    return this.findType(index, stringType)
  }

  readHash(index: number): number {
    return shrunkHash(this, this.readType(index, hashType))
  }

  findHash(index: number): number {
    return shrunkHash(this, this.findType(index, hashType))
  }

  /** As `readString` for a type of collection. */
  readType(index: number, type: TypeNumber): number {
    const ref = this.read(index)
    return ref === 0 || this.keyspace.entries.type(ref) === type ? ref : this.refuseType()
  }

  /** As `findString` for a type of collection. */
  findType(index: number, type: TypeNumber): number {
    const ref = this.find(index)
    return ref === 0 || this.keyspace.entries.type(ref) === type ? ref : this.refuseType()
  }

  /**
   * Changes the collection under the key that is argument `index`, as the payload says that was written to `mutator.payload()`. Returns what
   * the edit does.
   */
  edit(type: CollectionType, edit: number, index: number): number {
    const { args } = this
    return this.mutator.edit(type, edit, this.db, args.buffer, args.starts[index], args.ends[index])
  }

  /** Counts a use of a value, for the demotion policy and OBJECT IDLETIME. */
  touch(ref: number): void {
    if (this.touches) this.keyspace.touch(ref)
  }

  /** A reply that depends on the whole keyspace waits for everything. */
  revealAll(): void {
    this.revealed = Number.MAX_SAFE_INTEGER
  }

  /** The buffer that a resident string lies in. */
  stringBytes(ref: number): Buffer {
    return this.keyspace.values.bytes(this.keyspace.entries.value(ref))
  }

  stringStart(ref: number): number {
    return this.keyspace.values.start(this.keyspace.entries.value(ref))
  }

  stringEnd(ref: number): number {
    return this.stringStart(ref) + this.keyspace.entries.length(ref)
  }

  /** Replies with a whole resident string. */
  replyString(ref: number): void {
    const { entries, values, arena } = this.keyspace
    const value = entries.value(ref)
    const start = values.start(value)
    const length = entries.length(ref)
    if (length <= wordCopyBytesMax) this.reply.bulkWords(arena.words(value), values.startWord(value), length)
    else if (length >= sharedBytesMin && arena.isLarge(value)) {
      values.share(value)
      this.reply.bulkShared(values.bytes(value), start, start + length)
    } else this.reply.bulk(values.bytes(value), start, start + length)
  }

  /** Sets the key that is argument `index` to a string. `expireAt`: ms, 0 for never, or `keepTtl`. Returns the entry. */
  putString(index: number, value: Uint8Array, start: number, end: number, expireAt: number): number {
    const { args } = this
    const key = args.buffer
    this.replaces(index)
    const adopts = args.donated >= 0 && args.take(value, start, end)
    return this.mutator.putString(this.db, key, args.starts[index], args.ends[index], value, start, end, expireAt, adopts)
  }

  /** Deletes the key that is argument `index`; false when there is none. */
  delete(index: number): boolean {
    const ref = this.find(index)
    if (ref === 0) return false
    this.mutator.deleteEntry(ref)
    return true
  }

  /**
   * Deletes the key that is argument `index`, and has `make` give it another value, if there is one: for listeners of events it is not a new key then.
   * Returns whether there was something.
   */
  replace(index: number, make: (() => void) | undefined): boolean {
    const existed = this.delete(index)
    if (make !== undefined) this.messages.without(existed ? newKeyEvent : 0, make)
    return existed
  }

  /**
   * Tells those who listen to keyspace events what the command has done to the key that is argument `index`: `event` is Redis's name
   * of it, `eventClass` one of `messages.ts`. Called after the change, in Redis's order. A key that is new, has expired or was
   * missing says so itself.
   */
  notify(eventClass: number, event: string, index: number): void {
    if ((this.messages.wanted & eventClass) === 0) return
    const { args } = this
    this.messages.event(this.database, event, args.buffer, args.starts[index], args.ends[index])
  }

  /** As `notify` for any bytes and any physical database. */
  notifyKey(eventClass: number, event: string, db: number, key: Uint8Array, start: number, end: number): void {
    if ((this.messages.wanted & eventClass) === 0) return
    this.messages.event(this.keyspace.numberOf(db), event, key, start, end)
  }

  /** As `notify` for the key of an entry; before it is deleted. */
  notifyEntry(eventClass: number, event: string, ref: number): void {
    if ((this.messages.wanted & eventClass) === 0) return
    const { entries, arena } = this.keyspace
    const start = entries.keyStart(ref)
    this.messages.event(this.keyspace.numberOf(entries.db(ref)), event, arena.bytes(ref), start, start + entries.keyLength(ref))
  }

  /** The key that is argument `index` is about to be put in place of whatever it holds: if that has expired, listeners hear so before. */
  replaces(index: number): void {
    if (this.messages.wanted !== 0) this.find(index)
  }

  #expire(ref: number): boolean {
    const expireAt = this.keyspace.entries.expireAt(ref)
    if (expireAt === 0 || expireAt >= this.now) return false
    if (!this.deletesExpired) return true
    this.notifyEntry(expiredEvent, 'expired', ref)
    this.mutator.deleteEntry(ref, keyExpired)
    // Counted once it has happened: that is how `Primary` tells whether a request that fails has changed anything else.
    this.expired++
    return true
  }

  /** Replies that the key holds another type. */
  refuseType(): number {
    this.reply.error(wrongTypeText)
    return wrongType
  }
}
