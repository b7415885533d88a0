/** Which random requests the engine answers by itself as a whole server does. */
import { engineTables } from '../../server/commands/tables.ts'
import type { RandomRequest } from './random-commands.ts'

/** What the engine alone does not answer as a server does: subcommands that are none, and commands that need the server. */
const unlike = ['SELECT', 'SWAPDB', 'FLUSHDB', 'FLUSHALL', 'MOVE', 'XGROUP', 'XINFO', 'RANDOMKEY', 'DBSIZE']

export function isEngines({ parts }: RandomRequest): boolean {
  const [name = '', second = ''] = parts.map((part) => String(part).toUpperCase())
  if (name === 'OBJECT') return second === 'ENCODING' && parts.length === 3
  if (name === 'XGROUP') return ['CREATE', 'SETID', 'DESTROY', 'CREATECONSUMER', 'DELCONSUMER'].includes(second) && parts.length > 3
  if (name === 'XINFO') return ['STREAM', 'GROUPS'].includes(second) && parts.length === 3
  if (name === 'COPY') return !parts.slice(3).some((part) => /^db$/i.test(String(part)))
  return name in engineTables && !unlike.includes(name)
}
