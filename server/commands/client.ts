/** CLIENT: what the server knows about its clients, and what a client may ask for itself. There is one user. */
import { noKeys } from '../../engine/command.ts'
import { int64Max } from '../../engine/integer.ts'
import type { Client } from '../client.ts'
import type { ClientType } from '../client-list.ts'
import { clientLine, clientType, typeOf } from '../client-list.ts'
import type { Session, SessionCommand } from '../session.ts'
import { isPlainWord, setName } from './connection.ts'
import { container, notAnInteger, replyHelp, syntaxError, timeoutMs, unknownOrWrongArity } from './requests.ts'

const shared = { keys: noKeys, categories: ['connection'], group: 'connection', complexity: 'O(1)' } as const
const own = { ...shared, flags: ['noscript', 'loading', 'stale'] } as const
const admin = { ...shared, flags: ['admin', 'noscript', 'loading', 'stale'] } as const
const onOff = '<ON | OFF>'

export const clientCommands = {
  CLIENT: {
    ...shared,
    arity: -2,
    flags: [],
    categories: [],
    since: '2.4.0',
    complexity: 'Depends on the subcommand',
    syntax: '',
    summary: 'Lists and controls connections.',
    handler: container,
  },
  'CLIENT GETNAME': { ...own, arity: 2, since: '2.6.9', syntax: '', summary: 'Returns the name of the connection.', handler: getName },
  'CLIENT HELP': {
    ...shared,
    arity: 2,
    flags: ['loading', 'stale'],
    since: '5.0.0',
    syntax: '',
    summary: 'Describes the subcommands.',
    handler: help,
  },
  'CLIENT ID': { ...own, arity: 2, since: '5.0.0', syntax: '', summary: 'Returns the number of the connection.', handler: id },
  'CLIENT INFO': { ...own, arity: 2, since: '6.2.0', syntax: '', summary: 'Describes the connection.', handler: info },
  'CLIENT KILL': {
    ...admin,
    arity: -3,
    since: '2.4.0',
    complexity: 'O(N), N the clients',
    syntax:
      '<ip:port | <[ID client-id] | [TYPE <NORMAL | MASTER | REPLICA | PUBSUB>] | [USER username] | [ADDR ip:port] | [LADDR ip:port] | [SKIPME <YES | NO>]>>',
    summary: 'Closes connections.',
    handler: kill,
  },
  'CLIENT LIST': {
    ...admin,
    arity: -2,
    since: '2.4.0',
    complexity: 'O(N), N the clients',
    syntax: '[TYPE <NORMAL | MASTER | REPLICA | PUBSUB>] [ID client-id [client-id ...]]',
    summary: 'Describes the open connections.',
    handler: list,
  },
  'CLIENT NO-EVICT': {
    ...admin,
    arity: 3,
    since: '7.0.0',
    syntax: onOff,
    summary: 'Spares the connection when memory is short.',
    handler: noEvict,
  },
  'CLIENT NO-TOUCH': {
    ...own,
    arity: 3,
    since: '7.2.0',
    syntax: onOff,
    summary: 'Decides whether the commands of the connection count as uses of keys.',
    handler: noTouch,
  },
  'CLIENT PAUSE': {
    ...admin,
    arity: -3,
    since: '2.9.50',
    syntax: 'timeout [WRITE | ALL]',
    summary: 'Holds back all requests, or all writes, for a time.',
    handler: pause,
  },
  'CLIENT REPLY': {
    ...own,
    arity: 3,
    since: '3.2.0',
    syntax: '<ON | OFF | SKIP>',
    summary: 'Decides whether the server replies to the connection.',
    handler: replyMode,
  },
  'CLIENT SETINFO': {
    ...own,
    arity: 4,
    since: '7.2.0',
    syntax: '<LIB-NAME libname | LIB-VER libver>',
    summary: 'Tells the server which library the client uses.',
    handler: setInfo,
  },
  'CLIENT SETNAME': {
    ...own,
    arity: 3,
    since: '2.6.9',
    syntax: 'connection-name',
    summary: 'Names the connection.',
    handler: setClientName,
  },
  'CLIENT UNBLOCK': {
    ...admin,
    arity: -3,
    since: '5.0.0',
    complexity: 'O(1)',
    syntax: 'client-id [TIMEOUT | ERROR]',
    summary: 'Ends the wait of a client that a command has blocked.',
    handler: unblock,
  },
  'CLIENT UNPAUSE': {
    ...admin,
    arity: 2,
    since: '6.2.0',
    complexity: 'O(N), N the requests held back',
    syntax: '',
    summary: 'Ends a pause.',
    handler: unpause,
  },
} as const satisfies Record<string, SessionCommand>

const helpLines = [
  'CACHING (YES|NO)',
  '    Enable/disable tracking of the keys for next command in OPTIN/OPTOUT modes.',
  'GETREDIR',
  '    Return the client ID we are redirecting to when tracking is enabled.',
  'GETNAME',
  '    Return the name of the current connection.',
  'ID',
  '    Return the ID of the current connection.',
  'INFO',
  '    Return information about the current client connection.',
  'KILL <ip:port>',
  '    Kill connection made from <ip:port>.',
  'KILL <option> <value> [<option> <value> [...]]',
  '    Kill connections. Options are:',
  '    * ADDR (<ip:port>|<unixsocket>:0)',
  '      Kill connections made from the specified address',
  '    * LADDR (<ip:port>|<unixsocket>:0)',
  '      Kill connections made to specified local address',
  '    * ID <client-id>',
  '      Kill the connection with this ID.',
  '    * TYPE (NORMAL|MASTER|REPLICA|PUBSUB)',
  '      Kill connections by type.',
  '    * USER <username>',
  '      Kill connections authenticated by <username>.',
  '    * SKIPME (YES|NO)',
  '      Skip killing current connection (default: yes).',
  'LIST [options ...]',
  '    Return information about client connections. Options:',
  '    * TYPE (NORMAL|MASTER|REPLICA|PUBSUB)',
  '      Return clients of specified type.',
  '    * ID <client-id> [<client-id> ...]',
  '      Return the clients with these IDs.',
  'NO-EVICT (ON|OFF)',
  '    Protect current client connection from eviction.',
  'NO-TOUCH (ON|OFF)',
  '    Commands of the current connection do not count as uses of keys.',
  'PAUSE <timeout> [WRITE|ALL]',
  '    Suspend all, or just write, clients for <timeout> milliseconds.',
  'REPLY (ON|OFF|SKIP)',
  '    Control the replies sent to the current connection.',
  'SETINFO (LIB-NAME <name>|LIB-VER <version>)',
  '    Describe the library that the current connection uses.',
  'SETNAME <name>',
  '    Assign the name <name> to the current connection.',
  'TRACKING (ON|OFF) [REDIRECT <id>] [BCAST] [PREFIX <prefix> [...]]',
  '         [OPTIN] [OPTOUT] [NOLOOP]',
  '    Control server assisted client side caching.',
  'TRACKINGINFO',
  '    Report tracking status for the current connection.',
  'UNBLOCK <clientid> [TIMEOUT|ERROR]',
  '    Unblock the specified blocked client.',
  'UNPAUSE',
  '    Stop the current client pause, resuming traffic.',
]

function getName(session: Session): void {
  if (session.name === '') session.reply.nil()
  else session.reply.text(session.name)
}

function help(session: Session): void {
  replyHelp(session, helpLines)
}

function id(session: Session): void {
  session.reply.integer(session.id)
}

function info(session: Session): void {
  session.reply.verbatim('txt', `${clientLine(session, session.server.clock)}\n`)
}

interface KillFilter {
  id: number | undefined
  type: ClientType | undefined
  user: string | undefined
  address: string | undefined
  localAddress: string | undefined
  skipsMe: boolean
}

function kill(session: Session): void {
  const { args, reply, server } = session
  const old = args.count === 3
  const filter = old ? { ...noFilter, address: args.string(2, 'latin1'), skipsMe: false } : killFilter(session)
  if (filter === undefined) return
  let killed = 0
  for (const each of [...server.sessions.values()]) {
    if ((each === session && filter.skipsMe) || !isMeant(each, filter)) continue
    killed++
    if (each === session) session.closeAfterReply()
    else each.connection.close()
  }
  if (!old) reply.integer(killed)
  else if (killed === 0) reply.error('ERR No such client')
  else reply.ok()
}

const noFilter: KillFilter = { id: undefined, type: undefined, user: undefined, address: undefined, localAddress: undefined, skipsMe: true }

/** The options of CLIENT KILL; undefined when one is wrong and the error is written. */
function killFilter(session: Session): KillFilter | undefined {
  const { args } = session
  const filter = { ...noFilter }
  for (let i = 2; i < args.count; i += 2) {
    const problem = i + 1 < args.count ? killOption(session, i, filter) : syntaxError
    if (problem === undefined) continue
    session.reply.error(problem)
    return undefined
  }
  return filter
}

function killOption({ args }: Session, index: number, filter: KillFilter): string | undefined {
  const value = args.string(index + 1, 'latin1')
  if (args.is(index, 'ID')) {
    const given = args.bigInteger(index + 1)
    if (given === undefined || given < 1n) return 'ERR client-id should be greater than 0'
    filter.id = Number(given)
  } else if (args.is(index, 'TYPE')) {
    filter.type = clientType(value)
    if (filter.type === undefined) return `ERR Unknown client type '${value}'`
  } else if (args.is(index, 'ADDR')) filter.address = value
  else if (args.is(index, 'LADDR')) filter.localAddress = value
  else if (args.is(index, 'USER')) {
    if (value !== 'default') return `ERR No such user '${value}'`
    filter.user = value
  } else if (args.is(index, 'SKIPME') && (args.is(index + 1, 'YES') || args.is(index + 1, 'NO'))) filter.skipsMe = args.is(index + 1, 'YES')
  else return syntaxError
  return undefined
}

function isMeant(client: Client, filter: KillFilter): boolean {
  const { pipe } = client.connection
  if (filter.id !== undefined && filter.id !== client.id) return false
  if (filter.type !== undefined && filter.type !== typeOf(client)) return false
  if (filter.user !== undefined && filter.user !== client.user) return false
  if (filter.address !== undefined && filter.address !== pipe.remoteAddress) return false
  return filter.localAddress === undefined || filter.localAddress === pipe.localAddress
}

function list(session: Session): void {
  const { args, reply, server } = session
  let listed: Iterable<Client> = server.sessions.values()
  if (args.count === 4 && args.is(2, 'TYPE')) {
    const type = clientType(args.string(3, 'latin1'))
    if (type === undefined) {
      reply.error(`ERR Unknown client type '${args.string(3, 'latin1')}'`)
      return
    }
    listed = [...listed].filter((each) => typeOf(each) === type)
  } else if (args.count > 3 && args.is(2, 'ID')) {
    const found: Client[] = []
    for (let i = 3; i < args.count; i++) {
      const given = args.bigInteger(i)
      if (given === undefined) {
        reply.error('ERR Invalid client ID')
        return
      }
      const each = server.sessions.get(Number(given))
      if (each !== undefined) found.push(each)
    }
    listed = found
  } else if (args.count !== 2) {
    reply.error(syntaxError)
    return
  }
  let text = ''
  for (const each of listed) text += `${clientLine(each, server.clock)}\n`
  reply.verbatim('txt', text)
}

/** ON or OFF; undefined when it is neither and the error is written. */
function wanted({ args, reply }: Session): boolean | undefined {
  if (args.is(2, 'ON')) return true
  if (args.is(2, 'OFF')) return false
  reply.error(syntaxError)
  return undefined
}

function noEvict(session: Session): void {
  const on = wanted(session)
  if (on === undefined) return
  session.noEvict = on
  session.reply.ok()
}

function noTouch(session: Session): void {
  const on = wanted(session)
  if (on === undefined) return
  session.noTouch = on
  session.reply.ok()
}

function pause(session: Session): void {
  const { args, reply, server } = session
  if (args.count > 4) {
    unknownOrWrongArity(session)
    return
  }
  if (args.count === 4 && !args.is(3, 'WRITE') && !args.is(3, 'ALL')) {
    reply.error('ERR CLIENT PAUSE mode must be WRITE or ALL')
    return
  }
  const durationMs = timeoutMs(session, 2)
  if (durationMs === undefined) return
  // A pause whose end is no int64 ends in the past, as in Redis.
  const overflows = BigInt(Math.floor(server.clock.wallMs())) + (args.bigInteger(2) ?? 0n) > int64Max
  server.gate.pause(overflows ? 0 : durationMs, args.count === 4 && args.is(3, 'WRITE') ? 'write' : 'all')
  reply.ok()
}

/** The writer is told before the reply to ON, and after the silence of OFF and SKIP (by the session). */
function replyMode(session: Session): void {
  const { args, reply } = session
  if (args.is(2, 'ON')) {
    session.replyMode = 'on'
    session.skipNext = false
    session.connection.output.discarding = false
    reply.ok()
  } else if (args.is(2, 'OFF')) session.replyMode = 'off'
  else if (args.is(2, 'SKIP')) session.skipNext = session.replyMode === 'on'
  else reply.error(syntaxError)
}

function setInfo(session: Session): void {
  const { args, reply } = session
  const isName = args.is(2, 'LIB-NAME')
  if (!isName && !args.is(2, 'LIB-VER')) reply.error(`ERR Unrecognized option '${args.string(2, 'latin1')}'`)
  else if (!isPlainWord(args.bytes(3))) {
    reply.error(`ERR ${args.string(2, 'latin1').toLowerCase()} cannot contain spaces, newlines or special characters.`)
  } else {
    if (isName) session.libraryName = args.string(3, 'latin1')
    else session.libraryVersion = args.string(3, 'latin1')
    reply.ok()
  }
}

function setClientName(session: Session): void {
  if (setName(session, 2)) session.reply.ok()
}

function unblock(session: Session): void {
  const { args, reply, server } = session
  const given = args.bigInteger(2)
  if (args.count > 4) unknownOrWrongArity(session)
  else if (args.count === 4 && !args.is(3, 'TIMEOUT') && !args.is(3, 'ERROR')) {
    reply.error('ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR')
  } else if (given === undefined) reply.error(notAnInteger)
  else reply.integer(server.sessions.get(Number(given))?.unblock(args.count === 4 && args.is(3, 'ERROR')) ? 1 : 0)
}

function unpause(session: Session): void {
  session.server.gate.unpause()
  session.reply.ok()
}
