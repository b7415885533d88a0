/**
 * SAVE and its kin. Acknowledged writes are in the log already; what these make is a checkpoint, which lets the log be
 * trimmed and the next start be quick.
 */
import { noKeys } from '../../engine/command.ts'
import { lastSaveWallMs } from '../figures.ts'
import type { Session, SessionCommand } from '../session.ts'
import { syntaxError } from './requests.ts'

const running = 'ERR Background save already in progress'
const otherRunning =
  "ERR Another child process is active (AOF?): can't BGSAVE right now. Use BGSAVE SCHEDULE in order to schedule a BGSAVE whenever possible."
const noLog = 'ERR Nothing can be saved: the server keeps no log (appendonly no)'

const about = { keys: noKeys, categories: [], group: 'server', since: '1.0.0', complexity: 'O(N), N the keys that have changed' } as const
const background = { ...about, flags: ['admin', 'noscript', 'no_async_loading'] } as const

export const savingCommands = {
  SAVE: {
    ...about,
    arity: 1,
    flags: ['admin', 'noscript', 'no_async_loading', 'no_multi'],
    syntax: '',
    summary: 'Makes a checkpoint and waits for it.',
    handler: save,
  },
  BGSAVE: { ...background, arity: -1, syntax: '[SCHEDULE]', summary: 'Begins a checkpoint.', handler: bgsave },
  BGREWRITEAOF: {
    ...background,
    arity: 1,
    syntax: '',
    summary: 'Begins a checkpoint, behind which the log is trimmed.',
    handler: bgrewriteaof,
  },
  LASTSAVE: {
    ...about,
    arity: 1,
    flags: ['loading', 'stale', 'fast'],
    categories: ['admin', 'dangerous'],
    complexity: 'O(1)',
    syntax: '',
    summary: 'Returns when the last checkpoint ended.',
    handler: lastsave,
  },
} as const satisfies Record<string, SessionCommand>

/** Whether there is something to save into; if not, the error is written. */
function canSave({ server, reply }: Session): boolean {
  if (server.shard?.checkpointer !== undefined) return true
  reply.error(noLog)
  return false
}

function save(session: Session): void {
  const { reply, server } = session
  if (!canSave(session)) return
  if (server.saves.running !== undefined) {
    reply.error(running)
    return
  }
  const answer = session.inHand.defer('counted')
  server.saves.run('save').then(
    () => answer(() => reply.ok()),
    (failure: Error) => answer(() => reply.error(`ERR ${failure.message}`)),
  )
}

function bgsave(session: Session): void {
  const { args, reply, server } = session
  const { saves } = server
  const scheduled = args.count === 2 && args.is(1, 'SCHEDULE')
  if (args.count > 1 && !scheduled) {
    reply.error(syntaxError)
    return
  }
  if (!canSave(session)) return
  if (saves.running === 'save') reply.error(running)
  else if (saves.running === undefined) {
    saves.begin('save')
    reply.status('Background saving started')
  } else if (scheduled) {
    saves.scheduled = 'save'
    reply.status('Background saving scheduled')
  } else reply.error(otherRunning)
}

function bgrewriteaof(session: Session): void {
  const { reply, server } = session
  const { saves } = server
  if (!canSave(session)) return
  if (saves.running === 'rewrite') reply.error('ERR Background append only file rewriting already in progress')
  else if (saves.running === 'save') {
    saves.scheduled = 'rewrite'
    reply.status('Background append only file rewriting scheduled')
  } else {
    saves.begin('rewrite')
    reply.status('Background append only file rewriting started')
  }
}

function lastsave({ server, reply }: Session): void {
  reply.integer(Math.floor(lastSaveWallMs(server) / 1000))
}
