/**
 * One watch: every change to a range of keys, in order, from a revision on. It has a stream of its own, so it needs no
 * number, and closing it concerns nobody else.
 *
 * etcd sends the changes of several revisions in one response and may cut a large response into fragments; the handler gets
 * them together, whole, because who looks at half of a transaction sees what never was. A revision is therefore complete
 * when its events arrive.
 *
 * A progress message is a sign of life and no more: in etcd 3.4.23 and others a requested one may overtake events that it
 * claims to be past (https://github.com/etcd-io/etcd/issues/15220).
 */
import type { ClientDuplexStream, ServiceError } from '@grpc/grpc-js'
import { status } from '@grpc/grpc-js'
import { readRevision, shortRequest } from './etcd-method.ts'
import type { Ambiguous, Refused } from './etcd-outcome.ts'
import { failedOutcome, reasonOf } from './etcd-outcome.ts'
import type { KeyRange, KeyValue } from './kv-methods.ts'
import { readKeyValue, writeKeyRange } from './kv-methods.ts'
import { ProtobufReader } from './protobuf.ts'

export const watchPath = '/etcdserverpb.Watch/Watch'

export interface WatchRequest extends KeyRange {
  /** The first revision of interest; without it, what comes after the watch has started. */
  readonly startRevision?: number | undefined
  /** Whether etcd sends progress when nothing happens: every ten minutes, unless it is configured otherwise. */
  readonly progressNotify?: boolean | undefined
}

export interface WatchEvent {
  readonly kind: 'put' | 'delete'
  /** A deletion has the key, and the revision of the deletion in `modRevision`. */
  readonly pair: KeyValue
}

export interface WatchHandlers {
  /** The member follows the range. */
  onStart(): void
  /** All events of one response; `revision` is the store's when it was sent, the last event's is the one to go on from. */
  onEvents(events: readonly WatchEvent[], revision: number): void
  onProgress(revision: number): void
  /** The last call, once. */
  onEnd(end: WatchEnd): void
}

/** Why a watch has ended. */
export type WatchEnd = WatchCompacted | Refused | Ambiguous

/** Events from `startRevision` on are gone: read the range, and watch from there. */
export interface WatchCompacted {
  readonly kind: 'compacted'
  /** The oldest revision from which a watch can begin. */
  readonly compactRevision: number
}

export interface WatchResponse {
  readonly revision: number
  readonly isCreated: boolean
  readonly isCanceled: boolean
  readonly compactRevision: number
  readonly cancelReason: string
  /** Whether more of the same response follows. */
  readonly isFragment: boolean
  readonly events: readonly WatchEvent[]
}

export type WatchStream = ClientDuplexStream<Buffer, WatchResponse>

export class EtcdWatch {
  readonly #request: WatchRequest
  readonly #handlers: WatchHandlers
  #stream: WatchStream | undefined
  #onRefused: () => void = () => undefined
  #fragments: WatchEvent[] = []
  #isPaused = false
  #isOver = false

  constructor(request: WatchRequest, handlers: WatchHandlers) {
    this.#request = request
    this.#handlers = handlers
  }

  /** Begins on a stream, which belongs to the watch from now on. `onRefused` hears first when the member refuses the watch. */
  start(stream: WatchStream, onRefused: () => void): void {
    this.#stream = stream
    this.#onRefused = onRefused
    // A stream that is cancelled says so as an error, also when nobody wants to know any more.
    stream.on('error', (failure: ServiceError) => this.end(failedOutcome(failure)))
    stream.on('end', () => this.end({ kind: 'ambiguous', code: status.UNAVAILABLE, message: 'the member has ended the watch' }))
    if (this.#isOver) {
      stream.cancel()
      return
    }
    stream.on('data', (response: WatchResponse) => this.#take(response))
    if (this.#isPaused) stream.pause()
    stream.write(encodeCreate(this.#request))
  }

  /** Ends the watch as `end` says. Nothing happens when it has ended already. */
  end(end: WatchEnd): void {
    if (this.#isOver) return
    this.close()
    this.#handlers.onEnd(end)
  }

  /** Lets nothing more be called until `resume`; a few responses are buffered, the others wait at the member. */
  pause(): void {
    this.#isPaused = true
    this.#stream?.pause()
  }

  resume(): void {
    this.#isPaused = false
    this.#stream?.resume()
  }

  /** Asks for a progress message, which shows that member and connection live. */
  requestProgress(): void {
    if (!this.#isOver) this.#stream?.write(encodeProgress())
  }

  /** No handler is called after this. */
  close(): void {
    this.#isOver = true
    this.#fragments = []
    this.#stream?.cancel()
  }

  #take(response: WatchResponse): void {
    if (this.#isOver) return
    if (response.isCanceled) this.#canceled(response)
    else if (response.isCreated) this.#handlers.onStart()
    else if (response.isFragment || this.#fragments.length > 0) this.#takeFragment(response)
    else if (response.events.length > 0) this.#handlers.onEvents(response.events, response.revision)
    else this.#handlers.onProgress(response.revision)
  }

  #takeFragment(response: WatchResponse): void {
    this.#fragments.push(...response.events)
    if (response.isFragment) return
    const events = this.#fragments
    this.#fragments = []
    this.#handlers.onEvents(events, response.revision)
  }

  #canceled({ compactRevision, cancelReason }: WatchResponse): void {
    if (compactRevision > 0) {
      this.end({ kind: 'compacted', compactRevision })
      return
    }
    this.#onRefused()
    this.end({ kind: 'refused', why: reasonOf(cancelReason), code: status.CANCELLED, message: cancelReason })
  }
}

function encodeCreate(request: WatchRequest): Buffer {
  return shortRequest((writer) => {
    writer.message(1, () => {
      // Fragments: a watch that catches up would otherwise get up to a thousand revisions in one message.
      writer.flag(8)
      if (request.progressNotify) writer.flag(4)
      if (request.startRevision !== undefined) writer.integer(3, request.startRevision)
      writeKeyRange(writer, request)
    })
  })
}

function encodeProgress(): Buffer {
  return shortRequest((writer) => writer.message(3, () => undefined))
}

export function decodeWatchResponse(bytes: Buffer): WatchResponse {
  const reader = new ProtobufReader(bytes)
  const events: WatchEvent[] = []
  const found = { revision: 0, isCreated: false, isCanceled: false, compactRevision: 0, cancelReason: '', isFragment: false }
  while (reader.next()) {
    if (reader.field === 1) found.revision = readRevision(reader.message())
    else if (reader.field === 3) found.isCreated = reader.flag()
    else if (reader.field === 4) found.isCanceled = reader.flag()
    else if (reader.field === 5) found.compactRevision = reader.integer()
    else if (reader.field === 6) found.cancelReason = reader.text()
    else if (reader.field === 7) found.isFragment = reader.flag()
    else if (reader.field === 11) events.push(readEvent(reader.message()))
    else reader.skip()
  }
  return { ...found, events }
}

function readEvent(reader: ProtobufReader): WatchEvent {
  let kind: WatchEvent['kind'] = 'put'
  let pair: KeyValue | undefined
  while (reader.next()) {
    if (reader.field === 1) kind = reader.integer() === 1 ? 'delete' : 'put'
    else if (reader.field === 2) pair = readKeyValue(reader.message())
    else reader.skip()
  }
  return { kind, pair: pair ?? readKeyValue(new ProtobufReader(Buffer.alloc(0))) }
}
