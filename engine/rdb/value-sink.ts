/** Who gets the elements of a value that is decoded, one after the other. What an element's bytes are in is valid during the call. */
import type { RdbElement } from './rdb-input.ts'

export type ValueKind = 'string' | 'list' | 'set' | 'zset' | 'hash' | 'stream'

/** Of a stream's entry: two numbers of 64 bits. */
export interface StreamId {
  readonly ms: bigint
  readonly seq: bigint
}

export interface StreamTotals {
  readonly length: number
  readonly last: StreamId
  readonly first: StreamId
  readonly maxDeleted: StreamId
  readonly added: bigint
}

/** Begins with `begin`, then come the elements of that kind, then `end`. It may throw `RefusedValue`. */
export interface ValueSink {
  /** `count`: how many elements there will be, -1 if that is not told. */
  begin(kind: ValueKind, count: number): void
  /** The whole of a string. */
  string(value: RdbElement): void
  /** The next element of a list, or a member of a set. */
  element(value: RdbElement): void
  /** A member of a sorted set. */
  scored(member: RdbElement, score: number): void
  /** A field of a hash. `expireAt`: ms since the epoch, 0 for never. */
  field(field: RdbElement, value: RdbElement, expireAt: number): void
  /** An entry of a stream: `fields` has `count` fields and values in all, one after the other. */
  entry(id: StreamId, fields: readonly RdbElement[], count: number): void
  /** Comes behind a stream's entries. */
  totals(totals: StreamTotals): void
  /** A consumer group of a stream. `read`: how many entries it has read, undefined if that is not known. */
  group(name: RdbElement, last: StreamId, read: bigint | undefined): void
  /** What was delivered in the group that was told of last, and not acknowledged. */
  pending(id: StreamId, deliveredMs: number, deliveries: number): void
  /** A consumer of that group. `activeMs`: -1 if that is not known. */
  consumer(name: RdbElement, seenMs: number, activeMs: number): void
  /** What of that group is pending with the consumer that was told of last. */
  consumerPending(id: StreamId): void
  end(): void
}

/** A value that cannot be taken, though it is well-formed, or has a fault that only shows in the whole of it. */
export class RefusedValue extends Error {
  override readonly name = 'RefusedValue'
}

/** Looks at nothing. */
export class NoSink implements ValueSink {
  begin(_kind: ValueKind, _count: number): void {}
  string(_value: RdbElement): void {}
  element(_value: RdbElement): void {}
  scored(_member: RdbElement, _score: number): void {}
  field(_field: RdbElement, _value: RdbElement, _expireAt: number): void {}
  entry(_id: StreamId, _fields: readonly RdbElement[], _count: number): void {}
  totals(_totals: StreamTotals): void {}
  group(_name: RdbElement, _last: StreamId, _read: bigint | undefined): void {}
  pending(_id: StreamId, _deliveredMs: number, _deliveries: number): void {}
  consumer(_name: RdbElement, _seenMs: number, _activeMs: number): void {}
  consumerPending(_id: StreamId): void {}
  end(): void {}
}
