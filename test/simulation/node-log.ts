/**
 * What a node may meet in the log that it shares, and `openSimulatedLog` leaves out: the head of the log goes when a primary trims it, and a
 * node of a newer version writes records of a kind that older ones do not know.
 *
 * Version 0 is the present one. A later one has a record kind of its own, a record of a later version with what the present one has in it, and knows
 * the kinds of those before it.
 */
import { recordVersion } from '../../engine/mutation/operations.ts'
import type { KnownLog } from '../../server/ports.ts'
import type { LogBatch, LogRecord, TransactionLog } from '../../wal/transaction-log.ts'
import { LogTrimmed } from '../../wal/transaction-log.ts'
import type { ProcessClock } from './event-loop.ts'
import type { LogLink } from './log-link.ts'
import type { LogEngine } from './shared-log-engine.ts'
import { openSimulatedLog } from './simulated-shared-log.ts'

/** Of so many records that a newer node writes one is of its own kind: the others are read by everybody. */
const newKindEvery = 5
/** Who trims waits so long for an answer. */
const trimMs = 500

/** The log as a process of that version has it. */
export async function openNodeLog(
  engine: LogEngine,
  link: LogLink,
  clock: ProcessClock,
  known: KnownLog,
  version: number,
): Promise<TransactionLog> {
  const log = trimmable(await openSimulatedLog(engine, link, clock, known), engine, link, clock)
  return version > 0 ? newer(log, version) : present(log, engine)
}

/** From which version on nodes know the record. */
export function versionOf({ payload }: LogRecord): number {
  return payload[0]! - recordVersion
}

function trimmable(log: TransactionLog, engine: LogEngine, link: LogLink, clock: ProcessClock): TransactionLog {
  // A node knows what the log began with when it was opened, and what it has trimmed itself since.
  let { first } = engine
  Object.defineProperty(log, 'first', { get: () => first })
  const read = log.read.bind(log)
  log.read = (after, signal) => readUntrimmed(engine, read(after, signal))
  log.trim = (upTo) =>
    new Promise((resolve, reject) => {
      link.ask(
        clock,
        () => engine.trim(upTo),
        (now) => {
          first = now
          resolve()
        },
      )
      clock.after(trimMs, () => reject(new Error('the log does not answer')))
    })
  return log
}

async function* readUntrimmed(engine: LogEngine, batches: AsyncIterable<LogBatch>): AsyncGenerator<LogBatch> {
  for await (const batch of batches) {
    const next = batch.records[0]?.lsn
    if (next !== undefined && next < engine.first) throw new LogTrimmed(next, engine.first)
    yield batch
  }
}

/** Once there are records of a newer kind the leader's checksum is of what it takes them for, and a node may have them by a copy: it compares no more. */
function present(log: TransactionLog, engine: LogEngine): TransactionLog {
  let hasNewer = engine.entries.some(({ records }) => records.some(isNewer))
  engine.watch(({ records }) => {
    hasNewer ||= records.some(isNewer)
  })
  const read = log.read.bind(log)
  log.read = async function* (after, signal) {
    for await (const batch of read(after, signal)) yield hasNewer ? { ...batch, checksum: undefined } : batch
  }
  return log
}

function isNewer(record: LogRecord): boolean {
  return versionOf(record) > 0
}

function newer(log: TransactionLog, version: number): TransactionLog {
  const append = log.append.bind(log)
  log.append = (payload, start, end, references) => {
    if ((log.appended + 1) % newKindEvery !== 0) return append(payload, start, end, references)
    payload[start] = recordVersion + version
    const lsn = append(payload, start, end, references)
    payload[start] = recordVersion
    return lsn
  }
  const read = log.read.bind(log)
  log.read = (after, signal) => readNewer(read(after, signal), version)
  return log
}

/** The leader's checksum is one of the bytes in the log, and not of what a record is taken for here: it is not compared. */
async function* readNewer(batches: AsyncIterable<LogBatch>, version: number): AsyncGenerator<LogBatch> {
  for await (const batch of batches) {
    yield { ...batch, records: batch.records.map((record) => asKnown(record, version)), checksum: undefined }
  }
}

function asKnown(record: LogRecord, version: number): LogRecord {
  const from = versionOf(record)
  if (from === 0 || from > version) return record
  const payload = Buffer.from(record.payload)
  payload[0] = recordVersion
  return { ...record, payload }
}
