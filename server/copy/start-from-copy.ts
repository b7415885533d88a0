/** A node that is too far behind its log finds another one that is not, and starts again from a copy of its data. */
import type { Clock } from '../../storage/clock.ts'
import type { Log } from '../logging.ts'
import { decodeClaim } from '../shard/claim.ts'
import type { Peer } from '../shard/peer.ts'
import { decodePeer } from '../shard/peer.ts'
import type { TooFarBehind } from '../shard/too-far-behind.ts'
import type { CopyTarget } from './fetch-copy.ts'
import { fetchCopy } from './fetch-copy.ts'

const retryMs = 1000

/** Resolves when the directory has a copy from which the log can be followed, or after a pause, when no node could give one: then the shard is to be opened again, to see. */
export async function startFromCopy(target: CopyTarget, behind: TooFarBehind, nodeId: string, clock: Clock, log: Log): Promise<void> {
  for (const peer of candidates(behind, nodeId)) {
    log.warn('The log begins behind this node: its data are replaced by a copy of another node', { from: `${peer.host}:${peer.port}` })
    try {
      const lsn = await fetchCopy(target, peer.host, peer.port)
      log.info('The copy is complete', { lsn })
      return
    } catch (failure) {
      log.warn('A copy could not be fetched', { from: `${peer.host}:${peer.port}`, error: failure as Error })
    }
  }
  log.warn('No other node has a copy to start from; waiting for one')
  await new Promise<void>((resolve) => clock.after(retryMs, resolve))
}

/** The primary last: it has other work. */
function candidates({ members, leader, first }: TooFarBehind, nodeId: string): Peer[] {
  const primary = leader === undefined ? undefined : decodeClaim(leader.claim)?.node
  const peers = [...members.values()].map(decodePeer).filter((peer) => peer !== undefined)
  return peers
    .filter(({ node, applied }) => node !== nodeId && applied + 1 >= first)
    .sort((a, b) => Number(a.node === primary) - Number(b.node === primary) || b.applied - a.applied)
}
