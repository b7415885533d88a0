/** All command tables, in one: what dispatch, COMMAND and the documents read. */
import { bitfieldCommands } from '../../engine/commands/bitfield.ts'
import { bitmapCommands } from '../../engine/commands/bitmap.ts'
import { databaseCommands } from '../../engine/commands/database.ts'
import { expireCommands } from '../../engine/commands/expire.ts'
import { hashCommands } from '../../engine/commands/hash.ts'
import { keyCommands } from '../../engine/commands/key.ts'
import { lcsCommands } from '../../engine/commands/lcs.ts'
import { objectCommands } from '../../engine/commands/object.ts'
import { scanCommands } from '../../engine/commands/scan.ts'
import { stringCommands } from '../../engine/commands/string.ts'
import { stringCounterCommands } from '../../engine/commands/string-counters.ts'
import { stringRangeCommands } from '../../engine/commands/string-ranges.ts'
import { CommandTable } from '../command-table.ts'
import { connectionCommands } from './connection.ts'
import { transactionCommands } from './transactions.ts'

export const engineTables = {
  ...stringCommands,
  ...stringCounterCommands,
  ...stringRangeCommands,
  ...lcsCommands,
  ...bitmapCommands,
  ...bitfieldCommands,
  ...hashCommands,
  ...keyCommands,
  ...expireCommands,
  ...scanCommands,
  ...objectCommands,
  ...databaseCommands,
}

export const sessionTables = { ...connectionCommands, ...transactionCommands }

export function allCommands(): CommandTable {
  return new CommandTable(engineTables, sessionTables)
}
