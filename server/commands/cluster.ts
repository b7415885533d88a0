/** What a node tells clients of a cluster: who serves the slots, which there is one shard for, and what READONLY and ASKING mean to it. */
import { createHash } from 'node:crypto'
import { noKeys } from '../../engine/command.ts'
import { keySlot, slotCount } from '../../engine/slot.ts'
import { infoText, nodeLine } from '../cluster/cluster-texts.ts'
import type { EndpointType } from '../cluster/endpoint.ts'
import { endpointOf, networkingMetadata } from '../cluster/endpoint.ts'
import { eachKeyInSlot } from '../cluster/keys-in-slot.ts'
import type { ShardNode } from '../nodes.ts'
import { nodesOf } from '../nodes.ts'
import type { Session, SessionCommand } from '../session.ts'
import type { Shard } from '../shard/shard.ts'
import { container, notAnInteger, replyHelp } from './requests.ts'

const disabled = 'ERR This instance has cluster support disabled'
const invalidSlot = 'ERR Invalid slot'

export const aboutCluster = { keys: noKeys, categories: [], group: 'cluster', since: '3.0.0' } as const
const asking = { ...aboutCluster, arity: 2, flags: ['stale'], syntax: '', complexity: 'O(N), N the nodes' } as const
const ofNode = { ...aboutCluster, arity: 3, flags: ['admin', 'stale'], syntax: 'node-id', complexity: 'O(N), N the nodes' } as const
const ofConnection = { ...aboutCluster, categories: ['connection'], arity: 1, syntax: '', complexity: 'O(1)' } as const
const eachKey = 'O(N), N all keys, in slices beside other work'

export const clusterCommands = {
  CLUSTER: {
    ...aboutCluster,
    arity: -2,
    flags: [],
    syntax: '',
    complexity: 'O(1)',
    summary: 'Tells about the cluster.',
    handler: container,
  },
  'CLUSTER COUNT-FAILURE-REPORTS': { ...ofNode, summary: 'Answers 0: nodes report no failures.', handler: inCluster(failureReports) },
  'CLUSTER COUNTKEYSINSLOT': {
    ...asking,
    arity: 3,
    syntax: 'slot',
    complexity: eachKey,
    summary: 'Counts the keys of a slot.',
    handler: inCluster(countKeys),
  },
  'CLUSTER GETKEYSINSLOT': {
    ...asking,
    arity: 4,
    syntax: 'slot count',
    complexity: eachKey,
    summary: 'Returns some keys of a slot.',
    handler: inCluster(getKeys),
  },
  'CLUSTER HELP': {
    ...asking,
    flags: ['loading', 'stale'],
    since: '5.0.0',
    complexity: 'O(1)',
    summary: 'Describes the subcommands.',
    handler: inCluster(help),
  },
  'CLUSTER INFO': { ...asking, complexity: 'O(1)', summary: 'Tells how the cluster is.', handler: inCluster(info) },
  'CLUSTER KEYSLOT': {
    ...asking,
    arity: 3,
    syntax: 'key',
    complexity: 'O(N), N the length of the key',
    summary: 'Returns the hash slot of a key.',
    handler: inCluster(keySlotOf),
  },
  'CLUSTER LINKS': {
    ...asking,
    since: '7.0.0',
    summary: 'Answers with none: nodes find each other in their log.',
    handler: inCluster(links),
  },
  'CLUSTER MYID': { ...asking, complexity: 'O(1)', summary: 'Returns the id of this node.', handler: inCluster(myId) },
  'CLUSTER MYSHARDID': {
    ...asking,
    since: '7.2.0',
    complexity: 'O(1)',
    summary: 'Returns the id of the shard.',
    handler: inCluster(myShardId),
  },
  'CLUSTER NODES': { ...asking, summary: 'Describes the nodes, a line for each.', handler: inCluster(nodes) },
  'CLUSTER REPLICAS': { ...ofNode, since: '5.0.0', summary: 'Describes the replicas of the primary.', handler: inCluster(replicas) },
  'CLUSTER SHARDS': { ...asking, since: '7.0.0', summary: 'Returns the shard, its slots, and its nodes.', handler: inCluster(shards) },
  'CLUSTER SLAVES': { ...ofNode, summary: 'The old name of CLUSTER REPLICAS.', handler: inCluster(replicas) },
  'CLUSTER SLOTS': { ...asking, summary: 'Returns which nodes serve the slots.', handler: inCluster(slots) },
  READONLY: {
    ...ofConnection,
    flags: ['loading', 'stale', 'fast'],
    summary: 'Lets the connection read from a replica.',
    handler: inCluster((session) => setReadOnly(session, true)),
  },
  READWRITE: {
    ...ofConnection,
    flags: ['loading', 'stale', 'fast'],
    summary: 'Takes back READONLY.',
    handler: inCluster((session) => setReadOnly(session, false)),
  },
  ASKING: { ...ofConnection, flags: ['fast'], summary: 'Is accepted: no slot is ever on its way to another node.', handler: inCluster(ok) },
} as const satisfies Record<string, SessionCommand>

/** A handler that answers only with `cluster-enabled`. */
export function inCluster(handler: (session: Session) => void): (session: Session) => void {
  return (session) => {
    if (session.server.config.values['cluster-enabled']) handler(session)
    else session.reply.error(disabled)
  }
}

const helpLines = [
  'ADDSLOTS <slot> [<slot> ...]',
  '    Assign slots to current node.',
  'ADDSLOTSRANGE <start slot> <end slot> [<start slot> <end slot> ...]',
  '    Assign slots which are between <start-slot> and <end-slot> to current node.',
  'BUMPEPOCH',
  '    Advance the cluster config epoch.',
  'COUNT-FAILURE-REPORTS <node-id>',
  '    Return number of failure reports for <node-id>.',
  'COUNTKEYSINSLOT <slot>',
  '    Return the number of keys in <slot>.',
  'DELSLOTS <slot> [<slot> ...]',
  '    Delete slots information from current node.',
  'DELSLOTSRANGE <start slot> <end slot> [<start slot> <end slot> ...]',
  '    Delete slots information which are between <start-slot> and <end-slot> from current node.',
  'FAILOVER [FORCE|TAKEOVER]',
  '    Promote current replica node to being a master.',
  'FORGET <node-id>',
  '    Remove a node from the cluster.',
  'GETKEYSINSLOT <slot> <count>',
  '    Return key names stored by current node in a slot.',
  'FLUSHSLOTS',
  '    Delete current node own slots information.',
  'INFO',
  '    Return information about the cluster.',
  'KEYSLOT <key>',
  '    Return the hash slot for <key>.',
  'MEET <ip> <port> [<bus-port>]',
  '    Connect nodes into a working cluster.',
  'MYID',
  '    Return the node id.',
  'NODES',
  '    Return cluster configuration seen by node. Output format:',
  '    <id> <ip:port> <flags> <master> <pings> <pongs> <epoch> <link> <slot> ...',
  'REPLICATE <node-id>',
  '    Configure current node as replica to <node-id>.',
  'RESET [HARD|SOFT]',
  '    Reset current node (default: soft).',
  'SET-CONFIG-EPOCH <epoch>',
  '    Set config epoch of current node.',
  'SETSLOT <slot> (IMPORTING <node-id>|MIGRATING <node-id>|STABLE|NODE <node-id>)',
  '    Set slot state.',
  'REPLICAS <node-id>',
  '    Return <node-id> replicas.',
  'SAVECONFIG',
  '    Force saving cluster configuration on disk.',
  'SLOTS',
  '    Return information about slots range mappings. Each range is made of:',
  '    start, end, master and replicas IP addresses, ports and ids',
  'SHARDS',
  '    Return information about slot range mappings and the nodes associated with them.',
  'LINKS',
  '    Return information about all network links between this node and its peers.',
  '    Output format is an array where each array element is a map containing attributes of a link',
]

function help(session: Session): void {
  replyHelp(session, helpLines)
}

function ok({ reply }: Session): void {
  reply.ok()
}

function setReadOnly(session: Session, readOnly: boolean): void {
  session.readOnly = readOnly
  session.reply.ok()
}

/** Where nothing is announced and all addresses are listened on, this node is where the client has reached it. */
function nodesSeenBy({ server, connection }: Session): ShardNode[] {
  const { values } = server.config
  const nodes = nodesOf(server)
  const { localAddress } = connection.pipe
  if (values['cluster-announce-ip'] !== '' || values['replica-announce-ip'] !== '' || localAddress.startsWith('/')) return nodes
  const host = localAddress.slice(0, localAddress.lastIndexOf(':')).replace(/^\[|\]$/g, '')
  return nodes.map((node) => (node.isSelf && host !== '' ? { ...node, host } : node))
}

/** The epoch of the claim that is in force; 0 where nodes share nothing. */
export function epochOf({ shard }: Session['server']): number {
  const leadership = shard?.log.leadership
  return leadership === undefined ? 0 : Math.max(leadership.epoch, leadership.leader?.epoch ?? 0)
}

function info(session: Session): void {
  session.reply.verbatim('txt', infoText(nodesOf(session.server), epochOf(session.server)))
}

function describe(session: Session, described: readonly ShardNode[], all: readonly ShardNode[]): string[] {
  const { server } = session
  const primaryId = all.find(({ role }) => role === 'primary')?.id
  return described.map((node) => nodeLine(node, primaryId, epochOf(server), server.clock.wallMs()))
}

function nodes(session: Session): void {
  const all = nodesSeenBy(session)
  session.reply.verbatim('txt', `${describe(session, all, all).join('\n')}\n`)
}

function replicas(session: Session): void {
  const { args, reply } = session
  const all = nodesSeenBy(session)
  const id = args.string(2, 'latin1')
  const node = all.find((each) => each.id === id)
  if (node === undefined) reply.error(`ERR Unknown node ${id}`)
  else if (node.role !== 'primary') reply.error('ERR The specified node is not a master')
  else {
    const lines = describe(
      session,
      all.filter(({ role }) => role === 'replica'),
      all,
    )
    reply.array(lines.length)
    for (const line of lines) reply.text(line)
  }
}

function failureReports(session: Session): void {
  const { args, reply, server } = session
  const id = args.string(2, 'latin1')
  if (nodesOf(server).some((node) => node.id === id)) reply.integer(0)
  else reply.error(`ERR Unknown node ${id}`)
}

function endpointTypeOf({ server }: Session): EndpointType {
  return server.config.values['cluster-preferred-endpoint-type']
}

function slots(session: Session): void {
  const { reply } = session
  const all = nodesSeenBy(session)
  const [primary] = all
  if (primary?.role !== 'primary') {
    reply.array(0)
    return
  }
  const serving = all.filter((node) => node === primary || !node.isDown)
  reply.array(1)
  reply.array(2 + serving.length)
  reply.integer(0)
  reply.integer(slotCount - 1)
  const type = endpointTypeOf(session)
  for (const node of serving) {
    const endpoint = endpointOf(node, type)
    const metadata = networkingMetadata(node, type)
    reply.array(4)
    if (endpoint === '') reply.nil()
    else reply.text(endpoint)
    reply.integer(node.port)
    reply.text(node.id)
    reply.map(metadata.length)
    for (const [name, value] of metadata) {
      reply.text(name)
      reply.text(value)
    }
  }
}

function shards(session: Session): void {
  const { reply, server } = session
  const all = nodesSeenBy(session)
  reply.array(1)
  reply.map(2)
  reply.text('slots')
  reply.array(2)
  reply.integer(0)
  reply.integer(slotCount - 1)
  reply.text('nodes')
  reply.array(all.length)
  const type = endpointTypeOf(session)
  for (const node of all) {
    const { id, host, port, hostname, role, applied, isDown, isSelf } = node
    reply.map(hostname === '' ? 7 : 8)
    reply.text('id')
    reply.text(id)
    reply.text('port')
    reply.integer(port)
    reply.text('ip')
    reply.text(host)
    reply.text('endpoint')
    reply.text(endpointOf(node, type))
    if (hostname !== '') {
      reply.text('hostname')
      reply.text(hostname)
    }
    reply.text('role')
    reply.text(role === 'primary' ? 'master' : 'replica')
    reply.text('replication-offset')
    reply.integer(applied)
    reply.text('health')
    reply.text(isDown ? 'fail' : isSelf && server.isLoading ? 'loading' : 'online')
  }
}

/** There is no bus between the nodes. */
function links({ reply }: Session): void {
  reply.array(0)
}

function myId({ reply, server }: Session): void {
  reply.text(server.nodeId)
}

function myShardId({ reply, server }: Session): void {
  const { values } = server.config
  if (values.log === 'local') reply.text(server.nodeId)
  else reply.text(createHash('sha1').update(values['log-prefix']).digest('hex'))
}

function keySlotOf({ args, reply }: Session): void {
  reply.integer(keySlot(args.buffer, args.start(2), args.end(2)))
}

function countKeys(session: Session): void {
  const { args, reply } = session
  if (!args.isInt64(2)) reply.error(notAnInteger)
  else if (!isSlot(args.integer(2))) reply.error(invalidSlot)
  else {
    let count = 0
    walk(
      session,
      args.integer(2),
      () => {
        count++
        return true
      },
      () => reply.integer(count),
    )
  }
}

function getKeys(session: Session): void {
  const { args, reply } = session
  if (!args.isInt64(2) || !args.isInt64(3)) reply.error(notAnInteger)
  else if (!isSlot(args.integer(2)) || !(args.integer(3) >= 0)) reply.error(`${invalidSlot} or number of keys`)
  else {
    const max = args.integer(3)
    const keys: Buffer[] = []
    walk(
      session,
      args.integer(2),
      (key) => {
        if (keys.length < max) keys.push(key)
        return keys.length < max
      },
      () => {
        reply.array(keys.length)
        for (const key of keys) reply.bulk(key, 0, key.length)
      },
    )
  }
}

function isSlot(number: number): boolean {
  return number >= 0 && number < slotCount
}

function walk(session: Session, slot: number, found: (key: Buffer) => boolean, write: () => void): void {
  const { server, reply } = session
  if (session.inExec || server.primary.x.inScript) {
    reply.error("ERR keys are looked for beside other work, so this isn't allowed in a transaction or a script")
    return
  }
  const shard = server.shard as Shard
  const isThere = (): boolean => server.shard === shard
  const answer = session.inHand.defer('counted')
  eachKeyInSlot({ keyspace: shard.keyspace, clock: server.clock, isThere }, slot, found).then(
    () =>
      answer(() => {
        if (!isThere()) {
          reply.error('ERR the data was opened again meanwhile; try again')
          return
        }
        session.hold(shard.log.appended, false)
        write()
      }),
    (failure: unknown) => session.broke(failure),
  )
}
