/**
 * What became of a call. Only etcd's own refusal says that nothing happened; whatever else goes wrong, a deadline that
 * passes, a connection that breaks, a leader that changes, leaves open whether it did. Who has sent a change must then read
 * what is there, or send the same change again under a guard.
 */
import type { ServiceError } from '@grpc/grpc-js'
import { status } from '@grpc/grpc-js'

export type EtcdOutcome<Reply> = Answered<Reply> | Refused | Ambiguous

export interface Answered<Reply> {
  readonly kind: 'answered'
  readonly reply: Reply
}

/** etcd has looked at the request and changed nothing. */
export interface Refused {
  readonly kind: 'refused'
  readonly why: RefusalReason
  /** gRPC's code. */
  readonly code: number
  /** etcd's own words. */
  readonly message: string
}

/** It may have happened, or may even happen yet: etcd goes on with what it has once accepted. */
export interface Ambiguous {
  readonly kind: 'ambiguous'
  readonly code: number
  readonly message: string
}

/** The refusals that callers tell apart. */
export type RefusalReason = 'noSpace' | 'compacted' | 'tooLarge' | 'tooManyRequests' | 'notLeader' | 'badToken' | 'denied' | 'other'

/** Codes with which etcd refuses. Unavailable is none of them: etcd says that too when it has given up waiting for a change to be applied. */
const refusalCodes: readonly number[] = [
  status.INVALID_ARGUMENT,
  status.NOT_FOUND,
  status.ALREADY_EXISTS,
  status.PERMISSION_DENIED,
  status.RESOURCE_EXHAUSTED,
  status.FAILED_PRECONDITION,
  status.OUT_OF_RANGE,
  status.UNAUTHENTICATED,
]

/**
 * gRPC's own library uses some of these codes for broken connections. So begin the messages of etcd, and the one of the
 * library in etcd when a request is too large to be read at all.
 */
const refusalMessages = ['etcdserver: ', 'grpc: received message larger than max']

/** By parts of etcd's messages, which have stayed the same from 3.4 to 3.6; its codes alone do not tell these apart. */
const reasons: readonly (readonly [string, RefusalReason])[] = [
  ['database space exceeded', 'noSpace'],
  ['required revision has been compacted', 'compacted'],
  ['request is too large', 'tooLarge'],
  ['larger than max', 'tooLarge'],
  ['too many requests', 'tooManyRequests'],
  ['not leader', 'notLeader'],
  ['invalid auth token', 'badToken'],
  ['revision of auth store is old', 'badToken'],
  ['user name is empty', 'badToken'],
  ['authentication failed', 'denied'],
  ['permission denied', 'denied'],
]

export function answered<Reply>(reply: Reply): Answered<Reply> {
  return { kind: 'answered', reply }
}

/** What a call that failed means. */
export function failedOutcome({ code, details }: Pick<ServiceError, 'code' | 'details'>): Refused | Ambiguous {
  const isRefusal = refusalCodes.includes(code) && refusalMessages.some((beginning) => details.startsWith(beginning))
  if (!isRefusal) return { kind: 'ambiguous', code, message: details }
  return { kind: 'refused', why: reasonOf(details), code, message: details }
}

export function reasonOf(message: string): RefusalReason {
  return reasons.find(([part]) => message.includes(part))?.[1] ?? 'other'
}
