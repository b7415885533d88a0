/** A connection to another node: one request at a time, its reply within a time. */
import type { Clock } from '../../storage/clock.ts'
import type { Network, Pipe, PipeOwner } from '../network/network.ts'
import type { RespReply } from '../resp/reply-reader.ts'
import { RespReader } from '../resp/reply-reader.ts'

export class NodeConnection implements PipeOwner {
  readonly #pipe: Pipe
  readonly #clock: Clock
  readonly #timeoutMs: number
  readonly #reader = new RespReader()
  #reply: RespReply | undefined
  #isClosed = false
  #wake: () => void = () => undefined

  private constructor(pipe: Pipe, clock: Clock, timeoutMs: number) {
    this.#pipe = pipe
    this.#clock = clock
    this.#timeoutMs = timeoutMs
    pipe.start(this)
  }

  static async open(network: Network, clock: Clock, host: string, port: number, timeoutMs: number): Promise<NodeConnection> {
    return new NodeConnection(await network.connect({ host, port }), clock, timeoutMs)
  }

  /** Rejects when the reply is an error, does not come in time, or the connection breaks. */
  async ask(...words: readonly string[]): Promise<RespReply> {
    const request = words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`).join('')
    this.#pipe.write([Buffer.from(`*${words.length}\r\n${request}`)])
    let isLate = false
    const timer = this.#clock.after(this.#timeoutMs, () => {
      isLate = true
      this.#wake()
    })
    while (this.#reply === undefined && !this.#isClosed && !isLate) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
    timer.cancel()
    const reply = this.#reply
    this.#reply = undefined
    if (reply === undefined) throw new Error(isLate ? 'the other node does not answer' : 'the other node has closed the connection')
    if (reply instanceof Error) throw reply
    return reply
  }

  close(): void {
    if (!this.#isClosed) this.#pipe.destroy()
  }

  onData(bytes: Buffer, start: number, end: number): void {
    // The bytes are lent.
    this.#reader.push(Buffer.from(bytes.subarray(start, end)))
    this.#reply ??= this.#reader.next()
    if (this.#reply !== undefined) this.#wake()
  }

  onDrain(): void {
    // Requests are short.
  }

  onEnd(): void {
    this.#pipe.destroy()
  }

  onClose(): void {
    this.#isClosed = true
    this.#wake()
  }
}
