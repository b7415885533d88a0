/**
 * A log in etcd that goes on where another log has ended: its first slot is a renewal of no epoch, which says what the next
 * record's LSN is. Nobody has claimed it, and nobody can follow it who has not all records before.
 */
import type { Clock } from '../../storage/clock.ts'
import { signEntry } from '../shared/log-entry.ts'
import { sealEntry } from './entry-header.ts'
import { EtcdCalls } from './etcd-calls.ts'
import type { EtcdEndpoints } from './etcd-endpoints.ts'
import type { OperationReply, TxnRequest } from './kv-methods.ts'
import { range, txn } from './kv-methods.ts'
import { encodeLogId, readLogId } from './log-id.ts'
import { LogKeys } from './log-keys.ts'

/** There is a log already, and somebody has written to it or may. */
export class LogExists extends Error {
  override readonly name = 'LogExists'
}

export interface LogPlace {
  /** Closed at the end. */
  readonly endpoints: EtcdEndpoints
  readonly clock: Clock
  readonly prefix: string
}

const never = (): boolean => false

export async function etcdLogExists({ endpoints, clock, prefix }: LogPlace): Promise<boolean> {
  const calls = new EtcdCalls(endpoints, clock)
  try {
    return (await readLogId(calls, new LogKeys(prefix), never)) !== undefined
  } finally {
    calls.close()
  }
}

/**
 * Makes a log whose next record has the LSN `after` + 1. A log with the same id that nobody has claimed was made by an earlier attempt:
 * it is made anew. Throws `LogExists` for any other.
 */
export async function createEtcdLog({ endpoints, clock, prefix }: LogPlace, logId: bigint, after: number): Promise<void> {
  const calls = new EtcdCalls(endpoints, clock)
  const keys = new LogKeys(prefix)
  const entry = signEntry('renewal', 0, after + 1)
  sealEntry(entry, logId, 1)
  const { bytes } = entry
  const key = keys.slot(1)
  try {
    for (let attempt = 0; attempt < attemptsMax; attempt++) {
      const found = await readLogId(calls, keys, never)
      if (found !== undefined && found !== logId) throw new LogExists(`etcd has another log under ${prefix}`)
      const { pairs } = await calls.settled(range, { key }, never)
      const request: TxnRequest = {
        compares: [
          { key: keys.id, target: 'createRevision', is: found === undefined ? 'equal' : 'greater', revision: 0 },
          { key: keys.epoch, target: 'createRevision', is: 'equal', revision: 0 },
          { key, target: 'modRevision', is: 'equal', revision: pairs[0]?.modRevision ?? 0 },
          { key: keys.slot(2), target: 'createRevision', is: 'equal', revision: 0 },
        ],
        success: [
          { kind: 'put', key: keys.id, value: encodeLogId(logId) },
          { kind: 'put', key, value: bytes },
        ],
        failure: [
          { kind: 'range', key: keys.epoch },
          { kind: 'range', key },
        ],
      }
      const { succeeded, replies } = await calls.settled(txn, request, never)
      if (succeeded) return
      if (pairOf(replies[0]) !== undefined) throw new LogExists(`the log in etcd under ${prefix} has been claimed by a node`)
      // An earlier attempt of these has succeeded without our hearing of it.
      if (pairOf(replies[1])?.value.equals(bytes) === true) return
    }
    throw new LogExists(`there is something under ${prefix} in etcd that is no new log`)
  } finally {
    calls.close()
  }
}

const attemptsMax = 3

function pairOf(reply: OperationReply | undefined): { readonly value: Buffer } | undefined {
  return reply?.kind === 'range' ? reply.pairs[0] : undefined
}
