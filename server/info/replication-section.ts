/** INFO's section on replication: the words are Redis's, so that its tools can read them. */
import type { ServerView } from '../server-view.ts'
import type { InfoLine } from './info-line.ts'

export function* replicationSection(server: ServerView): Generator<InfoLine> {
  const { roles, shard } = server
  const isReplica = roles.role === 'replica'
  yield ['role', isReplica ? 'slave' : 'master']
  if (isReplica) yield* primaryLines(server)
  const offset = shard === undefined ? 0 : isReplica ? shard.replay.applied : shard.log.committed
  const replicas = isReplica ? [] : server.peers.all
  yield ['connected_slaves', replicas.length]
  const nowMs = server.clock.monotonicMs()
  for (const [i, { host, port, applied, heardMs }] of replicas.entries()) {
    const lag = Math.max(0, Math.floor((nowMs - heardMs) / 1000))
    yield [`slave${i}`, `ip=${host},port=${port},state=online,offset=${applied},lag=${lag}`]
  }
  yield ['master_failover_state', server.failover.state]
  yield ['master_replid', server.replicationId]
  yield ['master_replid2', '0'.repeat(40)]
  yield ['master_repl_offset', offset]
  yield ['second_repl_offset', -1]
  yield ['repl_backlog_active', 0]
  yield ['repl_backlog_size', server.config.values['repl-backlog-size']]
  yield ['repl_backlog_first_byte_offset', 0]
  yield ['repl_backlog_histlen', 0]
}

function* primaryLines({ roles, shard, clock, config }: ServerView): Generator<InfoLine> {
  const applied = shard?.replay.applied ?? 0
  yield ['master_host', roles.primary?.host ?? '']
  yield ['master_port', roles.primary?.port ?? 0]
  yield ['master_link_status', roles.isLinkUp ? 'up' : 'down']
  yield ['master_last_io_seconds_ago', roles.heardMs === undefined ? -1 : Math.floor((clock.monotonicMs() - roles.heardMs) / 1000)]
  yield ['master_sync_in_progress', shard === undefined ? 1 : 0]
  yield ['slave_read_repl_offset', applied]
  yield ['slave_repl_offset', applied]
  yield ['slave_priority', config.values['replica-priority']]
  yield ['slave_read_only', 1]
  yield ['replica_announced', 1]
}
