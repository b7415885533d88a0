/** EVAL and its kin, and SCRIPT. */
import type { KeySpec } from '../../engine/command.ts'
import { keysCounted, noKeys } from '../../engine/command.ts'
import { longOf } from '../../engine/commands/long-argument.ts'
import type { Script } from '../scripting/script-cache.ts'
import type { ScriptRights } from '../scripting/script-calls.ts'
import type { Session, SessionCommand } from '../session.ts'
import { replyHelp } from './requests.ts'

const written = keysCounted(2, ['RW', 'access', 'update'])
const read = keysCounted(2, ['RO', 'access'])
const flags = ['noscript', 'stale', 'skip_monitor', 'no_mandatory_keys', 'movablekeys'] as const
const about = { categories: ['scripting'], group: 'scripting' } as const
const complexity = 'That of the commands that the script calls'
const container = { ...about, keys: noKeys, since: '2.6.0' } as const

const runs = (keys: KeySpec, since: string) =>
  ({ ...about, arity: -3, flags: keys === read ? (['readonly', ...flags] as const) : flags, keys, since, complexity }) as const

export const scriptingCommands = {
  EVAL: {
    ...runs(written, '2.6.0'),
    syntax: 'script numkeys [key [key ...]] [arg [arg ...]]',
    summary: 'Runs a script in Lua.',
    handler: (session) => evaluate(session, false),
  },
  EVALSHA: {
    ...runs(written, '2.6.0'),
    syntax: 'sha1 numkeys [key [key ...]] [arg [arg ...]]',
    summary: 'Runs a script that the server knows.',
    handler: (session) => evaluateKnown(session, false),
  },
  EVAL_RO: {
    ...runs(read, '7.0.0'),
    syntax: 'script numkeys [key [key ...]] [arg [arg ...]]',
    summary: 'Runs a script in Lua that changes nothing.',
    handler: (session) => evaluate(session, true),
  },
  EVALSHA_RO: {
    ...runs(read, '7.0.0'),
    syntax: 'sha1 numkeys [key [key ...]] [arg [arg ...]]',
    summary: 'Runs a script that the server knows and that changes nothing.',
    handler: (session) => evaluateKnown(session, true),
  },
  SCRIPT: {
    ...container,
    categories: [],
    arity: -2,
    flags: [],
    complexity: 'That of the subcommand',
    syntax: '',
    summary: 'Commands about scripts.',
    handler: help,
  },
  'SCRIPT DEBUG': {
    ...container,
    arity: 3,
    flags: ['noscript'],
    since: '3.2.0',
    complexity: 'O(1)',
    syntax: '<YES | SYNC | NO>',
    summary: 'Refused: there is no debugger here.',
    handler: debug,
  },
  'SCRIPT EXISTS': {
    ...container,
    arity: -3,
    flags: ['noscript'],
    complexity: 'O(N), N the scripts asked for',
    syntax: 'sha1 [sha1 ...]',
    summary: 'Tells which scripts the server knows.',
    handler: exists,
  },
  'SCRIPT FLUSH': {
    ...container,
    arity: -2,
    flags: ['noscript'],
    complexity: 'O(N), N the scripts',
    syntax: '[ASYNC | SYNC]',
    summary: 'Forgets all scripts.',
    handler: flush,
  },
  'SCRIPT HELP': {
    ...container,
    arity: 2,
    flags: ['loading', 'stale'],
    since: '5.0.0',
    complexity: 'O(1)',
    syntax: '',
    summary: 'Describes the subcommands.',
    handler: help,
  },
  'SCRIPT KILL': {
    ...container,
    arity: 2,
    flags: ['noscript', 'allow_busy'],
    complexity: 'O(1)',
    syntax: '',
    summary: 'Ends the script that is running, if it has written nothing.',
    handler: kill,
  },
  'SCRIPT LOAD': {
    ...container,
    arity: 3,
    flags: ['noscript', 'stale'],
    complexity: 'O(N), N the length of the script',
    syntax: 'script',
    summary: 'Makes a script known without running it.',
    handler: load,
  },
} as const satisfies Record<string, SessionCommand>

/** How many keys there are, or -1 when the error is written. */
export function keyCountOf({ args, reply }: Session, noNumber = 'ERR value is not an integer or out of range'): number {
  const count = longOf(args, 2)
  if (Number.isNaN(count)) reply.error(noNumber)
  else if (count > args.count - 3) reply.error("ERR Number of keys can't be greater than number of args")
  else if (count < 0) reply.error("ERR Number of keys can't be negative")
  else return count
  return -1
}

/** Monitors see the request before the commands of its script, once, however often it begins anew. */
export function showToMonitors(session: Session): void {
  const { server, inHand, args } = session
  if (server.monitors.size > 0 && (session.inExec || inHand.tries === 0)) server.feedScript(session, args)
}

function evaluate(session: Session, readOnly: boolean): void {
  const { args, reply, server } = session
  showToMonitors(session)
  const keyCount = keyCountOf(session)
  if (keyCount < 0) return
  const script = server.scripting.load(args.buffer, args.start(1), args.end(1))
  if (typeof script === 'string') reply.error(script)
  else start(session, script, readOnly, keyCount)
}

function evaluateKnown(session: Session, readOnly: boolean): void {
  const { args, reply, server } = session
  showToMonitors(session)
  const keyCount = keyCountOf(session)
  if (keyCount < 0) return
  const script = args.length(1) === 40 ? server.scripting.find(args.string(1, 'latin1')) : undefined
  if (script === undefined) reply.error('NOSCRIPT No matching script. Please use EVAL.')
  else if (typeof script === 'string') reply.error(script)
  else start(session, script, readOnly, keyCount)
}

function start(session: Session, script: Script, readOnly: boolean, keyCount: number): void {
  const { reference, sha } = script
  const rights = rightsOf(session, script.flags, readOnly)
  if (typeof rights === 'string') session.reply.error(rights)
  else runScript(session, { reference, name: sha, isFunction: false, rights, keyCount })
}

/** What a script with these flags may do; an error's text if it may not run now. Without flags all is allowed. */
export function rightsOf({ server }: Session, given: ReadonlySet<string> | undefined, readOnly: boolean): ScriptRights | string {
  if (given === undefined) return { writes: !readOnly, ignoresMemory: false, crossesSlots: true }
  if (given.has('no-cluster') && server.slotCheck !== undefined) return "ERR Can not run script on cluster, 'no-cluster' flag is set."
  const writes = !given.has('no-writes')
  if (writes && readOnly) return 'ERR Can not execute a script with write flag using *_ro command.'
  const ignoresMemory = given.has('allow-oom')
  if (writes && server.refusals.ofWrites !== undefined) return server.refusals.ofWrites
  if (writes && !ignoresMemory && server.refusals.forMemory) {
    return "OOM allow-oom flag is not set on the script, can not run it when used memory > 'maxmemory'"
  }
  return { writes, ignoresMemory, crossesSlots: given.has('allow-cross-slot-keys') }
}

interface Runnable {
  readonly reference: number
  readonly name: string
  readonly isFunction: boolean
  readonly rights: ScriptRights
  readonly keyCount: number
}

export function runScript(session: Session, runnable: Runnable): void {
  const { inHand, server } = session
  const { scripting } = server
  let answer: (write: () => void) => void = () => undefined
  const started = scripting.run({
    client: session,
    reference: runnable.reference,
    name: runnable.name,
    isFunction: runnable.isFunction,
    rights: runnable.rights,
    keyCount: runnable.keyCount,
    args: session.args,
    firstKey: 3,
    mayWait: !session.inExec,
    restarts: session.inExec ? 0 : inHand.tries,
    endsLater: (write) => answer(write),
  })
  if (started === 'again') inHand.awaitCold(scripting.wanted)
  else if (started === 'suspended') answer = inHand.defer('counted')
}

function load({ args, reply, server }: Session): void {
  const script = server.scripting.load(args.buffer, args.start(2), args.end(2))
  if (typeof script === 'string') reply.error(script)
  else reply.text(script.sha)
}

function exists({ args, reply, server }: Session): void {
  reply.array(args.count - 2)
  for (let i = 2; i < args.count; i++) reply.integer(server.scripting.cache.find(args.string(i, 'latin1')) === undefined ? 0 : 1)
}

function flush({ args, reply, server }: Session): void {
  if (args.count > 3 || (args.count === 3 && !args.is(2, 'SYNC') && !args.is(2, 'ASYNC'))) {
    reply.error('ERR SCRIPT FLUSH only support SYNC|ASYNC option')
    return
  }
  server.scripting.flush()
  reply.ok()
}

function kill({ reply, server }: Session): void {
  const refusal = server.scripting.kill(false)
  if (refusal === undefined) reply.ok()
  else reply.error(refusal)
}

function debug({ args, reply }: Session): void {
  if (args.is(2, 'NO')) reply.ok()
  else if (args.is(2, 'YES') || args.is(2, 'SYNC')) {
    reply.error('ERR SCRIPT DEBUG is not there: a debugger would hold up everybody, and its changes could not be undone')
  } else reply.error('ERR Use SCRIPT DEBUG YES/SYNC/NO')
}

function help(session: Session): void {
  replyHelp(session, [
    'DEBUG (YES|SYNC|NO)',
    '    Set the debug mode for subsequent scripts executed.',
    'EXISTS <sha1> [<sha1> ...]',
    '    Return information about the existence of the scripts in the script cache.',
    'FLUSH [ASYNC|SYNC]',
    '    Flush the Lua scripts cache. Very dangerous on replicas.',
    '    When called without the optional mode argument, the behavior is determined by the',
    '    lazyfree-lazy-user-flush configuration directive. Valid modes are:',
    '    * ASYNC: Asynchronously flush the scripts cache.',
    '    * SYNC: Synchronously flush the scripts cache.',
    'KILL',
    '    Kill the currently executing Lua script.',
    'LOAD <script>',
    '    Load a script into the scripts cache without executing it.',
  ])
}
