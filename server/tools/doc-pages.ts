/**
 * The pages of docs/ that are generated from tables. `npm run docs` writes them, test/tidy.test.ts fails when they are
 * stale. A further page is one more row here and a function that renders its table.
 */

import type { CommandGroup, CommandSpec } from '../../engine/command.ts'
import { engineTables, sessionTables } from '../commands/tables.ts'
import type { Setting } from '../config/setting.ts'
import { settingGroups } from '../config/settings.ts'
import type { MetricRow } from '../metrics/metric-table.ts'
import { metricGroups } from '../metrics/metric-table.ts'
import { commandCount, commandGroups, commandHead } from './command-page.ts'

export interface DocPage {
  /** Relative to the project's folder. */
  readonly path: string
  readonly render: () => string
}

export const docPages: readonly DocPage[] = [
  { path: 'docs/commands.md', render: renderCommands },
  { path: 'docs/commands.md', render: renderCommands },
  { path: 'docs/configuration.md', render: renderConfiguration },
  { path: 'docs/metrics.md', render: renderMetrics },
]

function renderCommands(): string {
  const rows: [string, Pick<CommandSpec<never>, 'group' | 'syntax' | 'since' | 'complexity' | 'summary' | 'flags'>][] = [
    ...Object.entries(engineTables),
    ...Object.entries(sessionTables),
  ]
  const groups: readonly CommandGroup[] = ['string', 'hash', 'bitmap', 'generic', 'connection', 'transactions', 'server']
  const sections = groups.map((group) => {
    const members = rows.filter(([, row]) => row.group === group).sort(([a], [b]) => (a < b ? -1 : 1))
    const cells = members.map(([name, row]) => [`\`${`${name} ${row.syntax}`.trim()}\``, row.complexity, row.since, row.summary])
    return section(headings[group], ['Command', 'Complexity', 'Since Redis', 'What it does'], cells)
  })
  return page(
    'Commands',
    `These ${rows.filter(([name]) => !name.includes(' ')).length} commands, and the subcommands listed with them, answer as Redis 7.0 does, byte for byte, errors included. Others get
\`ERR unknown command\`.`,
    sections,
  )
}

const headings: Readonly<Record<CommandGroup, string>> = {
  string: 'Strings',
  hash: 'Hashes',
  bitmap: 'Bitmaps',
  generic: 'Keys',
  connection: 'Connections',
  transactions: 'Transactions',
  server: 'Server',
}

function renderConfiguration(): string {
  const sections = Object.entries(settingGroups).map(([group, settings]) => {
    const rows = Object.entries(settings).map(([name, setting]) => settingRow(name, setting as Setting<unknown>))
    return section(group, ['Name', 'Default', 'Accepts', 'CONFIG SET', 'Since', 'Meaning'], rows)
  })
  return page(
    'Configuration',
    `Settings come from a file (\`moraine path/to/moraine.conf\`, one \`name value\` a line, \`#\` comments, \`include\`), then from
the command line (\`--name value\`), and where the table says so from \`CONFIG SET\`. \`CONFIG REWRITE\` writes what is in force
back to the file. Names and meanings are those of Redis 7.0 where Redis has the setting. Memory is bytes, or a number with
\`k\` (1000), \`kb\` (1024), \`m\`, \`mb\`, \`g\`, \`gb\`.`,
    sections,
  )
}

function settingRow(name: string, setting: Setting<unknown>): string[] {
  const aliases = setting.aliases.map((alias) => ` (older: \`${alias}\`)`).join('')
  const fallback = setting
    .lines(setting.default)
    .map((line) => (line === '""' ? '' : line))
    .join(', ')
  const mutable = setting.when === 'runtime' ? 'yes' : 'no'
  return [`\`${name}\`${aliases}`, fallback === '' ? 'empty' : `\`${fallback}\``, setting.accepts, mutable, setting.since, setting.summary]
}

function renderCommands(): string {
  return page(
    'Commands',
    `${commandCount()} commands, each with the arguments, replies and error texts of Redis 7.0; \`OBJECT TIER\` is Moraine's own. \`COMMAND DOCS\` tells
a client the same. *Cold value* says what a command does about a key whose value is on disk: *not read*, for the key's metadata is enough; *read*,
the whole value; *its chunk*, of a large hash only the pieces of about 4 KiB with the fields asked for; *read in parts*, a few such pieces a call; *depends*, on the
arguments. What each command does in detail, byte for byte, stands in the transcripts under \`test/commands/\`, which are run against
redis-server as well.`,
    commandGroups().map(([title, rows]) => section(title, commandHead, rows)),
  )
}

function renderMetrics(): string {
  const sections = Object.entries(metricGroups).map(([group, metrics]) => {
    const rows = Object.entries(metrics).map(([name, metric]: [string, MetricRow]) => {
      const labels = (metric.labels ?? []).map((label) => `\`${label}\``).join(', ')
      return [`\`${name}\``, metric.kind, labels, metric.help]
    })
    return section(group, ['Name', 'Kind', 'Labels', 'Meaning'], rows)
  })
  return page(
    'Metrics',
    `\`--metrics-port 9121\` serves these figures at \`http://127.0.0.1:9121/metrics\` in the text format of Prometheus, and at
\`/healthz\` whether the server serves (200) or why not (503). \`--metrics-bind\` chooses the address. A part that is switched off shows no
metrics.`,
    sections,
  )
}

function page(title: string, introduction: string, sections: readonly string[]): string {
  return `<!-- Generated by \`npm run docs\`: change the tables in server/, not this page. -->\n\n# ${title}\n\n${introduction}\n\n${sections.join('\n')}`
}

/** A heading and a Markdown table. */
function section(title: string, head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`
  return [`## ${title}`, '', line(head), line(head.map(() => '---')), ...rows.map(line), ''].join('\n')
}
