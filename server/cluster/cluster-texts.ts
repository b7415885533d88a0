/** What CLUSTER NODES and CLUSTER INFO print, in the form of Redis's cluster specification. There is no bus, so its port is 0 and its messages are none. */
import { slotCount } from '../../engine/slot.ts'
import type { ShardNode } from '../nodes.ts'

/** One node's line, without its end. `heardWallMs`: when it was heard, 0 for this node. */
export function nodeLine(node: ShardNode, primaryId: string | undefined, epoch: number, nowWallMs: number): string {
  const isPrimary = node.role === 'primary'
  const flags = [...(node.isSelf ? ['myself'] : []), isPrimary ? 'master' : 'slave', ...(node.isDown ? ['fail'] : [])].join(',')
  const heard = node.isSelf ? 0 : Math.round(nowWallMs - node.silentMs)
  const link = node.isDown ? 'disconnected' : 'connected'
  const slots = isPrimary ? ` 0-${slotCount - 1}` : ''
  return `${node.id} ${node.host}:${node.port}@0${node.hostname === '' ? '' : `,${node.hostname}`} ${flags} ${isPrimary ? '-' : (primaryId ?? '-')} 0 ${heard} ${epoch} ${link}${slots}`
}

export function infoText(nodes: readonly ShardNode[], epoch: number): string {
  const isOk = nodes.some(({ role, isDown }) => role === 'primary' && !isDown)
  const lines = [
    `cluster_state:${isOk ? 'ok' : 'fail'}`,
    `cluster_slots_assigned:${slotCount}`,
    `cluster_slots_ok:${isOk ? slotCount : 0}`,
    'cluster_slots_pfail:0',
    `cluster_slots_fail:${isOk ? 0 : slotCount}`,
    `cluster_known_nodes:${nodes.length}`,
    'cluster_size:1',
    `cluster_current_epoch:${epoch}`,
    `cluster_my_epoch:${epoch}`,
    'cluster_stats_messages_sent:0',
    'cluster_stats_messages_received:0',
    'total_cluster_links_buffer_limit_exceeded:0',
  ]
  return lines.map((line) => `${line}\r\n`).join('')
}
