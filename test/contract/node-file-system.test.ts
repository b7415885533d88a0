import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { NodeFileSystem } from '../../storage/node-file-system.ts'
import { fileSystemSuite } from './file-system.ts'

fileSystemSuite('node', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'moraine-files-'))
  return { files: new NodeFileSystem(), directory, stop: () => rm(directory, { recursive: true }) }
})
