/** A build of the program some of whose modules can be reached from outside, for tests that change what these do. */
import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import type { Program } from './processes.ts'

const run = promisify(execFile)
const dist = fileURLToPath(new URL('../../dist/', import.meta.url))
const builder = fileURLToPath(new URL('../../server/tools/build.mjs', import.meta.url))

export interface ProgramVariant extends Program {
  remove(): Promise<void>
}

/** `preload` runs first, and finds `modules` at the URL that MORAINE_TEST_PROGRAM is; they are named as the build takes them. */
export async function programVariant(preload: URL, modules: readonly string[]): Promise<ProgramVariant> {
  const folder = await mkdtemp(join(dist, 'variant-'))
  await run(process.execPath, [builder, folder, ...modules])
  return {
    main: join(folder, 'moraine.cjs'),
    environment: {
      NODE_OPTIONS: `--import=${preload.href}`,
      MORAINE_TEST_PROGRAM: `${pathToFileURL(folder).href}/`,
    },
    remove: () => rm(folder, { recursive: true, force: true }),
  }
}
