import { defineConfig } from 'vitest/config'

/** Random tests take as many times longer as they make more runs. */
const scale = Math.max(1, Number(process.env.MORAINE_TEST_SCALE ?? 1))
/** Several times what any test takes on a slow machine: a limit only for what hangs. */
const timeoutMs = 180_000 * scale

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    testTimeout: timeoutMs,
    hookTimeout: timeoutMs,
    maxWorkers: 2,
    pool: 'forks',
  },
})
