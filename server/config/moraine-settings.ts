/** Settings of Moraine's own: the tier, the log and its checkpoints, metrics. */
import { int64Max } from '../../engine/integer.ts'
import { choice, int32Max, integer, memory, text, yesNo } from './setting.ts'

const mib = 1024 * 1024
const atStart = { when: 'start' } as const

export const tierSettings = {
  'tier-enabled': yesNo(true, 'Move values to disk when memory is short. Without it, `maxmemory-policy` decides alone.', atStart),
  'tier-min-value-size': memory(32, 0n, int64Max, 'Smaller values never move: where they are would take as much memory.'),
  'tier-min-ttl-ms': integer(5000, 0n, int64Max, 'Milliseconds a key must have left to live for its value to be worth moving.'),
  'tier-max-disk-bytes': memory(0, 0n, int64Max, 'Bytes that values on disk may take; 0 for no limit.'),
  'tier-cool-start-percent': integer(60, 0n, 100n, 'Share of `maxmemory` from which values are copied to disk ahead of need.'),
  'tier-drop-percent': integer(85, 1n, 100n, 'Share of `maxmemory` from which values that have a copy on disk leave memory.'),
  'tier-throttle-percent': integer(95, 1n, 100n, 'Share of `maxmemory` from which the replies of writes wait for memory.'),
  'tier-promote': choice(
    ['second', 'always', 'never'],
    'second',
    'On which read a value comes back to memory: a second one soon after the first, every one, or none.',
  ),
  'tier-reads-in-flight': integer(3, 1n, 64n, 'Reads of values from disk at one time; few, so that the log never waits for a thread.'),
  'tier-compression': choice(['lz4', 'none'], 'lz4', 'How values on disk are compressed.'),
  'tier-compression-min-size': memory(256, 0n, int64Max, 'Smaller values are stored as they are.'),
  'tier-write-buffer': memory(
    64 * mib,
    1024n * 1024n,
    int64Max,
    'Memory in which the store on disk gathers writes; no more than a 32nd of `maxmemory`.',
    atStart,
  ),
  'tier-cache': memory(8 * mib, 0n, int64Max, 'Memory for the blocks that the store on disk has read.', atStart),
}

export const logSettings = {
  'log-segment-bytes': memory(64 * mib, 1024n * 1024n, 1024n ** 3n, 'Length of one file of the log.', atStart),
  'checkpoint-log-bytes': memory(
    1024 * mib,
    1024n * 1024n,
    int64Max,
    'Bytes of log after which a checkpoint is made and the log before it dropped.',
  ),
  'checkpoint-interval-seconds': integer(
    300,
    0n,
    int32Max,
    'Seconds between checkpoints while there are changes; 0 for checkpoints by bytes alone.',
  ),
  'shutdown-checkpoint-timeout': integer(
    60,
    0n,
    int32Max,
    'Seconds that the checkpoint at the end may take before it is given up, and the next start has to replay the log; 0 for no limit.',
  ),
}

export const interpreterSettings = {
  'script-max-memory': memory(256 * mib, 32n * 1024n * 1024n, 1024n ** 3n, 'Memory that the interpreter of scripts may take, at most.'),
}

export const metricsSettings = {
  'metrics-port': integer(0, 0n, 65535n, 'Port of the HTTP endpoint with `/metrics` and `/healthz`; 0 for none.', atStart),
  'metrics-bind': text('127.0.0.1', 'Address of that endpoint.', atStart),
}
