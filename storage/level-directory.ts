/**
 * The directory of a LevelDB database, seen from outside: which files are its own, which logs it has, whether it is safe
 * to open, and how to empty it. LevelDB itself would start an empty database over tables whose CURRENT file was lost,
 * and then remove those tables; so that is refused here.
 */
import { mkdir, open, readdir, rm, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import { ColdStoreUnusable } from './level-failure.ts'

const LEVEL_FILE = /^(CURRENT|LOCK|LOG|LOG\.old|MANIFEST-\d+|\d+\.(log|ldb|sst|dbtmp))$/
const TABLE_FILE = /^\d+\.(ldb|sst)$/
const LOG_FILE = /^(\d+)\.log$/

/** Makes the directory if it is missing. Throws `ColdStoreUnusable` if it holds something else, or tables without a CURRENT file. */
export async function prepareLevelDirectory(directory: string): Promise<void> {
  await mkdir(directory, { recursive: true })
  const names = await readdir(directory)
  if (names.includes('CURRENT')) return
  const stranger = names.find((name) => !LEVEL_FILE.test(name))
  if (stranger !== undefined) throw new ColdStoreUnusable(directory, 'foreign', `holds '${stranger}', which is not part of a cold store`)
  if (names.some((name) => TABLE_FILE.test(name))) throw new ColdStoreUnusable(directory, 'corrupt', 'has tables but no CURRENT file')
}

/** Numbers of the write-ahead logs in the directory, ascending; the last is the one being written. */
export async function levelLogNumbers(directory: string): Promise<number[]> {
  const numbers: number[] = []
  for (const name of await readdir(directory)) {
    const match = LOG_FILE.exec(name)
    if (match !== null) numbers.push(Number(match[1]))
  }
  return numbers.sort((a, b) => a - b)
}

/**
 * Removes a cold store that is not open, whatever state it is in, durably; other files in the directory stay. CURRENT goes
 * last, so that a crash halfway leaves a directory that `LevelColdStore.open` refuses rather than half a store.
 */
export async function wipeLevelDirectory(directory: string): Promise<void> {
  await mkdir(directory, { recursive: true })
  const names = (await readdir(directory)).filter((name) => LEVEL_FILE.test(name))
  for (const name of names) if (name !== 'CURRENT') await rm(join(directory, name), { force: true })
  await rm(join(directory, 'CURRENT'), { force: true })
  const handle = await open(directory, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** Bytes that can still be written to the disk under the directory. */
export async function freeDiskBytes(directory: string): Promise<number> {
  const { bavail, bsize } = await statfs(directory)
  return bavail * bsize
}
