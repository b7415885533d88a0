/**
 * The part of a primary in a shard: executes requests on its keyspace and appends what they changed to the log, one record each.
 * Everything about a request that is not its client's side is here: prefetch, execute, append. The reply waits for the
 * LSN that `run` returns.
 */
import type { Arguments } from '../../engine/arguments.ts'
import type { Need } from '../../engine/command.ts'
import type { EngineLimits } from '../../engine/execution.ts'
import { Execution } from '../../engine/execution.ts'
import type { Keyspace } from '../../engine/keyspace/keyspace.ts'
import { isMemoryRefusal } from '../../engine/memory/refusal.ts'
import type { Mutator } from '../../engine/mutation/mutator.ts'
import type { Random } from '../../engine/random.ts'
import type { ReplyWriter } from '../../engine/reply-writer.ts'
import type { StagedWork } from '../../engine/staged-work.ts'
import type { ColdSet, Tier } from '../../storage/tier.ts'
import type { TransactionLog } from '../../wal/transaction-log.ts'
import type { Command } from '../command-table.ts'
import { outOfMemory } from '../dispatch-errors.ts'
import type { ShardState } from './shard-state.ts'

/** What of the shard's state it works on. */
type WorkedOn = Pick<ShardState, 'keyspace' | 'mutator' | 'log' | 'tier'>

export class Primary {
  readonly keyspace: Keyspace
  readonly mutator: Mutator
  readonly log: TransactionLog
  readonly tier: Tier
  readonly x: Execution
  /** Set by the owner. Told of a command that the system gave no memory for. */
  onMemoryRefused: (command: Command) => void = () => undefined
  /** Units and commands that are under way, one within the other. While there are any, all that happens is one record. */
  #units = 0
  #commands = 0
  /** LSN of the newest change that the replies of the record being made may reveal. */
  #revealed = 0

  constructor({ keyspace, mutator, log, tier }: WorkedOn, random: Random, limits: EngineLimits) {
    this.keyspace = keyspace
    this.mutator = mutator
    this.log = log
    this.tier = tier
    this.x = new Execution(keyspace, mutator, random, limits)
  }

  /** The time that requests see until the next call; once per turn. */
  tick(nowMs: number): void {
    this.x.now = nowMs
    this.mutator.interest.now = nowMs
    this.keyspace.access.tick(nowMs)
  }

  /** Adds the cold values that a command needs to `into` (made when undefined); undefined when all is in memory. */
  coldNeeds(command: Command, args: Arguments, database: number, into: ColdSet | undefined): ColdSet | undefined {
    if (!this.tier.hasCold) return into
    const need: Need = typeof command.needs === 'function' ? command.needs(args) : command.needs
    if (need === 'none' || !command.hasKeys) return into
    const { first, last, step } = command.spec.keys
    const db = this.keyspace.logical[database]
    const end = last < 0 ? args.count + last : last
    let set = into
    for (let i = first; i <= end && i < args.count; i += step) {
      const ref = this.keyspace.find(db, args.buffer, args.starts[i], args.ends[i])
      if (ref !== 0) set = this.tier.coldOf(ref, need, args, i, set)
    }
    return set
  }

  /** What should be done in slices before the request is executed; undefined if it may be executed at once. */
  stage(command: Command, args: Arguments, database: number): StagedWork | undefined {
    const { x } = this
    x.args = args
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
   * unit, or called by a handler, it adds to the record that is being made, and whoever began that gets the LSN.
   */
  run(command: Command, args: Arguments, reply: ReplyWriter, database: number, staged?: StagedWork): number {
    if (this.#commands > 0) return this.#runWithin(command, args, reply, database)
    if (this.#units === 0) this.#beginRecord()
    staged?.finish?.()
    this.#commands = 1
    this.#runs(command, args, reply, database, staged)
    this.#commands = 0
    return this.#units > 0 ? 0 : this.#commitPoint()
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
    if (this.#units > 0 || this.#commands > 0) throw new Error('primary: a change of its own in the middle of a request')
    this.#beginRecord()
    work(this.x)
    return this.#commitPoint()
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
    this.#commands++
    this.#runs(command, args, reply, database, undefined)
    this.#commands--
    x.resume(frame)
    this.#recordRefersTo(frame.args)
    return 0
  }

  #runs(command: Command, args: Arguments, reply: ReplyWriter, database: number, staged: StagedWork | undefined): void {
    const { x, mutator, keyspace } = this
    x.enter(args, reply, database, staged)
    this.#recordRefersTo(args)
    const { operations } = mutator
    const { expired } = x
    const { position } = reply
    try {
      if (command.denyOom) keyspace.arena.setAsideSlots(slotBytesFor(args))
      command.runs(x)
    } catch (failure) {
      // Deletions of expired keys on the way are complete; anything else may be half-done, and only the log knows what to do.
      if (!isMemoryRefusal(failure) || mutator.operations - operations !== x.expired - expired) this.#breaks(failure)
      if (reply.position > position) reply.rewindTo(position)
      reply.error(outOfMemory)
      this.onMemoryRefused(command)
    }
    keyspace.arena.dropAside()
    if (staged !== undefined) x.staged = undefined
    if (x.revealed > this.#revealed) this.#revealed = x.revealed
  }

  /** What was being made will never be a record. */
  #breaks(failure: unknown): never {
    this.#commands = 0
    this.#units = 0
    throw failure
  }

  /** The record refers to large arguments that have memory of their own, instead of copying them. */
  #recordRefersTo(args: Arguments): void {
    this.mutator.record.lasting = args.isApart ? args.buffer : undefined
  }

  #commitPoint(): number {
    const { mutator, log } = this
    const revealed = this.#revealed
    if (mutator.operations > 0) {
      const lsn = log.append(mutator.record.bytes, 0, mutator.record.end, mutator.record.references)
      // The record is complete: those who wait for its keys may make records of their own.
      if (mutator.interest.isOwing) mutator.interest.drain()
      return lsn > log.committed ? lsn : 0
    }
    return revealed > log.committed ? Math.min(revealed, log.appended) : 0
  }
}

/** What a request's arguments may take in the arena's slots. A large one gets a block of its own. */
function slotBytesFor(args: Arguments): number {
  const { count } = args
  return args.isApart || count === 0 ? 0 : args.ends[count - 1] - args.starts[0]
}
