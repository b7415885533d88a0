/** Opens the transaction log that all nodes of a shard have in an etcd cluster (`docs/formats/etcd-log.md`). */
import type { Random } from '../../engine/random.ts'
import type { Clock } from '../../storage/clock.ts'
import { SharedLog } from '../shared/shared-log.ts'
import { LogCorrupt } from '../transaction-log.ts'
import { EtcdCalls } from './etcd-calls.ts'
import type { EtcdEndpoints } from './etcd-endpoints.ts'
import { EtcdEntryStore } from './etcd-entry-store.ts'
import { range } from './kv-methods.ts'
import { requireLogId } from './log-id.ts'
import { decodeEpoch, LogKeys } from './log-keys.ts'
import { LogSlots } from './log-slots.ts'

export interface EtcdLogOptions {
  readonly endpoints: EtcdEndpoints
  readonly clock: Clock
  readonly random: Random
  /** Of all keys of this log: one cluster may serve several. */
  readonly prefix: string
  /** Refuses a log with another id. */
  readonly logId?: bigint
  /** Refuses a log that ends before this record, which is known to have been committed. */
  readonly knownCommitted?: number
  /** How long etcd may take to answer before opening is given up; for ever unless told. */
  readonly patienceMs?: number
}

/** Opens the log, to read it; makes it when there is none. Throws `EtcdGivenUp` when etcd does not answer in time, `LogCorrupt` for a foreign log, or one that has lost records. */
export async function openEtcdLog(options: EtcdLogOptions): Promise<SharedLog> {
  const { endpoints, clock, prefix, knownCommitted = 0, patienceMs = Number.POSITIVE_INFINITY } = options
  const calls = new EtcdCalls(endpoints, clock)
  const untilMs = clock.monotonicMs() + patienceMs
  const isGivenUp = (): boolean => clock.monotonicMs() > untilMs
  const keys = new LogKeys(prefix)
  const logId = await requireLogId(calls, keys, options, isGivenUp)
  const slots = await LogSlots.find(calls, keys, logId, isGivenUp)
  const { tailSlot, tailLsn, endsWithin } = slots
  if (tailLsn < knownCommitted) {
    throw new LogCorrupt(`the log in etcd ends with record ${tailLsn}, but record ${knownCommitted} had been committed`, prefix, tailSlot)
  }
  const { pairs } = await calls.settled(range, { key: keys.epoch }, isGivenUp)
  const leader = pairs[0] === undefined ? undefined : decodeEpoch(pairs[0].value)
  return new SharedLog(new EtcdEntryStore(options, calls, keys, slots), clock, { tailSlot, tailLsn, endsWithin, leader })
}
