/** Commands on the connection itself. CLIENT's are in `client.ts`. */
import { noKeys } from '../../engine/command.ts'
import type { SessionCommand } from '../command-table.ts'
import type { Session } from '../session.ts'

export const connectionCommands = {
  PING: {
    arity: -1,
    flags: ['fast'],
    keys: noKeys,
    categories: ['connection'],
    group: 'connection',
    since: '1.0.0',
    complexity: 'O(1)',
    syntax: '[message]',
    summary: 'Answers PONG, or the message.',
    handler: ping,
  },
  SELECT: {
    arity: 2,
    flags: ['loading', 'stale', 'fast'],
    keys: noKeys,
    categories: ['connection'],
    group: 'connection',
    since: '1.0.0',
    complexity: 'O(1)',
    syntax: 'index',
    summary: 'Changes the database of the connection.',
    handler: select,
  },
  QUIT: {
    arity: -1,
    flags: ['noscript', 'loading', 'stale', 'fast', 'no_auth', 'allow_busy'],
    keys: noKeys,
    categories: ['connection'],
    group: 'connection',
    since: '1.0.0',
    complexity: 'O(1)',
    syntax: '',
    summary: 'Closes the connection.',
    handler: quit,
  },
} as const satisfies Record<string, SessionCommand>

function ping(session: Session): void {
  const { args, reply } = session
  if (args.count > 2) reply.error("ERR wrong number of arguments for 'ping' command")
  else if (args.count === 2) reply.bulk(args.buffer, args.start(1), args.end(1))
  else reply.status('PONG')
}

function select(session: Session): void {
  const index = session.args.integer(1)
  if (!(index >= -(2 ** 31) && index < 2 ** 31)) session.reply.error('ERR invalid DB index')
  else if (index < 0 || index >= 16) session.reply.error('ERR DB index is out of range')
  else {
    session.database = index
    session.reply.ok()
  }
}

function quit(session: Session): void {
  session.reply.ok()
  session.closeAfterReply()
}
