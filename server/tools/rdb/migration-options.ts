/** The command lines of `moraine import` and `moraine export`. */
import type { Address } from './resp-client.ts'
import { parseAddress } from './resp-client.ts'

export const migrationHelp = `Usage: moraine import dump.rdb [--dir DIRECTORY | --to HOST:PORT] [--name value ...]
       moraine import --from redis://HOST:PORT [--follow] [--dir DIRECTORY | --to HOST:PORT] [--name value ...]
       moraine export dump.rdb [--dir DIRECTORY | --from HOST:PORT] [--name value ...]

import loads the keys of an RDB file of Redis 2.8 to 7.4 into a data directory (./data) that no server uses, or into a
running server, and replaces keys that exist. With --from it takes them from a running Redis or Moraine, as a replica
would; with --follow it goes on with what is written there (to Redis), until it is interrupted.
export writes an RDB file that redis-server 7.0 loads. Of a running server it has all keys as of one moment.
Addresses may be redis://USER:PASSWORD@HOST:PORT. Other names are settings of the server that serves the directory.`

export class UsageError extends Error {
  override readonly name = 'UsageError'
}

export interface MigrationOptions {
  readonly file: string | undefined
  readonly from: Address | undefined
  readonly to: Address | undefined
  readonly directory: string
  readonly follow: boolean
  /** Settings of the server that serves the directory. */
  readonly settings: readonly string[]
}

/** Throws `UsageError`. */
export function parseMigration(kind: 'import' | 'export', argv: readonly string[]): MigrationOptions {
  let file: string | undefined
  let directory: string | undefined
  let from: Address | undefined
  let to: Address | undefined
  let follow = false
  const settings: string[] = []
  const rest = [...argv]
  const value = (name: string): string => {
    const next = rest.shift()
    if (next === undefined) throw new UsageError(`${name} needs a value`)
    return next
  }
  const address = (name: string): Address => {
    const text = value(name)
    const found = parseAddress(text)
    if (found === undefined) throw new UsageError(`${name} needs HOST:PORT or redis://…, not '${text}'`)
    return found
  }
  for (let word = rest.shift(); word !== undefined; word = rest.shift()) {
    if (word === '--from') from = address(word)
    else if (word === '--to' && kind === 'import') to = address(word)
    else if (word === '--dir') directory = value(word)
    else if (word === '--follow' && kind === 'import') follow = true
    else if (word.startsWith('--')) {
      settings.push(word)
      while (rest[0] !== undefined && !rest[0].startsWith('--')) settings.push(rest.shift() as string)
    } else if (file === undefined) file = word
    else throw new UsageError(`What is '${word}'?`)
  }
  const server = kind === 'import' ? to : from
  if (kind === 'export' && file === undefined) throw new UsageError('export needs the name of a file')
  if (kind === 'import' && (file === undefined) === (from === undefined))
    throw new UsageError('import needs a file, or --from, and not both')
  if (follow && from === undefined) throw new UsageError('--follow goes with --from')
  if (server !== undefined && (directory !== undefined || settings.length > 0))
    throw new UsageError(
      `Either a server or a directory${settings.length > 0 ? `: ${settings[0]} is a setting of a server of its own` : ''}`,
    )
  return { file, from, to, directory: directory ?? 'data', follow, settings }
}
