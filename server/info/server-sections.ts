/** INFO's sections on the process and its clients. Field names are Redis's, in Redis's order. */
import { release } from 'node:os'
import type { ServerView } from '../server-view.ts'
import { moraineVersion, redisVersion } from '../version.ts'
import type { InfoLine } from './info-line.ts'

/** Figures that `server.rates` samples, by their place. */
const commandsRate = 0
const inputRate = 1
const outputRate = 2

export function* serverSection(server: ServerView): Generator<InfoLine> {
  const wallMs = server.clock.wallMs()
  const uptimeSeconds = Math.floor((wallMs - server.startedWallMs) / 1000)
  yield ['redis_version', redisVersion]
  yield ['moraine_version', moraineVersion]
  yield ['redis_git_sha1', '00000000']
  yield ['redis_git_dirty', 0]
  yield ['redis_mode', server.config.values['cluster-enabled'] ? 'cluster' : 'standalone']
  yield [
    'os',
    `${process.platform === 'linux' ? 'Linux' : process.platform} ${release()} ${process.arch === 'x64' ? 'x86_64' : process.arch}`,
  ]
  yield ['arch_bits', 64]
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
  let largestInput = 0
  let largestOutput = 0
  for (const { connection, blocked: isBlocked } of server.sessions.values()) {
    if (isBlocked) blocked++
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
  yield ['clients_in_timeout_table', 0]
  yield ['paused_requests', server.gate.waiting]
}

export function* statsSection(server: ServerView): Generator<InfoLine> {
  const { stats, rates, listener, shard } = server
  const { counts } = listener
  const x = shard?.primary.x
  yield ['total_connections_received', counts.accepted]
  yield ['total_commands_processed', stats.commands]
  yield ['instantaneous_ops_per_sec', Math.round(rates.perSecond(commandsRate))]
  yield ['total_net_input_bytes', counts.inputBytes]
  yield ['total_net_output_bytes', counts.outputBytes]
  yield ['instantaneous_input_kbps', (rates.perSecond(inputRate) / 1024).toFixed(2)]
  yield ['instantaneous_output_kbps', (rates.perSecond(outputRate) / 1024).toFixed(2)]
  yield ['rejected_connections', counts.rejected]
  yield ['sync_full', 0]
  yield ['sync_partial_ok', 0]
  yield ['sync_partial_err', 0]
  yield ['expired_keys', x?.expired ?? 0]
  yield ['expired_subkeys', x?.expiredFields ?? 0]
  yield ['expired_stale_perc', shard === undefined ? '0.00' : (server.maintenance.staleShare * 100).toFixed(2)]
  yield ['expired_time_cap_reached_count', 0]
  yield ['evicted_keys', shard === undefined ? 0 : server.maintenance.evictedKeys]
  yield ['evicted_clients', server.clientEviction.evicted]
  yield ['keyspace_hits', x?.hits ?? 0]
  yield ['keyspace_misses', x?.misses ?? 0]
  yield ['pubsub_channels', server.pubsub.count('channels')]
  yield ['pubsub_patterns', server.pubsub.count('patterns')]
  yield ['pubsubshard_channels', server.pubsub.count('shardChannels')]
  yield ['latest_fork_usec', 0]
  yield ['total_forks', 0]
  yield ['tracking_total_keys', server.tracking.keys]
  yield ['tracking_total_items', server.tracking.items]
  yield ['tracking_total_prefixes', server.tracking.prefixes]
  yield ['unexpected_error_replies', 0]
  yield ['total_error_replies', stats.errors]
}

export function* cpuSection(): Generator<InfoLine> {
  const { system, user } = process.cpuUsage()
  yield ['used_cpu_sys', (system / 1e6).toFixed(6)]
  yield ['used_cpu_user', (user / 1e6).toFixed(6)]
  yield ['used_cpu_sys_children', '0.000000']
  yield ['used_cpu_user_children', '0.000000']
}
