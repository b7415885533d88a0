/**
 * The part of a primary in a shard: executes requests on its keyspace and appends what they changed to the log, one record each.
 * Everything about a request that is not its client's side is here: prefetch, execute, append. The reply waits for the
 * LSN that `run` returns.
 */
import type { Arguments } from '../../engine/arguments.ts'
import { recordTooLarge } from '../../engine/commands/errors.ts'
import type { EngineLimits } from '../../engine/engine-limits.ts'
import { Execution } from '../../engine/execution.ts'
import type { KeyWait } from '../../engine/key-wait.ts'
import type { KeyOfInterest } from '../../engine/keyspace/interested-party.ts'
import type { Keyspace } from '../../engine/keyspace/keyspace.ts'
import { slotBytesMax } from '../../engine/memory/arena.ts'
import { isMemoryRefusal } from '../../engine/memory/refusal.ts'
import type { Addressed } from '../../engine/messages.ts'
import type { Mutator } from '../../engine/mutation/mutator.ts'
import type { Random } from '../../engine/random.ts'
import type { ReplyWriter } from '../../engine/reply-writer.ts'
import { requestWants } from '../../engine/request-wants.ts'
import type { StagedWork } from '../../engine/staged-work.ts'
import type { ColdSet } from '../../storage/cold-set.ts'
import { ColdCollector } from '../../storage/cold-set.ts'
import type { Tier } from '../../storage/tier.ts'
import { UnreadableValue } from '../../storage/tier.ts'
import type { TransactionLog } from '../../wal/transaction-log.ts'
import type { Command } from '../command-table.ts'
import { outOfMemory } from '../dispatch-errors.ts'
import type { ShardState } from './shard-state.ts'

/** Roughly, in the arena and beside it in the index. */
const entryBytes = 48
/** Of an operation or a part of one, beside the bytes that it is about. */
const operationBytes = 24

/** What of the shard's state it works on. */
type WorkedOn = Pick<ShardState, 'keyspace' | 'mutator' | 'log' | 'tier'>

/** A request of a unit. */
export interface UnitRequest {
  readonly command: Command
  readonly args: Arguments
}

export class Primary {
  readonly keyspace: Keyspace
  readonly mutator: Mutator
  readonly log: TransactionLog
  readonly tier: Tier
  readonly x: Execution
  /** Set by the owner. Told of a command that the system gave no memory for. */
  onMemoryRefused: (command: Command) => void = () => undefined
  /** What the request waits for that was run last; undefined if that has replied. */
  keyWait: KeyWait | undefined
  /** Set by the owner. Told what a record, or a request without one, has for subscribers: it may leave when the log has committed `lsn`. */
  onMessages: (messages: readonly Addressed[], lsn: number) => void = () => undefined
  /** What the client of the request in hand did before waits for this LSN; its messages follow. */
  heldLsn = 0
  /** Units and commands that are under way, one within the other. While there are any, all that happens is one record. */
  #units = 0
  #commands = 0
  /** LSN of the newest change that the replies of the record being made may reveal. */
  #revealed = 0
  readonly #collector: ColdCollector

  constructor({ keyspace, mutator, log, tier }: WorkedOn, random: Random, limits: EngineLimits) {
    this.keyspace = keyspace
    this.mutator = mutator
    this.log = log
    mutator.recordBytesMax = log.recordBytesMax
    this.tier = tier
    this.#collector = new ColdCollector(keyspace.trees)
    this.x = new Execution(keyspace, mutator, random, limits)
    // What is published in a unit, or by a script, leaves with the record; otherwise it leaves before the reply to PUBLISH, as in Redis.
    keyspace.messages.onPublished = () => {
      if (this.#units === 0 && this.#commands === 1 && mutator.operations === 0) this.#send(0)
    }
  }

  /** The time that requests see until the next call; once per turn. */
  tick(nowMs: number): void {
    this.x.now = nowMs
    this.mutator.interest.now = nowMs
    this.keyspace.access.tick(nowMs)
  }

  /**
   * Adds the cold values that a command needs to `into` (made when undefined); undefined when all is in memory. `goesOn`: others will run
   * in the same turn, which may need what the command moves to another key.
   */
  coldNeeds(command: Command, args: Arguments, database: number, into: ColdSet | undefined, goesOn = false): ColdSet | undefined {
    if (!this.tier.hasCold || !command.hasKeys) return into
    const { keys } = command.spec
    const db = this.keyspace.logical[database]
    const wants = into ?? this.#collector
    if (goesOn && command.moves) requestWants(this.keyspace, 'value', { ...keys, last: keys.first }, args, db, wants)
    else requestWants(this.keyspace, command.needs, keys, args, db, wants)
    return into ?? this.#collector.take()
  }

  /** What should be done in slices before the request is executed; undefined if it may be executed at once. Nothing is replied: `reply` tells how it will be. */
  stage(command: Command, args: Arguments, reply: ReplyWriter, database: number): StagedWork | undefined {
    const { x } = this
    x.args = args
    x.reply = reply
    x.database = database
    x.db = this.keyspace.logical[database]
    try {
      return command.stages?.(x)
    } catch (failure) {
      // The command itself will find out, and say so.
      if (!isMemoryRefusal(failure)) throw failure
      return undefined
    }
  }

  /**
   * Executes a request. Returns the LSN that must be committed before its reply may leave; 0 when it may leave at once. Within a
   * unit, or called by a handler, it adds to the record that is being made, and whoever began that gets the LSN. `keyWait` then tells
   * whether it is to be blocked. `wokenFor`: it was, and the key is why it is tried again.
   */
  run(command: Command, args: Arguments, reply: ReplyWriter, database: number, staged?: StagedWork, wokenFor?: KeyOfInterest): number {
    if (this.#commands > 0) return this.#runWithin(command, args, reply, database)
    const { x } = this
    if (this.#units === 0) this.#beginRecord()
    staged?.finish?.()
    x.mayBlock = this.#units === 0
    x.wokenFor = wokenFor
    x.keyWait = undefined
    // What was fetched for a transaction was so for the keyspace before it: a command by rank may now meet another leaf.
    const unread = this.#units > 0 && this.tier.hasCold && command.hasKeys ? this.fetchRest(command, args, database) : undefined
    this.#commands = 1
    if (unread === undefined) this.#runs(command, args, reply, database, staged)
    else reply.error(unread)
    this.#commands = 0
    const wait = x.keyWait
    const lsn = this.#units > 0 ? 0 : this.#commitPoint()
    // Others may have been tried meanwhile.
    this.keyWait = wait
    return lsn
  }

  /**
   * Reads what a command needs and is cold while everybody waits: where a request has begun that cannot be left. Returns the error's text when that
   * cannot be done.
   */
  fetchRest(command: Command, args: Arguments, database: number): string | undefined {
    for (;;) {
      this.keyspace.forgetLookUp()
      const cold = this.coldNeeds(command, args, database, undefined)
      if (cold === undefined) return undefined
      try {
        this.tier.fetchAtOnce(cold)
      } catch (failure) {
        return isMemoryRefusal(failure) ? outOfMemory : unreadable(failure as Error)
      }
      // What has come may tell what else is wanted.
    }
  }

  /** Why a transaction of these requests must not begin; undefined when it may, though what it copies may still be too much. */
  unitRefusal(requests: readonly UnitRequest[]): string | undefined {
    let slotBytes = 0
    let recordBytes = 0
    for (const { command, args } of requests) {
      if (command.denyOom) slotBytes += slotBytesFor(args)
      if (command.isWrite) recordBytes += recordBytesFor(args)
    }
    if (recordBytes > this.log.recordBytesMax) return recordTooLarge
    return slotBytes === 0 || this.keyspace.arena.takes(slotBytes) ? undefined : outOfMemory
  }

  /** From here to `endUnit` all requests are one record: EXEC. */
  beginUnit(): void {
    if (this.#units === 0 && this.#commands === 0) this.#beginRecord()
    this.#units++
  }

  /** Appends the unit's record; returns as `run` does. */
  endUnit(): number {
    this.#units--
    return this.#units > 0 || this.#commands > 0 ? 0 : this.#commitPoint()
  }

  /** Makes a change of the server's own (an expiry, an eviction) as one record. */
  change(work: (x: Execution) => void): number {
    if (!this.isIdle) throw new Error('primary: a change of its own in the middle of a request')
    this.#beginRecord()
    work(this.x)
    return this.#commitPoint()
  }

  /** Whether no request and no unit is under way, not even one that is suspended. */
  get isIdle(): boolean {
    return this.#units === 0 && this.#commands === 0
  }

  #beginRecord(): void {
    this.#revealed = 0
    this.mutator.begin(this.log.appended + 1)
  }

  /** A handler has a command executed: a script. */
  #runWithin(command: Command, args: Arguments, reply: ReplyWriter, database: number): number {
    const { x, keyspace } = this
    const frame = x.frame()
    keyspace.forgetLookUp()
    x.mayBlock = false
    this.#commands++
    this.#runs(command, args, reply, database, undefined)
    this.#commands--
    x.resume(frame)
    this.#recordRefersTo(frame.args)
    return 0
  }

  #runs(command: Command, args: Arguments, reply: ReplyWriter, database: number, staged: StagedWork | undefined): void {
    const { x, mutator } = this
    x.enter(args, reply, database, staged)
    this.#recordRefersTo(args)
    if (command.isWrite && !mutator.canRecord(recordBytesFor(args))) reply.error(recordTooLarge)
    else this.#call(command, args, reply)
    if (staged !== undefined) x.staged = undefined
    if (x.revealed > this.#revealed) this.#revealed = x.revealed
  }

  /** Calls the handler. A handler that gets no memory, or comes to a cold value that cannot be read, has changed nothing. */
  #call(command: Command, args: Arguments, reply: ReplyWriter): void {
    const { x, mutator, keyspace } = this
    const { operations } = mutator
    const { expired, fieldExpiries } = x
    const { position } = reply
    try {
      if (command.denyOom) keyspace.arena.reserveSlots(slotBytesFor(args))
      command.runs(x)
    } catch (failure) {
      // Deletions of expired keys and fields on the way are complete; anything else may be half-done, and only the log knows what to do.
      const isRefused = isMemoryRefusal(failure)
      const hasChanged = mutator.operations - operations !== x.expired - expired + x.fieldExpiries - fieldExpiries
      if (hasChanged || !(isRefused || failure instanceof UnreadableValue)) this.#fail(failure)
      if (reply.position > position) reply.rewindTo(position)
      reply.error(isRefused ? outOfMemory : unreadable(failure as Error))
      if (isRefused) this.onMemoryRefused(command)
    }
    keyspace.arena.releaseReserved()
  }

  /** What was being made will never be a record. */
  #fail(failure: unknown): never {
    this.#commands = 0
    this.#units = 0
    throw failure
  }

  /** The record refers to large arguments that have memory of their own, instead of copying them. */
  #recordRefersTo(args: Arguments): void {
    this.mutator.record.lasting = args.ownsBuffer ? args.buffer : undefined
  }

  #commitPoint(): number {
    const { mutator, log } = this
    const revealed = this.#revealed
    if (mutator.operations > 0) {
      const lsn = log.append(mutator.record.bytes, 0, mutator.record.end, mutator.record.references)
      if (this.keyspace.messages.any) this.#send(lsn)
      mutator.interest.listener?.recorded(lsn)
      // The record is complete: those who wait for its keys may make records of their own.
      if (mutator.interest.hasPending) mutator.interest.drain()
      return lsn > log.committed ? lsn : 0
    }
    const lsn = revealed > log.committed ? Math.min(revealed, log.appended) : 0
    if (this.keyspace.messages.any) this.#send(lsn)
    mutator.interest.listener?.recorded(lsn)
    return lsn
  }

  #send(lsn: number): void {
    this.onMessages(this.keyspace.messages.take(), Math.max(lsn, this.heldLsn))
  }
}

function unreadable({ message }: Error): string {
  return `ERR a cold value could not be read: ${message}`
}

/** What a request's arguments may take in the arena's slots, with an entry for each. A large one gets a block of its own. */
function slotBytesFor(args: Arguments): number {
  const { count, starts, ends } = args
  if (count === 0) return 0
  if (!args.ownsBuffer) return ends[count - 1] - starts[0] + count * entryBytes
  let bytes = count * entryBytes
  for (let i = 0; i < count; i++) if (ends[i] - starts[i] <= slotBytesMax) bytes += ends[i] - starts[i]
  return bytes
}

/** What a request may record at most, but for commands that record more than their arguments: those find out themselves. */
function recordBytesFor(args: Arguments): number {
  const { count } = args
  return count === 0 ? 0 : args.ends[count - 1] - args.starts[0] + count * operationBytes
}
