/** SHARDCOPY: what one node asks another for when it needs a copy of its data. Not for clients. */
import { noKeys } from '../../engine/command.ts'
import type { ReplyWriter } from '../../engine/reply-writer.ts'
import type { Session, SessionCommand } from '../session.ts'
import { container, notAnInteger } from './requests.ts'

const about = {
  keys: noKeys,
  categories: ['dangerous'],
  group: 'server',
  since: '0.1.0',
  complexity: 'O(N), N the bytes of a piece',
} as const
const admin = { ...about, flags: ['admin', 'noscript', 'no_multi'] } as const

export const shardCopyCommands = {
  SHARDCOPY: {
    ...admin,
    arity: -2,
    complexity: 'Depends on the subcommand',
    syntax: '',
    summary: "Gives another node a copy of this node's data.",
    handler: container,
  },
  'SHARDCOPY BEGIN': {
    ...admin,
    arity: 2,
    syntax: '',
    summary:
      "Makes a checkpoint and a copy of it; returns the copy's number, generation, LSN, the bytes of its catalog and values, and the LSN of the newest record that may be in it.",
    handler: begin,
  },
  'SHARDCOPY CATALOG': {
    ...admin,
    arity: 4,
    syntax: 'copy offset',
    summary: 'Returns a piece of the catalog.',
    handler: catalog,
  },
  'SHARDCOPY END': { ...admin, arity: 3, syntax: 'copy', summary: 'Ends a copy.', handler: end },
  'SHARDCOPY LOG': {
    ...admin,
    arity: 3,
    syntax: 'copy',
    summary:
      'Returns the next records of the log behind the checkpoint with their LSNs, up to the newest that may be in the copy; none at the end.',
    handler: log,
  },
  'SHARDCOPY VALUES': {
    ...admin,
    arity: 3,
    syntax: 'copy',
    summary: 'Returns the next values with their numbers; none at the end.',
    handler: values,
  },
} as const satisfies Record<string, SessionCommand>

function begin(session: Session): void {
  const { reply, server } = session
  answerLater(session, server.copies.begin(), ({ id, generation, lsn, catalogBytes, valueBytes, endLsn }) => {
    reply.array(6)
    for (const number of [id, generation, lsn, catalogBytes, valueBytes, endLsn]) reply.integer(number)
  })
}

function catalog(session: Session): void {
  const { args, reply, server } = session
  const offset = args.integer(3)
  if (offset < 0) reply.error(notAnInteger)
  else answerLater(session, server.copies.catalog(args.integer(2), offset), (bytes) => reply.bulk(bytes, 0, bytes.length))
}

function values(session: Session): void {
  const { args, reply, server } = session
  answerLater(session, server.copies.values(args.integer(2)), (puts) => {
    reply.array(puts.length * 2)
    for (const { id, bytes } of puts) replyNumbered(reply, id, bytes)
  })
}

function log(session: Session): void {
  const { args, reply, server } = session
  answerLater(session, server.copies.log(args.integer(2)), (records) => {
    reply.array(records.length * 2)
    for (const { lsn, payload } of records) replyNumbered(reply, lsn, payload)
  })
}

function replyNumbered(reply: ReplyWriter, number: number, bytes: Buffer): void {
  reply.integer(number)
  reply.bulkShared(bytes, 0, bytes.length)
}

function end(session: Session): void {
  const { args, reply, server } = session
  answerLater(session, server.copies.end(args.integer(2)), (isEnded) => reply.integer(isEnded ? 1 : 0))
}

function answerLater<Result>(session: Session, work: Promise<Result>, write: (result: Result) => void): void {
  const answer = session.inHand.defer('uncounted')
  work.then(
    (result) => answer(() => write(result)),
    (failure: Error) => answer(() => session.reply.error(`ERR ${failure.message}`)),
  )
}
