/**
 * `npm run ecosystem`: client libraries and applications written for Redis, unchanged, against a built Moraine and against
 * redis-server where it is installed. Prints a table of what was done and what came of it; the exit code says whether Moraine failed.
 *
 *     npm run ecosystem                          all
 *     npm run ecosystem -- --only BullMQ,celery  some
 *     npm run ecosystem -- --packages DIRECTORY  keeps npm's packages there, for the next time
 *
 * npm's packages are those of `programs/package-lock.json`, installed into a temporary directory. What is not of npm runs where
 * it is installed (on Debian: redis-tools python3-redis python3-celery ruby-redis ruby-sidekiq php-redis).
 */
import { spawnSync } from 'node:child_process'
import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import type { ServerProcess } from '../integration/processes.ts'
import { redisIsInstalled, startMoraine, startRedis } from '../integration/processes.ts'
import type { Application } from './applications.ts'
import { applications, knownGaps } from './applications.ts'
import type { ProgramRun } from './program-run.ts'
import { interpreterOf, programsFolder, runProgram } from './program-run.ts'
import type { Trial } from './table.ts'
import { failuresOf, tableOf } from './table.ts'

async function main(): Promise<number> {
  const { values } = parseArgs({ options: { only: { type: 'string' }, packages: { type: 'string' } } })
  const only = values.only?.toLowerCase().split(',')
  const chosen = applications.filter(({ name }) => only === undefined || only.includes(name.toLowerCase()))
  if (chosen.length === 0) throw new Error(`--only knows ${applications.map(({ name }) => name).join(', ')}`)
  const folder = values.packages ?? mkdtempSync(join(tmpdir(), 'moraine-ecosystem-'))
  try {
    install(folder)
    const trials: Trial[] = []
    for (const application of chosen) {
      process.stderr.write(`${application.name}…\n`)
      trials.push(await tryOut(application, folder))
    }
    return report(trials)
  } finally {
    if (values.packages === undefined) rmSync(folder, { recursive: true, force: true })
  }
}

/** The programs stand beside the packages, where they find them. */
function install(folder: string): void {
  cpSync(programsFolder, folder, { recursive: true, filter: (path) => !path.includes('node_modules') })
  const words = ['ci', '--prefix', folder, '--no-audit', '--no-fund', '--loglevel=error']
  if (spawnSync('npm', words, { stdio: 'inherit', cwd: folder }).status !== 0) throw new Error('npm could not install the packages')
}

async function tryOut(application: Application, folder: string): Promise<Trial> {
  const interpreter = interpreterOf(application.program)
  if (interpreter === undefined) return { application, missing: `needs Debian's ${application.debian}` }
  const run = (start: () => Promise<ServerProcess>): Promise<ProgramRun> => runAgainst(start, interpreter, folder, application.program)
  return { application, moraine: await run(startMoraine), redis: redisIsInstalled ? await run(startRedis) : undefined }
}

async function runAgainst(start: () => Promise<ServerProcess>, interpreter: string, folder: string, program: string): Promise<ProgramRun> {
  const server = await start()
  try {
    return await runProgram(interpreter, folder, program, server.port)
  } finally {
    await server.stop()
  }
}

function report(trials: readonly Trial[]): number {
  console.log(tableOf(trials))
  for (const [name, reason] of Object.entries(knownGaps)) console.log(`not served: ${name}: ${reason}`)
  const failures = failuresOf(trials)
  for (const failure of failures) console.log(`\nFAILED ${failure}`)
  const checks = trials.flatMap(({ moraine }) => moraine?.checks ?? [])
  console.log(`${checks.filter(({ passed }) => passed).length} of ${checks.length} checks passed, ${failures.length} failures`)
  return failures.length === 0 ? 0 : 1
}

process.exitCode = await main()
