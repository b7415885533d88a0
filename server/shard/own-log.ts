/** The log in a data directory, seen from outside of the shard: made when data come from elsewhere, looked at when they are to be used with another log. */
import { LocalLog } from '../../wal/local-log.ts'
import type { Ports } from '../ports.ts'

type LogPorts = Pick<Ports, 'files' | 'clock' | 'random'>

/** Makes an empty log that goes on behind the record `after`. */
export async function createLocalLog(
  { files, clock, random }: LogPorts,
  dataDirectory: string,
  logId: bigint,
  after: number,
  segmentBytes: number,
): Promise<void> {
  const directory = `${dataDirectory}/log`
  const log = await LocalLog.open({ files, clock, random, directory, syncPolicy: 'always', logId, firstLsn: after + 1, segmentBytes })
  await log.close()
}

/** LSN of the last record; of the one before the first in a log without any. */
export async function lastOwnRecord({ files, clock, random }: LogPorts, dataDirectory: string, logId: bigint | undefined): Promise<number> {
  const known = logId === undefined ? {} : { logId }
  const log = await LocalLog.open({ files, clock, random, directory: `${dataDirectory}/log`, syncPolicy: 'always', ...known })
  await log.close()
  return log.appended
}
