import { defineConfig } from 'vitest/config'
import { testScale } from './test/chance.ts'
import { SummaryReporter } from './test/summary-reporter.ts'

/** Several times what any test takes on a slow machine: a limit only for what hangs. Random tests take longer as they make more runs. */
const timeoutMs = 600_000 * Math.max(1, testScale)
/** For what a test waits for; less than its own limit, so that it can say what it has waited for. Vitest's is a second. */
const pollTimeoutMs = 120_000

/** A file for the results, for programs to read. */
const report = process.env.MORAINE_TEST_REPORT

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    reporters: ['default', new SummaryReporter(), ...(report === undefined ? [] : [['json', { outputFile: report }] as const])],
    setupFiles: ['test/setup.ts'],
    testTimeout: timeoutMs,
    hookTimeout: timeoutMs,
    expect: { poll: { timeout: pollTimeoutMs } },
    maxWorkers: 2,
    pool: 'forks',
  },
})
