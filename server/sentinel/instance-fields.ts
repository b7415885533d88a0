/** What a Sentinel tells of a master, a replica, or another Sentinel: the fields of redis-server 7.0, in its order. Links between Sentinels are not there, so what is said of them is that nothing waits. */
import type { ShardNode } from '../nodes.ts'

export type InstanceField = readonly [name: string, value: string | number]

export interface InstanceView {
  readonly nodes: readonly ShardNode[]
  readonly name: string
  readonly leaseMs: number
  readonly epoch: number
  readonly priority: number
  /** Since this node has the part, or hears of the one that has it. */
  readonly roleMs: number
  /** Whether FAILOVER is under way. */
  readonly isHandingOver: boolean
}

export function masterFields(master: ShardNode, view: InstanceView): InstanceField[] {
  const others = view.nodes.filter(({ isSelf }) => !isSelf)
  return [
    ...common(view.name, master, 'master', view, view.isHandingOver),
    ...ofServer(master, 'master', view),
    ['config-epoch', view.epoch],
    ['num-slaves', view.nodes.filter(({ role }) => role === 'replica').length],
    ['num-other-sentinels', others.length],
    ['quorum', 1],
    ['failover-timeout', view.leaseMs],
    ['parallel-syncs', view.nodes.length],
  ]
}

export function replicaFields(replica: ShardNode, master: ShardNode | undefined, view: InstanceView): InstanceField[] {
  const isLinked = !replica.isDown && master?.isDown === false
  return [
    ...common(`${replica.host}:${replica.port}`, replica, 'slave', view, false),
    ...ofServer(replica, 'slave', view),
    ['master-link-down-time', isLinked ? 0 : Math.round(Math.max(replica.silentMs, master?.silentMs ?? 0))],
    ['master-link-status', isLinked ? 'ok' : 'err'],
    ['master-host', master?.host ?? '?'],
    ['master-port', master?.port ?? 0],
    ['slave-priority', view.priority],
    ['slave-repl-offset', replica.applied],
    ['replica-announced', 1],
  ]
}

export function sentinelFields(node: ShardNode, view: InstanceView): InstanceField[] {
  return [
    ...common(node.id, node, 'sentinel', view, false),
    ['last-hello-message', Math.round(node.silentMs)],
    ['voted-leader', '?'],
    ['voted-leader-epoch', 0],
  ]
}

type Kind = 'master' | 'slave' | 'sentinel'

function common(name: string, node: ShardNode, kind: Kind, { leaseMs }: InstanceView, isHandingOver: boolean): InstanceField[] {
  const silentMs = Math.round(node.silentMs)
  const down: InstanceField[] = node.isDown ? [['s-down-time', Math.max(0, silentMs - leaseMs)]] : []
  return [
    ['name', name],
    ['ip', node.host],
    ['port', node.port],
    ['runid', node.id],
    ['flags', flagsOf(node, kind, isHandingOver)],
    ['link-pending-commands', 0],
    ['link-refcount', 1],
    ...(isHandingOver ? ([['failover-state', 'wait_promotion']] as const) : []),
    ['last-ping-sent', node.isDown ? silentMs : 0],
    ['last-ok-ping-reply', silentMs],
    ['last-ping-reply', silentMs],
    ...down,
    ...(kind === 'master' && node.isDown ? ([['o-down-time', Math.max(0, silentMs - leaseMs)]] as const) : []),
    ['down-after-milliseconds', leaseMs],
  ]
}

function flagsOf({ isDown }: ShardNode, kind: Kind, isHandingOver: boolean): string {
  const flags: string[] = isDown ? ['s_down'] : []
  if (isDown && kind === 'master') flags.push('o_down')
  flags.push(kind)
  if (isDown) flags.push('disconnected')
  if (isHandingOver) flags.push('failover_in_progress')
  return flags.join(',')
}

function ofServer(node: ShardNode, reported: 'master' | 'slave', { roleMs }: InstanceView): InstanceField[] {
  return [
    ['info-refresh', Math.round(node.silentMs)],
    ['role-reported', reported],
    ['role-reported-time', Math.round(roleMs)],
  ]
}
