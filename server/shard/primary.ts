/**
 * The primary of a shard: executes requests on its keyspace and appends what they changed to the log, one record each.
 * Everything about a request that is not its client's side is here: prefetch, execute, append. The reply waits for the
 * LSN that `run` returns.
 */
import type { Arguments } from '../../engine/arguments.ts'
import { requestWants } from '../../engine/cold-wants.ts'
import { recordTooLarge } from '../../engine/commands/errors.ts'
import type { EngineLimits } from '../../engine/execution.ts'
import { Execution } from '../../engine/execution.ts'
import type { Keyspace } from '../../engine/keyspace/keyspace.ts'
import { slotBytesMax } from '../../engine/memory/arena.ts'
import { isMemoryRefusal } from '../../engine/memory/refusal.ts'
import type { Mutator } from '../../engine/mutation/mutator.ts'
import type { Random } from '../../engine/random.ts'
import type { ReplyWriter } from '../../engine/reply-writer.ts'
import type { StagedWork } from '../../engine/staged-work.ts'
import type { ColdSet } from '../../storage/cold-set.ts'
import { ColdCollector } from '../../storage/cold-set.ts'
import type { Tier } from '../../storage/tier.ts'
import type { TransactionLog } from '../../wal/transaction-log.ts'
import type { Command } from '../command-table.ts'
import { outOfMemory } from '../dispatch-errors.ts'
import type { Queued } from '../transaction.ts'

/** Roughly, in the arena and beside it in the index. */
const entryBytes = 48
/** Of an operation or a part of one, beside the bytes that it is about. */
const operationBytes = 24

export class Primary {
  readonly keyspace: Keyspace
  readonly mutator: Mutator
  readonly log: TransactionLog
  readonly tier: Tier
  readonly x: Execution
  /** Set by the owner. Told of a command that the system gave no memory for. */
  onMemoryRefused: (command: Command) => void = () => undefined
  /** While above 0, requests belong to one record, which `endUnit` appends. */
  #unitDepth = 0
  #unitRevealed = 0
  readonly #collector: ColdCollector

  constructor(keyspace: Keyspace, mutator: Mutator, log: TransactionLog, tier: Tier, random: Random, limits: EngineLimits) {
    this.keyspace = keyspace
    this.mutator = mutator
    this.log = log
    mutator.recordBytesMax = log.recordBytesMax
    this.tier = tier
    this.#collector = new ColdCollector(keyspace.trees)
    this.x = new Execution(keyspace, mutator, random, limits)
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

  /** Executes a request. Returns the LSN that must be committed before its reply may leave; 0 when it may leave at once. */
  run(command: Command, args: Arguments, reply: ReplyWriter, database: number): number {
    const { x } = this
    this.#prepare(args, reply, database)
    if (this.#unitDepth === 0) this.mutator.begin(this.log.appended + 1)
    this.#runs(command)
    if (this.#unitDepth > 0) {
      if (x.revealed > this.#unitRevealed) this.#unitRevealed = x.revealed
      return 0
    }
    return this.#commitPoint(x.revealed)
  }

  /** Why a transaction of these requests must not begin; undefined when it may, though what it copies may still be too much. */
  unitRefusal(queued: readonly Queued[]): string | undefined {
    let slotBytes = 0
    let recordBytes = 0
    for (const { command, args } of queued) {
      if (command.denyOom) slotBytes += slotBytesFor(args)
      if (command.isWrite) recordBytes += recordBytesFor(args)
    }
    if (recordBytes > this.log.recordBytesMax) return recordTooLarge
    return slotBytes === 0 || this.keyspace.arena.takes(slotBytes) ? undefined : outOfMemory
  }

  /** From here to `endUnit` all requests are one record: EXEC. */
  beginUnit(): void {
    if (this.#unitDepth++ > 0) return
    this.#unitRevealed = 0
    this.mutator.begin(this.log.appended + 1)
  }

  /** Appends the unit's record; returns as `run` does. */
  endUnit(): number {
    return --this.#unitDepth > 0 ? 0 : this.#commitPoint(this.#unitRevealed)
  }

  /** Makes a change of the server's own (an expiry, an eviction) as one record. */
  change(work: (x: Execution) => void): number {
    this.mutator.begin(this.log.appended + 1)
    work(this.x)
    return this.#commitPoint(0)
  }

  #runs(command: Command): void {
    const { x, mutator, keyspace } = this
    const { operations } = mutator
    const { expired } = x
    const { position } = x.reply
    if (command.isWrite && !mutator.canRecord(recordBytesFor(x.args))) {
      x.reply.error(recordTooLarge)
      return
    }
    try {
      if (command.denyOom) keyspace.arena.setAsideSlots(slotBytesFor(x.args))
      command.runs(x)
    } catch (failure) {
      // Deletions of expired keys on the way are complete; anything else may be half-done, and only the log knows what to do.
      if (!isMemoryRefusal(failure) || mutator.operations - operations !== x.expired - expired) throw failure
      if (x.reply.position > position) x.reply.rewindTo(position)
      x.reply.error(outOfMemory)
      this.onMemoryRefused(command)
    }
    keyspace.arena.dropAside()
  }

  #prepare(args: Arguments, reply: ReplyWriter, database: number): void {
    const { x } = this
    x.args = args
    this.mutator.record.lasting = args.isApart ? args.buffer : undefined
    x.reply = reply
    x.database = database
    x.db = this.keyspace.logical[database]
    x.revealed = this.keyspace.logicalLsn
  }

  #commitPoint(revealed: number): number {
    const { mutator, log } = this
    if (mutator.operations > 0) {
      const lsn = log.append(mutator.record.bytes, 0, mutator.record.end, mutator.record.references)
      if (mutator.interest.isOwing) this.#tellInterested()
      return lsn > log.committed ? lsn : 0
    }
    return revealed > log.committed ? Math.min(revealed, log.appended) : 0
  }

  /** The record is complete: those who wait for its keys may make records of their own, which put nothing staged for another to use. */
  #tellInterested(): void {
    const { x } = this
    const { staged } = x
    x.staged = undefined
    this.mutator.interest.drain()
    x.staged = staged
  }
}

/** What a request's arguments may take in the arena's slots, with an entry for each. A large one gets a block of its own. */
function slotBytesFor(args: Arguments): number {
  const { count, starts, ends } = args
  if (count === 0) return 0
  if (!args.isApart) return ends[count - 1] - starts[0] + count * entryBytes
  let bytes = count * entryBytes
  for (let i = 0; i < count; i++) if (ends[i] - starts[i] <= slotBytesMax) bytes += ends[i] - starts[i]
  return bytes
}

/** What a request may record at most, but for commands that record more than their arguments: those find out themselves. */
function recordBytesFor(args: Arguments): number {
  const { count } = args
  return count === 0 ? 0 : args.ends[count - 1] - args.starts[0] + count * operationBytes
}
