/** Every metric of a running server: where each figure of the table is read. The server knows nothing of it. */
import { memoryFigures, valuePlaces } from '../figures.ts'
import type { ObservedServer } from '../server-view.ts'
import type { Shard } from '../shard/shard.ts'
import { newestLsn } from '../shard/shard.ts'
import type { CommandFigures } from './command-metrics.ts'
import { registerCommandMetrics } from './command-metrics.ts'
import type { Metrics } from './metrics.ts'

/** Registers all but the process's own metrics; the server has loaded. */
export function registerServerMetrics(metrics: Metrics, server: ObservedServer): void {
  const ofShard = shardReader(server)
  registerClients(metrics, server)
  registerCommandMetrics(metrics, () => commandFigures(server))
  registerKeyspace(metrics, server, ofShard)
  registerMemory(metrics, server)
  registerTier(metrics, server, ofShard)
  registerLog(metrics, server, ofShard)
}

/** Makes a way to read a figure out of one of the present shard; while there is none, it is what it was. */
type OfShard = (read: (shard: Shard) => number) => () => number

function shardReader(server: ObservedServer): OfShard {
  return (read) => {
    let last = 0
    return () => {
      const { shard } = server
      if (shard !== undefined) last = read(shard)
      return last
    }
  }
}

function* commandFigures(server: ObservedServer): Generator<CommandFigures> {
  for (const { name, stats } of server.commands.everyOne()) {
    if (stats.calls === 0 && stats.rejected === 0) continue
    yield { name, calls: stats.calls, microseconds: stats.totalUs, rejectedCalls: stats.rejected, failedCalls: stats.failed }
  }
}

function registerClients(metrics: Metrics, { sessions, listener, tracking }: ObservedServer): void {
  const { counts } = listener
  metrics.read({
    moraine_connected_clients: () => sessions.size,
    moraine_connections_received_total: () => counts.accepted,
    moraine_connections_rejected_total: () => counts.rejected,
    moraine_tracking_clients: () => tracking.clients,
    moraine_tracking_keys: () => tracking.keys,
    moraine_tracking_bytes: () => tracking.bytes,
    moraine_network_received_bytes_total: () => counts.inputBytes,
    moraine_network_sent_bytes_total: () => counts.outputBytes,
  })
}

function registerKeyspace(metrics: Metrics, server: ObservedServer, ofShard: OfShard): void {
  metrics.readRows('moraine_keys', (emit) => {
    if (server.shard === undefined) return
    const { keyspace } = server.shard
    for (const [number, db] of keyspace.logical.entries()) {
      const { size } = keyspace.databases[db].index
      if (size > 0) emit([String(number)], size)
    }
  })
  metrics.readRows('moraine_expiring_keys', (emit) => {
    if (server.shard === undefined) return
    const { keyspace } = server.shard
    for (const [number, db] of keyspace.logical.entries()) {
      const { index, expiring } = keyspace.databases[db]
      if (index.size > 0) emit([String(number)], expiring.keys)
    }
  })
  metrics.read({
    moraine_expired_keys_total: ofShard(({ primary }) => primary.x.expired),
    moraine_expired_fields_total: ofShard(({ primary }) => primary.x.expiredFields),
    moraine_evicted_keys_total: () => server.maintenance.evictedKeys,
    moraine_keyspace_hits_total: ofShard(({ primary }) => primary.x.hits),
    moraine_keyspace_misses_total: ofShard(({ primary }) => primary.x.misses),
  })
}

function registerMemory(metrics: Metrics, server: ObservedServer): void {
  metrics.readRows('moraine_memory_bytes', (emit) => {
    const memory = memoryFigures(server)
    emit(['keyspace'], memory.keyspaceBytes)
    emit(['tier'], memory.tierBytes)
    emit(['store'], memory.storeBytes)
    emit(['log'], memory.logBytes)
    emit(['clients'], memory.clientBytes)
  })
  metrics.read({ moraine_memory_limit_bytes: () => Number(server.config.values.maxmemory) })
}

function registerTier(metrics: Metrics, server: ObservedServer, ofShard: OfShard): void {
  metrics.readRows('moraine_tier_values', (emit) => {
    const { hot, cool, cold } = valuePlaces(server)
    emit(['hot'], hot)
    emit(['cool'], cool)
    emit(['cold'], cold)
  })
  metrics.read({
    moraine_tier_resident_bytes: () => valuePlaces(server).residentBytes,
    moraine_tier_reads_total: ofShard(({ tier }) => tier.counts.coldReads),
    moraine_tier_shared_reads_total: ofShard(({ tier }) => tier.counts.sharedReads),
    moraine_tier_reads_at_once_total: ofShard(({ tier }) => tier.counts.readsAtOnce),
    moraine_tier_faults_total: ofShard(({ tier }) => tier.counts.faults),
    moraine_tier_failed_reads_total: () => server.stats.coldReadFailures,
    moraine_tier_reads_in_flight: ofShard(({ tier }) => tier.readsInFlight),
    moraine_tier_cooled_total: ofShard(({ writeOut }) => writeOut?.counts.values ?? 0),
    moraine_tier_demoted_total: ofShard(({ tier }) => tier.counts.demotions),
    moraine_tier_promoted_total: ofShard(({ tier }) => tier.counts.promotions),
    moraine_tier_throttled_total: () => server.gate.throttled,
    moraine_tier_dirty_entries: ofShard(({ tier }) => tier.lag.dirty.length),
    moraine_tier_disk_bytes: ofShard(({ store }) => store?.stats().diskBytes ?? 0),
    moraine_tier_level0_files: ofShard(({ store }) => store?.stats().level0Files ?? 0),
    moraine_tier_write_failed: () => (server.maintenance.trouble.failure === undefined ? 0 : 1),
    moraine_tier_write_failures_total: () => server.maintenance.trouble.failures,
    moraine_tier_store_reopened_total: ofShard(({ store }) => store?.stats().reopenings ?? 0),
  })
  const readSeconds = metrics.histogram('moraine_tier_read_seconds')
  server.observers.coldRead = (ms) => readSeconds(ms / 1000)
}

function registerLog(metrics: Metrics, server: ObservedServer, ofShard: OfShard): void {
  metrics.read({
    moraine_log_appended_lsn: ofShard(({ log }) => log.appended),
    moraine_log_committed_lsn: ofShard(({ log }) => log.committed),
    moraine_log_pending_bytes: ofShard(({ log }) => log.pendingBytes),
    moraine_log_bytes: ofShard(({ log }) => log.stats().bytes),
    moraine_log_segments: ofShard(({ log }) => log.stats().segments),
    moraine_log_records_total: ofShard(({ log }) => log.stats().records),
    moraine_log_groups_total: ofShard(({ log }) => log.stats().groups),
    moraine_log_written_bytes_total: ofShard(({ log }) => log.stats().writtenBytes),
    moraine_log_epoch: ofShard(({ log }) => log.leadership?.leader?.epoch ?? 0),
    moraine_replication_is_primary: () => (server.roles.role === 'primary' && server.shard !== undefined ? 1 : 0),
    moraine_replication_role_changes_total: () => server.roles.changes,
    moraine_replication_applied_lsn: ofShard(newestLsn),
    moraine_replication_lag_records: ofShard((shard) => Math.max(0, shard.log.committed - newestLsn(shard))),
    moraine_replication_silent_seconds: () =>
      server.roles.heardMs === undefined ? 0 : (server.clock.monotonicMs() - server.roles.heardMs) / 1000,
    moraine_replication_peers: () => server.peers.all.length,
    moraine_log_failed: () => (server.logFailure === undefined ? 0 : 1),
    moraine_checkpoint_lsn: ofShard(({ checkpointer }) => checkpointer?.lastLsn ?? 0),
    moraine_checkpoints_total: () => server.maintenance.checkpoints,
    moraine_checkpoint_failures_total: () => server.maintenance.checkpointFailures,
  })
  const commitSeconds = metrics.histogram('moraine_log_commit_seconds')
  server.observers.commit = (ms) => commitSeconds(ms / 1000)
  const checkpointSeconds = metrics.histogram('moraine_checkpoint_seconds')
  server.maintenance.onCheckpoint = ({ durationMs }) => checkpointSeconds(durationMs / 1000)
}
