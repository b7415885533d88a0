/**
 * `npm run bench`: asks each question in turn, prints its prediction, then what was measured, and writes both with charts
 * under docs/benchmarks/.
 *
 *     npm run bench                                  all questions, about 40 minutes, some 24 GB of disk
 *     npm run bench -- --quick                       small sizes, four minutes; pages only with --out
 *     npm run bench -- --only throughput,restart     some questions
 *     npm run bench -- --out DIRECTORY               pages elsewhere
 *     npm run bench -- --directory DIRECTORY         data elsewhere than in the system's temporary directory
 */
import { rmSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, readFile, statfs, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { commitUnderColdReads } from './commit-under-cold-reads.ts'
import { Context } from './context.ts'
import { failOver } from './fail-over.ts'
import { hashes } from './hashes.ts'
import { largeCollections } from './large-collections.ts'
import type { Machine } from './machine.ts'
import { describeMachine } from './machine.ts'
import { memory } from './memory.ts'
import { migration } from './migration.ts'
import { mixed } from './mixed-types.ts'
import { readsBesideDurableWrites } from './reads-beside-durable-writes.ts'
import type { Question, Result } from './report.ts'
import { indexOf, pageOf, textOf } from './report.ts'
import { restart } from './restart.ts'
import { sharedLog } from './shared-log.ts'
import { stalls } from './stalls.ts'
import { throughput } from './throughput.ts'
import { tier } from './tier.ts'
import { typeMemory } from './type-memory.ts'
import { types } from './types.ts'

const questions: readonly Question[] = [
  throughput,
  readsBesideDurableWrites,
  types,
  largeCollections,
  stalls,
  hashes,
  memory,
  typeMemory,
  tier,
  mixed,
  commitUnderColdReads,
  restart,
  migration,
  failOver,
  sharedLog,
]
const pagesDirectory = fileURLToPath(new URL('../docs/benchmarks', import.meta.url))

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      quick: { type: 'boolean', default: false },
      only: { type: 'string' },
      out: { type: 'string' },
      directory: { type: 'string' },
    },
  })
  const asked = select(values.only)
  const base = values.directory ?? tmpdir()
  await checkDisk(base, asked, values.quick)
  const root = await mkdtemp(join(base, 'moraine-bench-'))
  // In `exit`, because that also runs after a failure and after the signals below.
  process.on('exit', () => rmSync(root, { recursive: true, force: true, maxRetries: 5 }))
  process.once('SIGINT', () => process.exit(130))
  process.once('SIGTERM', () => process.exit(143))
  const machine = describeMachine(root)
  if (machine.fileSystem === 'tmpfs')
    console.log(`Note: ${base} is memory, not a disk: durable writes cost nothing there. --directory names another place.`)
  const out = values.out ?? (values.quick ? undefined : pagesDirectory)
  const context = new Context(root, values.quick)
  let failures = 0
  for (const question of asked) {
    try {
      const result = await ask(question, context, machine)
      if (out !== undefined) await writePages(out, result)
    } catch (failure) {
      failures++
      console.error(`\n${question.name} failed: ${(failure as Error).stack}`)
    } finally {
      await context.stopServers()
    }
  }
  if (out === undefined) console.log('\nA quick run writes no pages; --out DIRECTORY asks for them.')
  else await writeFile(join(out, 'README.md'), indexOf(await resultsIn(out)))
  return failures === 0 ? 0 : 1
}

/** In the order of the list above, whatever the order asked for: later questions change data that earlier ones measure. */
function select(only: string | undefined): readonly Question[] {
  if (only === undefined) return questions
  const names = new Set(only.split(',').map((name) => name.trim()))
  for (const name of names) {
    if (questions.some((question) => question.name === name)) continue
    throw new Error(`no question '${name}'; there are ${questions.map((question) => question.name).join(', ')}`)
  }
  return questions.filter((question) => names.has(question.name))
}

async function checkDisk(base: string, asked: readonly Question[], quick: boolean): Promise<void> {
  const { bavail, bsize } = await statfs(base)
  const needed = Math.max(...asked.map((question) => question.diskBytes(quick)))
  const gigabytes = (bytes: number) => (bytes / 1e9).toFixed(1)
  if (bavail * bsize >= needed) return
  throw new Error(
    `${base} has ${gigabytes(bavail * bsize)} GB free and the run needs up to ${gigabytes(needed)} GB. ` +
      '--directory names another place, --quick needs less, --only asks fewer questions.',
  )
}

async function ask(question: Question, context: Context, machine: Machine): Promise<Result> {
  console.log(`\n== ${question.title} (${question.name})\n\n${question.prediction}\n`)
  const startedMs = performance.now()
  const answer = await question.run(context)
  const seconds = (performance.now() - startedMs) / 1000
  console.log(`\n${textOf(answer)}\n\n  took ${Math.round(seconds)} s`)
  const { name, title, prediction } = question
  return { question: { name, title, prediction }, machine, quick: context.quick, seconds, answer }
}

async function writePages(out: string, result: Result): Promise<void> {
  await mkdir(out, { recursive: true })
  const { name } = result.question
  for (const chart of result.answer.charts) await writeFile(join(out, `${name}-${chart.name}.svg`), chart.svg)
  await writeFile(join(out, `${name}.md`), pageOf(result))
  const withoutDrawings = { ...result, answer: { ...result.answer, charts: [] } }
  await writeFile(join(out, `${name}.json`), `${JSON.stringify(withoutDrawings, undefined, 2)}\n`)
}

/** Of this and earlier runs, in the order of the questions. */
async function resultsIn(out: string): Promise<Result[]> {
  const files = new Set(await readdir(out))
  const kept = questions.filter((question) => files.has(`${question.name}.json`))
  return Promise.all(kept.map(async ({ name }) => JSON.parse(await readFile(join(out, `${name}.json`), 'utf8')) as Result))
}

main().then(
  (code) => process.exit(code),
  (failure: Error) => {
    console.error(failure.message)
    process.exit(1)
  },
)
