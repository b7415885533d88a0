/**
 * What would change a cluster: CLUSTER MEET, ADDSLOTS and the like. Nodes find each other in their log and the one shard has all slots, so
 * there is nothing to change but who leads. What a client may rely on is answered as Redis does in that state, the rest refused.
 */
import { slotCount } from '../../engine/slot.ts'
import { askForLead } from '../hand-over-request.ts'
import type { Session, SessionCommand } from '../session.ts'
import { aboutCluster, epochOf, inCluster } from './cluster.ts'
import { syntaxError, unknownOrWrongArity } from './requests.ts'

const nothingToChange = "ERR isn't supported: nodes that share a log are the cluster, and have all slots"
const invalidSlot = 'ERR Invalid or out of range slot'

const changing = { ...aboutCluster, flags: ['admin', 'stale', 'no_async_loading'], complexity: 'O(1)' } as const
const refused = { ...changing, summary: 'Is refused.', handler: inCluster(refuse) } as const
const eachSlot = { ...changing, complexity: 'O(N), N the arguments', summary: 'Is refused: all slots are taken.' } as const

export const clusterChangeCommands = {
  'CLUSTER ADDSLOTS': { ...eachSlot, arity: -3, syntax: 'slot [slot ...]', handler: inCluster(addSlots) },
  'CLUSTER ADDSLOTSRANGE': {
    ...eachSlot,
    arity: -4,
    since: '7.0.0',
    syntax: 'start-slot end-slot [start-slot end-slot ...]',
    handler: inCluster(addSlots),
  },
  'CLUSTER BUMPEPOCH': { ...changing, arity: 2, syntax: '', summary: 'Returns the epoch.', handler: inCluster(bumpEpoch) },
  'CLUSTER DELSLOTS': { ...refused, arity: -3, syntax: 'slot [slot ...]' },
  'CLUSTER DELSLOTSRANGE': { ...refused, arity: -4, since: '7.0.0', syntax: 'start-slot end-slot [start-slot end-slot ...]' },
  'CLUSTER FAILOVER': {
    ...changing,
    arity: -2,
    syntax: '[FORCE | TAKEOVER]',
    summary: 'Asks the primary to hand the lead over to this replica.',
    handler: inCluster(failover),
  },
  'CLUSTER FLUSHSLOTS': { ...refused, arity: 2, syntax: '' },
  'CLUSTER FORGET': { ...refused, arity: 3, syntax: 'node-id' },
  'CLUSTER MEET': { ...refused, arity: -4, syntax: 'ip port [cluster-bus-port]' },
  'CLUSTER REPLICATE': { ...refused, arity: 3, syntax: 'node-id' },
  'CLUSTER RESET': { ...refused, flags: ['admin', 'noscript', 'stale'], arity: -2, syntax: '[HARD | SOFT]' },
  'CLUSTER SAVECONFIG': {
    ...changing,
    arity: 2,
    syntax: '',
    summary: 'Is accepted: there is nothing to save.',
    handler: inCluster(saveConfig),
  },
  'CLUSTER SET-CONFIG-EPOCH': { ...refused, arity: 3, syntax: 'config-epoch' },
  'CLUSTER SETSLOT': {
    ...refused,
    arity: -4,
    syntax: 'slot <IMPORTING node-id | MIGRATING node-id | NODE node-id | STABLE>',
  },
} as const satisfies Record<string, SessionCommand>

function refuse({ args, reply }: Session): void {
  reply.error(nothingToChange.replace('ERR', `ERR CLUSTER ${args.string(1, 'latin1').toUpperCase()}`))
}

function addSlots({ args, reply }: Session): void {
  for (let i = 2; i < args.count; i++) {
    if (args.isInt64(i) && args.integer(i) >= 0 && args.integer(i) < slotCount) continue
    reply.error(invalidSlot)
    return
  }
  reply.error(`ERR Slot ${args.integer(2)} is already busy`)
}

function bumpEpoch({ reply, server }: Session): void {
  reply.status(`STILL ${epochOf(server)}`)
}

function saveConfig({ reply }: Session): void {
  reply.ok()
}

function failover(session: Session): void {
  const { args, reply, server } = session
  if (args.count > 3) unknownOrWrongArity(session)
  else if (args.count === 3 && !args.is(2, 'FORCE') && !args.is(2, 'TAKEOVER')) reply.error(syntaxError)
  else if (server.roles.role === 'primary') reply.error('ERR You should send CLUSTER FAILOVER to a replica')
  else askPrimary(session, true)
}

/** Has the primary begin a hand-over; the reply is its own. */
export function askPrimary(session: Session, toMe: boolean): void {
  const { reply, server } = session
  const { primary } = server.roles
  if (primary === undefined || !server.roles.isLinkUp) {
    reply.error('ERR the primary is down: a replica that has applied everything claims the lead by itself')
    return
  }
  if (session.inExec || server.primary.x.inScript) {
    reply.error("ERR the primary is asked beside other work, so this isn't allowed in a transaction or a script")
    return
  }
  const answer = session.inHand.defer('uncounted')
  askForLead(server, primary, toMe).then(
    (refusal) => answer(() => (refusal === undefined ? reply.ok() : reply.error(refusal))),
    () => answer(() => reply.error(`ERR the primary, ${primary.host}:${primary.port}, cannot be reached`)),
  )
}
