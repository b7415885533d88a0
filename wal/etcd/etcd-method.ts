/**
 * A call of etcd's API as a row: where it goes, how its request is written and its reply read. The rows stand in
 * `kv-methods.ts` and `cluster-methods.ts`; services, messages and the numbers of their fields are etcd's public API
 * (https://etcd.io/docs/v3.4/dev-guide/api_reference_v3/), and only those fields that are used are here
 * (`docs/formats/etcd-protocol.md`).
 */
import type { ProtobufReader } from './protobuf.ts'
import { ProtobufWriter } from './protobuf.ts'

export interface EtcdMethod<Request, Reply> {
  readonly path: string
  /**
   * Whether the call makes no sense at a member without a leader. Such a member then answers at once that it has none,
   * instead of letting the call wait for its deadline.
   */
  readonly needsLeader: boolean
  encode(request: Request): Buffer
  /** Throws `ProtobufUnreadable`. Bytes in the reply are part of `bytes`. */
  decode(bytes: Buffer): Reply
}

/** The header's revision: the store's when it answered. */
export function readRevision(header: ProtobufReader): number {
  let revision = 0
  while (header.next()) {
    if (header.field === 3) revision = header.integer()
    else header.skip()
  }
  return revision
}

/** The request of a call that says nothing. */
export function emptyRequest(): Buffer {
  return Buffer.alloc(0)
}

/** A message with the fields that `write` writes, expected to be short. */
export function shortRequest(write: (writer: ProtobufWriter) => void): Buffer {
  const writer = new ProtobufWriter(64)
  write(writer)
  return writer.finish()
}
