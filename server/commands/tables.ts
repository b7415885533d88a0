/** All command tables, in one: what dispatch, COMMAND and the documents read. */
import { bitfieldCommands } from '../../engine/commands/bitfield.ts'
import { bitmapCommands } from '../../engine/commands/bitmap.ts'
import { databaseCommands } from '../../engine/commands/database.ts'
import { expireCommands } from '../../engine/commands/expire.ts'
import { hashCommands } from '../../engine/commands/hash.ts'
import { keyCommands } from '../../engine/commands/key.ts'
import { lcsCommands } from '../../engine/commands/lcs.ts'
import { memoryUsageCommands } from '../../engine/commands/memory-usage.ts'
import { objectCommands } from '../../engine/commands/object.ts'
import { scanCommands } from '../../engine/commands/scan.ts'
import { setCommands } from '../../engine/commands/set.ts'
import { sortedSetCommands } from '../../engine/commands/sorted-set.ts'
import { stringCommands } from '../../engine/commands/string.ts'
import { stringCounterCommands } from '../../engine/commands/string-counters.ts'
import { stringRangeCommands } from '../../engine/commands/string-ranges.ts'
import { CommandTable } from '../command-table.ts'
import type { Session } from '../session.ts'
import { clientCommands } from './client.ts'
import { commandCommands } from './command.ts'
import { configCommands } from './config.ts'
import { connectionCommands } from './connection.ts'
import { latencyCommands } from './latency.ts'
import { memoryCommands } from './memory.ts'
import { observationCommands } from './observation.ts'
import { processCommands } from './process.ts'
import { savingCommands } from './saving.ts'
import { slowlogCommands } from './slowlog.ts'
import { transactionCommands } from './transactions.ts'
import { waitingCommands } from './waiting.ts'

export const engineTables = {
  ...stringCommands,
  ...stringCounterCommands,
  ...stringRangeCommands,
  ...lcsCommands,
  ...bitmapCommands,
  ...bitfieldCommands,
  ...hashCommands,
  ...setCommands,
  ...sortedSetCommands,
  ...keyCommands,
  ...expireCommands,
  ...scanCommands,
  ...objectCommands,
  ...memoryUsageCommands,
  ...databaseCommands,
}

export const sessionTables = {
  ...connectionCommands,
  ...clientCommands,
  ...commandCommands,
  ...configCommands,
  ...observationCommands,
  ...memoryCommands,
  ...slowlogCommands,
  ...latencyCommands,
  ...savingCommands,
  ...waitingCommands,
  ...processCommands,
  ...transactionCommands,
}

export function allCommands(): CommandTable<Session> {
  return new CommandTable(engineTables, sessionTables)
}
