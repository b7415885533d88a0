/**
 * A command is one row in its family's table: everything that dispatch, COMMAND, COMMAND DOCS, prefetch, metrics and
 * docs/commands.md know about it derives from the row. The name is the row's key in the table; a subcommand's row is
 * keyed `'OBJECT ENCODING'`.
 */

import type { Execution } from './execution.ts'
import type { Need } from './need.ts'
import type { StagedWork } from './staged-work.ts'

export interface CommandSpec<Context> {
  /** As in Redis: the exact count of arguments with the command's name, or minus the least count. For subcommands the container's name counts too. */
  readonly arity: number
  /** Redis's command flags, in Redis's order. */
  readonly flags: readonly CommandFlag[]
  readonly keys: KeySpec
  /** ACL categories beyond those that Redis derives from flags (`string`, `hash`, `keyspace`, `connection`, `dangerous`, …). */
  readonly categories: readonly string[]
  readonly group: CommandGroup
  readonly since: string
  readonly complexity: string
  /** For people: the arguments after the name, in the notation of Redis's documentation. */
  readonly syntax: string
  readonly summary: string
  /** What execution needs of cold values; `value` unless told. */
  readonly needs?: Need
  /** With up to so many arguments it takes about a microsecond, whatever it meets. Unless told, it does with a few if its complexity is constant or logarithmic. */
  readonly briefArguments?: number
  /** It gives the value of its first key to another key. In EXEC, where what follows may want it there, the value is prefetched whole. */
  readonly moves?: boolean
  /** What should be done in slices beforehand, if the values are large; outside of EXEC. Looks, changes nothing, and replies nothing. */
  readonly stages?: (context: Context) => StagedWork | undefined
  readonly handler: (context: Context) => void
}

export type EngineCommand = CommandSpec<Execution>

export type CommandGroup =
  | 'string'
  | 'hash'
  | 'list'
  | 'set'
  | 'sorted-set'
  | 'stream'
  | 'geo'
  | 'bitmap'
  | 'hyperloglog'
  | 'generic'
  | 'connection'
  | 'pubsub'
  | 'scripting'
  | 'cluster'
  | 'sentinel'
  | 'server'
  | 'transactions'

export type CommandFlag =
  | 'write'
  | 'readonly'
  | 'denyoom'
  | 'admin'
  | 'pubsub'
  | 'noscript'
  | 'loading'
  | 'stale'
  | 'fast'
  | 'blocking'
  | 'skip_monitor'
  | 'skip_slowlog'
  | 'no_auth'
  | 'no_async_loading'
  | 'no_multi'
  | 'allow_busy'
  | 'random'
  | 'movablekeys'
  | 'sort_for_script'
  | 'no_mandatory_keys'
  | 'may_replicate'
  | 'asking'

/** Where a request's keys stand: `first`, `last` and `step` as in Redis's COMMAND reply (`last` may be negative: from the end). */
export interface KeySpec {
  readonly first: number
  readonly last: number
  readonly step: number
  /** Redis's access flags for COMMAND INFO and GETKEYSANDFLAGS, per key specification. */
  readonly access: readonly KeyAccess[]
  /** Whether some keys stand where an argument or a word says: then only `access` tells where (`key-positions.ts`). */
  readonly movable?: boolean
}

/** Keys of one key specification, counted from the command's name. */
export interface KeyAccess {
  /** The first key; with `numberAt` or `keyword` of no meaning. */
  readonly first: number
  /** The last key, relative to the first; negative: from the end of the arguments. */
  readonly last: number
  readonly step: number
  /** The argument that says how many keys follow it. */
  readonly numberAt?: number
  /** The keys begin behind this word, which is looked for from an argument on: 1 unless told; negative: from the end, to the left. */
  readonly keyword?: string
  readonly searchFrom?: number
  /** Only one in so many of the arguments to the end is a key, the first of them. */
  readonly limit?: number
  /** No rule tells where the keys are, as in Redis: `command-keys.ts` knows those that are arguments. */
  readonly isUnknown?: boolean
  /** `RO`, `RW`, `OW` or `RM`, then what is done: `access`, `update`, `insert`, `delete`, `variable_flags`. */
  readonly flags: readonly string[]
}

export const noKeys: KeySpec = { first: 0, last: 0, step: 0, access: [] }

export function keyAt(index: number, ...flags: readonly string[]): KeySpec {
  return keysIn(index, index, 1, ...flags)
}

export function keysFrom(first: number, step: number, ...flags: readonly string[]): KeySpec {
  return keysIn(first, -1, step, ...flags)
}

export function keysIn(first: number, last: number, step: number, ...flags: readonly string[]): KeySpec {
  return { first, last, step, access: [{ first, last: last < 0 ? last : last - first, step, flags }] }
}

/** Keys behind the argument `numberAt` that counts them, after those of the fixed specifications `fixed`. */
export function keysCounted(numberAt: number, flags: readonly string[], ...fixed: readonly KeyAccess[]): KeySpec {
  const { first, last, step } = fixed.length > 0 ? { first: 1, last: 1, step: 1 } : noKeys
  return { first, last, step, movable: true, access: [...fixed, { first: 0, last: 0, step: 1, numberAt, flags }] }
}

/** Several keys that are used differently: `SET`-like source and target. */
export function keysEach(...access: readonly KeyAccess[]): KeySpec {
  const first = access[0]?.first ?? 0
  const last = access.at(-1)?.first ?? 0
  return { first, last, step: 1, access }
}
