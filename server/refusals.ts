/**
 * Why a request of a known command is refused now, in the order in which the reasons count: the server has failed or is loading, another
 * node leads or has the slot, a script runs, a record would be too large, memory is short. A request that may come later waits at the gate instead.
 */
import type { Arguments } from '../engine/arguments.ts'
import type { SlotCheck } from './cluster/slot-check.ts'
import type { Command } from './command-table.ts'
import type { Config } from './config/config.ts'
import { logFailed, outOfMemory } from './dispatch-errors.ts'
import type { FailStop } from './fail-stop.ts'
import { internalError } from './fail-stop.ts'
import type { Failover } from './failover.ts'
import type { GatedRequest } from './gate.ts'
import type { Roles } from './roles.ts'
import type { Scripting } from './scripting/scripting.ts'
import type { Maintenance } from './shard/maintenance.ts'
import type { UnitRequest } from './shard/primary.ts'
import type { Shard } from './shard/shard.ts'
import type { ShardSwitch } from './shard-switch.ts'

/** A request that may have to be refused. */
export interface RefusableRequest extends GatedRequest {
  readonly args: Arguments
  /** What EXEC is about to execute as one record; undefined for others. */
  readonly unit: readonly UnitRequest[] | undefined
}

/** Whose request may have to be refused. */
export interface RefusableClient {
  readonly monitoring: boolean
  /** READONLY. */
  readonly readOnly: boolean
}

/** What the reasons depend on. */
interface RefusingServer {
  readonly config: Config
  readonly failStop: FailStop
  readonly roles: Roles
  readonly failover: Failover
  readonly slotCheck: SlotCheck | undefined
  readonly scripting: Scripting
  readonly shardSwitch: ShardSwitch
  /** Undefined while loading. */
  readonly shard: Shard | undefined
  readonly maintenance: Maintenance
  readonly logFailure: Error | undefined
}

const loadingText = 'LOADING Redis is loading the dataset in memory'

export class Refusals {
  readonly #server: RefusingServer

  constructor(server: RefusingServer) {
    this.#server = server
  }

  /** Why commands that write are refused; undefined when they are not. */
  get ofWrites(): string | undefined {
    const { logFailure, roles } = this.#server
    return logFailure === undefined ? roles.writeRefusal : logFailed(logFailure)
  }

  /** Whether commands that need memory are refused. Only asked when the server has loaded. */
  get forMemory(): boolean {
    const { shard, config } = this.#server
    return (shard as Shard).budget.isExhausted && config.values['maxmemory-policy'] === 'noeviction'
  }

  /** Why a request may not run, or be queued if it `queues`; undefined when it may. */
  of(request: RefusableRequest, queues: boolean, client: RefusableClient): string | undefined {
    const { command, unit } = request
    const server = this.#server
    const { shard } = server
    if (server.failStop.failure !== undefined) return internalError
    if (client.monitoring && (command.isWrite || command.isRead)) return "ERR Replica can't interact with the keyspace"
    if (shard === undefined) return this.#withoutShard(command)
    const misplaced = server.slotCheck?.refusal(request, client.readOnly) ?? (request.writes ? this.ofWrites : undefined)
    // While the lead goes to another node all requests wait at the gate, and are asked again.
    if (misplaced !== undefined) return server.failover.state === 'failover-in-progress' ? undefined : misplaced
    if (!command.whileBusy && server.scripting.busyText !== undefined) return server.scripting.busyText
    const unitRefusal = unit === undefined ? undefined : shard.primary.unitRefusal(unit)
    if (unitRefusal !== undefined) return unitRefusal
    const { trouble } = server.maintenance
    if (!queues && shard.budget.isShort && request.wantsMemory && trouble.refuses) return trouble.refusal
    // What is queued for a transaction could not be executed either. What has been made for a request is no reason to refuse it.
    if ((queues || (request.wantsMemory && !request.holdsMemory)) && this.forMemory) return outOfMemory
    return undefined
  }

  #withoutShard(command: Command): string | undefined {
    const { shardSwitch } = this.#server
    // While a shard takes another one's place the gate lets nothing through.
    if (shardSwitch.isRunning || (command.whileLoading && needsNoShard(command))) return undefined
    const { failure } = shardSwitch
    return failure === undefined ? loadingText : `MISCONF ${closedText(failure)}`
  }
}

/** What to tell of a shard that was closed and could not be opened again. */
export function closedText(failure: Error): string {
  return `The data could not be opened again: ${failure.message}`
}

/** EXEC and what looks at keys have to wait for them. */
function needsNoShard(command: Command): boolean {
  return command.serves !== undefined && !command.hasKeys && !command.executesQueue
}
