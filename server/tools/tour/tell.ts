/** What the tour prints: headings, sentences, small tables, and bars for long work. */
import { styleText } from 'node:util'
import type { Log } from '../../logging.ts'
import type { StartProgress } from '../../progress.ts'
import { progressTo } from '../../progress.ts'
import { realClock } from '../../real-clock.ts'

const colours = process.stdout.isTTY === true
let chapter = 0

export function heading(text: string): void {
  const line = `${++chapter}. ${text}`
  console.log(`\n${colours ? styleText('bold', line) : line}`)
}

export function say(text: string): void {
  console.log(`   ${text}`)
}

export function rows(table: readonly (readonly [string, string])[]): void {
  const width = Math.max(...table.map(([name]) => name.length))
  for (const [name, value] of table) say(`  ${name.padEnd(width)}  ${value}`)
}

export function count(value: number): string {
  return value.toLocaleString('en-US')
}

const spoken: Log = {
  error: say,
  warn: say,
  info: say,
  debug: () => undefined,
  setLevel: () => undefined,
  with: () => spoken,
}

export const progress: StartProgress = progressTo({
  clock: realClock,
  log: spoken,
  terminal: process.stdout.isTTY ? process.stdout : undefined,
})
