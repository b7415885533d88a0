/** What a connection may take: the limits that all share, and a watch on how long one's output has been beyond its soft limit. */
import type { ParserLimits } from '../resp/request-parser.ts'

export interface OutputLimit {
  /** More bytes than this waiting to leave close the client; 0: no limit. */
  readonly hardBytes: number
  /** More than this for `softMs` without a break close the client too; 0: no limit. */
  readonly softBytes: number
  readonly softMs: number
}

/** Limits that all connections share; they may be changed while the server runs. */
export interface ConnectionLimits extends ParserLimits {
  /** While this much waits to leave, no further request is parsed: the client does not read, or the log is behind. */
  outputPauseBytes: number
  /** What may wait to leave of replies (`client-output-buffer-limit normal`), and for clients that have subscribed (`pubsub`). */
  output: OutputLimit
  subscriberOutput: OutputLimit
  /** Silence after which a client is closed (`timeout`); 0: never. */
  idleMs: number
}

export class OutputWatch {
  /** When the output first exceeded the soft limit, or -1. */
  #softSinceMs = -1

  /** Whether `pending` bytes that wait to leave are too many, or have been for too long. To be asked whenever that may have changed. */
  exceeds({ hardBytes, softBytes, softMs }: OutputLimit, pending: number, nowMs: number): boolean {
    if (hardBytes > 0 && pending > hardBytes) return true
    if (softBytes === 0 || pending <= softBytes) {
      this.#softSinceMs = -1
      return false
    }
    if (this.#softSinceMs < 0) this.#softSinceMs = nowMs
    return nowMs - this.#softSinceMs > softMs
  }
}
