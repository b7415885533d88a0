/**
 * Time as a port. Nothing outside its real implementation reads `Date`, `performance` or sets timers, so a simulated
 * clock can run the whole server from one seed.
 */
export interface Clock {
  /** Milliseconds since the Unix epoch, as an integer; may jump. Decides expiry and what users see. */
  wallMs(): number
  /** Milliseconds from an arbitrary start, fractional; never goes back. Decides intervals and leases. */
  monotonicMs(): number
  /** Runs `work` once, at the end of the present turn of the event loop. */
  afterTurn(work: () => void): void
  /** Runs `work` once after `delayMs`. Does not keep the process alive. */
  after(delayMs: number, work: () => void): Timer
}

export interface Timer {
  cancel(): void
}
