/** CONFIG: settings at run time, and the counters of INFO. What a setting accepts and what it does is in `server/config/`. */
import { noKeys } from '../../engine/command.ts'
import { rewriteConfigFile } from '../config/load.ts'
import type { Session, SessionCommand } from '../session.ts'
import { container, replyHelp, syntaxError } from './requests.ts'

const about = { keys: noKeys, categories: [], group: 'server', complexity: 'O(1)' } as const
const admin = { ...about, flags: ['admin', 'noscript', 'loading', 'stale'] } as const

export const configCommands = {
  CONFIG: {
    ...about,
    arity: -2,
    flags: [],
    since: '2.0.0',
    complexity: 'Depends on the subcommand',
    syntax: '',
    summary: 'Reads and changes the configuration.',
    handler: container,
  },
  'CONFIG GET': {
    ...admin,
    arity: -3,
    since: '2.0.0',
    complexity: 'O(N), N the settings',
    syntax: 'parameter [parameter ...]',
    summary: 'Returns settings by name or pattern.',
    handler: get,
  },
  'CONFIG HELP': {
    ...about,
    arity: 2,
    flags: ['loading', 'stale'],
    since: '5.0.0',
    syntax: '',
    summary: 'Describes the subcommands.',
    handler: help,
  },
  'CONFIG RESETSTAT': { ...admin, arity: 2, since: '2.0.0', syntax: '', summary: 'Sets the counters of INFO back.', handler: resetStat },
  'CONFIG REWRITE': {
    ...admin,
    arity: 2,
    since: '2.8.0',
    syntax: '',
    summary: 'Writes the settings in force to the configuration file.',
    handler: rewrite,
  },
  'CONFIG SET': {
    ...admin,
    arity: -4,
    since: '2.0.0',
    complexity: 'O(N), N the settings named',
    syntax: 'parameter value [parameter value ...]',
    summary: 'Changes settings, all of them or none.',
    handler: set,
  },
} as const satisfies Record<string, SessionCommand>

const helpLines = [
  'GET <pattern>',
  '    Return parameters matching the glob-like <pattern> and their values.',
  'SET <directive> <value>',
  '    Set the configuration <directive> to <value>.',
  'RESETSTAT',
  '    Reset statistics reported by the INFO command.',
  'REWRITE',
  '    Rewrite the configuration file.',
]

function get(session: Session): void {
  const { args, reply, server } = session
  const patterns: string[] = []
  for (let i = 2; i < args.count; i++) patterns.push(args.string(i, 'latin1'))
  const found = server.config.get(patterns)
  reply.map(found.length)
  for (const [name, value] of found) {
    reply.text(name)
    reply.text(value)
  }
}

function help(session: Session): void {
  replyHelp(session, helpLines)
}

function resetStat(session: Session): void {
  session.server.resetStats()
  session.reply.ok()
}

function rewrite(session: Session): void {
  const { reply, server } = session
  const { path } = server.config
  if (path === undefined) {
    reply.error('ERR The server is running without a config file')
    return
  }
  if (session.inExec) {
    reply.error("ERR CONFIG REWRITE waits for the disk, so it isn't allowed in a transaction")
    return
  }
  const answer = session.inHand.defer('uncounted')
  rewriteConfigFile(server.config, path).then(
    () => {
      server.log.info('Configuration file rewritten', { path })
      answer(() => reply.ok())
    },
    (failure: Error) => {
      server.log.error('The configuration file could not be rewritten', { path, error: failure })
      answer(() => reply.error(`ERR Rewriting config file: ${failure.message}`))
    },
  )
}

function set(session: Session): void {
  const { args, reply, server } = session
  const pairs: [string, string][] = []
  for (let i = 2; i + 1 < args.count; i += 2) {
    const name = args.string(i, 'latin1')
    if (name.toLowerCase() === 'requirepass') session.redact(i + 1)
    pairs.push([name, args.string(i + 1)])
  }
  if (args.count % 2 === 1) {
    reply.error(syntaxError)
    return
  }
  if (session.inExec && server.config.takesTime(pairs)) {
    reply.error("ERR CONFIG SET waits for the system here, so it isn't allowed in a transaction")
    return
  }
  const write = (problem: string | undefined): void => (problem === undefined ? reply.ok() : reply.error(problem))
  const problem = server.config.set(pairs)
  if (!(problem instanceof Promise)) {
    write(problem)
    return
  }
  const answer = session.inHand.defer('counted')
  void problem.then((found) => answer(() => write(found)))
}
