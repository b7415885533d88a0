/** LOLWUT: the version, as a server that is no release of a drawing version answers it. */
import { noKeys } from '../../engine/command.ts'
import { notAnInteger } from '../../engine/commands/errors.ts'
import type { Session, SessionCommand } from '../session.ts'
import { redisVersion } from '../version.ts'

export const lolwutCommands = {
  LOLWUT: {
    arity: -1,
    flags: ['readonly', 'fast'],
    keys: noKeys,
    categories: [],
    group: 'server',
    since: '5.0.0',
    complexity: 'O(1)',
    syntax: '[VERSION version]',
    summary: 'Tells the version.',
    handler: lolwut,
  },
} as const satisfies Record<string, SessionCommand>

function lolwut({ args, reply }: Session): void {
  if (args.count >= 3 && args.is(1, 'VERSION') && !args.isInt64(2)) reply.error(notAnInteger)
  else reply.verbatim('txt', `Redis ver. ${redisVersion}\n`)
}
