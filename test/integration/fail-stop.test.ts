/** A real process that meets a broken invariant: it tells its client, says why with the stack, and ends with a code of its own. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest'
import { failStopExitCode, internalError } from '../../server/fail-stop.ts'
import { builtMoraine, describeWith } from '../needs.ts'
import type { ServerProcess } from './processes.ts'
import { startMoraine, startMoraineWith } from './processes.ts'
import type { ProgramVariant } from './program-variant.ts'
import { programVariant } from './program-variant.ts'

const spoilt = ['engine/commands/string', 'engine/commands/string-ranges', 'engine/commands/lcs']

describeWith([builtMoraine], 'a process that meets a broken invariant', () => {
  let broken: ProgramVariant
  let directory: string
  let server: ServerProcess | undefined

  beforeAll(async () => {
    broken = await programVariant(new URL('./broken-invariants.mjs', import.meta.url), spoilt)
  })

  afterAll(() => broken?.remove())

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'moraine-fail-stop-'))
  })

  afterEach(async () => {
    await server?.stop()
    await rm(directory, { recursive: true, force: true })
  })

  function client(): Redis {
    const made = new Redis((server as ServerProcess).port, { retryStrategy: () => null, maxRetriesPerRequest: 0 })
    made.on('error', () => undefined)
    return made
  }

  for (const [where, words, told] of [
    ['in a request', ['GETSET', 'broken', '1'], internalError],
    ['in a timer', ['STRLEN', 'k'], 0],
    ['in a promise', ['LCS', 'k', 'l'], 0],
  ] as const) {
    it(`${where} ends with a code of its own and starts again with all that was acknowledged`, async () => {
      server = await startMoraineWith(broken, '--dir', directory)
      const writer = client()
      for (let i = 0; i < 100; i++) await writer.set(`k${i}`, `${i}`)
      const [name, ...rest] = words
      const answer = await writer.call(name, ...rest).catch((failure: Error) => failure.message)
      expect(answer).toBe(told)
      expect(await server.exited).toBe(failStopExitCode)
      writer.disconnect()
      const said = server.lines.find((line) => line.includes('Internal error'))
      expect(JSON.parse(said ?? '{}')).toMatchObject({
        level: 50,
        msg: expect.stringContaining('the server stops'),
        error: { message: 'an invariant is broken', stack: expect.stringMatching(/broken-invariants\.mjs:\d+/) },
      })

      server = await startMoraine('--dir', directory)
      const reader = client()
      expect(await reader.dbsize()).toBe(100)
      expect(await reader.mget('k0', 'k99', 'broken')).toEqual(['0', '99', null])
      reader.disconnect()
    })
  }
})
