/**
 * One member of an etcd cluster, over one HTTP/2 connection that comes back by itself. A call is one attempt with a deadline
 * of its own; it is never repeated here, except that a call whose token was refused, which therefore did nothing, is sent
 * again with a new one. Which endpoint to ask, and when to ask again, is the caller's decision (`etcd-endpoints.ts`).
 */
import type { CallOptions, ChannelCredentials, ChannelOptions } from '@grpc/grpc-js'
import { Client, credentials, Metadata, status } from '@grpc/grpc-js'
import type { Clock } from '../../storage/clock.ts'
import { authenticate } from './cluster-methods.ts'
import type { EtcdMethod } from './etcd-method.ts'
import type { Ambiguous, EtcdOutcome, Refused } from './etcd-outcome.ts'
import { answered, failedOutcome } from './etcd-outcome.ts'
import type { EtcdToken } from './etcd-token.ts'
import type { WatchHandlers, WatchRequest } from './etcd-watch.ts'
import { decodeWatchResponse, EtcdWatch, watchPath } from './etcd-watch.ts'

/** A call that a follower has passed on to a dying leader gets no answer at all, so waiting is short. */
export const DEADLINE_MS = 500
/** etcd makes the comparison of passwords slow on purpose. */
const AUTHENTICATE_DEADLINE_MS = 3000

/** Certificates and keys in PEM format. */
export interface EtcdTls {
  /** The authorities that vouch for etcd's members. */
  readonly authorities: Buffer
  /** This client's own, where etcd demands one. */
  readonly certificate?: Buffer | undefined
  readonly key?: Buffer | undefined
}

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

const channelOptions: ChannelOptions = {
  // Pages of a Range and what a watch catches up with may be large.
  'grpc.max_receive_message_length': -1,
  'grpc.max_send_message_length': -1,
  // With HTTP/2's 64 KiB each of them would wait for the network once per 64 KiB.
  'grpc-node.flow_control_window': 1 << 20,
  // A member that comes back is used again soon. gRPC would wait for up to two minutes.
  'grpc.initial_reconnect_backoff_ms': 50,
  'grpc.max_reconnect_backoff_ms': 200,
  'grpc.dns_min_time_between_resolutions_ms': 1000,
  // A connection that has died without a word ends after so long. etcd takes offence at more than a ping in five seconds.
  'grpc.keepalive_time_ms': 6000,
  'grpc.keepalive_timeout_ms': 2000,
  // What became of a request is for the caller to find out, so nothing is sent twice behind its back.
  'grpc.enable_retries': 0,
  'grpc.service_config_disable_resolution': 1,
  'grpc.use_local_subchannel_pool': 1,
  'grpc.enable_channelz': 0,
  // A proxy that the environment names is for the web.
  'grpc.enable_http_proxy': 0,
}

export class EtcdEndpoint {
  readonly address: string
  readonly #client: Client
  readonly #clock: Clock
  readonly #token: EtcdToken | undefined
  readonly #deadlineMs: number
  #isClosed = false

  /** Connects with the first call. Throws when there is something in `tls` that is no certificate or key. */
  constructor({ address, clock, tls, token, deadlineMs = DEADLINE_MS }: EndpointOptions) {
    this.address = address
    this.#client = new Client(address, channelCredentials(tls), channelOptions)
    this.#clock = clock
    this.#token = token
    this.#deadlineMs = deadlineMs
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

  /** Ends the connection; calls under way end as ambiguous, watches as lost. */
  close(): void {
    this.#isClosed = true
    this.#client.close()
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
    return token.get((user) => this.#attempt(authenticate, user, AUTHENTICATE_DEADLINE_MS, undefined))
  }

  #attempt<Request, Reply>(
    method: EtcdMethod<Request, Reply>,
    request: Request,
    deadlineMs: number,
    token: string | undefined,
  ): Promise<EtcdOutcome<Reply>> {
    if (this.#isClosed) return Promise.resolve(closed)
    const bytes = method.encode(request)
    const options: CallOptions = { deadline: this.#clock.wallMs() + deadlineMs }
    return new Promise((resolve) => {
      const metadata = metadataOf(method.needsLeader, token)
      this.#client.makeUnaryRequest(method.path, asIs, method.decode, bytes, metadata, options, (failure, reply) => {
        resolve(failure === null ? answered(reply as Reply) : failedOutcome(failure))
      })
    })
  }

  #startWatch(watch: EtcdWatch, token: string | undefined, onRefused: () => void): void {
    if (this.#isClosed) watch.end(closed)
    else watch.start(this.#client.makeBidiStreamRequest(watchPath, asIs, decodeWatchResponse, metadataOf(true, token)), onRefused)
  }

  async #startWatchAsUser(watch: EtcdWatch, token: EtcdToken): Promise<void> {
    const used = await this.#tokenText(token)
    if (typeof used !== 'string') watch.end(used)
    else this.#startWatch(watch, used, () => token.forget(used))
  }
}

const closed: Ambiguous = { kind: 'ambiguous', code: status.UNAVAILABLE, message: 'the connection has been closed here' }

function channelCredentials(tls: EtcdTls | undefined): ChannelCredentials {
  return tls === undefined ? credentials.createInsecure() : credentials.createSsl(tls.authorities, tls.key ?? null, tls.certificate ?? null)
}

/** The names are those that etcd's own client uses. */
function metadataOf(needsLeader: boolean, token: string | undefined): Metadata {
  const metadata = new Metadata()
  if (needsLeader) metadata.set('hasleader', 'true')
  if (token !== undefined) metadata.set('token', token)
  return metadata
}

function asIs(bytes: Buffer): Buffer {
  return bytes
}
