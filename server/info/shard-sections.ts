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
  const { shard } = server
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
  yield* scriptMemoryLines(server)
  yield ['used_memory_keyspace', memory.keyspaceBytes]
  yield ['used_memory_tier', memory.tierBytes]
  yield ['used_memory_store', memory.storeBytes]
  yield ['used_memory_log', memory.logBytes]
  yield ['maxmemory', maxmemory]
  yield ['maxmemory_human', humanBytes(maxmemory)]
  yield ['maxmemory_policy', values['maxmemory-policy']]
  yield ['allocator_frag_ratio', (memory.arenaLiveBytes === 0 ? 1 : memory.arenaActiveBytes / memory.arenaLiveBytes).toFixed(2)]
  yield ['allocator_frag_bytes', memory.arenaActiveBytes - memory.arenaLiveBytes]
  yield ['allocator_rss_ratio', (memory.arenaActiveBytes === 0 ? 1 : memory.residentBytes / memory.arenaActiveBytes).toFixed(2)]
  yield ['allocator_rss_bytes', memory.residentBytes - memory.arenaActiveBytes]
  // The allocator's part of what is resident is not told apart from the rest of the process.
  yield ['rss_overhead_ratio', '1.00']
  yield ['rss_overhead_bytes', 0]
  yield ['mem_fragmentation_ratio', (memory.usedBytes === 0 ? 1 : memory.residentBytes / memory.usedBytes).toFixed(2)]
  yield ['mem_fragmentation_bytes', memory.residentBytes - memory.usedBytes]
  yield ['mem_not_counted_for_evict', 0]
  yield ['mem_replication_backlog', 0]
  yield ['mem_total_replication_buffers', 0]
  yield ['mem_clients_slaves', 0]
  yield ['mem_clients_normal', memory.clientBytes]
  yield ['mem_cluster_links', 0]
  yield ['mem_aof_buffer', memory.logBytes]
  yield ['mem_allocator', 'slabs']
  yield ['active_defrag_running', 0]
  yield ['lazyfree_pending_objects', shard?.tier.lazyFree.count ?? 0]
  yield ['lazyfreed_objects', shard === undefined ? 0 : server.maintenance.lazilyFreed]
  yield ['node_heap_used', memory.heapBytes]
}

/** There is one interpreter, for scripts and functions. */
function* scriptMemoryLines({ scripting }: ServerView): Generator<InfoLine> {
  const { cache, libraries, interpreterBytes } = scripting
  const scriptBytes = cache.bytes + libraries.bytes
  yield ['used_memory_lua', interpreterBytes]
  yield ['used_memory_vm_eval', interpreterBytes]
  yield ['used_memory_lua_human', humanBytes(interpreterBytes)]
  yield ['used_memory_scripts_eval', cache.bytes]
  yield ['number_of_cached_scripts', cache.count]
  yield ['number_of_functions', libraries.functionCount]
  yield ['number_of_libraries', libraries.all.length]
  yield ['used_memory_vm_functions', 0]
  yield ['used_memory_vm_total', interpreterBytes]
  yield ['used_memory_vm_total_human', humanBytes(interpreterBytes)]
  yield ['used_memory_functions', libraries.bytes]
  yield ['used_memory_scripts', scriptBytes]
  yield ['used_memory_scripts_human', humanBytes(scriptBytes)]
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
  const keys = checkpointer?.keysToWrite ?? 0
  const written = checkpointer?.keysWritten ?? 0
  yield ['current_cow_peak', 0]
  yield ['current_cow_size', 0]
  yield ['current_cow_size_age', 0]
  yield ['current_fork_perc', (keys === 0 ? 0 : (100 * written) / keys).toFixed(2)]
  yield ['current_save_keys_processed', written]
  yield ['current_save_keys_total', keys]
  yield ['rdb_changes_since_last_save', checkpointer === undefined ? 0 : (log?.appended ?? 0) - checkpointer.lastLsn]
  yield ['rdb_bgsave_in_progress', saves.running === 'save' ? 1 : 0]
  yield ['rdb_last_save_time', Math.floor(lastSaveWallMs(server) / 1000)]
  yield ['rdb_last_bgsave_status', status]
  yield ['rdb_last_bgsave_time_sec', lastSeconds]
  yield ['rdb_current_bgsave_time_sec', saves.running === 'save' ? saves.seconds : -1]
  yield ['rdb_saves', shard === undefined ? 0 : server.maintenance.checkpoints]
  yield ['rdb_last_cow_size', 0]
  // A key that has expired meanwhile is loaded, and then deleted as any other.
  yield ['rdb_last_load_keys_expired', 0]
  yield ['rdb_last_load_keys_loaded', shard?.recoveredKeys ?? 0]
  yield ['aof_enabled', server.config.values.appendonly ? 1 : 0]
  yield ['aof_rewrite_in_progress', saves.running === 'rewrite' ? 1 : 0]
  yield ['aof_rewrite_scheduled', saves.scheduled === 'rewrite' ? 1 : 0]
  yield ['aof_last_rewrite_time_sec', lastSeconds]
  yield ['aof_current_rewrite_time_sec', saves.running === 'rewrite' ? saves.seconds : -1]
  yield ['aof_last_bgrewrite_status', status]
  yield ['aof_rewrites', saves.rewrites]
  yield ['aof_rewrites_consecutive_failures', saves.rewriteFailuresInARow]
  yield ['aof_last_write_status', server.logFailure === undefined ? 'ok' : 'err']
  yield ['aof_last_cow_size', 0]
  yield ['module_fork_in_progress', 0]
  yield ['module_fork_last_cow_size', 0]
  if (server.config.values.appendonly && log !== undefined) {
    yield ['aof_current_size', log.stats().bytes]
    yield ['aof_base_size', server.maintenance.logBytesKept]
    yield ['aof_pending_rewrite', saves.scheduled === 'rewrite' ? 1 : 0]
    yield ['aof_buffer_length', log.pendingBytes]
    yield ['aof_pending_bio_fsync', 0]
    yield ['aof_delayed_fsync', 0]
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
