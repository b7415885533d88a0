/** MODULE: there are none, and none can be loaded. */
import { noKeys } from '../../engine/command.ts'
import { isLocal } from '../local-address.ts'
import type { Session, SessionCommand } from '../session.ts'
import { container, replyHelp } from './requests.ts'

const notAllowed =
  'ERR MODULE command not allowed. If the enable-module-command option is set to "local", you can run it from a local connection, otherwise you need to set this option in the configuration file, and then restart the server.'

const about = { keys: noKeys, categories: [], group: 'server', since: '4.0.0', complexity: 'O(1)' } as const
const loading = { ...about, flags: ['admin', 'noscript', 'no_async_loading'] } as const

export const moduleCommands = {
  MODULE: { ...about, arity: -2, flags: [], syntax: '', summary: 'Tells about modules: there are none.', handler: container },
  'MODULE HELP': {
    ...about,
    arity: 2,
    since: '5.0.0',
    flags: ['loading', 'stale'],
    syntax: '',
    summary: 'Describes the subcommands.',
    handler: help,
  },
  'MODULE LIST': { ...about, arity: 2, flags: ['admin', 'noscript'], syntax: '', summary: 'Returns the modules: none.', handler: list },
  'MODULE LOAD': { ...loading, arity: -3, syntax: 'path [arg [arg ...]]', summary: 'Is refused.', handler: load },
  'MODULE LOADEX': {
    ...loading,
    arity: -3,
    since: '7.0.0',
    syntax: 'path [CONFIG name value [CONFIG name value ...]] [ARGS arg [arg ...]]',
    summary: 'Is refused.',
    handler: load,
  },
  'MODULE UNLOAD': { ...loading, arity: 3, syntax: 'name', summary: 'Is refused.', handler: unload },
} as const satisfies Record<string, SessionCommand>

const helpLines = [
  'LIST',
  '    Return a list of loaded modules.',
  'LOAD <path> [<arg> ...]',
  '    Load a module library from <path>, passing to it any optional arguments.',
  'LOADEX <path> [[CONFIG NAME VALUE] [CONFIG NAME VALUE]] [ARGS ...]',
  '    Load a module library from <path>, while passing it module configurations and optional arguments.',
  'UNLOAD <name>',
  '    Unload a module.',
]

function help(session: Session): void {
  replyHelp(session, helpLines)
}

function list({ reply }: Session): void {
  reply.array(0)
}

function mayTry({ connection, server }: Session): boolean {
  const allowed = server.config.values['enable-module-command']
  return allowed === 'local' ? isLocal(connection.pipe.remoteAddress) : allowed === 'yes'
}

function load(session: Session): void {
  session.reply.error(mayTry(session) ? 'ERR Error loading the extension. Please check the server logs.' : notAllowed)
}

function unload(session: Session): void {
  session.reply.error(mayTry(session) ? 'ERR Error unloading module: no such module with that name' : notAllowed)
}
