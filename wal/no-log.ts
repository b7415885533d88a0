/** The log of a server that keeps nothing (`appendonly no`): counts records, commits at once, stores none. */
import type { LogBatch, LogStats, SyncPolicy, TransactionLog } from './transaction-log.ts'

export class NoLog implements TransactionLog {
  onCommitted: (committed: number) => void = () => undefined
  onFailed: TransactionLog['onFailed'] = () => undefined
  readonly logId = 0n
  readonly leadership = undefined
  readonly members = undefined
  readonly recordBytesMax = Number.POSITIVE_INFINITY
  readonly pendingBytes = 0
  #appended = 0

  get appended(): number {
    return this.#appended
  }

  get committed(): number {
    return this.#appended
  }

  get synced(): number {
    return this.#appended
  }

  get first(): number {
    return this.#appended + 1
  }

  append(): number {
    return ++this.#appended
  }

  flush(): void {
    // There is nothing to write.
  }

  // biome-ignore lint/correctness/useYield: there are no records to yield
  async *read(): AsyncGenerator<LogBatch> {
    return
  }

  async trim(): Promise<void> {
    // Nothing is kept.
  }

  setSyncPolicy(_policy: SyncPolicy): void {
    // Nothing is synced.
  }

  async sync(): Promise<void> {
    // There is nothing to sync.
  }

  stats(): LogStats {
    const records = this.#appended
    return { segments: 0, bytes: 0, groups: 0, records, writtenBytes: 0, lastGroupRecords: 0, lastCommitMs: 0, failed: false }
  }

  async close(): Promise<void> {
    // Nothing is open.
  }
}
