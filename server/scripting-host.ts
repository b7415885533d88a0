/** What scripts reach of the server, and how they keep it from other work meanwhile. */
import type { Clock } from '../storage/clock.ts'
import type { SlotCheck } from './cluster/slot-check.ts'
import type { CommandTable } from './command-table.ts'
import type { Config } from './config/config.ts'
import type { FailStop } from './fail-stop.ts'
import type { Gate } from './gate.ts'
import type { Log } from './logging.ts'
import type { Turn } from './network/turn.ts'
import type { Refusals } from './refusals.ts'
import type { ScriptingHost } from './scripting/scripting.ts'
import type { Maintenance } from './shard/maintenance.ts'
import type { Primary } from './shard/primary.ts'
import type { Shard } from './shard/shard.ts'

interface Parts {
  readonly commands: CommandTable
  readonly clock: Clock
  readonly log: Log
  readonly gate: Gate
  readonly turn: Turn
  readonly config: Config
  readonly primary: Primary
  readonly shard: Shard | undefined
  readonly maintenance: Maintenance
  readonly failStop: FailStop
  readonly refusals: Refusals
  readonly slotCheck: SlotCheck | undefined
}

export function scriptingHost(server: Parts): ScriptingHost {
  return {
    commands: server.commands,
    clock: server.clock,
    log: server.log,
    gate: server.gate,
    get primary() {
      return server.primary
    },
    get writeRefusal() {
      return server.refusals.ofWrites
    },
    slotCheck: server.slotCheck,
    get refusesForMemory() {
      return server.refusals.forMemory
    },
    get busyThresholdMs() {
      return Number(server.config.values['busy-reply-threshold'])
    },
    get memoryBytesMax() {
      return Number(server.config.values['script-max-memory'])
    },
    giveUpChanges: () => server.maintenance.giveUpChanges(),
    holdRecord: () => server.maintenance.holdRecord(),
    beginTurn: () => server.turn.begin(),
    settle: () => server.shard?.tier.settle(),
    broke: (failure) => server.failStop.stop(failure),
  }
}
