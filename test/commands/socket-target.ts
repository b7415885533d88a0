/** A server behind a TCP port as a transcript target: redis-server or Moraine, this class does not care which. */
import type { Socket } from 'node:net'
import { connect } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { encodeRequest, formatInline } from './notation.ts'
import { RespDecoder } from './resp-decoder.ts'
import type { Product, Received, Target } from './transcript.ts'

/** Generous: a busy machine may let a server wait for seconds. Several attempts fit into a test's time. */
const replyTimeoutMs = 60_000
const pollMs = 2

export class SocketTarget implements Target {
  readonly product: Product
  readonly #port: number
  readonly #host: string
  readonly #connections = new Map<string, Connection>()
  #control: Connection | undefined
  #defaults: ReadonlyMap<string, string> | undefined

  constructor(product: Product, port: number, host = '127.0.0.1') {
    this.product = product
    this.#port = port
    this.#host = host
  }

  async send(connection: string, request: Uint8Array): Promise<void> {
    let open = this.#connections.get(connection)
    if (open === undefined) {
      open = await Connection.open(this.#port, this.#host)
      this.#connections.set(connection, open)
    }
    open.send(request)
  }

  async receive(connection: string): Promise<Received> {
    const open = this.#connections.get(connection)
    if (open === undefined) throw new Error(`connection ${connection} was never used`)
    return open.receive()
  }

  unreceived(connection: string): number {
    return this.#connections.get(connection)?.unreceived ?? 0
  }

  async reset(): Promise<void> {
    await this.#closeConnections()
    await this.#command('CLIENT', 'UNPAUSE')
    await this.#restoreConfiguration()
    for (const command of ['FLUSHALL', 'CONFIG RESETSTAT', 'SLOWLOG RESET', 'LATENCY RESET']) await this.#command(...command.split(' '))
    await this.#onlyControlIsLeft()
  }

  async advance(ms: number): Promise<void> {
    const end = (await this.#serverMs()) + ms
    for (let now = await this.#serverMs(); now <= end; now = await this.#serverMs()) await delay(Math.min(pollMs, end - now + 1))
  }

  async close(): Promise<void> {
    await this.#closeConnections()
    await this.#control?.close()
    this.#control = undefined
  }

  async #closeConnections(): Promise<void> {
    await Promise.all([...this.#connections.values()].map((connection) => connection.close()))
    this.#connections.clear()
  }

  async #serverMs(): Promise<number> {
    const [seconds, micros] = await this.#texts('TIME')
    return Number(seconds) * 1000 + Math.floor(Number(micros) / 1000)
  }

  /** Sets back every parameter that a section has changed. */
  async #restoreConfiguration(): Promise<void> {
    const now = await this.#configuration()
    this.#defaults ??= now
    for (const [name, value] of this.#defaults) {
      if (now.get(name) !== value) await this.#command('CONFIG', 'SET', name, value)
    }
  }

  async #configuration(): Promise<ReadonlyMap<string, string>> {
    const texts = await this.#texts('CONFIG', 'GET', '*')
    const values = new Map<string, string>()
    for (let index = 0; index < texts.length; index += 2) values.set(texts[index] as string, texts[index + 1] as string)
    return values
  }

  /** The server notices a closed socket in its own time; a section must not see the clients of the one before. */
  async #onlyControlIsLeft(): Promise<void> {
    const end = performance.now() + replyTimeoutMs
    while (performance.now() < end) {
      const { reply } = await this.#command('CLIENT', 'LIST')
      const list = reply.type === 'bulk' ? reply.text.toString('latin1') : ''
      if (list.split('\n').filter((line) => line !== '').length === 1) return
    }
    throw new Error('other clients use the server under test')
  }

  async #texts(...parts: readonly string[]): Promise<readonly string[]> {
    const { reply } = await this.#command(...parts)
    if (!('items' in reply)) throw new Error(`${parts.join(' ')}: ${formatInline(reply)}`)
    return reply.items.map((item) => ('text' in item ? item.text.toString('latin1') : ''))
  }

  async #command(...parts: readonly string[]): Promise<Exclude<Received, 'closed'>> {
    const request = encodeRequest(parts.map((part) => Buffer.from(part, 'latin1')))
    let received: Received = 'closed'
    // A section may have killed the control connection (CLIENT KILL): the second attempt opens a new one.
    for (let attempt = 1; received === 'closed' && attempt <= 2; attempt++) {
      if (this.#control === undefined || this.#control.closed) this.#control = await Connection.open(this.#port, this.#host)
      this.#control.send(request)
      received = await this.#control.receive()
    }
    if (received === 'closed') throw new Error(`${parts.join(' ')}: the server closed the connection`)
    if (received.reply.type === 'error') throw new Error(`${parts.join(' ')}: ${formatInline(received.reply)}`)
    return received
  }
}

class Connection {
  readonly #socket: Socket
  readonly #decoder = new RespDecoder()
  readonly #replies: Received[] = []
  #failure: Error | undefined
  #closed = false
  #wake: (() => void) | undefined

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.setNoDelay(true)
    socket.on('data', (chunk: Buffer) => this.#data(chunk))
    // A reset connection is a closed one to a transcript; 'close' follows.
    socket.on('error', () => {})
    socket.on('close', () => {
      this.#closed = true
      this.#replies.push('closed')
      this.#wake?.()
    })
  }

  static open(port: number, host: string): Promise<Connection> {
    return new Promise((resolve, reject) => {
      const socket = connect({ port, host }, () => {
        socket.off('error', reject)
        resolve(new Connection(socket))
      })
      socket.once('error', reject)
    })
  }

  get closed(): boolean {
    return this.#closed
  }

  get unreceived(): number {
    return this.#decoder.undecodedBytes + this.#replies.filter((reply) => reply !== 'closed').length
  }

  send(bytes: Uint8Array): void {
    this.#socket.write(bytes)
  }

  async receive(): Promise<Received> {
    while (this.#replies.length === 0) {
      if (this.#failure !== undefined) throw this.#failure
      await this.#arrival()
    }
    // A closed connection stays closed, however often it is asked.
    return this.#replies[0] === 'closed' ? 'closed' : (this.#replies.shift() as Received)
  }

  close(): Promise<void> {
    return new Promise((resolve) => {
      if (this.#closed) resolve()
      else this.#socket.once('close', () => resolve()).destroy()
    })
  }

  #arrival(): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`no reply within ${replyTimeoutMs} ms`)), replyTimeoutMs)
      this.#wake = () => {
        clearTimeout(timer)
        this.#wake = undefined
        resolve()
      }
    })
  }

  #data(chunk: Buffer): void {
    this.#decoder.push(chunk)
    try {
      for (let decoded = this.#decoder.next(); decoded !== undefined; decoded = this.#decoder.next()) this.#replies.push(decoded)
    } catch (error) {
      this.#failure = error as Error
    }
    this.#wake?.()
  }
}
