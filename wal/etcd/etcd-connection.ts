/**
 * A connection to one member, and the calls of gRPC that are under way on it. It is made with the first call, and again with the first
 * one after it has broken; a call that waits for it ends at its deadline. Closing it ends all calls.
 */
import type { ClientHttp2Session, OutgoingHttpHeaders } from 'node:http2'
import { connect } from 'node:http2'
import type { SecureContext } from 'node:tls'
import { createSecureContext } from 'node:tls'
import type { Clock } from '../../storage/clock.ts'
import type { GrpcHandlers } from './grpc-call.ts'
import { GrpcCall } from './grpc-call.ts'
import type { GrpcStatus } from './grpc-status.ts'
import { grpcStatus } from './grpc-status.ts'

/** With HTTP/2's 64 KiB what a watch catches up with would wait for the network once per 64 KiB. */
const WINDOW_BYTES = 1 << 20
/** A connection that has died without a word ends after so long. etcd takes offence at more than a ping in five seconds. */
const PING_MS = 6000
const PONG_MS = 2000
/** A network that swallows the first packet hears of the connection again after 1, 3, 7 and 15 seconds; a new one is tried sooner. */
const CONNECT_MS = 2000
/** HTTP/2 numbers a connection's calls with the odd numbers of 31 bits, and never uses one again. */
const CALLS_MAX = 2 ** 30 - 2

/** Certificates and keys in PEM format. */
export interface EtcdTls {
  /** The authorities that vouch for etcd's members. */
  readonly authorities: Buffer
  /** This client's own, where etcd demands one. */
  readonly certificate?: Buffer | undefined
  readonly key?: Buffer | undefined
}

/** What is said with a call beside its messages. */
export interface CallHeaders {
  /** Whether the member is to refuse when it knows of no leader. */
  readonly needsLeader: boolean
  /** Of the user. */
  readonly token: string | undefined
}

export class EtcdConnection {
  readonly #url: string
  readonly #secure: SecureContext | undefined
  readonly #clock: Clock
  readonly #callsMax: number
  readonly #underWay = new Set<GrpcCall>()
  #session: ClientHttp2Session | undefined
  /** On this session. */
  #calls = 0

  /**
   * `address`: `host:port`. Connects with the first call, and again after `callsMax` of them. Throws when there is something in `tls` that is
   * no certificate or key.
   */
  constructor(address: string, tls: EtcdTls | undefined, clock: Clock, callsMax = CALLS_MAX) {
    this.#url = `${tls === undefined ? 'http' : 'https'}://${address}`
    this.#secure = tls && createSecureContext({ ca: tls.authorities, cert: tls.certificate, key: tls.key })
    this.#clock = clock
    this.#callsMax = callsMax
  }

  /** One message there and one back, which is missing when the status is not OK. `request` has room for the prefix in front. */
  unary(path: string, headers: CallHeaders, request: Buffer, deadlineMs: number, onEnd: (status: GrpcStatus, reply: Buffer) => void): void {
    let reply = noReply
    const names = { ...namesOf(headers), 'grpc-timeout': `${Math.ceil(deadlineMs)}m` }
    const call = this.#begin(path, names, {
      onMessage: (message) => {
        reply = message
      },
      onEnd: (status) => {
        timer.cancel()
        onEnd(status, reply)
      },
    })
    const timer = this.#clock.after(deadlineMs, () => call.cancel(late))
    call.send(request, true)
  }

  stream(path: string, headers: CallHeaders, handlers: GrpcHandlers): GrpcCall {
    return this.#begin(path, namesOf(headers), handlers)
  }

  /** Ends all that is under way, and the connection. */
  close(): void {
    for (const call of [...this.#underWay]) call.cancel(closed)
    this.#session?.destroy()
    this.#session = undefined
  }

  #begin(path: string, headers: OutgoingHttpHeaders, handlers: GrpcHandlers): GrpcCall {
    // What is under way then fails as with any connection that breaks, and is tried again.
    if (this.#calls === this.#callsMax) this.#session?.destroy()
    const stream = this.#connected().request({ ':method': 'POST', ':path': path, ...headers })
    this.#calls++
    const call = new GrpcCall(stream, {
      onMessage: (message) => handlers.onMessage(message),
      onEnd: (status) => {
        this.#underWay.delete(call)
        handlers.onEnd(status)
      },
    })
    this.#underWay.add(call)
    return call
  }

  #connected(): ClientHttp2Session {
    const former = this.#session
    if (former !== undefined && !former.closed && !former.destroyed) return former
    const session = connect(this.#url, {
      settings: { enablePush: false, initialWindowSize: WINDOW_BYTES },
      // Otherwise a call would be refused while much is on its way. What may be is bounded above.
      maxSessionMemory: Number.MAX_SAFE_INTEGER,
      ...(this.#secure && { secureContext: this.#secure }),
    })
    this.#session = session
    this.#calls = 0
    const late = this.#clock.after(CONNECT_MS, () => session.destroy())
    const ended = (): void => {
      late.cancel()
      if (this.#session === session) this.#session = undefined
    }
    session.on('connect', () => {
      late.cancel()
      // The word of it comes although the session has been given up meanwhile.
      if (session.destroyed) return
      session.setLocalWindowSize(WINDOW_BYTES)
      this.#ping(session)
    })
    // What was under way hears of it, too.
    session.on('error', ended)
    session.on('close', ended)
    // The member takes no more calls on it.
    session.on('goaway', ended)
    return session
  }

  #ping(session: ClientHttp2Session): void {
    this.#clock.after(PING_MS, () => {
      if (session.closed || session.destroyed) return
      const late = this.#clock.after(PONG_MS, () => session.destroy())
      const isSent = session.ping(() => {
        late.cancel()
        this.#ping(session)
      })
      if (!isSent) late.cancel()
    })
  }
}

const closed: GrpcStatus = { code: grpcStatus.CANCELLED, details: 'the connection has been closed here' }
const late: GrpcStatus = { code: grpcStatus.DEADLINE_EXCEEDED, details: 'there was no answer in time' }
const noReply: Buffer = Buffer.alloc(0)

/** The names are those that etcd's own client uses. */
function namesOf({ needsLeader, token }: CallHeaders): OutgoingHttpHeaders {
  return {
    'content-type': 'application/grpc',
    te: 'trailers',
    ...(needsLeader && { hasleader: 'true' }),
    ...(token !== undefined && { token }),
  }
}
