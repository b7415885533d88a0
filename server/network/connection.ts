/**
 * One client's byte side: requests are cut from what arrives and given to a handler one after the other, replies gather in
 * the output and leave at the end of the turn, in order, those of uncommitted writes when the log has them.
 *
 * Memory stays bounded by looking away: while a request waits, or while replies pile up because the client does not read,
 * no request is parsed, and what arrives beyond a little is left with the operating system.
 * It knows no command and no session: the handler does.
 */
import type { Arguments } from '../../engine/arguments.ts'
import type { ChunkPool } from '../../engine/chunk-pool.ts'
import type { SharedRange } from '../../engine/output-buffer.ts'
import { OutputBuffer } from '../../engine/output-buffer.ts'
import { ReplyWriter } from '../../engine/reply-writer.ts'
import { PipelinedKeys, pipelinedRequestsMax } from '../resp/pipelined-keys.ts'
import { RequestParser } from '../resp/request-parser.ts'
import type { ConnectionLimits, OutputLimit } from './connection-limits.ts'
import { OutputWatch } from './connection-limits.ts'
import type { Pipe, PipeOwner } from './network.ts'
import type { Turn, TurnMember } from './turn.ts'

/** What became of a request: go on, keep its bytes until `resume` is called, or close when the replies so far have been sent. */
export type RequestOutcome = 'next' | 'wait' | 'close'

export interface RequestHandler {
  /** Hints that requests on these keys are about to come, in this order. The bytes stay as they are until `endPrefetch`. */
  prefetch?(buffer: Buffer, keys: PipelinedKeys): void
  endPrefetch?(): void
  /** Executes one request. The arguments are valid until this returns, or if it returns `wait`, until `resume`. */
  request(connection: Connection, args: Arguments): RequestOutcome
  /** Whether the request that waits will go on whatever other clients do: then a client that has said all still gets its replies. */
  goesOn?(): boolean
  /** The client is gone; called once. */
  closed(connection: Connection): void
}

/** Counts over all connections since the start. */
export interface TrafficCounts {
  inputBytes: number
  outputBytes: number
  /** Of the bytes sent, those that were for clients that are sent a copy of the data. */
  copyBytes: number
  /** Times that something was read from a client, and written to one. */
  reads: number
  writes: number
}

/** What all connections share, and who wants to know when one is gone. */
export interface ConnectionHost {
  readonly turn: Turn
  readonly pool: ChunkPool
  readonly limits: ConnectionLimits
  readonly counts: TrafficCounts
  /** Gives a new connection its handler. */
  open(connection: Connection): RequestHandler
  /** A connection is about to be closed because the system gives no memory for its request. */
  lackedMemory(connection: Connection): void
  /** A connection is about to be closed because its client does not read what waits for it. */
  overflowed(connection: Connection): void
  left(connection: Connection): void
}

/** While parsing has stopped, this much is still read ahead. */
const readAheadBytes = 256 * 1024

/** Requests that arrive together are executed for so long at a time: then the replies so far leave, and others are served. */
const sliceMs = 1

/** Fewer bytes than this hold one request, or little more. */
const prefetchBytesMin = 128

const noLimit: OutputLimit = { hardBytes: 0, softBytes: 0, softMs: 0 }
const views: Uint8Array[] = []
const keys = new PipelinedKeys()

export class Connection implements PipeOwner, TurnMember {
  readonly id: number
  readonly pipe: Pipe
  readonly output: OutputBuffer
  readonly reply: ReplyWriter
  readonly openedMs: number
  /** When a request last arrived, by the turn's clock. */
  lastActiveMs: number
  /** Whether the turn will flush this connection, and whether it watches it for held replies: the turn's own flags. */
  dirty = false
  held = false
  /** Its client has subscribed: it may be silent, and other limits hold for what waits to leave. */
  subscribed = false
  /** Its client is sent a copy of the data, at its own pace: it may be silent, and no limits hold for what waits to leave. */
  isReplica = false
  /** Who waits until little waits to leave, and how little. */
  #roomWaiter: { readonly bytes: number; readonly wake: () => void } | undefined
  readonly #host: ConnectionHost
  readonly #turn: Turn
  readonly #parser: RequestParser
  readonly #limits: ConnectionLimits
  readonly #traffic: TrafficCounts
  readonly #handler: RequestHandler
  /** Where the replies of the request in hand begin. */
  #requestFrom = 0
  #running = false
  #waiting = false
  /** Parsing has stopped because too much waits to leave. */
  #choked = false
  /** Parsing goes on when the turn has ended. */
  #resting = false
  #paused = false
  /** The client has said all it had to say: once that is done, the connection closes. */
  #ended = false
  /** Nothing more is read; the pipe ends when all replies have left. */
  #closing = false
  #closed = false
  readonly #outputWatch = new OutputWatch()

  constructor(id: number, pipe: Pipe, host: ConnectionHost) {
    this.id = id
    this.pipe = pipe
    this.#host = host
    this.#turn = host.turn
    this.#limits = host.limits
    this.#traffic = host.counts
    this.output = new OutputBuffer(host.pool)
    this.reply = new ReplyWriter(this.output)
    this.#parser = new RequestParser(host.pool, host.limits)
    this.openedMs = host.turn.nowMs
    this.lastActiveMs = host.turn.nowMs
    this.#handler = host.open(this)
  }

  get closed(): boolean {
    return this.#closed
  }

  get heldLsn(): number {
    return this.#closed ? 0 : this.output.heldLsn
  }

  /** Bytes of input that wait to be parsed. */
  get queryBytes(): number {
    return this.#parser.unparsedBytes
  }

  /** Memory of this connection's buffers in bytes. */
  get memoryBytes(): number {
    return this.#parser.memoryBytes + this.output.memoryBytes
  }

  /** Until a client has authenticated (where it must), it may send small requests only. */
  set authenticated(authenticated: boolean) {
    this.#parser.authenticated = authenticated
  }

  /** Begins to read. */
  start(): void {
    this.pipe.start(this)
  }

  /** The replies of the request in hand may leave only when the log has committed `lsn`. */
  hold(lsn: number): void {
    if (lsn > this.#turn.committed) this.output.hold(lsn, this.#requestFrom)
  }

  /** What became of the request that returned `wait`: its replies are written and the next one comes, or it waits for something else. */
  resume(outcome: RequestOutcome = 'next'): void {
    if (!this.#waiting) return
    if (outcome === 'wait') {
      this.#waitsOn()
      return
    }
    if (outcome === 'close') this.closeAfterReply()
    this.#waiting = false
    if (this.#closed) return
    this.#turn.mark(this)
    if (!this.#running) this.#run()
  }

  /** A client that has said all it had to say does not wait for other clients. */
  #waitsOn(): void {
    if (this.#ended && !this.#handler.goesOn?.()) this.close()
  }

  /** Something was written that answers no request (a message, a notice): sends it at the end of the turn. */
  wrote(): void {
    if (!this.#closed) this.#turn.mark(this)
  }

  /** Sends a message that answers no request; it may leave when the log has committed `lsn`. */
  push(message: readonly SharedRange[], lsn: number): void {
    if (this.#closed || this.#closing) return
    this.output.message(message, lsn, this.#turn.committed)
    const { hardBytes } = this.#outputLimit
    // What is gathered in one turn counts as well, as in Redis.
    if (hardBytes > 0 && this.output.pendingBytes + this.pipe.pendingBytes > hardBytes) this.#overflows()
    else this.#turn.mark(this)
  }

  /** Sends bytes that are no reply, and do not change any more. */
  send(bytes: Buffer): void {
    if (this.#closed || this.#closing) return
    this.output.share(bytes, 0, bytes.length)
    this.#turn.mark(this)
  }

  /** Bytes that wait to leave. */
  get leavingBytes(): number {
    return this.output.pendingBytes + this.pipe.pendingBytes
  }

  /** Resolves when at most `bytes` wait to leave, or the connection is closed. One at a time waits. */
  async room(bytes: number): Promise<void> {
    if (this.#closed || this.leavingBytes <= bytes) return
    await new Promise<void>((wake) => {
      this.#roomWaiter = { bytes, wake }
    })
  }

  #hasRoom(pending: number): void {
    const waiter = this.#roomWaiter
    if (waiter === undefined || pending > waiter.bytes) return
    this.#roomWaiter = undefined
    waiter.wake()
  }

  get #outputLimit(): OutputLimit {
    if (this.isReplica) return noLimit
    return this.subscribed ? this.#limits.subscriberOutput : this.#limits.output
  }

  #overflows(): void {
    this.#host.overflowed(this)
    this.close()
  }

  /** Reads no further request, and closes once all replies so far have left. */
  closeAfterReply(): void {
    this.#closing = true
    this.wrote()
  }

  /** The request in hand has failed: its client gets this instead of a reply, if none of that has left yet; then it is closed. */
  failRequest(text: string): void {
    if (this.#closed) return
    if (this.output.taken > this.#requestFrom) {
      this.close()
      return
    }
    this.output.rewindTo(this.#requestFrom)
    this.reply.error(text)
    this.closeAfterReply()
  }

  /** Closes at once; replies that have not left are lost. */
  close(): void {
    this.pipe.destroy()
    this.onClose(undefined)
  }

  onData(bytes: Buffer, start: number, end: number): void {
    this.#traffic.inputBytes += end - start
    this.#traffic.reads++
    if (this.#closing || this.#closed) return
    this.#turn.begin()
    this.lastActiveMs = this.#turn.nowMs
    this.#parser.feed(bytes, start, end)
    if (this.#waiting || this.#choked || this.#resting || this.#running) {
      this.#retain()
      if (this.#parser.unparsedBytes > readAheadBytes) this.#pause()
      return
    }
    this.#run()
  }

  #run(): void {
    const { output } = this
    let prefetched = 0
    const untilMs = this.#turn.reachedMs + sliceMs
    this.#running = true
    while (!this.#closing && !this.#closed) {
      if (output.pendingBytes >= this.#limits.outputPauseBytes) {
        this.#choke()
        break
      }
      if (prefetched-- <= 0) prefetched = this.#prefetch()
      const found = this.#parser.next()
      if (found === 'more') break
      if (found === 'failure') {
        this.#refuse(this.#parser.failure)
        break
      }
      this.#requestFrom = output.keptPosition
      const outcome = this.#handler.request(this, this.#parser.args)
      if (outcome === 'next') {
        if (this.#turn.reachedMs < untilMs || this.#parser.unparsedBytes === 0) continue
        this.#rest()
        break
      }
      if (outcome === 'wait') this.#waiting = true
      else this.#closing = true
      break
    }
    this.#running = false
    this.#handler.endPrefetch?.()
    if (this.#ended && !this.#choked && !this.#resting) {
      if (!this.#waiting) this.#closing = true
      else this.#waitsOn()
    }
    if (this.#closed) return
    if (this.#closing) this.#parser.close()
    else if (!this.#retain()) return
    if (this.#paused && !this.#waiting && !this.#choked && !this.#resting) this.#unpause()
    if (this.#closing || output.pendingBytes > 0) this.#turn.mark(this)
  }

  /** Keeps what the parser still needs of what arrived; false when the connection was closed for want of memory. */
  #retain(): boolean {
    this.#parser.retain(this.#waiting)
    if (!this.#parser.lacksMemory) return true
    this.#closeForMemory()
    return false
  }

  #closeForMemory(): void {
    this.#host.lackedMemory(this)
    this.close()
  }

  /** Lets the handler prefetch for the requests that come next, if there are several. Returns after how many requests to do so again. */
  #prefetch(): number {
    if (this.#parser.unparsedBytes < prefetchBytesMin) return pipelinedRequestsMax
    this.#parser.findPipelinedKeys(keys)
    if (keys.count > 1) this.#handler.prefetch?.(this.#parser.buffer, keys)
    return keys.requests - 1
  }

  #refuse(failure: string): void {
    if (this.#parser.lacksMemory) {
      this.#closeForMemory()
      return
    }
    if (failure === '') {
      this.close()
      return
    }
    this.reply.onError?.(failure)
    const line = Buffer.from(`-${failure.replace(/[\r\n]/g, ' ')}\r\n`, 'latin1')
    this.output.copy(line, 0, line.length)
    this.#closing = true
  }

  /** Leaves the rest of what has arrived to the next turn. */
  #rest(): void {
    this.#resting = true
    this.#turn.afterwards(() => {
      this.#resting = false
      if (this.#closed || this.#closing) return
      this.#turn.begin()
      this.#run()
    })
  }

  #choke(): void {
    this.#choked = true
    this.#pause()
  }

  #pause(): void {
    if (this.#paused) return
    this.#paused = true
    this.pipe.pause()
  }

  #unpause(): void {
    this.#paused = false
    this.pipe.resume()
  }

  flush(committed: number): void {
    if (this.#closed) return
    if (this.pipe.pendingBytes === 0 && this.#send(committed)) this.output.settle()
    const pending = this.output.pendingBytes + this.pipe.pendingBytes
    if (this.output.holding) this.#turn.hold(this)
    this.#hasRoom(pending)
    if (pending > 0 && this.#outputWatch.exceeds(this.#outputLimit, pending, this.#turn.nowMs)) {
      this.#overflows()
      return
    }
    if (this.#closing) {
      if (this.output.pendingBytes === 0) this.pipe.end()
    } else if (this.#choked && pending < this.#limits.outputPauseBytes / 2) {
      this.#choked = false
      if (!this.#waiting) this.#run()
    }
  }

  /** True when nothing that was sent is still on its way to the system. */
  #send(committed: number): boolean {
    const bytes = this.output.takeSendable(committed, views)
    if (bytes === 0) return true
    this.#traffic.outputBytes += bytes
    this.#traffic.writes++
    if (this.isReplica) this.#traffic.copyBytes += bytes
    const taken = this.pipe.write(views)
    views.length = 0
    return taken
  }

  /** Called about once a second: closes a client that has been silent, or has not read its replies, for too long. */
  sweep(): void {
    if (this.#closed) return
    const { idleMs } = this.#limits
    const { nowMs } = this.#turn
    if (this.#outputWatch.exceeds(this.#outputLimit, this.output.pendingBytes + this.pipe.pendingBytes, nowMs)) this.#overflows()
    else if (idleMs > 0 && !this.#waiting && !this.subscribed && nowMs - this.lastActiveMs > idleMs) this.close()
  }

  onDrain(): void {
    if (this.#closed) return
    this.output.settle()
    // At the end of the turn, which knows whether what was answered in it may leave.
    this.#turn.mark(this)
  }

  /** The client has said all it had to say. What it is owed is still done and sent; but a request that waits for other clients is given up. */
  onEnd(): void {
    if (this.#closed) return
    this.#ended = true
    if (this.#resting) return
    if (this.#waiting) this.#waitsOn()
    else if (this.output.pendingBytes + this.pipe.pendingBytes === 0) this.close()
    else if (!this.#choked) this.closeAfterReply()
  }

  onClose(_failure: string | undefined): void {
    if (this.#closed) return
    this.#closed = true
    this.#waiting = false
    this.#parser.close()
    this.output.clear()
    this.#hasRoom(0)
    this.#host.left(this)
    this.#handler.closed(this)
  }
}
