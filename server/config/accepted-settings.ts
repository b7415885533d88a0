/**
 * Settings of Redis 7.0 that change nothing here. Most are known so that stock configuration files load and tools may
 * read and write them; those that promise something Moraine does not do (`only`) are refused unless they ask for nothing.
 */
import { int64Max } from '../../engine/integer.ts'
import { savePoints, watchdogPeriod } from './compound.ts'
import { choice, int32Max, integer, memory, only, text, uint32Max, words, yesNo } from './setting.ts'

const inert = { effective: false } as const
const inertAtStart = { when: 'start', effective: false } as const
const mib = 1024 * 1024

const thresholds = {
  'list-compress-depth': integer(0, 0n, int32Max, 'Uncompressed nodes at the ends of a list.', inert),
}

const persistence = {
  save: savePoints(
    'Redis writes snapshots at these points; here checkpoints follow `checkpoint-log-bytes` and `checkpoint-interval-seconds`.',
    inert,
  ),
  dbfilename: text('dump.rdb', "Name of Redis's snapshot.", { when: 'protected', effective: false }),
  appendfilename: text('appendonly.aof', "Name of Redis's log.", inertAtStart),
  appenddirname: text('appendonlydir', "Folder of Redis's log.", inertAtStart),
  'aof-load-truncated': yesNo(true, 'A torn end of the log is always cut.', inert),
  'aof-use-rdb-preamble': yesNo(true, 'The log has no preamble.', inert),
  'aof-rewrite-incremental-fsync': yesNo(true, 'The log is not rewritten.', inert),
  'aof-disable-auto-gc': yesNo(false, 'The log has no files of former rewrites.', inert),
  'aof-timestamp-enabled': yesNo(false, 'Records have LSNs.', inert),
  'auto-aof-rewrite-percentage': integer(100, 0n, int32Max, 'The log is not rewritten: checkpoints trim it.', inert),
  'auto-aof-rewrite-min-size': memory(64 * mib, 0n, int64Max, 'The log is not rewritten: checkpoints trim it.', inert),
  'no-appendfsync-on-rewrite': yesNo(false, 'The log is not rewritten.', inert),
  'stop-writes-on-bgsave-error': yesNo(true, 'Writes stop when the log fails, always.', inert),
  rdbchecksum: yesNo(true, 'Everything on disk has checksums.', inertAtStart),
  'rdb-del-sync-files': yesNo(false, 'There are no such files.', inert),
  'rdb-save-incremental-fsync': yesNo(true, 'There are no snapshots.', inert),
  'sanitize-dump-payload': choice(['no', 'yes', 'clients'], 'no', 'RESTORE always looks at all of what it is given.', inert),
}

const processes = {
  'set-proc-title': yesNo(true, 'The process keeps its title.', inertAtStart),
  'proc-title-template': text('{title} {listen-addr} {server-mode}', 'The process keeps its title.', inert),
  'always-show-logo': yesNo(false, 'There is no logo.', inertAtStart),
  pidfile: text('', 'No file is written.', inertAtStart),
  supervised: choice(['upstart', 'systemd', 'auto', 'no'], 'no', 'Run it in the foreground under any supervisor.', inertAtStart),
  daemonize: only('no', 'run it in the foreground under a supervisor'),
  'syslog-facility': choice(
    ['user', 'local0', 'local1', 'local2', 'local3', 'local4', 'local5', 'local6', 'local7'],
    'local0',
    'Nothing goes to syslog.',
    inertAtStart,
  ),
  'syslog-ident': text('redis', 'Nothing goes to syslog.', inertAtStart),
  server_cpulist: text('', 'The system chooses processors.', inertAtStart),
  bio_cpulist: text('', 'The system chooses processors.', inertAtStart),
  aof_rewrite_cpulist: text('', 'The system chooses processors.', inertAtStart),
  bgsave_cpulist: text('', 'The system chooses processors.', inertAtStart),
  'ignore-warnings': text('', 'Nothing is refused because of a warning.', inert),
  'bind-source-addr': text('', 'The system chooses the address of connections to other servers.', inert),
  'socket-mark-id': integer(0, 0n, uint32Max, 'Connections have no mark.', inertAtStart),
  'syslog-enabled': only('no', 'logs go to standard output or logfile'),
  'oom-score-adj': choice(['no', 'yes', 'relative', 'absolute'], 'no', 'The score stays as it is.', inert),
  'oom-score-adj-values': words('0 200 800', 'The score stays as it is.', inert),
  'disable-thp': yesNo(true, 'Huge pages stay as they are.', inertAtStart),
  'crash-log-enabled': yesNo(true, 'Failures are always logged.', inert),
  'crash-memcheck-enabled': yesNo(true, 'There is no such check.', inert),
  'io-threads': integer(1, 1n, 128n, 'Sockets are served by the event loop.', inertAtStart),
  'io-threads-do-reads': yesNo(false, 'Sockets are served by the event loop.', inertAtStart),
  'jemalloc-bg-thread': yesNo(true, 'There is no jemalloc.', inert),
  'dynamic-hz': yesNo(true, 'Background work follows need.', inert),
  activerehashing: yesNo(true, 'The index grows in small steps, always.', inert),
  'shutdown-timeout': integer(
    10,
    0n,
    int32Max,
    'See `shutdown-checkpoint-timeout`; a primary that stops waits a second at most for a replica to catch up.',
    inert,
  ),
  'shutdown-on-sigterm': words('default', 'SIGTERM always commits what was appended and makes a checkpoint.', inert),
  'shutdown-on-sigint': words('default', 'SIGINT always commits what was appended and makes a checkpoint.', inert),
  'maxmemory-eviction-tenacity': integer(10, 0n, 100n, 'Reclaim works in slices of fixed length.', inert),
  'acllog-max-len': integer(128, 0n, int64Max, 'There are no ACL users.', inert),
  'acl-pubsub-default': choice(['allchannels', 'resetchannels'], 'resetchannels', 'There are no ACL users.', inert),
  aclfile: only('', 'there are no ACL users'),
  'enable-protected-configs': choice(['no', 'yes', 'local'], 'no', 'Protected settings are fixed at start.', inertAtStart),
  'enable-module-command': choice(['no', 'yes', 'local'], 'no', 'There are no modules.', inertAtStart),
}

const defragmentation = {
  activedefrag: yesNo(false, 'Slabs are compacted as needed.', inert),
  'active-defrag-ignore-bytes': memory(100 * mib, 1n, int64Max, 'Slabs are compacted as needed.', inert),
  'active-defrag-threshold-lower': integer(10, 0n, 1000n, 'Slabs are compacted as needed.', inert),
  'active-defrag-threshold-upper': integer(100, 0n, 1000n, 'Slabs are compacted as needed.', inert),
  'active-defrag-cycle-min': integer(1, 1n, 99n, 'Slabs are compacted as needed.', inert),
  'active-defrag-cycle-max': integer(25, 1n, 99n, 'Slabs are compacted as needed.', inert),
  'active-defrag-max-scan-fields': integer(1000, 1n, int64Max, 'Slabs are compacted as needed.', inert),
}

const replication = {
  replicaof: { ...only('', 'nodes that share a log follow whoever leads there'), aliases: ['slaveof'] },
  'replica-serve-stale-data': yesNo(true, 'Replicas always answer reads.', { ...inert, aliases: ['slave-serve-stale-data'] }),
  'replica-read-only': yesNo(true, 'Replicas never take writes.', { ...inert, aliases: ['slave-read-only'] }),
  'replica-lazy-flush': yesNo(false, 'Replicas follow the log, not a connection to the primary.', {
    ...inert,
    aliases: ['slave-lazy-flush'],
  }),
  'replica-priority': integer(100, 0n, int32Max, 'Whoever has applied everything may lead.', { ...inert, aliases: ['slave-priority'] }),
  'replica-ignore-maxmemory': yesNo(true, 'Replicas follow the log, not a connection to the primary.', {
    ...inert,
    aliases: ['slave-ignore-maxmemory'],
  }),
  'repl-diskless-sync': yesNo(true, 'Replicas follow the log, not a connection to the primary.', inert),
  'repl-diskless-sync-delay': integer(5, 0n, int32Max, 'Replicas follow the log, not a connection to the primary.', inert),
  'repl-diskless-sync-max-replicas': integer(0, 0n, int32Max, 'Replicas follow the log, not a connection to the primary.', inert),
  'repl-diskless-load': choice(
    ['disabled', 'on-empty-db', 'swapdb'],
    'disabled',
    'Replicas follow the log, not a connection to the primary.',
    inert,
  ),
  'repl-ping-replica-period': integer(10, 1n, int32Max, 'Replicas follow the log, not a connection to the primary.', {
    ...inert,
    aliases: ['repl-ping-slave-period'],
  }),
  masterauth: text('', 'Replicas follow the log, not a connection to the primary.', inert),
  masteruser: text('', 'Replicas follow the log, not a connection to the primary.', inert),
  'replica-announced': yesNo(true, 'Replicas are always announced.', inert),
  'replica-ignore-disk-write-errors': yesNo(false, 'A replica whose disk fails goes on from memory.', inert),
  'propagation-error-behavior': choice(
    ['ignore', 'panic', 'panic-on-replicas'],
    'ignore',
    'A record that cannot be applied always ends the replica.',
    inert,
  ),
  'repl-disable-tcp-nodelay': yesNo(false, 'Replicas follow the log, not a connection to the primary.', inert),
  'repl-backlog-size': memory(mib, 1n, int64Max, 'Replicas follow the log, not a connection to the primary.', inert),
  'repl-backlog-ttl': integer(3600, 0n, int64Max, 'Replicas follow the log, not a connection to the primary.', inert),
  'min-replicas-to-write': integer(0, 0n, 0n, 'Replicas follow the log, not a connection to the primary.', {
    ...inert,
    aliases: ['min-slaves-to-write'],
  }),
  'min-replicas-max-lag': integer(10, 0n, int32Max, 'Replicas follow the log, not a connection to the primary.', {
    ...inert,
    aliases: ['min-slaves-max-lag'],
  }),
}

const notEncrypted = 'Connections are not encrypted.'

/** Files and parameters may be named, as nothing is encrypted with them; encryption itself cannot be asked for. */
const encryption = {
  'tls-port': only('0', 'connections are not encrypted'),
  'tls-replication': only('no', 'connections are not encrypted'),
  'tls-cluster': only('no', 'connections are not encrypted'),
  'tls-auth-clients': choice(['no', 'yes', 'optional'], 'yes', notEncrypted, inert),
  'tls-cert-file': text('', notEncrypted, inert),
  'tls-key-file': text('', notEncrypted, inert),
  'tls-key-file-pass': text('', notEncrypted, inert),
  'tls-client-cert-file': text('', notEncrypted, inert),
  'tls-client-key-file': text('', notEncrypted, inert),
  'tls-client-key-file-pass': text('', notEncrypted, inert),
  'tls-dh-params-file': text('', notEncrypted, inert),
  'tls-ca-cert-file': text('', notEncrypted, inert),
  'tls-ca-cert-dir': text('', notEncrypted, inert),
  'tls-protocols': text('', notEncrypted, inert),
  'tls-ciphers': text('', notEncrypted, inert),
  'tls-ciphersuites': text('', notEncrypted, inert),
  'tls-prefer-server-ciphers': yesNo(false, notEncrypted, inert),
  'tls-session-caching': yesNo(true, notEncrypted, inert),
  'tls-session-cache-size': integer(20_480, 0n, int32Max, notEncrypted, inert),
  'tls-session-cache-timeout': integer(300, 0n, int32Max, notEncrypted, inert),
}

/** Nodes know of each other by their log, there is one shard, and it has all slots. */
const cluster = {
  'cluster-port': integer(0, 0n, 65535n, 'There is no bus: nodes know of each other by their log.', inertAtStart),
  'cluster-announce-bus-port': integer(0, 0n, 65535n, 'There is no bus.', inert),
  'cluster-announce-tls-port': integer(0, 0n, 65535n, 'Connections are not encrypted.', inert),
  'cluster-config-file': text('nodes.conf', 'No file is written.', inertAtStart),
  'cluster-node-timeout': integer(15_000, 0n, int64Max, 'See `leader-lease-ms`.', inert),
  'cluster-link-sendbuf-limit': memory(0, 0n, int64Max, 'There is no bus.', inert),
  'cluster-require-full-coverage': yesNo(true, 'The shard has all slots.', inert),
  'cluster-allow-reads-when-down': yesNo(false, 'A replica answers those who have sent READONLY, always.', inert),
  'cluster-allow-pubsubshard-when-down': yesNo(true, 'Messages to shard channels are always delivered.', inert),
  'cluster-allow-replica-migration': yesNo(true, 'There is one shard.', inert),
  'cluster-migration-barrier': integer(1, 0n, int32Max, 'There is one shard.', inert),
  'cluster-replica-validity-factor': integer(10, 0n, int32Max, 'Only a replica that has applied everything can lead.', {
    ...inert,
    aliases: ['cluster-slave-validity-factor'],
  }),
  'cluster-replica-no-failover': yesNo(false, 'Every replica may lead.', { ...inert, aliases: ['cluster-slave-no-failover'] }),
}

const hiddenInert = { effective: false, hidden: true } as const
const int32Min = -(int32Max + 1n)

/** What Redis has for its own tests. */
const hidden = {
  'key-load-delay': integer(0, int32Min, int32Max, 'Loading is not slowed down.', hiddenInert),
  'loading-process-events-interval-bytes': integer(2 * mib, 1024n, int32Max, 'Loading is done in slices of time.', hiddenInert),
  'lua-enable-deprecated-api': yesNo(false, 'Deprecated functions of Lua that Redis took away are not there.', {
    ...hiddenInert,
    when: 'start',
  }),
  'rdb-key-save-delay': integer(0, int32Min, int32Max, 'Checkpoints are not slowed down.', hiddenInert),
  'use-exit-on-panic': yesNo(false, 'A broken invariant always ends the process.', hiddenInert),
  'watchdog-period': watchdogPeriod('There is no watchdog.', hiddenInert),
}

export const acceptedSettings = {
  ...thresholds,
  ...persistence,
  ...processes,
  ...defragmentation,
  ...replication,
  ...encryption,
  ...cluster,
  ...hidden,
}
