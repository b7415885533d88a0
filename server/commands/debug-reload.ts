/**
 * DEBUG RELOAD and LOADAOF: the data closed and opened again from disk, by the way of every start. What is on disk is what
 * is in memory, up to the last acknowledged write; so MERGE changes nothing, and NOFLUSH alone would, as Redis describes it,
 * meet a conflict with every key.
 */
import type { Session } from '../session.ts'

export function debugReload(session: Session): void {
  const { args, reply } = session
  let saves = true
  let merges = false
  let flushes = true
  for (let i = 2; i < args.count; i++) {
    if (args.is(i, 'NOSAVE')) saves = false
    else if (args.is(i, 'MERGE')) merges = true
    else if (args.is(i, 'NOFLUSH')) flushes = false
    else {
      reply.error('ERR DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options.')
      return
    }
  }
  if (!flushes && !merges) reply.error("ERR DEBUG RELOAD NOFLUSH isn't supported without MERGE: every key would conflict with itself")
  else reload(session, 'RELOAD', saves)
}

export function debugLoadAof(session: Session): void {
  reload(session, 'LOADAOF', false)
}

function reload(session: Session, name: string, saves: boolean): void {
  const { reply, server } = session
  if (session.inExec) {
    reply.error(`ERR DEBUG ${name} waits for the disk, so it isn't allowed in a transaction`)
    return
  }
  const answer = session.inHand.defer('counted')
  server.shardSwitch.reopen(saves).then(
    () => {
      server.log.warn(`Data reloaded by DEBUG ${name}`)
      answer(() => reply.ok())
    },
    (failure: Error) => answer(() => reply.error(`ERR The data could not be reloaded: ${failure.message}`)),
  )
}
