/**
 * Many short simulations, each with its own seed. MORAINE_TEST_SEED sets the first seed, MORAINE_TEST_SCALE multiplies
 * their number; `npm run simulate` goes on for as long as one likes.
 */
import { describe, expect, it } from 'vitest'
import { testRuns, testSeed } from '../chance.ts'
import { explain } from './explanation.ts'
import type { RunResult } from './simulator.ts'
import { simulate } from './simulator.ts'

const runs = testRuns(60)
const batch = 10
const firstSeed = testSeed

describe('a server that loses power again and again', () => {
  const total = { crashes: 0, crashesInRecovery: 0, checkpoints: 0, coldReads: 0, demotions: 0, records: 0, served: 0, repeated: 0 }

  async function count(result: RunResult): Promise<void> {
    if (result.failure !== undefined) throw new Error(await explain(result), { cause: result.failure })
    for (const name of Object.keys(total) as (keyof typeof total)[]) total[name] += result[name]
  }

  for (let from = 0; from < runs; from += batch) {
    const until = Math.min(runs, from + batch)
    it(`loses nothing that anybody saw: seeds ${firstSeed + from} to ${firstSeed + until - 1}`, async () => {
      for (let i = from; i < until; i++) await count(await simulate(firstSeed + i))
    })
  }

  it('was tried in the middle of everything', () => {
    expect(total.crashes).toBeGreaterThan(runs)
    for (const found of Object.values(total)) expect(found).toBeGreaterThan(0)
  })

  it('does the same for the same seed', async () => {
    const [once, again] = [await simulate(firstSeed), await simulate(firstSeed)]
    expect(again).toEqual(once)
    expect((await simulate(firstSeed + 1)).trace).not.toBe(once.trace)
  })
})
