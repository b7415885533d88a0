/**
 * A client that drives a server over several connections: each sends a batch of requests, waits for all its replies,
 * and sends the next. Bounded by keys, by time, or by the first error. A latency runs from the sending of a batch to
 * the reply of each of its requests, so with a pipeline it includes the wait behind one's own batch.
 */
import type { Socket } from 'node:net'
import { connect } from 'node:net'
import type { NextKey } from './key-choice.ts'
import { LatencyHistogram } from './latency-histogram.ts'
import type { Replies, Requests } from './requests.ts'

const silenceMsMax = 60_000
const progressEveryMs = 250

export interface LoadOptions {
  readonly port: number
  readonly connections: number
  /** Requests of one connection under way. */
  readonly pipeline: number
  readonly requests: Requests
  /** Answers −1 at the end. */
  readonly nextKey: NextKey
  readonly durationMs?: number
  /** The load does not go faster than this; as fast as it can without. */
  readonly perSecondMax?: number
  /** Ends after the first error reply; what is under way is still waited for. */
  readonly stopAtError?: boolean
  readonly onProgress?: (replies: number) => void
}

export interface LoadResult {
  readonly replies: number
  readonly seconds: number
  readonly perSecond: number
  readonly latency: LatencyHistogram
  readonly misses: number
  readonly errors: number
  readonly firstError: string
}

/** Rejects when a connection breaks or nothing is answered for a minute. */
export async function load(options: LoadOptions): Promise<LoadResult> {
  const run = new Run(options)
  const clients = await Promise.all(Array.from({ length: options.connections }, () => Client.open(run)))
  const startedMs = performance.now()
  run.start(startedMs)
  try {
    await Promise.all(clients.map((client) => client.drive()))
  } finally {
    run.stop()
    for (const client of clients) client.close()
  }
  const seconds = (performance.now() - startedMs) / 1000
  const sum = (read: (replies: Replies) => number) => clients.reduce((total, client) => total + read(client.replies), 0)
  return {
    replies: run.replies,
    seconds,
    perSecond: run.replies / seconds,
    latency: run.latency,
    misses: sum((replies) => replies.misses),
    errors: sum((replies) => replies.errors),
    firstError: clients.find((client) => client.replies.firstError !== '')?.replies.firstError ?? '',
  }
}

/** What the clients of one load share. */
class Run {
  readonly options: LoadOptions
  readonly latency = new LatencyHistogram()
  replies = 0
  ended = false
  onSilence: (failure: Error) => void = () => undefined
  #untilMs = Number.POSITIVE_INFINITY
  #startedMs = 0
  #sent = 0
  #timer: NodeJS.Timeout | undefined

  constructor(options: LoadOptions) {
    this.options = options
  }

  start(nowMs: number): void {
    this.#startedMs = nowMs
    if (this.options.durationMs !== undefined) this.#untilMs = nowMs + this.options.durationMs
    let seen = -1
    let seenMs = nowMs
    this.#timer = setInterval(() => {
      if (this.replies !== seen) {
        seen = this.replies
        seenMs = performance.now()
      } else if (performance.now() - seenMs > silenceMsMax) {
        this.onSilence(new Error(`no reply for ${silenceMsMax / 1000} s, after ${this.replies} replies`))
      }
      this.options.onProgress?.(this.replies)
    }, progressEveryMs)
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  /** −1 when no more is to be sent. */
  nextKey(nowMs: number): number {
    if (this.ended || nowMs >= this.#untilMs) return -1
    const key = this.options.nextKey()
    if (key < 0) this.ended = true
    else this.#sent++
    return key
  }

  /** How long to wait before the next batch, so that the load keeps to its rate. */
  earlyMs(nowMs: number): number {
    const { perSecondMax } = this.options
    return perSecondMax === undefined ? 0 : (this.#sent * 1000) / perSecondMax - (nowMs - this.#startedMs)
  }
}

class Client {
  readonly replies: Replies
  readonly #run: Run
  readonly #socket: Socket
  readonly #batch: Buffer
  #awaited = 0
  #sentMs = 0
  #resolve: () => void = () => undefined

  private constructor(run: Run, socket: Socket) {
    this.#run = run
    this.#socket = socket
    this.#batch = Buffer.allocUnsafe(run.options.pipeline * run.options.requests.requestBytes)
    this.replies = run.options.requests.replies()
  }

  static open(run: Run): Promise<Client> {
    return new Promise((resolve, reject) => {
      const socket = connect({ port: run.options.port, host: '127.0.0.1', noDelay: true })
      socket.once('error', reject)
      socket.once('connect', () => {
        socket.off('error', reject)
        resolve(new Client(run, socket))
      })
    })
  }

  /** Resolves when there is nothing more to send and all replies have come. */
  drive(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#resolve = resolve
      const silent = this.#run.onSilence
      this.#run.onSilence = (failure) => {
        silent(failure)
        reject(failure)
      }
      this.#socket.on('error', reject)
      this.#socket.on('close', () => reject(new Error(`the server closed a connection after ${this.#run.replies} replies`)))
      this.#socket.on('data', (chunk: Buffer) => this.#received(chunk))
      this.#send()
    })
  }

  close(): void {
    this.#socket.removeAllListeners('close')
    this.#socket.destroy()
  }

  #send(): void {
    const { requests, pipeline } = this.#run.options
    this.#sentMs = performance.now()
    let count = 0
    let end = 0
    for (; count < pipeline; count++) {
      const key = this.#run.nextKey(this.#sentMs)
      if (key < 0) break
      end = requests.encode(this.#batch, end, key)
    }
    this.#awaited = count
    // The batch is overwritten only after its last reply: by then the system has taken all of it.
    if (count > 0) this.#socket.write(this.#batch.subarray(0, end))
    else this.#resolve()
  }

  #received(chunk: Buffer): void {
    const count = this.replies.feed(chunk)
    this.#run.latency.record(performance.now() - this.#sentMs, count)
    this.#run.replies += count
    this.#awaited -= count
    if (this.#run.options.stopAtError === true && this.replies.errors > 0) this.#run.ended = true
    if (this.#awaited > 0 || count === 0) return
    const earlyMs = this.#run.earlyMs(performance.now())
    if (earlyMs < 1) this.#send()
    else setTimeout(() => this.#send(), earlyMs)
  }
}
