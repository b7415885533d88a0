/**
 * What a node of a cluster asks of a request before it runs it: that its keys are in one slot, and that this node serves it. There is
 * one shard, which has all slots, so that the primary serves everything, and a replica what reads for those who have
 * sent READONLY. The rules and texts are those of Redis's cluster specification.
 */
import type { Arguments } from '../../engine/arguments.ts'
import { keySlot } from '../../engine/slot.ts'
import { keysOf } from '../command-keys.ts'
import type { Command } from '../command-table.ts'
import type { Config } from '../config/config.ts'
import type { Roles } from '../roles.ts'
import { endpointOf } from './endpoint.ts'

const crossSlot = "CROSSSLOT Keys in request don't hash to the same slot"
const isDown = 'CLUSTERDOWN The cluster is down'
const nonLocal = 'ERR Script attempted to access a non local key in a cluster node'
const downInScript = 'ERR Script attempted to execute a command while the cluster is down'
const otherSlot = 'ERR Script attempted to access keys that do not hash to the same slot'

const noSlot = -1
const severalSlots = -2

/** Messages to shard channels reach the subscribers of the node that they are sent to, whatever its part. */
const onShardChannels = new Set(['ssubscribe', 'sunsubscribe', 'spublish'])

/** A request, or several that EXEC is about to execute as one. */
export interface SlottedRequest {
  readonly command: Command
  readonly args: Arguments
  readonly unit: readonly { readonly command: Command; readonly args: Arguments }[] | undefined
}

/** -1 until the script has named a key. */
export interface ScriptSlot {
  of: number
}

export class SlotCheck {
  readonly #config: Config
  readonly #roles: Roles
  readonly #nodeId: () => string

  /** `nodeId` is asked when there is one. */
  constructor(config: Config, roles: Roles, nodeId: () => string) {
    this.#config = config
    this.#roles = roles
    this.#nodeId = nodeId
  }

  /** Why a request may not run, or be queued, here; undefined when it may. `readOnly`: its client has sent READONLY. */
  refusal({ command, args, unit }: SlottedRequest, readOnly: boolean): string | undefined {
    if (unit === undefined) {
      if (command.spec.keys.access.length === 0 || (this.#servesAll && hasOneKey(command))) return undefined
      return this.#answer(slotOf(command, args), command.isWrite, readOnly || onShardChannels.has(command.name))
    }
    let slot = noSlot
    for (const each of unit) slot = joined(slot, slotOf(each.command, each.args))
    return this.#answer(
      slot,
      unit.some((each) => each.command.isWrite),
      readOnly,
    )
  }

  /** Why a script may not have a command executed; undefined when it may. `own`: the slot of its keys, if they must be in one. */
  refusalInScript(command: Command, args: Arguments, readOnly: boolean, own: ScriptSlot | undefined): string | undefined {
    if (command.spec.keys.access.length === 0) return undefined
    const slot = slotOf(command, args)
    const refusal = this.#answer(slot, command.isWrite, readOnly)
    if (refusal !== undefined) return refusal === isDown ? downInScript : nonLocal
    if (own === undefined || slot === noSlot) return undefined
    if (own.of === noSlot) own.of = slot
    return slot === own.of ? undefined : otherSlot
  }

  get #servesAll(): boolean {
    return this.#roles.role === 'primary'
  }

  #answer(slot: number, writes: boolean, readOnly: boolean): string | undefined {
    if (slot === noSlot) return undefined
    if (slot === severalSlots) return crossSlot
    if (this.#servesAll || (readOnly && !writes)) return undefined
    const { primary, isLinkUp } = this.#roles
    if (primary === undefined || primary.node === this.#nodeId() || !isLinkUp) return isDown
    const type = this.#config.values['cluster-preferred-endpoint-type']
    return `MOVED ${slot} ${endpointOf(primary, type)}:${primary.port}`
  }
}

/** Whether a refusal tells where to go: EXEC returns it as it is. */
export function isRedirection(text: string): boolean {
  return text.startsWith('MOVED ') || text === crossSlot || text === isDown
}

/** The slot of the request's keys: -1 when it has none, -2 when they are in several. */
export function slotOf(command: Command, args: Arguments): number {
  let slot = noSlot
  for (const { index } of keysOf(command, args, 0) ?? []) slot = joined(slot, keySlot(args.buffer, args.start(index), args.end(index)))
  return slot
}

/** The slot of the keys that the arguments of EVAL or FCALL declare: they are all in one. */
export function declaredSlot(given: Arguments): number {
  return given.integer(2) > 0 ? keySlot(given.buffer, given.start(3), given.end(3)) : noSlot
}

function joined(slot: number, other: number): number {
  if (slot === noSlot || slot === other) return other
  return other === noSlot ? slot : severalSlots
}

function hasOneKey({ spec }: Command): boolean {
  const [only, ...others] = spec.keys.access
  return (
    only !== undefined &&
    others.length === 0 &&
    only.last === 0 &&
    only.numberAt === undefined &&
    only.keyword === undefined &&
    only.limit === undefined &&
    only.isUnknown !== true
  )
}
