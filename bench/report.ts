/** What a question is and what its answer looks like, on a terminal and as a page under `docs/benchmarks/`. */
import type { Context } from './context.ts'
import type { Machine } from './machine.ts'
import type { Table } from './table.ts'
import { markdownTable, textTable } from './table.ts'

export interface Question {
  /** The name of its file and of its page. */
  readonly name: string
  readonly title: string
  /** What is measured and what is expected of it, said before it is measured. */
  readonly prediction: string
  /** Bytes of disk that a run takes at most. */
  diskBytes(quick: boolean): number
  run(context: Context): Promise<Answer>
}

export interface Aim {
  readonly aim: string
  readonly measured: string
  /** Undefined when it could not be measured, or on too little to judge. */
  readonly met: boolean | undefined
}

export interface Chart {
  /** Its file is `<question>-<name>.svg`. */
  readonly name: string
  readonly title: string
  readonly svg: string
}

export interface Answer {
  readonly aims: readonly Aim[]
  readonly tables: readonly Table[]
  readonly charts: readonly Chart[]
  /** Sentences a reader needs to judge the figures. */
  readonly notes: readonly string[]
}

/** What is kept of a run, so that the index can be written anew when another question has been asked. */
export interface Result {
  readonly question: Pick<Question, 'name' | 'title' | 'prediction'>
  readonly machine: Machine
  readonly quick: boolean
  readonly seconds: number
  readonly answer: Answer
}

export function textOf(answer: Answer): string {
  const blocks = answer.tables.map(textTable)
  if (answer.aims.length > 0) blocks.push(textTable(aimTable(answer.aims)))
  if (answer.notes.length > 0) blocks.push(answer.notes.map((note) => `  · ${note}`).join('\n'))
  return blocks.join('\n\n')
}

export function pageOf(result: Result): string {
  const { question, answer } = result
  const blocks = [`# ${question.title}`, question.prediction]
  if (result.quick) blocks.push('**A quick run: small sizes, few repeats. It shows that the harness works, not how fast the server is.**')
  if (answer.aims.length > 0) blocks.push('## Aims', markdownAims(answer.aims))
  blocks.push('## Measured', ...answer.tables.map(markdownTable))
  blocks.push(...answer.charts.map((chart) => `![${chart.title}](${question.name}-${chart.name}.svg)`))
  if (answer.notes.length > 0) blocks.push(answer.notes.map((note) => `- ${note}`).join('\n'))
  blocks.push(`Took ${Math.round(result.seconds)} s. ${machineLine(result.machine)}`)
  return `${blocks.join('\n\n')}\n`
}

export function indexOf(results: readonly Result[]): string {
  const blocks = [
    '# Benchmarks',
    'Written by `npm run bench`; `npm run bench -- --only throughput,restart` asks some questions, `--quick` tries the harness in three minutes. ' +
      'Servers that are compared run in the same run on the same machine, taking turns, with no processor pinned. ' +
      'Absolute rates depend on the machine; the ratios and the shapes are what to read.',
  ]
  for (const { question, answer, machine, quick } of results) {
    blocks.push(`## [${question.title}](${question.name}.md)`)
    if (answer.aims.length > 0) blocks.push(markdownAims(answer.aims))
    blocks.push(`${quick ? 'Quick run. ' : ''}${machineLine(machine)}`)
  }
  return `${blocks.join('\n\n')}\n`
}

function aimTable(aims: readonly Aim[]): Table {
  return { title: 'Aims', columns: ['aim', 'measured', ''], rows: aims.map(({ aim, measured, met }) => [aim, measured, verdict(met)]) }
}

function markdownAims(aims: readonly Aim[]): string {
  const rows = aims.map(({ aim, measured, met }) => `| ${aim} | ${measured} | ${verdict(met)} |`)
  return ['| aim | measured | |', '| --- | --- | --- |', ...rows].join('\n')
}

function verdict(met: boolean | undefined): string {
  return met === undefined ? 'not judged' : met ? 'met' : 'missed'
}

function machineLine(machine: Machine): string {
  const { date, commit, processor, cores, memoryGiB, kernel, fileSystem, versions } = machine
  return (
    `${date}, commit ${commit}. ${cores} × ${processor}, ${memoryGiB} GiB, Linux ${kernel}, data on ${fileSystem}; ` +
    `Node ${versions.node}, redis-server ${versions.redis}, memcached ${versions.memcached}.`
  )
}
