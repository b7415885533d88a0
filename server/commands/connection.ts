/** Commands on the connection itself. CLIENT's are in `client.ts`. There is one user, `default`. */
import { createHash, timingSafeEqual } from 'node:crypto'
import { noKeys } from '../../engine/command.ts'
import { notAnInt, notAnInteger } from '../../engine/commands/errors.ts'
import { databaseCount } from '../../engine/keyspace/keyspace.ts'
import type { Session, SessionCommand } from '../session.ts'
import { redisVersion } from '../version.ts'
import { syntaxError } from './requests.ts'

const wrongPass = 'WRONGPASS invalid username-password pair or user is disabled.'
const noPassword =
  'ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?'
const helloNeedsAuth =
  'NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO AUTH <user> <pass> option can be used to authenticate the client and select the RESP protocol version at the same time'
const badName = 'ERR Client names cannot contain spaces, newlines or special characters.'

const about = { keys: noKeys, categories: ['connection'], group: 'connection', complexity: 'O(1)' } as const
const greeting = { ...about, flags: ['noscript', 'loading', 'stale', 'fast', 'no_auth', 'allow_busy'] } as const

export const connectionCommands = {
  PING: {
    ...about,
    arity: -1,
    flags: ['fast'],
    since: '1.0.0',
    syntax: '[message]',
    summary: 'Answers PONG, or the message.',
    handler: ping,
  },
  ECHO: {
    ...about,
    arity: 2,
    flags: ['loading', 'stale', 'fast'],
    since: '1.0.0',
    syntax: 'message',
    summary: 'Answers the message.',
    handler: echo,
  },
  AUTH: { ...greeting, arity: -2, since: '1.0.0', syntax: '[username] password', summary: 'Authenticates the connection.', handler: auth },
  HELLO: {
    ...greeting,
    arity: -1,
    since: '6.0.0',
    syntax: '[protover [AUTH username password] [SETNAME clientname]]',
    summary: 'Chooses the protocol, and tells what the server is.',
    handler: hello,
  },
  SELECT: {
    ...about,
    arity: 2,
    flags: ['loading', 'stale', 'fast'],
    since: '1.0.0',
    syntax: 'index',
    summary: 'Changes the database of the connection.',
    handler: select,
  },
  QUIT: { ...greeting, arity: -1, since: '1.0.0', syntax: '', summary: 'Closes the connection.', handler: quit },
  RESET: { ...greeting, arity: 1, since: '6.2.0', syntax: '', summary: 'Makes the connection as it was when it began.', handler: reset },
} as const satisfies Record<string, SessionCommand>

function ping(session: Session): void {
  const { args, reply } = session
  if (args.count > 2) reply.error("ERR wrong number of arguments for 'ping' command")
  else if (session.subscribed && reply.protocol === 2) {
    reply.array(2)
    reply.text('pong')
    reply.bulk(args.buffer, args.count === 2 ? args.start(1) : 0, args.count === 2 ? args.end(1) : 0)
  } else if (args.count === 2) reply.bulk(args.buffer, args.start(1), args.end(1))
  else reply.status('PONG')
}

function echo(session: Session): void {
  const { args, reply } = session
  reply.bulk(args.buffer, args.start(1), args.end(1))
}

function auth(session: Session): void {
  const { args, reply, server } = session
  if (args.count > 3) {
    reply.error(syntaxError)
    return
  }
  session.redact(1)
  if (args.count === 3) session.redact(2)
  if (args.count === 2 && server.config.values.requirepass === '') reply.error(noPassword)
  else if (authenticate(session, args.count === 3 ? 1 : 0, args.count - 1)) reply.ok()
}

/** `userIndex` 0 stands for the default user. Writes the error when it fails. */
function authenticate(session: Session, userIndex: number, passwordIndex: number): boolean {
  const { args } = session
  const { requirepass } = session.server.config.values
  const isDefault = userIndex === 0 || args.string(userIndex, 'latin1') === 'default'
  if (!isDefault || (requirepass !== '' && !isSecret(args.bytes(passwordIndex), requirepass))) {
    session.reply.error(wrongPass)
    return false
  }
  session.authenticated = true
  session.connection.authenticated = true
  return true
}

/** Compares hashes, in a time that tells nothing about the password. */
function isSecret(given: Uint8Array, secret: string): boolean {
  return timingSafeEqual(createHash('sha256').update(given).digest(), createHash('sha256').update(secret).digest())
}

function hello(session: Session): void {
  const { args, reply } = session
  let protocol: number = reply.protocol
  if (args.count > 1) {
    const version = args.bigInteger(1)
    if (version === undefined) {
      reply.error('ERR Protocol version is not an integer or out of range')
      return
    }
    if (version !== 2n && version !== 3n) {
      reply.error('NOPROTO unsupported protocol version')
      return
    }
    protocol = Number(version)
  }
  for (let i = 2; i < args.count; i++) {
    if (args.is(i, 'AUTH') && i + 2 < args.count) {
      session.redact(i + 1)
      session.redact(i + 2)
      if (!authenticate(session, i + 1, i + 2)) return
      i += 2
    } else if (args.is(i, 'SETNAME') && i + 1 < args.count) {
      if (!setName(session, i + 1)) return
      i++
    } else {
      reply.error(`ERR Syntax error in HELLO option '${args.string(i, 'latin1')}'`)
      return
    }
  }
  if (!session.authenticated) {
    reply.error(helloNeedsAuth)
    return
  }
  reply.protocol = protocol === 3 ? 3 : 2
  replyGreeting(session)
}

function replyGreeting(session: Session): void {
  const { reply, server } = session
  reply.map(7)
  reply.text('server')
  reply.text('redis')
  reply.text('version')
  reply.text(redisVersion)
  reply.text('proto')
  reply.integer(reply.protocol)
  reply.text('id')
  reply.integer(session.id)
  reply.text('mode')
  reply.text('standalone')
  reply.text('role')
  reply.text(server.roles.role === 'primary' ? 'master' : 'replica')
  reply.text('modules')
  reply.array(0)
}

/** Names the client after an argument; false, with the error written, when that is no name. Empty takes the name away. */
export function setName(session: Session, index: number): boolean {
  const { args, reply } = session
  if (!isPlainWord(args.bytes(index))) {
    reply.error(badName)
    return false
  }
  session.name = args.string(index, 'latin1')
  return true
}

/** Whether bytes are printable ASCII without blanks, or nothing: so that lists of clients stay readable. */
export function isPlainWord(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte >= 0x21 && byte <= 0x7e)
}

function select(session: Session): void {
  const { args, reply, server } = session
  const index = args.integer(1)
  const count = Math.min(server.config.values.databases, databaseCount)
  if (Number.isNaN(index) && !args.isInt64(1)) reply.error(notAnInteger)
  else if (!(index >= -(2 ** 31) && index < 2 ** 31)) reply.error(notAnInt)
  else if (index < 0 || index >= count) reply.error('ERR DB index is out of range')
  else {
    session.database = index
    reply.ok()
  }
}

function quit(session: Session): void {
  session.reply.ok()
  session.closeAfterReply()
}

function reset(session: Session): void {
  session.reset()
  session.reply.status('RESET')
}
