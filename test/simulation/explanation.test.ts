import { describe, expect, it } from 'vitest'
import type { Server } from '../../server/server.ts'
import { testSeed } from '../chance.ts'
import { explain } from './explanation.ts'
import type { RunResult } from './simulator.ts'
import { livesOf, simulate } from './simulator.ts'

/** Makes a server that finds one byte more in every string once something has been appended. */
function miscountAfterAppend(server: Server): void {
  const { primary } = server
  const run = primary.run.bind(primary)
  let appended = false
  primary.run = (command, args, reply, ...rest) => {
    if (args.is(0, 'APPEND')) appended = true
    if (!appended || !args.is(0, 'STRLEN')) return run(command, args, reply, ...rest)
    reply.integer(1_000_000)
    return 0
  }
}

function requestsOf({ told }: RunResult): number {
  return told.filter((line) => line.startsWith('client')).length
}

/** The first run that fails, and not with its first requests. */
async function firstFailure(onServer: (server: Server) => void): Promise<RunResult> {
  for (let seed = testSeed; ; seed++) {
    const result = await simulate(seed, { onServer })
    if (result.failure !== undefined && requestsOf(result) > 4) return result
  }
}

describe('the explanation of a simulation that failed', () => {
  it('has a handful of steps', async () => {
    const failed = await firstFailure(miscountAfterAppend)
    const text = await explain(failed, miscountAfterAppend, () => true)
    expect(text).toContain(`npm run simulate -- --seed ${failed.seed} --runs 1`)
    const [, lives, steps] = /has (\d+) lives and (\d+) steps/.exec(text) ?? []
    expect([Number(lives), Number(steps) <= 3]).toEqual([1, true])
    const requests = text.split('\n').filter((line) => /^ {2}client/.test(line))
    expect(requests.some((line) => line.includes('APPEND'))).toBe(true)
    // It may be in a script.
    expect(text).toContain('STRLEN')
  })

  it('leaves a run that does not fail as it is', async () => {
    const lives = livesOf(testSeed)
    const whole = await simulate(testSeed)
    expect((await simulate(testSeed, { lives })).trace).toBe(whole.trace)
    const last = lives.filter(({ isLast }) => isLast)
    expect(last).toHaveLength(1)
    expect((await simulate(testSeed, { lives: last })).failure).toBeUndefined()
  })
})
