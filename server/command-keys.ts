/** Which arguments of a request are keys, and what becomes of them: COMMAND GETKEYS and GETKEYSANDFLAGS. */
import type { Arguments } from '../engine/arguments.ts'
import { eachKey } from '../engine/key-positions.ts'
import type { Command } from './command-table.ts'

export interface RequestKey {
  /** Which argument. */
  readonly index: number
  readonly flags: readonly string[]
}

const changes = ['RW', 'access', 'update']

/** Keys of the request that begins at argument `from`, in the order of the command's key specifications; undefined when it has not those it must have. */
export function keysOf(command: Command, args: Arguments, from: number): RequestKey[] | undefined {
  const found: RequestKey[] = []
  const none = command.spec.flags.includes('no_mandatory_keys') ? found : undefined
  for (const { numberAt, keyword, first } of command.spec.keys.access) {
    if (numberAt === undefined) {
      if (keyword === undefined && from + first >= args.count) return none
      continue
    }
    const count = args.integer(from + numberAt)
    if (!(count >= 1 && count < args.count - from - numberAt)) return none
  }
  eachKey(command.spec.keys, args, from, (index, { flags }) => {
    found.push({ index, flags: flags.includes('variable_flags') ? variableFlags(command, args, from, flags) : flags })
  })
  if (found.length === 0) return none
  if (command.name === 'sort') addTarget(args, from, found)
  return command.name === 'migrate' ? migratedKeys(found) : found
}

/** SORT's target stands behind the last STORE that is no other option's argument. */
function addTarget(args: Arguments, from: number, found: RequestKey[]): void {
  let target = 0
  for (let i = from + 2; i < args.count; i++) {
    if (args.is(i, 'LIMIT')) i += 2
    else if (args.is(i, 'GET') || args.is(i, 'BY')) i++
    else if (args.is(i, 'STORE') && i + 1 < args.count) target = i + 1
  }
  if (target > 0) found.push({ index: target, flags: ['OW', 'update'] })
}

/** MIGRATE's keys are those behind KEYS, where that is given, and not the empty one. */
function migratedKeys(found: readonly RequestKey[]): RequestKey[] {
  const keys = found.length > 1 ? found.slice(1) : found
  return keys.map(({ index, flags }) => ({ index, flags: flags.filter((flag) => flag !== 'incomplete') }))
}

/** SET reads its key only with GET; BITFIELD changes its key unless it only gets. */
function variableFlags(command: Command, args: Arguments, from: number, flags: readonly string[]): readonly string[] {
  if (command.name === 'set') return hasWord(args, from + 3, 'GET') ? changes : ['OW', 'update']
  if (command.name === 'bitfield') return onlyGets(args, from + 2) ? ['RO', 'access'] : changes
  return flags.filter((flag) => flag !== 'variable_flags')
}

function hasWord(args: Arguments, from: number, word: string): boolean {
  for (let i = from; i < args.count; i++) if (args.is(i, word)) return true
  return false
}

function onlyGets(args: Arguments, from: number): boolean {
  for (let i = from; i < args.count; i++) {
    const following = args.count - 1 - i
    if (args.is(i, 'GET') && following >= 2) i += 2
    else if (args.is(i, 'OVERFLOW') && following >= 1) i += 1
    else return false
  }
  return true
}
