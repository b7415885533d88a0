/** Which arguments of a request are keys, and what becomes of them: COMMAND GETKEYS and GETKEYSANDFLAGS. */
import type { Arguments } from '../engine/arguments.ts'
import type { Command } from './command-table.ts'

export interface RequestKey {
  /** Which argument. */
  readonly index: number
  readonly flags: readonly string[]
}

const changes = ['RW', 'access', 'update']

/** Keys of the request that begins at argument `from`, in the order of the command's key specifications. */
export function keysOf(command: Command, args: Arguments, from: number): RequestKey[] {
  const count = args.count - from
  const found: RequestKey[] = []
  const { countedAt } = command.spec.keys
  for (const { first, last, step, flags } of command.spec.keys.access) {
    const end = countedAt !== undefined ? countedEnd(args, from, countedAt) : last < 0 ? count + last : first + last
    const told = flags.includes('variable_flags') ? variableFlags(command, args, from, flags) : flags
    for (let i = first; i <= end && i < count; i += step) found.push({ index: from + i, flags: told })
  }
  return found
}

/** The last of as many keys as an argument says, -1 if there are not so many arguments. */
function countedEnd(args: Arguments, from: number, countedAt: number): number {
  const end = countedAt + args.integer(from + countedAt)
  return from + end < args.count ? end : -1
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
