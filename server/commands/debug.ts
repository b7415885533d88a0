/**
 * DEBUG: what Redis's own tools and test suites ask for. One row per subcommand: how many arguments it takes (DEBUG and its
 * name included), and whether an error says that it is refused. What would crash or restart the process is refused, and so is
 * what could only pretend.
 */
import { globMatches } from '../../engine/glob.ts'
import { parseMemory } from '../config/setting.ts'
import { timerMsMax } from '../gate.ts'
import { isLocal } from '../local-address.ts'
import type { Session } from '../session.ts'
import { debugHelpLines } from './debug-help.ts'
import { debugPopulate } from './debug-populate.ts'
import { debugProtocol } from './debug-protocol.ts'
import { debugLoadAof, debugReload } from './debug-reload.ts'
import {
  debugDigest,
  debugDigestValue,
  debugHashTable,
  debugHashTableOfKey,
  debugListpack,
  debugObject,
  debugQuicklist,
  debugSdsLength,
} from './debug-values.ts'
import { replyHelp, unknownOrWrongArity } from './requests.ts'

const notAllowed =
  'ERR DEBUG command not allowed. If the enable-debug-command option is set to "local", you can run it from a local connection, otherwise you need to set this option in the configuration file, and then restart the server.'

type Handler = (session: Session) => void

interface Subcommand {
  readonly argumentsMin: number
  readonly argumentsMax: number
  readonly handler: Handler
}

export function debug(session: Session): void {
  const { args, reply } = session
  if (!mayDebug(session)) {
    reply.error(notAllowed)
    return
  }
  const known = subcommands.get(args.string(1, 'latin1').toLowerCase())
  if (known === undefined || args.count < known.argumentsMin || args.count > known.argumentsMax) unknownOrWrongArity(session)
  else known.handler(session)
}

function mayDebug({ connection, server }: Session): boolean {
  const allowed = server.config.values['enable-debug-command']
  if (allowed !== 'local') return allowed === 'yes'
  return isLocal(connection.pipe.remoteAddress)
}

const anyNumber = Number.POSITIVE_INFINITY

const subcommands = new Map<string, Subcommand>([
  row('change-repl-id', 2, 2, changeReplicationId),
  row('client-eviction', 2, 2, clientEviction),
  row('clusterlink', 5, 5, fails('ERR Debug option only available for cluster mode enabled setup!')),
  row('digest', 2, 2, debugDigest),
  row('digest-value', 2, anyNumber, debugDigestValue),
  row('drop-cluster-packet-filter', 3, 3, ok),
  row('error', 3, 3, ({ args, reply }) => reply.error(args.string(2, 'latin1'))),
  row('help', 2, 2, (session) => replyHelp(session, debugHelpLines)),
  row('htstats', 3, 3, debugHashTable),
  row('htstats-key', 3, 3, debugHashTableOfKey),
  row('listpack', 3, 3, debugListpack),
  row('loadaof', 2, anyNumber, debugLoadAof),
  row('log', 3, 3, writeLog),
  row('object', 3, 3, debugObject),
  row('populate', 3, 5, debugPopulate),
  row('protocol', 3, 3, debugProtocol),
  row('quicklist', 3, 4, debugQuicklist),
  row('quicklist-packed-threshold', 3, 3, packedThreshold),
  row('reload', 2, anyNumber, debugReload),
  row('sdslen', 3, 3, debugSdsLength),
  row('set-active-expire', 3, 3, setActiveExpire),
  row('sleep', 3, 3, sleep),
  row('stringmatch-test', 2, 2, testStringMatch),
  ...refused('it would end the process in the middle of its work', 'segfault', 'panic', 'oom', 'assert'),
  ...refused('stop and start the process instead', 'restart', 'crash-and-recover'),
  ...refused('there is no jemalloc', 'mallctl', 'mallctl-str'),
  ...refused('there are no replicas', 'replicate'),
  ...refused('nothing here works like that', 'aof-flush-sleep', 'config-rewrite-force-all', 'leak', 'pause-cron', 'replybuffer'),
  ...refused('nothing here works like that', 'set-disable-deny-scripts', 'set-skip-checksum-validation', 'structsize'),
])

function row(name: string, argumentsMin: number, argumentsMax: number, handler: Handler): [string, Subcommand] {
  return [name, { argumentsMin, argumentsMax, handler }]
}

function refused(reason: string, ...names: readonly string[]): [string, Subcommand][] {
  return names.map((name) => row(name, 2, anyNumber, fails(`ERR DEBUG ${name.toUpperCase()} isn't supported: ${reason}`)))
}

function fails(text: string): Handler {
  return ({ reply }) => reply.error(text)
}

/** There is nothing that it could have an effect on. */
function ok({ reply }: Session): void {
  reply.ok()
}

function changeReplicationId({ reply, server }: Session): void {
  server.changeReplicationId()
  reply.ok()
}

function clientEviction({ reply, server }: Session): void {
  if (server.config.values['maxmemory-clients'] === 0) reply.error('ERR maxmemory-clients is disabled.')
  else reply.error("ERR DEBUG CLIENT-EVICTION isn't supported: clients are not kept in pools")
}

function writeLog({ args, reply, server }: Session): void {
  server.log.warn(`DEBUG LOG: ${args.string(2)}`)
  reply.ok()
}

/** There are no lists yet whose elements could be affected. */
function packedThreshold({ args, reply }: Session): void {
  const bytes = parseMemory(args.string(2, 'latin1'))
  if (bytes === undefined || bytes >= 4n * 1024n ** 3n)
    reply.error('ERR argument must be a memory value bigger than 1 and smaller than 4gb')
  else reply.ok()
}

function setActiveExpire({ args, reply, server }: Session): void {
  if (!server.isLoading) server.maintenance.activeExpiry = args.string(2) !== '0'
  reply.ok()
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

/** Matches random bytes against random patterns: neither may crash, nor take long. */
function testStringMatch({ reply, server }: Session): void {
  const { random } = server.ports
  for (let round = 0; round < 2000; round++) {
    const pattern = Buffer.from(Array.from({ length: random.nextUint32() % 32 }, () => 0x2a + (random.nextUint32() % 54)))
    const text = Buffer.from(Array.from({ length: random.nextUint32() % 128 }, () => random.nextUint32() % 256))
    globMatches(pattern, 0, pattern.length, text, 0, text.length)
  }
  reply.status('Apparently Redis did not crash: test passed')
}
