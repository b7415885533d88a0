/**
 * SENTINEL: every node answers as a Sentinel that watches its own shard, so that clients in Sentinel mode find the primary. Who leads
 * is settled in the log, by no vote of Sentinels; what would change how they watch is refused.
 */
import { noKeys } from '../../engine/command.ts'
import { globMatches } from '../../engine/glob.ts'
import type { ShardNode } from '../nodes.ts'
import { nodesOf, primaryAddress } from '../nodes.ts'
import type { InstanceField, InstanceView } from '../sentinel/instance-fields.ts'
import { masterFields, replicaFields, sentinelFields } from '../sentinel/instance-fields.ts'
import type { Session, SessionCommand } from '../session.ts'
import { epochOf } from './cluster.ts'
import { askPrimary } from './cluster-changes.ts'
import { container, notAnInteger, replyHelp } from './requests.ts'

const noSuchMaster = 'ERR No such master with that name'
const watchesItself = 'a node watches its own shard, and no other'

const about = { keys: noKeys, categories: [], flags: ['admin'], group: 'sentinel', since: '2.8.4', complexity: 'O(1)' } as const
const listing = { ...about, complexity: 'O(N), N the nodes' } as const
const ofMaster = { ...listing, arity: 3, syntax: 'master-name' } as const

export const sentinelCommands = {
  SENTINEL: { ...about, arity: -2, syntax: '', summary: 'Tells clients in Sentinel mode about the shard.', handler: container },
  'SENTINEL CKQUORUM': { ...ofMaster, summary: 'Tells whether a fail-over would be possible.', handler: forMaster(ckquorum) },
  'SENTINEL CONFIG': {
    ...about,
    arity: -3,
    since: '6.2.0',
    syntax: '<GET pattern | SET name value>',
    summary: 'Returns the settings of a Sentinel; sets none.',
    handler: config,
  },
  'SENTINEL FAILOVER': { ...ofMaster, summary: 'Hands the lead over to a replica.', handler: forMaster(failover) },
  'SENTINEL FLUSHCONFIG': { ...about, arity: 2, syntax: '', summary: 'Is accepted: there is nothing to write.', handler: ok },
  'SENTINEL GET-MASTER-ADDR-BY-NAME': { ...ofMaster, summary: 'Returns where the primary is.', handler: address },
  'SENTINEL HELP': { ...about, arity: 2, flags: ['loading', 'stale'], syntax: '', summary: 'Describes the subcommands.', handler: help },
  'SENTINEL INFO-CACHE': {
    ...about,
    arity: -3,
    since: '3.2.0',
    syntax: 'master-name [master-name ...]',
    summary: 'Answers with nothing: no INFO of other nodes is kept.',
    handler: nothing,
  },
  'SENTINEL IS-MASTER-DOWN-BY-ADDR': {
    ...about,
    arity: 6,
    syntax: 'ip port current-epoch runid',
    summary: 'Tells whether the primary is silent.',
    handler: isMasterDown,
  },
  'SENTINEL MASTER': { ...ofMaster, summary: 'Describes the primary.', handler: forMaster(master) },
  'SENTINEL MASTERS': { ...listing, arity: 2, syntax: '', summary: 'Describes the primary, as the only one.', handler: masters },
  'SENTINEL MONITOR': { ...about, arity: 6, syntax: 'name ip port quorum', summary: 'Is refused.', handler: monitor },
  'SENTINEL MYID': { ...about, arity: 2, since: '6.2.0', syntax: '', summary: 'Returns the id of this node.', handler: myId },
  'SENTINEL PENDING-SCRIPTS': { ...about, arity: 2, syntax: '', summary: 'Answers with none.', handler: nothing },
  'SENTINEL REMOVE': { ...about, arity: 3, syntax: 'master-name', summary: 'Is refused.', handler: forMaster(refuse) },
  'SENTINEL REPLICAS': { ...ofMaster, since: '5.0.0', summary: 'Describes the replicas.', handler: forMaster(replicas) },
  'SENTINEL RESET': {
    ...about,
    arity: 3,
    syntax: 'pattern',
    summary: 'Counts the masters that match: what is known of them is always new.',
    handler: reset,
  },
  'SENTINEL SENTINELS': { ...ofMaster, summary: 'Describes the other nodes as Sentinels.', handler: forMaster(sentinels) },
  'SENTINEL SET': {
    ...about,
    arity: -5,
    syntax: 'master-name option value [option value ...]',
    summary: 'Is refused.',
    handler: forMaster(refuse),
  },
  'SENTINEL SLAVES': { ...ofMaster, summary: 'The old name of SENTINEL REPLICAS.', handler: forMaster(replicas) },
} as const satisfies Record<string, SessionCommand>

const helpLines = [
  'CKQUORUM <master-name>',
  '    Check if the current Sentinel configuration is able to reach the quorum',
  '    needed to failover a master and the majority needed to authorize the',
  '    failover.',
  'CONFIG SET <param> <value>',
  '    Set a global Sentinel configuration parameter.',
  'CONFIG GET <param>',
  '    Get global Sentinel configuration parameter.',
  'GET-MASTER-ADDR-BY-NAME <master-name>',
  '    Return the ip and port number of the master with that name.',
  'FAILOVER <master-name>',
  '    Manually failover a master node without asking for agreement from other',
  '    Sentinels',
  'FLUSHCONFIG',
  '    Force Sentinel to rewrite its configuration on disk, including the current',
  '    Sentinel state.',
  'INFO-CACHE <master-name>',
  '    Return last cached INFO output from masters and all its replicas.',
  'IS-MASTER-DOWN-BY-ADDR <ip> <port> <current-epoch> <runid>',
  "    Check if the master specified by ip:port is down from current Sentinel's",
  '    point of view.',
  'MASTER <master-name>',
  '    Show the state and info of the specified master.',
  'MASTERS',
  '    Show a list of monitored masters and their state.',
  'MONITOR <name> <ip> <port> <quorum>',
  '    Start monitoring a new master with the specified name, ip, port and quorum.',
  'MYID',
  '    Return the ID of the Sentinel instance.',
  'PENDING-SCRIPTS',
  '    Get pending scripts information.',
  'REMOVE <master-name>',
  "    Remove master from Sentinel's monitor list.",
  'REPLICAS <master-name>',
  '    Show a list of replicas for this master and their state.',
  'RESET <pattern>',
  '    Reset masters for specific master name matching this pattern.',
  'SENTINELS <master-name>',
  '    Show a list of Sentinel instances for this master and their state.',
  'SET <master-name> <option> <value> [<option> <value> ...]',
  '    Set configuration parameters for certain masters.',
]

/** As redis-server has them when none of its Sentinel's is set. */
const settings: readonly (readonly [string, string])[] = [
  ['resolve-hostnames', 'no'],
  ['announce-hostnames', 'no'],
  ['announce-ip', ''],
  ['announce-port', '0'],
  ['sentinel-user', ''],
  ['sentinel-pass', ''],
]

function nameOf({ server }: Session): string {
  return server.config.values['sentinel-master-name']
}

/** A handler whose argument 2 names the shard. */
function forMaster(handler: (session: Session) => void): (session: Session) => void {
  return (session) => {
    if (session.args.string(2) === nameOf(session)) handler(session)
    else session.reply.error(noSuchMaster)
  }
}

function help(session: Session): void {
  replyHelp(session, helpLines)
}

function ok({ reply }: Session): void {
  reply.ok()
}

function nothing({ reply }: Session): void {
  reply.array(0)
}

function myId({ reply, server }: Session): void {
  reply.text(server.nodeId)
}

function address(session: Session): void {
  const { args, reply, server } = session
  const primary = args.string(2) === nameOf(session) ? primaryAddress(server) : undefined
  if (primary === undefined) {
    reply.nilArray()
    return
  }
  reply.array(2)
  reply.text(primary.host)
  reply.text(`${primary.port}`)
}

function viewOf({ server }: Session): InstanceView {
  const { config, clock, failover, startedWallMs } = server
  return {
    nodes: nodesOf(server),
    name: config.values['sentinel-master-name'],
    leaseMs: config.values['leader-lease-ms'],
    epoch: epochOf(server),
    priority: config.values['replica-priority'],
    roleMs: clock.wallMs() - startedWallMs,
    isHandingOver: failover.state !== 'no-failover',
  }
}

function replyFields({ reply }: Session, fields: readonly InstanceField[]): void {
  reply.map(fields.length)
  for (const [name, value] of fields) {
    reply.text(name)
    reply.text(`${value}`)
  }
}

function masterOf({ nodes }: InstanceView): ShardNode | undefined {
  return nodes.find(({ role }) => role === 'primary')
}

function master(session: Session): void {
  const view = viewOf(session)
  const node = masterOf(view)
  if (node === undefined) session.reply.error(noSuchMaster)
  else replyFields(session, masterFields(node, view))
}

function masters(session: Session): void {
  const view = viewOf(session)
  const node = masterOf(view)
  session.reply.array(node === undefined ? 0 : 1)
  if (node !== undefined) replyFields(session, masterFields(node, view))
}

function replicas(session: Session): void {
  const view = viewOf(session)
  const found = view.nodes.filter(({ role }) => role === 'replica')
  session.reply.array(found.length)
  for (const node of found) replyFields(session, replicaFields(node, masterOf(view), view))
}

function sentinels(session: Session): void {
  const view = viewOf(session)
  const others = view.nodes.filter(({ isSelf }) => !isSelf)
  session.reply.array(others.length)
  for (const node of others) replyFields(session, sentinelFields(node, view))
}

/** The log alone decides whether somebody can lead: one node that hears it is enough. */
function ckquorum({ reply, server }: Session): void {
  const usable = nodesOf(server).filter(({ isDown }) => !isDown).length
  const { roles } = server
  if (roles.role === 'primary' || roles.isLinkUp) {
    reply.status(`OK ${usable} usable Sentinels. Quorum and failover authorization can be reached`)
  } else {
    reply.error(`NOQUORUM ${usable} usable Sentinels. Not enough available Sentinels to reach the majority and authorize a failover`)
  }
}

function isMasterDown(session: Session): void {
  const { args, reply, server } = session
  if (!args.isInt64(3) || !args.isInt64(4)) {
    reply.error(notAnInteger)
    return
  }
  const node = nodesOf(server).find(({ role }) => role === 'primary')
  const isIt = node?.host === args.string(2) && node.port === args.integer(3)
  reply.array(3)
  reply.integer(isIt && node.isDown ? 1 : 0)
  reply.text('*')
  reply.integer(0)
}

function failover(session: Session): void {
  const { reply, server } = session
  const { failover: handOver, roles, peers } = server
  if (roles.role === 'replica') askPrimary(session, false)
  else if (handOver.state !== 'no-failover') reply.error('INPROG Failover already in progress')
  else if (peers.all.length === 0) reply.error('NOGOODSLAVE No suitable replica to promote')
  else {
    reply.ok()
    void handOver.begin({ timeoutMs: 0, forced: false })
  }
}

function config(session: Session): void {
  const { args, reply } = session
  if (args.is(2, 'GET') && args.count === 4) {
    const pattern = args.bytes(3)
    const found = settings.filter(([name]) => globMatches(pattern, 0, pattern.length, Buffer.from(name), 0, name.length))
    replyFields(session, found)
  } else if (args.is(2, 'SET') && args.count === 5) {
    reply.error("ERR SENTINEL CONFIG SET isn't supported: a node announces itself as replica-announce-ip and replica-announce-port say")
  } else reply.error('ERR Only GET and SET are supported.')
}

function monitor(session: Session): void {
  if (session.args.string(2) === nameOf(session)) session.reply.error('ERR Duplicate master name.')
  else session.reply.error(`ERR SENTINEL MONITOR isn't supported: ${watchesItself}`)
}

function refuse({ args, reply }: Session): void {
  reply.error(`ERR SENTINEL ${args.string(1, 'latin1').toUpperCase()} isn't supported: ${watchesItself}, as its settings say`)
}

function reset(session: Session): void {
  const { args, reply } = session
  const pattern = args.bytes(2)
  const name = Buffer.from(nameOf(session))
  reply.integer(globMatches(pattern, 0, pattern.length, name, 0, name.length) ? 1 : 0)
}
