/** INFO's sections on memory, saving and keys, with Redis's field names. A save is a checkpoint here. */
import { totalmem } from 'node:os'
import type { Entries } from '../../engine/keyspace/entries.ts'
import type { ExpiringList } from '../../engine/keyspace/expiring-list.ts'
import { lastSaveWallMs, memoryFigures } from '../figures.ts'
import type { ServerView } from '../server-view.ts'
import { humanBytes, percentText } from '../text-lines.ts'
import type { InfoLine } from './info-line.ts'

const ttlSamples = 16

export function* memorySection(server: ServerView): Generator<InfoLine> {
  const memory = memoryFigures(server)
  const { values } = server.config
  const maxmemory = Number(values.maxmemory)
  yield ['used_memory', memory.usedBytes]
  yield ['used_memory_human', humanBytes(memory.usedBytes)]
  yield ['used_memory_rss', memory.residentBytes]
  yield ['used_memory_rss_human', humanBytes(memory.residentBytes)]
  yield ['used_memory_peak', memory.peakBytes]
  yield ['used_memory_peak_human', humanBytes(memory.peakBytes)]
  yield ['used_memory_peak_perc', percentText(memory.usedBytes, memory.peakBytes)]
  yield ['used_memory_overhead', memory.usedBytes - memory.datasetBytes]
  yield ['used_memory_startup', memory.startupBytes]
  yield ['used_memory_dataset', memory.datasetBytes]
  yield ['used_memory_dataset_perc', percentText(memory.datasetBytes, memory.usedBytes)]
  yield ['allocator_allocated', memory.arenaLiveBytes]
  yield ['allocator_active', memory.arenaActiveBytes]
  yield ['allocator_resident', memory.residentBytes]
  yield ['total_system_memory', totalmem()]
  yield ['total_system_memory_human', humanBytes(totalmem())]
  yield ['used_memory_keyspace', memory.keyspaceBytes]
  yield ['used_memory_tier', memory.tierBytes]
  yield ['used_memory_store', memory.storeBytes]
  yield ['used_memory_log', memory.logBytes]
  yield ['maxmemory', maxmemory]
  yield ['maxmemory_human', humanBytes(maxmemory)]
  yield ['maxmemory_policy', values['maxmemory-policy']]
  yield ['allocator_frag_ratio', (memory.arenaLiveBytes === 0 ? 1 : memory.arenaActiveBytes / memory.arenaLiveBytes).toFixed(2)]
  yield ['mem_fragmentation_ratio', (memory.usedBytes === 0 ? 1 : memory.residentBytes / memory.usedBytes).toFixed(2)]
  yield ['mem_fragmentation_bytes', memory.residentBytes - memory.usedBytes]
  yield ['mem_not_counted_for_evict', 0]
  yield ['mem_replication_backlog', 0]
  yield ['mem_clients_slaves', 0]
  yield ['mem_clients_normal', memory.clientBytes]
  yield ['mem_aof_buffer', memory.logBytes]
  yield ['mem_allocator', 'slabs']
  yield ['active_defrag_running', 0]
  yield ['lazyfree_pending_objects', 0]
  yield ['node_heap_used', memory.heapBytes]
}

export function* persistenceSection(server: ServerView): Generator<InfoLine> {
  const { shard, saves } = server
  const checkpointer = shard?.checkpointer
  const log = shard?.log
  const lastMs = checkpointer === undefined || shard === undefined ? -1 : (server.maintenance.lastCheckpoint?.durationMs ?? -1)
  const lastSeconds = lastMs < 0 ? -1 : Math.floor(lastMs / 1000)
  const fails = checkpointer?.failure !== undefined || (shard !== undefined && server.maintenance.trouble.failure !== undefined)
  const status = fails ? 'err' : 'ok'
  yield ['loading', server.isLoading ? 1 : 0]
  yield ['async_loading', 0]
  yield ['rdb_changes_since_last_save', checkpointer === undefined ? 0 : (log?.appended ?? 0) - checkpointer.lastLsn]
  yield ['rdb_bgsave_in_progress', saves.running === 'save' ? 1 : 0]
  yield ['rdb_last_save_time', Math.floor(lastSaveWallMs(server) / 1000)]
  yield ['rdb_last_bgsave_status', status]
  yield ['rdb_last_bgsave_time_sec', lastSeconds]
  yield ['rdb_current_bgsave_time_sec', saves.running === 'save' ? saves.seconds : -1]
  yield ['rdb_saves', shard === undefined ? 0 : server.maintenance.checkpoints]
  yield ['aof_enabled', server.config.values.appendonly ? 1 : 0]
  yield ['aof_rewrite_in_progress', saves.running === 'rewrite' ? 1 : 0]
  yield ['aof_rewrite_scheduled', saves.scheduled === 'rewrite' ? 1 : 0]
  yield ['aof_last_rewrite_time_sec', lastSeconds]
  yield ['aof_current_rewrite_time_sec', saves.running === 'rewrite' ? saves.seconds : -1]
  yield ['aof_last_bgrewrite_status', status]
  yield ['aof_last_write_status', server.logFailure === undefined ? 'ok' : 'err']
  if (server.config.values.appendonly && log !== undefined) {
    yield ['aof_current_size', log.stats().bytes]
    yield ['aof_buffer_length', log.pendingBytes]
    yield ['aof_pending_bio_fsync', 0]
  }
}

export function* keyspaceSection({ shard, clock }: ServerView): Generator<InfoLine> {
  if (shard === undefined) return
  const { keyspace } = shard
  for (const [number, db] of keyspace.logical.entries()) {
    const { index, expiring } = keyspace.databases[db]
    if (index.size === 0) continue
    const ttl = meanTtlMs(keyspace.entries, expiring, clock.wallMs())
    yield [`db${number}`, `keys=${index.size},expires=${expiring.keys},avg_ttl=${ttl}`]
  }
}

/** The mean of a few keys, evenly spread over the list. */
function meanTtlMs(entries: Entries, expiring: ExpiringList, nowMs: number): number {
  const count = Math.min(ttlSamples, expiring.length)
  let sum = 0
  let keys = 0
  for (let i = 0; i < count; i++) {
    const expireAt = entries.expireAt(expiring.at(Math.floor((i * expiring.length) / count)))
    if (expireAt === 0) continue
    sum += Math.max(0, expireAt - nowMs)
    keys++
  }
  return keys === 0 ? 0 : Math.round(sum / keys)
}
