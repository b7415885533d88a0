/** All command tables, in one: what dispatch, COMMAND and the documents read. */
import { bitfieldCommands } from '../../engine/commands/bitfield.ts'
import { bitmapCommands } from '../../engine/commands/bitmap.ts'
import { databaseCommands } from '../../engine/commands/database.ts'
import { dumpCommands } from '../../engine/commands/dump.ts'
import { expireCommands } from '../../engine/commands/expire.ts'
import { geoCommands } from '../../engine/commands/geo.ts'
import { hashCommands } from '../../engine/commands/hash.ts'
import { hyperloglogCommands } from '../../engine/commands/hyperloglog.ts'
import { keyCommands } from '../../engine/commands/key.ts'
import { lcsCommands } from '../../engine/commands/lcs.ts'
import { listCommands } from '../../engine/commands/list.ts'
import { memoryUsageCommands } from '../../engine/commands/memory-usage.ts'
import { objectCommands } from '../../engine/commands/object.ts'
import { publishCommands } from '../../engine/commands/publish.ts'
import { scanCommands } from '../../engine/commands/scan.ts'
import { setCommands } from '../../engine/commands/set.ts'
import { sortCommands } from '../../engine/commands/sort.ts'
import { sortedSetCommands } from '../../engine/commands/sorted-set.ts'
import { streamCommands } from '../../engine/commands/stream.ts'
import { stringCommands } from '../../engine/commands/string.ts'
import { stringCounterCommands } from '../../engine/commands/string-counters.ts'
import { stringRangeCommands } from '../../engine/commands/string-ranges.ts'
import { CommandTable } from '../command-table.ts'
import type { Session } from '../session.ts'
import { clientCommands } from './client.ts'
import { clientTrackingCommands } from './client-tracking.ts'
import { clusterCommands } from './cluster.ts'
import { clusterChangeCommands } from './cluster-changes.ts'
import { commandCommands } from './command.ts'
import { configCommands } from './config.ts'
import { connectionCommands } from './connection.ts'
import { functionCommands } from './functions.ts'
import { latencyCommands } from './latency.ts'
import { lolwutCommands } from './lolwut.ts'
import { memoryCommands } from './memory.ts'
import { migrateCommands } from './migrate.ts'
import { moduleCommands } from './modules.ts'
import { observationCommands } from './observation.ts'
import { processCommands } from './process.ts'
import { pubsubCommands } from './pubsub.ts'
import { replicationCommands } from './replication.ts'
import { savingCommands } from './saving.ts'
import { scriptingCommands } from './scripting.ts'
import { sentinelCommands } from './sentinel.ts'
import { shardCopyCommands } from './shard-copy.ts'
import { slowlogCommands } from './slowlog.ts'
import { synchronizationCommands } from './synchronization.ts'
import { transactionCommands } from './transactions.ts'
import { waitingCommands } from './waiting.ts'

export const engineTables = {
  ...stringCommands,
  ...stringCounterCommands,
  ...stringRangeCommands,
  ...lcsCommands,
  ...bitmapCommands,
  ...bitfieldCommands,
  ...hyperloglogCommands,
  ...hashCommands,
  ...listCommands,
  ...setCommands,
  ...sortedSetCommands,
  ...geoCommands,
  ...streamCommands,
  ...keyCommands,
  ...sortCommands,
  ...dumpCommands,
  ...expireCommands,
  ...scanCommands,
  ...objectCommands,
  ...memoryUsageCommands,
  ...databaseCommands,
  ...publishCommands,
}

export const sessionTables = {
  ...connectionCommands,
  ...clientCommands,
  ...clientTrackingCommands,
  ...commandCommands,
  ...configCommands,
  ...observationCommands,
  ...lolwutCommands,
  ...moduleCommands,
  ...replicationCommands,
  ...clusterCommands,
  ...clusterChangeCommands,
  ...sentinelCommands,
  ...memoryCommands,
  ...shardCopyCommands,
  ...slowlogCommands,
  ...synchronizationCommands,
  ...latencyCommands,
  ...savingCommands,
  ...waitingCommands,
  ...migrateCommands,
  ...processCommands,
  ...transactionCommands,
  ...pubsubCommands,
  ...scriptingCommands,
  ...functionCommands,
}

export function allCommands(): CommandTable<Session> {
  return new CommandTable(engineTables, sessionTables)
}
