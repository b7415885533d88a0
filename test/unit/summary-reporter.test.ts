import { describe, expect, it } from 'vitest'
import type { TestCase } from 'vitest/node'
import { replayCommand } from '../chance.ts'
import { summaryOf } from '../summary-reporter.ts'

function module(path: string, passed: boolean, skipped: readonly string[] = []): Parameters<typeof summaryOf>[0][number] {
  const tests = skipped.map((fullName) => ({ fullName, result: () => ({ state: 'skipped' }) }) as TestCase)
  return {
    relativeModuleId: path,
    ok: () => passed,
    children: { allTests: (state: string) => (state === 'skipped' ? tests : []) },
  } as unknown as Parameters<typeof summaryOf>[0][number]
}

describe('the summary of a test run', () => {
  it('is silent when there is nothing to tell', () => {
    expect(summaryOf([module('test/unit/a.test.ts', true)])).toEqual([])
  })

  it('names the command that repeats each file with a failure', () => {
    const lines = summaryOf([module('test/unit/a.test.ts', true), module('test/unit/b.test.ts', false)])
    expect(lines).toEqual([`replay: ${replayCommand('test/unit/b.test.ts')}`])
    expect(lines[0]).toMatch(/^replay: MORAINE_TEST_SEED=\d+ (MORAINE_TEST_SCALE=\S+ )?npx vitest run test\/unit\/b\.test\.ts$/)
  })

  it('counts skipped tests by their reason, and says so when none is given', () => {
    const lines = summaryOf([
      module('a.test.ts', true, ['glob (skipped: redis-server is not installed) > agrees', 'alone > works']),
      module('b.test.ts', true, ['bits (skipped: redis-server is not installed) > agree']),
    ])
    expect(lines).toEqual(['skipped: 1 test: no reason is given for "alone > works"', 'skipped: 2 tests: redis-server is not installed'])
  })
})
