/** SHUTDOWN, and DEBUG, which is for tests. */
import { noKeys } from '../../engine/command.ts'
import type { Session, SessionCommand } from '../session.ts'
import { debug } from './debug.ts'
import { syntaxError } from './requests.ts'

const about = { keys: noKeys, categories: [], group: 'server', since: '1.0.0' } as const

export const processCommands = {
  DEBUG: {
    ...about,
    arity: -2,
    flags: ['admin', 'noscript', 'loading', 'stale'],
    complexity: 'Depends on the subcommand',
    syntax: 'subcommand [argument [argument ...]]',
    summary: 'Does what only tests should want.',
    handler: debug,
  },
  SHUTDOWN: {
    ...about,
    arity: -1,
    flags: ['admin', 'noscript', 'loading', 'stale', 'no_multi', 'allow_busy'],
    complexity: 'O(N), N the keys to save',
    syntax: '[NOSAVE | SAVE] [NOW] [FORCE] [ABORT]',
    summary: 'Makes a checkpoint unless told not to, then ends the server.',
    handler: shutdown,
  },
} as const satisfies Record<string, SessionCommand>

function shutdown(session: Session): void {
  const { args, reply, server } = session
  let saves: boolean | undefined
  let bothWays = false
  let forced = false
  let aborts = false
  let others = false
  for (let i = 1; i < args.count; i++) {
    if (args.is(i, 'SAVE') || args.is(i, 'NOSAVE')) {
      const wanted = args.is(i, 'SAVE')
      if (saves === !wanted) bothWays = true
      saves = wanted
    } else if (args.is(i, 'NOW')) others = true
    else if (args.is(i, 'FORCE')) forced = true
    else if (args.is(i, 'ABORT')) aborts = true
    else {
      reply.error(syntaxError)
      return
    }
  }
  if (bothWays || (aborts && (others || forced || saves !== undefined))) reply.error(syntaxError)
  else if (!aborts && server.isLoading) reply.error('LOADING Redis is loading the dataset in memory')
  else if (!aborts && saves !== false && server.scripting.busyText !== undefined) reply.error(server.scripting.busyText)
  else if (!aborts) {
    const answer = session.inHand.defer('uncounted')
    server.shutdown.begin({ saves: saves ?? true, forced }, () => answer(() => reply.error('ERR Errors trying to SHUTDOWN. Check logs.')))
  } else if (server.shutdown.abort()) reply.ok()
  else reply.error('ERR No shutdown in progress.')
}
