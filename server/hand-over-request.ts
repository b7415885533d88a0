/** A replica asks the primary to hand the lead over to it: CLUSTER FAILOVER and SENTINEL FAILOVER are sent to whoever is at hand, and FAILOVER goes to the primary. */
import type { Clock } from '../storage/clock.ts'
import type { Config } from './config/config.ts'
import { TargetConnection } from './migrate/target-connection.ts'
import type { Ports } from './ports.ts'

const timeoutMs = 2000

export interface AskingNode {
  readonly clock: Clock
  readonly config: Config
  readonly ports: Pick<Ports, 'network'>
  readonly announced: { readonly host: string; readonly port: number }
}

/** Resolves to the primary's refusal, undefined when it has begun. Rejects when it cannot be asked. `toMe`: this node is to lead, not whichever is furthest. */
export async function askForLead(
  { clock, config, ports, announced }: AskingNode,
  primary: { readonly host: string; readonly port: number },
  toMe: boolean,
): Promise<string | undefined> {
  const connection = await TargetConnection.open(ports.network, clock, primary.host, primary.port, timeoutMs)
  try {
    const password = config.values.requirepass
    if (password !== '') {
      await connection.write([request('AUTH', password)])
      const reply = await connection.line()
      if (reply !== '+OK') return reply.slice(1)
    }
    await connection.write([toMe ? request('FAILOVER', 'TO', announced.host, `${announced.port}`) : request('FAILOVER')])
    const reply = await connection.line()
    return reply === '+OK' ? undefined : reply.slice(1)
  } finally {
    connection.close()
  }
}

function request(...words: readonly string[]): Buffer {
  return Buffer.from(`*${words.length}\r\n${words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`).join('')}`)
}
