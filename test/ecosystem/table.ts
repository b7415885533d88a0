/** The table that `npm run ecosystem` prints: a row for each thing that a program did, with what came of it on each server. */
import type { Application } from './applications.ts'
import { knownGaps } from './applications.ts'
import type { Check, ProgramRun } from './program-run.ts'

export interface Trial {
  readonly application: Application
  /** Why it did not run at all. */
  readonly missing?: string
  readonly moraine?: ProgramRun
  /** Absent where redis-server is not installed. */
  readonly redis?: ProgramRun | undefined
}

const head = ['application', 'version', 'what was done', 'Moraine', 'redis-server']

export function tableOf(trials: readonly Trial[]): string {
  const rows = [head, ...trials.flatMap(rowsOf)]
  const widths = head.map((_, column) => Math.max(...rows.map((row) => row[column].length)))
  const lines = rows.map((row) => `| ${row.map((cell, column) => cell.padEnd(widths[column])).join(' | ')} |`)
  lines.splice(1, 0, `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`)
  return lines.join('\n')
}

function rowsOf({ application, missing, moraine, redis }: Trial): string[][] {
  const { name } = application
  if (moraine === undefined) return [[name, '', missing ?? '', 'not run', 'not run']]
  return namesOf(moraine, redis).map((what, i) => {
    const own = moraine.checks.find((check) => check.what === what)
    const other = redis?.checks.find((check) => check.what === what)
    const moraineCell = own?.passed === false && `${name}: ${what}` in knownGaps ? 'not served' : cellOf(own)
    return [i === 0 ? name : '', i === 0 ? moraine.version : '', what, moraineCell, redis === undefined ? '' : cellOf(other)]
  })
}

function namesOf(moraine: ProgramRun, redis: ProgramRun | undefined): string[] {
  return [...new Set([...moraine.checks, ...(redis?.checks ?? [])].map(({ what }) => what))]
}

function cellOf(check: Check | undefined): string {
  if (check === undefined) return ''
  return check.passed ? `passed (${check.ms} ms)` : 'FAILED'
}

/** What did not go as it should, with the program's own words; what redis-server fails too is named as such. */
export function failuresOf(trials: readonly Trial[]): string[] {
  return trials.flatMap(({ application, moraine, redis }) =>
    (moraine?.checks ?? []).flatMap(({ what, passed, error }) => {
      const name = `${application.name}: ${what}`
      const isKnown = name in knownGaps
      if (passed) return isKnown ? [`${name}: passes, and stands among the known gaps`] : []
      if (isKnown) return []
      const other = redis?.checks.find((check) => check.what === what)
      return [`${name}${other?.passed === false ? ' (with redis-server too)' : ''}\n${error ?? ''}`]
    }),
  )
}
