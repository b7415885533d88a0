/** The id of a log in etcd: eight random bytes under a key of their own, by which a log is known to be there, and to be the one that a node has followed. */
import type { Random } from '../../engine/random.ts'
import { LogCorrupt } from '../transaction-log.ts'
import type { EtcdCalls } from './etcd-calls.ts'
import type { TxnRequest } from './kv-methods.ts'
import { range, txn } from './kv-methods.ts'
import type { LogKeys } from './log-keys.ts'

/** Undefined when there is no log. */
export async function readLogId(calls: EtcdCalls, keys: LogKeys, isGivenUp: () => boolean): Promise<bigint | undefined> {
  const { pairs } = await calls.settled(range, { key: keys.id }, isGivenUp)
  return pairs[0] === undefined ? undefined : decodeLogId(pairs[0].value, keys)
}

export function encodeLogId(id: bigint): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64LE(id)
  return bytes
}

function decodeLogId(bytes: Buffer, keys: LogKeys): bigint {
  if (bytes.length !== 8) throw new LogCorrupt('the log in etcd has no id', keys.id.toString(), 0)
  return bytes.readBigUInt64LE()
}

export interface ExpectedLog {
  readonly random: Random
  readonly prefix: string
  /** Undefined when any log will do. */
  readonly logId?: bigint
  readonly knownCommitted?: number
}

/** Of the log that is there; makes one when there is none, and none is known. Throws `LogCorrupt` when it is another one than expected. */
export async function requireLogId(
  calls: EtcdCalls,
  keys: LogKeys,
  { random, prefix, logId, knownCommitted = 0 }: ExpectedLog,
  isGivenUp: () => boolean,
): Promise<bigint> {
  let id = await readLogId(calls, keys, isGivenUp)
  if (id === undefined) {
    if (knownCommitted > 0) throw new LogCorrupt('there is no log in etcd, but this node has followed one', prefix, 0)
    const made = logId ?? (BigInt(random.nextUint32()) << 32n) | BigInt(random.nextUint32())
    const request: TxnRequest = {
      compares: [{ key: keys.id, target: 'createRevision', is: 'equal', revision: 0 }],
      success: [{ kind: 'put', key: keys.id, value: encodeLogId(made) }],
      failure: [],
    }
    const { succeeded } = await calls.settled(txn, request, isGivenUp)
    id = succeeded ? made : await readLogId(calls, keys, isGivenUp)
    if (id === undefined) throw new LogCorrupt('the log in etcd has no id', prefix, 0)
  }
  if (logId !== undefined && logId !== id) throw new LogCorrupt('the log in etcd is not the one that this node has followed', prefix, 0)
  return id
}
