import { constants } from 'node:fs'
import { mkdtemp, readdir, readFile, readlink, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { NodeFileSystem } from '../../storage/node-file-system.ts'
import { fileSystemSuite } from './file-system.ts'

fileSystemSuite('node', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'moraine-files-'))
  return { files: new NodeFileSystem(), directory, stop: () => rm(directory, { recursive: true }) }
})

it('opens durable files with O_DSYNC, and only these', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'moraine-files-'))
  const files = new NodeFileSystem()
  for (const durable of [true, false]) {
    const file = await files.open(`${directory}/${durable}`, { write: true, create: true, durable })
    const flags: number[] = []
    for (const descriptor of await readdir('/proc/self/fd')) {
      const target = await readlink(`/proc/self/fd/${descriptor}`).catch(() => '')
      if (target !== `${directory}/${durable}`) continue
      const info = await readFile(`/proc/self/fdinfo/${descriptor}`, 'latin1')
      flags.push(Number.parseInt(/flags:\s*(\d+)/.exec(info)![1]!, 8))
    }
    expect(flags).toHaveLength(1)
    expect((flags[0]! & constants.O_DSYNC) !== 0).toBe(durable)
    await file.close()
  }
  await rm(directory, { recursive: true })
})
