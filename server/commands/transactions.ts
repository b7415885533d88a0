/** MULTI and its kin. EXEC runs what was queued as one unit: one log record, nothing in between. */
import { keysFrom, noKeys } from '../../engine/command.ts'
import type { Session, SessionCommand } from '../session.ts'

const categories = ['transaction']

export const transactionCommands = {
  MULTI: {
    arity: 1,
    flags: ['noscript', 'loading', 'stale', 'fast', 'allow_busy'],
    keys: noKeys,
    categories,
    group: 'transactions',
    since: '1.2.0',
    complexity: 'O(1)',
    syntax: '',
    summary: 'Starts a transaction.',
    handler: multi,
  },
  EXEC: {
    arity: 1,
    flags: ['noscript', 'loading', 'stale', 'skip_slowlog'],
    keys: noKeys,
    categories,
    group: 'transactions',
    since: '1.2.0',
    complexity: 'That of the queued commands',
    syntax: '',
    summary: 'Executes all commands of a transaction.',
    handler: exec,
  },
  DISCARD: {
    arity: 1,
    flags: ['noscript', 'loading', 'stale', 'fast', 'allow_busy'],
    keys: noKeys,
    categories,
    group: 'transactions',
    since: '2.0.0',
    complexity: 'O(N), N the queued commands',
    syntax: '',
    summary: 'Drops a transaction.',
    handler: discard,
  },
  WATCH: {
    arity: -2,
    flags: ['noscript', 'loading', 'stale', 'fast', 'allow_busy'],
    keys: keysFrom(1, 1, 'RO'),
    categories,
    group: 'transactions',
    since: '2.2.0',
    complexity: 'O(1) for each key',
    syntax: 'key [key ...]',
    summary: 'Makes EXEC depend on keys staying as they are.',
    needs: 'none',
    handler: watch,
  },
  UNWATCH: {
    arity: 1,
    flags: ['noscript', 'loading', 'stale', 'fast', 'allow_busy'],
    keys: noKeys,
    categories,
    group: 'transactions',
    since: '2.2.0',
    complexity: 'O(1)',
    syntax: '',
    summary: 'Forgets all watched keys.',
    handler: unwatch,
  },
} as const satisfies Record<string, SessionCommand>

function multi(session: Session): void {
  if (session.transaction.open) {
    session.reply.error('ERR MULTI calls can not be nested')
    return
  }
  session.transaction.open = true
  session.reply.ok()
}

function exec(session: Session): void {
  const { transaction, reply, server } = session
  if (!transaction.open) {
    reply.error('ERR EXEC without MULTI')
    return
  }
  const { primary } = server
  if (transaction.failed || transaction.isBroken()) {
    if (transaction.failed) reply.error('EXECABORT Transaction discarded because of previous errors.')
    else {
      // That a key has changed must not be known before the change is committed.
      session.hold(primary.log.appended, false)
      reply.nilArray()
    }
    transaction.discard()
    return
  }
  const { queued } = transaction
  const writes = queued.some(({ command }) => command.isWrite)
  transaction.discard()
  reply.array(queued.length)
  primary.beginUnit()
  session.inExec = true
  for (const { command, args } of queued) session.execute(command, args)
  session.inExec = false
  const lsn = primary.endUnit()
  if (lsn !== 0) session.hold(lsn, writes)
}

function discard(session: Session): void {
  if (!session.transaction.open) {
    session.reply.error('ERR DISCARD without MULTI')
    return
  }
  session.transaction.discard()
  session.reply.ok()
}

function watch(session: Session): void {
  if (session.transaction.open) {
    session.reply.error('ERR WATCH inside MULTI is not allowed')
    return
  }
  const { args, server } = session
  const { interest } = server.primary.mutator
  for (let i = 1; i < args.count; i++) session.transaction.watch(interest, session.database, args.bytes(i))
  session.reply.ok()
}

function unwatch(session: Session): void {
  session.transaction.unwatch()
  session.reply.ok()
}
