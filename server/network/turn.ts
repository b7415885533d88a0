/**
 * One turn of the event loop, as the network sees it. Requests that arrive in a turn are executed as they come; their
 * replies leave together at its end: first the hooks (the log starts to write what the turn appended), then one write per
 * connection that has something to send. Connections whose replies wait for the log are remembered, and visited when it
 * has committed more.
 */
import type { Clock } from '../../storage/clock.ts'

/** Replies to so many connections leave when the log says so; those to more at the end of the turn, in slices. */
const flushedAtOnce = 1024
/** The clock is read after so many. */
const flushedAtLeast = 64
const flushMsMax = 5

/** What the turn knows of a connection. The two flags are the turn's own. */
export interface TurnMember {
  dirty: boolean
  held: boolean
  /** LSN that its first held reply waits for; 0 when it holds nothing. */
  readonly heldLsn: number
  /** Sends what may be sent under `committed`. */
  flush(committed: number): void
}

export class Turn {
  /** Replies that wait for an LSN up to this one may leave. */
  committed = 0
  /** The monotonic clock when the turn began, or at the latest `tick`: free to read. */
  nowMs: number
  /** The clock as it was read last, by whoever executes requests: how far the turn has come. */
  reachedMs: number
  #dirty: TurnMember[] = []
  #flushing: TurnMember[] = []
  #held: TurnMember[] = []
  #scheduled = false
  #begun = false
  readonly #clock: Clock
  readonly #hooks: (() => void)[] = []
  readonly #afterHooks: (() => void)[] = []
  readonly #run = (): void => this.#end()

  constructor(clock: Clock) {
    this.#clock = clock
    this.nowMs = clock.monotonicMs()
    this.reachedMs = this.nowMs
  }

  /** How many connections hold replies back. */
  get heldCount(): number {
    return this.#held.length
  }

  /** Set by the owner. Whether what was answered before this time may leave; if not, its connections are closed by now. */
  mayAnswer: (nowMs: number) => boolean = () => true
  /** Set by the owner. Called when the first work of a turn arrives. */
  onBegin: () => void = () => undefined

  /** Work arrives: to be called before any is done. */
  begin(): void {
    if (this.#begun) return
    this.#begun = true
    this.schedule()
    this.nowMs = this.#clock.monotonicMs()
    this.reachedMs = this.nowMs
    this.onBegin()
  }

  /** Does `work` when this turn has ended. */
  afterwards(work: () => void): void {
    this.#clock.afterTurn(work)
  }

  /** Runs `hook` at the end of every turn that has work, before anything is sent, in the order of registration. */
  beforeFlush(hook: () => void): void {
    this.#hooks.push(hook)
  }

  /** Runs `hook` at the end of every turn that has work, when everything that could be sent has been. */
  afterFlush(hook: () => void): void {
    this.#afterHooks.push(hook)
  }

  /** Makes sure that the turn's end comes, for work that no connection waits for. */
  schedule(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    this.#clock.afterTurn(this.#run)
  }

  /** `member` has something to send. */
  mark(member: TurnMember): void {
    if (member.dirty) return
    member.dirty = true
    this.#dirty.push(member)
    if (!this.#scheduled) this.schedule()
  }

  /** `member` holds replies back: it is flushed when they may leave. */
  hold(member: TurnMember): void {
    if (member.held) return
    member.held = true
    this.#held.push(member)
  }

  /** The log has committed up to `committed`: sends what waited for it, now. */
  released(committed: number): void {
    if (committed <= this.committed || !this.mayAnswer(this.#clock.monotonicMs())) return
    this.committed = committed
    const held = this.#held
    let kept = 0
    let flushed = 0
    for (let i = 0; i < held.length; i++) {
      const member = held[i]!
      if (member.heldLsn > 0 && member.heldLsn <= committed) {
        if (flushed++ < flushedAtOnce) member.flush(committed)
        else this.mark(member)
      }
      if (member.heldLsn > 0) held[kept++] = member
      else member.held = false
    }
    held.length = kept
  }

  /** Refreshes `nowMs` while nothing happens. */
  tick(): void {
    this.nowMs = this.#clock.monotonicMs()
  }

  #end(): void {
    this.#scheduled = false
    this.#begun = false
    this.nowMs = this.#clock.monotonicMs()
    this.reachedMs = this.nowMs
    for (const hook of this.#hooks) hook()
    this.mayAnswer(this.nowMs)
    const flushing = this.#dirty
    this.#dirty = this.#flushing
    this.#flushing = flushing
    const begunMs = this.nowMs
    let i = 0
    while (i < flushing.length) {
      const member = flushing[i++]!
      member.dirty = false
      member.flush(this.committed)
      if (i % flushedAtLeast === 0 && this.#clock.monotonicMs() - begunMs > flushMsMax) break
    }
    // A message to thousands of clients takes longer than others should wait: the rest is sent in the next turn.
    if (i < flushing.length) this.#dirty = flushing.splice(i).concat(this.#dirty)
    flushing.length = 0
    if (this.#dirty.length > 0) this.schedule()
    for (const hook of this.#afterHooks) hook()
  }
}
