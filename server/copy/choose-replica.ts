/** Finds a replica that has what its primary had when it was asked, so that it can be copied in the primary's place. */
import type { Clock } from '../../storage/clock.ts'
import type { Network } from '../network/network.ts'
import type { RespReply } from '../resp/reply-reader.ts'
import { NodeConnection } from './node-connection.ts'

const answerMsMax = 5000
const patienceMs = 30_000
const pauseMs = 200

export interface NodeAddress {
  readonly host: string
  readonly port: number
}

export interface NodesToAsk {
  readonly network: Network
  readonly clock: Clock
  /** Of all nodes; empty when they ask for none. */
  readonly password: string
}

/** `node` itself if it is a replica and has caught up with its primary, else one of its own. Rejects when there is none in half a minute. */
export async function chooseReplica(nodes: NodesToAsk, node: NodeAddress): Promise<NodeAddress> {
  const { clock } = nodes
  const primary = primaryOf(await roleOf(nodes, node)) ?? node
  const untilMs = clock.monotonicMs() + patienceMs
  const wanted = offsetOf(await roleOf(nodes, primary))
  for (;;) {
    const known = replicasOf(await roleOf(nodes, primary))
    const given = known.filter(({ host, port }) => host === node.host && port === node.port)
    for (const replica of given.length > 0 ? given : known) {
      const role = await roleOf(nodes, replica).catch(() => undefined)
      if (role?.[0] === 'slave' && role[3] === 'connected' && Number(role[4]) >= wanted) return replica
    }
    if (clock.monotonicMs() > untilMs)
      throw new Error(known.length === 0 ? 'the node has no replicas' : 'no replica has caught up with its primary')
    await new Promise<void>((resolve) => clock.after(pauseMs, resolve))
  }
}

type Role = readonly (string | RespReply)[]

async function roleOf({ network, clock, password }: NodesToAsk, { host, port }: NodeAddress): Promise<Role> {
  const connection = await NodeConnection.open(network, clock, host, port, answerMsMax)
  try {
    if (password !== '') await connection.ask('AUTH', password)
    const reply = await connection.ask('ROLE')
    if (!Array.isArray(reply)) throw new Error(`${host}:${port} does not tell its role`)
    return reply.map((each: RespReply) => (Buffer.isBuffer(each) ? each.toString() : each))
  } finally {
    connection.close()
  }
}

function primaryOf(role: Role): NodeAddress | undefined {
  return role[0] === 'slave' ? { host: `${role[1]}`, port: Number(role[2]) } : undefined
}

/** Of a primary. */
function offsetOf(role: Role): number {
  if (role[0] !== 'master') throw new Error('the primary has changed: try again')
  return Number(role[1])
}

function replicasOf(role: Role): NodeAddress[] {
  const list = role[2]
  if (role[0] !== 'master' || !Array.isArray(list)) return []
  return list.flatMap((each: RespReply) => (Array.isArray(each) ? [{ host: `${each[0]}`, port: Number(each[1]) }] : []))
}
