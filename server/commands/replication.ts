/** REPLICAOF and FAILOVER of a server that has no replicas and is none: what would change that is refused, the rest is as in Redis. */
import { noKeys } from '../../engine/command.ts'
import type { Session, SessionCommand } from '../session.ts'
import { notAnInteger, syntaxError } from './requests.ts'

const invalidPort = 'ERR Invalid master port'
const noReplication = "ERR REPLICAOF isn't supported: there are no replicas"
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
    summary: 'Lets a replica take over; there are none.',
    handler: failover,
  },
  REPLICAOF: { ...replica, since: '5.0.0', summary: 'Accepts NO ONE: there are no replicas.' },
  SLAVEOF: { ...replica, since: '1.0.0', summary: 'Accepts NO ONE: the old name of REPLICAOF.' },
} as const satisfies Record<string, SessionCommand>

function replicaof({ args, reply }: Session): void {
  const port = args.integer(2)
  if (args.is(1, 'NO') && args.is(2, 'ONE')) reply.ok()
  else if (port >= 0 && port <= portMax) reply.error(noReplication)
  else reply.error(invalidPort)
}

function failover({ args, reply }: Session): void {
  const given = new Set<string>()
  for (let i = 1; i < args.count; i++) {
    const option = args.string(i, 'latin1').toUpperCase()
    const values = option === 'TIMEOUT' ? 1 : option === 'TO' ? 2 : 0
    const isKnown = values > 0 || option === 'FORCE' || (option === 'ABORT' && args.count === 2)
    if (!isKnown || given.has(option) || i + values >= args.count) {
      reply.error(syntaxError)
      return
    }
    given.add(option)
    i += values
    if (values === 0) continue
    if (!args.isInt64(i)) {
      reply.error(notAnInteger)
      return
    }
    if (option === 'TIMEOUT' && (args.bigInteger(i) as bigint) <= 0n) {
      reply.error('ERR FAILOVER timeout must be greater than 0')
      return
    }
  }
  reply.error(given.has('ABORT') ? 'ERR No failover in progress.' : 'ERR FAILOVER requires connected replicas.')
}
