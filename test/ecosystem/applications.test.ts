/** The most telling of the applications that `npm run ecosystem` tries, as part of the suite. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { ServerProcess } from '../integration/processes.ts'
import { startMoraine } from '../integration/processes.ts'
import type { Need } from '../needs.ts'
import { builtMoraine, describeWith } from '../needs.ts'
import { applications } from './applications.ts'
import { interpreterOf, packageIsInstalled, programsFolder, runProgram } from './program-run.ts'
import { failuresOf } from './table.ts'

const chosen: Readonly<Record<string, Need>> = {
  BullMQ: npmPackage('bullmq'),
  ioredis: npmPackage('ioredis'),
  'node-redis': npmPackage('redis'),
  'rate-limiter-flexible': npmPackage('rate-limiter-flexible'),
  'redis-py': { isMet: interpreterOf('redis-py.py') !== undefined, otherwise: 'python3-redis is not installed' },
}

function npmPackage(name: string): Need {
  return { isMet: packageIsInstalled(name), otherwise: `the package ${name} is not installed` }
}

for (const [name, need] of Object.entries(chosen)) {
  describeWith([builtMoraine, need], `${name} finds what it expects of Redis`, () => {
    let server: ServerProcess

    beforeAll(async () => {
      server = await startMoraine()
    })

    afterAll(async () => {
      await server.stop()
    })

    it('does all that its program asks for', async () => {
      const application = applications.find((each) => each.name === name)!
      const { program } = application
      const moraine = await runProgram(interpreterOf(program) ?? '', programsFolder, program, server.port)
      expect(failuresOf([{ application, moraine }])).toEqual([])
      expect(moraine.checks.length).toBeGreaterThan(1)
    })
  })
}
