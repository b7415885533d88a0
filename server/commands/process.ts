/** SHUTDOWN, and DEBUG, which tests use to see what time does. */
import { noKeys } from '../../engine/command.ts'
import { timerMsMax } from '../gate.ts'
import { isLocal } from '../local-address.ts'
import type { Session, SessionCommand } from '../session.ts'
import { replyHelp, syntaxError, unknownOrWrongArity } from './requests.ts'

const notAllowed =
  'ERR DEBUG command not allowed. If the enable-debug-command option is set to "local", you can run it from a local connection, otherwise you need to set this option in the configuration file, and then restart the server.'

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

const helpLines = [
  'ERROR <string>',
  '    Return a Redis protocol error with <string> as message. Useful for clients',
  '    unit tests to simulate Redis errors.',
  'LOG <message>',
  '    Write <message> to the server log.',
  'SET-ACTIVE-EXPIRE <0|1>',
  '    Setting it to 0 disables expiring keys in background when they are not',
  '    accessed (otherwise the Redis behavior). Setting it to 1 reenables back the',
  '    default.',
  'SLEEP <seconds>',
  '    Stop the server for <seconds>. Decimals allowed.',
]

function debug(session: Session): void {
  const { args, reply, server } = session
  if (!mayDebug(session)) reply.error(notAllowed)
  else if (args.is(1, 'HELP') && args.count === 2) replyHelp(session, helpLines)
  else if (args.is(1, 'SLEEP') && args.count === 3) sleep(session)
  else if (args.is(1, 'SET-ACTIVE-EXPIRE') && args.count === 3) {
    if (!server.isLoading) server.maintenance.activeExpiry = args.string(2) !== '0'
    reply.ok()
  } else if (args.is(1, 'ERROR') && args.count === 3) reply.error(args.string(2, 'latin1'))
  else if (args.is(1, 'LOG') && args.count === 3) {
    server.log.warn(`DEBUG LOG: ${args.string(2)}`)
    reply.ok()
  } else unknownOrWrongArity(session)
}

function mayDebug({ connection, server }: Session): boolean {
  const allowed = server.config.values['enable-debug-command']
  if (allowed !== 'local') return allowed === 'yes'
  return isLocal(connection.pipe.remoteAddress)
}

/** Redis stops altogether; here every request is held back as long, and the event loop goes on. */
function sleep(session: Session): void {
  const { args, reply, server } = session
  const seconds = Number.parseFloat(args.string(2))
  const ms = seconds > 0 ? seconds * 1000 : 0
  if (ms === 0 || session.inExec) {
    if (ms > 0) server.gate.stall(ms)
    reply.ok()
    return
  }
  const answer = session.inHand.defer('counted')
  server.clock.after(Math.min(ms, timerMsMax), () => answer(() => reply.ok()))
  server.gate.stall(ms)
}

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
  else if (!aborts) {
    const answer = session.inHand.defer('uncounted')
    server.shutdown.begin({ saves: saves ?? true, forced }, () => answer(() => reply.error('ERR Errors trying to SHUTDOWN. Check logs.')))
  } else if (server.shutdown.abort()) reply.ok()
  else reply.error('ERR No shutdown in progress.')
}
