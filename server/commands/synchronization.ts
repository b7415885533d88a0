/**
 * REPLCONF, SYNC and PSYNC: an RDB of all data as of one moment, for whoever says that it wants no stream of commands behind it, as `redis-cli --rdb`
 * does. A replica of Redis's would have to have that stream, which there is not: it is told so, and stays where it is.
 */
import type { Arguments } from '../../engine/arguments.ts'
import { noKeys } from '../../engine/command.ts'
import type { ReplicaWishes } from '../replica-wishes.ts'
import type { Session, SessionCommand } from '../session.ts'
import { notAnInteger, syntaxError } from './requests.ts'

const noStream =
  "ERR Moraine sends replicas no stream of commands, so one of Redis's would fall behind: it sends an RDB to who asks for that alone (REPLCONF rdb-only 1)"
const noLog = 'ERR There is no log to take an RDB from as of one moment (appendonly no)'
const hostnameLengthMax = 255

const about = { keys: noKeys, categories: [], group: 'server' } as const
const sync = {
  ...about,
  flags: ['admin', 'noscript', 'no_async_loading', 'no_multi'],
  complexity: 'O(N), N the bytes of all data, beside other requests',
} as const

export const synchronizationCommands = {
  PSYNC: {
    ...sync,
    arity: -3,
    since: '2.8.0',
    syntax: 'replicationid offset',
    summary: 'As SYNC, and tells first of which history the RDB is.',
    handler: (session) => synchronize(session, true),
  },
  REPLCONF: {
    ...about,
    arity: -1,
    flags: ['admin', 'noscript', 'loading', 'stale', 'allow_busy'],
    since: '3.0.0',
    complexity: 'O(1)',
    syntax: '[option value [option value ...]]',
    summary: 'Says what the client wants of SYNC.',
    handler: replconf,
  },
  SYNC: {
    ...sync,
    arity: 1,
    since: '1.0.0',
    syntax: '',
    summary: 'Sends an RDB of all data as of one moment, after REPLCONF rdb-only 1.',
    handler: (session) => synchronize(session, false),
  },
} as const satisfies Record<string, SessionCommand>

function replconf({ args, reply, replica }: Session): void {
  const isAcknowledgement = args.count > 2 && (args.is(1, 'ACK') || args.is(1, 'GETACK'))
  // A replica's word on how far it has come is not answered.
  if (isAcknowledgement && args.count % 2 === 1) return
  const refusal = args.count % 2 === 0 ? syntaxError : takeWishes(args, replica)
  if (refusal === undefined) reply.ok()
  else reply.error(refusal)
}

/** Takes options in their order; returns why one of them is refused. */
function takeWishes(args: Arguments, replica: ReplicaWishes): string | undefined {
  for (let i = 1; i < args.count; i += 2) {
    const refusal = takeWish(args, i, replica)
    if (refusal !== undefined) return refusal
  }
  return undefined
}

function takeWish(args: Arguments, i: number, replica: ReplicaWishes): string | undefined {
  if (args.is(i, 'LISTENING-PORT')) return args.isInt64(i + 1) ? undefined : notAnInteger
  if (args.is(i, 'CAPA')) {
    replica.eof ||= args.is(i + 1, 'EOF')
    return undefined
  }
  if (args.is(i, 'IP-ADDRESS')) {
    const { length } = args.bytes(i + 1)
    return length > hostnameLengthMax ? `ERR REPLCONF ip-address provided by replica instance is too long: ${length} bytes` : undefined
  }
  if (args.is(i, 'RDB-ONLY')) {
    if (!args.isInt64(i + 1)) return notAnInteger
    const value = args.integer(i + 1)
    if (value !== 0 && value !== 1) return 'ERR value is out of range, value must between 0 and 1'
    replica.rdbOnly = value === 1
    return undefined
  }
  if (!args.is(i, 'RDB-FILTER-ONLY')) return `ERR Unrecognized REPLCONF option: ${args.string(i)}`
  const unknown = replica.filter(
    args
      .string(i + 1)
      .split(' ')
      .filter((name) => name !== ''),
  )
  return unknown === undefined ? undefined : `ERR Unsupported rdb-filter-only option: ${unknown}`
}

function synchronize(session: Session, isPsync: boolean): void {
  const { server, args, reply, connection, replica } = session
  const refusal = refusalOf(session)
  if (refusal !== undefined) {
    reply.error(refusal)
    return
  }
  const { keys, functions, eof } = replica
  if (isPsync && !args.is(1, '?')) server.stats.continuationsRefused++
  const transfer = server.transfers.begin(connection, { keys, functions, eof, isPsync })
  connection.isReplica = true
  const answer = session.inHand.defer('uncounted', () => transfer.abandon())
  transfer.done.then(
    () => answer(() => session.closeAfterReply()),
    (failure: Error) => {
      server.log.warn('An RDB could not be sent', { client: connection.pipe.remoteAddress, error: failure })
      if (transfer.hasBegun) connection.close()
      connection.isReplica = false
      answer(() => reply.error(`ERR ${failure.message}`))
    },
  )
}

function refusalOf({ server, args, connection, replica }: Session): string | undefined {
  const { failover, roles, shard, log } = server
  if (failover.state !== 'no-failover') return "NOMASTERLINK Can't SYNC while failing over"
  if (roles.role === 'replica' && !roles.isLinkUp) return "NOMASTERLINK Can't SYNC while not connected with my master"
  if (connection.leavingBytes > 0) return 'ERR SYNC and PSYNC are invalid with pending output'
  if (replica.isFiltered && !replica.eof) return 'ERR Filtered replica requires EOF capability'
  if (args.count > 2 && !args.isInt64(2)) return notAnInteger
  if (!replica.rdbOnly) {
    log.warn('A client wants to follow this node as a replica of Redis does; refused', { client: connection.pipe.remoteAddress })
    return noStream
  }
  return shard?.checkpointer === undefined ? noLog : undefined
}
