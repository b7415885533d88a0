/**
 * WAIT and WAITAOF. A reply to a write leaves only when the log has the write, so there is little to wait for: that replicas
 * show it, and under `appendfsync everysec` or `no` the disk itself.
 */
import { noKeys } from '../../engine/command.ts'
import type { Session, SessionCommand } from '../session.ts'
import type { Shard } from '../shard/shard.ts'
import { notAnInteger, timeoutMs } from './requests.ts'

const noWaitOnReplica =
  'ERR WAIT cannot be used with replica instances. Please also note that since Redis 4.0 if a replica is configured to be writable (which is not the default) writes to replicas are just local and are not propagated.'
const noWaitAofOnReplica =
  'ERR WAITAOF cannot be used with replica instances. Please also note that writes to replicas are just local and are not propagated.'

const about = { keys: noKeys, categories: ['connection'], group: 'generic', complexity: 'O(1)', flags: ['noscript'] } as const

export const waitingCommands = {
  WAIT: {
    ...about,
    arity: 3,
    since: '3.0.0',
    syntax: 'numreplicas timeout',
    summary: 'Waits until so many replicas show the writes of the connection.',
    handler: wait,
  },
  WAITAOF: {
    ...about,
    arity: 4,
    since: '7.2.0',
    syntax: 'numlocal numreplicas timeout',
    summary: 'Waits until the writes of the connection are on the disk.',
    handler: waitAof,
  },
} as const satisfies Record<string, SessionCommand>

function wait(session: Session): void {
  const { args, reply, server } = session
  const replicas = args.bigInteger(1)
  if (replicas === undefined) {
    reply.error(notAnInteger)
    return
  }
  const ms = timeoutMs(session, 2)
  if (ms === undefined) return
  if (server.roles.role === 'replica') {
    reply.error(noWaitOnReplica)
    return
  }
  const { peers } = server
  const lsn = session.lastWriteLsn
  const answer = (): void => reply.integer(peers.countWith(lsn))
  if (session.inExec || BigInt(peers.countWith(lsn)) >= replicas) answer()
  else {
    const wait = peers.until(() => BigInt(peers.countWith(lsn)) >= replicas)
    waitFor(session, wait.done, ms, answer, wait.giveUp)
  }
}

function waitAof(session: Session): void {
  const { args, reply, server } = session
  const local = args.bigInteger(1)
  const replicas = args.bigInteger(2)
  if (local === undefined) reply.error(notAnInteger)
  else if (local < 0n || local > 1n) reply.error('ERR value is out of range, value must between 0 and 1')
  else if (replicas === undefined) reply.error(notAnInteger)
  else if (replicas < 0n) reply.error('ERR value is out of range, must be positive')
  else {
    const ms = timeoutMs(session, 3)
    if (ms === undefined) return
    if (server.roles.role === 'replica') {
      reply.error(noWaitAofOnReplica)
      return
    }
    if (local > 0n && !server.config.values.appendonly) {
      reply.error('ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.')
      return
    }
    const shard = server.shard as Shard
    const lsn = session.lastWriteLsn
    const { peers } = server
    // What a replica has applied is durable in the log that it comes from.
    const hasReplicas = (): boolean => BigInt(peers.countWith(lsn)) >= replicas
    const answer = (): void => {
      reply.array(2)
      reply.integer(isSynced(shard, lsn) ? 1 : 0)
      reply.integer(peers.countWith(lsn))
    }
    if (session.inExec || (hasReplicas() && (local === 0n || isSynced(shard, lsn)))) answer()
    else {
      const wait = peers.until(hasReplicas)
      waitFor(session, Promise.all([local === 0n ? undefined : synced(shard, lsn), wait.done]), ms, answer, wait.giveUp)
    }
  }
}

/** Answers when `event` has come, or after a time (0: never). `release` is called in any case. */
function waitFor(session: Session, event: Promise<unknown>, timeoutMs: number, write: () => void, release: () => void): void {
  const answer = session.inHand.block({ timeoutMs, timedOut: write, release })
  // Without a log nothing is acknowledged any more; the connection is closed by whoever notices that.
  event.then(
    () => answer(write),
    () => undefined,
  )
}

function isSynced({ log }: Shard, lsn: number): boolean {
  return lsn <= log.synced
}

/** Resolves when the record is on the disk, whatever the sync policy; other logs commit nothing that is not durable. */
async function synced({ log, waiters }: Shard, lsn: number): Promise<void> {
  log.flush()
  await waiters.wait(lsn)
  await log.sync()
}
