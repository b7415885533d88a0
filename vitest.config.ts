import { defineConfig } from 'vitest/config'
import { testTimeoutMs } from './test/chance.ts'
import { SummaryReporter } from './test/summary-reporter.ts'

/** A file for the results, for programs to read. */
const report = process.env.MORAINE_TEST_REPORT

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    reporters: ['default', new SummaryReporter(), ...(report === undefined ? [] : [['json', { outputFile: report }] as const])],
    setupFiles: ['test/setup.ts'],
    testTimeout: testTimeoutMs,
    hookTimeout: testTimeoutMs,
    maxWorkers: 2,
    pool: 'forks',
  },
})
