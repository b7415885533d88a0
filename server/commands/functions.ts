/** FUNCTION, FCALL and FCALL_RO. Libraries lie in the server's own database, so the log, checkpoints and replicas have them as they have keys. */
import type { KeySpec } from '../../engine/command.ts'
import { keysCounted, noKeys } from '../../engine/command.ts'
import { globMatches } from '../../engine/glob.ts'
import { ownDatabase } from '../../engine/keyspace/keyspace.ts'
import type { Library } from '../scripting/libraries.ts'
import { dumpLibraries, readDump } from '../scripting/library-dump.ts'
import type { RegisteredFunction } from '../scripting/library-loader.ts'
import type { Session, SessionCommand } from '../session.ts'
import { replyHelp } from './requests.ts'
import { keyCountOf, rightsOf, runScript, showToMonitors } from './scripting.ts'

const about = { categories: ['scripting'], group: 'scripting', since: '7.0.0' } as const
const written = keysCounted(2, ['RW', 'access', 'update'])
const read = keysCounted(2, ['RO', 'access'])
const flags = ['noscript', 'stale', 'skip_monitor', 'no_mandatory_keys', 'movablekeys'] as const
const complexity = 'That of the commands that the function calls'
const calls = (keys: KeySpec) =>
  ({ ...about, arity: -3, flags: keys === read ? (['readonly', ...flags] as const) : flags, keys, complexity }) as const
const container = { ...about, keys: noKeys, syntax: '', complexity: 'O(1)' } as const
const perLibrary = { ...container, complexity: 'O(N), N the libraries or the length of their texts' } as const

export const functionCommands = {
  FCALL: {
    ...calls(written),
    syntax: 'function numkeys [key [key ...]] [arg [arg ...]]',
    summary: 'Calls a function of a library.',
    handler: (session) => call(session, false),
  },
  FCALL_RO: {
    ...calls(read),
    syntax: 'function numkeys [key [key ...]] [arg [arg ...]]',
    summary: 'Calls a function that changes nothing.',
    handler: (session) => call(session, true),
  },
  FUNCTION: { ...container, categories: [], arity: -2, flags: [], summary: 'Commands about libraries of functions.', handler: help },
  'FUNCTION DELETE': {
    ...container,
    arity: 3,
    flags: ['write', 'noscript'],
    syntax: 'library-name',
    summary: 'Deletes a library.',
    handler: deleteLibrary,
  },
  'FUNCTION DUMP': { ...perLibrary, arity: 2, flags: ['noscript'], summary: 'Gives all libraries as one value.', handler: dump },
  'FUNCTION FLUSH': {
    ...perLibrary,
    arity: -2,
    flags: ['write', 'noscript'],
    syntax: '[ASYNC | SYNC]',
    summary: 'Deletes all libraries.',
    handler: flush,
  },
  'FUNCTION HELP': { ...container, arity: 2, flags: ['loading', 'stale'], summary: 'Describes the subcommands.', handler: help },
  'FUNCTION KILL': {
    ...container,
    arity: 2,
    flags: ['noscript', 'allow_busy'],
    summary: 'Ends the function that is running, if it has written nothing.',
    handler: kill,
  },
  'FUNCTION LIST': {
    ...perLibrary,
    arity: -2,
    flags: ['noscript'],
    syntax: '[LIBRARYNAME pattern] [WITHCODE]',
    summary: 'Tells about libraries.',
    handler: list,
  },
  'FUNCTION LOAD': {
    ...perLibrary,
    arity: -3,
    flags: ['write', 'denyoom', 'noscript'],
    syntax: '[REPLACE] code',
    summary: 'Adds a library.',
    handler: load,
  },
  'FUNCTION RESTORE': {
    ...perLibrary,
    arity: -3,
    flags: ['write', 'denyoom', 'noscript'],
    syntax: 'value [FLUSH | APPEND | REPLACE]',
    summary: 'Adds the libraries that FUNCTION DUMP gave.',
    handler: restore,
  },
  'FUNCTION STATS': {
    ...container,
    arity: 2,
    flags: ['noscript', 'allow_busy'],
    summary: 'Tells what runs, and how many libraries there are.',
    handler: stats,
  },
} as const satisfies Record<string, SessionCommand>

function call(session: Session, readOnly: boolean): void {
  const { args, reply, server } = session
  showToMonitors(session)
  const found = server.scripting.libraries.function(args.string(1, 'latin1'))
  if (found === undefined) {
    reply.error('ERR Function not found')
    return
  }
  const keyCount = keyCountOf(session, 'ERR Bad number of keys provided')
  if (keyCount < 0) return
  const { name, reference } = found
  const rights = rightsOf(session, new Set(found.flags), readOnly)
  if (typeof rights === 'string') reply.error(rights)
  else runScript(session, { reference, name, isFunction: true, rights, keyCount })
}

/** Makes changes to the libraries as one record, or as a part of a transaction's. */
function change(session: Session, deleted: readonly string[], added: readonly Library[]): void {
  const { primary, scripting } = session.server
  const { mutator } = primary.x
  primary.beginUnit()
  for (const name of deleted) {
    scripting.libraries.delete(name)
    const key = Buffer.from(name, 'latin1')
    mutator.delete(ownDatabase, key, 0, key.length)
  }
  for (const library of added) {
    scripting.libraries.put(library)
    const { code } = library
    const key = Buffer.from(library.name, 'latin1')
    mutator.putString(ownDatabase, key, 0, key.length, code, 0, code.length, 0)
  }
  const lsn = primary.endUnit()
  if (lsn !== 0) session.hold(lsn, true)
}

function load(session: Session): void {
  const { args, reply, server } = session
  const last = args.count - 1
  let replaces = false
  for (let i = 2; i < last; i++) {
    if (!args.is(i, 'REPLACE')) {
      reply.error(`ERR Unknown option given: ${args.string(i, 'latin1')}`)
      return
    }
    replaces = true
  }
  const code = Buffer.from(args.bytes(last))
  // The functions of the library that is replaced may be registered again, those of others may not.
  const name = /name=(\w+)/i.exec(code.toString('latin1', 0, Math.max(0, code.indexOf(0x0a))))?.[1]
  const library = server.scripting.libraries.compile(code, (each) => replaces && each === name)
  if (typeof library === 'string') {
    reply.error(library)
    return
  }
  change(session, [], [library])
  reply.text(library.name)
}

function deleteLibrary(session: Session): void {
  const { args, reply, server } = session
  const name = args.string(2, 'latin1')
  if (!server.scripting.libraries.has(name)) {
    reply.error('ERR Library not found')
    return
  }
  change(session, [name], [])
  reply.ok()
}

function flush(session: Session): void {
  const { args, reply, server } = session
  if (args.count > 3 || (args.count === 3 && !args.is(2, 'SYNC') && !args.is(2, 'ASYNC'))) {
    reply.error('ERR FUNCTION FLUSH only supports SYNC|ASYNC option')
    return
  }
  change(
    session,
    server.scripting.libraries.all.map(({ name }) => name),
    [],
  )
  reply.ok()
}

function dump({ reply, server }: Session): void {
  const bytes = dumpLibraries(server.scripting.libraries.all.map(({ code }) => code))
  reply.bulk(bytes, 0, bytes.length)
}

function restore(session: Session): void {
  const { args, reply, server } = session
  const { libraries } = server.scripting
  const policy = args.count === 3 ? 'APPEND' : ['FLUSH', 'APPEND', 'REPLACE'].find((word) => args.is(3, word))
  if (args.count > 4) {
    reply.error("ERR Unknown subcommand or wrong number of arguments for 'RESTORE'. Try FUNCTION HELP.")
    return
  }
  if (policy === undefined) {
    reply.error('ERR Wrong restore policy given, value should be either FLUSH, APPEND or REPLACE.')
    return
  }
  const codes = readDump(Buffer.from(args.bytes(2)))
  if (typeof codes === 'string') {
    reply.error(codes)
    return
  }
  const former = libraries.all
  const added: Library[] = []
  const known = policy === 'APPEND' ? [...namesOf(codes)].find((name) => name !== undefined && libraries.has(name)) : undefined
  if (known !== undefined) {
    reply.error(`ERR Library ${known} already exists`)
    return
  }
  for (const code of codes) {
    const library = libraries.compile(code, (name) => policy === 'FLUSH' || (policy === 'REPLACE' && namesOf(codes).has(name)))
    if (typeof library === 'string') {
      // Here Redis does not put the name in quotes.
      reply.error(library.replace(/^(ERR Library) '(\w+)'/, '$1 $2'))
      return
    }
    added.push(library)
  }
  change(session, policy === 'FLUSH' ? former.map(({ name }) => name) : [], added)
  reply.ok()
}

function namesOf(codes: readonly Buffer[]): Set<string | undefined> {
  return new Set(codes.map((code) => /name=(\w+)/i.exec(code.toString('latin1', 0, 200))?.[1]))
}

function list({ args, reply, server }: Session): void {
  let pattern: Buffer | undefined
  let withCode = false
  for (let i = 2; i < args.count; i++) {
    if (!withCode && args.is(i, 'WITHCODE')) withCode = true
    else if (pattern === undefined && args.is(i, 'LIBRARYNAME')) {
      if (++i >= args.count) {
        reply.error('ERR library name argument was not given')
        return
      }
      pattern = Buffer.from(args.bytes(i))
    } else {
      reply.error(`ERR Unknown argument ${args.string(i, 'latin1')}`)
      return
    }
  }
  const { all } = server.scripting.libraries
  const shown = all.filter(({ name }) => pattern === undefined || matches(pattern, name))
  reply.array(shown.length)
  for (const { name, code, functions } of shown) {
    reply.map(withCode ? 4 : 3)
    reply.text('library_name')
    reply.text(name)
    reply.text('engine')
    reply.text('LUA')
    reply.text('functions')
    reply.array(functions.length)
    for (const each of functions) replyFunction(reply, each)
    if (!withCode) continue
    reply.text('library_code')
    reply.bulk(code, 0, code.length)
  }
}

function matches(pattern: Buffer, name: string): boolean {
  return globMatches(pattern, 0, pattern.length, Buffer.from(name, 'latin1'), 0, name.length, true)
}

function replyFunction(reply: Session['reply'], { name, description, flags: given }: RegisteredFunction): void {
  reply.map(3)
  reply.text('name')
  reply.text(name)
  reply.text('description')
  if (description === undefined) reply.nil()
  else reply.bulk(Buffer.from(description, 'latin1'), 0, description.length)
  reply.text('flags')
  reply.set(given.length)
  for (const flag of given) reply.status(flag)
}

function stats({ reply, server }: Session): void {
  const { running, libraries, busyText } = server.scripting
  if (busyText !== undefined && running?.job.isFunction === false) {
    reply.error(busyText)
    return
  }
  reply.map(2)
  reply.text('running_script')
  if (running === undefined) reply.nil()
  else {
    const { name, args } = running.job
    reply.map(3)
    reply.text('name')
    reply.text(name)
    reply.text('command')
    reply.array(args.count)
    for (let i = 0; i < args.count; i++) reply.bulk(args.buffer, args.start(i), args.end(i))
    reply.text('duration_ms')
    reply.integer(Math.trunc(running.ms))
  }
  reply.text('engines')
  reply.map(1)
  reply.text('LUA')
  reply.map(2)
  reply.text('libraries_count')
  reply.integer(libraries.all.length)
  reply.text('functions_count')
  reply.integer(libraries.functionCount)
}

function kill({ reply, server }: Session): void {
  const refusal = server.scripting.kill(true)
  if (refusal === undefined) reply.ok()
  else reply.error(refusal)
}

function help(session: Session): void {
  replyHelp(session, [
    'LOAD [REPLACE] <FUNCTION CODE>',
    '    Create a new library with the given library name and code.',
    'DELETE <LIBRARY NAME>',
    '    Delete the given library.',
    'LIST [LIBRARYNAME PATTERN] [WITHCODE]',
    '    Return general information on all the libraries:',
    '    * Library name',
    '    * The engine used to run the Library',
    '    * Library description',
    '    * Functions list',
    '    * Library code (if WITHCODE is given)',
    '    It also possible to get only function that matches a pattern using LIBRARYNAME argument.',
    'STATS',
    '    Return information about the current function running:',
    '    * Function name',
    '    * Command used to run the function',
    '    * Duration in MS that the function is running',
    '    If no function is running, return nil',
    '    In addition, returns a list of available engines.',
    'KILL',
    '    Kill the current running function.',
    'FLUSH [ASYNC|SYNC]',
    '    Delete all the libraries.',
    '    When called without the optional mode argument, the behavior is determined by the',
    '    lazyfree-lazy-user-flush configuration directive. Valid modes are:',
    '    * ASYNC: Asynchronously flush the libraries.',
    '    * SYNC: Synchronously flush the libraries.',
    'DUMP',
    '    Return a serialized payload representing the current libraries, can be restored using FUNCTION RESTORE command',
    'RESTORE <PAYLOAD> [FLUSH|APPEND|REPLACE]',
    '    Restore the libraries represented by the given payload, it is possible to give a restore policy to',
    '    control how to handle existing libraries (default APPEND):',
    '    * FLUSH: delete all existing libraries.',
    '    * APPEND: appends the restored libraries to the existing libraries. On collision, abort.',
    '    * REPLACE: appends the restored libraries to the existing libraries, On collision, replace the old',
    '      libraries with the new libraries (notice that even on this option there is a chance of failure',
    '      in case of functions name collision with another library).',
  ])
}
