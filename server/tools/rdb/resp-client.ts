/**
 * A client of a server that speaks RESP2, for importing and exporting: requests go out as they come, replies are awaited in their
 * order, and whoever sends too much ahead of the replies waits.
 */
import type { Socket } from 'node:net'
import { connect } from 'node:net'
import { formatInteger } from '../../../engine/integer.ts'
import { putBytes } from '../../../engine/memory/packed-bytes.ts'
import type { RespReply } from '../../resp/reply-reader.ts'
import { RespReader } from '../../resp/reply-reader.ts'

/** Bytes that are somewhere in others. */
export interface ByteRange {
  readonly bytes: Uint8Array
  readonly start: number
  readonly end: number
}

export type RequestPart = string | Uint8Array | number | ByteRange

/** Bytes and requests that may be under way without a reply. */
const pendingBytesMax = 8 * 1024 * 1024
const pendingRequestsMax = 8192
const answeredMax = 1024
/** Requests are written together: so many bytes of them, or what there is at the end of a turn. */
const batchBytes = 64 * 1024
const star = 0x2a
const dollar = 0x24
const nothing = Buffer.alloc(0)

export interface Address {
  readonly host: string
  readonly port: number
  readonly user: string | undefined
  readonly password: string | undefined
}

/** `host:port` or `redis://[user:password@]host:port`; undefined when it is neither. */
export function parseAddress(text: string): Address | undefined {
  const url = /^redis:\/\//i.test(text) ? text : `redis://${text}`
  if (!URL.canParse(url)) return undefined
  const { hostname, port, username, password } = new URL(url)
  if (hostname === '') return undefined
  const own = (part: string): string | undefined => (part === '' ? undefined : decodeURIComponent(part))
  return { host: hostname.replace(/^\[|\]$/g, ''), port: port === '' ? 6379 : Number(port), user: own(username), password: own(password) }
}

interface Waiting {
  readonly bytes: number
  resolve(reply: RespReply): void
  reject(failure: Error): void
}

export class RespClient {
  readonly #socket: Socket
  readonly #reader = new RespReader()
  readonly #waiting: Waiting[] = []
  /** How many of these, the first, have their reply. */
  #answered = 0
  #pendingBytes = 0
  /** Requests that were not sent yet: `#bytes[0, #end)`. */
  #bytes: Buffer = nothing
  #end = 0
  #willFlush = false
  #failure: Error | undefined
  #wake: (() => void) | undefined

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.setNoDelay(true)
    socket.on('data', (bytes: Buffer) => this.#received(bytes))
    socket.on('error', (failure) => this.#fail(failure))
    socket.on('close', () => this.#fail(new Error('the server closed the connection')))
  }

  static async open(address: Address): Promise<RespClient> {
    const client = new RespClient(await openSocket(address))
    const { user, password } = address
    if (password !== undefined) await client.must('AUTH', ...(user === undefined ? [] : [user]), password)
    return client
  }

  /** Sends a request. Resolves to its reply, an error too. */
  send(...parts: readonly RequestPart[]): Promise<RespReply> {
    return new Promise((resolve, reject) => this.post(parts, resolve, reject))
  }

  /** As `send`, with calls instead of a promise: for many requests. `failed`: the connection is broken. */
  post(parts: readonly RequestPart[], replied: (reply: RespReply) => void, failed: (failure: Error) => void): void {
    if (this.#failure !== undefined) {
      failed(this.#failure)
      return
    }
    const bytes = this.#write(parts)
    this.#pendingBytes += bytes
    this.#waiting.push({ bytes, resolve: replied, reject: failed })
  }

  /** Whether so much is under way that `room` should be awaited. */
  get isFull(): boolean {
    return this.#pendingBytes > pendingBytesMax || this.#waiting.length - this.#answered > pendingRequestsMax || this.#failure !== undefined
  }

  /** As `send`; rejects when the reply is an error. */
  async must(...parts: readonly RequestPart[]): Promise<RespReply> {
    const reply = await this.send(...parts)
    if (reply instanceof Error) throw reply
    return reply
  }

  /** Resolves when not too much is under way. */
  async room(): Promise<void> {
    while (this.isFull) {
      if (this.#failure !== undefined) throw this.#failure
      this.#flush()
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }

  close(): void {
    this.#flush()
    this.#socket.end()
  }

  destroy(): void {
    this.#socket.destroy()
  }

  #write(parts: readonly RequestPart[]): number {
    const before = this.#end
    this.#line(star, parts.length)
    for (const part of parts) {
      if (typeof part === 'string') this.#text(part)
      else if (typeof part === 'number') this.#text(String(part))
      else if (part instanceof Uint8Array) this.#range(part, 0, part.length)
      else this.#range(part.bytes, part.start, part.end)
      this.#lineEnd()
    }
    const written = this.#end - before
    if (this.#end >= batchBytes) this.#flush()
    else if (!this.#willFlush) {
      this.#willFlush = true
      setImmediate(() => this.#flush())
    }
    return written
  }

  #text(text: string): void {
    const length = Buffer.byteLength(text)
    this.#line(dollar, length)
    this.#room(length + 2)
    this.#end += this.#bytes.write(text, this.#end)
  }

  #range(bytes: Uint8Array, start: number, end: number): void {
    this.#line(dollar, end - start)
    this.#room(end - start + 2)
    putBytes(this.#bytes, this.#end, bytes, start, end)
    this.#end += end - start
  }

  #line(kind: number, value: number): void {
    this.#room(24)
    this.#bytes[this.#end++] = kind
    this.#end = formatInteger(this.#bytes, this.#end, value)
    this.#lineEnd()
  }

  #lineEnd(): void {
    this.#bytes[this.#end++] = 0x0d
    this.#bytes[this.#end++] = 0x0a
  }

  #room(count: number): void {
    if (this.#bytes.length - this.#end >= count) return
    const more = Buffer.allocUnsafeSlow(Math.max(2 * batchBytes, this.#end + count + 64))
    this.#bytes.copy(more, 0, 0, this.#end)
    this.#bytes = more
  }

  #flush(): void {
    this.#willFlush = false
    if (this.#end === 0) return
    this.#socket.write(this.#bytes.subarray(0, this.#end))
    this.#bytes = nothing
    this.#end = 0
  }

  #received(bytes: Buffer): void {
    this.#reader.push(bytes)
    for (let reply = this.#reader.next(); reply !== undefined; reply = this.#reader.next()) {
      const waiting = this.#shift()
      if (waiting === undefined) {
        this.#fail(new Error('a reply that nobody has asked for'))
        return
      }
      this.#pendingBytes -= waiting.bytes
      waiting.resolve(reply)
    }
    this.#wakeUp()
  }

  /** An array of thousands is shortened now and then, not with each reply. */
  #shift(): Waiting | undefined {
    const first = this.#waiting[this.#answered]
    if (first !== undefined && ++this.#answered >= answeredMax) {
      this.#waiting.splice(0, this.#answered)
      this.#answered = 0
    }
    return first
  }

  #fail(failure: Error): void {
    if (this.#failure !== undefined) return
    this.#failure = failure
    for (const { reject } of this.#waiting.splice(0).slice(this.#answered)) reject(failure)
    this.#answered = 0
    this.#wakeUp()
  }

  #wakeUp(): void {
    const wake = this.#wake
    this.#wake = undefined
    wake?.()
  }
}

export function openSocket({ host, port }: Address): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port })
    socket.once('error', reject)
    socket.once('connect', () => {
      socket.off('error', reject)
      resolve(socket)
    })
  })
}
