/** REPLICAOF, which nobody can be told where nodes find each other in their log, and FAILOVER. */
import { noKeys } from '../../engine/command.ts'
import type { Session, SessionCommand } from '../session.ts'
import { notAnInteger, syntaxError } from './requests.ts'

const invalidPort = 'ERR Invalid master port'
const noReplication = "ERR REPLICAOF isn't supported: nodes that share a log follow whoever leads there"
const portMax = 65_535

const about = { keys: noKeys, categories: [], group: 'server', complexity: 'O(1)' } as const
const replica = {
  ...about,
  arity: 3,
  flags: ['admin', 'noscript', 'stale', 'no_async_loading'],
  syntax: '<host port | NO ONE>',
  handler: replicaof,
} as const

export const replicationCommands = {
  FAILOVER: {
    ...about,
    arity: -1,
    flags: ['admin', 'noscript', 'stale'],
    since: '6.2.0',
    syntax: '[TO host port [FORCE]] [ABORT] [TIMEOUT milliseconds]',
    summary: 'Hands the lead over to a replica.',
    handler: failover,
  },
  REPLICAOF: { ...replica, since: '5.0.0', summary: 'Accepts NO ONE: nodes that share a log find each other there.' },
  SLAVEOF: { ...replica, since: '1.0.0', summary: 'Accepts NO ONE: the old name of REPLICAOF.' },
} as const satisfies Record<string, SessionCommand>

function replicaof({ args, reply, server }: Session): void {
  const port = args.integer(2)
  if (server.config.values['cluster-enabled']) reply.error('ERR REPLICAOF not allowed in cluster mode.')
  else if (args.is(1, 'NO') && args.is(2, 'ONE')) reply.ok()
  else if (port >= 0 && port <= portMax) reply.error(noReplication)
  else reply.error(invalidPort)
}

function failover(session: Session): void {
  const { reply, server } = session
  const given = failoverOptions(session)
  if (given === undefined) return
  const { failover: handOver, peers, roles } = server
  if (given.aborts) {
    if (handOver.abort()) reply.ok()
    else reply.error('ERR No failover in progress.')
    return
  }
  if (roles.role === 'replica') {
    reply.error('ERR FAILOVER is not valid when server is a replica.')
    return
  }
  if (handOver.state !== 'no-failover') {
    reply.error('ERR FAILOVER already in progress.')
    return
  }
  const { all } = peers
  if (all.length === 0) {
    reply.error('ERR FAILOVER requires connected replicas.')
    return
  }
  const to = given.host === undefined ? undefined : all.find(({ host, port }) => host === given.host && port === given.port)
  if (given.host !== undefined && to === undefined) {
    reply.error('ERR FAILOVER target HOST and PORT is not a replica.')
    return
  }
  if (given.forces && (to === undefined || given.timeoutMs === 0)) {
    reply.error('ERR FAILOVER with force option requires both a timeout and target HOST and IP.')
    return
  }
  reply.ok()
  void handOver.begin({ ...(to === undefined ? {} : { to }), timeoutMs: given.timeoutMs, forced: given.forces })
}

interface FailoverWords {
  readonly aborts: boolean
  readonly forces: boolean
  readonly timeoutMs: number
  readonly host: string | undefined
  readonly port: number
}

/** Undefined when the words make no sense, and the client has been told. */
function failoverOptions({ args, reply }: Session): FailoverWords | undefined {
  const given = new Map<string, number>()
  for (let i = 1; i < args.count; i++) {
    const option = args.string(i, 'latin1').toUpperCase()
    const values = option === 'TIMEOUT' ? 1 : option === 'TO' ? 2 : 0
    const isKnown = values > 0 || option === 'FORCE' || (option === 'ABORT' && args.count === 2)
    if (!isKnown || given.has(option) || i + values >= args.count) {
      reply.error(syntaxError)
      return undefined
    }
    given.set(option, i + 1)
    i += values
    if (values === 0) continue
    if (!args.isInt64(i)) {
      reply.error(notAnInteger)
      return undefined
    }
    if (option === 'TIMEOUT' && (args.bigInteger(i) as bigint) <= 0n) {
      reply.error('ERR FAILOVER timeout must be greater than 0')
      return undefined
    }
  }
  const to = given.get('TO')
  const timeout = given.get('TIMEOUT')
  return {
    aborts: given.has('ABORT'),
    forces: given.has('FORCE'),
    timeoutMs: timeout === undefined ? 0 : Number(args.bigInteger(timeout)),
    host: to === undefined ? undefined : args.string(to, 'latin1'),
    port: to === undefined ? 0 : Number(args.bigInteger(to + 1)),
  }
}
