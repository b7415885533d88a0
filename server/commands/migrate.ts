/** MIGRATE: keys go to another server. The work is in `server/migrate/`; here are the arguments, and Redis's texts. */
import type { KeySpec } from '../../engine/command.ts'
import type { MigrationRequest } from '../migrate/migration.ts'
import { Migration } from '../migrate/migration.ts'
import { TargetFailure } from '../migrate/target-connection.ts'
import type { Session, SessionCommand } from '../session.ts'
import { notAnInteger, syntaxError } from './requests.ts'

const flags = ['RW', 'access', 'delete'] as const
const keys: KeySpec = {
  first: 3,
  last: 3,
  step: 1,
  movable: true,
  access: [
    { first: 3, last: 0, step: 1, flags },
    { first: 0, last: -1, step: 1, keyword: 'KEYS', searchFrom: -2, flags: [...flags, 'incomplete'] },
  ],
}

export const migrateCommands = {
  MIGRATE: {
    arity: -6,
    flags: ['write', 'movablekeys'],
    keys,
    categories: ['keyspace', 'dangerous'],
    group: 'generic',
    since: '2.6.0',
    complexity: 'O(N) where N is the size of the values',
    syntax: 'host port <key | ""> destination-db timeout [COPY] [REPLACE] [AUTH password | AUTH2 username password] [KEYS key [key ...]]',
    summary: 'Moves keys to another server. Others are served meanwhile; a key that changes is sent again.',
    needs: 'none',
    handler: migrate,
  },
} as const satisfies Record<string, SessionCommand>

const keysWithKey = 'ERR When using MIGRATE KEYS option, the key argument must be set to the empty string'
const noTimeoutMs = 1000

function migrate(session: Session): void {
  const { server, reply } = session
  const read = readRequest(session)
  if (read === undefined) return
  const request = { ...read, keys: presentKeys(session, read.keys) }
  if (request.keys.length === 0) {
    reply.status('NOKEY')
    return
  }
  if (session.inExec) {
    reply.error('ERR MIGRATE waits for another server, which it cannot do inside a transaction')
    return
  }
  const answer = session.inHand.defer('counted')
  const host = {
    clock: server.clock,
    network: server.ports.network,
    stagedWork: server.stagedWork,
    get shard() {
      return server.shard
    },
  }
  new Migration(host, request).run().then(
    ({ error, lsn }) =>
      answer(() => {
        if (lsn !== 0) session.hold(lsn, true)
        if (error === undefined) reply.ok()
        else reply.error(error)
      }),
    (failure: Error) => answer(() => reply.error(textOf(failure))),
  )
}

function textOf(failure: Error): string {
  if (!(failure instanceof TargetFailure)) return `ERR ${failure.message}`
  if (failure.failing === 'connecting') return 'IOERR error or timeout connecting to the client'
  return `IOERR error or timeout ${failure.failing} to target instance`
}

/** Undefined when the arguments are wrong; the error is written. */
function readRequest(session: Session): MigrationRequest | undefined {
  const { args, reply, database } = session
  let copies = false
  let replaces = false
  let credentials: Buffer[] = []
  let first = 3
  let last = 3
  const copyOf = (index: number): Buffer => Buffer.from(args.bytes(index))
  const secret = (index: number): Buffer => {
    session.redact(index)
    return copyOf(index)
  }
  for (let i = 6; i < args.count; i++) {
    const more = args.count - 1 - i
    if (args.is(i, 'COPY')) copies = true
    else if (args.is(i, 'REPLACE')) replaces = true
    else if (args.is(i, 'AUTH') && more >= 1) credentials = [secret(++i)]
    else if (args.is(i, 'AUTH2') && more >= 2) credentials = [secret(++i), secret(++i)]
    else if (args.is(i, 'KEYS')) {
      if (args.length(3) !== 0) {
        reply.error(keysWithKey)
        return undefined
      }
      first = i + 1
      last = args.count - 1
      break
    } else {
      reply.error(syntaxError)
      return undefined
    }
  }
  const timeout = args.bigInteger(5)
  const to = args.bigInteger(4)
  if (timeout === undefined || to === undefined) {
    reply.error(notAnInteger)
    return undefined
  }
  const port = Number.parseInt(args.string(2), 10)
  return {
    host: args.string(1),
    port: port > 0 && port < 65536 ? port : 0,
    from: database,
    to: String(to),
    timeoutMs: timeout <= 0n ? noTimeoutMs : Math.min(Number(timeout), 2 ** 31 - 1),
    copies,
    replaces,
    credentials,
    keys: Array.from({ length: last - first + 1 }, (_, i) => copyOf(first + i)),
  }
}

/** Those of the keys that there are; expired ones are none. */
function presentKeys({ server, database }: Session, wanted: readonly Buffer[]): Buffer[] {
  const { x, keyspace } = server.primary
  const now = x.now
  return wanted.filter((key) => {
    keyspace.forgetLookUp()
    const entry = keyspace.find(keyspace.logical[database] as number, key, 0, key.length)
    keyspace.forgetLookUp()
    const expireAt = entry === 0 ? 0 : keyspace.entries.expireAt(entry)
    return entry !== 0 && (expireAt === 0 || expireAt >= now)
  })
}
