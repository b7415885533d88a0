/**
 * What a shard is, whatever its part: the keyspace and all that keeps it in memory, on disk and in the log. A primary
 * executes requests on it and appends what they change (`primary.ts`); whoever applies a log that another one writes needs the
 * same, and nothing of a primary.
 */
import type { Keyspace } from '../../engine/keyspace/keyspace.ts'
import type { Mutator } from '../../engine/mutation/mutator.ts'
import type { Checkpointer } from '../../storage/checkpoint.ts'
import type { ColdStore } from '../../storage/cold-store.ts'
import type { MemoryBudget } from '../../storage/memory-budget.ts'
import type { Tier } from '../../storage/tier.ts'
import type { ValueCodec } from '../../storage/value-codec.ts'
import type { WriteOut } from '../../storage/write-out.ts'
import type { TransactionLog } from '../../wal/transaction-log.ts'
import type { CommitWaiters } from './commit-waiters.ts'
import type { LogHolds } from './log-holds.ts'
import type { LogReplay } from './recovery.ts'

export interface ShardState {
  readonly keyspace: Keyspace
  readonly mutator: Mutator
  readonly tier: Tier
  /** Knows how far it has come: `appended`, `committed`. */
  readonly log: TransactionLog
  /** Who still has to read old records of it. */
  readonly logHolds: LogHolds
  /** Knows how far the keyspace has come with what others have appended. */
  readonly replay: LogReplay
  readonly waiters: CommitWaiters
  readonly budget: MemoryBudget
  readonly codec: ValueCodec
  /** Undefined without a tier (`appendonly no` and `tier-enabled no`). */
  readonly store: ColdStore | undefined
  readonly writeOut: WriteOut | undefined
  /** Undefined without a log: nothing is to survive. */
  readonly checkpointer: Checkpointer | undefined
  /** Makes room in memory for as long as it is wanted and there is a way; for work that no request waits for. */
  makeRoom(): Promise<void>
  readonly recoveredRecords: number
  readonly recoveredBytes: number
  readonly recoveryMs: number
}
