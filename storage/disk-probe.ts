/**
 * Asks a disk whether it works again, before anything is risked on it: a small file is made, written, synced, renamed and
 * removed, which is all that a database does to open.
 */
import { open, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'

const probeBytes = 4096
/** LevelDB takes such files for its own leftovers and removes them when it is opened. */
const probeName = '000000.dbtmp'
const renamedName = '000001.dbtmp'

/** Rejects with the system's error if one of the steps fails. */
export async function probeDirectory(directory: string): Promise<void> {
  const path = join(directory, probeName)
  const renamed = join(directory, renamedName)
  const file = await open(path, 'w')
  try {
    await file.write(Buffer.alloc(probeBytes), 0, probeBytes, 0)
    await file.datasync()
  } finally {
    await file.close()
  }
  await rename(path, renamed)
  await rm(renamed)
  const handle = await open(directory, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
