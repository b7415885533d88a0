/**
 * Fetches a copy of another node's shard into this node's directory, in the place of what is there. The catalog gets its name
 * last, when everything that it refers to is durable, so a fetch that is cut short leaves a directory without data, which is fetched anew.
 */
import { catalogGenerations, catalogPath, U48_LIMIT } from '../../storage/catalog-format.ts'
import { openCatalog } from '../../storage/catalog-reader.ts'
import type { Clock } from '../../storage/clock.ts'
import type { ColdPut, ColdStore } from '../../storage/cold-store.ts'
import type { FileSystem } from '../../storage/file-system.ts'
import type { LogRecord } from '../../wal/transaction-log.ts'
import type { Network } from '../network/network.ts'
import type { StartProgress } from '../progress.ts'
import type { RespReply } from '../resp/reply-reader.ts'
import { NodeConnection } from './node-connection.ts'
import type { CopyHead } from './shard-copies.ts'

/** A checkpoint comes before the first answer. */
const answerMsMax = 120_000

export interface CopyTarget {
  readonly network: Network
  readonly clock: Clock
  readonly files: FileSystem
  readonly progress: StartProgress
  readonly directory: string
  /** Of the node that has the copy; empty when it asks for none. */
  readonly password: string
  openColdStore(directory: string, fresh: boolean): Promise<ColdStore>
}

/** What came is not what the other node said that it would send. */
export class CopyRefused extends Error {
  override readonly name = 'CopyRefused'
}

/** Makes a log of what the copy's checkpoint, of this LSN, has behind it. */
export type TakesLog = (logId: bigint, lsn: number, records: AsyncIterable<LogRecord>) => Promise<void>

/**
 * Returns the LSN of the checkpoint that was copied; or, with the log behind it given to `takesLog`, of the last record. Rejects when the
 * other node or a disk fails, and when what came makes no sense.
 */
export async function fetchCopy(target: CopyTarget, host: string, port: number, takesLog?: TakesLog): Promise<number> {
  const connection = await NodeConnection.open(target.network, target.clock, host, port, answerMsMax)
  try {
    if (target.password !== '') await connection.ask('AUTH', target.password)
    const head = headOf(await connection.ask('SHARDCOPY', 'BEGIN'))
    await removeCatalogs(target)
    await fetchValues(target, connection, head)
    await fetchCatalog(target, connection, head)
    const logId = await requireMarker(target, head)
    if (takesLog !== undefined) await takesLog(logId, head.lsn, recordsOf(connection, head))
    await connection.ask('SHARDCOPY', 'END', `${head.id}`)
    return takesLog === undefined ? head.lsn : head.endLsn
  } finally {
    connection.close()
  }
}

function headOf(reply: RespReply): CopyHead {
  const numbers = Array.isArray(reply) ? reply.map(Number) : []
  // A node of an earlier version tells no end.
  const [id, generation, lsn, catalogBytes, valueBytes, endLsn = lsn] = numbers
  if (numbers.length < 5 || numbers.some((number) => !Number.isSafeInteger(number) || number < 0))
    throw new CopyRefused('the other node answers with no copy')
  return { id, generation, lsn, catalogBytes, valueBytes, endLsn } as CopyHead
}

/** From here on the directory has no data. */
async function removeCatalogs({ files, directory }: CopyTarget): Promise<void> {
  await files.makeDirectory(directory)
  for (const generation of await catalogGenerations(files, directory)) await files.remove(catalogPath(directory, generation))
  await files.syncDirectory(directory)
}

async function fetchValues(target: CopyTarget, connection: NodeConnection, { id, valueBytes }: CopyHead): Promise<void> {
  const shown = target.progress('copy of values', valueBytes, 'bytes')
  const store = await target.openColdStore(`${target.directory}/cold`, false)
  try {
    await store.clearFrom(1)
    let fetched = 0
    for (;;) {
      const puts = putsOf(await connection.ask('SHARDCOPY', 'VALUES', `${id}`))
      if (puts.length === 0) break
      await store.write({ puts, deletes: [] })
      fetched += puts.reduce((sum, { bytes }) => sum + bytes.length, 0)
      shown.update(Math.min(fetched, valueBytes))
    }
    await store.sync()
  } finally {
    await store.close()
  }
  shown.finish()
}

function putsOf(reply: RespReply): ColdPut[] {
  if (!Array.isArray(reply) || reply.length % 2 !== 0) throw new CopyRefused('the other node answers with no values')
  const puts: ColdPut[] = []
  for (let i = 0; i < reply.length; i += 2) {
    const id = Number(reply[i])
    const bytes = reply[i + 1]
    if (!Number.isSafeInteger(id) || id <= 0 || id >= U48_LIMIT || !Buffer.isBuffer(bytes))
      throw new CopyRefused('the other node answers with no values')
    puts.push({ id, bytes })
  }
  return puts
}

/** The catalog is whole and ends with the checkpoint that was promised. Returns which log it belongs to. */
async function requireMarker(target: CopyTarget, { generation, lsn }: CopyHead): Promise<bigint> {
  const { files, directory } = target
  const reader = await openCatalog(files, directory).catch(() => undefined)
  await reader?.close()
  if (reader?.marker.checkpointLsn === lsn && reader.end.generation === generation) return reader.marker.logId.readBigUInt64LE()
  await removeCatalogs(target)
  throw new CopyRefused('the catalog that came is damaged or has been cut short')
}

async function fetchCatalog(target: CopyTarget, connection: NodeConnection, head: CopyHead): Promise<void> {
  const { files, directory } = target
  const shown = target.progress('copy of the catalog', head.catalogBytes, 'bytes')
  const path = `${directory}/catalog-copy.tmp`
  await files.remove(path)
  const file = await files.open(path, { write: true, create: true })
  try {
    let offset = 0
    while (offset < head.catalogBytes) {
      const bytes = await connection.ask('SHARDCOPY', 'CATALOG', `${head.id}`, `${offset}`)
      if (!Buffer.isBuffer(bytes) || bytes.length === 0 || offset + bytes.length > head.catalogBytes)
        throw new CopyRefused('the other node has another catalog than it says')
      await file.write(bytes, offset)
      offset += bytes.length
      shown.update(offset)
    }
    await file.sync()
  } finally {
    await file.close()
  }
  await files.rename(path, catalogPath(directory, head.generation))
  await files.syncDirectory(directory)
  shown.finish()
}

/** The records from the checkpoint's on, without gaps, to the copy's end. */
async function* recordsOf(connection: NodeConnection, { id, lsn, endLsn }: CopyHead): AsyncGenerator<LogRecord> {
  for (let next = lsn + 1; next <= endLsn; ) {
    const reply = await connection.ask('SHARDCOPY', 'LOG', `${id}`)
    const parts = Array.isArray(reply) ? reply : []
    if (parts.length === 0) throw new CopyRefused('the log of the copy is cut short')
    for (let i = 0; i < parts.length; i += 2, next++) {
      const payload = parts[i + 1]
      if (Number(parts[i]) !== next || !Buffer.isBuffer(payload)) throw new CopyRefused('the log of the copy has a gap')
      yield { lsn: next, payload }
    }
  }
}
