/** The rows of docs/commands.md, from the command tables: what dispatch and COMMAND DOCS read. */
import type { CommandGroup, CommandSpec } from '../../engine/command.ts'
import { engineTables, sessionTables } from '../commands/tables.ts'

type Row = Omit<CommandSpec<never>, 'handler'>

export const commandHead = ['Command', 'Cold value', 'Complexity', 'Since', 'Meaning'] as const

/** Titles of the groups, in the page's order. */
const titles: Readonly<Record<CommandGroup, string>> = {
  string: 'Strings',
  bitmap: 'Bitmaps',
  hyperloglog: 'HyperLogLogs',
  hash: 'Hashes',
  list: 'Lists',
  set: 'Sets',
  'sorted-set': 'Sorted sets',
  geo: 'Geographical positions',
  stream: 'Streams',
  generic: 'Keys of any type',
  transactions: 'Transactions',
  pubsub: 'Publish and subscribe',
  scripting: 'Scripts',
  cluster: 'Cluster',
  sentinel: 'Sentinel',
  connection: 'Connection',
  server: 'Server',
}

const nothing = '–'

/** What functions that name what a command wants come to. */
const wants: Readonly<Record<string, string>> = {
  setWants: 'read for GET and IFEQ',
  wantsCopied: 'read if a copy has a place',
  wantsCountedFields: 'its leaves',
  wantsDigits: 'read if it may be a number',
  wantsElements: 'its leaves',
  wantsField: 'its leaf',
  wantsFields: 'its leaves',
  wantsFieldsClause: 'its leaves',
  wantsPairsClause: 'its leaves',
  wantsFirst: 'its first leaf',
  wantsAcknowledged: 'its leaves',
  wantsAutoClaimed: 'its leaves',
  wantsClaimed: 'its leaves',
  wantsConsumer: 'its leaves',
  wantsConsumers: 'its leaves with names',
  wantsEdges: 'its first and last leaf, with FULL more',
  wantsEntries: 'its leaves',
  wantsEntryRange: 'its leaves',
  wantsGroupRead: 'its leaves',
  wantsGroups: 'its leaves with names',
  wantsLastNode: 'its last leaf',
  wantsPending: 'its leaves',
  wantsRead: 'its leaves',
  wantsReversedRange: 'its leaves',
  wantsTrimmedNodes: 'its first leaf to stay',
  wantsHead: 'its first leaf',
  wantsHeads: 'its leaves',
  wantsIndex: 'its leaf',
  wantsLast: 'its last leaf',
  wantsMoved: 'a leaf of each',
  wantsPairs: 'its leaves',
  wantsPopped: 'its leaves',
  wantsRotated: 'a leaf of each',
  wantsScan: 'read in parts',
  wantsTail: 'its last leaf',
  wantsTails: 'its leaves',
  wantsTrimmed: 'its leaves at the ends of the range',
  wantsRandomMembers: 'its leaves',
  wantsRandomElements: 'its leaves',
  wantsRandomFields: 'its leaves',
  wantsMember: 'its leaf',
  wantsMembers: 'its leaves',
  wantsLastMember: 'its leaf',
  wantsAreas: 'the leaves of the areas that are searched',
  wantsPlacedMembers: 'their leaves',
  wantsTwoScores: 'their leaves',
  wantsSources: 'read, but not the target',
  wantsSorted: 'the elements that are asked for, then what BY and GET name for them',
  wantsScores: 'its leaves',
  wantsRank: 'its leaves',
  wantsRemovedMembers: 'their leaves',
  wantsScoredMembers: 'their leaves',
  wantsIncrement: 'its leaves',
  wantsElementScan: 'read in parts',
  wantsEnds: 'the leaves at both ends',
  wantsRange: 'the leaves of the range',
  wantsStoredRange: 'the leaves of the range, nothing of the target',
  wantsRemoval: 'the leaves of what is removed',
  wantsStoredSources: 'read, but not the target',
}

/** Title and rows of each group; subcommands stand behind their container. */
export function commandGroups(): (readonly [title: string, rows: readonly (readonly string[])[]])[] {
  const all = Object.entries({ ...engineTables, ...sessionTables } as Record<string, Row>)
  all.sort(([a], [b]) => (a < b ? -1 : 1))
  return Object.entries(titles)
    .map(([group, title]) => [title, all.filter(([, row]) => row.group === group).map(([name, row]) => cells(name, row))] as const)
    .filter(([, rows]) => rows.length > 0)
}

export function commandCount(): number {
  return Object.keys({ ...engineTables, ...sessionTables }).filter((name) => !name.includes(' ')).length
}

function cells(name: string, row: Row): readonly string[] {
  return [`\`${`${name} ${row.syntax}`.trim()}\``, coldNeed(row), row.complexity, row.since, row.summary]
}

/** What a command fetches of a key whose value is on disk. */
function coldNeed({ keys, needs = 'value' }: Row): string {
  if (keys.access.length === 0) return nothing
  if (needs === 'none') return 'not read'
  if (needs === 'value') return 'read'
  const said = wants[needs.name]
  if (said === undefined) throw new Error(`docs/commands.md has no words for what ${needs.name} wants`)
  return said
}
