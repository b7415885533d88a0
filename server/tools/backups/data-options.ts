/** The command lines of `moraine backup`, `verify-backup` and `move`. */
import type { DataTool } from '../../data-tool-names.ts'

export const dataToolsHelp = `Usage: moraine backup --from HOST:PORT [--from-replica] [--password PASSWORD] [--verify] DIRECTORY
       moraine verify-backup DIRECTORY [--log-endpoints HOST:PORT,... [--log-prefix PREFIX]] [--name value ...]
       moraine move --dir DIRECTORY --to etcd --log-endpoints HOST:PORT,... [--log-prefix PREFIX] [--name value ...]
       moraine move --dir DIRECTORY --to local --log-endpoints HOST:PORT,... [--log-prefix PREFIX] [--name value ...]

backup copies the data of a running node, as of a checkpoint that it makes, into a directory that is empty or missing. With
--from-replica it asks the node for its replicas and copies one that has caught up. The directory can be served as it is.
verify-backup rehearses a restore in a scratch copy beside the directory: every checksum, every value, and with
--log-endpoints the log after the backup, with its running checksum. It changes nothing and ends with 0 if all is well.
move takes the data of a stopped node from a log of its own into a new shared one, or back. It may be repeated.
Other names are settings of the server.`

export class UsageError extends Error {
  override readonly name = 'UsageError'
}

export interface DataOptions {
  /** What is copied to, verified, or moved. */
  readonly directory: string
  readonly from: { readonly host: string; readonly port: number } | undefined
  readonly fromReplica: boolean
  readonly password: string
  readonly verify: boolean
  readonly to: 'etcd' | 'local' | undefined
  /** Settings of the server. */
  readonly settings: readonly string[]
}

const usable: Readonly<Record<DataTool, readonly string[]>> = {
  backup: ['--from', '--from-replica', '--password', '--verify'],
  'verify-backup': [],
  move: ['--dir', '--to'],
}

/** Throws `UsageError`. */
export function parseDataOptions(tool: DataTool, argv: readonly string[]): DataOptions {
  const rest = [...argv]
  const found = new Map<string, string>()
  const settings: string[] = []
  let directory: string | undefined
  for (let word = rest.shift(); word !== undefined; word = rest.shift()) {
    if (usable[tool].includes(word)) found.set(word, isSwitch(word) ? 'yes' : given(word, rest.shift()))
    else if (word.startsWith('--')) settings.push(word, given(word, rest.shift()))
    else if (directory === undefined && tool !== 'move') directory = word
    else throw new UsageError(`What is '${word}'?`)
  }
  directory ??= found.get('--dir')
  if (directory === undefined) throw new UsageError(tool === 'move' ? 'move needs --dir' : `${tool} needs a directory`)
  const to = found.get('--to')
  if (tool === 'move' && to !== 'etcd' && to !== 'local') throw new UsageError('move needs --to etcd or --to local')
  if (tool === 'backup' && !found.has('--from')) throw new UsageError('backup needs --from HOST:PORT')
  return {
    directory,
    from: found.has('--from') ? addressOf(found.get('--from') as string) : undefined,
    fromReplica: found.has('--from-replica'),
    password: found.get('--password') ?? '',
    verify: found.has('--verify'),
    to: to as DataOptions['to'],
    settings,
  }
}

function isSwitch(word: string): boolean {
  return word === '--from-replica' || word === '--verify'
}

function given(name: string, value: string | undefined): string {
  if (value === undefined) throw new UsageError(`${name} needs a value`)
  return value
}

function addressOf(text: string): { readonly host: string; readonly port: number } {
  const match = /^(?:\[([0-9a-fA-F:]+)\]|([\w.-]+)):([0-9]{1,5})$/.exec(text)
  if (match === null) throw new UsageError(`--from needs HOST:PORT, not '${text}'`)
  return { host: match[1] ?? (match[2] as string), port: Number(match[3]) }
}
