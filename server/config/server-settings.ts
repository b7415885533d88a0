/** Settings that Moraine shares with Redis 7.0 and that mean here what they mean there. One row each; defaults differ only where the summary says so. */
import { int64Max } from '../../engine/integer.ts'
import { addresses, eventClasses, outputBufferLimits, percentiles } from './compound.ts'
import { choice, int32Max, integer, memory, memoryOrPercent, permissions, text, uint32Max, yesNo } from './setting.ts'

const mib = 1024 * 1024
const atStart = { when: 'start' } as const

export const networkSettings = {
  port: integer(6379, 0n, 65535n, 'TCP port to listen on; 0 lets the system choose one.'),
  bind: addresses(
    '127.0.0.1 -::1',
    'Addresses to listen on. One that begins with `-` may be missing on this machine. `*` is every IPv4 address.',
  ),
  'tcp-backlog': integer(511, 0n, int32Max, 'How many connections the operating system may hold before they are accepted.', atStart),
  unixsocket: text('', 'Path of a Unix socket to listen on; empty for none.', atStart),
  unixsocketperm: permissions(0, "Permissions of the Unix socket; 0 leaves the process's own.", atStart),
  timeout: integer(0, 0n, int32Max, 'Seconds after which an idle client is closed; 0 for never.'),
  'repl-timeout': integer(
    60,
    1n,
    int32Max,
    'Seconds after which a client is closed that has asked for an RDB with SYNC and does not read it.',
  ),
  rdbcompression: yesNo(true, 'Compress strings in the RDB that SYNC sends.'),
  'tcp-keepalive': integer(300, 0n, int32Max, 'Seconds between probes of a silent connection; 0 for none.'),
  'protected-mode': yesNo(true, 'Without a password, accept connections from this machine only.'),
  maxclients: integer(10000, 1n, uint32Max, 'Connections at one time; further ones are told so and closed.'),
  'client-query-buffer-limit': memory(
    1024 * mib,
    1024n * 1024n,
    int64Max,
    'Bytes that one client may have sent without having been executed.',
  ),
  'client-output-buffer-limit': outputBufferLimits(
    {
      normal: { hardBytes: 0, softBytes: 0, softSeconds: 0 },
      replica: { hardBytes: 256 * mib, softBytes: 64 * mib, softSeconds: 60 },
      pubsub: { hardBytes: 32 * mib, softBytes: 8 * mib, softSeconds: 60 },
    },
    'Bytes of replies that a client may leave unread before it is closed.',
  ),
  'proto-max-bulk-len': memory(512 * mib, 1024n * 1024n, int64Max, 'The longest single argument, and the longest string value.'),
  'maxmemory-clients': memoryOrPercent(0, "All clients' buffers together; beyond it the largest client is closed. 0 for no limit."),
  requirepass: text('', 'The password that AUTH and HELLO ask for; empty for none.'),
  'tracking-table-max-keys': integer(
    1_000_000,
    0n,
    int64Max,
    'Keys that are remembered because clients with CLIENT TRACKING have read them; readers of further ones are told to forget some. 0 for no limit.',
  ),
  databases: integer(16, 1n, int32Max, 'How many numbered databases SELECT knows.', atStart),
}

export const memorySettings = {
  maxmemory: memory(0, 0n, undefined, 'Bounds the memory of the whole process: values, index, buffers, caches. 0 for no limit.'),
  'maxmemory-policy': choice(
    ['volatile-lru', 'volatile-lfu', 'volatile-random', 'volatile-ttl', 'allkeys-lru', 'allkeys-lfu', 'allkeys-random', 'noeviction'],
    'noeviction',
    'What is deleted when memory is full and nothing can move to disk (no tier, or `tier-max-disk-bytes` is reached). `noeviction` refuses writes.',
  ),
  'maxmemory-samples': integer(5, 1n, int32Max, 'Keys looked at to choose one for deletion.'),
  'lfu-log-factor': integer(10, 0n, int32Max, "How slowly a key's access counter grows."),
  'lfu-decay-time': integer(1, 0n, int32Max, "Minutes after which an untouched key's access counter falls by one."),
  'hash-max-listpack-entries': integer(512, 0n, int64Max, 'Fields up to which a hash is kept as compact bytes.', {
    aliases: ['hash-max-ziplist-entries'],
  }),
  'hash-max-listpack-value': memory(64, 0n, int64Max, 'Bytes of the longest field or value in a compact hash.', {
    aliases: ['hash-max-ziplist-value'],
  }),
  'hll-sparse-max-bytes': memory(3000, 0n, int64Max, 'Bytes up to which a HyperLogLog is kept as runs of equal registers.'),
  'set-max-intset-entries': integer(512, 0n, int64Max, 'Members up to which a set of integers is kept as compact integers.'),
  'zset-max-listpack-entries': integer(128, 0n, int64Max, 'Members up to which a sorted set is kept as compact bytes.', {
    aliases: ['zset-max-ziplist-entries'],
  }),
  'zset-max-listpack-value': memory(64, 0n, int64Max, 'Bytes of the longest member of a compact sorted set.', {
    aliases: ['zset-max-ziplist-value'],
  }),
  'list-max-listpack-size': integer(
    -2,
    -(int32Max + 1n),
    int32Max,
    'Elements of a compact list, or with −1 to −5 its bytes: 4 to 64 KiB.',
    {
      aliases: ['list-max-ziplist-size'],
    },
  ),
  'stream-node-max-bytes': memory(4096, 0n, int64Max, 'Bytes of a node of a stream, in whole numbers of which `~` trims.'),
  'stream-node-max-entries': integer(100, 0n, int64Max, 'Entries of a node of a stream, in whole numbers of which `~` trims.'),
  'lazyfree-lazy-eviction': yesNo(false, 'Deletions for memory give memory back in slices.'),
  'lazyfree-lazy-expire': yesNo(false, 'Expired values give memory back in slices.'),
  'lazyfree-lazy-server-del': yesNo(false, 'Values that a command replaces give memory back in slices.'),
  'lazyfree-lazy-user-del': yesNo(false, 'DEL gives memory back in slices, as UNLINK does.'),
  'lazyfree-lazy-user-flush': yesNo(false, 'FLUSHDB and FLUSHALL without an argument are ASYNC.'),
}

export const durabilitySettings = {
  dir: text('./data', "Folder of all files; made when missing. Redis's default is the working directory.", { when: 'protected' }),
  appendonly: yesNo(true, "Keep the log, so that acknowledged writes survive a crash. Redis's default is `no`."),
  appendfsync: choice(
    ['everysec', 'always', 'no'],
    'always',
    "When a write counts as done: `always` when it is on disk; otherwise when the operating system has it, synced each second or when it likes. Redis's default is `everysec`.",
  ),
}

export const scriptSettings = {
  'busy-reply-threshold': integer(
    5000,
    0n,
    int64Max,
    'Milliseconds that a script may run before others are told that the server is busy; 0 for no limit.',
    { aliases: ['lua-time-limit'] },
  ),
}

export const observationSettings = {
  loglevel: choice(['debug', 'verbose', 'notice', 'warning'], 'notice', 'The least important messages that are logged.'),
  logfile: text('', 'File to log into; empty for standard output.', atStart),
  'slowlog-log-slower-than': integer(10000, -1n, int64Max, 'Microseconds from which a command enters SLOWLOG; 0 logs all, -1 none.'),
  'slowlog-max-len': integer(128, 0n, int64Max, 'Commands that SLOWLOG remembers.'),
  'latency-monitor-threshold': integer(0, 0n, int64Max, 'Milliseconds from which LATENCY records an event; 0 for none.'),
  'latency-tracking': yesNo(true, "Keep a histogram of each command's duration."),
  'latency-tracking-info-percentiles': percentiles([50, 99, 99.9], 'Percentiles that INFO latencystats shows.'),
  'notify-keyspace-events': eventClasses('Classes of keyspace events; empty for none.'),
  hz: integer(10, 1n, 500n, 'Rounds of background work a second.', { clamp: true }),
  'active-expire-effort': integer(1, 1n, 10n, 'How eagerly expired keys are looked for.'),
  'enable-debug-command': choice(
    ['no', 'yes', 'local'],
    'no',
    'Who may use DEBUG: nobody, everybody, or clients on this machine.',
    atStart,
  ),
}
