/**
 * The calls of etcd's service KV: Range, Txn, DeleteRange, Compact. A range is `[key, end)`, or the one key when `end` is
 * missing; `prefixEnd` makes the end of all keys with a prefix.
 */
import type { EtcdMethod } from './etcd-method.ts'
import { readRevision, shortRequest } from './etcd-method.ts'
import { ProtobufReader, ProtobufWriter } from './protobuf.ts'

/** Bytes of a request besides keys and values, generously: tags, lengths, revisions. */
const FRAMING_BYTES = 64

export interface KeyValue {
  readonly key: Buffer
  readonly value: Buffer
  /** The revision of the store at which the key came to be. */
  readonly createRevision: number
  /** The revision of its latest change. */
  readonly modRevision: number
}

export interface KeyRange {
  readonly key: Buffer
  readonly end?: Buffer | undefined
}

export interface RangeRequest extends KeyRange {
  /** The most pairs in one reply; all without it. */
  readonly limit?: number | undefined
  /** Reads the store as it was at this revision; refused as compacted when that is gone. Without it: the newest, linearizable. */
  readonly revision?: number | undefined
  readonly keysOnly?: boolean | undefined
  readonly countOnly?: boolean | undefined
}

export interface RangeReply {
  /** The store's revision when it answered, also when an older one was read. */
  readonly revision: number
  /** In the order of their keys. */
  readonly pairs: readonly KeyValue[]
  /** Whether the limit left some out. */
  readonly more: boolean
  /** How many keys the range has, the limit aside. */
  readonly count: number
}

export interface Compare {
  readonly key: Buffer
  /** Both are 0 for a key that does not exist. */
  readonly target: 'createRevision' | 'modRevision'
  readonly is: 'equal' | 'greater' | 'less' | 'different'
  readonly revision: number
}

export type Operation =
  | {
      readonly kind: 'put'
      readonly key: Buffer
      readonly value: Buffer
      /** So many bytes in front of the value, in the same memory, may be written to: a transaction that puts nothing else is then written there. */
      readonly room?: number | undefined
    }
  | ({ readonly kind: 'range' } & RangeRequest)
  | ({ readonly kind: 'deleteRange' } & KeyRange)

export interface TxnRequest {
  readonly compares: readonly Compare[]
  /** What is done when all compares hold. etcd's limit is 128 operations, no key changed twice. */
  readonly success: readonly Operation[]
  /** What is done when one does not. */
  readonly failure?: readonly Operation[]
}

export type OperationReply =
  | { readonly kind: 'put' }
  | ({ readonly kind: 'range' } & RangeReply)
  | { readonly kind: 'deleteRange'; readonly deleted: number }

export interface TxnReply {
  readonly revision: number
  readonly succeeded: boolean
  /** One for each operation of the branch that was taken. */
  readonly replies: readonly OperationReply[]
}

export interface CompactRequest {
  /** History before this revision goes; the newest state of each key stays. */
  readonly revision: number
  /** Whether the answer waits until the space is free for new data. */
  readonly physical: boolean
}

export interface DeleteRangeReply {
  readonly revision: number
  readonly deleted: number
}

export interface CompactReply {
  readonly revision: number
}

export const range: EtcdMethod<RangeRequest, RangeReply> = {
  path: '/etcdserverpb.KV/Range',
  needsLeader: true,
  encode: (request) => shortRequest((writer) => writeRange(writer, request)),
  decode: (bytes) => readRange(new ProtobufReader(bytes)),
}

export const deleteRange: EtcdMethod<KeyRange, DeleteRangeReply> = {
  path: '/etcdserverpb.KV/DeleteRange',
  needsLeader: true,
  encode: (request) => shortRequest((writer) => writeKeyRange(writer, request)),
  decode: (bytes) => readDeleteRange(new ProtobufReader(bytes)),
}

export const compact: EtcdMethod<CompactRequest, CompactReply> = {
  path: '/etcdserverpb.KV/Compact',
  needsLeader: true,
  encode: ({ revision, physical }) =>
    shortRequest((writer) => {
      writer.integer(1, revision)
      if (physical) writer.flag(2)
    }),
  decode: (bytes) => {
    const reader = new ProtobufReader(bytes)
    let revision = 0
    while (reader.next()) {
      if (reader.field === 1) revision = readRevision(reader.message())
      else reader.skip()
    }
    return { revision }
  },
}

export const txn: EtcdMethod<TxnRequest, TxnReply> = {
  path: '/etcdserverpb.KV/Txn',
  needsLeader: true,
  encode: encodeTxn,
  decode: decodeTxn,
}

/** The end of the range of all keys that begin with `prefix`. */
export function prefixEnd(prefix: Buffer): Buffer {
  for (let length = prefix.length; length > 0; length--) {
    if (prefix[length - 1] === 0xff) continue
    const end = Buffer.from(prefix.subarray(0, length))
    end[length - 1]++
    return end
  }
  // There is no key behind all that begin so: one zero byte is etcd's sign for a range without end.
  return Buffer.from([0])
}

/** The range of all keys that begin with `prefix`. */
export function prefixRange(prefix: Buffer): KeyRange {
  return { key: prefix, end: prefixEnd(prefix) }
}

const compareResults = { equal: 0, greater: 1, less: 2, different: 3 } as const

function encodeTxn({ compares, success, failure = [] }: TxnRequest): Buffer {
  const writer = new ProtobufWriter(placeOf(success) ?? sizeOf(compares) + sizeOf(success) + sizeOf(failure))
  // What is put comes last, where it may lie already.
  for (const operation of success.toReversed()) writer.message(2, () => writeOperation(writer, operation))
  for (const operation of failure.toReversed()) writer.message(3, () => writeOperation(writer, operation))
  for (const compare of compares.toReversed()) writer.message(1, () => writeCompare(writer, compare))
  return writer.finish()
}

/** Where the value lies that is put, with the room in front of it. */
function placeOf([put, ...others]: readonly Operation[]): Buffer | undefined {
  if (put?.kind !== 'put' || put.room === undefined || others.length > 0) return undefined
  const { value, room } = put
  return Buffer.from(value.buffer, value.byteOffset - room, room + value.length)
}

function sizeOf(parts: readonly (Compare | Operation)[]): number {
  return parts.reduce((sum, part) => sum + FRAMING_BYTES + part.key.length + ('value' in part ? part.value.length : 0), 0)
}

function writeCompare(writer: ProtobufWriter, { key, target, is, revision }: Compare): void {
  const isCreate = target === 'createRevision'
  writer.integer(isCreate ? 5 : 6, revision)
  writer.bytes(3, key)
  writer.integer(2, isCreate ? 1 : 2)
  writer.integer(1, compareResults[is])
}

function writeOperation(writer: ProtobufWriter, operation: Operation): void {
  if (operation.kind === 'range') writer.message(1, () => writeRange(writer, operation))
  else if (operation.kind === 'deleteRange') writer.message(3, () => writeKeyRange(writer, operation))
  else {
    writer.message(2, () => {
      writer.bytes(2, operation.value)
      writer.bytes(1, operation.key)
    })
  }
}

export function writeKeyRange(writer: ProtobufWriter, { key, end }: KeyRange): void {
  if (end !== undefined) writer.bytes(2, end)
  writer.bytes(1, key)
}

function writeRange(writer: ProtobufWriter, request: RangeRequest): void {
  if (request.countOnly) writer.flag(9)
  if (request.keysOnly) writer.flag(8)
  if (request.revision !== undefined) writer.integer(4, request.revision)
  if (request.limit !== undefined) writer.integer(3, request.limit)
  writeKeyRange(writer, request)
}

function decodeTxn(bytes: Buffer): TxnReply {
  const reader = new ProtobufReader(bytes)
  const replies: OperationReply[] = []
  let revision = 0
  let succeeded = false
  while (reader.next()) {
    if (reader.field === 1) revision = readRevision(reader.message())
    else if (reader.field === 2) succeeded = reader.flag()
    else if (reader.field === 3) replies.push(...readOperationReply(reader.message()))
    else reader.skip()
  }
  return { revision, succeeded, replies }
}

function readOperationReply(reader: ProtobufReader): OperationReply[] {
  const replies: OperationReply[] = []
  while (reader.next()) {
    if (reader.field === 1) replies.push({ kind: 'range', ...readRange(reader.message()) })
    else if (reader.field === 3) replies.push({ kind: 'deleteRange', deleted: readDeleteRange(reader.message()).deleted })
    else {
      if (reader.field === 2) replies.push({ kind: 'put' })
      reader.skip()
    }
  }
  return replies
}

function readRange(reader: ProtobufReader): RangeReply {
  const pairs: KeyValue[] = []
  let revision = 0
  let more = false
  let count = 0
  while (reader.next()) {
    if (reader.field === 1) revision = readRevision(reader.message())
    else if (reader.field === 2) pairs.push(readKeyValue(reader.message()))
    else if (reader.field === 3) more = reader.flag()
    else if (reader.field === 4) count = reader.integer()
    else reader.skip()
  }
  return { revision, pairs, more, count }
}

function readDeleteRange(reader: ProtobufReader): DeleteRangeReply {
  let revision = 0
  let deleted = 0
  while (reader.next()) {
    if (reader.field === 1) revision = readRevision(reader.message())
    else if (reader.field === 2) deleted = reader.integer()
    else reader.skip()
  }
  return { revision, deleted }
}

const noBytes: Buffer = Buffer.alloc(0)

export function readKeyValue(reader: ProtobufReader): KeyValue {
  let key: Buffer = noBytes
  let value: Buffer = noBytes
  let createRevision = 0
  let modRevision = 0
  while (reader.next()) {
    if (reader.field === 1) key = reader.bytes()
    else if (reader.field === 2) createRevision = reader.integer()
    else if (reader.field === 3) modRevision = reader.integer()
    else if (reader.field === 5) value = reader.bytes()
    else reader.skip()
  }
  return { key, value, createRevision, modRevision }
}
