/**
 * Every metric, in one table: the endpoint and docs/metrics.md derive from its rows. A name ends in its unit; a name in
 * `_total` only grows. Parts of the server keep plain numbers and register how to read them (see metrics.ts), so that a
 * metric costs nothing until it is asked for.
 */
export interface MetricRow {
  readonly kind: 'gauge' | 'counter' | 'histogram'
  readonly help: string
  readonly labels?: readonly string[]
  /** Upper bounds of a histogram's buckets. */
  readonly buckets?: readonly number[]
}

/** Seconds that a sync to disk may take, from fast NVMe to a disk in trouble. */
const commitBuckets = [0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1, 5]
/** Seconds that a read of a value from disk may take, its wait for a thread included. */
const readBuckets = [0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1]
/** Seconds that a piece of work in the background may take. */
const workBuckets = [0.01, 0.1, 0.5, 1, 5, 10, 30, 60, 300]

const clients = {
  moraine_connected_clients: { kind: 'gauge', help: 'Connections that are open.' },
  moraine_connections_received_total: { kind: 'counter', help: 'Connections accepted.' },
  moraine_connections_rejected_total: { kind: 'counter', help: 'Connections refused because of maxclients.' },
  moraine_tracking_clients: { kind: 'gauge', help: 'Clients that are told when keys change (CLIENT TRACKING).' },
  moraine_tracking_keys: { kind: 'gauge', help: 'Keys that such clients have read and would be told of.' },
  moraine_tracking_bytes: { kind: 'gauge', help: 'Memory of these keys and of prefixes.' },
  moraine_network_received_bytes_total: { kind: 'counter', help: 'Bytes received from clients.' },
  moraine_network_sent_bytes_total: { kind: 'counter', help: 'Bytes sent to clients.' },
} as const satisfies Record<string, MetricRow>

const commands = {
  moraine_command_calls_total: { kind: 'counter', help: 'Calls of each command.', labels: ['command'] },
  moraine_command_seconds_total: { kind: 'counter', help: 'Time spent executing each command.', labels: ['command'] },
  moraine_command_rejected_calls_total: { kind: 'counter', help: 'Calls refused before execution.', labels: ['command'] },
  moraine_command_failed_calls_total: { kind: 'counter', help: 'Calls whose execution ended in an error.', labels: ['command'] },
} as const satisfies Record<string, MetricRow>

const keyspace = {
  moraine_keys: { kind: 'gauge', help: 'Keys of each database.', labels: ['database'] },
  moraine_expiring_keys: { kind: 'gauge', help: 'Keys with a time to live.', labels: ['database'] },
  moraine_expired_keys_total: { kind: 'counter', help: 'Keys deleted because their time had come.' },
  moraine_expired_fields_total: { kind: 'counter', help: 'Fields of hashes deleted because their time had come.' },
  moraine_evicted_keys_total: { kind: 'counter', help: 'Keys deleted for memory, by maxmemory-policy.' },
  moraine_keyspace_hits_total: { kind: 'counter', help: 'Look-ups that found their key.' },
  moraine_keyspace_misses_total: { kind: 'counter', help: 'Look-ups that found no key.' },
} as const satisfies Record<string, MetricRow>

const memory = {
  moraine_memory_bytes: { kind: 'gauge', help: 'Memory that counts towards maxmemory, by what holds it.', labels: ['part'] },
  moraine_memory_limit_bytes: { kind: 'gauge', help: 'maxmemory; 0 for no limit.' },
  moraine_resident_bytes: { kind: 'gauge', help: 'Resident memory of the process, as the operating system counts it.' },
  moraine_heap_used_bytes: { kind: 'gauge', help: 'Memory in use on the JavaScript heap.' },
} as const satisfies Record<string, MetricRow>

const tier = {
  moraine_tier_values: { kind: 'gauge', help: 'Values by state: hot, cool (with a copy on disk), cold (on disk only).', labels: ['state'] },
  moraine_tier_resident_bytes: { kind: 'gauge', help: 'Bytes of values in memory that may leave it.' },
  moraine_tier_reads_total: { kind: 'counter', help: 'Values read from disk for commands.' },
  moraine_tier_shared_reads_total: { kind: 'counter', help: 'Requests that waited for a read another request had begun.' },
  moraine_tier_reads_at_once_total: {
    kind: 'counter',
    help: 'Values read from disk while everybody waited, because a script or transaction that had begun needed them.',
  },
  moraine_tier_failed_reads_total: { kind: 'counter', help: 'Values that could not be read from disk.' },
  moraine_tier_read_seconds: { kind: 'histogram', help: 'Time to read a value from disk.', buckets: readBuckets },
  moraine_tier_reads_in_flight: { kind: 'gauge', help: 'Reads that are under way.' },
  moraine_tier_cooled_total: { kind: 'counter', help: 'Values copied to disk.' },
  moraine_tier_demoted_total: { kind: 'counter', help: 'Values that left memory.' },
  moraine_tier_promoted_total: { kind: 'counter', help: 'Values that came back to memory.' },
  moraine_tier_throttled_total: { kind: 'counter', help: 'Replies of writes that waited for memory.' },
  moraine_tier_dirty_entries: { kind: 'gauge', help: 'Keys with changes that only the log has on disk.' },
  moraine_tier_write_failed: { kind: 'gauge', help: '1 while memory cannot be written out, to the cold store or the catalog.' },
  moraine_tier_write_failures_total: { kind: 'counter', help: 'Batches and checkpoints that could not be written.' },
  moraine_tier_store_reopened_total: { kind: 'counter', help: 'Failures of the cold store that were overcome by opening it again.' },
  moraine_tier_disk_bytes: { kind: 'gauge', help: 'Bytes that the store on disk takes.' },
  moraine_tier_level0_files: { kind: 'gauge', help: 'Files of the store that are not sorted into levels yet; writes slow down at 8.' },
} as const satisfies Record<string, MetricRow>

const log = {
  moraine_log_appended_lsn: { kind: 'gauge', help: 'LSN of the newest record.' },
  moraine_log_committed_lsn: { kind: 'gauge', help: 'LSN up to which records are durable.' },
  moraine_log_pending_bytes: { kind: 'gauge', help: 'Bytes appended and not committed.' },
  moraine_log_bytes: { kind: 'gauge', help: 'Bytes of log on disk.' },
  moraine_log_segments: { kind: 'gauge', help: 'Files of the log.' },
  moraine_log_records_total: { kind: 'counter', help: 'Records committed.' },
  moraine_log_groups_total: { kind: 'counter', help: 'Groups of records committed, each with one sync.' },
  moraine_log_written_bytes_total: { kind: 'counter', help: 'Bytes written to the log.' },
  moraine_log_commit_seconds: { kind: 'histogram', help: 'Time to commit a group.', buckets: commitBuckets },
  moraine_log_epoch: { kind: 'gauge', help: "Epoch of the leader of a shared log; 0 when the log is this node's own." },
  moraine_replication_is_primary: { kind: 'gauge', help: '1 on a node that takes writes.' },
  moraine_replication_role_changes_total: { kind: 'counter', help: 'How often the node became primary or replica since it started.' },
  moraine_replication_applied_lsn: { kind: 'gauge', help: 'LSN of the newest record in memory: on a replica, how far it has come.' },
  moraine_replication_lag_records: { kind: 'gauge', help: 'Records that are committed, as far as a replica knows, and not applied.' },
  moraine_replication_silent_seconds: { kind: 'gauge', help: 'On a replica, time since the log was last heard to have a leader.' },
  moraine_replication_peers: { kind: 'gauge', help: 'Other nodes of the shard that live.' },
  moraine_log_failed: { kind: 'gauge', help: '1 when the log cannot commit any more.' },
  moraine_checkpoint_lsn: { kind: 'gauge', help: 'LSN up to which the newest checkpoint holds everything.' },
  moraine_checkpoints_total: { kind: 'counter', help: 'Checkpoints made.' },
  moraine_checkpoint_failures_total: { kind: 'counter', help: 'Checkpoints that failed.' },
  moraine_checkpoint_seconds: { kind: 'histogram', help: 'Time to make a checkpoint.', buckets: workBuckets },
} as const satisfies Record<string, MetricRow>

const processes = {
  moraine_uptime_seconds: { kind: 'gauge', help: 'Time since the start.' },
  moraine_cpu_seconds_total: { kind: 'counter', help: 'Processor time of the process, all threads.' },
  moraine_event_loop_delay_seconds: {
    kind: 'gauge',
    help: 'How late the event loop was since the last time this was read; quantile 1 is the maximum.',
    labels: ['quantile'],
  },
  moraine_event_loop_delay_max_seconds: { kind: 'gauge', help: 'How late the event loop was at most since the start.' },
} as const satisfies Record<string, MetricRow>

/** The table by subject, for documentation. */
export const metricGroups = {
  Clients: clients,
  Commands: commands,
  Keyspace: keyspace,
  Memory: memory,
  Tier: tier,
  Log: log,
  Process: processes,
}

export const metricTable = { ...clients, ...commands, ...keyspace, ...memory, ...tier, ...log, ...processes }

export type MetricTable = typeof metricTable
export type MetricName = keyof MetricTable

type NamesOf<Wanted> = { [Name in MetricName]: MetricTable[Name] extends Wanted ? Name : never }[MetricName]

/** Metrics with labels: several rows, each with a value for every label. */
export type LabelledName = NamesOf<{ readonly labels: readonly string[] }>
export type HistogramName = NamesOf<{ readonly kind: 'histogram' }>
/** Metrics of one number that is read when asked for. */
export type PlainName = Exclude<MetricName, LabelledName | HistogramName>
