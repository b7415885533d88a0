/** The log in a data directory, seen from outside of the shard: made when data come from elsewhere, looked at when they are to be used with another log. */
import { LocalLog } from '../../wal/local-log.ts'
import type { LogRecord, TransactionLog } from '../../wal/transaction-log.ts'
import type { Ports } from '../ports.ts'

type LogPorts = Pick<Ports, 'files' | 'clock' | 'random'>

/** Bytes that may wait to be written. */
const pendingBytesMax = 1024 * 1024

/** Makes a log that goes on behind the record `after`, with these records in it. */
export async function createLocalLog(
  { files, clock, random }: LogPorts,
  dataDirectory: string,
  logId: bigint,
  after: number,
  segmentBytes: number,
  records?: AsyncIterable<LogRecord>,
): Promise<void> {
  const directory = `${dataDirectory}/log`
  const log = await LocalLog.open({ files, clock, random, directory, syncPolicy: 'always', logId, firstLsn: after + 1, segmentBytes })
  try {
    for await (const { payload } of records ?? []) {
      log.append(payload, 0, payload.length)
      if (log.pendingBytes < pendingBytesMax) continue
      await allCommitted(log)
    }
  } finally {
    await log.close()
  }
}

function allCommitted(log: LocalLog): Promise<void> {
  return new Promise((resolve, reject) => {
    log.onFailed = reject
    log.onCommitted = (committed) => {
      if (committed === log.appended) resolve()
      else log.flush()
    }
    log.flush()
  })
}

/**
 * Whether another log has all records of the directory's own log that lie behind `after`: the same bytes under the same numbers, as a backup of a
 * node has them that shares its log.
 */
export async function ownRecordsAreIn(
  { files, clock, random }: LogPorts,
  dataDirectory: string,
  logId: bigint | undefined,
  after: number,
  other: TransactionLog,
): Promise<boolean> {
  const known = logId === undefined ? {} : { logId }
  const log = await LocalLog.open({ files, clock, random, directory: `${dataDirectory}/log`, syncPolicy: 'always', ...known })
  const { committed } = log
  const others = recordsBetween(other, after, committed)
  try {
    if (log.first > after + 1 || other.first > after + 1 || other.committed < committed) return committed <= after
    for await (const { payload } of recordsBetween(log, after, committed)) {
      const { value } = await others.next()
      if (!Buffer.isBuffer(value?.payload) || !payload.equals(value.payload)) return false
    }
    return true
  } finally {
    await others.return(undefined)
    await log.close()
  }
}

async function* recordsBetween(log: TransactionLog, after: number, last: number): AsyncGenerator<LogRecord, undefined> {
  if (after >= last) return undefined
  for await (const { records } of log.read(after)) {
    for (const record of records) {
      if (record.lsn <= last) yield record
      if (record.lsn >= last) return undefined
    }
  }
  return undefined
}

/** LSN of the last record; of the one before the first in a log without any. */
export async function lastOwnRecord({ files, clock, random }: LogPorts, dataDirectory: string, logId: bigint | undefined): Promise<number> {
  const known = logId === undefined ? {} : { logId }
  const log = await LocalLog.open({ files, clock, random, directory: `${dataDirectory}/log`, syncPolicy: 'always', ...known })
  await log.close()
  return log.appended
}
