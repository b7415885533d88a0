/**
 * A backup of a running node: a copy of its shard, in a directory that can be served. It gets its name when it is whole, so what has the
 * name is a backup. A log of its own belongs to it, with the records behind the checkpoint that make the copy one of a single moment.
 */
import { rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { NodeAddress } from '../../copy/choose-replica.ts'
import { fetchCopy } from '../../copy/fetch-copy.ts'
import type { Ports } from '../../ports.ts'
import { createLocalLog } from '../../shard/own-log.ts'

/** The log is short: segments that a server begins are as large as the settings say. */
const segmentBytes = 1024 * 1024

class BackupRefused extends Error {
  override readonly name = 'BackupRefused'
}

/** Returns the LSN of the last record that is in it. Rejects with `BackupRefused` when the directory has something in it. */
export async function makeBackup(ports: Ports, source: NodeAddress, password: string, directory: string): Promise<number> {
  const { files } = ports
  if ((await files.list(directory)).length > 0) throw new BackupRefused(`${directory} is not empty`)
  const partial = `${directory}.part`
  await rm(partial, { recursive: true, force: true })
  try {
    const lsn = await fetchCopy({ ...ports, directory: partial, password }, source.host, source.port, (logId, after, records) =>
      createLocalLog(ports, partial, logId, after, segmentBytes, records),
    )
    await files.syncDirectory(partial)
    await rename(partial, directory)
    await files.syncDirectory(dirname(directory))
    return lsn
  } catch (failure) {
    await rm(partial, { recursive: true, force: true })
    throw failure
  }
}
