/**
 * The last lines of a test run: for each file with a failure the command that does the same again, and for each reason how
 * many tests were skipped for it. Reasons stand in the titles (`needs.ts`).
 */
import type { Reporter, TestCase, TestModule, Vitest } from 'vitest/node'
import { replayCommand } from './chance.ts'

const reasonInTitle = /\(skipped: ([^)]*)\)/

export class SummaryReporter implements Reporter {
  #isSelection = false

  onInit(vitest: Vitest): void {
    this.#isSelection = vitest.config.testNamePattern !== undefined
  }

  onTestRunEnd(modules: readonly TestModule[]): void {
    for (const line of summaryOf(modules)) {
      // Whoever selects tests by name knows that the others are left out.
      if (!this.#isSelection || !line.startsWith('skipped')) console.log(line)
    }
  }
}

export function summaryOf(modules: readonly Pick<TestModule, 'ok' | 'relativeModuleId' | 'children'>[]): string[] {
  const lines = modules.filter((module) => !module.ok()).map(({ relativeModuleId }) => `replay: ${replayCommand(relativeModuleId)}`)
  const skipped = new Map<string, number>()
  for (const { children } of modules) {
    for (const test of children.allTests('skipped')) {
      const reason = reasonOf(test)
      skipped.set(reason, (skipped.get(reason) ?? 0) + 1)
    }
  }
  for (const [reason, tests] of [...skipped].sort()) lines.push(`skipped: ${tests} ${tests === 1 ? 'test' : 'tests'}: ${reason}`)
  return lines
}

function reasonOf(test: TestCase): string {
  const result = test.result()
  return (
    (result.state === 'skipped' ? result.note : undefined) ??
    reasonInTitle.exec(test.fullName)?.[1] ??
    `no reason is given for "${test.fullName}"`
  )
}
