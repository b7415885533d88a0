/** INFO's sections on the process and its clients. Field names are Redis's, in Redis's order. */
import { createHash } from 'node:crypto'
import { release } from 'node:os'
import { mainThreadCpu } from '../main-thread-cpu.ts'
import type { ServerView } from '../server-view.ts'
import { moraineVersion, redisVersion } from '../version.ts'
import type { InfoLine } from './info-line.ts'

/** Figures that `server.rates` samples, by their place. */
const commandsRate = 0
const inputRate = 1
const outputRate = 2
const replicationInputRate = 3
const copyRate = 4

/** What libuv waits with, by platform. */
const multiplexing: Readonly<Record<string, string>> = { linux: 'epoll', darwin: 'kqueue', freebsd: 'kqueue', win32: 'iocp' }
/** As Redis's build id: 16 digits that differ between versions. */
const buildId = createHash('sha1').update(`${moraineVersion} ${redisVersion}`).digest('hex').slice(0, 16)

export function* serverSection(server: ServerView): Generator<InfoLine> {
  const wallMs = server.clock.wallMs()
  const uptimeSeconds = Math.floor((wallMs - server.startedWallMs) / 1000)
  yield ['redis_version', redisVersion]
  yield ['moraine_version', moraineVersion]
  yield ['redis_git_sha1', '00000000']
  yield ['redis_git_dirty', 0]
  yield ['redis_build_id', buildId]
  yield ['redis_mode', server.config.values['cluster-enabled'] ? 'cluster' : 'standalone']
  yield [
    'os',
    `${process.platform === 'linux' ? 'Linux' : process.platform} ${release()} ${process.arch === 'x64' ? 'x86_64' : process.arch}`,
  ]
  yield ['arch_bits', 64]
  yield ['monotonic_clock', 'POSIX clock_gettime']
  yield ['multiplexing_api', multiplexing[process.platform] ?? 'poll']
  yield ['atomicvar_api', 'atomics']
  // What Redis says when another compiler has made it.
  yield ['gcc_version', '0.0.0']
  yield ['node_version', process.version]
  yield ['process_id', process.pid]
  yield ['process_supervised', 'no']
  yield ['run_id', server.runId]
  yield ['tcp_port', server.port]
  yield ['server_time_usec', wallMs * 1000]
  yield ['uptime_in_seconds', uptimeSeconds]
  yield ['uptime_in_days', Math.floor(uptimeSeconds / 86_400)]
  yield ['hz', server.config.values.hz]
  yield ['configured_hz', server.config.values.hz]
  yield ['lru_clock', Math.floor(wallMs / 1000) % 2 ** 24]
  yield ['executable', process.argv[1] ?? process.execPath]
  yield ['config_file', server.config.path ?? '']
  yield ['io_threads_active', 0]
}

export function* clientsSection(server: ServerView): Generator<InfoLine> {
  let blocked = 0
  let timed = 0
  let largestInput = 0
  let largestOutput = 0
  for (const { connection, blocked: isBlocked, timed: isTimed } of server.sessions.values()) {
    if (isBlocked) blocked++
    if (isTimed) timed++
    largestInput = Math.max(largestInput, connection.queryBytes)
    largestOutput = Math.max(largestOutput, connection.output.pendingBytes)
  }
  yield ['connected_clients', server.sessions.size]
  yield ['cluster_connections', 0]
  yield ['maxclients', server.config.values.maxclients]
  yield ['client_recent_max_input_buffer', largestInput]
  yield ['client_recent_max_output_buffer', largestOutput]
  yield ['blocked_clients', blocked]
  yield ['tracking_clients', server.tracking.clients]
  yield ['clients_in_timeout_table', timed]
  yield ['paused_requests', server.gate.waiting]
}

export function* statsSection(server: ServerView): Generator<InfoLine> {
  const { stats, rates, listener, shard } = server
  const { counts } = listener
  const x = shard?.primary.x
  const maintenance = shard === undefined ? undefined : server.maintenance
  yield ['total_connections_received', counts.accepted]
  yield ['total_commands_processed', stats.commands]
  yield ['instantaneous_ops_per_sec', Math.round(rates.perSecond(commandsRate))]
  yield ['total_net_input_bytes', counts.inputBytes + stats.replicationInputBytes]
  yield ['total_net_output_bytes', counts.outputBytes]
  yield ['total_net_repl_input_bytes', stats.replicationInputBytes]
  yield ['total_net_repl_output_bytes', counts.copyBytes]
  yield ['instantaneous_input_kbps', kilobytes(rates.perSecond(inputRate) + rates.perSecond(replicationInputRate))]
  yield ['instantaneous_output_kbps', kilobytes(rates.perSecond(outputRate))]
  yield ['instantaneous_input_repl_kbps', kilobytes(rates.perSecond(replicationInputRate))]
  yield ['instantaneous_output_repl_kbps', kilobytes(rates.perSecond(copyRate))]
  yield ['rejected_connections', counts.rejected]
  yield ['sync_full', server.transfers.begun]
  yield ['sync_partial_ok', 0]
  yield ['sync_partial_err', stats.continuationsRefused]
  yield ['expired_keys', x?.expired ?? 0]
  yield ['expired_subkeys', x?.expiredFields ?? 0]
  yield ['expired_stale_perc', ((maintenance?.staleShare ?? 0) * 100).toFixed(2)]
  yield ['expired_time_cap_reached_count', 0]
  yield ['expire_cycle_cpu_milliseconds', Math.round(maintenance?.expiryMs ?? 0)]
  yield ['evicted_keys', maintenance?.evictedKeys ?? 0]
  yield ['evicted_clients', server.clientEviction.evicted]
  const exceededMs = maintenance?.exceeded.currentMs(server.clock.monotonicMs()) ?? 0
  yield ['total_eviction_exceeded_time', Math.round((maintenance?.exceeded.totalMs ?? 0) + exceededMs)]
  yield ['current_eviction_exceeded_time', Math.round(exceededMs)]
  yield ['keyspace_hits', x?.hits ?? 0]
  yield ['keyspace_misses', x?.misses ?? 0]
  yield ['pubsub_channels', server.pubsub.count('channels')]
  yield ['pubsub_patterns', server.pubsub.count('patterns')]
  yield ['pubsubshard_channels', server.pubsub.count('shardChannels')]
  yield ['latest_fork_usec', 0]
  yield ['total_forks', 0]
  yield ['migrate_cached_sockets', 0]
  yield ['slave_expires_tracked_keys', 0]
  yield ['active_defrag_hits', 0]
  yield ['active_defrag_misses', 0]
  yield ['active_defrag_key_hits', 0]
  yield ['active_defrag_key_misses', 0]
  yield ['total_active_defrag_time', 0]
  yield ['current_active_defrag_time', 0]
  yield ['tracking_total_keys', server.tracking.keys]
  yield ['tracking_total_items', server.tracking.items]
  yield ['tracking_total_prefixes', server.tracking.prefixes]
  yield ['unexpected_error_replies', 0]
  yield ['total_error_replies', stats.errors]
  yield ['dump_payload_sanitizations', 0]
  yield ['total_reads_processed', counts.reads]
  yield ['total_writes_processed', counts.writes]
  yield ['io_threaded_reads_processed', 0]
  yield ['io_threaded_writes_processed', 0]
  yield ['reply_buffer_shrinks', 0]
  yield ['reply_buffer_expands', 0]
}

function kilobytes(bytes: number): string {
  return (bytes / 1024).toFixed(2)
}

export function* cpuSection(): Generator<InfoLine> {
  const { system, user } = process.cpuUsage()
  yield ['used_cpu_sys', (system / 1e6).toFixed(6)]
  yield ['used_cpu_user', (user / 1e6).toFixed(6)]
  yield ['used_cpu_sys_children', '0.000000']
  yield ['used_cpu_user_children', '0.000000']
  const mainThread = mainThreadCpu()
  if (mainThread === undefined) return
  yield ['used_cpu_sys_main_thread', mainThread.system.toFixed(6)]
  yield ['used_cpu_user_main_thread', mainThread.user.toFixed(6)]
}
