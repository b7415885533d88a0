/** DEBUG POPULATE: many strings at once, for tests. Keys that are there stay as they are. */
import { notPositive } from '../../engine/commands/errors.ts'
import { logFailed, outOfMemory } from '../dispatch-errors.ts'
import type { Session } from '../session.ts'

const keysPerTurn = 500

export function debugPopulate(session: Session): void {
  const { args, reply, server } = session
  const count = positive(session, 2)
  const size = args.count === 5 ? positive(session, 4) : 0
  if (Number.isNaN(count) || Number.isNaN(size)) {
    reply.error(notPositive)
    return
  }
  if (server.isLoading) {
    reply.error('LOADING Redis is loading the dataset in memory')
    return
  }
  const prefix = args.count > 3 ? Buffer.from(args.bytes(3)) : Buffer.from('key')
  const make = (from: number, to: number): void => populate(session, prefix, size, from, to)
  if (session.inExec || count <= keysPerTurn) {
    make(0, count)
    session.hold(server.primary.log.appended, true)
    reply.ok()
    return
  }
  const answer = session.inHand.defer('counted')
  const release = server.gate.hold()
  let made = 0
  const end = (write: () => void): void => {
    release()
    answer(write)
  }
  const step = (): void => {
    // A server that stops closes its clients before it closes the log.
    if (session.connection.closed) release()
    else if (server.logFailure !== undefined) {
      const text = logFailed(server.logFailure)
      end(() => reply.error(text))
    } else if (server.shard?.budget.isExhausted === true) end(() => reply.error(outOfMemory))
    else if (made < count) {
      if (server.shard?.budget.isShort !== true) {
        make(made, Math.min(made + keysPerTurn, count))
        made += keysPerTurn
      }
      server.turn.schedule()
      server.clock.afterTurn(step)
    } else {
      end(() => {
        session.hold(server.primary.log.appended, true)
        reply.ok()
      })
    }
  }
  server.clock.afterTurn(step)
}

/** One record, or in a transaction a part of its record. */
function populate({ server, database }: Session, prefix: Buffer, size: number, from: number, to: number): void {
  const { primary } = server
  const { keyspace, mutator } = primary
  const db = keyspace.logical[database]!
  primary.beginUnit()
  for (let i = from; i < to; i++) {
    const key = Buffer.concat([prefix, Buffer.from(`:${i}`)])
    const text = Buffer.from(`value:${i}`)
    const value = size === 0 ? text : Buffer.alloc(size)
    if (size > 0) text.copy(value)
    keyspace.forgetLookUp()
    if (keyspace.find(db, key, 0, key.length) === 0) mutator.putString(db, key, 0, key.length, value, 0, value.length, 0)
  }
  keyspace.forgetLookUp()
  primary.endUnit()
}

function positive({ args }: Session, index: number): number {
  const number = args.integer(index)
  return number >= 0 ? number : Number.NaN
}
