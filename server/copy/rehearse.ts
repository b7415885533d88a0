/**
 * A rehearsal of a restore: opens the data as a start would, applies the log after them, with the running checksum computed and compared
 * on the way, and reads every value. What it is given is a scratch copy, for opening changes files.
 */
import type { OfflineData } from '../move/offline-shard.ts'
import { withShard } from '../move/offline-shard.ts'
import { datasetDigest } from '../shard/dataset-digest.ts'
import type { Shard } from '../shard/shard.ts'

/** How long a checksum in the log is waited for: a primary that lives tells one several times in its lease, and at least each second. */
const checksumMsMax = 5000

export interface Rehearsal {
  /** The last record that is in the copy itself, and the last one after the log was applied. */
  readonly checkpointLsn: number
  readonly lsn: number
  readonly keys: number
  /** What DEBUG DIGEST says of these data. */
  readonly digest: string
  /** The last record up to which the log had the same running checksum; 0 when there was nothing to compare. */
  readonly comparedLsn: number
}

/** With the directory's own log or, `etcd`, with the shared one. Rejects with what is wrong. */
export function rehearse(data: OfflineData, log: 'local' | 'etcd'): Promise<Rehearsal> {
  return withShard(data, log, async (shard) => {
    const { replay, keyspace, tier, checkpointer } = shard
    const checkpointLsn = checkpointer?.lastLsn ?? 0
    if (log === 'etcd') await compareNext(data, shard)
    const lsn = log === 'etcd' ? replay.applied : shard.log.appended
    const digest = await datasetDigest({ keyspace, tier, clock: data.ports.clock })
    return { checkpointLsn, lsn, keys: keyspace.size, digest, comparedLsn: replay.checksum?.comparedLsn ?? 0 }
  })
}

/** Reads on until the log tells a checksum of all that was applied, if it does soon. */
async function compareNext({ ports }: OfflineData, { log, replay }: Shard): Promise<void> {
  const over = new AbortController()
  const wanted = replay.applied
  const timer = ports.clock.after(checksumMsMax, () => over.abort())
  try {
    for await (const batch of log.read(replay.applied, over.signal)) {
      replay.hear(batch)
      for (const record of batch.records) await replay.apply(record)
      if (replay.checksum !== undefined && replay.checksum.comparedLsn >= wanted) return
    }
  } finally {
    timer.cancel()
  }
}
