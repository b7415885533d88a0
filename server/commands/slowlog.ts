/** SLOWLOG: the requests that took longer than `slowlog-log-slower-than`. */
import { noKeys } from '../../engine/command.ts'
import type { Session, SessionCommand } from '../session.ts'
import { container, replyHelp, unknownOrWrongArity } from './requests.ts'

const shownUnlessTold = 10

const about = { keys: noKeys, categories: [], group: 'server', since: '2.2.12' } as const
const admin = { ...about, flags: ['admin', 'loading', 'stale'] } as const

export const slowlogCommands = {
  SLOWLOG: {
    ...about,
    arity: -2,
    flags: [],
    complexity: 'Depends on the subcommand',
    syntax: '',
    summary: 'Shows slow requests.',
    handler: container,
  },
  'SLOWLOG GET': {
    ...admin,
    arity: -2,
    complexity: 'O(N), N the requests shown',
    syntax: '[count]',
    summary: 'Returns slow requests, the newest first.',
    handler: get,
  },
  'SLOWLOG HELP': {
    ...about,
    arity: 2,
    flags: ['loading', 'stale'],
    since: '6.2.0',
    complexity: 'O(1)',
    syntax: '',
    summary: 'Describes the subcommands.',
    handler: help,
  },
  'SLOWLOG LEN': { ...admin, arity: 2, complexity: 'O(1)', syntax: '', summary: 'Returns how many slow requests are known.', handler: len },
  'SLOWLOG RESET': {
    ...admin,
    arity: 2,
    complexity: 'O(N), N the requests known',
    syntax: '',
    summary: 'Forgets all slow requests.',
    handler: reset,
  },
} as const satisfies Record<string, SessionCommand>

const helpLines = [
  'GET [<count>]',
  '    Return top <count> entries from the slowlog (default: 10, -1 mean all).',
  '    Entries are made of:',
  '    id, timestamp, time in microseconds, arguments array, client IP and port,',
  '    client name',
  'LEN',
  '    Return the length of the slowlog.',
  'RESET',
  '    Reset the slowlog.',
]

function get(session: Session): void {
  const { args, reply, server } = session
  if (args.count > 3) {
    unknownOrWrongArity(session)
    return
  }
  const asked = args.count === 3 ? args.integer(2) : shownUnlessTold
  if (!(asked >= -1)) {
    reply.error('ERR count should be greater than or equal to -1')
    return
  }
  const { entries } = server.slowlog
  const shown = asked === -1 ? entries : entries.slice(0, asked)
  reply.array(shown.length)
  for (const entry of shown) {
    reply.array(6)
    reply.integer(entry.id)
    reply.integer(entry.wallSeconds)
    reply.integer(entry.us)
    reply.array(entry.args.length)
    for (const arg of entry.args) reply.bulk(arg, 0, arg.length)
    reply.text(entry.client)
    reply.text(entry.clientName)
  }
}

function help(session: Session): void {
  replyHelp(session, helpLines)
}

function len({ server, reply }: Session): void {
  reply.integer(server.slowlog.entries.length)
}

function reset({ server, reply }: Session): void {
  server.slowlog.entries.length = 0
  reply.ok()
}
