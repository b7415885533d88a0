/** What a request waits for that has found nothing to do. */
import type { ReplyWriter } from './reply-writer.ts'

export interface KeyWait {
  /** The arguments that are its keys. */
  readonly keys: readonly number[]
  /** 0: no limit. */
  readonly timeoutMs: number
  /** Writes the reply when the time is over. */
  readonly timedOut: (reply: ReplyWriter) => void
  /** Whether it wants to be tried again when a key is gone, too. */
  readonly hearsOfLoss?: boolean
  /** What it finds in `Execution.remembered` when it is tried again. */
  readonly remembers?: unknown
}
