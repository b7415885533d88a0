import { defineConfig } from 'vitest/config'
import { testTimeoutMs } from './test/chance.ts'
import { SummaryReporter } from './test/summary-reporter.ts'

/** For what a test waits for; less than its own limit, so that it can say what it has waited for. Vitest's is a second. */
const pollTimeoutMs = 120_000

/** A file for the results, for programs to read. */
const report = process.env.MORAINE_TEST_REPORT

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    reporters: ['default', new SummaryReporter(), ...(report === undefined ? [] : [['json', { outputFile: report }] as const])],
    setupFiles: ['test/setup.ts'],
    testTimeout: testTimeoutMs,
    hookTimeout: testTimeoutMs,
    expect: { poll: { timeout: pollTimeoutMs } },
    maxWorkers: 2,
    pool: 'forks',
  },
})
