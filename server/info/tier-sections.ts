/** INFO's sections of Moraine's own: where values are, and how the log is doing. */
import { valuePlaces } from '../figures.ts'
import type { ServerView } from '../server-view.ts'
import type { InfoLine } from './info-line.ts'

export function* tieringSection(server: ServerView): Generator<InfoLine> {
  const { shard, stats, gate, maintenance } = server
  if (shard === undefined) return
  const { tier } = shard
  const { counts } = tier
  const places = valuePlaces(server)
  yield ['tier_enabled', tier.settings.demotes ? 1 : 0]
  yield ['tier_hot_values', places.hot]
  yield ['tier_cool_values', places.cool]
  yield ['tier_cold_values', places.cold]
  yield ['tier_resident_bytes', places.residentBytes]
  yield ['tier_disk_bytes', places.diskBytes]
  yield ['tier_level0_files', shard.store?.stats().level0Files ?? 0]
  yield ['tier_dirty_entries', tier.lag.dirty.length]
  yield ['tier_writeout_in_flight_bytes', shard.writeOut?.inFlightBytes ?? 0]
  yield ['tier_cooled_values', shard.writeOut?.counts.values ?? 0]
  yield ['tier_demotions', counts.demotions]
  yield ['tier_demoted_bytes', counts.demotedBytes]
  yield ['tier_promotions', counts.promotions]
  yield ['tier_reads_without_promotion', counts.readsWithoutPromotion]
  yield ['tier_cold_reads', counts.coldReads]
  yield ['tier_cold_read_bytes', counts.coldReadBytes]
  yield ['tier_cold_reads_shared', counts.sharedReads]
  yield ['tier_cold_reads_at_once', counts.readsAtOnce]
  yield ['tier_cold_faults', counts.faults]
  yield ['tier_cold_reads_in_flight', tier.readsInFlight]
  yield ['tier_cold_read_failures', stats.coldReadFailures]
  yield ['tier_cold_read_p50_ms', (stats.coldReads.percentile(0.5) / 1000).toFixed(3)]
  yield ['tier_cold_read_p99_ms', (stats.coldReads.percentile(0.99) / 1000).toFixed(3)]
  yield ['tier_stale_ids', tier.staleIds.length]
  yield ['tier_throttled_requests', gate.throttled]
  yield ['tier_memory_short', shard.budget.isShort ? 1 : 0]
  yield ['tier_memory_exhausted', shard.budget.isExhausted ? 1 : 0]
  const { trouble } = maintenance
  yield ['tier_write_status', trouble.failure === undefined ? 'ok' : 'err']
  yield ['tier_write_failures', trouble.failures]
  yield ['tier_write_last_failure', trouble.failure?.message.replace(/\s+/g, ' ') ?? '']
  yield ['tier_writes_refused', trouble.refuses ? 1 : 0]
  yield ['tier_store_reopened', shard.store?.stats().reopenings ?? 0]
}

export function* logSection(server: ServerView): Generator<InfoLine> {
  const { shard, maintenance } = server
  if (shard === undefined) return
  const { log } = shard
  const { segments, bytes, groups, records, writtenBytes, lastGroupRecords, lastCommitMs } = log.stats()
  yield ['log_enabled', server.config.values.appendonly ? 1 : 0]
  yield ['log_sync_policy', server.config.values.appendfsync]
  yield ['log_appended_lsn', log.appended]
  yield ['log_committed_lsn', log.committed]
  yield ['log_first_lsn', log.first]
  yield ['log_pending_bytes', log.pendingBytes]
  yield ['log_segments', segments]
  yield ['log_bytes', bytes]
  yield ['log_groups', groups]
  yield ['log_records', records]
  yield ['log_records_per_group', (groups === 0 ? 0 : records / groups).toFixed(2)]
  yield ['log_last_group_records', lastGroupRecords]
  yield ['log_written_bytes', writtenBytes]
  yield ['log_last_commit_ms', lastCommitMs.toFixed(3)]
  yield ['log_held_connections', server.turn.heldCount]
  yield ['log_failed', server.logFailure === undefined ? 0 : 1]
  const { checkpointer } = shard
  if (checkpointer === undefined) return
  yield ['checkpoint_lsn', checkpointer.lastLsn]
  yield ['checkpoint_running', maintenance.checkpointRunning ? 1 : 0]
  yield ['checkpoints', maintenance.checkpoints]
  yield ['checkpoint_last_duration_ms', Math.round(maintenance.lastCheckpoint?.durationMs ?? 0)]
  yield ['checkpoint_failures', maintenance.checkpointFailures]
  yield ['checkpoint_last_failure', checkpointer.failure?.message.replace(/\s+/g, ' ') ?? '']
  yield ['checkpoint_catalog_records', checkpointer.catalogRecords]
}
