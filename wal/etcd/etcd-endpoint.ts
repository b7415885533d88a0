/**
 * One member of an etcd cluster, over a connection that comes back by itself. A call is one attempt with a deadline of its
 * own; it is never repeated here, except that a call whose token was refused, which therefore did nothing, is sent again
 * with a new one. Which endpoint to ask, and when to ask again, is the caller's decision (`etcd-endpoints.ts`).
 *
 * A connection on which nothing is answered for some seconds is replaced by a new one. The network may have forgotten it, or
 * TCP may be in one of its longer and longer pauses, and the member may have been reachable again for a while.
 */
import { Metadata, status } from '@grpc/grpc-js'
import type { Clock } from '../../storage/clock.ts'
import { authenticate } from './cluster-methods.ts'
import type { EtcdTls } from './etcd-connection.ts'
import { EtcdConnection } from './etcd-connection.ts'
import type { EtcdMethod } from './etcd-method.ts'
import type { Ambiguous, EtcdOutcome, Refused } from './etcd-outcome.ts'
import { answered, failedOutcome } from './etcd-outcome.ts'
import type { EtcdToken } from './etcd-token.ts'
import type { WatchHandlers, WatchRequest } from './etcd-watch.ts'
import { decodeWatchResponse, EtcdWatch, watchPath } from './etcd-watch.ts'

/** A call that a follower has passed on to a dying leader gets no answer at all, so waiting is short. */
const DEADLINE_MS = 500
/** etcd makes the comparison of passwords slow on purpose. Calls that have longer leave the same time to it. */
const AUTHENTICATE_DEADLINE_MS = 3000
/** A connection is replaced when a call has got no answer and none has come since the first such call, for so long. */
const SILENCE_MS = 2000

export interface EndpointOptions {
  /** `host:port`. */
  readonly address: string
  readonly clock: Clock
  /** Plain text without it. */
  readonly tls?: EtcdTls | undefined
  /** Shared by the endpoints of a cluster; missing when etcd has no users. */
  readonly token?: EtcdToken | undefined
  /** For calls that are given none; 500 ms unless told. */
  readonly deadlineMs?: number | undefined
}

export class EtcdEndpoint {
  readonly address: string
  readonly #clock: Clock
  readonly #token: EtcdToken | undefined
  readonly #deadlineMs: number
  readonly #connect: () => EtcdConnection
  #connection: EtcdConnection
  /** When the oldest call was sent since which nothing has been answered. */
  #unansweredSinceMs: number | undefined
  #isClosed = false

  /** Connects with the first call. Throws when there is something in `tls` that is no certificate or key. */
  constructor({ address, clock, tls, token, deadlineMs = DEADLINE_MS }: EndpointOptions) {
    this.address = address
    this.#clock = clock
    this.#token = token
    this.#deadlineMs = deadlineMs
    this.#connect = () => new EtcdConnection(address, tls)
    this.#connection = this.#connect()
  }

  /**
   * Whatever goes wrong is an outcome; it rejects only for a request that cannot be written, which is the caller's mistake. The
   * deadline is for this one call; asking for a token comes on top.
   */
  async call<Request, Reply>(
    method: EtcdMethod<Request, Reply>,
    request: Request,
    deadlineMs = this.#deadlineMs,
  ): Promise<EtcdOutcome<Reply>> {
    if (this.#token === undefined) return this.#attempt(method, request, deadlineMs, undefined)
    const first = await this.#attemptAsUser(this.#token, method, request, deadlineMs)
    const isTokenRefused = first.kind === 'refused' && first.why === 'badToken'
    return isTokenRefused ? this.#attemptAsUser(this.#token, method, request, deadlineMs) : first
  }

  /**
   * Follows the changes in a range of keys. Nothing is repeated: when `onEnd` is called, whoever watches decides from which
   * revision to go on, and where.
   */
  watch(request: WatchRequest, handlers: WatchHandlers): EtcdWatch {
    const watch = new EtcdWatch(request, handlers)
    if (this.#token === undefined) this.#startWatch(watch, undefined, () => undefined)
    else void this.#startWatchAsUser(watch, this.#token)
    return watch
  }

  /** Ends the connection; calls and watches under way end as ambiguous. */
  close(): void {
    this.#isClosed = true
    this.#connection.close()
  }

  async #attemptAsUser<Request, Reply>(
    token: EtcdToken,
    method: EtcdMethod<Request, Reply>,
    request: Request,
    deadlineMs: number,
  ): Promise<EtcdOutcome<Reply>> {
    const used = await this.#tokenText(token)
    if (typeof used !== 'string') return used
    const outcome = await this.#attempt(method, request, deadlineMs, used)
    if (outcome.kind === 'refused' && outcome.why === 'badToken') token.forget(used)
    return outcome
  }

  #tokenText(token: EtcdToken): Promise<string | Refused | Ambiguous> {
    const deadlineMs = Math.max(AUTHENTICATE_DEADLINE_MS, this.#deadlineMs)
    return token.get((user) => this.#attempt(authenticate, user, deadlineMs, undefined))
  }

  #attempt<Request, Reply>(
    method: EtcdMethod<Request, Reply>,
    request: Request,
    deadlineMs: number,
    token: string | undefined,
  ): Promise<EtcdOutcome<Reply>> {
    if (this.#isClosed) return Promise.resolve(closed)
    const bytes = method.encode(request)
    const connection = this.#connection
    const options = { deadline: this.#clock.wallMs() + deadlineMs }
    this.#unansweredSinceMs ??= this.#clock.monotonicMs()
    return new Promise((resolve) => {
      connection.unary(method.path, bytes, method.decode, metadataOf(method.needsLeader, token), options, (failure, reply) => {
        if (failure?.code === status.DEADLINE_EXCEEDED) this.#unanswered(connection)
        else this.#unansweredSinceMs = undefined
        resolve(failure === null ? answered(reply as Reply) : failedOutcome(failure))
      })
    })
  }

  #unanswered(connection: EtcdConnection): void {
    const sinceMs = this.#unansweredSinceMs
    if (this.#isClosed || connection !== this.#connection || sinceMs === undefined) return
    if (this.#clock.monotonicMs() - sinceMs < SILENCE_MS) return
    this.#unansweredSinceMs = undefined
    this.#connection = this.#connect()
    connection.close()
  }

  #startWatch(watch: EtcdWatch, token: string | undefined, onRefused: () => void): void {
    if (this.#isClosed) watch.end(closed)
    else watch.start(this.#connection.stream(watchPath, decodeWatchResponse, metadataOf(true, token)), onRefused)
  }

  async #startWatchAsUser(watch: EtcdWatch, token: EtcdToken): Promise<void> {
    const used = await this.#tokenText(token)
    if (typeof used !== 'string') watch.end(used)
    else this.#startWatch(watch, used, () => token.forget(used))
  }
}

const closed: Ambiguous = { kind: 'ambiguous', code: status.UNAVAILABLE, message: 'the connection has been closed here' }

/** The names are those that etcd's own client uses. */
function metadataOf(needsLeader: boolean, token: string | undefined): Metadata {
  const metadata = new Metadata()
  if (needsLeader) metadata.set('hasleader', 'true')
  if (token !== undefined) metadata.set('token', token)
  return metadata
}
