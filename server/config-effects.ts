/** What a changed setting does to the parts that keep a copy of it, at the start and after CONFIG SET. */
import type { EngineLimits } from '../engine/engine-limits.ts'
import type { Addresses } from './addresses.ts'
import type { Client } from './client.ts'
import type { OutputBufferLimit } from './config/compound.ts'
import type { Config } from './config/config.ts'
import type { Values } from './config/settings.ts'
import type { Log } from './logging.ts'
import type { OutputLimit } from './network/connection-limits.ts'
import type { Listener } from './network/listener.ts'
import { eventClassesOf } from './pubsub/event-classes.ts'
import type { PubSub } from './pubsub/pubsub.ts'
import type { Shard } from './shard/shard.ts'
import { applyAccessSettings, budgetSettings, tierSettings } from './shard/shard.ts'
import type { ShardSwitch } from './shard-switch.ts'

/** What keeps copies of settings. */
export interface ConfiguredParts {
  readonly config: Config
  readonly log: Log
  readonly listener: Listener
  readonly addresses: Addresses
  readonly pubsub: PubSub
  readonly limits: EngineLimits
  readonly sessions: ReadonlyMap<number, Client>
  readonly shard: Shard | undefined
  readonly shardSwitch: ShardSwitch
  slowerThanUs: number
}

export function applyConfig(server: ConfiguredParts): void {
  const { config } = server
  const apply = (): undefined => applyAll(server, config.values)
  apply()
  const names = [
    'maxclients',
    'timeout',
    'proto-max-bulk-len',
    'client-query-buffer-limit',
    'client-output-buffer-limit',
    'hash-max-listpack-entries',
    'hash-max-listpack-value',
    'hll-sparse-max-bytes',
    'set-max-intset-entries',
    'zset-max-listpack-entries',
    'zset-max-listpack-value',
    'list-max-listpack-size',
    'stream-node-max-bytes',
    'stream-node-max-entries',
    'maxmemory',
    'maxmemory-policy',
    'lfu-log-factor',
    'lfu-decay-time',
    'tier-cool-start-percent',
    'tier-drop-percent',
    'tier-throttle-percent',
    'tier-min-ttl-ms',
    'tier-max-disk-bytes',
    'tier-min-value-size',
    'tier-promote',
    'appendfsync',
    'slowlog-log-slower-than',
    'latency-monitor-threshold',
    'loglevel',
    'notify-keyspace-events',
  ] as const
  for (const name of names) config.onChange(name, apply)
  config.onSlowChange('port', () => listenAnew(server, 'Unable to listen on this port. Check server logs.'))
  config.onSlowChange('bind', () => listenAnew(server, 'Failed to bind to specified addresses.'))
  config.onSlowChange('appendonly', () => switchLog(server))
  config.onChange('requirepass', (password) => {
    if (password !== '') return undefined
    for (const session of server.sessions.values()) {
      session.authenticated = true
      session.connection.authenticated = true
    }
    return undefined
  })
}

export function engineLimits(values: Values): EngineLimits {
  return {
    hashMaxListpackEntries: values['hash-max-listpack-entries'],
    hashMaxListpackValue: values['hash-max-listpack-value'],
    hllSparseMaxBytes: values['hll-sparse-max-bytes'],
    setMaxIntsetEntries: values['set-max-intset-entries'],
    zsetMaxListpackEntries: values['zset-max-listpack-entries'],
    zsetMaxListpackValue: values['zset-max-listpack-value'],
    listMaxListpackSize: values['list-max-listpack-size'],
    streamNodeMaxBytes: values['stream-node-max-bytes'],
    streamNodeMaxEntries: values['stream-node-max-entries'],
    protoMaxBulkBytes: Number(values['proto-max-bulk-len']),
    hasSlots: values['cluster-enabled'],
  }
}

async function listenAnew(server: ConfiguredParts, text: string): Promise<string | undefined> {
  try {
    await server.addresses.follow(server.config.values)
    return undefined
  } catch (failure) {
    server.log.error('The addresses to listen on could not be changed', { error: failure })
    return text
  }
}

async function switchLog(server: ConfiguredParts): Promise<string | undefined> {
  try {
    await server.shardSwitch.followAppendonly()
    return undefined
  } catch (failure) {
    server.log.error('The log could not be switched on or off', { error: failure })
    return `Unable to turn on AOF. Check server logs.`
  }
}

function outputLimit({ hardBytes, softBytes, softSeconds }: OutputBufferLimit): OutputLimit {
  return { hardBytes, softBytes, softMs: softSeconds * 1000 }
}

function applyAll(server: ConfiguredParts, values: Values): undefined {
  const { limits } = server.listener
  limits.clientsMax = values.maxclients
  limits.idleMs = values.timeout * 1000
  limits.bulkBytesMax = Number(values['proto-max-bulk-len'])
  limits.queryBytesMax = Number(values['client-query-buffer-limit'])
  const { normal, pubsub } = values['client-output-buffer-limit']
  limits.output = outputLimit(normal)
  limits.subscriberOutput = outputLimit(pubsub)
  Object.assign(server.limits, engineLimits(values))
  server.pubsub.eventClasses = eventClassesOf(values['notify-keyspace-events'])
  server.log.setLevel(values.loglevel)
  const slowlogUs = values['slowlog-log-slower-than']
  const latencyMs = values['latency-monitor-threshold']
  server.slowerThanUs = Math.min(
    slowlogUs >= 0 ? slowlogUs : Number.POSITIVE_INFINITY,
    latencyMs > 0 ? latencyMs * 1000 : Number.POSITIVE_INFINITY,
  )
  const { shard } = server
  if (shard === undefined) return undefined
  Object.assign(shard.budget.settings, budgetSettings(values))
  Object.assign(shard.tier.settings, tierSettings(values))
  applyAccessSettings(shard.keyspace, values)
  if (values.appendonly) shard.log.setSyncPolicy(values.appendfsync)
  return undefined
}
