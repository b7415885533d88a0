/** COMMAND: what the server knows about its commands, all of it from their tables. */
import type { KeyAccess } from '../../engine/command.ts'
import { noKeys } from '../../engine/command.ts'
import { globMatches } from '../../engine/glob.ts'
import { aclCategories } from '../acl-categories.ts'
import type { RequestKey } from '../command-keys.ts'
import { keysOf } from '../command-keys.ts'
import type { ArgumentDoc } from '../command-syntax.ts'
import { argumentDocs } from '../command-syntax.ts'
import type { Command } from '../command-table.ts'
import type { Session, SessionCommand } from '../session.ts'
import { replyHelp, syntaxError } from './requests.ts'

const about = {
  keys: noKeys,
  categories: ['connection'],
  flags: ['loading', 'stale'],
  group: 'server',
  since: '2.8.13',
  complexity: 'O(1)',
} as const
const everyCommand = 'O(N), N the commands'

export const commandCommands = {
  COMMAND: { ...about, arity: -1, complexity: everyCommand, syntax: '', summary: 'Returns the facts about all commands.', handler: info },
  'COMMAND COUNT': { ...about, arity: 2, syntax: '', summary: 'Returns how many commands there are.', handler: count },
  'COMMAND DOCS': {
    ...about,
    arity: -2,
    since: '7.0.0',
    complexity: everyCommand,
    syntax: '[command-name [command-name ...]]',
    summary: 'Returns what commands do, and their arguments.',
    handler: docs,
  },
  'COMMAND GETKEYS': {
    ...about,
    arity: -4,
    complexity: 'O(N), N the arguments',
    syntax: 'command [arg [arg ...]]',
    summary: 'Returns the keys in a request.',
    handler: getKeys,
  },
  'COMMAND GETKEYSANDFLAGS': {
    ...about,
    arity: -4,
    since: '7.0.0',
    complexity: 'O(N), N the arguments',
    syntax: 'command [arg [arg ...]]',
    summary: 'Returns the keys in a request, and what becomes of them.',
    handler: getKeysAndFlags,
  },
  'COMMAND HELP': { ...about, arity: 2, since: '5.0.0', syntax: '', summary: 'Describes the subcommands.', handler: help },
  'COMMAND INFO': {
    ...about,
    arity: -2,
    complexity: everyCommand,
    syntax: '[command-name [command-name ...]]',
    summary: 'Returns the facts about commands.',
    handler: info,
  },
  'COMMAND LIST': {
    ...about,
    arity: -2,
    since: '7.0.0',
    complexity: everyCommand,
    syntax: '[FILTERBY <MODULE module-name | ACLCAT category | PATTERN pattern>]',
    summary: 'Returns the names of commands.',
    handler: list,
  },
} as const satisfies Record<string, SessionCommand>

const helpLines = [
  '(no subcommand)',
  '    Return details about all Redis commands.',
  'COUNT',
  '    Return the total number of commands in this Redis server.',
  'LIST',
  '    Return a list of all commands in this Redis server.',
  'INFO [<command-name> ...]',
  '    Return details about multiple Redis commands.',
  '    If no command names are given, documentation details for all',
  '    commands are returned.',
  'DOCS [<command-name> ...]',
  '    Return documentation details about multiple Redis commands.',
  '    If no command names are given, documentation details for all',
  '    commands are returned.',
  'GETKEYS <full-command>',
  '    Return the keys from a full Redis command.',
  'GETKEYSANDFLAGS <full-command>',
  '    Return the keys and the access flags from a full Redis command.',
]

function help(session: Session): void {
  replyHelp(session, helpLines)
}

function count({ server, reply }: Session): void {
  reply.integer(server.commands.all.length)
}

/** Also COMMAND alone. */
function info(session: Session): void {
  const { args, reply, server } = session
  if (args.count <= 2) {
    reply.array(server.commands.all.length)
    for (const command of server.commands.all) replyInfo(session, command)
    return
  }
  reply.array(args.count - 2)
  for (let i = 2; i < args.count; i++) {
    const command = server.commands.named(args.string(i, 'latin1'))
    if (command === undefined) reply.nil()
    else replyInfo(session, command)
  }
}

function replyInfo(session: Session, command: Command): void {
  const { reply } = session
  const { spec, subcommands } = command
  reply.array(10)
  reply.text(command.name)
  reply.integer(spec.arity)
  replyStatuses(session, spec.flags)
  reply.integer(spec.keys.first)
  reply.integer(spec.keys.last)
  reply.integer(spec.keys.step)
  replyStatuses(
    session,
    aclCategories(command).map((category) => `@${category}`),
  )
  reply.set(0)
  reply.set(spec.keys.access.length)
  for (const access of spec.keys.access) replyKeySpecification(session, access)
  reply.set(subcommands?.all.length ?? 0)
  for (const subcommand of subcommands?.all ?? []) replyInfo(session, subcommand)
}

function replyStatuses({ reply }: Session, words: readonly string[]): void {
  reply.set(words.length)
  for (const word of words) reply.status(word)
}

function replyKeySpecification(
  session: Session,
  { first, last, step, flags, numberAt, keyword, searchFrom = 1, limit = 0, isUnknown = false }: KeyAccess,
): void {
  const { reply } = session
  reply.map(3)
  reply.text('flags')
  replyStatuses(session, flags)
  reply.text('begin_search')
  if (isUnknown) {
    replyTyped(session, 'unknown', [])
    reply.text('find_keys')
    replyTyped(session, 'unknown', [])
    return
  }
  if (keyword === undefined) replyTyped(session, 'index', [['index', numberAt ?? first]])
  else
    replyTyped(session, 'keyword', [
      ['keyword', keyword],
      ['startfrom', searchFrom],
    ])
  reply.text('find_keys')
  if (numberAt === undefined)
    replyTyped(session, 'range', [
      ['lastkey', last],
      ['keystep', step],
      ['limit', limit],
    ])
  else
    replyTyped(session, 'keynum', [
      ['keynumidx', 0],
      ['firstkey', 1],
      ['keystep', step],
    ])
}

function replyTyped({ reply }: Session, type: string, numbers: readonly (readonly [string, number | string])[]): void {
  reply.map(2)
  reply.text('type')
  reply.text(type)
  reply.text('spec')
  reply.map(numbers.length)
  for (const [name, number] of numbers) {
    reply.text(name)
    if (typeof number === 'string') reply.text(number)
    else reply.integer(number)
  }
}

function docs(session: Session): void {
  const { args, server } = session
  const found: Command[] = []
  if (args.count === 2) found.push(...server.commands.all)
  for (let i = 2; i < args.count; i++) {
    const command = server.commands.named(args.string(i, 'latin1'))
    if (command !== undefined) found.push(command)
  }
  replyDocs(session, found)
}

function replyDocs(session: Session, commands: readonly Command[]): void {
  const { reply } = session
  reply.map(commands.length)
  for (const { name, spec, subcommands } of commands) {
    const parts = argumentDocs(spec.syntax)
    reply.text(name)
    reply.map(4 + (parts.length > 0 ? 1 : 0) + (subcommands === undefined ? 0 : 1))
    for (const field of ['summary', 'since', 'group', 'complexity'] as const) {
      reply.text(field)
      reply.text(spec[field])
    }
    if (parts.length > 0) {
      reply.text('arguments')
      replyArguments(session, parts)
    }
    if (subcommands !== undefined) {
      reply.text('subcommands')
      replyDocs(session, subcommands.all)
    }
  }
}

function replyArguments(session: Session, parts: readonly ArgumentDoc[]): void {
  const { reply } = session
  reply.array(parts.length)
  for (const { name, type, token, optional, multiple, repeatsToken, parts: inner } of parts) {
    const flags = [
      ...(optional ? ['optional'] : []),
      ...(multiple ? ['multiple'] : []),
      ...(repeatsToken === true ? ['multiple_token'] : []),
    ]
    reply.map(2 + (token === undefined ? 0 : 1) + (flags.length > 0 ? 1 : 0) + (inner.length > 0 ? 1 : 0))
    reply.text('name')
    reply.text(name)
    reply.text('type')
    reply.text(type)
    if (token !== undefined) {
      reply.text('token')
      reply.text(token)
    }
    if (flags.length > 0) {
      reply.text('flags')
      replyStatuses(session, flags)
    }
    if (inner.length > 0) {
      reply.text('arguments')
      replyArguments(session, inner)
    }
  }
}

/** The keys of the request behind the subcommand; undefined when there are none to tell and the error is written. */
function requestKeys({ args, reply, server }: Session): RequestKey[] | undefined {
  const container = server.commands.find(args, 2)
  const command = container?.subcommands === undefined || args.count < 4 ? container : container.subcommands.find(args, 3)
  if (command === undefined) reply.error('ERR Invalid command specified')
  else if (!command.hasKeys) reply.error('ERR The command has no key arguments')
  else {
    const { arity } = command.spec
    const given = args.count - 2
    if (arity > 0 ? given === arity : given >= -arity) {
      const keys = keysOf(command, args, 2)
      if (keys === undefined) reply.error('ERR Invalid arguments specified for command')
      return keys
    }
    reply.error('ERR Invalid number of arguments specified for command')
  }
  return undefined
}

function getKeys(session: Session): void {
  const { args, reply } = session
  const keys = requestKeys(session)
  if (keys === undefined) return
  reply.array(keys.length)
  for (const { index } of keys) reply.bulk(args.buffer, args.start(index), args.end(index))
}

function getKeysAndFlags(session: Session): void {
  const { args, reply } = session
  const keys = requestKeys(session)
  if (keys === undefined) return
  reply.array(keys.length)
  for (const { index, flags } of keys) {
    reply.array(2)
    reply.bulk(args.buffer, args.start(index), args.end(index))
    replyStatuses(session, flags)
  }
}

function list(session: Session): void {
  const { args, reply, server } = session
  const filter = args.count === 2 ? () => true : listFilter(session)
  if (filter === undefined) {
    reply.error(syntaxError)
    return
  }
  const names: string[] = []
  for (const command of server.commands.everyOne()) if (filter(command)) names.push(command.name)
  reply.array(names.length)
  for (const name of names) reply.text(name)
}

function listFilter({ args }: Session): ((command: Command) => boolean) | undefined {
  if (args.count !== 5 || !args.is(2, 'FILTERBY')) return undefined
  const wanted = Buffer.from(args.bytes(4))
  if (args.is(3, 'MODULE')) return () => false
  if (args.is(3, 'ACLCAT')) {
    const category = wanted.toString('latin1').toLowerCase()
    return (command) => aclCategories(command).includes(category)
  }
  if (!args.is(3, 'PATTERN')) return undefined
  return ({ name }) => globMatches(wanted, 0, wanted.length, Buffer.from(name), 0, name.length, true)
}
