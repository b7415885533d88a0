/**
 * A scratch copy of a data directory, beside it, to be opened and thrown away. LevelDB never writes into a table that it has written, so
 * those are linked and cost nothing; all else is copied.
 */
import { copyFile, link, mkdir, readdir, rm } from 'node:fs/promises'
import { lockDirectory } from '../../../storage/directory-lock.ts'

const copied = /^(catalog-\d+\.log|node-id)$/

/** Rejects when a server uses the directory. */
export async function withScratchCopy<Result>(directory: string, work: (scratch: string) => Promise<Result>): Promise<Result> {
  const lock = await lockDirectory(directory)
  const scratch = `${directory}.rehearsal`
  try {
    await rm(scratch, { recursive: true, force: true })
    await mkdir(scratch)
    for (const name of await readdir(directory)) if (copied.test(name)) await copyFile(`${directory}/${name}`, `${scratch}/${name}`)
    await copyDirectory(directory, scratch, 'log', () => false)
    await copyDirectory(directory, scratch, 'cold', (name) => /\.(ldb|sst)$/.test(name))
    return await work(scratch)
  } finally {
    await rm(scratch, { recursive: true, force: true })
    await lock.release()
  }
}

async function copyDirectory(from: string, to: string, name: string, isFixed: (file: string) => boolean): Promise<void> {
  const files = await readdir(`${from}/${name}`).catch(() => undefined)
  if (files === undefined) return
  await mkdir(`${to}/${name}`)
  for (const file of files) {
    const [source, target] = [`${from}/${name}/${file}`, `${to}/${name}/${file}`]
    if (file === 'LOCK') continue
    if (isFixed(file)) await link(source, target).catch(() => copyFile(source, target))
    else await copyFile(source, target)
  }
}
