/** What a log counts of the groups that it has committed since it was opened. */
import type { LogStats } from './transaction-log.ts'

type Figures = Pick<LogStats, 'groups' | 'records' | 'writtenBytes' | 'lastGroupRecords' | 'lastCommitMs'>

export class CommitCounts {
  /** Milliseconds that the last group took to become committed. */
  lastCommitMs = 0
  #groups = 0
  #records = 0
  #writtenBytes = 0
  #lastGroupRecords = 0

  get figures(): Figures {
    return {
      groups: this.#groups,
      records: this.#records,
      writtenBytes: this.#writtenBytes,
      lastGroupRecords: this.#lastGroupRecords,
      lastCommitMs: this.lastCommitMs,
    }
  }

  /** A group of so many records, which took so many bytes, is committed. */
  committed(records: number, bytes: number): void {
    this.#groups++
    this.#records += records
    this.#writtenBytes += bytes
    this.#lastGroupRecords = records
  }
}
