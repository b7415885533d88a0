/**
 * How long a primary may answer. A claim or a commit in its epoch proves that it led when that set out; for a lease from then
 * on nobody else leads, because the others wait longer than a lease after they have last heard it. All by monotonic clocks, of
 * which only the rates matter. Writes need no lease: the log refuses them to a leader that is none any more.
 */
import type { Clock, Timer } from '../../storage/clock.ts'
import type { Leadership } from '../../wal/leadership.ts'

/** The clocks of two machines may run at rates that differ by so much. */
const safeShare = 0.95
/** Of a lease: others claim after this. */
export const claimAfterLeases = 1.25
/**
 * So often that etcd's election of another leader, which takes 1.0 to 1.6 s, fits between the last of them and the end of a lease of 2 s: with
 * half as many the lease would be over in many an election.
 */
const renewalsPerLease = 8

export class Lease {
  readonly #leadership: Leadership
  readonly #clock: Clock
  readonly #leaseMs: number
  #timer: Timer | undefined

  constructor(leadership: Leadership, clock: Clock, leaseMs: number) {
    this.#leadership = leadership
    this.#clock = clock
    this.#leaseMs = leaseMs
  }

  /** Whether an answer may leave. `nowMs` is read when what it says is known, not before. */
  holds(nowMs: number): boolean {
    return nowMs < this.#leadership.renewedMs + this.#leaseMs * safeShare
  }

  /** Keeps the lease while nothing is written. `onLost` is called when it has run out. */
  keep(onLost: () => void): void {
    const periodMs = this.#leaseMs / renewalsPerLease
    this.#timer = this.#clock.after(periodMs, () => {
      const nowMs = this.#clock.monotonicMs()
      if (!this.holds(nowMs)) onLost()
      else {
        // Half a period: a renewal that is late by a little must not leave out a whole one.
        if (nowMs - this.#leadership.renewedMs >= periodMs / 2) this.#leadership.renew()
        this.keep(onLost)
      }
    })
  }

  /** Keeps it no longer. `onLost` is called when it has run out: what is in flight may make it last until then. */
  letExpire(onLost: () => void): void {
    this.#timer?.cancel()
    const leftMs = this.#leadership.renewedMs + this.#leaseMs * safeShare - this.#clock.monotonicMs()
    if (leftMs <= 0) onLost()
    else this.#timer = this.#clock.after(leftMs, () => this.letExpire(onLost))
  }

  stop(): void {
    this.#timer?.cancel()
  }
}
