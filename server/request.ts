/**
 * The request that a session has in hand, and all that it may have to wait for. Each session has one of these and uses it
 * for one request after the other, so a request that runs at once allocates nothing.
 *
 * Every change of state is made here. A request that waits has put itself down somewhere (at the gate, with the staged work,
 * in a cold read, for an event) and keeps how to take that back; it does so whenever a wait ends, whatever ends it: what it
 * waited for, a refusal, a failure, another shard, or that its client has left. Staged work that is not, or not yet, for the try
 * at hand is released with it; what the request itself has got is released at its end, or when it blocks. What is thrown when it goes on in
 * a later turn is a broken invariant, and its owner is told.
 *
 *     done ── begin ──▶ running ── end ──▶ done
 *                        │   ▲
 *                mustWait│   │retry
 *                        ▼   │
 *         stalled, awaitsPause, awaitsMemory, awaitsFanOut, awaitsStagedWork, awaitsCold
 *
 *     running ── defer, block ──▶ deferred, blocked ── answer ──▶ done, or retry ──▶ running
 *                                 blocked ── serve, at once or when what is cold has been read ──▶ served ──▶ done
 */
import type { Arguments } from '../engine/arguments.ts'
import { isMemoryRefusal } from '../engine/memory/refusal.ts'
import type { StagedWork } from '../engine/staged-work.ts'
import type { ColdSet } from '../storage/cold-set.ts'
import type { Tier } from '../storage/tier.ts'
import type { Command } from './command-table.ts'
import { outOfMemory } from './dispatch-errors.ts'
import type { Gate, GatedState } from './gate.ts'
import { timerMsMax } from './gate.ts'
import { holderOf } from './held-keys.ts'
import type { RefusableRequest } from './refusals.ts'
import type { Answer, Blocking, RequestHost, RequestOwner } from './request-host.ts'
import type { Primary, UnitRequest } from './shard/primary.ts'
import type { Shard } from './shard/shard.ts'
import { coldOf } from './staged-work.ts'

export type RequestState =
  | 'done'
  | 'running'
  | GatedState
  | 'awaitsStagedWork'
  | 'awaitsCold'
  /** The server works on the answer, beside everything else: SAVE, CONFIG REWRITE. */
  | 'deferred'
  /** Other clients, or time, bring the answer: WAIT, BLPOP. */
  | 'blocked'
  /** It was blocked and has its reply; what follows it comes in the next turn. */
  | 'served'

const nothing = (): void => undefined

export class Request<Session = never> implements RefusableRequest {
  state: RequestState = 'done'
  /** Of the newest request, also when it is done. */
  command!: Command<Session>
  args!: Arguments
  /** What was done for it beforehand, in slices. */
  staged: StagedWork | undefined
  readonly #host: RequestHost
  readonly #owner: RequestOwner
  /** What was read for the try that begins now. */
  #fetched: ColdSet | undefined
  /** What was read for the present try. */
  #admitted: ColdSet | undefined
  /** How often its execution has been given up to begin anew. */
  tries = 0
  /** Counts waits: an event that was meant for an earlier one is recognised by it. */
  #wait = 0
  /** Takes the present wait back. */
  #cancel = nothing
  /** When its reply was deferred, if the time until the answer counts as the command's; otherwise negative. */
  #countedFromMs = -1
  /** Whether it is tried, or something is read for that, while it is blocked. */
  #isTried = false
  /** Whether a blocked request waits no longer than it has said. */
  #isTimed = false
  /** While it is blocked. */
  #blocking: { readonly answer: Answer; readonly timedOut: () => void } | undefined

  constructor(host: RequestHost, owner: RequestOwner) {
    this.#host = host
    this.#owner = owner
  }

  get isWaiting(): boolean {
    return this.state !== 'done' && this.state !== 'running'
  }

  /** Whether its reply comes later than its execution. */
  get isReplyDeferred(): boolean {
    return this.state === 'deferred' || this.state === 'blocked' || this.state === 'served'
  }

  /** Whether it waits for what others do, or for time, and nobody has brought that yet. */
  get isBlocked(): boolean {
    return this.#blocking !== undefined
  }

  /** Whether its wait ends by itself. */
  get isTimed(): boolean {
    return this.isBlocked && this.#isTimed
  }

  /** Whether it waits for what other clients do: one who has said all it had to say gets no answer then. */
  get waitsForOthers(): boolean {
    return this.state === 'blocked' || this.state === 'awaitsPause'
  }

  /** Whether the time until the answer will count as the command's. */
  get countsUntilAnswer(): boolean {
    return this.isReplyDeferred && this.#countedFromMs >= 0
  }

  get writes(): boolean {
    const { command } = this
    return command.isWrite || (command.executesQueue && this.#owner.transaction.writes)
  }

  get publishes(): boolean {
    const { command } = this
    return command.publishes || (command.executesQueue && this.#owner.transaction.publishes)
  }

  get wantsMemory(): boolean {
    const { command } = this
    return command.denyOom || (command.executesQueue && this.#owner.transaction.wantsMemory)
  }

  get holdsMemory(): boolean {
    return this.staged !== undefined || this.#admitted !== undefined
  }

  get unit(): readonly UnitRequest[] | undefined {
    const { transaction } = this.#owner
    return this.command.executesQueue && !transaction.failed ? transaction.queued : undefined
  }

  begin(command: Command<Session>, args: Arguments): void {
    this.command = command
    this.args = args
    this.state = 'running'
    this.tries = 0
  }

  /** True when something has to come before it may run, or be queued by MULTI if it only `queues`. It is tried again then. */
  mustWait(queues: boolean): boolean {
    // What was read for this try is for no later one, and not for those that follow in the pipeline.
    const fetched = this.#fetched
    this.#fetched = undefined
    this.#admitted = fetched
    const { gate, shard } = this.#host
    if (this.#awaitsGate(gate)) return true
    if (queues || shard === undefined) return false
    shard.keyspace.forgetLookUp()
    return this.#awaitsHolder(shard) || this.#awaitsStagedWork(shard) || (shard.tier.hasCold && this.#awaitsCold(shard, fetched))
  }

  /** What the request waited for has come, or may have. */
  retry(): void {
    if (!this.isWaiting) return
    this.#guard(() => {
      this.#resumes()
      this.#owner.retry()
    })
  }

  /** Another shard has taken the place of the one that it began with: what it has of that is worth nothing. */
  shardReplaced(): void {
    this.#fetched = undefined
    this.#admitted = undefined
    this.#releaseStaged()
  }

  /** Its execution has met what is cold, and has been given up: it is tried again when that is there. */
  awaitCold(cold: ColdSet): void {
    const { tier } = this.#host.shard as Shard
    this.tries++
    this.#fetch(tier, cold, this.#admitted)
  }

  /**
   * The reply comes later, when the server is done with it. `counted`: the time until then is the command's. `release` is called once, at any end: nobody
   * wants the reply any more.
   */
  defer(time: 'counted' | 'uncounted', release = nothing): Answer {
    this.#waits('deferred', release)
    return this.#answer(time === 'counted' ? this.#host.clock.monotonicMs() : -1)
  }

  /** The reply comes when others, or time, bring it. */
  block({ release = nothing, timeoutMs, timedOut }: Blocking): Answer {
    this.#releaseStaged()
    this.#waits('blocked', release)
    const answer = this.#answer(-1)
    this.#blocking = { answer, timedOut }
    this.#isTimed = timeoutMs > 0
    if (this.#isTimed) {
      const timer = this.#host.clock.after(Math.min(timeoutMs, timerMsMax), () => answer(timedOut))
      this.#cancel = () => {
        timer.cancel()
        release()
      }
    }
    return answer
  }

  /**
   * Has a blocked request answered in the next turn: by `write`, or as if its time were over. False when it is not blocked, or
   * somebody else has done this already.
   */
  unblock(write: (() => void) | undefined): boolean {
    const blocking = this.#blocking
    if (blocking === undefined) return false
    this.#blocking = undefined
    this.#host.clock.afterTurn(() => blocking.answer(write ?? blocking.timedOut))
    return true
  }

  /** Executes a blocked request again by `attempt`, once what is cold has been read. Unless that says that it has replied, it stays blocked, with its time and its place. */
  serve(attempt: () => boolean): void {
    const blocking = this.#blocking
    const { shard } = this.#host
    if (blocking === undefined || shard === undefined || this.#isTried) return
    this.#guard(() => this.#readThenServe(shard, attempt))
  }

  #attempt(attempt: () => boolean): void {
    // What it changes itself is no reason to try again.
    this.#isTried = true
    const hasReplied = attempt()
    this.#isTried = false
    if (!hasReplied) return
    this.#resumes()
    this.#waits('served', nothing)
    const answer = this.#answer(-1)
    this.#host.clock.afterTurn(() => answer(nothing))
  }

  /** What has been read may tell what else is needed. */
  #readThenServe(shard: Shard, attempt: () => boolean): void {
    const { tier } = shard
    shard.keyspace.forgetLookUp()
    const cold = tier.hasCold ? this.#coldNeeds(shard.primary) : undefined
    if (cold === undefined) {
      this.#attempt(attempt)
      return
    }
    const wait = this.#wait
    this.#isTried = true
    tier.fetchTo(cold, (failure) => {
      if (this.#wait !== wait) {
        if (failure !== undefined) this.#host.coldReadFailed(failure)
        return
      }
      this.#isTried = false
      if (failure !== undefined) this.#readFailed(failure)
      else if (this.isBlocked) {
        this.#guard(() => {
          tier.admit(cold)
          this.#readThenServe(shard, attempt)
        })
      }
    })
  }

  /** It has come to its end, good or bad: what it holds is released. */
  end(): void {
    if (this.isWaiting) this.#resumes()
    this.state = 'done'
    this.#fetched = undefined
    this.#admitted = undefined
    if (this.staged !== undefined) this.#releaseStaged()
  }

  #releaseStaged(): void {
    const { staged } = this
    this.staged = undefined
    if (staged !== undefined) this.#release(staged)
  }

  #release(work: StagedWork): void {
    this.#guard(() => this.#host.stagedWork.release(work))
  }

  /** Does a part of it in a later turn, or at its end. */
  #guard(work: () => void): void {
    try {
      work()
    } catch (failure) {
      this.#owner.broke(failure)
    }
  }

  #waits(state: RequestState, cancel: () => void): void {
    this.state = state
    this.#cancel = cancel
    this.#wait++
  }

  #resumes(): void {
    const cancel = this.#cancel
    this.state = 'running'
    this.#cancel = nothing
    this.#blocking = undefined
    this.#isTried = false
    this.#wait++
    cancel()
  }

  #answer(countedFromMs: number): Answer {
    this.#countedFromMs = countedFromMs
    const wait = this.#wait
    return (write) => {
      if (this.#wait !== wait) return
      this.#guard(() => {
        this.#resumes()
        this.#owner.answer(write, countedFromMs < 0 ? undefined : this.#host.clock.monotonicMs() - countedFromMs)
      })
    }
  }

  #awaitsGate(gate: Gate): boolean {
    const state = gate.admit(this)
    if (state === undefined) return false
    this.#waits(state, () => gate.forget(this))
    return true
  }

  /** Waits for staged work of another request that would have to begin anew if this one were executed. */
  #awaitsHolder({ keyspace }: Shard): boolean {
    const { stagedWork } = this.#host
    if (!stagedWork.holdsAny || this.staged !== undefined || !this.writes) return false
    const { transaction, database } = this.#owner
    const holder = holderOf(stagedWork, keyspace, this.command.name === 'exec' ? transaction.queued : [this], database)
    if (holder === undefined) return false
    this.#waits(
      'awaitsStagedWork',
      stagedWork.afterEnd(holder, () => this.retry()),
    )
    return true
  }

  /** Has what is long done in slices beforehand, if the command's row asks for it. */
  #awaitsStagedWork({ primary }: Shard): boolean {
    if (this.command.stages === undefined || this.staged !== undefined) return false
    const { database, reply } = this.#owner
    const work = primary.stage(this.command, this.args, reply, database)
    if (work === undefined) return false
    const giveUp = this.#host.stagedWork.add({
      work,
      done: () => {
        this.staged = work
        this.retry()
      },
      failed: (failure) => this.#readFailed(failure),
      abandoned: () => this.retry(),
      broke: (failure) => this.#owner.broke(failure),
    })
    this.#waits('awaitsStagedWork', () => {
      giveUp()
      if (this.staged !== work) this.#release(work)
    })
    return true
  }

  /** Fetches the cold values that it needs, if any. */
  #awaitsCold({ primary, tier }: Shard, fetched: ColdSet | undefined): boolean {
    const cold = this.#coldNeeds(primary)
    if (cold === undefined) return false
    this.#fetch(tier, cold, fetched)
    return true
  }

  #fetch(tier: Tier, cold: ColdSet, fetched: ColdSet | undefined): void {
    // Under pressure one value may leave while another is read: a request that needs both keeps what it has got.
    cold.former = fetched
    this.#waits('awaitsCold', nothing)
    const wait = this.#wait
    tier.fetchTo(cold, (failure) => {
      if (failure !== undefined) {
        if (this.#wait === wait) this.#readFailed(failure)
        else this.#host.coldReadFailed(failure)
      } else if (this.#wait === wait) {
        this.#guard(() => {
          tier.admit(cold)
          this.#fetched = cold
          this.retry()
        })
      }
    })
  }

  #coldNeeds(primary: Primary): ColdSet | undefined {
    const leaves = this.staged === undefined ? undefined : coldOf(this.staged, primary.keyspace.trees)
    if (leaves !== undefined) return leaves.items.length > 0 ? leaves : undefined
    const { database, transaction } = this.#owner
    if (this.command.executesQueue) return transaction.coldNeeds(primary, database)
    return primary.coldNeeds(this.command, this.args, database, undefined)
  }

  #readFailed(failure: Error): void {
    this.#host.coldReadFailed(failure)
    this.#guard(() => {
      this.end()
      this.#owner.failed(isMemoryRefusal(failure) ? outOfMemory : `ERR a cold value could not be read: ${failure.message}`)
    })
  }
}
