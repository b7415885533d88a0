/**
 * Who shares a log. Each process tells the others about itself beside the log, so that the one that leads knows up to where the log is still
 * needed, and all know where the others are. Nothing safe depends on it: what is told may be late or missing.
 */
export interface Members {
  /** Tells about this process, instead of what was told before under the same id. */
  announce(id: string, about: Buffer): Promise<void>
  /** Takes back what was told under an id. */
  withdraw(id: string): Promise<void>
  /** What is told now, by id. */
  all(): Promise<ReadonlyMap<string, Buffer>>
}
